// Maps are [height][width][channels]; begin...end are output positions counted row by row.

/// Lays out the patch of every output position as a row: [kernel][kernel][channels], zeros outside the map.
void HCQ_FUNCTION(patches)(
    const float *x, long height, long width, long channels, long kernel, long stride, long padding, long out_width,
    long begin, long end, float *y, long ldy) {
    for (long i = begin; i < end; i++) {
        long top = i / out_width * stride - padding, left = i % out_width * stride - padding;
        float *row = y + (i - begin) * ldy;
        long first = left < 0 ? -left : 0;
        long last = left + kernel > width ? width - left : kernel;
        for (long ky = 0; ky < kernel; ky++, row += kernel * channels) {
            long sy = top + ky;
            if (sy < 0 || sy >= height || last <= first) {
                memset(row, 0, kernel * channels * sizeof(float));
                continue;
            }
            if (first > 0) memset(row, 0, first * channels * sizeof(float));
            memcpy(row + first * channels, x + (sy * width + left + first) * channels, (last - first) * channels * sizeof(float));
            if (last < kernel) memset(row + last * channels, 0, (kernel - last) * channels * sizeof(float));
        }
    }
}

/// 3x3 maximum, stride 2, padding 1.
void HCQ_FUNCTION(max_pool)(
    const float *x, long height, long width, long channels, long out_width, long begin, long end, float *y) {
    for (long i = begin; i < end; i++) {
        long top = i / out_width * 2 - 1, left = i % out_width * 2 - 1;
        float *row = y + i * channels;
        int empty = 1;
        for (long sy = top < 0 ? 0 : top; sy < top + 3 && sy < height; sy++) {
            for (long sx = left < 0 ? 0 : left; sx < left + 3 && sx < width; sx++) {
                const float *in = x + (sy * width + sx) * channels;
                if (empty) {
                    memcpy(row, in, channels * sizeof(float));
                } else {
                    for (long c = 0; c < channels; c++) row[c] = maximum(row[c], in[c]);
                }
                empty = 0;
            }
        }
    }
}

static inline __attribute__((always_inline)) void depthwise_rows(
    const float *x, long ldx, long height, long width, long channels, long kernel, long stride, long out_width,
    long begin, long end, const float *weight, const float *bias, int activation, float *y, long ldy) {
    long padding = kernel / 2;
    for (long i = begin; i < end; i++) {
        long top = i / out_width * stride - padding, left = i % out_width * stride - padding;
        long y0 = top < 0 ? -top : 0, y1 = top + kernel > height ? height - top : kernel;
        long x0 = left < 0 ? -left : 0, x1 = left + kernel > width ? width - left : kernel;
        const float *corner = x + (top * width + left) * ldx;
        float *row = y + i * ldy;
        long c = 0;
        for (; c + HCQ_WIDTH <= channels; c += HCQ_WIDTH) {
            vfloat sum = load(bias + c);
            for (long ky = y0; ky < y1; ky++) {
                for (long kx = x0; kx < x1; kx++) {
                    sum += load(corner + (ky * width + kx) * ldx + c) * load(weight + (ky * kernel + kx) * channels + c);
                }
            }
            for (long j = 0; j < HCQ_WIDTH; j++) row[c + j] = activate(sum[j], activation);
        }
        for (; c < channels; c++) {
            float sum = bias[c];
            for (long ky = y0; ky < y1; ky++) {
                for (long kx = x0; kx < x1; kx++) {
                    sum += corner[(ky * width + kx) * ldx + c] * weight[(ky * kernel + kx) * channels + c];
                }
            }
            row[c] = activate(sum, activation);
        }
    }
}

/// One kernel x kernel filter per channel (padding kernel / 2), weight [kernel][kernel][channels], bias, activation 0 or 3.
void HCQ_FUNCTION(depthwise)(
    const float *x, long ldx, long height, long width, long channels, long kernel, long stride, long out_width,
    long begin, long end, const float *weight, const float *bias, int activation, float *y, long ldy) {
    if (activation == 3) {
        depthwise_rows(x, ldx, height, width, channels, kernel, stride, out_width, begin, end, weight, bias, 3, y, ldy);
    } else {
        depthwise_rows(x, ldx, height, width, channels, kernel, stride, out_width, begin, end, weight, bias, 0, y, ldy);
    }
}

/// Rows begin...end of y [2 height][2 width]: other * scale + shift, both [channels], and x enlarged twofold bilinearly
/// (align_corners = false). y may be other.
void HCQ_FUNCTION(upsample_add)(
    const float *x, long height, long width, long channels, long begin, long end, const float *other, const float *scale,
    const float *shift, float *y) {
    for (long oy = begin; oy < end; oy++) {
        // Output pixel o lies at o / 2 - 1 / 4: a quarter from one source pixel, three quarters from the other.
        long near_y = oy / 2, far_y = oy & 1 ? near_y + 1 : near_y - 1;
        far_y = far_y < 0 ? 0 : (far_y >= height ? height - 1 : far_y);
        for (long ox = 0; ox < 2 * width; ox++) {
            long near_x = ox / 2, far_x = ox & 1 ? near_x + 1 : near_x - 1;
            far_x = far_x < 0 ? 0 : (far_x >= width ? width - 1 : far_x);
            const float *a = x + (near_y * width + near_x) * channels, *b = x + (near_y * width + far_x) * channels;
            const float *c = x + (far_y * width + near_x) * channels, *d = x + (far_y * width + far_x) * channels;
            long at = (oy * 2 * width + ox) * channels;
            for (long k = 0; k < channels; k++) {
                float own = other[at + k] * scale[k] + shift[k];
                y[at + k] = own + 0.5625f * a[k] + 0.1875f * (b[k] + c[k]) + 0.0625f * d[k];
            }
        }
    }
}

/// Rows begin...end of y [2 height][2 width]: every pixel of x becomes 2x2.
void HCQ_FUNCTION(upsample_nearest)(
    const float *x, long ldx, long width, long channels, long begin, long end, float *y, long ldy) {
    for (long oy = begin; oy < end; oy++) {
        for (long ox = 0; ox < 2 * width; ox++) {
            memcpy(y + (oy * 2 * width + ox) * ldy, x + (oy / 2 * width + ox / 2) * ldx, channels * sizeof(float));
        }
    }
}

/// Columns of a and b in turns: y[2 c] <- a[c], y[2 c + 1] <- b[c].
void HCQ_FUNCTION(interleave)(
    const float *a, long lda, const float *b, long ldb, long rows, long columns, float *y, long ldy) {
    for (long r = 0; r < rows; r++) {
        for (long c = 0; c < columns; c++) {
            y[r * ldy + 2 * c] = a[r * lda + c];
            y[r * ldy + 2 * c + 1] = b[r * ldb + c];
        }
    }
}
