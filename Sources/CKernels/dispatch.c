// One table of functions, filled when the program starts.
#include "CKernels.h"
#include <stdlib.h>
#include <string.h>

#define HCQ_KERNEL(name, parameters, arguments) \
    void hcq_##name##_baseline parameters;      \
    void hcq_##name##_avx2 parameters;          \
    void hcq_##name##_avx512 parameters;
#include "kernels/kernels.def"
#undef HCQ_KERNEL

static struct {
#define HCQ_KERNEL(name, parameters, arguments) void(*name) parameters;
#include "kernels/kernels.def"
#undef HCQ_KERNEL
} table;

static int level_in_use;

int hcq_cpu_level(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return HCQ_BASELINE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl")) {
        return HCQ_AVX512;
    }
    return HCQ_AVX2;
}

int hcq_level(void) { return level_in_use; }

int hcq_use_level(int level) {
    int widest = hcq_cpu_level();
    level_in_use = level < widest ? level : widest;
    if (level_in_use == HCQ_AVX512) {
#define HCQ_KERNEL(name, parameters, arguments) table.name = hcq_##name##_avx512;
#include "kernels/kernels.def"
#undef HCQ_KERNEL
    } else if (level_in_use == HCQ_AVX2) {
#define HCQ_KERNEL(name, parameters, arguments) table.name = hcq_##name##_avx2;
#include "kernels/kernels.def"
#undef HCQ_KERNEL
    } else {
#define HCQ_KERNEL(name, parameters, arguments) table.name = hcq_##name##_baseline;
#include "kernels/kernels.def"
#undef HCQ_KERNEL
    }
    return level_in_use;
}

__attribute__((constructor)) static void choose_level(void) {
    const char *wanted = getenv("HCQD_CPU");
    int level = HCQ_AVX512;
    if (wanted && strcmp(wanted, "avx2") == 0) level = HCQ_AVX2;
    if (wanted && strcmp(wanted, "baseline") == 0) level = HCQ_BASELINE;
    hcq_use_level(level);
}

#define HCQ_KERNEL(name, parameters, arguments) \
    void hcq_##name parameters { table.name arguments; }
#include "kernels/kernels.def"
#undef HCQ_KERNEL
