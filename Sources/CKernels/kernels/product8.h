// Matrix products of 8-bit integers: unsigned activations times signed weights, exact sums in 32 bits, then scale, bias,
// residual, activation and, where the next layer wants bytes, quantisation, all before the sum leaves the registers.
//
// Included once per instruction set by product8.c with:
//   HCQ8_NAME(name)   its name in this set
//   HCQ8_LANES        sums in a register: 4, 8 or 16
//   HCQ8_GROUP        neighbours in k that one instruction adds: 4 bytes (VNNI) or 2 words (multiply-add of words)
//   HCQ8_DOT(sum, x, w)   sum + the products of every lane's group
// Weights lie in panels of 2 * LANES columns, [depth / GROUP][columns][GROUP]; a group of activations is 32 bits either way.
// Sums are integers, so that every set and every cut gives the same; only the float epilogue rounds.
#define HCQ8_PANEL (2 * HCQ8_LANES)
#define HCQ8_DEPTH 256
#define HCQ8_PITCH (HCQ8_DEPTH + 16)
#define HCQ8_BLOCK 56
#define HCQ8_TILE (HCQ8_LANES == 16 ? 14 : 6)

typedef float HCQ8_NAME(floats) __attribute__((vector_size(HCQ8_LANES * 4), aligned(4), may_alias));
typedef int32_t HCQ8_NAME(ints) __attribute__((vector_size(HCQ8_LANES * 4), aligned(4), may_alias));
typedef uint8_t HCQ8_NAME(bytes) __attribute__((vector_size(HCQ8_LANES), aligned(1), may_alias));
#define vfloats HCQ8_NAME(floats)
#define vints HCQ8_NAME(ints)
#define vbytes HCQ8_NAME(bytes)

static inline vfloats HCQ8_NAME(real)(vints x) { return __builtin_convertvector(x, vfloats); }

/// round(x) + zero in 0...255; halves go up.
static inline vbytes HCQ8_NAME(to_bytes)(vfloats x, float zero) {
    vfloats lowest = {0}, highest = lowest + 255.0f;
    x = __builtin_elementwise_min(__builtin_elementwise_max(x + (zero + 0.5f), lowest), highest + 0.5f);
    return __builtin_convertvector(__builtin_convertvector(x, vints), vbytes);
}

/// Results of a tile from its sums [count][panel]: rows row..., columns n...
static inline __attribute__((always_inline)) void HCQ8_NAME(finish)(
    const hcq_product8 *p, const int32_t *sums, long count, long row, long n, const int residual, const int relu,
    const int bytes) {
    for (long half = 0; half < 2; half++, n += HCQ8_LANES, sums += HCQ8_LANES) {
        vfloats scale = *(const vfloats *)(p->scale + n), bias = *(const vfloats *)(p->bias + n), zero = {0};
        for (long i = 0; i < count; i++) {
            vfloats y = HCQ8_NAME(real)(*(const vints *)(sums + i * HCQ8_PANEL)) * scale + bias;
            long at = (row + i) * p->ldr + n, to = (row + i) * p->ldy + n;
            if (residual == 1) y += *(const vfloats *)((const float *)p->residual + at);
            if (residual == 2) {
                vbytes r = *(const vbytes *)((const uint8_t *)p->residual + at);
                y += (__builtin_convertvector(r, vfloats) - (float)p->residual_zero) * p->residual_scale;
            }
            if (relu) y = __builtin_elementwise_max(y, zero);
            if (bytes) {
                *(vbytes *)((uint8_t *)p->y + to) = HCQ8_NAME(to_bytes)(y * p->y_inverse, (float)p->y_zero);
            } else {
                *(vfloats *)((float *)p->y + to) = y;
            }
        }
    }
}

static __attribute__((noinline)) void HCQ8_NAME(finish_tile)(
    const hcq_product8 *p, const int32_t *sums, long count, long row, long n) {
    switch (p->residual_kind * 4 + p->activation * 2 + (p->y_bytes != 0)) {
    case 0: HCQ8_NAME(finish)(p, sums, count, row, n, 0, 0, 0); break;
    case 1: HCQ8_NAME(finish)(p, sums, count, row, n, 0, 0, 1); break;
    case 2: HCQ8_NAME(finish)(p, sums, count, row, n, 0, 1, 0); break;
    case 3: HCQ8_NAME(finish)(p, sums, count, row, n, 0, 1, 1); break;
    case 4: HCQ8_NAME(finish)(p, sums, count, row, n, 1, 0, 0); break;
    case 5: HCQ8_NAME(finish)(p, sums, count, row, n, 1, 0, 1); break;
    case 6: HCQ8_NAME(finish)(p, sums, count, row, n, 1, 1, 0); break;
    case 7: HCQ8_NAME(finish)(p, sums, count, row, n, 1, 1, 1); break;
    case 8: HCQ8_NAME(finish)(p, sums, count, row, n, 2, 0, 0); break;
    case 9: HCQ8_NAME(finish)(p, sums, count, row, n, 2, 0, 1); break;
    case 10: HCQ8_NAME(finish)(p, sums, count, row, n, 2, 1, 0); break;
    case 11: HCQ8_NAME(finish)(p, sums, count, row, n, 2, 1, 1); break;
    }
}

/// A register's share of the results one by one: the last columns, and activations other than ReLU.
static __attribute__((noinline)) void HCQ8_NAME(finish_some)(
    const hcq_product8 *p, const int32_t *sum, long count, long row, long n) {
    float y[HCQ8_PANEL];
    for (long j = 0; j < count; j++) y[j] = (float)sum[j] * p->scale[n + j] + p->bias[n + j];
    for (long j = 0; j < count && p->residual_kind == 1; j++) y[j] += ((const float *)p->residual)[row * p->ldr + n + j];
    for (long j = 0; j < count && p->residual_kind == 2; j++) {
        float r = ((const uint8_t *)p->residual)[row * p->ldr + n + j];
        y[j] += (r - (float)p->residual_zero) * p->residual_scale;
    }
    switch (p->activation) {
    case 1: for (long j = 0; j < count; j++) y[j] = activate(y[j], 1); break;
    case 2: for (long j = 0; j < count; j++) y[j] = activate(y[j], 2); break;
    case 3: for (long j = 0; j < count; j++) y[j] = activate(y[j], 3); break;
    case 4: for (long j = 0; j < count; j++) y[j] = activate(y[j], 4); break;
    }
    if (!p->y_bytes) {
        memcpy((float *)p->y + row * p->ldy + n, y, count * sizeof(float));
        return;
    }
    uint8_t *to = (uint8_t *)p->y + row * p->ldy + n;
    for (long j = 0; j < count; j++) {
        to[j] = (uint8_t)minimum(maximum(y[j] * p->y_inverse + ((float)p->y_zero + 0.5f), 0.0f), 255.5f);
    }
}

/// Sums of `count` rows x one panel over `groups` groups of depth; blocks of `a` lie HCQ8_BLOCK rows apart.
static inline __attribute__((always_inline)) void HCQ8_NAME(tile_of)(
    const int count, long groups, const int32_t *a, const int32_t *b, int32_t *sums) {
    vints sum[14][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) sum[i][0] = sum[i][1] = (vints){0};
    for (long g = 0; g < groups; g += HCQ8_DEPTH, a += HCQ8_BLOCK * HCQ8_PITCH) {
        long depth = groups - g < HCQ8_DEPTH ? groups - g : HCQ8_DEPTH;
        for (long k = 0; k < depth; k++, b += HCQ8_PANEL) {
            vints b0 = *(const vints *)b, b1 = *(const vints *)(b + HCQ8_LANES);
#pragma clang loop unroll(full)
            for (int i = 0; i < count; i++) {
                vints x = a[i * HCQ8_PITCH + k] - (vints){0};
                sum[i][0] = HCQ8_DOT(sum[i][0], x, b0);
                sum[i][1] = HCQ8_DOT(sum[i][1], x, b1);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) {
        *(vints *)(sums + i * HCQ8_PANEL) = sum[i][0];
        *(vints *)(sums + i * HCQ8_PANEL + HCQ8_LANES) = sum[i][1];
    }
}

#define HCQ8_ROWS(n) \
    case n: HCQ8_NAME(tile_of)(n, groups, a, b, sums); break;

static __attribute__((noinline)) void HCQ8_NAME(tile)(
    long count, const hcq_product8 *p, long groups, const int32_t *a, const int32_t *b, long row, long column) {
    int32_t sums[14 * HCQ8_PANEL];
    switch (count) {
        HCQ8_ROWS(1) HCQ8_ROWS(2) HCQ8_ROWS(3) HCQ8_ROWS(4) HCQ8_ROWS(5) HCQ8_ROWS(6)
#if HCQ8_LANES == 16
        HCQ8_ROWS(7) HCQ8_ROWS(8) HCQ8_ROWS(9) HCQ8_ROWS(10) HCQ8_ROWS(11) HCQ8_ROWS(12) HCQ8_ROWS(13) HCQ8_ROWS(14)
#endif
    }
    long wide = p->columns - column < HCQ8_PANEL ? p->columns - column : HCQ8_PANEL;
    if (wide == HCQ8_PANEL && p->activation <= 1) {
        HCQ8_NAME(finish_tile)(p, sums, count, row, column);
    } else {
        for (long i = 0; i < count; i++) HCQ8_NAME(finish_some)(p, sums + i * HCQ8_PANEL, wide, row + i, column);
    }
}
#undef HCQ8_ROWS

/// Bytes of one row of the block, in groups.
static inline void HCQ8_NAME(put)(const uint8_t *x, long count, void *to) {
#if HCQ8_GROUP == 4
    memcpy(to, x, count);
#else
    int16_t *words = to;
    for (long i = 0; i < count; i++) words[i] = x[i];
#endif
}

/// Elements begin...begin + count of x, as bytes.
static inline void HCQ8_NAME(take)(const hcq_product8 *p, const void *x, long begin, long count, uint8_t *to) {
    if (p->x_bytes) {
        memcpy(to, (const uint8_t *)x + begin, count);
        return;
    }
    const float *from = (const float *)x + begin;
    long i = 0;
    for (; i + HCQ8_LANES <= count; i += HCQ8_LANES) {
        *(vbytes *)(to + i) = HCQ8_NAME(to_bytes)(*(const vfloats *)(from + i) * p->x_inverse, (float)p->x_zero);
    }
    for (; i < count; i++) {
        float q = minimum(maximum(from[i] * p->x_inverse + ((float)p->x_zero + 0.5f), 0.0f), 255.5f);
        to[i] = (uint8_t)q;
    }
}

/// Row `i` of the product's left side as bytes: a row of x, or the patch of an output position with x_zero outside.
static inline void HCQ8_NAME(row)(const hcq_product8 *p, long i, uint8_t *to) {
    long size = p->x_bytes ? 1 : sizeof(float);
    const char *x = p->x;
    if (!p->kernel) {
        HCQ8_NAME(take)(p, x + i * p->ldx * size, 0, p->depth, to);
        return;
    }
    long top = i / p->out_width * p->stride - p->padding, left = i % p->out_width * p->stride - p->padding;
    long first = left < 0 ? -left : 0, last = left + p->kernel > p->width ? p->width - left : p->kernel;
    for (long ky = 0; ky < p->kernel; ky++, to += p->kernel * p->channels) {
        long row = top + ky;
        if (row < 0 || row >= p->height || last <= first) {
            memset(to, p->x_zero, p->kernel * p->channels);
            continue;
        }
        if (first) memset(to, p->x_zero, first * p->channels);
        const char *pixel = x + (row * p->width + left + first) * p->ldx * size;
        HCQ8_NAME(take)(p, pixel, 0, (last - first) * p->channels, to + first * p->channels);
        if (last < p->kernel) memset(to + last * p->channels, p->x_zero, (p->kernel - last) * p->channels);
    }
}

void HCQ8_NAME(product8)(const hcq_product8 *p, long row_begin, long row_end, long column_begin, long column_end) {
    long groups = (p->depth + HCQ8_GROUP - 1) / HCQ8_GROUP;
    int32_t block[(HCQ8_MAX_DEPTH / HCQ8_GROUP / HCQ8_DEPTH + 1) * HCQ8_BLOCK * HCQ8_PITCH] __attribute__((aligned(64)));
    uint8_t bytes[HCQ8_MAX_DEPTH + 64];
    for (long m = row_begin; m < row_end; m += HCQ8_BLOCK) {
        long rows = row_end - m < HCQ8_BLOCK ? row_end - m : HCQ8_BLOCK;
        for (long i = 0; i < rows; i++) {
            HCQ8_NAME(row)(p, m + i, bytes);
            // Weights beyond the depth are 0: any byte does, but it must be one.
            for (long k = p->depth; k < groups * HCQ8_GROUP; k++) bytes[k] = 0;
            for (long g = 0; g < groups; g += HCQ8_DEPTH) {
                long count = groups - g < HCQ8_DEPTH ? groups - g : HCQ8_DEPTH;
                int32_t *to = block + (g / HCQ8_DEPTH * HCQ8_BLOCK + i) * HCQ8_PITCH;
                HCQ8_NAME(put)(bytes + g * HCQ8_GROUP, count * HCQ8_GROUP, to);
            }
        }
        long tiles = (rows + HCQ8_TILE - 1) / HCQ8_TILE;
        for (long n = column_begin; n < column_end; n += HCQ8_PANEL) {
            const int32_t *panel = (const int32_t *)p->packed + n * groups;
            for (long t = 0; t < tiles; t++) {
                long i = rows * t / tiles, count = rows * (t + 1) / tiles - i;
                HCQ8_NAME(tile)(count, p, groups, block + i * HCQ8_PITCH, panel, m + i, n);
            }
        }
    }
}

void HCQ8_NAME(product8_pack)(const int8_t *w, long columns, long depth, void *packed) {
    long groups = (depth + HCQ8_GROUP - 1) / HCQ8_GROUP;
    for (long n = 0; n < columns; n += HCQ8_PANEL) {
        for (long g = 0; g < groups; g++) {
            for (long j = 0; j < HCQ8_PANEL; j++) {
                for (long i = 0; i < HCQ8_GROUP; i++) {
                    long k = g * HCQ8_GROUP + i;
                    int8_t value = n + j < columns && k < depth ? w[(n + j) * depth + k] : 0;
#if HCQ8_GROUP == 4
                    ((int8_t *)packed)[((n * groups + g * HCQ8_PANEL) + j) * 4 + i] = value;
#else
                    ((int16_t *)packed)[((n * groups + g * HCQ8_PANEL) + j) * 2 + i] = value;
#endif
                }
            }
        }
    }
}

#undef HCQ8_NAME
#undef HCQ8_LANES
#undef HCQ8_GROUP
#undef HCQ8_DOT
#undef HCQ8_PANEL
#undef HCQ8_DEPTH
#undef HCQ8_PITCH
#undef HCQ8_BLOCK
#undef HCQ8_TILE
#undef vfloats
#undef vints
#undef vbytes
