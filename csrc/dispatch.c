/* dispatch.c -- which set of kernels is used: the best that the CPU has, or the one that NNC_ISA or the caller names.
 * Compiled for the baseline only. A set is tried on a small integer product, exact in any order of summation, before it
 * is used: one that is wrong on this machine is passed over. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "kernels.h"

extern const struct nnc_kernels nnc_kernels_generic;
const struct nnc_kernels *nnc_kernels = &nnc_kernels_generic;

static bool always(void) {
    return true;
}

#if defined(__x86_64__)
extern const struct nnc_kernels nnc_kernels_avx2, nnc_kernels_avx512;
#elif defined(__aarch64__)
extern const struct nnc_kernels nnc_kernels_neon;
#endif

/* Slowest first. */
static const struct {
    const struct nnc_kernels *kernels;
    bool (*there)(void);
} sets[] = {
    {&nnc_kernels_generic, always},
#if defined(__x86_64__)
    {&nnc_kernels_avx2, nnc_cpu_has_avx2},
    {&nnc_kernels_avx512, nnc_cpu_has_avx512},
#elif defined(__aarch64__)
    {&nnc_kernels_neon, always},
#endif
};

enum { N_SETS = sizeof sets / sizeof sets[0] };

static bool product_is_exact(const struct nnc_kernels *kernels) {
    enum { M = 17, K = 5 };
    float a[M * K], b[K * PANEL], c[M * PANEL];
    const float zero[PANEL] = {0};
    for (int i = 0; i < M * K; i++) a[i] = (float)(i * 7 % 11 - 5);
    for (int i = 0; i < K * PANEL; i++) b[i] = (float)(i * 5 % 13 - 6);
    const struct nnc_product product = {
        .m = M, .n = PANEL - 1, .k = K, .segments = 1, .blocks = 1, .rs = K, .cs = 1, .ldb = PANEL, .ldc = PANEL};
    kernels->products[PRECISION_float32].gemm(&product, a, b, zero, c);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < PANEL - 1; j++) {
            float sum = 0;
            for (int p = 0; p < K; p++) sum += a[i * K + p] * b[p * PANEL + j];
            if (sum != c[i * PANEL + j]) return false;
        }
    return true;
}

static bool usable(int i) {
    return sets[i].there() && product_is_exact(sets[i].kernels);
}

int nnc_isa_count(void) {
    int n = 0;
    for (int i = 0; i < N_SETS; i++) n += usable(i);
    return n;
}

const char *nnc_isa_available(int index) {
    for (int i = 0; i < N_SETS; i++)
        if (usable(i) && index-- == 0) return sets[i].kernels->isa;
    return NULL;
}

const char *nnc_isa_name(void) {
    return nnc_kernels->isa;
}

int nnc_isa_tile_rows(void) {
    return (int)nnc_kernels->products[PRECISION_float32].mr;
}

nnc_status nnc_choose_isa(const char *name, char message[NNC_MESSAGE]) {
    if (!name) name = getenv("NNC_ISA");
    const struct nnc_kernels *chosen = NULL;
    char there[NNC_MESSAGE / 2] = "";
    for (int i = 0; i < N_SETS; i++) {
        if (!usable(i)) continue;
        if (!name || !*name || !strcmp(name, sets[i].kernels->isa)) chosen = sets[i].kernels;
        size_t used = strlen(there);
        snprintf(there + used, sizeof there - used, "%s%s", used ? ", " : "", sets[i].kernels->isa);
    }
    if (!chosen) {
        snprintf(message, NNC_MESSAGE, "NNC_ISA is '%.32s', which this build or CPU does not have; there are: %s", name, there);
        return NNC_INVALID;
    }
    nnc_kernels = chosen;
    return NNC_OK;
}
