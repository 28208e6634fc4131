// Moments of rows and columns, and softmax.

/// y <- (x + residual - mean) / sqrt(variance + epsilon) * gamma + beta, per row; residual may be null, y may be x.
void HCQ_FUNCTION(layer_norm)(
    const float *x, long ldx, const float *residual, long ldr, long rows, long columns, const float *gamma,
    const float *beta, float epsilon, float *y, long ldy) {
    for (long r = 0; r < rows; r++) {
        const float *in = x + r * ldx;
        float *out = y + r * ldy;
        float sum = 0.0f;
        if (residual) {
            const float *other = residual + r * ldr;
            for (long c = 0; c < columns; c++) {
                float v = in[c] + other[c];
                out[c] = v;
                sum += v;
            }
            in = out;
        } else {
            for (long c = 0; c < columns; c++) sum += in[c];
        }
        float mean = sum / (float)columns;
        // Two passes: E[x^2] - E[x]^2 cancels in float32.
        float squares = 0.0f;
        for (long c = 0; c < columns; c++) squares += (in[c] - mean) * (in[c] - mean);
        float inverse = 1.0f / sqrtf(squares / (float)columns + epsilon);
        for (long c = 0; c < columns; c++) out[c] = (in[c] - mean) * inverse * gamma[c] + beta[c];
    }
}

/// Per column: the mean over the rows and the sum of squared distances from it.
void HCQ_FUNCTION(channel_moments)(const float *x, long ldx, long rows, long columns, float *mean, float *squares) {
    for (long c = 0; c < columns; c++) mean[c] = squares[c] = 0.0f;
    for (long r = 0; r < rows; r++) {
        for (long c = 0; c < columns; c++) mean[c] += x[r * ldx + c];
    }
    float inverse = 1.0f / (float)rows;
    for (long c = 0; c < columns; c++) mean[c] *= inverse;
    for (long r = 0; r < rows; r++) {
        for (long c = 0; c < columns; c++) {
            float d = x[r * ldx + c] - mean[c];
            squares[c] += d * d;
        }
    }
}

/// Per column: the sum over the rows. y may be the first row.
void HCQ_FUNCTION(channel_sums)(const float *x, long ldx, long rows, long columns, float *y) {
    for (long c = 0; c < columns; c++) y[c] = x[c];
    for (long r = 1; r < rows; r++) {
        for (long c = 0; c < columns; c++) y[c] += x[r * ldx + c];
    }
}

/// Rows of x <- softmax(x * scale + bias), in place. bias [rows][ldb] may be null; with regions [max(rows, columns)] a
/// column of another region than the row's is lowered by 100.
void HCQ_FUNCTION(softmax)(
    float *x, long ldx, long rows, long columns, float scale, const float *bias, long ldb, const int32_t *regions) {
    for (long r = 0; r < rows; r++) {
        float *row = x + r * ldx;
        if (bias) {
            for (long c = 0; c < columns; c++) row[c] = row[c] * scale + bias[r * ldb + c];
        } else {
            for (long c = 0; c < columns; c++) row[c] *= scale;
        }
        if (regions) {
            for (long c = 0; c < columns; c++) row[c] -= regions[c] == regions[r] ? 0.0f : 100.0f;
        }
        float top = row[0];
        for (long c = 1; c < columns; c++) top = maximum(top, row[c]);
        float sum = 0.0f;
        for (long c = 0; c < columns; c++) {
            row[c] = exponential(row[c] - top);
            sum += row[c];
        }
        float inverse = 1.0f / sum;
        for (long c = 0; c < columns; c++) row[c] *= inverse;
    }
}
