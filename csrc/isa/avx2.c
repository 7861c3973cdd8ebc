/* avx2.c -- AVX2 and FMA: 16 registers of 8 floats. */

#include <immintrin.h>

#define ISA avx2
#define VL 8
#define MR 6 /* 6 x 2 accumulators + 2 of b + 1 of a = 15 of 16 registers */
#define V_REGISTER "x"
#define NV 2
#define GEMM_EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define PAIR_MR 2 /* bfloat16: 2 x 2 x 2 accumulators + 4 of b + 2 of a = 14 of 16 */
#define PAIR_NV 2
#define PAIR_EACH_MR(X) X(1) X(2)

#include "../vec.h"

NNC_INLINE vf v_fma(vf a, vf b, vf c) {
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

NNC_INLINE vf v_sqrt(vf a) {
    return (vf)_mm256_sqrt_ps((__m256)a);
}

NNC_INLINE __m256i first_lanes(size_t n) {
    return (__m256i)((vi){0, 1, 2, 3, 4, 5, 6, 7} < v_set1i((int32_t)n));
}

NNC_INLINE vf v_load_n(const float *p, size_t n) {
    return n == VL ? v_load(p) : (vf)_mm256_maskload_ps(p, first_lanes(n));
}

NNC_INLINE void v_store_n(float *p, size_t n, vf a) {
    if (n == VL) v_store(p, a);
    else _mm256_maskstore_ps(p, first_lanes(n), (__m256)a);
}

NNC_INLINE vf v_load_u8(const uint8_t *p) {
    return (vf)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}

NNC_INLINE bool v_is_zero(vi a) {
    return _mm256_testz_si256((__m256i)a, (__m256i)a);
}

#include "../kernels/kernels.inc"
