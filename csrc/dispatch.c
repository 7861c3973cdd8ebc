/* dispatch.c -- selects the set of kernels: the best that the CPU supports, or the one that NNC_ISA or the caller names.
 * Compiled for the baseline only. Before a set is used, it is tested with a small integer product, which is exact in any order
 * of summation: a set that is wrong on this machine is skipped. */

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
extern const struct nnc_products nnc_products_amx;
extern struct nnc_tile_counts nnc_emulated;
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

/* Small integers, which are exact in bfloat16 and in any order of summation. */
static bool bf16_product_is_exact(const struct nnc_products *products) {
    enum { M = 33, K = 70, PADDED = 96 };
    static const float zero[PANEL];
    float c[M * PANEL];
    uint16_t a[M * PADDED] = {0}, b[PADDED * PANEL] = {0};
    struct nnc_product product = {.m = M, .n = PANEL - 1, .k = K, .segments = 1, .blocks = 1, .rs = PADDED, .cs = 1};
    product.ldb = product.ldc = PANEL;
    for (size_t p = 0; p < K; p++) {
        for (size_t i = 0; i < M; i++) a[i * PADDED + p] = (uint16_t)((i * 7 + p * 3) % 5 ? 0x3f80 : 0xc000); /* 1 or -2 */
        for (size_t j = 0; j < PANEL; j++) b[p / 2 * 2 * PANEL + 2 * j + p % 2] = (uint16_t)((p + j * 5) % 3 ? 0x4040 : 0xbf80);
    }
    if (products->begin) products->begin();
    products->gemm(&product, a, b, zero, c);
    if (products->end) products->end();
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < PANEL - 1; j++) {
            float sum = 0;
            for (size_t p = 0; p < K; p++) sum += ((i * 7 + p * 3) % 5 ? 1.0f : -2.0f) * ((p + j * 5) % 3 ? 3.0f : -1.0f);
            if (sum != c[i * PANEL + j]) return false;
        }
    return true;
}

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

/* ---- bfloat16 -------------------------------------------------------------------------------------------------------- */

static const struct nnc_products *bf16_products; /* NULL: not requested yet */
static const struct nnc_products *bf16_without_tiles;

/* The exact products of this instruction set; if it has no fused multiply-add, those of the best one that the CPU supports. */
static const struct nnc_products *exact_products(void) {
    const struct nnc_products *found = &nnc_kernels->products[PRECISION_bfloat16];
    for (int i = N_SETS; i-- > 0 && !found->gemm;)
        if (sets[i].kernels->products[PRECISION_bfloat16].gemm && usable(i))
            found = &sets[i].kernels->products[PRECISION_bfloat16];
    return found->gemm && bf16_product_is_exact(found) ? found : NULL;
}

/* AMX's products; NULL: `*why` explains why not. */
static const struct nnc_products *amx_products(const char **why) {
#if defined(__x86_64__)
    *why = !nnc_products_amx.gemm                      ? "this build has no AMX: the compiler did not support it"
           : !nnc_cpu_has_amx()                        ? "this CPU has no AMX"
           : !nnc_cpu_allows_amx()                     ? "the operating system does not allow AMX"
           : !bf16_product_is_exact(&nnc_products_amx) ? "a product by AMX was wrong"
                                                       : NULL;
    return *why ? NULL : &nnc_products_amx;
#else
    *why = "this CPU has no AMX";
    return NULL;
#endif
}

nnc_status nnc_choose_bf16(const char *name, char message[NNC_MESSAGE]) {
    const char *why = NULL;
    if (!name) name = getenv("NNC_BF16");
    const bool any = !name || !*name, amx = !any && !strcmp(name, "amx"), exact = !any && !strcmp(name, "exact");
    const struct nnc_products *found = NULL;
    if (!any && !amx && !exact) {
        snprintf(message, NNC_MESSAGE, "bfloat16 products (NNC_BF16) are amx or exact, got '%.32s'", name);
        return NNC_INVALID;
    }
    if (amx || (any && nnc_kernels != &nnc_kernels_generic)) found = amx_products(&why);
    if (!found && amx) {
        snprintf(message, NNC_MESSAGE, "NNC_BF16 is amx, but %s", why);
        return NNC_INVALID;
    }
    const struct nnc_products *twin = exact_products();
    if (!found) found = twin;
    if (!found) {
        snprintf(message, NNC_MESSAGE,
                 "precision bfloat16 needs a CPU with AMX or with fused multiply-adds; this one has neither: use float32");
        return NNC_INVALID;
    }
    bf16_products = found;
    bf16_without_tiles = twin ? twin : found;
    return NNC_OK;
}

struct nnc_tile_counts nnc_emulated_tiles(void) {
#if defined(__x86_64__)
    return nnc_emulated;
#else
    return (struct nnc_tile_counts){0};
#endif
}

nnc_status nnc_find_products(enum nnc_precision precision, char message[NNC_MESSAGE]) {
    return precision == PRECISION_bfloat16 && !bf16_products ? nnc_choose_bf16(NULL, message) : NNC_OK;
}

const char *nnc_bf16_name(char message[NNC_MESSAGE]) {
    return nnc_find_products(PRECISION_bfloat16, message) ? NULL : bf16_products->name;
}

const struct nnc_products *nnc_products(enum nnc_precision precision) {
    return precision == PRECISION_bfloat16 ? bf16_products : &nnc_kernels->products[precision];
}

const struct nnc_products *nnc_products_without_tiles(enum nnc_precision precision) {
    return precision == PRECISION_bfloat16 ? bf16_without_tiles : &nnc_kernels->products[precision];
}

/* ---- the choice ------------------------------------------------------------------------------------------------------- */

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
        snprintf(message, NNC_MESSAGE, "NNC_ISA is '%.32s', which this build or CPU does not support; available: %s", name,
                 there);
        return NNC_INVALID;
    }
    nnc_kernels = chosen;
    return bf16_products ? nnc_choose_bf16(NULL, message) : NNC_OK;
}
