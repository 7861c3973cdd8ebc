/* avx512.c -- AVX-512 F, BW, DQ and VL: 32 registers of 16 floats. */

#include <immintrin.h>

#define ISA avx512
#define VL 16
#define MR 14 /* 14 x 2 accumulators + 2 of b + 1 of a = 31 of 32 registers */
#define V_REGISTER "v"
#define NV 2
#define GEMM_EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define PAIR_MR 6 /* bfloat16: 6 x 2 x 2 accumulators + 4 of b + 2 of a = 30 of 32 */
#define PAIR_NV 2
#define PAIR_EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6)

#include "../vec.h"

NNC_INLINE vf v_fma(vf a, vf b, vf c) {
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

NNC_INLINE vf v_sqrt(vf a) {
    return (vf)_mm512_sqrt_ps((__m512)a);
}

NNC_INLINE __mmask16 first_lanes(size_t n) {
    return (__mmask16)((1u << n) - 1u);
}

NNC_INLINE vf v_load_n(const float *p, size_t n) {
    return (vf)_mm512_maskz_loadu_ps(first_lanes(n), p);
}

NNC_INLINE void v_store_n(float *p, size_t n, vf a) {
    _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)a);
}

NNC_INLINE vf v_load_u8(const uint8_t *p) {
    return (vf)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}

NNC_INLINE bool v_is_zero(vi a) {
    return _mm512_test_epi32_mask((__m512i)a, (__m512i)a) == 0;
}

#include "../kernels/kernels.inc"
