/* avx512.c -- AVX-512 F, BW, DQ and VL: 32 registers of 16 floats. */

#include <immintrin.h>

#define ISA avx512
#define VL 16
#define MR 14 /* 14 x 2 accumulators + 2 of b + 1 of a = 31 of 32 registers */
#define NV 2
#define GEMM_EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)

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

#include "../kernels/kernels.inc"
