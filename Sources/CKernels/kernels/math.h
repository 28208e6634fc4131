// Vectors and elementary functions that the compiler can vectorise.

/// One register of floats at any address.
typedef float vfloat __attribute__((vector_size(HCQ_WIDTH * 4), aligned(4), may_alias));

static inline vfloat load(const float *p) { return *(const vfloat *)p; }
static inline void store(float *p, vfloat v) { *(vfloat *)p = v; }

static inline float bits_to_float(int32_t bits) {
    union { int32_t i; float f; } u = {bits};
    return u.f;
}

static inline float minimum(float a, float b) { return a < b ? a : b; }
static inline float maximum(float a, float b) { return a > b ? a : b; }
static inline int32_t clamp_index(int32_t i, int32_t last) { return i < 0 ? 0 : (i > last ? last : i); }

/// e^x, relative error below 1e-6; 0 or infinity's neighbour outside -87...88.
static inline float exponential(float x) {
    x = minimum(maximum(x, -87.0f), 88.0f);
    float n = floorf(x * 1.44269504088896341f + 0.5f);
    float r = x - n * 0.693147180559945309f;
    float p = 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = (p * r) * r + r + 1.0f;
    return p * bits_to_float(((int32_t)n + 127) << 23);
}

static inline float logistic(float x) { return 1.0f / (1.0f + exponential(-x)); }

/// erf, absolute error below 2e-7 (Abramowitz and Stegun 7.1.26).
static inline float error_function(float x) {
    float a = fabsf(x);
    float t = 1.0f / (1.0f + 0.3275911f * a);
    float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    float y = 1.0f - p * exponential(-a * a);
    return x < 0.0f ? -y : y;
}

/// sin(x) for |x| up to some tens, absolute error below 1e-6.
static inline float sine(float x) {
    float n = floorf(x * 0.318309886183790672f + 0.5f);
    float r = (x - n * 3.140625f) - n * 9.67653589793e-4f;
    float q = r * r;
    float p = -2.50521083854e-8f;
    p = p * q + 2.75573192240e-6f;
    p = p * q - 1.98412698413e-4f;
    p = p * q + 8.33333333333e-3f;
    p = p * q - 1.66666666667e-1f;
    p = p * q * r + r;
    return (int32_t)n & 1 ? -p : p;
}

/// 0 none, 1 ReLU, 2 GELU (exact), 3 hard swish, 4 hard sigmoid: `Activation` in Engine.
static inline float activate(float x, int activation) {
    switch (activation) {
    case 1: return maximum(x, 0.0f);
    case 2: return 0.5f * x * (1.0f + error_function(x * 0.70710678118654752f));
    case 3: return x * minimum(maximum(x * (1.0f / 6.0f) + 0.5f, 0.0f), 1.0f);
    case 4: return minimum(maximum(x * (1.0f / 6.0f) + 0.5f, 0.0f), 1.0f);
    default: return x;
    }
}
