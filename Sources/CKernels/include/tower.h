// Chains of narrow layers: what hcq_separable, hcq_shuffle_block and hcq_exchange compute.
#ifndef HCQD_TOWER_H
#define HCQD_TOWER_H

/// The layers of a chain: 1x1 (shuffle blocks only), depthwise 3x3, 1x1. Matrices as hcq_gemm_pack makes them, biases and
/// rows of depthwise weights padded with zeros to multiples of 32 floats.
typedef struct {
    /// Channels before and after the last 1x1, and the depthwise layer's stride.
    long inputs, outputs, stride;
    const float *expand, *expand_bias;
    /// [9][ldw].
    const float *depthwise, *depthwise_bias;
    long ldw;
    const float *project, *project_bias;
} hcq_chain;

/// The sum that ends a module for one branch: `scale` * x + adding + up to three lower branches, the j-th (from 0) of
/// 1 / 2^(j + 1) of the width; pixels of x, adding, y and rectified are `ld` floats apart.
typedef struct {
    const float *x;
    float scale;
    long width, ld;
    /// May be null.
    const float *adding;
    int count;
    const float *up[3];
    long ldu[3];
    /// The sum (may be null) and its ReLU.
    float *y, *rectified;
} hcq_sum;

#endif
