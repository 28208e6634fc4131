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
    /// Both may be null; the residual may be y.
    const float *bias, *residual;
    long ldr;
    /// As in hcq_epilogue.
    int activation;
    float *y;
    long ldy;
    /// Convolution: kernel x kernel taps; 0 for a matrix.
    long kernel, stride, padding, height, width, channels, out_width;
} hcq_product;

/// Instruction sets of the int8 products.
enum { HCQ_8_BASELINE = 0, HCQ_8_AVX2 = 1, HCQ_8_AVX_VNNI = 2, HCQ_8_AVX512 = 3, HCQ_8_AVX512_VNNI = 4 };

#define HCQ_PRODUCT8_MAX_DEPTH 4608

/// y <- activation(scale[column] * sum over k of q(x)[row][k] * w[column][k] + bias[column] + residual), where q(x) are bytes
/// 0...255 and w 8-bit integers. A byte q stands for (q - zero) / inverse; the caller's scale holds x's step times w's, the
/// bias what x_zero adds: -scale * x_zero * sum of w over k.
typedef struct {
    /// Bytes where x_bytes is 1; else float32, quantised on the way in with x_inverse (1 / step) and x_zero.
    const void *x;
    int x_bytes, x_zero;
    float x_inverse;
    /// Elements from one row of x, or one pixel, to the next.
    long ldx;
    /// depth is at most HCQ_PRODUCT8_MAX_DEPTH.
    long columns, depth;
    /// What hcq_product8_pack made of w.
    const void *packed;
    /// [columns]; neither may be null.
    const float *scale, *bias;
    /// 0 none, 1 float32, 2 bytes with residual_scale (a step) and residual_zero.
    int residual_kind;
    int residual_zero;
    float residual_scale;
    const void *residual;
    long ldr;
    int activation;
    /// Bytes where y_bytes is 1, with y_inverse and y_zero; else float32.
    int y_bytes, y_zero;
    float y_inverse;
    void *y;
    long ldy;
    /// Convolution, as in hcq_product; outside the map lies x_zero.
    long kernel, stride, padding, height, width, channels, out_width;
} hcq_product8;

/// The instruction set in use: the level's, with VNNI where the CPU has it unless the environment's HCQD_VNNI is 0.
int hcq_product8_set(void);

/// Bytes of a packed matrix.
long hcq_product8_size(long columns, long depth);

/// packed <- w [columns][depth] in panels.
void hcq_product8_pack(const signed char *w, long columns, long depth, void *packed);

/// Computes rows row_begin...row_end and columns column_begin...column_end of y; column_begin is a multiple of 32.
void hcq_product8_run(const hcq_product8 *product, long row_begin, long row_end, long column_begin, long column_end);

#endif
