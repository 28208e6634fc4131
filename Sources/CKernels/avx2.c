// The kernels for avx2.
#include "kernels/prelude.h"

#define HCQ_LEVEL(name) name##_avx2
#define HCQ_WIDTH 8
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2"))), apply_to = function)
#include "kernels/all.h"
#pragma clang attribute pop
