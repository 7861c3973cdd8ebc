/* generic.c -- any CPU, with the compiler's 16-byte vectors (SSE2 on x86-64).
 *
 * Its results are not bitwise equal to the others': without a hardware fused multiply-add, v_fma rounds twice. */

#define ISA generic
#define VL 4
#define MR 6 /* 6 x 2 accumulators + 2 of b + 1 product = 15 of 16 registers */
#define NV 2
#define NO_FMA
#define GEMM_EACH_MR(X) X(1) X(2) X(3) X(4) X(5) X(6)

#include "../vec.h"
#include "partial.h"

NNC_INLINE vf v_fma(vf a, vf b, vf c) {
    return a * b + c;
}

NNC_INLINE vf v_sqrt(vf a) {
    for (int i = 0; i < VL; i++) a[i] = __builtin_sqrtf(a[i]);
    return a;
}

#include "../kernels/kernels.inc"
