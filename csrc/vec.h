/* vec.h -- vector primitives: one source of arithmetic for every instruction set.
 *
 * Each isa/<name>.c defines before including this file
 *     VL                          floats in a vector
 *     v_fma, v_sqrt               one instruction each, or their nearest equivalent
 *     NO_FMA                      if v_fma also rounds the product
 *     v_load_n, v_store_n         the first n of VL floats; lanes not loaded are 0
 *     v_load_u8                   VL bytes as floats
 *     v_is_zero                   are all bits 0?
 *     V_REGISTER                  the constraint of a vector's register in assembly
 * and everything else is written here with the compiler's vector types. + - * / are IEEE operations on each lane, so a
 * formula is bitwise the same at every width; a fused multiply-add happens only where v_fma is called (the build passes
 * -ffp-contract=off). A comparison returns all-ones or all-zeros lanes.
 */
#ifndef NNC_VEC_H
#define NNC_VEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NNC_INLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));

NNC_INLINE vf v_fma(vf a, vf b, vf c); /* a b + c */
NNC_INLINE vf v_short_of_one(vf a, vf b); /* 1 - a b, where a b is close to 1: rounded once */
NNC_INLINE vf v_sqrt(vf a);
NNC_INLINE vf v_load_n(const float *p, size_t n);
NNC_INLINE void v_store_n(float *p, size_t n, vf a);
NNC_INLINE vf v_load_u8(const uint8_t *p);
NNC_INLINE bool v_is_zero(vi a);

NNC_INLINE vf v_set1(float x) {
    return x - (vf){0};
}

NNC_INLINE vi v_set1i(int32_t x) {
    return x - (vi){0};
}

NNC_INLINE vf v_load(const float *p) {
    vf a;
    memcpy(&a, p, sizeof a);
    return a;
}

NNC_INLINE void v_store(float *p, vf a) {
    memcpy(p, &a, sizeof a);
}

NNC_INLINE vf v_select(vi mask, vf yes, vf no) {
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

NNC_INLINE vf v_keep(vi mask, vf a) { /* a where the mask is set, else 0 */
    return (vf)(mask & (vi)a);
}

NNC_INLINE vf v_abs(vf a) {
    return (vf)((vi)a & v_set1i(0x7fffffff));
}

NNC_INLINE vf v_copysign(vf magnitude, vf sign) {
    return (vf)(((vi)magnitude & v_set1i(0x7fffffff)) | ((vi)sign & v_set1i(INT32_MIN)));
}

NNC_INLINE vf v_sign(vf a) { /* -1, 0 or 1 */
    return v_keep((vi)(a != v_set1(0)), v_copysign(v_set1(1), a));
}

#ifdef NO_FMA
/* Splits a and b into halves whose products are exact (Dekker 1971). */
NNC_INLINE vf v_short_of_one(vf a, vf b) {
    vf a_high = (vf)((vi)a & v_set1i(-4096)), a_low = a - a_high, b_high = (vf)((vi)b & v_set1i(-4096)), b_low = b - b_high;
    return (v_set1(1) - a_high * b_high) - (a_high * b_low + a_low * b_high) - a_low * b_low;
}
#else
NNC_INLINE vf v_short_of_one(vf a, vf b) {
    return v_fma(-a, b, v_set1(1));
}
#endif

/* NaN passes through both: a comparison with NaN is false, which selects a. */
NNC_INLINE vf v_at_most(vf a, vf high) {
    return v_select((vi)(a > high), high, a);
}

NNC_INLINE vf v_at_least(vf a, vf low) {
    return v_select((vi)(a < low), low, a);
}

/* 2^n for -126 <= n <= 127, by building the exponent. */
NNC_INLINE vf v_pow2(vi n) {
    return (vf)((n + v_set1i(127)) << 23);
}

/* exp(x) = 2^n exp(r) with x = n ln 2 + r, |r| <= ln 2 / 2; exp(r) = 1 + r + tail.
 *
 * n by adding and subtracting 1.5 2^23 (rounds to nearest); r in two steps with ln 2 split into a short and a long part
 * (Cody and Waite 1980); tail = r^2 q(r), q a minimax polynomial of degree 4 (csrc/fit_polynomials.py; |error| of the
 * tail 3.1e-9). The parts are returned separately so that exp and expm1 can each add them in the most accurate order. */
NNC_INLINE vi v_exp_parts(vf x, vf *r, vf *tail) {
    const vf magic = v_set1(12582912.0f);
    vf t = v_fma(x, v_set1(1.44269504089f), magic);
    vf n = t - magic;
    *r = v_fma(n, v_set1(2.12194440e-4f), v_fma(n, v_set1(-0.693359375f), x));
    vf q = v_set1(1.395048923e-03f);
    q = v_fma(q, *r, v_set1(8.368889801e-03f));
    q = v_fma(q, *r, v_set1(4.166620597e-02f));
    q = v_fma(q, *r, v_set1(1.666651815e-01f));
    q = v_fma(q, *r, v_set1(5.000000000e-01f));
    *tail = *r * *r * q;
    return (vi)t - (vi)magic;
}

/* exp(x): 0 below -104, infinity above 88.73. The scale is applied in two factors, since 2^128 is not a float. */
NNC_INLINE vf v_exp(vf x) {
    vf r, tail;
    vi n = v_exp_parts(v_at_least(v_at_most(x, v_set1(89.0f)), v_set1(-104.0f)), &r, &tail);
    vi half = n >> 1;
    vf sum = v_set1(1) + r;
    vf lost = r - (sum - v_set1(1)); /* the rounding error of the sum */
    return (sum + (lost + tail)) * v_pow2(half) * v_pow2(n - half);
}

/* exp(x) - 1: -1 below -25, infinity above 88.73. 2^128 is not a float: the result for 2^127 is doubled. */
NNC_INLINE vf v_expm1(vf x) {
    vf r, tail;
    vi n = v_exp_parts(v_at_least(v_at_most(x, v_set1(89.0f)), v_set1(-25.0f)), &r, &tail);
    vi beyond = (vi)(n > v_set1i(127)); /* -1 there */
    vf scale = v_pow2(n + beyond);
    vf y = v_fma(scale, r + tail, scale - v_set1(1));
    return y + v_keep(beyond, y);
}

/* tanh(x) = sign(x) em / (em + 2), em = exp(2 |x|) - 1; 1 to the last digit from |x| = 9.02 on. */
NNC_INLINE vf v_tanh(vf x) {
    vf t = v_at_most(v_abs(x), v_set1(10.0f));
    vf em = v_expm1(t + t);
    return v_copysign(em / (em + v_set1(2)), x);
}

/* s = 1 / (1 + exp(-x)) and rest = 1 - s, each with full relative accuracy, from e = exp(-|x|): 1 / d and e / d with d = 1 + e.
 * The reciprocal is corrected for the rounding of d. */
NNC_INLINE vf v_sigmoid_and_rest(vf x, vf *rest) {
    const vf one = v_set1(1);
    vf e = v_exp(-v_abs(x));
    vf d = one + e;
    vf lost = e - (d - one);
    vf large = one / d;
    vf error = v_fma(-large, lost, v_short_of_one(large, d));
    vf small = v_fma(e * large, error, e * large);
    large = v_fma(large, error, large);
    vi negative = (vi)(x < v_set1(0));
    *rest = v_select(negative, large, small);
    return v_select(negative, small, large);
}

NNC_INLINE vf v_sigmoid(vf x) {
    vf rest;
    return v_sigmoid_and_rest(x, &rest);
}

/* ln x for normal x: x = 2^n m with m in [sqrt(1/2), sqrt(2)), f = m - 1, ln m = f - f^2 / 2 + f^3 p(f), p a minimax
 * polynomial of degree 7 (csrc/fit_polynomials.py; error 5.9e-9). The result is -infinity for 0 (and denormals, which the team
 * flushes), NaN for a negative x. */
NNC_INLINE vf v_log(vf x) {
    const vi sqrt_half = v_set1i(0x3f3504f3);
    vi shifted = (vi)x - sqrt_half;
    vi n = shifted >> 23;
    vf f = (vf)((shifted & v_set1i(0x007fffff)) + sqrt_half) - v_set1(1);
    vf p = v_set1(-7.859545946e-02f);
    p = v_fma(p, f, v_set1(1.288162172e-01f));
    p = v_fma(p, f, v_set1(-1.312876791e-01f));
    p = v_fma(p, f, v_set1(1.418119669e-01f));
    p = v_fma(p, f, v_set1(-1.662455350e-01f));
    p = v_fma(p, f, v_set1(2.000228614e-01f));
    p = v_fma(p, f, v_set1(-2.500081062e-01f));
    p = v_fma(p, f, v_set1(3.333331645e-01f));
    vf nf = __builtin_convertvector(n, vf);
    vf f2 = f * f;
    vf low = v_fma(nf, v_set1(-2.12194440e-4f), f2 * f * p);
    low = v_fma(f2, v_set1(-0.5f), low);
    vf y = v_fma(nf, v_set1(0.693359375f), f + low);
    const vf inf = v_set1(__builtin_inff());
    y = v_select((vi)(x < v_set1(1.17549435e-38f)), -inf, y);
    y = v_select((vi)(x < v_set1(0)), v_set1(__builtin_nanf("")), y);
    return v_select((vi)(x < inf), y, x); /* infinity and NaN are returned unchanged */
}

/* ln(1 + x) for x >= 0: a first-order term corrects the rounding of u = 1 + x. */
NNC_INLINE vf v_log1p(vf x) {
    vf u = v_set1(1) + x;
    vf y = v_log(u) + (x - (u - v_set1(1))) / u;
    return v_select((vi)(x < v_set1(__builtin_inff())), y, x);
}

/* Number of lanes left from i to n, at most VL. */
NNC_INLINE size_t lanes_left(size_t n, size_t i) {
    return n - i < VL ? n - i : VL;
}

/* ---- sums whose order does not depend on VL: 16 lanes, filled in the same way at every width, then a fixed tree ----- */

enum { LANES = 16 };

typedef struct v16 {
    vf part[LANES / VL];
} v16;

NNC_INLINE v16 v16_set1(float x) {
    v16 s;
    for (int j = 0; j < LANES / VL; j++) s.part[j] = v_set1(x);
    return s;
}

/* n <= 16 floats, the lanes beyond them `fill`. */
NNC_INLINE v16 v16_load(const float *p, size_t n, float fill) {
    float lanes[LANES];
    v16 s;
    if (n < LANES) {
        for (size_t i = 0; i < LANES; i++) lanes[i] = i < n ? p[i] : fill;
        p = lanes;
    }
    for (int j = 0; j < LANES / VL; j++) s.part[j] = v_load(p + j * VL);
    return s;
}

typedef float v4 __attribute__((vector_size(16)));

/* Adds halves: lanes 0 to 7 and 8 to 15, then 0 to 3 and 4 to 7, ... */
NNC_INLINE float v16_sum(v16 s) {
    v4 quarters[4];
    memcpy(quarters, s.part, sizeof quarters);
    const v4 sum = (quarters[0] + quarters[2]) + (quarters[1] + quarters[3]);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

#endif
