/* amx.c -- bfloat16 products by AMX's tiles; -DNNC_EMULATE_AMX compiles the same source against the instructions in C.
 *
 * Eight tiles of 16 rows of 64 bytes: 0 to 3 are 2 x 2 tiles of c, 4 and 5 are A, 16 rows of 32 numbers as they lie, 6 and 7
 * are B, 16 pairs of rows of 16 columns. Four instructions use four loads. A tile instruction adds up one step of k: the order of
 * kernels/bfloat16.inc. The last rows are a whole tile, too: of rows that were done already, or of a copy where m < 16. */

#include "../kernels.h"
#include "../sizes.h"

extern const struct nnc_products nnc_products_amx;
extern struct nnc_tile_counts nnc_emulated;
struct nnc_tile_counts nnc_emulated;

#ifdef NNC_EMULATE_AMX
#include "amx_emulated.h"
#elif defined(__AMX_BF16__) && defined(__AMX_TILE__)
#include <immintrin.h>
#endif

#if defined(NNC_EMULATE_AMX) || (defined(__AMX_BF16__) && defined(__AMX_TILE__))

enum { ROWS = 16, ROW_BYTES = 64, TILES = 8, PAIR_BYTES = 2 * sizeof(uint16_t) };

static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} config = {1,
            0,
            {0},
            {ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES, ROW_BYTES},
            {ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS}};

static void begin(void) {
    __asm__ volatile("" : : "r"(&config) : "memory"); /* gcc 12 does not know that the next line reads memory */
    _tile_loadconfig(&config);
}

static void end(void) {
    _tile_release();
}

/* 16 rows of A: as they lie, or where there are fewer, copied. */
struct rows {
    const uint16_t *at; /* the first element of the first of them */
    size_t stride, there;
};

/* The sums of up to 2 x 2 tiles, each at 16 rows of 16 floats. */
static void sum_tiles(const struct nnc_product *t, const struct rows a[2], bool two_rows, const uint16_t *b, bool two_columns,
                      float sums[4][ROWS * ROWS]) {
    uint16_t copied[ROWS * ROW_BYTES / sizeof(uint16_t)] = {0};
    const size_t b_bytes = t->ldb * PAIR_BYTES;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t block = 0; block < t->blocks; block++)
        for (size_t segment = 0; segment < t->segments; segment++) {
            const size_t at = block * t->a_block + segment * t->a_segment;
            const uint16_t *bs = b + block * t->b_block + segment * t->b_segment;
            for (size_t k = 0; k < t->k; k += BF16_STEP, bs += BF16_STEP * t->ldb) {
                const uint16_t *as = a[0].at + at + k;
                size_t a_bytes = a[0].stride * sizeof *as;
                for (size_t i = 0; i < a[0].there && a[0].there < ROWS; i++)
                    memcpy(copied + i * BF16_STEP, as + i * a[0].stride, ROW_BYTES);
                if (a[0].there < ROWS) as = copied, a_bytes = ROW_BYTES;
                _tile_loadd(4, as, a_bytes);
                _tile_loadd(6, bs, b_bytes);
                _tile_dpbf16ps(0, 4, 6);
                if (two_rows) {
                    _tile_loadd(5, a[1].at + at + k, a[1].stride * sizeof *as);
                    _tile_dpbf16ps(2, 5, 6);
                }
                if (!two_columns) continue;
                _tile_loadd(7, bs + 2 * ROWS, b_bytes);
                _tile_dpbf16ps(1, 4, 7);
                if (two_rows) _tile_dpbf16ps(3, 5, 7);
            }
        }
    _tile_stored(0, sums[0], ROW_BYTES);
    if (two_columns) _tile_stored(1, sums[1], ROW_BYTES);
    if (two_rows) _tile_stored(2, sums[2], ROW_BYTES);
    if (two_rows && two_columns) _tile_stored(3, sums[3], ROW_BYTES);
}

/* The tile of rows from i on: the last one begins earlier, so that it is whole. */
static size_t first_row(size_t i, size_t m) {
    return i + ROWS <= m || m < ROWS ? i : m - ROWS;
}

static void gemm(const struct nnc_product *t, const void *a, const void *b, const float *init, float *c) {
    _Alignas(64) float sums[4][ROWS * ROWS];
    const bool two_columns = t->n > ROWS;
    for (size_t i = 0; i < t->m; i += 2 * ROWS) {
        const bool two_rows = i + ROWS < t->m;
        struct rows rows[2] = {{0}};
        for (size_t q = 0; q < 1u + two_rows; q++) {
            const size_t first = first_row(i + q * ROWS, t->m);
            rows[q] = (struct rows){(const uint16_t *)a + first * t->rs, t->rs, least(ROWS, t->m - first)};
        }
        sum_tiles(t, rows, two_rows, b, two_columns, sums);
        for (size_t r = i; r < least(i + 2 * ROWS, t->m); r++) {
            const size_t q = (r - i) / ROWS, from = r - first_row(i + q * ROWS, t->m);
            for (size_t j = 0; j < t->n; j++)
                c[r * t->ldc + j] = init[r * t->ldinit + j] + sums[2 * q + j / ROWS][from * ROWS + j % ROWS];
        }
    }
}

const struct nnc_products nnc_products_amx = {
    .mr = 2 * ROWS,
    .k_step = BF16_STEP,
    .interleaved = 2,
    .element_size = sizeof(uint16_t),
#ifdef NNC_EMULATE_AMX
    .name = "amx, emulated",
#else
    .name = "amx",
#endif
    .begin = begin,
    .end = end,
    .gemm = gemm,
};

#else /* a compiler that does not know AMX */

const struct nnc_products nnc_products_amx = {0};

#endif
