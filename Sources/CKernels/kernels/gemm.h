// Matrix products against weights that are packed once, with what follows fused in: bias, residual, activation.
//
// The weights lie in panels of HCQ_PANEL columns, each panel [depth][HCQ_PANEL]. Rows of x are copied into a block with a
// fixed distance between rows (for a convolution: gathered from the map), so that neither cache sets nor pages collide,
// and a tile of rows x one panel stays in registers. Every element is summed in the order of k in blocks of
// HCQ_DEPTH, whatever the rows and columns asked for, so that a different split gives the same bits.
#define HCQ_PANEL (2 * HCQ_WIDTH)
#define HCQ_DEPTH 256
#define HCQ_PITCH (HCQ_DEPTH + 16)
#define HCQ_BLOCK 112
#undef HCQ_TILE
#if HCQ_WIDTH == 16
#define HCQ_TILE 14
#else
#define HCQ_TILE 6
#endif

/// What a tile becomes when its sum is complete.
typedef struct {
    const float *bias;  // of the panel, or null
    int activation;
} tile_epilogue;

/// c[count][columns] <- start + a[count][depth] * b[depth][panel], and the epilogue where there is one; columns are the
/// first register of the panel or both. start may be null for zero, and may be c.
static inline __attribute__((always_inline)) void tile_of(
    const int count, const int registers, long depth, const float *a, const float *b, float *c, long ldc,
    const float *start, long lds, const tile_epilogue *epilogue) {
    vfloat sum[HCQ_TILE][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) {
        sum[i][0] = start ? load(start + i * lds) : (vfloat){0};
        if (registers > 1) sum[i][1] = start ? load(start + i * lds + HCQ_WIDTH) : (vfloat){0};
    }
    for (long k = 0; k < depth; k++) {
        vfloat b0 = load(b + k * HCQ_PANEL), b1 = load(b + k * HCQ_PANEL + HCQ_WIDTH);
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) {
            vfloat x = a[i * HCQ_PITCH + k] - (vfloat){0};
            sum[i][0] += x * b0;
            if (registers > 1) sum[i][1] += x * b1;
        }
    }
    int rectify = 0;
    if (epilogue) {
        vfloat b0 = epilogue->bias ? load(epilogue->bias) : (vfloat){0};
        vfloat b1 = registers > 1 && epilogue->bias ? load(epilogue->bias + HCQ_WIDTH) : (vfloat){0};
        rectify = epilogue->activation == 1;
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) {
            sum[i][0] += b0;
            if (registers > 1) sum[i][1] += b1;
        }
    }
    if (rectify) {
        vfloat zero = {0};
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) {
            sum[i][0] = __builtin_elementwise_max(sum[i][0], zero);
            if (registers > 1) sum[i][1] = __builtin_elementwise_max(sum[i][1], zero);
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) {
        store(c + i * ldc, sum[i][0]);
        if (registers > 1) store(c + i * ldc + HCQ_WIDTH, sum[i][1]);
    }
}

#define HCQ_ROWS(n, registers) \
    case n: tile_of(n, registers, depth, a, b, c, ldc, start, lds, epilogue); break;
#if HCQ_TILE > 6
#define HCQ_MORE_ROWS(r) HCQ_ROWS(7, r) HCQ_ROWS(8, r) HCQ_ROWS(9, r) HCQ_ROWS(10, r) HCQ_ROWS(11, r) HCQ_ROWS(12, r) \
    HCQ_ROWS(13, r) HCQ_ROWS(14, r)
#else
#define HCQ_MORE_ROWS(r)
#endif
#define HCQ_ALL_ROWS(r) HCQ_ROWS(1, r) HCQ_ROWS(2, r) HCQ_ROWS(3, r) HCQ_ROWS(4, r) HCQ_ROWS(5, r) HCQ_ROWS(6, r) HCQ_MORE_ROWS(r)

static inline void activate_tile(long count, long columns, float *c, long ldc, const tile_epilogue *epilogue) {
    if (!epilogue || epilogue->activation < 2) return;
    for (long i = 0; i < count; i++) {
        float *row = c + i * ldc;
        switch (epilogue->activation) {
        case 2: for (long j = 0; j < columns; j++) row[j] = activate(row[j], 2); break;
        case 3: for (long j = 0; j < columns; j++) row[j] = activate(row[j], 3); break;
        case 4: for (long j = 0; j < columns; j++) row[j] = activate(row[j], 4); break;
        }
    }
}

static __attribute__((noinline)) void tile(
    long count, long depth, const float *a, const float *b, float *c, long ldc, const float *start, long lds,
    const tile_epilogue *epilogue) {
    switch (count) { HCQ_ALL_ROWS(2) }
    activate_tile(count, HCQ_PANEL, c, ldc, epilogue);
}

/// Of a panel that has no columns in its second register.
static __attribute__((noinline)) void half_tile(
    long count, long depth, const float *a, const float *b, float *c, long ldc, const float *start, long lds,
    const tile_epilogue *epilogue) {
    switch (count) { HCQ_ALL_ROWS(1) }
    activate_tile(count, HCQ_WIDTH, c, ldc, epilogue);
}
#undef HCQ_ROWS
#undef HCQ_MORE_ROWS
#undef HCQ_ALL_ROWS

/// A tile whose panel has only `columns` columns: through a buffer of the panel's width.
static __attribute__((noinline)) void edge_tile(
    long count, long columns, long depth, const float *a, const float *b, float *c, long ldc, const float *start, long lds,
    const tile_epilogue *epilogue) {
    float whole[HCQ_TILE * HCQ_PANEL], bias[HCQ_PANEL];
    tile_epilogue local;
    for (long i = 0; i < count && start; i++) memcpy(whole + i * HCQ_PANEL, start + i * lds, columns * sizeof(float));
    if (epilogue) {
        local = *epilogue;
        if (epilogue->bias) {
            memcpy(bias, epilogue->bias, columns * sizeof(float));
            local.bias = bias;
        }
    }
    if (columns <= HCQ_WIDTH) {
        half_tile(count, depth, a, b, whole, HCQ_PANEL, start ? whole : 0, HCQ_PANEL, epilogue ? &local : 0);
    } else {
        tile(count, depth, a, b, whole, HCQ_PANEL, start ? whole : 0, HCQ_PANEL, epilogue ? &local : 0);
    }
    for (long i = 0; i < count; i++) memcpy(c + i * ldc, whole + i * HCQ_PANEL, columns * sizeof(float));
}

/// c[rows][columns] of one block of depth; `a` has the block's pitch, `packed` begins at the block in its first panel,
/// the next panel is `stride` floats further. The rows are shared out evenly over the tiles.
static inline void block_product(
    long rows, long columns, long depth, const float *a, const float *packed, long stride, float *c, long ldc,
    const float *start, long lds, const tile_epilogue *epilogue) {
    long tiles = (rows + HCQ_TILE - 1) / HCQ_TILE;
    for (long n = 0; n < columns; n += HCQ_PANEL, packed += stride) {
        long wide = columns - n < HCQ_PANEL ? columns - n : HCQ_PANEL;
        for (long t = 0; t < tiles; t++) {
            long i = rows * t / tiles, count = rows * (t + 1) / tiles - i;
            const float *from = start ? start + i * lds + n : 0;
            tile_epilogue local, *last = 0;
            if (epilogue) {
                local = *epilogue;
                if (local.bias) local.bias += n;
                last = &local;
            }
            if (wide == HCQ_PANEL) {
                tile(count, depth, a + i * HCQ_PITCH, packed, c + i * ldc + n, ldc, from, lds, last);
            } else {
                edge_tile(count, wide, depth, a + i * HCQ_PITCH, packed, c + i * ldc + n, ldc, from, lds, last);
            }
        }
    }
}

/// y[count] <- x[count].
static inline void copy_floats(const float *x, long count, float *y) {
    long i = 0;
    for (; i + HCQ_WIDTH <= count; i += HCQ_WIDTH) store(y + i, load(x + i));
    for (; i < count; i++) y[i] = x[i];
}

/// Elements begin...end of the patch [kernel][kernel][channels] of output position `i`, zeros outside the map.
static inline void copy_patch(const hcq_product *p, long i, long begin, long end, float *y) {
    long run = p->kernel * p->channels;
    long top = i / p->out_width * p->stride - p->padding, left = i % p->out_width * p->stride - p->padding;
    // The part of a kernel's row that lies on the map, in floats.
    long inside = left < 0 ? -left * p->channels : 0;
    long outside = left + p->kernel > p->width ? (p->width - left) * p->channels : run;
    for (long at = begin; at < end;) {
        long ky = at / run, from = at % run, until = end - ky * run < run ? end - ky * run : run;
        long row = top + ky;
        const float *x = p->x + (row * p->width + left) * p->ldx;
        if (row < 0 || row >= p->height || outside <= inside) {
            for (; from < until; from++) y[at++ - begin] = 0.0f;
            continue;
        }
        for (; from < until && from < inside; from++) y[at++ - begin] = 0.0f;
        long last = until < outside ? until : outside;
        if (from < last) {
            copy_floats(x + from, last - from, y + at - begin);
            at += last - from;
            from = last;
        }
        for (; from < until; from++) y[at++ - begin] = 0.0f;
    }
}

/// Floats that `hcq_gemm_pack` writes for a matrix of `columns` x `depth`.
void HCQ_FUNCTION(gemm_size)(long columns, long depth, long *size) {
    *size = (columns + HCQ_PANEL - 1) / HCQ_PANEL * HCQ_PANEL * depth;
}

/// packed <- w [columns][depth] in panels.
void HCQ_FUNCTION(gemm_pack)(const float *w, long ldw, long columns, long depth, float *packed) {
    for (long n = 0; n < columns; n += HCQ_PANEL) {
        for (long k = 0; k < depth; k++) {
            for (long j = 0; j < HCQ_PANEL; j++) *packed++ = n + j < columns ? w[(n + j) * ldw + k] : 0.0f;
        }
    }
}

/// Rows row_begin...row_end and columns column_begin...column_end of y <- activation(x w' + bias + residual).
///
/// column_begin is a multiple of 32. With kernel 0 x is a matrix; else rows are output positions of a convolution.
void HCQ_FUNCTION(gemm)(const hcq_product *p, long row_begin, long row_end, long column_begin, long column_end) {
    float block[HCQ_BLOCK * HCQ_PITCH] __attribute__((aligned(64)));
    for (long m = row_begin; m < row_end; m += HCQ_BLOCK) {
        long rows = row_end - m < HCQ_BLOCK ? row_end - m : HCQ_BLOCK;
        for (long k = 0; k < p->depth; k += HCQ_DEPTH) {
            long depth = p->depth - k < HCQ_DEPTH ? p->depth - k : HCQ_DEPTH;
            for (long i = 0; i < rows; i++) {
                if (p->kernel) {
                    copy_patch(p, m + i, k, k + depth, block + i * HCQ_PITCH);
                } else {
                    copy_floats(p->x + (m + i) * p->ldx + k, depth, block + i * HCQ_PITCH);
                }
            }
            float *y = p->y + m * p->ldy + column_begin;
            const float *residual = p->residual ? p->residual + m * p->ldr + column_begin : 0;
            tile_epilogue epilogue = {p->bias ? p->bias + column_begin : 0, p->activation};
            block_product(
                rows, column_end - column_begin, depth, block, p->packed + column_begin * p->depth + k * HCQ_PANEL,
                p->depth * HCQ_PANEL, y, p->ldy, k ? y : residual, k ? p->ldy : p->ldr,
                k + depth == p->depth ? &epilogue : 0);
        }
    }
}
