/* amx_emulated.h -- AMX's tile instructions in C, for CPUs with AVX2 and FMA, so that amx.c can be tested without AMX. The
 * instructions and the cache lines that they access are counted, which measures the work. */
#ifndef NNC_AMX_EMULATED_H
#define NNC_AMX_EMULATED_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "../nnc.h"

static _Thread_local struct {
    uint8_t row[16][64];
} emulated_tiles[8];
static _Thread_local struct {
    bool loaded;
    uint8_t rows[8];
    uint16_t bytes[8];
} emulated_shape;

/* Caches of 64-byte lines, most recently used first in each set. */
enum { L1_SETS = 64, L1_WAYS = 12, L2_SETS = 2048, L2_WAYS = 16 };
static _Thread_local uintptr_t emulated_l1[L1_SETS * L1_WAYS], emulated_l2[L2_SETS * L2_WAYS];

/* Accesses a line; was it in the cache? */
static inline bool emulated_use(uintptr_t *cache, size_t sets, size_t ways, uintptr_t line) {
    uintptr_t *set = cache + line % sets * ways;
    size_t way = 0;
    while (way + 1 < ways && set[way] != line) way++;
    const bool there = set[way] == line;
    memmove(set + 1, set, way * sizeof *set);
    set[0] = line;
    return there;
}

static inline void emulated_count(uint64_t *counter) {
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static inline void emulated_loadconfig(const void *config) {
    const uint8_t *c = config;
    emulated_shape.loaded = true;
    for (int t = 0; t < 8; t++) {
        memcpy(&emulated_shape.bytes[t], c + 16 + 2 * t, 2);
        emulated_shape.rows[t] = c[48 + t];
    }
    memset(emulated_tiles, 0, sizeof emulated_tiles);
}

static inline void emulated_release(void) {
    emulated_shape.loaded = false;
}

static inline void emulated_fetch(const void *base, size_t bytes) {
    for (uintptr_t line = (uintptr_t)base / 64; line <= ((uintptr_t)base + bytes - 1) / 64; line++) {
        if (emulated_use(emulated_l1, L1_SETS, L1_WAYS, line)) continue;
        emulated_count(&nnc_emulated.l1_lines);
        if (!emulated_use(emulated_l2, L2_SETS, L2_WAYS, line)) emulated_count(&nnc_emulated.l2_lines);
    }
}

/* Without a configuration the CPU raises an exception. */
static inline void emulated_check(void) {
    if (!emulated_shape.loaded) __builtin_trap();
}

static inline void emulated_zero(int t) {
    emulated_check();
    memset(&emulated_tiles[t], 0, sizeof emulated_tiles[t]);
}

static inline void emulated_loadd(int t, const void *base, size_t stride) {
    emulated_zero(t);
    emulated_count(&nnc_emulated.loads);
    for (size_t r = 0; r < emulated_shape.rows[t]; r++) {
        emulated_fetch((const char *)base + r * stride, emulated_shape.bytes[t]);
        memcpy(emulated_tiles[t].row[r], (const char *)base + r * stride, emulated_shape.bytes[t]);
    }
}

static inline void emulated_stored(int t, void *base, size_t stride) {
    emulated_check();
    emulated_count(&nnc_emulated.stores);
    for (size_t r = 0; r < emulated_shape.rows[t]; r++) {
        emulated_fetch((char *)base + r * stride, emulated_shape.bytes[t]);
        memcpy((char *)base + r * stride, emulated_tiles[t].row[r], emulated_shape.bytes[t]);
    }
}

/* c += a b: separate sums of even and of odd k, by FMA, then their sum is added to c; denormals are 0 regardless of MXCSR. */
static inline void emulated_dpbf16ps(int c, int a, int b) {
    const unsigned before = _mm_getcsr();
    const __m256i upper = _mm256_set1_epi32((int)0xffff0000);
    emulated_check();
    emulated_count(&nnc_emulated.products);
    _mm_setcsr(0x9fc0); /* to nearest, all exceptions masked, FTZ, DAZ */
    for (size_t m = 0; m < emulated_shape.rows[c]; m++)
        for (size_t n = 0; n < emulated_shape.bytes[c]; n += 32) {
            __m256 even = _mm256_setzero_ps(), odd = _mm256_setzero_ps();
            for (size_t k = 0; k < emulated_shape.bytes[a] / 4u; k++) {
                int32_t pair;
                memcpy(&pair, emulated_tiles[a].row[m] + 4 * k, sizeof pair);
                const __m256i x = _mm256_set1_epi32(pair);
                const __m256i y = _mm256_loadu_si256((const void *)(emulated_tiles[b].row[k] + n));
                even = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(x, 16)),
                                       _mm256_castsi256_ps(_mm256_slli_epi32(y, 16)), even);
                odd = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(x, upper)),
                                      _mm256_castsi256_ps(_mm256_and_si256(y, upper)), odd);
            }
            float *to = (float *)(void *)(emulated_tiles[c].row[m] + n);
            _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm256_add_ps(even, odd)));
        }
    _mm_setcsr(before);
}

/* The compiler defines these as macros or functions. */
#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig emulated_loadconfig
#define _tile_release emulated_release
#define _tile_zero emulated_zero
#define _tile_loadd emulated_loadd
#define _tile_stored emulated_stored
#define _tile_dpbf16ps emulated_dpbf16ps

#endif
