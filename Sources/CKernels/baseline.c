// The kernels for baseline.
#include "kernels/prelude.h"

#define HCQ_LEVEL(name) name##_baseline
#define HCQ_WIDTH 4
#include "kernels/all.h"
