// The kernels for avx512.
#include "kernels/prelude.h"

#define HCQ_LEVEL(name) name##_avx512
#define HCQ_WIDTH 16
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2"))), apply_to = function)
#include "kernels/all.h"
#pragma clang attribute pop
