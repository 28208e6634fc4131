// What must be included before a level's target is switched on.
#include "CKernels.h"
#include <math.h>
#include <stddef.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
