/* dense.c -- dense layers: a = f(x W + b) and back.
 *
 * W stays packed in panels of 32 columns, which serve the forward product and the update as they are. Three products,
 * one micro-kernel:
 *     z (m, O)  = b + x (m, I) W (I, O)         panels of W as they lie
 *     dx (m, I) = dz (m, O) W^T                  W^T packed for 32 columns of dx at a time
 *     dW (I, O) = x^T (I, m) dz (m, O)           a tile of 32 x 32 at a time, used for the update while it is hot
 */

#include <string.h>

#include "plan.h"

enum {
    KC = 1024, /* depth of the forward product per pass over x: 128 KB of a panel stay in L2 */
    ROWS_TO_SHARE = 16, /* of each worker, from which on inference shares rows */
    FEW_ROWS = 64, TOGETHER = 256, /* rows of a batch between which a block of its columns is laid together: 32 KB on the stack */
    NC = 512,  /* depth of the dx product: 64 KB of packed W^T on the stack */
};

static const float zeros[PANEL];

static bool skips_zeros(const struct nnc_plan *plan, size_t l, size_t m) {
    return l == 0 && plan->zeros.groups && nnc_zeros_pay(plan, m);
}

/* z = b + x W for rows [i0, i1) and panels [p0, p1), then the activation. */
static void forward_block(struct nnc_plan *plan, size_t l, size_t i0, size_t i1, size_t p0, size_t p1,
                          const struct nnc_pass *pass) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_param *W = layer->kernel;
    const size_t j0 = p0 * PANEL, n = least(p1 * PANEL, layer->O) - j0, m = i1 - i0, stride = W->rows * PANEL;
    const float *init = layer->bias ? layer->bias->w + j0 : NULL, *w = W->w + p0 * stride;
    const struct nnc_layer *target = nnc_product_target(plan, l, pass);
    const size_t ld = target->ld;
    float *a = target->a + i0 * ld + j0, *d = pass->mode == TRAIN && target->d ? target->d + i0 * ld + j0 : NULL;
    size_t ldx;
    const float *x = nnc_input(plan, l, pass, &ldx);
    x += i0 * ldx;
    const bool sparse = skips_zeros(plan, l, pass->m);
    if (sparse) {
        const struct nnc_zeros *z = &plan->zeros;
        const struct nnc_groups groups = {z->groups, z->blocks, z->of_row + i0 * z->groups, z->starts + i0 * (z->blocks + 1)};
        nnc_kernels->gemm_rows(m, n, x, ldx, &groups, w, stride, init, a, ld);
    } else if (m == 1) {
        nnc_kernels->gemv(n, layer->I, x, w, stride, init, a);
    }
    for (size_t j = 0; j < n; j += PANEL, w += stride) {
        const size_t width = least(PANEL, n - j);
        for (size_t k = 0; k < layer->I && !sparse && m > 1; k += KC) {
            const struct nnc_product product = {.m = m, .n = width, .k = least(KC, layer->I - k), .segments = 1,
                                                .blocks = 1, .rs = ldx, .cs = 1, .ldb = PANEL, .ldinit = k ? ld : 0, .ldc = ld};
            nnc_kernels->gemm(&product, x + k, w + k * PANEL, k ? a + j : init ? init + j : zeros, a + j);
        }
        nnc_finish_product(plan, l, pass, m, j0 + j, width, a + j, d ? d + j : NULL, ld);
    }
}

void nnc_dense_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    size_t first, last;
    const size_t panels = (layer->O + PANEL - 1) / PANEL, n = (size_t)worker->n;
    /* In training by panels, so that a core keeps its part of W, which it updates too, in its own cache; by rows where the
     * panels do not divide evenly. In inference by rows, so that a core meets no other core's rows; by panels if they are few. */
    if (pass->mode == INFER ? pass->m < ROWS_TO_SHARE * n : panels % n == 0 || panels >= 4 * n) {
        nnc_share(worker, panels, &first, &last);
        if (first < last) forward_block(plan, l, 0, pass->m, first, last, pass);
    } else {
        nnc_share(worker, pass->m, &first, &last);
        if (first < last) forward_block(plan, l, first, last, 0, panels, pass);
    }
    if (pass->mode == TRAIN && skips_zeros(plan, l, pass->m)) {
        nnc_share(worker, plan->zeros.groups, &first, &last);
        nnc_list_groups(plan, pass->m, first, last);
    }
    if (layer->spec.activation == ACTIVATION_softmax) {
        nnc_team_barrier(worker);
        nnc_share(worker, pass->m, &first, &last);
        nnc_activate(ACTIVATION_softmax, last - first, layer->O, layer->a + first * layer->ld, layer->ld, NULL, 0,
                     layer->spec.group);
    }
}

/* Columns [32 block, ...) of da of the layer before: dx = dz W^T, and its activation's derivative where that is dense. */
static void input_gradient(struct nnc_plan *plan, size_t l, size_t m, size_t block) {
    const struct nnc_layer *layer = &plan->layers[l], *before = &plan->layers[l - 1];
    const struct nnc_param *W = layer->kernel;
    const size_t k0 = block * PANEL, width = least(PANEL, layer->I - k0);
    float packed[NC * PANEL]; /* (O, 32): 32 rows of W, transposed */
    float *dx = before->da + k0;
    if (width < PANEL) memset(packed, 0, least(NC, layer->O) * PANEL * sizeof *packed);
    for (size_t n0 = 0; n0 < layer->O; n0 += NC) {
        size_t depth = least(NC, layer->O - n0);
        for (size_t j = 0; j < depth; j += PANEL)
            nnc_kernels->transpose(width, least(PANEL, depth - j), W->w + nnc_param_offset(W, k0, n0 + j), PANEL,
                                   packed + j * PANEL, PANEL);
        const struct nnc_product product = {.m = m, .n = width, .k = depth, .segments = 1, .blocks = 1,
                                            .rs = layer->ld, .cs = 1, .ldb = PANEL, .ldinit = n0 ? before->ld : 0, .ldc = before->ld};
        nnc_kernels->gemm(&product, layer->da + n0, packed, n0 ? dx : zeros, dx);
    }
    if (before->dz_done && before->spec.activation != ACTIVATION_linear)
        nnc_kernels->activation_backward[before->spec.activation](m, width, (before->d ? before->d : before->a) + k0,
                                                                  before->ld, dx, before->ld, before->spec.alpha);
}

/* Gradient of tile t of W, used at once. */
static void kernel_gradient(struct nnc_plan *plan, const struct nnc_layer *layer, const float *x, size_t ldx, size_t m,
                            bool sparse, size_t tile) {
    struct nnc_param *W = layer->kernel;
    const size_t k = tile % W->row_tiles * PANEL, j = tile / W->row_tiles * PANEL;
    const size_t rows = least(PANEL, layer->I - k), cols = least(PANEL, layer->O - j);
    const struct nnc_product product = {.m = rows, .n = cols, .k = m, .segments = 1, .blocks = 1, .rs = 1, .cs = ldx,
                                        .ldb = layer->ld, .ldc = PANEL};
    if (!sparse && cols == PANEL && nnc_apply_product(plan, W, tile, &product, x + k, layer->da + j)) return;
    _Alignas(64) float g[TILE];
    if (cols < PANEL) memset(g, 0, rows * PANEL * sizeof *g); /* the padding of the weights stays 0 */
    for (size_t r = 0; r < rows && sparse; r += GROUP)
        nnc_kernels->gemm_listed(cols, plan->zeros.counts[(k + r) / GROUP],
                                 plan->zeros.of_group + (k + r) / GROUP * plan->capacity, x + k + r, ldx, layer->da + j,
                                 layer->ld, g + r * PANEL, PANEL);
    if (!sparse) nnc_kernels->gemm(&product, x + k, layer->da + j, zeros, g);
    nnc_apply_tile(plan, W, tile, g);
}

/* Is a run of 32 columns of x laid together before the tiles that read it? Its rows are far apart, each in a page of its own;
 * a short batch has too few of them to matter, and wants its tiles in the order of memory. */
static bool lays_together(const struct nnc_param *W, size_t m, bool sparse) {
    return !sparse && m >= FEW_ROWS && m <= TOGETHER && W->n_tiles > W->row_tiles;
}

/* Gradients of the tiles [first, last) that have rows from `block` on. */
static void block_gradients(struct nnc_plan *plan, const struct nnc_layer *layer, const float *x, size_t ldx, size_t m,
                            bool sparse, size_t block, size_t first, size_t last) {
    const struct nnc_param *W = layer->kernel;
    _Alignas(64) float columns[TOGETHER * PANEL];
    if (lays_together(W, m, sparse)) {
        nnc_copy_rows(m, least(PANEL, layer->I - block * PANEL), x + block * PANEL, ldx, columns, PANEL);
        x = columns - block * PANEL, ldx = PANEL;
    }
    for (size_t tile = block; tile < last; tile += W->row_tiles)
        if (tile >= first) kernel_gradient(plan, layer, x, ldx, m, sparse, tile);
}

void nnc_dense_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    struct nnc_param *W = layer->kernel;
    size_t ldx, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx);
    const size_t m = pass->m;
    const bool sparse = skips_zeros(plan, l, m);
    if (!layer->dz_done) {
        nnc_share(worker, m, &first, &last);
        nnc_activate_backward(layer->spec.activation, last - first, layer->O, layer->a + first * layer->ld,
                              layer->d ? layer->d + first * layer->ld : NULL, layer->da + first * layer->ld, layer->ld,
                              layer->spec.alpha, layer->spec.group);
        nnc_team_barrier(worker);
    }
    if (layer->needs_dx) {
        /* Rows of W: dx of a block reads the rows that only this worker updates, and does so first. */
        nnc_share(worker, W->row_tiles, &first, &last);
        for (size_t block = first; block < last; block++) {
            input_gradient(plan, l, m, block);
            block_gradients(plan, layer, x, ldx, m, sparse, block, 0, W->n_tiles);
        }
    } else {
        nnc_share(worker, W->n_tiles, &first, &last);
        for (size_t block = 0; block < W->row_tiles && lays_together(W, m, sparse); block++)
            block_gradients(plan, layer, x, ldx, m, sparse, block, first, last);
        for (size_t tile = first; tile < last && !lays_together(W, m, sparse); tile++)
            kernel_gradient(plan, layer, x, ldx, m, sparse, tile);
    }
    if (layer->bias) {
        nnc_share(worker, layer->bias->n_tiles, &first, &last);
        for (size_t tile = first; tile < last; tile++) {
            float g[PANEL] = {0};
            size_t j = tile * PANEL;
            nnc_kernels->column_sums(m, least(PANEL, layer->O - j), layer->da + j, layer->ld, g);
            nnc_apply_tile(plan, layer->bias, tile, g);
        }
    }
}
