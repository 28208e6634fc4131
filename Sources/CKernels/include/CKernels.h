// The loops of the engine in C: one source built for baseline, AVX2 and AVX-512, one function table.
//
// Every function below runs on the level that `hcq_use_level` chose; the first choice is made when the program starts and
// follows the CPU and the environment variable HCQD_CPU. All matrices are float32, row after row; `ld...` is the number of
// floats from one row to the next. Pointers may be unaligned. No function allocates.
#ifndef HCQD_CKERNELS_H
#define HCQD_CKERNELS_H

#include "product.h"
#include "team.h"
#include "tower.h"
#include <stdint.h>

enum { HCQ_BASELINE = 0, HCQ_AVX2 = 1, HCQ_AVX512 = 2 };

/// The widest instruction set that this CPU can run: 0 baseline, 1 AVX2 with FMA, 2 AVX-512 (F, BW, DQ, VL).
int hcq_cpu_level(void);

/// The level in use: `hcq_cpu_level`, or less when HCQD_CPU (`baseline`, `avx2`, `avx512`) asks for less.
int hcq_level(void);

/// Switches all kernels to `level`, at most the CPU's; returns the level now in use. Not while kernels run: for tests.
int hcq_use_level(int level);

/// How many cores the scheduler may give to this process, at least 1.
int hcq_usable_cores(void);

/// Feature levels that attention reads: strides 32, 16, 8, in this order.
#define HCQ_LEVELS 3

/// Where the points of deformable attention lie: facts of a size of input. Points are in the order (head, level, point).
typedef struct {
    /// heads * HCQ_LEVELS * points.
    long count;
    long heads;
    /// Of one head.
    long channels;
    /// Of the level of every point, [count]: size in pixels, and the first token.
    const int32_t *width, *height, *start;
    long level_start[HCQ_LEVELS], level_height[HCQ_LEVELS], level_width[HCQ_LEVELS];
} hcq_geometry;

#define HCQ_KERNEL(name, parameters, arguments) void hcq_##name parameters;
#include "../kernels/kernels.def"
#undef HCQ_KERNEL

#endif
