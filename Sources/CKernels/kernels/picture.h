// Between pictures and tensors.

/// Rows begin...end of y [height][width][3] <- rgb * scale + shift per channel; 0 (the mean colour) in the padding.
void HCQ_FUNCTION(normalise_rgb)(
    const uint8_t *rgb, long width, long content_width, long content_height, const float *scale, const float *shift,
    long begin, long end, float *y) {
    for (long row = begin; row < end; row++) {
        float *out = y + row * width * 3;
        const uint8_t *in = rgb + row * width * 3;
        long filled = row < content_height ? content_width : 0;
        for (long i = 0; i < filled; i++) {
            for (long c = 0; c < 3; c++) out[3 * i + c] = (float)in[3 * i + c] * scale[c] + shift[c];
        }
        memset(out + 3 * filled, 0, (width - filled) * 3 * sizeof(float));
    }
}

/// y[i] <- sum over k < tap_count of weights[k][i] * x[taps[k][i] * ldx]: one axis of a resampling; taps and weights are
/// [tap_count][ldt].
void HCQ_FUNCTION(blend_rows)(
    const float *x, long ldx, const int32_t *taps, const float *weights, long tap_count, long ldt,
    long count, float *y) {
    for (long i = 0; i < count; i++) y[i] = 0.0f;
    for (long k = 0; k < tap_count; k++) {
        for (long i = 0; i < count; i++) y[i] += weights[k * ldt + i] * x[(long)taps[k * ldt + i] * ldx];
    }
}
