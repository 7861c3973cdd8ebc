/* amx.c -- bfloat16 products with AMX's tiles; -DNNC_EMULATE_AMX compiles the same source with emulated instructions.
 *
 * Eight tiles of 16 rows of 64 bytes: 0 to 3 are tiles of c, 2 x 2, or 4 x 1 if c has at most 16 columns; 4 and 5 are A, 16
 * rows of 32 elements in their layout in memory; 6 and 7 are B, 16 pairs of rows of 16 columns. Four instructions use four or five
 * loads. If rows of a shift from one segment to the next, 0 to 5 are tiles of c, 3 x 2, 6 is A and 7 is B: six instructions use
 * seven loads, of which three read lines that are not in the L1 cache yet. A tile instruction adds one step of k: the order of
 * kernels/bfloat16.inc. The last rows are also a complete tile: it overlaps rows that are already done, or is a copy if m < 16. */

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
    __asm__ volatile("" : : "r"(&config) : "memory"); /* gcc 12 is not aware that the next line reads memory */
    _tile_loadconfig(&config);
}

static void end(void) {
    _tile_release();
}

/* Rows [row, row + there) of a map, or of a matrix, whose sums a tile of c holds; rows before `first` are already done. */
struct rows {
    const uint16_t *at;
    float *c; /* of the map */
    size_t row, there, first;
    uint16_t *copy; /* a buffer of 16 rows if there are fewer, else NULL */
};

/* The operands of a sum: segments [s0, s1) of each block; `n` tiles of rows, one or two of columns. */
struct sums {
    const struct nnc_product *product;
    const struct rows *rows;
    size_t n, s0, s1;
};

/* 16 rows of A for a step of k, `stride` bytes apart: in place, or copied. */
static const uint16_t *rows_of(const struct rows *rows, size_t at, size_t *stride) {
    const size_t stored_stride = *stride;
    const uint16_t *a = rows->at + at;
    if (!rows->copy) return a;
    *stride = ROW_BYTES;
    for (size_t i = 0; i < rows->there; i++) memcpy(rows->copy + i * BF16_STEP, a + i * (stored_stride / sizeof *a), ROW_BYTES);
    return rows->copy;
}

#define LOAD_ROWS(tile, rows)                             \
    do {                                                  \
        size_t stride_ = t->rs * sizeof(uint16_t);        \
        const uint16_t *a_ = rows_of(rows, at, &stride_); \
        _tile_loadd(tile, a_, stride_);                   \
    } while (0)

#define EACH_STEP(t, at, bs)                                                         \
    for (size_t block = 0; block < (t)->blocks; block++)                             \
        for (size_t segment = of->s0; segment < of->s1; segment++)                   \
            for (size_t k = 0, at = block * (t)->a_block + segment * (t)->a_segment, \
                        bs = block * (t)->b_block + segment * (t)->b_segment;        \
                 k < (t)->k; k += BF16_STEP, at += BF16_STEP, bs += BF16_STEP * (t)->ldb)

/* Work that needs no tiles, while the instructions before it are executed. */
static void work_beside(const struct nnc_product *t) {
    if (t->beside) t->beside(t->beside_of);
}

/* Up to 2 tiles of rows by 2 of columns: rows of `sums` have 32 floats. */
static void sum_2x2(const struct sums *of, const uint16_t *b, float *sums) {
    enum { BYTES = 2 * ROW_BYTES, NEXT = 2 * ROWS * ROWS };
    const struct nnc_product *t = of->product;
    const struct rows *rows = of->rows;
    const size_t b_bytes = t->ldb * PAIR_BYTES;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    EACH_STEP(t, at, bs) {
        LOAD_ROWS(4, &rows[0]);
        _tile_loadd(6, b + bs, b_bytes);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + bs + 2 * ROWS, b_bytes);
        _tile_dpbf16ps(1, 4, 7);
        if (of->n == 1) continue;
        LOAD_ROWS(5, &rows[1]);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    work_beside(t);
    _tile_stored(0, sums, BYTES);
    _tile_stored(1, sums + ROWS, BYTES);
    if (of->n == 1) return;
    _tile_stored(2, sums + NEXT, BYTES);
    _tile_stored(3, sums + NEXT + ROWS, BYTES);
}

/* Up to 4 tiles of rows by one of columns: rows of `sums` have 16 floats. */
static void sum_4x1(const struct sums *of, const uint16_t *b, float *sums) {
    enum { NEXT = ROWS * ROWS };
    const struct nnc_product *t = of->product;
    const struct rows *rows = of->rows;
    const size_t b_bytes = t->ldb * PAIR_BYTES, n = of->n;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    EACH_STEP(t, at, bs) {
        _tile_loadd(6, b + bs, b_bytes);
        LOAD_ROWS(4, &rows[0]);
        _tile_dpbf16ps(0, 4, 6);
        if (n == 1) continue;
        LOAD_ROWS(5, &rows[1]);
        _tile_dpbf16ps(1, 5, 6);
        if (n == 2) continue;
        LOAD_ROWS(4, &rows[2]);
        _tile_dpbf16ps(2, 4, 6);
        if (n == 3) continue;
        LOAD_ROWS(5, &rows[3]);
        _tile_dpbf16ps(3, 5, 6);
    }
    work_beside(t);
    _tile_stored(0, sums, ROW_BYTES);
    if (n > 1) _tile_stored(1, sums + NEXT, ROW_BYTES);
    if (n > 2) _tile_stored(2, sums + 2 * NEXT, ROW_BYTES);
    if (n > 3) _tile_stored(3, sums + 3 * NEXT, ROW_BYTES);
}

/* Rows that shift: row i of segment s + 1 of a is row i + shift of segment s, as for the positions (kx, c) of a window at
 * adjacent pixels. The distance in rows, if it divides the rows of c into several runs of complete tiles; else 0. */
static size_t shift_of(const struct nnc_product *t) {
    const size_t shift = t->rs && t->a_segment % t->rs == 0 ? t->a_segment / t->rs : 0;
    return t->n > ROWS && shift >= ROWS && shift < t->m && t->m % shift == 0 ? shift : 0;
}

/* n = 2 or 3 tiles of rows of c, a shift apart, by two of columns: rows of `sums` have 32 floats. A tile of a is loaded once for
 * all of them: it belongs to segment u of the first, u - 1 of the second. */
static void sum_shifted(const struct nnc_product *t, size_t n, const uint16_t *a, const uint16_t *b, float *sums) {
    enum { BYTES = 2 * ROW_BYTES, NEXT = 2 * ROWS * ROWS };
    const size_t a_bytes = t->rs * sizeof *a, b_bytes = t->ldb * PAIR_BYTES;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    for (size_t block = 0; block < t->blocks; block++, a += t->a_block, b += t->b_block)
        for (size_t u = 0; u < t->segments + n - 1; u++)
            for (size_t k = 0; k < t->k; k += BF16_STEP) {
                const uint16_t *bs = b + u * t->b_segment + k * t->ldb;
                _tile_loadd(6, a + u * t->a_segment + k, a_bytes);
                if (u < t->segments) {
                    _tile_loadd(7, bs, b_bytes);
                    _tile_dpbf16ps(0, 6, 7);
                    _tile_loadd(7, bs + 2 * ROWS, b_bytes);
                    _tile_dpbf16ps(1, 6, 7);
                }
                if (u >= 1 && u < t->segments + 1) {
                    _tile_loadd(7, bs - t->b_segment, b_bytes);
                    _tile_dpbf16ps(2, 6, 7);
                    _tile_loadd(7, bs - t->b_segment + 2 * ROWS, b_bytes);
                    _tile_dpbf16ps(3, 6, 7);
                }
                if (u >= 2 && n > 2) {
                    _tile_loadd(7, bs - 2 * t->b_segment, b_bytes);
                    _tile_dpbf16ps(4, 6, 7);
                    _tile_loadd(7, bs - 2 * t->b_segment + 2 * ROWS, b_bytes);
                    _tile_dpbf16ps(5, 6, 7);
                }
            }
    _tile_stored(0, sums, BYTES);
    _tile_stored(1, sums + ROWS, BYTES);
    _tile_stored(2, sums + NEXT, BYTES);
    _tile_stored(3, sums + NEXT + ROWS, BYTES);
    if (n == 2) return;
    _tile_stored(4, sums + 2 * NEXT, BYTES);
    _tile_stored(5, sums + 2 * NEXT + ROWS, BYTES);
}

typedef float v8 __attribute__((vector_size(32), aligned(4), may_alias));

/* c = init + sums, n elements of each of m rows. */
static void add_init(size_t m, size_t n, const float *sums, size_t ldsums, const float *init, size_t ldinit, float *c,
                     size_t ldc) {
    for (; m > 0; m--, sums += ldsums, init += ldinit, c += ldc) {
        size_t j = 0;
        for (; j + 8 <= n; j += 8) *(v8 *)(c + j) = *(const v8 *)(init + j) + *(const v8 *)(sums + j);
        for (; j < n; j++) c[j] = init[j] + sums[j];
    }
}

/* Stores the rows of a tile that exist in c, run by run. */
static void put_rows(const struct nnc_product *t, const struct nnc_pixels *p, const struct rows *rows, const float *sums,
                     size_t ldsums, const float *init) {
    const size_t end = rows->row + rows->there;
    for (size_t y = rows->first / p->width, x = rows->first % p->width; y * p->width + x < end; y++, x = 0) {
        const size_t r = y * p->width + x;
        if (x >= p->kept) continue;
        add_init(least(p->kept - x, end - r), t->n, sums + (r - rows->row) * ldsums, ldsums, init + r * t->ldinit, t->ldinit,
                 rows->c + y * p->c_row + x * t->ldc, t->ldc);
    }
}

/* Finds the segments in which a row is not 0. */
static void find_segments(struct sums *of, const struct nnc_pixels *p) {
    size_t y0 = SIZE_MAX, y1 = 0;
    for (const struct rows *rows = of->rows; rows < of->rows + of->n; rows++) {
        const size_t first = rows->row / p->width, last = (rows->row + rows->there - 1) / p->width;
        y0 = least(y0, first), y1 = last > y1 ? last : y1;
    }
    of->s0 = p->first > y1 ? nnc_parts(p->first - y1, p->dilation) : 0;
    of->s1 = p->last > y0 ? least(of->s1, nnc_parts(p->last - y0, p->dilation)) : 0;
}

/* Computes n tiles of rows of c. */
static void multiply(const struct nnc_product *t, const struct nnc_pixels *p, const struct rows *rows, size_t n,
                     const uint16_t *b, const float *init) {
    _Alignas(64) float sums[4 * ROWS * ROWS];
    const bool wide = t->n > ROWS;
    const size_t ldsums = wide ? 2 * ROWS : ROWS;
    struct sums of = {t, rows, n, 0, t->segments};
    if (t->pixels) find_segments(&of, p);
    if (wide) sum_2x2(&of, b, sums);
    else sum_4x1(&of, b, sums);
    for (size_t i = 0; i < n; i++) put_rows(t, p, &rows[i], sums + i * ROWS * ldsums, ldsums, init);
}

/* Computes c if its rows shift: up to three shifts together. */
static void multiply_shifted(const struct nnc_product *t, size_t shift, const uint16_t *a, const uint16_t *b, const float *init,
                             float *c) {
    _Alignas(64) float sums[3 * 2 * ROWS * ROWS];
    const struct nnc_pixels one_row = {.maps = 1, .width = t->m, .kept = t->m};
    const size_t runs = t->m / shift, groups = nnc_parts(runs, 3);
    for (size_t q = 0; q < shift; q += ROWS)
        for (size_t g = 0; g < groups; g++) {
            const size_t first = runs * g / groups, n = runs * (g + 1) / groups - first, row = least(q, shift - ROWS);
            sum_shifted(t, n, a + (first * shift + row) * t->rs, b, sums);
            for (size_t i = 0, at = first * shift; i < n; i++, at += shift) {
                const struct rows rows = {.c = c, .row = at + row, .there = ROWS, .first = at + q};
                put_rows(t, &one_row, &rows, sums + i * 2 * ROWS * ROWS, 2 * ROWS, init);
            }
        }
}

/* Processes tiles of two maps together, of four if there is only one tile of columns; of a matrix, two or four tiles. The last
 * tile of a map begins earlier, so that it is complete. */
static void gemm(const struct nnc_product *t, const void *a, const void *b, const float *init, float *c) {
    const struct nnc_pixels one_row = {.maps = 1, .width = t->m, .kept = t->m}, *p = t->pixels ? t->pixels : &one_row;
    const size_t most = t->n > ROWS ? 2 : 4;
    uint16_t copies[4][ROWS * BF16_STEP];
    struct rows rows[4];
    const size_t shift = t->pixels ? 0 : shift_of(t);
    size_t n = 0;
    if (shift) {
        multiply_shifted(t, shift, a, b, init, c);
        return;
    }
    if (t->m < ROWS) memset(copies, 0, sizeof copies);
    for (size_t map = 0; map < p->maps; map += most)
        for (size_t q = 0; q < t->m; q += ROWS)
            for (size_t i = map; i < least(map + most, p->maps); i++) {
                const size_t row = q + ROWS <= t->m || t->m < ROWS ? q : t->m - ROWS;
                rows[n] = (struct rows){(const uint16_t *)a + i * p->a_map + row * t->rs,
                                        c + i * p->c_map,
                                        row,
                                        least(ROWS, t->m - row),
                                        q,
                                        t->m < ROWS ? copies[n] : NULL};
                if (++n < most) continue;
                multiply(t, p, rows, n, b, init);
                n = 0;
            }
    if (n) multiply(t, p, rows, n, b, init);
}

const struct nnc_products nnc_products_amx = {
    .mr = 2 * ROWS,
    .k_step = BF16_STEP,
    .interleaved = 2,
    .element_size = sizeof(uint16_t),
    .takes_pixels = true,
    .works_beside = true,
#ifdef NNC_EMULATE_AMX
    .name = "amx, emulated",
#else
    .name = "amx",
#endif
    .begin = begin,
    .end = end,
    .gemm = gemm,
};

#else /* a compiler without AMX support */

const struct nnc_products nnc_products_amx = {0};

#endif
