/* product.c -- see product.h.
 *
 * W is stored in panels of 32 columns, which the forward product and the update use directly:
 *     z (m, O)  = b + x (m, I) W (I, O)         panels of W in place
 *     dx (m, I) = dz (m, O) W^T                  W^T packed for 32 columns of dx at a time
 *     dW (I, O) = x^T (I, m) dz (m, O)           a tile of 32 x 32 at a time, applied while it is in the cache
 *
 * There is no im2col and no kernel for special shapes. With channels last, a row of a window on a map is contiguous in memory,
 * (kx, channel), and the rows of W are (ky, kx, channel); so gemm sums over segments ky of k = (kx, channel), and the m rows of
 * its tile are pixels at any constant distance: along a row of the map, down a column, or the same pixel of many samples. */

#include "product.h"

#include <string.h>

enum {
    KC = 1024, /* maximum depth of a product per pass over its left operand: 128 KB of a panel stay in L2 */
    BLOCK_FLOATS = 1 << 17, /* of the left operand that stay in L2 while all panels are processed: 512 KB */
    LEAST_DEPTH = 256,      /* of a pass: each pass reads and writes the sums */
    ROWS_TOGETHER = 512,    /* of a left operand */
    PANELS = 4,             /* of a right operand that are packed together */
    CONFLICT = 512,         /* floats, 2 KB: lines at this distance share two sets of an L1 cache, which hold 16 */
    READERS_TO_COPY = 4,    /* panels that read a left operand, from which one with such conflicts is copied */
    NC = 512,  /* depth of a product whose right operand is packed first: 64 KB on the stack */
    FEW_READERS = 28,     /* rows of a for which a wide b is not packed */
    READERS_OF_A_ROW = 6, /* the same for each row of a narrow b */
    TRANSPOSING = 24,     /* multiply-adds of a lane in the time needed to transpose an element */
    FEW_ROWS = 64,        /* rows of a batch from which 32 of its columns are copied together, */
    TOGETHER = 256,       /* up to this number: 32 KB on the stack */
};

static const float zeros[PANEL];

static struct nnc_product plain(size_t m, size_t n, size_t k) {
    return (struct nnc_product){.m = m, .n = n, .k = k, .segments = 1, .blocks = 1};
}

static void finish(const struct nnc_epilogue *epilogue, size_t m, size_t j, size_t n, float *c) {
    if (epilogue->apply) epilogue->apply(epilogue->of, m, j, n, c);
}

/* Columns of a left operand of m rows that stay in the L2 cache: a deeper product is summed in several passes. */
static size_t depth_in_cache(size_t m) {
    const size_t depth = BLOCK_FLOATS / (m ? m : 1);
    return depth < LEAST_DEPTH ? LEAST_DEPTH : least(depth, KC);
}

/* ---- dense: forward --------------------------------------------------------------------------------------------------- */

void nnc_product_forward(const struct nnc_forward *of, size_t first, size_t last) {
    const struct nnc_param *W = of->W;
    const struct nnc_products *products = of->products;
    const size_t j0 = first * PANEL, n = least(last * PANEL, W->cols) - j0, stride = W->panels.stride, m = of->m;
    const size_t depth = products->k_step == 1 ? KC : W->rows; /* steps are summed before b is added */
    const void *w = nnc_element(products, W->panels.at, first * stride);
    const float *init = of->b ? of->b->w + j0 : NULL;
    const struct nnc_write z = {of->z.at + j0, of->z.ld};
    const bool by_rows = of->groups || (m == 1 && products->gemv);
    if (of->groups)
        products->gemm_rows(m, n, (struct nnc_read){of->x.at, of->x.ld}, of->groups, (struct nnc_read){w, stride}, init, z);
    else if (by_rows) products->gemv(n, W->rows, of->x.at, w, stride, init, z.at);
    for (size_t j = 0; j < n && !nnc_stopped(of->worker, m * stride); j += PANEL, w = nnc_element(products, w, stride)) {
        const size_t width = least(PANEL, n - j);
        for (size_t k = 0; k < W->rows && !by_rows; k += depth) {
            struct nnc_product product = plain(m, width, least(depth, W->rows - k));
            product.rs = of->x.ld, product.cs = 1, product.ldb = PANEL, product.ldinit = k ? z.ld : 0, product.ldc = z.ld;
            products->gemm(&product, nnc_element(products, of->x.at, k), nnc_element(products, w, k * PANEL),
                           k      ? z.at + j
                           : init ? init + j
                                  : zeros,
                           z.at + j);
        }
        finish(&of->epilogue, m, j0 + j, width, z.at + j);
    }
}

/* ---- dense: dx -------------------------------------------------------------------------------------------------------- */

/* Computes dx (m, width) with W^T packed on the stack, part by part. */
static void packed_input_gradient(const struct nnc_input_gradient *of, size_t k0, size_t width, float *dx) {
    const struct nnc_param *W = of->W;
    const size_t O = W->cols;
    const float *dz = of->dz.at;
    float packed[NC * PANEL]; /* (O, 32): 32 rows of W, transposed */
    if (width < PANEL) memset(packed, 0, least(NC, O) * PANEL * sizeof *packed);
    for (size_t n0 = 0; n0 < O && !nnc_stopped(of->worker, of->m * least(NC, O - n0) * PANEL); n0 += NC) {
        const size_t depth = least(NC, O - n0);
        for (size_t j = 0; j < depth; j += PANEL) {
            const struct nnc_read rows = {W->w + nnc_param_offset(W, k0, n0 + j), PANEL};
            of->products->pack(width, least(PANEL, depth - j), rows, packed + j * PANEL, PANEL);
        }
        struct nnc_product product = plain(of->m, width, depth);
        product.rs = of->dz.ld, product.cs = 1, product.ldb = PANEL;
        product.ldinit = n0 ? of->dx.ld : 0, product.ldc = of->dx.ld;
        of->products->gemm(&product, dz + n0, packed, n0 ? dx : zeros, dx);
    }
}

void nnc_product_input_gradient(const struct nnc_input_gradient *of, size_t block) {
    const struct nnc_param *W = of->W;
    const struct nnc_transposed *t = &W->transposed;
    const size_t k0 = block * PANEL, width = least(PANEL, W->rows - k0);
    float *dx = of->dx.at + k0;
    if (t->at) {
        struct nnc_product product = plain(of->m, width, W->cols);
        product.rs = of->dz.ld, product.cs = 1, product.ldb = PANEL, product.ldc = of->dx.ld;
        of->products->gemm(&product, of->dz.at, nnc_element(of->products, t->at, block * t->positions->panel), zeros, dx);
    } else {
        packed_input_gradient(of, k0, width, dx);
    }
    finish(&of->epilogue, of->m, k0, width, dx);
}

/* ---- dense: dW -------------------------------------------------------------------------------------------------------- */

/* The gradients of tiles that are computed one after the other. Each is applied while the product of the next is computed, if
 * the products allow that (the update loads and adds while tiles are multiplied), and otherwise immediately. */
struct gradients {
    const struct nnc_kernel_gradient *of;
    size_t pending;   /* a tile that is not applied yet, or NONE */
    float (*g)[TILE]; /* two, */
    int turn;         /* and which is its gradient */
};

static const size_t NONE = SIZE_MAX;

static void apply_pending(void *of) {
    struct gradients *t = of;
    if (t->pending != NONE) nnc_apply_tile(t->of->update, t->of->W, t->pending, t->g[t->turn]);
    t->pending = NONE;
}

/* Computes the gradient of one tile; apply_pending must follow the last one. */
static void tile_gradient(struct gradients *t, size_t tile) {
    const struct nnc_kernel_gradient *of = t->of;
    struct nnc_param *W = of->W;
    const size_t k = tile % W->row_tiles * PANEL, j = tile / W->row_tiles * PANEL;
    const size_t rows = least(PANEL, W->rows - k), cols = least(PANEL, W->cols - j);
    const void *x = nnc_element(of->products, of->x.at, k * of->x.step);
    const void *dz = nnc_element(of->products, of->dz.at, j * of->dz.step);
    const bool beside = of->products->works_beside;
    struct nnc_product product = plain(rows, cols, of->m);
    product.rs = of->x.step, product.cs = of->x.ld, product.ldb = of->dz.ld, product.ldc = PANEL;
    if (!of->zeros && cols == PANEL && of->products->gemm_sgd && nnc_takes_products(of->update, W)) {
        nnc_apply_product(of->update, W, tile, of->products, &product, x, dz);
        return;
    }
    float *g = t->g[beside ? !t->turn : t->turn];
    if (cols < PANEL) memset(g, 0, rows * PANEL * sizeof *g); /* the padding of the weights stays 0 */
    for (size_t r = 0; r < rows && of->zeros; r += GROUP) {
        const size_t group = (k + r) / GROUP;
        of->products->gemm_listed(cols, of->zeros->counts[group], of->zeros->of_group + group * of->zeros->rows,
                                  (struct nnc_read){(const float *)x + r, of->x.ld}, (struct nnc_read){dz, of->dz.ld},
                                  (struct nnc_write){g + r * PANEL, PANEL});
    }
    if (beside) product.beside = apply_pending, product.beside_of = t;
    if (!of->zeros) of->products->gemm(&product, x, dz, zeros, g);
    t->pending = tile;
    if (beside) t->turn = !t->turn;
    else apply_pending(t);
}

/* Are 32 columns of x copied before the tiles that read them? Its rows are far apart, each in a different page; a short batch
 * has too few rows for this to matter, and its tiles are better processed in memory order. */
static bool copies_columns(const struct nnc_kernel_gradient *of) {
    return of->x.step == 1 && !of->zeros && of->m >= FEW_ROWS && of->m <= TOGETHER && of->W->n_tiles > of->W->row_tiles;
}

void nnc_product_kernel_gradient_block(const struct nnc_kernel_gradient *of, size_t block, size_t first, size_t last) {
    const struct nnc_param *W = of->W;
    struct nnc_kernel_gradient here = *of;
    _Alignas(64) float columns[TOGETHER * PANEL];
    if (copies_columns(of)) {
        const size_t k = block * PANEL, width = least(PANEL, W->rows - k);
        const struct nnc_read x = {(const float *)of->x.at + k, of->x.ld};
        nnc_copy_rows(of->m, width, x, (struct nnc_write){columns, PANEL});
        here.x = (struct nnc_operand){columns - k, PANEL, 1};
    }
    _Alignas(64) float g[2][TILE];
    struct gradients gradients = {&here, NONE, g, 0};
    for (size_t tile = block; tile < last; tile += W->row_tiles)
        if (tile >= first && !nnc_stopped(of->worker, of->m * TILE)) tile_gradient(&gradients, tile);
    apply_pending(&gradients);
}

/* Prefetches the rows that belong to part `at` of n parts of this worker's share of them. */
static void prefetch_part(const struct nnc_kernel_gradient *of, size_t at, size_t n) {
    size_t first, last;
    if (!of->ahead) return;
    nnc_share(of->worker, of->ahead->rows, &first, &last);
    const size_t rows = last - first;
    for (size_t i = rows * at / n; i < rows * (at + 1) / n; i++) nnc_prefetch_row(of->ahead, first + i);
}

/* Panels are computed backwards, so that those that the next forward pass reads first are in the cache; each of them forwards,
 * as the hardware prefetcher expects. */
void nnc_product_kernel_gradient(const struct nnc_kernel_gradient *of, size_t first, size_t last) {
    const size_t blocks = of->W->row_tiles;
    if (copies_columns(of)) {
        for (size_t block = 0; block < blocks; block++) {
            prefetch_part(of, block, blocks);
            nnc_product_kernel_gradient_block(of, block, first, last);
        }
        return;
    }
    _Alignas(64) float g[2][TILE];
    struct gradients gradients = {of, NONE, g, 0};
    for (size_t panel = nnc_parts(last, blocks); panel-- > first / blocks;) {
        const size_t top = panel * blocks, end = least(last, top + blocks);
        for (size_t tile = top > first ? top : first; tile < end && !nnc_stopped(of->worker, of->m * TILE); tile++) {
            prefetch_part(of, tile - first, last - first);
            tile_gradient(&gradients, tile);
        }
    }
    apply_pending(&gradients);
}

/* ---- windows on maps -------------------------------------------------------------------------------------------------- */

/* Number of elements between two pixels that are `step` apart. */
static size_t distance_down(const struct nnc_maps *maps, struct nnc_span step) {
    return step.down * maps->width * maps->channels * maps->step;
}

static size_t distance_across(const struct nnc_maps *maps, struct nnc_span step) {
    return step.across * maps->channels * maps->step;
}

/* n pixels or samples in one direction: elements from one to the next in both arrays. */
struct direction {
    size_t n, in, out;
};

/* The direction, of three, whose rows fill register tiles best; the first of equals. */
static size_t best_direction(const struct direction directions[3], size_t mr) {
    size_t best = 0;
    for (size_t i = 1; i < 3; i++) { /* n rows take nnc_parts(n, mr) tiles */
        const size_t n = directions[i].n, n_best = directions[best].n;
        if (n * nnc_parts(n_best, mr) > n_best * nnc_parts(n, mr)) best = i;
    }
    return best;
}

/* Are all pixels of the maps rows, including those that are not outputs (see struct nnc_pixels)? 16 adjacent pixels span few
 * cache lines; the same pixel of 16 samples is in 16 different pages, but then no result is discarded. */
static bool takes_pixels(const struct nnc_products *products, const struct nnc_windows *of, size_t rows,
                         const struct direction *best) {
    const size_t tiles = of->samples * nnc_parts(rows, WIDEST);
    const size_t others = of->samples * of->pixels.down * of->pixels.across / best->n * nnc_parts(best->n, WIDEST);
    const bool adjacent = of->in_step.down == 1 && of->in_step.across == 1 && of->pixels.across <= of->in_maps.width;
    return products->takes_pixels && adjacent && 2 * tiles <= 3 * others;
}

void nnc_product_windows(const struct nnc_products *products, const struct nnc_windows *of) {
    const struct nnc_maps *in = &of->in_maps, *out = &of->out_maps;
    const struct direction directions[3] = {
        {of->pixels.across, distance_across(in, of->in_step), distance_across(out, of->out_step)},
        {of->pixels.down, distance_down(in, of->in_step), distance_down(out, of->out_step)},
        {of->samples, in->ld, out->ld},
    };
    const size_t best = best_direction(directions, products->mr);
    const struct direction rows = directions[best], inner = directions[best == 0], outer = directions[best == 2 ? 1 : 2];
    const size_t C = of->channels;
    struct nnc_product product = plain(rows.n, of->n, of->positions.across * C);
    product.segments = of->positions.down;
    product.rs = rows.in, product.cs = 1, product.ldc = rows.out;
    product.a_segment = distance_down(in, of->dilation);
    product.ldb = PANEL, product.b_segment = of->window_row * PANEL;
    const bool apart = of->dilation.across > 1 || C < in->channels; /* the positions of a row are not adjacent in memory */
    if (of->lanes) {
        product.lanes = true, product.cs = distance_across(in, of->dilation);
    } else if (apart && of->positions.across > 1) {
        product.k = C, product.segments = of->positions.across, product.blocks = of->positions.down;
        product.a_block = product.a_segment, product.b_block = product.b_segment;
        product.a_segment = distance_across(in, of->dilation), product.b_segment = C * PANEL;
    }
    const float *init = of->init ? of->init : zeros;
    const size_t all = (of->pixels.down - 1) * in->width + of->pixels.across;
    if (product.blocks == 1 && takes_pixels(products, of, all, &rows)) {
        const struct nnc_pixels pixels = {
            of->samples,       in->ld,    out->ld, in->width, of->pixels.across, directions[1].out,
            of->dilation.down, of->first, of->last};
        product.m = all, product.rs = in->channels, product.ldc = directions[0].out, product.pixels = &pixels;
        products->gemm(&product, of->in, of->w, init, of->out);
        return;
    }
    for (size_t i = 0; i < outer.n; i++)
        for (size_t q = 0; q < inner.n; q++)
            products->gemm(&product, nnc_element(products, of->in, i * outer.in + q * inner.in), of->w, init,
                           of->out + i * outer.out + q * inner.out);
}

void nnc_product_pixels(const struct nnc_products *products, const struct nnc_pixel_sum *of) {
    const struct nnc_maps *x = &of->x_maps, *dz = &of->dz_maps;
    const struct nnc_span one = {1, 1};
    const size_t x_across = distance_across(x, of->x_step), x_down = distance_down(x, of->x_step);
    const size_t dz_across = distance_across(dz, one), dz_down = distance_down(dz, one);
    const struct direction across = {of->pixels.across, x_across, dz_across}, down = {of->pixels.down, x_down, dz_down};
    const struct direction samples = {of->samples, x->ld, dz->ld};
    /* In float32 the longer direction of the map is the inner sum; in a transposed operand, samples are adjacent. */
    const bool transposed = x->ld == 1, along = across.n >= down.n;
    const struct direction inner = transposed ? samples : along ? across : down;
    const struct direction middle = transposed ? across : along ? down : across, outer = transposed ? down : samples;
    struct nnc_product product = plain(of->m, of->n, inner.n);
    product.segments = middle.n, product.blocks = outer.n;
    product.rs = of->x_row, product.cs = inner.in, product.ldb = inner.out, product.lanes = of->lanes;
    product.a_segment = middle.in, product.b_segment = middle.out;
    product.a_block = outer.in, product.b_block = outer.out;
    product.ldinit = product.ldc = PANEL;
    products->gemm(&product, of->x, of->dz, of->c, of->c);
}

/* ---- any matrices ---------------------------------------------------------------------------------------------------- */

/* Is b read in place by m rows of a? Packing pays off if a panel whose rows are far apart is read often, and for a short panel,
 * since the rows at its end are packed in any case, and every row of c then starts a second time. */
static bool reads_in_place(size_t m, const nnc_matrix *b) {
    return b->cs == 1 && m <= (b->cols <= PANEL ? READERS_OF_A_ROW * b->rows : FEW_READERS);
}

/* Are the rows (or columns) of a that are read together at a distance where they compete for the same few cache sets, and are
 * there enough panels for a copy to pay off? */
static bool competes(const nnc_matrix *a, const nnc_matrix *b) {
    const size_t distance = a->cs == 1 ? a->rs : a->cs;
    return distance % CONFLICT == 0 && a->rows >= WIDEST && b->cols >= READERS_TO_COPY * PANEL;
}

/* Rows [p, p + k) of b, at most PANEL columns starting at j. */
static nnc_matrix part_of(const nnc_matrix *b, size_t p, size_t k, size_t j) {
    return (nnc_matrix){b->data + p * b->rs + j * b->cs, k, least(PANEL, b->cols - j), b->rs, b->cs};
}

/* c = init + a b for at most PANEL columns; rows of b are ldb apart and have PANEL readable floats. */
static void multiply(const struct nnc_products *products, const nnc_matrix *a, const nnc_matrix *b, size_t ldb,
                     struct nnc_read init, struct nnc_write c) {
    struct nnc_product product = plain(a->rows, b->cols, b->rows);
    product.rs = a->rs, product.cs = a->cs, product.ldb = ldb, product.ldinit = init.ld, product.ldc = c.ld;
    products->gemm(&product, a->data, b->data, init.at, c.at);
}

/* Packs b into panels, each `ld` floats after the previous one; the columns that pad the last one are 0. Contiguous rows are
 * read once for all panels, since each may be in a different page. */
static void pack_panels(const struct nnc_products *products, const nnc_matrix *b, size_t ld, float *packed) {
    const size_t k = b->rows, whole = b->cols / PANEL * PANEL, n = b->cols - whole;
    float *last = packed + whole / PANEL * ld;
    if (n) memset(last, 0, k * PANEL * sizeof *last);
    for (size_t j = 0; j < whole && b->cs != 1; j += PANEL)
        products->pack(PANEL, k, (struct nnc_read){b->data + j * b->cs, b->cs}, packed + j / PANEL * ld, PANEL);
    if (n && b->cs != 1) products->pack(n, k, (struct nnc_read){b->data + whole * b->cs, b->cs}, last, PANEL);
    for (size_t p = 0; p < k && b->cs == 1; p++) {
        const float *row = b->data + p * b->rs;
        for (size_t j = 0; j < whole; j += PANEL) memcpy(packed + j / PANEL * ld + p * PANEL, row + j, PANEL * sizeof *row);
        memcpy(last + p * PANEL, row + whole, n * sizeof *row);
    }
}

/* c = init + a b[p..] for at most PANEL columns of b starting at j, read in place, except for the last rows, which may have
 * fewer readable floats than a panel. */
static void multiply_in_place(const struct nnc_products *products, const nnc_matrix *a, const nnc_matrix *b, size_t p, size_t j,
                              struct nnc_read init, struct nnc_write c) {
    _Alignas(64) float packed[TILE];
    size_t last = 0;
    while (last < a->cols && (b->rows - 1 - (p + a->cols - 1 - last)) * b->rs + b->cols < j + PANEL) last++;
    const nnc_matrix first = part_of(b, p, a->cols - last, j), end = part_of(b, p + first.rows, last, j);
    const nnc_matrix of_end = {a->data + first.rows * a->cs, a->rows, last, a->rs, a->cs};
    if (first.rows || !last) multiply(products, a, &first, b->rs, init, c); /* even for an empty sum: then c = init */
    if (!last) return;
    pack_panels(products, &end, 0, packed);
    const nnc_matrix panel = {packed, last, end.cols, PANEL, 1};
    multiply(products, &of_end, &panel, PANEL, first.rows ? nnc_reading(c) : init, c);
}

/* c^T = init + b^T a^T: a narrow c would leave lanes of every vector idle, and the rows of a^T are contiguous. */
static void narrow_product(const struct nnc_products *products, const nnc_matrix *a, const nnc_matrix *b, const float *init,
                           struct nnc_write c) {
    const nnc_matrix left = {b->data, b->cols, b->rows, b->cs, b->rs}, right = {a->data, a->cols, a->rows, a->cs, a->rs};
    _Alignas(64) float transposed[TILE];
    for (size_t j = 0; j < right.cols; j += PANEL) {
        const struct nnc_write t = {transposed, PANEL};
        for (size_t i = 0; i < left.rows && init; i++)
            for (size_t q = 0; q < PANEL; q++) transposed[i * PANEL + q] = init[i];
        multiply_in_place(products, &left, &right, 0, j, init ? nnc_reading(t) : (struct nnc_read){zeros, 0}, t);
        products->pack(left.rows, least(PANEL, right.cols - j), nnc_reading(t), c.at + j * c.ld, c.ld);
    }
}

/* Does narrow_product pay off? The sums must be long enough for the otherwise idle lanes to pay for transposing c. */
static bool is_narrow(const nnc_matrix *a, const nnc_matrix *b) {
    const size_t idle = nnc_round_up(b->cols, WIDEST) - b->cols;
    return a->rs == 1 && b->cols < a->rows && b->cols <= FEW_READERS && idle * a->cols > TRANSPOSING * b->cols;
}

/* The copies of a product of matrices: of a block of a, and of PANELS panels of b; sizes in floats, 0: read in place. */
struct copies {
    size_t rows, depth; /* of a block of a, which is multiplied by all panels of b while it is in the L2 cache */
    size_t a, b;
};

static struct copies copies_of(const nnc_matrix *a, const nnc_matrix *b) {
    struct copies s = {.rows = least(a->rows, ROWS_TOGETHER)};
    s.depth = least(a->cols, depth_in_cache(s.rows));
    if (is_narrow(a, b)) return s;
    if (competes(a, b)) s.a = a->cs == 1 ? s.rows * nnc_leading_dimension(s.depth) : s.depth * nnc_leading_dimension(s.rows);
    if (!reads_in_place(s.rows, b)) s.b = least(PANELS, nnc_parts(b->cols, PANEL)) * s.depth * PANEL;
    return s;
}

size_t nnc_product_scratch(const nnc_matrix *a, const nnc_matrix *b) {
    const struct copies copies = copies_of(a, b);
    return copies.a + copies.b;
}

static nnc_matrix copy_of(const nnc_matrix *a, float *to) {
    const bool by_rows = a->cs == 1;
    const size_t n = by_rows ? a->rows : a->cols, width = by_rows ? a->cols : a->rows, ld = nnc_leading_dimension(width);
    nnc_copy_rows(n, width, (struct nnc_read){a->data, by_rows ? a->rs : a->cs}, (struct nnc_write){to, ld});
    return (nnc_matrix){to, a->rows, a->cols, by_rows ? ld : 1, by_rows ? 1 : ld};
}

/* c = init + a b for as many rows of b, starting at p, as a has columns; init is one row (NULL: 0) if p is 0, else c. */
static void block_product(const struct nnc_products *products, const nnc_matrix *a, const nnc_matrix *b, size_t p,
                          const float *init, struct nnc_write c, float *packed) {
    const size_t ld = a->cols * PANEL;
    for (size_t j = 0; j < b->cols; j += PANEL) {
        const size_t q = j / PANEL % PANELS;
        const struct nnc_write columns = {c.at + j, c.ld};
        const struct nnc_read row = {init ? init + j : zeros, 0}, from = p ? nnc_reading(columns) : row;
        if (packed && q == 0) {
            const nnc_matrix group = {b->data + p * b->rs + j * b->cs, a->cols, least(PANELS * PANEL, b->cols - j), b->rs,
                                      b->cs};
            pack_panels(products, &group, ld, packed);
        }
        if (packed) {
            const nnc_matrix panel = {packed + q * ld, a->cols, least(PANEL, b->cols - j), PANEL, 1};
            multiply(products, a, &panel, PANEL, from, columns);
        } else {
            multiply_in_place(products, a, b, p, j, from, columns);
        }
    }
}

void nnc_product_matrices(const struct nnc_products *products, const nnc_matrix *a, const nnc_matrix *b, const float *init,
                          struct nnc_write c, float *scratch) {
    if (is_narrow(a, b)) {
        narrow_product(products, a, b, init, c);
        return;
    }
    const struct copies copies = copies_of(a, b);
    for (size_t i = 0; i < a->rows; i += copies.rows) {
        const struct nnc_write rows = {c.at + i * c.ld, c.ld};
        size_t p = 0;
        do { /* once even for an empty sum */
            nnc_matrix block = {a->data + i * a->rs + p * a->cs, least(copies.rows, a->rows - i),
                                least(copies.depth, a->cols - p), a->rs, a->cs};
            if (copies.a) block = copy_of(&block, scratch);
            block_product(products, &block, b, p, init, rows, copies.b ? scratch + copies.a : NULL);
            p += block.cols;
        } while (p < a->cols);
    }
}
