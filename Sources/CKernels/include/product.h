// The facts of a matrix product or convolution, for hcq_gemm and its int8 form.
#ifndef HCQD_PRODUCT_H
#define HCQD_PRODUCT_H

/// y[row][column] <- activation(sum over k of x[row][k] * w[column][k] + bias[column] + residual[row][column]).
typedef struct {
    /// [rows][depth], or a map [height][width][channels] where kernel is not 0.
    const float *x;
    /// Floats from one row of x, or one pixel, to the next. A convolution of more than one tap needs ldx = channels.
    long ldx;
    long columns, depth;
    /// What hcq_gemm_pack made of w [columns][depth]; for a convolution depth is [kernel][kernel][channels].
    const float *packed;
    /// May be null.
    const float *bias, *residual;
    long ldr;
    /// As in hcq_epilogue.
    int activation;
    float *y;
    long ldy;
    /// Convolution: kernel x kernel taps; 0 for a matrix.
    long kernel, stride, padding, height, width, channels, out_width;
} hcq_product;

#endif
