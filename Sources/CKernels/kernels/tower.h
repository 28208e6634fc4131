// Chains of narrow layers, row by row, so that what one layer makes is read by the next while it lies in the cache.
//
// A row of pixels has a pitch of whole 64 bytes; what lies between the channels and the pitch may be written with anything
// finite. Weights are packed by hcq_gemm_pack, biases and depthwise weights padded with zeros to multiples of 32 floats
// (HCQ_TOWER_PAD). Every element is summed in the same order whatever the rows asked for.
#if HCQ_WIDTH == 16
#define HCQ_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HCQ_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif HCQ_WIDTH == 8
#define HCQ_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HCQ_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define HCQ_LOW 0, 4, 1, 5
#define HCQ_HIGH 2, 6, 3, 7
#endif

/// Floats of `count` channels with their padding.
static inline long padded(long count) { return (count + 15) / 16 * 16; }

/// y[count][wide registers] <- bias + a[count][depth] * b[depth][panel] + residual where there is one, ReLU.
static inline __attribute__((always_inline)) void narrow_tile(
    const int count, const int wide, long depth, const float *a, long lda, const float *b, const float *bias,
    const float *residual, long ldr, int relu, float *y, long ldy) {
    vfloat sum[HCQ_TILE][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < wide; j++) sum[i][j] = load(bias + j * HCQ_WIDTH);
    }
    for (long k = 0; k < depth; k++) {
        vfloat w[2];
        for (int j = 0; j < wide; j++) w[j] = load(b + k * HCQ_PANEL + j * HCQ_WIDTH);
#pragma clang loop unroll(full)
        for (int i = 0; i < count; i++) {
            vfloat x = a[i * lda + k] - (vfloat){0};
            for (int j = 0; j < wide; j++) sum[i][j] += x * w[j];
        }
    }
    vfloat zero = {0};
#pragma clang loop unroll(full)
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < wide; j++) {
            vfloat v = sum[i][j];
            if (residual) v += load(residual + i * ldr + j * HCQ_WIDTH);
            if (relu) v = __builtin_elementwise_max(v, zero);
            store(y + i * ldy + j * HCQ_WIDTH, v);
        }
    }
}

#define HCQ_ROWS(n) \
    case n: narrow_tile(n, 2, depth, a, lda, b, bias, residual, ldr, relu, y, ldy); break; \
    case n + 16: narrow_tile(n, 1, depth, a, lda, b, bias, residual, ldr, relu, y, ldy); break;

static __attribute__((noinline)) void narrow_case(
    long which, long depth, const float *a, long lda, const float *b, const float *bias, const float *residual, long ldr,
    int relu, float *y, long ldy) {
    switch (which) {
        HCQ_ROWS(1) HCQ_ROWS(2) HCQ_ROWS(3) HCQ_ROWS(4) HCQ_ROWS(5) HCQ_ROWS(6)
#if HCQ_TILE > 6
        HCQ_ROWS(7) HCQ_ROWS(8) HCQ_ROWS(9) HCQ_ROWS(10) HCQ_ROWS(11) HCQ_ROWS(12) HCQ_ROWS(13) HCQ_ROWS(14)
#endif
    }
}
#undef HCQ_ROWS

/// y[rows][columns] <- a[rows][depth] * packed + bias + residual, ReLU; the residual may be null or y.
static inline void narrow_product(
    long rows, long columns, long depth, const float *a, long lda, const float *packed, const float *bias,
    const float *residual, long ldr, int relu, float *y, long ldy) {
    long tiles = (rows + HCQ_TILE - 1) / HCQ_TILE;
    for (long t = 0; t < tiles; t++) {
        long i = rows * t / tiles, count = rows * (t + 1) / tiles - i;
        for (long n = 0; n < columns; n += HCQ_PANEL) {
            long which = columns - n > HCQ_WIDTH ? count : count + 16;
            narrow_case(
                which, depth, a + i * lda, lda, packed + n * depth, bias + n, residual ? residual + i * ldr + n : 0, ldr, relu,
                y + i * ldy + n, ldy);
        }
    }
}

/// One row of a depthwise 3x3 convolution: y[width][ldy] from three rows whose first tap of output 0 is at x - ldx.
///
/// `left` and `right` say whether the first tap of the first and the last tap of the last output exist.
static inline __attribute__((always_inline)) void depthwise3_row(
    const float *const rows[3], long ldx, const long stride, long width, int left, int right, long channels,
    const float *weight, long ldw, const float *bias, float *y, long ldy) {
    for (long c = 0; c < channels; c += HCQ_WIDTH) {
        vfloat w[9], start = load(bias + c);
        for (int k = 0; k < 9; k++) w[k] = load(weight + k * ldw + c);
        for (long x = 0; x < width; x++) {
            int first = x == 0 && !left, last = x == width - 1 && !right;
            vfloat sum = start;
            long at = (x * stride - 1) * ldx + c;
            for (int r = 0; r < 3; r++) {
                if (!first) sum += load(rows[r] + at) * w[3 * r];
                sum += load(rows[r] + at + ldx) * w[3 * r + 1];
                if (!last) sum += load(rows[r] + at + 2 * ldx) * w[3 * r + 2];
            }
            store(y + x * ldy + c, sum);
        }
    }
}

/// y[rows][columns] <- x[rows][depth] * packed + bias, ReLU.
void HCQ_FUNCTION(narrow)(
    const float *x, long ldx, long rows, long depth, const float *packed, const float *bias, long columns, int relu,
    float *y, long ldy) {
    narrow_product(rows, columns, depth, x, ldx, packed, bias, 0, 0, relu, y, ldy);
}

/// Rows begin...end of y: depthwise 3x3, then 1x1; added to y where `adding`, ReLU.
///
/// scratch: width * ldx + out_width * (inputs padded to 16).
void HCQ_FUNCTION(separable)(
    const hcq_chain *p, const float *x, long ldx, long height, long width, long begin, long end, int adding, int relu,
    float *scratch, float *y, long ldy) {
    long out_width = (width + p->stride - 1) / p->stride, pitch = padded(p->inputs);
    float *inner = scratch, *nothing = scratch + out_width * pitch;
    memset(nothing, 0, width * ldx * sizeof(float));
    int right = (out_width - 1) * p->stride + 1 < width;
    for (long row = begin; row < end; row++) {
        const float *rows[3];
        for (long r = 0; r < 3; r++) {
            long at = row * p->stride + r - 1;
            rows[r] = at < 0 || at >= height ? nothing : x + at * width * ldx;
        }
        if (p->stride == 2) {
            depthwise3_row(rows, ldx, 2, out_width, 0, right, p->inputs, p->depthwise, p->ldw, p->depthwise_bias, inner, pitch);
        } else {
            depthwise3_row(rows, ldx, 1, out_width, 0, right, p->inputs, p->depthwise, p->ldw, p->depthwise_bias, inner, pitch);
        }
        float *to = y + row * out_width * ldy;
        narrow_product(
            out_width, p->outputs, p->inputs, inner, pitch, p->project, p->project_bias, adding ? to : 0, ldy, relu, to, ldy);
    }
}

/// Channels of a and b in turns, `count` of each, for `pixels` pixels; y has a pitch of ldy.
static inline void interleave_rows(
    const float *a, long lda, const float *b, long ldb, long pixels, long count, float *y, long ldy) {
    for (long i = 0; i < pixels; i++, a += lda, b += ldb, y += ldy) {
        for (long c = 0; c < count; c += HCQ_WIDTH) {
            vfloat u = load(a + c), v = load(b + c);
            store(y + 2 * c, __builtin_shufflevector(u, v, HCQ_LOW));
            if (2 * c + HCQ_WIDTH < ldy) store(y + 2 * c + HCQ_WIDTH, __builtin_shufflevector(u, v, HCQ_HIGH));
        }
    }
}

/// Rows begin...end of y: the second half of the channels of x through 1x1 + ReLU, depthwise 3x3, 1x1 + ReLU; then both
/// halves in turns. inputs = outputs = half of the channels.
///
/// scratch: 5 * width * (half padded to 32).
void HCQ_FUNCTION(shuffle_block)(
    const hcq_chain *p, const float *x, long ldx, long height, long width, long begin, long end, float *scratch, float *y,
    long ldy) {
    long half = p->inputs, pitch = (half + 31) / 32 * 32, line = width * pitch;
    float *ring = scratch, *nothing = ring + 3 * line, *inner = nothing + line;
    memset(nothing, 0, line * sizeof(float));
    for (long row = begin - 1; row <= end; row++) {
        if (row >= 0 && row < height) {
            narrow_product(
                width, half, half, x + row * width * ldx + half, ldx, p->expand, p->expand_bias, 0, 0, 1,
                ring + (row + 3) % 3 * line, pitch);
        }
        long at = row - 1;
        if (at < begin) continue;
        const float *rows[3];
        for (long r = 0; r < 3; r++) {
            long from = at + r - 1;
            rows[r] = from < 0 || from >= height ? nothing : ring + (from + 3) % 3 * line;
        }
        depthwise3_row(rows, pitch, 1, width, 0, 0, half, p->depthwise, p->ldw, p->depthwise_bias, inner, pitch);
        // The row above is needed no more: its place takes the result.
        float *result = ring + (at + 2) % 3 * line;
        narrow_product(width, half, half, inner, pitch, p->project, p->project_bias, 0, 0, 1, result, pitch);
        interleave_rows(x + at * width * ldx, ldx, result, pitch, width, half, y + at * width * ldy, ldy);
    }
}

/// Rows begin...end of a branch's sum: y <- scale * x + every lower branch repeated; and its ReLU.
void HCQ_FUNCTION(exchange)(const hcq_sum *p, long begin, long end) {
    vfloat zero = {0};
    for (long row = begin; row < end; row++) {
        for (long i = 0; i < p->width; i++) {
            long at = (row * p->width + i) * p->ld;
            const float *up[3];
            for (int j = 0; j < p->count; j++) {
                up[j] = p->up[j] + ((row >> (j + 1)) * (p->width >> (j + 1)) + (i >> (j + 1))) * p->ldu[j];
            }
            for (long c = 0; c < p->ld; c += HCQ_WIDTH) {
                vfloat sum = load(p->x + at + c) * p->scale;
                if (p->adding) sum += load(p->adding + at + c);
                for (int j = 0; j < p->count; j++) sum += load(up[j] + c);
                if (p->y) store(p->y + at + c, sum);
                store(p->rectified + at + c, __builtin_elementwise_max(sum, zero));
            }
        }
    }
}

/// Rows begin...end of y [2 height][2 width], all maps with a pitch of ld: other + x enlarged twofold bilinearly
/// (align_corners = false).
void HCQ_FUNCTION(enlarge_add)(
    const float *x, long height, long width, long ld, long begin, long end, const float *other, float *y) {
    for (long oy = begin; oy < end; oy++) {
        // Output pixel o lies at o / 2 - 1 / 4: a quarter from one source pixel, three quarters from the other.
        long near_y = oy / 2, far_y = oy & 1 ? near_y + 1 : near_y - 1;
        far_y = far_y < 0 ? 0 : (far_y >= height ? height - 1 : far_y);
        const float *near = x + near_y * width * ld, *far = x + far_y * width * ld;
        for (long ox = 0; ox < 2 * width; ox++) {
            long near_x = ox / 2, far_x = ox & 1 ? near_x + 1 : near_x - 1;
            far_x = far_x < 0 ? 0 : (far_x >= width ? width - 1 : far_x);
            long a = near_x * ld, b = far_x * ld, at = (oy * 2 * width + ox) * ld;
            for (long c = 0; c < ld; c += HCQ_WIDTH) {
                vfloat close = load(near + a + c) * 0.75f + load(far + a + c) * 0.25f;
                vfloat distant = load(near + b + c) * 0.75f + load(far + b + c) * 0.25f;
                store(y + at + c, load(other + at + c) + (close * 0.75f + distant * 0.25f));
            }
        }
    }
}
#undef HCQ_LOW
#undef HCQ_HIGH
