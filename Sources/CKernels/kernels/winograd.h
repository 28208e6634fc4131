// 3x3 convolution with stride 1 and padding 1 as F(4x4, 3x3) (Lavin and Gray 2015, arXiv:1509.09308): 36 products a tile
// of 4x4 outputs where 144 would be due. Channels are multiples of 16.
//
// Three steps over a chunk of tiles, each to be split freely: every 6x6 patch is transformed into a row of 36 matrices,
// 36 products with the transformed weights, and the sums are transformed back, biased and activated. The rows lie as
// `gemm.h` wants them, [tap][block of depth][tile][HCQ_PITCH]; a tap is 16 floats longer than it need be, so that the
// same tile of all taps does not fall into one set of the cache.

/// Floats of one tap of the transformed input and of the products.
static inline long winograd_input_tap(const hcq_product *p, long tiles) {
    return (p->channels + HCQ_DEPTH - 1) / HCQ_DEPTH * tiles * HCQ_PITCH + 16;
}
static inline long winograd_output_tap(const hcq_product *p, long tiles) { return tiles * p->columns + 16; }

/// Floats of scratch that a chunk of `tiles` tiles needs.
void HCQ_FUNCTION(winograd_scratch)(const hcq_product *p, long tiles, long *size) {
    *size = 36 * (winograd_input_tap(p, tiles) + winograd_output_tap(p, tiles));
}

/// packed [36][gemm_size] <- G w G' of w [columns][3][3][channels].
void HCQ_FUNCTION(winograd_pack)(const float *w, long columns, long channels, float *packed) {
    static const double g[6][3] = {{1.0 / 4, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                   {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}};
    long panels = (columns + HCQ_PANEL - 1) / HCQ_PANEL, tap = panels * HCQ_PANEL * channels;
    memset(packed, 0, 36 * tap * sizeof(float));
    for (long o = 0; o < columns; o++) {
        for (long c = 0; c < channels; c++) {
            const float *at = w + o * 9 * channels + c;
            float *to = packed + o / HCQ_PANEL * HCQ_PANEL * channels + c * HCQ_PANEL + o % HCQ_PANEL;
            for (int i = 0; i < 6; i++) {
                double row[3];
                for (int x = 0; x < 3; x++) {
                    row[x] = 0;
                    for (int y = 0; y < 3; y++) row[x] += g[i][y] * at[(y * 3 + x) * channels];
                }
                for (int j = 0; j < 6; j++) {
                    to[(i * 6 + j) * tap] = (float)(row[0] * g[j][0] + row[1] * g[j][1] + row[2] * g[j][2]);
                }
            }
        }
    }
}

/// y[6] <- B' x[6], both with distance `step`.
static inline __attribute__((always_inline)) void winograd_b(const vfloat *x, vfloat *y, const long step) {
    vfloat x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[3 * step], x4 = x[4 * step], x5 = x[5 * step];
    vfloat even = x4 - 4.0f * x2, odd = x3 - 4.0f * x1;
    vfloat near_even = x4 - x2, near_odd = 2.0f * (x3 - x1);
    y[0] = 4.0f * x0 - 5.0f * x2 + x4;
    y[step] = even + odd;
    y[2 * step] = even - odd;
    y[3 * step] = near_even + near_odd;
    y[4 * step] = near_even - near_odd;
    y[5 * step] = 4.0f * x1 - 5.0f * x3 + x5;
}

static inline __attribute__((always_inline)) void winograd_tile_in(
    const hcq_product *p, long top, long left, const int inside, float *y, long tap, long tiles) {
    for (long c = 0; c < p->channels; c += HCQ_WIDTH) {
        vfloat d[36];
        for (int i = 0; i < 6; i++) {
            const float *x = p->x + ((top + i) * p->width + left) * p->ldx + c;
            if (inside) {
                for (int j = 0; j < 6; j++) d[6 * i + j] = load(x + j * p->ldx);
            } else {
                for (int j = 0; j < 6; j++) {
                    int on_map = top + i >= 0 && top + i < p->height && left + j >= 0 && left + j < p->width;
                    d[6 * i + j] = on_map ? load(x + j * p->ldx) : (vfloat){0};
                }
            }
        }
        for (int j = 0; j < 6; j++) winograd_b(d + j, d + j, 6);
        for (int i = 0; i < 6; i++) winograd_b(d + 6 * i, d + 6 * i, 1);
        float *to = y + c / HCQ_DEPTH * tiles * HCQ_PITCH + c % HCQ_DEPTH;
        for (int t = 0; t < 36; t++) store(to + t * tap, d[t]);
    }
}

/// Transforms tiles first + begin...first + end, counted row by row, into rows begin...end of a chunk of `tiles`.
void HCQ_FUNCTION(winograd_input)(const hcq_product *p, long first, long tiles, long begin, long end, float *scratch) {
    long across = (p->width + 3) / 4, tap = winograd_input_tap(p, tiles);
    for (long t = begin; t < end; t++) {
        long top = (first + t) / across * 4 - 1, left = (first + t) % across * 4 - 1;
        float *y = scratch + t * HCQ_PITCH;
        if (top >= 0 && left >= 0 && top + 6 <= p->height && left + 6 <= p->width) {
            winograd_tile_in(p, top, left, 1, y, tap, tiles);
        } else {
            winograd_tile_in(p, top, left, 0, y, tap, tiles);
        }
    }
}

/// Columns column_begin...column_end of the products of taps begin...end. column_begin is a multiple of 32.
void HCQ_FUNCTION(winograd_product)(
    const hcq_product *p, long tiles, long begin, long end, long column_begin, long column_end, float *scratch) {
    long in = winograd_input_tap(p, tiles), out = winograd_output_tap(p, tiles);
    long weights = (p->columns + HCQ_PANEL - 1) / HCQ_PANEL * HCQ_PANEL * p->channels;
    for (long t = begin; t < end; t++) {
        float *products = scratch + 36 * in + t * out + column_begin;
        for (long m = 0; m < tiles; m += HCQ_BLOCK) {
            long rows = tiles - m < HCQ_BLOCK ? tiles - m : HCQ_BLOCK;
            for (long k = 0; k < p->channels; k += HCQ_DEPTH) {
                long depth = p->channels - k < HCQ_DEPTH ? p->channels - k : HCQ_DEPTH;
                block_product(
                    rows, column_end - column_begin, depth,
                    scratch + t * in + (k / HCQ_DEPTH * tiles + m) * HCQ_PITCH,
                    p->packed + t * weights + column_begin * p->channels + k * HCQ_PANEL, p->channels * HCQ_PANEL,
                    products + m * p->columns, p->columns, k ? products + m * p->columns : 0, p->columns, 0);
            }
        }
    }
}

/// y[4] <- A' x[6].
static inline __attribute__((always_inline)) void winograd_a(const vfloat *x, vfloat *y, const long step, const long to) {
    vfloat near_sum = x[step] + x[2 * step], near_difference = x[step] - x[2 * step];
    vfloat far_sum = x[3 * step] + x[4 * step], far_difference = x[3 * step] - x[4 * step];
    y[0] = x[0] + near_sum + far_sum;
    y[to] = near_difference + 2.0f * far_difference;
    y[2 * to] = near_sum + 4.0f * far_sum;
    y[3 * to] = near_difference + 8.0f * far_difference + x[5 * step];
}

static inline __attribute__((always_inline)) vfloat activate_vector(vfloat x, const int activation) {
    vfloat zero = {0};
    if (activation == 1) return __builtin_elementwise_max(x, zero);
    if (activation > 1) {
        for (int j = 0; j < HCQ_WIDTH; j++) x[j] = activate(x[j], activation);
    }
    return x;
}

static inline __attribute__((always_inline)) void winograd_tile_out(
    const hcq_product *p, const float *x, long tap, long top, long left, const int activation) {
    long high = p->height - top < 4 ? p->height - top : 4, wide = p->width - left < 4 ? p->width - left : 4;
    for (long c = 0; c < p->columns; c += HCQ_WIDTH) {
        vfloat half[24], d[36];
        for (int t = 0; t < 36; t++) d[t] = load(x + t * tap + c);
        for (int j = 0; j < 6; j++) winograd_a(d + j, half + j, 6, 6);
        for (int i = 0; i < 4; i++) winograd_a(half + 6 * i, d + 4 * i, 1, 1);
        vfloat bias = p->bias ? load(p->bias + c) : (vfloat){0};
        for (long i = 0; i < high; i++) {
            for (long j = 0; j < wide; j++) {
                long pixel = (top + i) * p->width + left + j;
                vfloat sum = d[4 * i + j] + bias;
                if (p->residual) sum += load(p->residual + pixel * p->ldr + c);
                store(p->y + pixel * p->ldy + c, activate_vector(sum, activation));
            }
        }
    }
}

/// Transforms rows begin...end of a chunk back into their 4x4 outputs.
void HCQ_FUNCTION(winograd_output)(
    const hcq_product *p, long first, long tiles, long begin, long end, const float *scratch) {
    long across = (p->width + 3) / 4, tap = winograd_output_tap(p, tiles);
    const float *products = scratch + 36 * winograd_input_tap(p, tiles);
    for (long t = begin; t < end; t++) {
        long top = (first + t) / across * 4, left = (first + t) % across * 4;
        const float *x = products + t * p->columns;
        switch (p->activation) {
        case 1: winograd_tile_out(p, x, tap, top, left, 1); break;
        case 3: winograd_tile_out(p, x, tap, top, left, 3); break;
        default: winograd_tile_out(p, x, tap, top, left, 0);
        }
    }
}
