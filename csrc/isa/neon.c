/* neon.c -- aarch64: 32 registers of 4 floats. */

#include <arm_neon.h>

#define ISA neon
#define VL 4
#define MR 6 /* 6 x 4 accumulators + 4 of b + 1 of a = 29 of 32 registers */
#define V_REGISTER "w"
#define NV 4
#define GEMM_EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define PAIR_MR 6 /* bfloat16: 6 x 2 x 2 accumulators + 4 of b + 2 of a = 30 of 32 */
#define PAIR_NV 2
#define PAIR_EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6)

#include "../vec.h"
#include "partial.h"

NNC_INLINE vf v_fma(vf a, vf b, vf c) {
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

NNC_INLINE vf v_sqrt(vf a) {
    return (vf)vsqrtq_f32((float32x4_t)a);
}

#include "../kernels/kernels.inc"
