// One number at a time.

static inline __attribute__((always_inline)) void epilogue_rows(
    float *y, long ldy, long rows, long columns, const float *bias, const float *residual, long ldr, int activation) {
    for (long r = 0; r < rows; r++) {
        float *row = y + r * ldy;
        const float *other = residual + r * ldr;
        if (bias && residual) {
            for (long c = 0; c < columns; c++) row[c] = activate(row[c] + bias[c] + other[c], activation);
        } else if (bias) {
            for (long c = 0; c < columns; c++) row[c] = activate(row[c] + bias[c], activation);
        } else if (residual) {
            for (long c = 0; c < columns; c++) row[c] = activate(row[c] + other[c], activation);
        } else {
            for (long c = 0; c < columns; c++) row[c] = activate(row[c], activation);
        }
    }
}

/// y <- activation(y + bias + residual): bias [columns] and residual [rows][ldr] may be null.
void HCQ_FUNCTION(epilogue)(
    float *y, long ldy, long rows, long columns, const float *bias, const float *residual, long ldr, int activation) {
    switch (activation) {
    case 1: epilogue_rows(y, ldy, rows, columns, bias, residual, ldr, 1); break;
    case 2: epilogue_rows(y, ldy, rows, columns, bias, residual, ldr, 2); break;
    case 3: epilogue_rows(y, ldy, rows, columns, bias, residual, ldr, 3); break;
    case 4: epilogue_rows(y, ldy, rows, columns, bias, residual, ldr, 4); break;
    default:
        if (bias || residual) epilogue_rows(y, ldy, rows, columns, bias, residual, ldr, 0);
    }
}

/// y <- activation(x * scale + shift), scale and shift per column; shift may be null; y may be x. Hard swish and no
/// activation and ReLU only.
void HCQ_FUNCTION(scale_shift)(
    const float *x, long ldx, long rows, long columns, const float *scale, const float *shift, int activation, float *y,
    long ldy) {
    for (long r = 0; r < rows; r++) {
        const float *in = x + r * ldx;
        float *out = y + r * ldy;
        if (!shift) {
            for (long c = 0; c < columns; c++) out[c] = in[c] * scale[c];
        } else if (activation == 1) {
            for (long c = 0; c < columns; c++) out[c] = activate(in[c] * scale[c] + shift[c], 1);
        } else {
            for (long c = 0; c < columns; c++) out[c] = in[c] * scale[c] + shift[c];
        }
    }
}

/// y <- a + b; y may be either.
void HCQ_FUNCTION(add)(const float *a, const float *b, float *y, long count) {
    for (long i = 0; i < count; i++) y[i] = a[i] + b[i];
}

void HCQ_FUNCTION(sigmoid)(const float *x, float *y, long count) {
    for (long i = 0; i < count; i++) y[i] = logistic(x[i]);
}

/// Every scalar becomes `dim` numbers: sin at even, cos at odd places of x * frequencies[place].
void HCQ_FUNCTION(sine_code)(const float *x, long count, const float *frequencies, long dim, float *y) {
    for (long i = 0; i < count; i++) {
        for (long d = 0; d < dim; d++) {
            float quarter = d & 1 ? 1.57079632679489662f : 0.0f;
            y[i * dim + d] = sine(x[i] * frequencies[d] + quarter);
        }
    }
}

/// y <- sigmoid(inverse_sigmoid(keys) + delta), both arguments of the inverse's logarithm kept at 1e-5 or more.
void HCQ_FUNCTION(refine)(const float *keys, const float *delta, float *y, long count) {
    for (long i = 0; i < count; i++) {
        float k = minimum(maximum(keys[i], 0.0f), 1.0f);
        float inside = maximum(k, 1e-5f), outside = maximum(1.0f - k, 1e-5f);
        y[i] = inside / (inside + outside * exponential(-delta[i]));
    }
}
