// int8 products for five instruction sets, and the choice between them.
#include "kernels/prelude.h"
#include <stdlib.h>

#define HCQ_WIDTH 4
#include "kernels/math.h"

#define HCQ8_MAX_DEPTH HCQ_PRODUCT8_MAX_DEPTH

#define HCQ8_NAME(name) baseline_##name
#define HCQ8_LANES 4
#define HCQ8_GROUP 2
#define HCQ8_DOT(sum, x, w) (sum + (vints)__builtin_ia32_pmaddwd128((__v8hi)x, (__v8hi)w))
#include "kernels/product8.h"

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define HCQ8_NAME(name) avx2_##name
#define HCQ8_LANES 8
#define HCQ8_GROUP 2
#define HCQ8_DOT(sum, x, w) (sum + (vints)__builtin_ia32_pmaddwd256((__v16hi)x, (__v16hi)w))
#include "kernels/product8.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx2,fma,avxvnni"))), apply_to = function)
#define HCQ8_NAME(name) avxvnni_##name
#define HCQ8_LANES 8
#define HCQ8_GROUP 4
#define HCQ8_DOT(sum, x, w) ((vints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)x, (__m256i)w))
#include "kernels/product8.h"
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#define HCQ8_NAME(name) avx512_##name
#define HCQ8_LANES 16
#define HCQ8_GROUP 2
#define HCQ8_DOT(sum, x, w) (sum + (vints)_mm512_madd_epi16((__m512i)x, (__m512i)w))
#include "kernels/product8.h"
#pragma clang attribute pop

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))), apply_to = function)
#define HCQ8_NAME(name) avx512vnni_##name
#define HCQ8_LANES 16
#define HCQ8_GROUP 4
#define HCQ8_DOT(sum, x, w) ((vints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w))
#include "kernels/product8.h"
#pragma clang attribute pop

typedef struct {
    long lanes, group;
    void (*product)(const hcq_product8 *, long, long, long, long);
    void (*pack)(const int8_t *, long, long, void *);
} integer_set;

static const integer_set sets[] = {
    {4, 2, baseline_product8, baseline_product8_pack}, {8, 2, avx2_product8, avx2_product8_pack},
    {8, 4, avxvnni_product8, avxvnni_product8_pack},   {16, 2, avx512_product8, avx512_product8_pack},
    {16, 4, avx512vnni_product8, avx512vnni_product8_pack},
};
static int set_in_use = -1;

/// Follows the level of the float kernels; VNNI where the CPU has it, unless HCQD_VNNI is 0.
static int chosen_set(void) {
    const char *wanted = getenv("HCQD_VNNI");
    int allowed = !(wanted && wanted[0] == '0');
    switch (hcq_level()) {
    case HCQ_AVX512: return allowed && __builtin_cpu_supports("avx512vnni") ? HCQ_8_AVX512_VNNI : HCQ_8_AVX512;
    case HCQ_AVX2: return allowed && __builtin_cpu_supports("avxvnni") ? HCQ_8_AVX_VNNI : HCQ_8_AVX2;
    default: return HCQ_8_BASELINE;
    }
}

int hcq_product8_set(void) {
    int set = __atomic_load_n(&set_in_use, __ATOMIC_RELAXED);
    if (set < 0) {
        set = chosen_set();
        __atomic_store_n(&set_in_use, set, __ATOMIC_RELAXED);
    }
    return set;
}

long hcq_product8_size(long columns, long depth) {
    const integer_set *s = &sets[hcq_product8_set()];
    long panel = 2 * s->lanes, groups = (depth + s->group - 1) / s->group;
    return (columns + panel - 1) / panel * panel * groups * 4;
}

void hcq_product8_pack(const int8_t *w, long columns, long depth, void *packed) {
    sets[hcq_product8_set()].pack(w, columns, depth, packed);
}

void hcq_product8_run(const hcq_product8 *p, long row_begin, long row_end, long column_begin, long column_end) {
    sets[hcq_product8_set()].product(p, row_begin, row_end, column_begin, column_end);
}
