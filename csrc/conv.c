/* conv.c -- convolutional layers: a = f(bias + sums over windows of x) and back. Maps are (height, width, channels).
 *
 * There is no im2col and no kernel for a special shape. Channels last, what a window sees of one row of a map is a run
 * of memory, (kx, ci), and the rows of W are (ky, kx, ci); so gemm sums over segments ky of k = (kx, ci), and the m rows
 * of its tile are pixels at any constant distance: along a row of the map, down a column, or one pixel of many samples.
 *     z  (pixels, F) = bias + windows of x times W
 *     dx (pixels, C) = windows of dz times W turned round: flipped taps, (ty, tx, f) by c. A stride s cuts dx into
 *                      s x s residues of its pixels, each of which sees its own part of the taps without a stride
 *     dW (taps C, F) = pixels of x times pixels of dz: the rows are (kx, ci) of one ky, and the sum goes along a row of
 *                      dz, down its rows and over samples
 * A tap outside the map is left out, not multiplied by 0: maps are cut into regions whose windows see the same taps. */

#include <string.h>

#include "plan.h"

enum {
    BLOCK_FLOATS = 1 << 17, /* of the samples that are worked on together: 512 KB stay in an L2 cache */
    LEAST_ITEMS = 16,       /* parts of a gradient, for up to as many workers */
    MOST_TILES = 4,         /* tiles of a gradient made together, while the samples are hot: 16 KB */
    LEAST_CHAIN = 512,      /* pixels after which a chain of additions may end */
    WIDE_RUN = 16,          /* channels from which on the rows of one tap fill a tile */
};

static const float zeros[PANEL];

/* ---- one axis of the maps ---------------------------------------------------------------------------------------- */

/* Sum q sees through tap t input pixel q stride + t dilation - pad, and is written to output pixel first + q step. */
struct axis {
    size_t in, out; /* pixels of the maps */
    size_t taps, stride, dilation;
    ptrdiff_t pad;
    size_t first, step;
};

/* Sums [q0, q1) that see through taps [t0, t1) and no others. */
struct run {
    size_t q0, q1, t0, t1;
};

/* The least n with n step >= `distance`. */
static size_t steps(ptrdiff_t distance, size_t step) {
    return distance > 0 ? ((size_t)distance + step - 1) / step : 0;
}

/* The first sum that sees through tap t pixel `at` or a later one; the first tap through which sum q does. */
static size_t first_sum(const struct axis *x, size_t t, size_t at) {
    return steps((ptrdiff_t)at + x->pad - (ptrdiff_t)(t * x->dilation), x->stride);
}

static size_t first_tap(const struct axis *x, size_t q, size_t at) {
    return least(steps((ptrdiff_t)at + x->pad - (ptrdiff_t)(q * x->stride), x->dilation), x->taps);
}

static struct run run_from(const struct axis *x, size_t q, size_t stop) {
    struct run run = {q, stop, first_tap(x, q, 0), first_tap(x, q, x->in)};
    if (run.t0 > 0) run.q1 = least(run.q1, first_sum(x, run.t0 - 1, 0));
    if (run.t1 > 0) run.q1 = least(run.q1, first_sum(x, run.t1 - 1, x->in));
    if (run.t1 < run.t0) run.t1 = run.t0;
    return run;
}

/* Input pixel of sum q and tap t, which is inside. */
static size_t pixel_seen(const struct axis *x, size_t q, size_t t) {
    return (size_t)((ptrdiff_t)(q * x->stride + t * x->dilation) - x->pad);
}

/* How many sums are written before `pixel`. */
static size_t sums_before(const struct axis *x, size_t pixel) {
    return steps((ptrdiff_t)least(pixel, x->out) - (ptrdiff_t)x->first, x->step);
}

static struct axis y_axis(const nnc_geometry *g) {
    return (struct axis){.in = g->height, .out = g->out_height, .taps = g->kernel_height, .stride = g->stride_height,
                         .dilation = g->dilation_height, .pad = g->pad_top, .step = 1};
}

static struct axis x_axis(const nnc_geometry *g) {
    return (struct axis){.in = g->width, .out = g->out_width, .taps = g->kernel_width, .stride = g->stride_width,
                         .dilation = g->dilation_width, .pad = g->pad_left, .step = 1};
}

/* ---- the way back along an axis ---------------------------------------------------------------------------------- */

/* Input pixels residue + q stride, q = 0, 1, ..., see output pixels (residue + q stride + pad - t dilation) / stride
 * through the taps t for which that is whole: t = t0, t0 + t_step, ... These, last first, are the taps of `axis`. */
struct residue {
    struct axis axis;
    size_t t0, t_step;
};

static size_t common_divisor(size_t a, size_t b) {
    return b ? common_divisor(b, a % b) : a;
}

static struct residue residue_of(const struct axis *x, size_t residue) {
    const size_t divisor = common_divisor(x->stride, x->dilation);
    struct residue r = {.t_step = x->stride / divisor};
    r.axis = (struct axis){.in = x->out, .out = x->in, .stride = 1, .dilation = x->dilation / divisor};
    r.axis.first = residue, r.axis.step = x->stride;
    const ptrdiff_t stride = (ptrdiff_t)x->stride, at = (ptrdiff_t)residue + x->pad;
    while (r.t0 < r.t_step && (at - (ptrdiff_t)(r.t0 * x->dilation)) % stride) r.t0++;
    if (r.t0 == r.t_step || r.t0 >= x->taps) return r;
    r.axis.taps = (x->taps - r.t0 + r.t_step - 1) / r.t_step;
    r.axis.pad = (ptrdiff_t)((r.axis.taps - 1) * r.axis.dilation) - (at - (ptrdiff_t)(r.t0 * x->dilation)) / stride;
    return r;
}

/* Tap of the forward way that is tap t of the way back. */
static size_t forward_tap(const struct residue *r, size_t t) {
    return r->t0 + (r->axis.taps - 1 - t) * r->t_step;
}

/* ---- sums over windows ------------------------------------------------------------------------------------------- */

/* out = bias + windows of `in` times w, whose panels have rows (ty, tx, channel) and columns of filters. */
struct correlation {
    struct axis y, x;
    size_t channels, filters;
    const float *in;   /* (samples, y.in, x.in, channels), ld_in floats from one sample to the next */
    size_t ld_in;
    const float *w;
    const float *bias; /* in panels, or NULL: 0 */
    float *out;        /* (samples, y.out, x.out, filters) */
    size_t ld_out;
};

/* The pixels that see through the same taps, for `n` filters from j on. */
static void correlate_region(const struct correlation *s, struct run y, struct run x, size_t samples, size_t j,
                             size_t n) {
    const size_t C = s->channels, F = s->filters, row = s->x.in * C;
    const size_t nty = y.t1 - y.t0, ntx = nty ? x.t1 - x.t0 : 0;
    const float *init = s->bias ? s->bias + j : zeros;
    const float *w = s->w + (j * s->y.taps * s->x.taps + (y.t0 * s->x.taps + x.t0) * PANEL) * C;
    const float *in = s->in;
    if (ntx) in += pixel_seen(&s->y, y.q0, y.t0) * row + pixel_seen(&s->x, x.q0, x.t0) * C;
    float *out = s->out + ((s->y.first + y.q0 * s->y.step) * s->x.out + s->x.first + x.q0 * s->x.step) * F + j;
    /* The rows of a tile run along one of three ways, the one that fills it best; the first where two are alike. */
    struct {
        size_t n, in, out;
    } ways[3] = {{x.q1 - x.q0, s->x.stride * C, s->x.step * F},
                 {y.q1 - y.q0, s->y.stride * row, s->y.step * s->x.out * F},
                 {samples, s->ld_in, s->ld_out}}, way;
    const size_t mr = (size_t)nnc_kernels->mr;
    for (size_t i = 1; i < 3; i++) {
        const size_t first = ways[0].n, other = ways[i].n;
        if (other * ((first + mr - 1) / mr) <= first * ((other + mr - 1) / mr)) continue;
        way = ways[0], ways[0] = ways[i], ways[i] = way;
    }
    struct nnc_product product = {.m = ways[0].n, .n = n, .k = ntx * C, .segments = nty, .blocks = 1, .rs = ways[0].in,
                                  .cs = 1, .a_segment = s->y.dilation * row, .ldb = PANEL,
                                  .b_segment = s->x.taps * C * PANEL, .ldc = ways[0].out};
    if (s->x.dilation > 1 && ntx > 1) { /* the taps of a row are no run of memory */
        product.k = C, product.segments = ntx, product.blocks = nty;
        product.a_block = product.a_segment, product.b_block = product.b_segment;
        product.a_segment = s->x.dilation * C, product.b_segment = C * PANEL;
    }
    for (size_t i = 0; i < ways[2].n; i++)
        for (size_t q = 0; q < ways[1].n; q++) {
            const float *a = in + i * ways[2].in + q * ways[1].in;
            nnc_kernels->gemm(&product, a, w, init, out + i * ways[2].out + q * ways[1].out);
        }
}

/* Rows of sums [y0, y1) of `samples` samples. */
static void correlate(const struct correlation *s, size_t samples, size_t y0, size_t y1) {
    const size_t columns = sums_before(&s->x, s->x.out);
    for (size_t j = 0; j < s->filters; j += PANEL)
        for (size_t y = y0; y < y1;) {
            const struct run rows = run_from(&s->y, y, y1);
            for (size_t x = 0; x < columns;) {
                const struct run run = run_from(&s->x, x, columns);
                correlate_region(s, rows, run, samples, j, least(PANEL, s->filters - j));
                x = run.q1;
            }
            y = rows.q1;
        }
}

/* ---- sharing by samples, and by rows of the map where samples are few -------------------------------------------- */

/* Samples [i0, i0 + n), rows [y0, y1) of their maps. */
struct part {
    size_t i, n, y0, y1;
};

/* This worker's next part, beginning at *at, of m samples of `height` rows; false: no more. At most `most` samples. */
static bool next_part(const struct nnc_worker *worker, size_t m, size_t height, size_t most, size_t *at,
                      struct part *part) {
    size_t first, last;
    if (m >= 4 * (size_t)worker->n || m % (size_t)worker->n == 0) {
        nnc_share(worker, m, &first, &last);
        first *= height, last *= height;
    } else {
        nnc_share(worker, m * height, &first, &last);
    }
    if (*at < first) *at = first;
    if (*at >= last) return false;
    part->i = *at / height, part->y0 = *at % height;
    if (part->y0 || last - *at < height) {
        part->n = 1;
        part->y1 = least(height, part->y0 + last - *at);
        *at += part->y1 - part->y0;
    } else {
        part->n = least(most, (last - *at) / height);
        part->y1 = height;
        *at += part->n * height;
    }
    return true;
}

static size_t samples_together(const struct nnc_layer *layer) {
    const size_t n = BLOCK_FLOATS / (layer->I + layer->O);
    return n ? n : 1;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

void nnc_conv_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *target = nnc_product_target(plan, l, pass);
    const nnc_geometry *g = &layer->spec.geometry;
    const size_t F = layer->spec.units, row = g->out_width * F;
    float *d = pass->mode == TRAIN ? target->d : NULL;
    size_t ldx, at = 0;
    const float *x = nnc_input(plan, l, pass, &ldx);
    struct correlation z = {.y = y_axis(g), .x = x_axis(g), .channels = g->channels, .filters = F, .ld_in = ldx,
                            .w = layer->kernel->w, .bias = layer->bias ? layer->bias->w : NULL, .ld_out = target->ld};
    struct part part;
    while (next_part(worker, pass->m, g->out_height, samples_together(layer), &at, &part)) {
        z.in = x + part.i * ldx;
        z.out = target->a + part.i * target->ld;
        correlate(&z, part.n, part.y0, part.y1);
        for (size_t i = part.i; i < part.i + part.n; i++) {
            const size_t first = i * target->ld + part.y0 * row;
            nnc_finish_product(plan, l, pass, (part.y1 - part.y0) * g->out_width, 0, F, target->a + first,
                               d ? d + first : NULL, F);
        }
    }
    if (layer->spec.activation == ACTIVATION_softmax) {
        nnc_team_barrier(worker);
        size_t first, last;
        nnc_share(worker, pass->m, &first, &last);
        nnc_activate(ACTIVATION_softmax, last - first, layer->O, layer->a + first * layer->ld, layer->ld, NULL, 0,
                     layer->spec.group);
    }
}

/* ---- backward: dx ------------------------------------------------------------------------------------------------ */

/* The way back of W for each pair of residues, one after the other: panels of 32 channels with rows (ty, tx, f). */
struct turned {
    struct residue y, x;
    float *w;
};

static size_t turned_size(const struct turned *t, size_t C, size_t F) {
    return t->y.axis.taps * t->x.axis.taps * F * nnc_round_up(C, PANEL);
}

/* The first pair of residues, and the next; false: no more. */
static struct turned first_turned(const struct nnc_layer *layer) {
    const struct axis y = y_axis(&layer->spec.geometry), x = x_axis(&layer->spec.geometry);
    return (struct turned){residue_of(&y, 0), residue_of(&x, 0), layer->conv.turned};
}

static bool next_turned(const struct nnc_layer *layer, struct turned *t) {
    const nnc_geometry *g = &layer->spec.geometry;
    const struct axis y = y_axis(g), x = x_axis(g);
    t->w += turned_size(t, g->channels, layer->spec.units);
    const size_t next = t->y.axis.first * g->stride_width + t->x.axis.first + 1;
    if (next == g->stride_height * g->stride_width) return false;
    t->y = residue_of(&y, next / g->stride_width);
    t->x = residue_of(&x, next % g->stride_width);
    return true;
}

/* This worker's share of turning W round: every n-th block of 32 x 32. */
static void turn_weights(const struct nnc_layer *layer, const struct nnc_worker *worker) {
    const struct nnc_param *W = layer->kernel;
    const nnc_geometry *g = &layer->spec.geometry;
    const size_t C = g->channels, F = layer->spec.units;
    size_t block = 0;
    struct turned t = first_turned(layer);
    do
        for (size_t c = 0; c < C; c += PANEL)
            for (size_t ty = 0; ty < t.y.axis.taps; ty++)
                for (size_t tx = 0; tx < t.x.axis.taps; tx++) {
                    const size_t tap = forward_tap(&t.y, ty) * g->kernel_width + forward_tap(&t.x, tx);
                    float *panel = t.w + ((c * t.y.axis.taps + ty * PANEL) * t.x.axis.taps + tx * PANEL) * F;
                    for (size_t f = 0; f < F; f += PANEL)
                        if (block++ % (size_t)worker->n == (size_t)worker->id)
                            nnc_kernels->transpose(least(PANEL, C - c), least(PANEL, F - f),
                                                   W->w + nnc_param_offset(W, tap * C + c, f), PANEL,
                                                   panel + f * PANEL, PANEL);
                }
    while (next_turned(layer, &t));
}

/* This worker's share of da of the layer before, turned into dz where that is asked for. */
static void input_gradient(struct nnc_plan *plan, size_t l, size_t m, const struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const nnc_geometry *g = &layer->spec.geometry;
    const size_t row = g->width * g->channels;
    size_t at = 0;
    struct part part;
    while (next_part(worker, m, g->height, samples_together(layer), &at, &part)) {
        struct correlation dx = {.channels = layer->spec.units, .filters = g->channels, .ld_in = layer->ld,
                                 .in = layer->da + part.i * layer->ld, .out = before->da + part.i * before->ld,
                                 .ld_out = before->ld};
        struct turned t = first_turned(layer);
        do {
            dx.y = t.y.axis, dx.x = t.x.axis, dx.w = t.w;
            correlate(&dx, part.n, sums_before(&dx.y, part.y0), sums_before(&dx.y, part.y1));
        } while (next_turned(layer, &t));
        if (!before->dz_done || before->spec.activation == ACTIVATION_linear) continue;
        for (size_t i = part.i; i < part.i + part.n; i++) {
            const size_t first = i * before->ld + part.y0 * row;
            nnc_activate_backward(before->spec.activation, 1, (part.y1 - part.y0) * row, before->a + first,
                                  before->d ? before->d + first : NULL, before->da + first, 0, before->spec.alpha, 1);
        }
    }
}

/* ---- backward: dW, db -------------------------------------------------------------------------------------------- */

/* g += the part of tile rows [r0, r1), columns [j, j + n) of dW that samples [i0, i1) give. */
static void add_kernel_gradient(const struct nnc_layer *layer, const float *x, size_t ldx, size_t i0, size_t i1,
                                size_t r0, size_t r1, size_t j, size_t n, float *tile) {
    const nnc_geometry *g = &layer->spec.geometry;
    const struct axis ys = y_axis(g), xs = x_axis(g);
    const size_t C = g->channels, F = layer->spec.units, row = g->width * C, window_row = g->kernel_width * C;
    /* Columns of dz that see different taps are cut apart in one of two ways: what one tap sees, if that fills a tile,
     * or the columns that see through the same taps, which adds to a row of the tile more than once. */
    const bool by_tap = C >= WIDE_RUN || g->dilation_width > 1;
    for (struct run q = {0}; by_tap ? q.t1 < xs.taps : q.q1 < xs.out;) {
        if (by_tap) {
            q.t0 = q.t1++;
            q.q0 = first_sum(&xs, q.t0, 0), q.q1 = least(first_sum(&xs, q.t0, xs.in), xs.out);
        } else {
            q = run_from(&xs, q.q1, xs.out);
        }
        if (q.q0 >= q.q1) continue;
        for (size_t ky = r0 / window_row; ky * window_row < r1; ky++) {
            const size_t f0 = r0 > ky * window_row + q.t0 * C ? r0 : ky * window_row + q.t0 * C;
            const size_t f1 = least(r1, ky * window_row + q.t1 * C);
            const size_t y0 = first_sum(&ys, ky, 0), y1 = least(first_sum(&ys, ky, ys.in), ys.out);
            if (f0 >= f1 || y0 >= y1) continue;
            struct nnc_product product = {.m = f1 - f0, .n = n, .k = q.q1 - q.q0, .segments = y1 - y0,
                                          .blocks = i1 - i0, .rs = 1, .cs = xs.stride * C,
                                          .a_segment = ys.stride * row, .a_block = ldx, .ldb = F,
                                          .b_segment = xs.out * F, .b_block = layer->ld, .ldinit = PANEL,
                                          .ldc = PANEL};
            if (product.k < product.segments) { /* down the columns */
                product.k = y1 - y0, product.cs = ys.stride * row, product.ldb = xs.out * F;
                product.segments = q.q1 - q.q0, product.a_segment = xs.stride * C, product.b_segment = F;
            }
            const float *a = x + i0 * ldx + pixel_seen(&ys, y0, ky) * row + pixel_seen(&xs, q.q0, q.t0) * C +
                             (f0 - ky * window_row - q.t0 * C);
            const float *dz = layer->da + i0 * layer->ld + (y0 * xs.out + q.q0) * F + j;
            float *c = tile + (f0 - r0) * PANEL;
            nnc_kernels->gemm(&product, a, dz, c, c);
        }
    }
}

/* How a gradient is made: `blocks` of up to MOST_TILES tiles of a panel, each from `shards` of the samples. It follows
 * from the shape alone. */
struct division {
    size_t blocks_of_panel, blocks, shards;
};

static struct division divide(size_t rows, size_t cols, size_t m) {
    struct division d;
    d.blocks_of_panel = (rows + MOST_TILES * PANEL - 1) / (MOST_TILES * PANEL);
    d.blocks = d.blocks_of_panel * ((cols + PANEL - 1) / PANEL);
    d.shards = least(m, (LEAST_ITEMS + d.blocks - 1) / d.blocks);
    return d;
}

/* Gradient of one block of tiles from one shard: used at once if that is all, else left for sum_shards. The first block
 * of a panel makes the panel's part of db, too. */
static void gradient_item(struct nnc_plan *plan, const struct nnc_layer *layer, const float *x, size_t ldx, size_t m,
                          const struct division *division, size_t item) {
    struct nnc_param *W = layer->kernel, *b = layer->bias;
    const nnc_geometry *g = &layer->spec.geometry;
    const size_t pixels = g->out_height * g->out_width, together = (LEAST_CHAIN + pixels - 1) / pixels;
    const size_t shard = item / division->blocks, block = item % division->blocks;
    const size_t panel = block / division->blocks_of_panel, j = panel * PANEL, n = least(PANEL, W->cols - j);
    const size_t t0 = block % division->blocks_of_panel * MOST_TILES, t1 = least(t0 + MOST_TILES, W->row_tiles);
    const size_t first = m * shard / division->shards, last = m * (shard + 1) / division->shards;
    _Alignas(64) float sums[MOST_TILES * TILE], tile[TILE], bias_sum[PANEL] = {0};
    memset(sums, 0, sizeof sums);
    for (size_t i = first; i < last; i += together) {
        const size_t i1 = least(i + together, last);
        for (size_t t = t0; t < t1; t++) {
            const size_t r0 = t * PANEL, r1 = least(r0 + PANEL, W->rows);
            memset(tile, 0, sizeof tile);
            add_kernel_gradient(layer, x, ldx, i, i1, r0, r1, j, n, tile);
            nnc_kernels->add((r1 - r0) * PANEL, tile, sums + (t - t0) * TILE);
        }
        for (size_t q = i; q < i1 && t0 == 0 && b; q++) {
            float sum[PANEL] = {0};
            nnc_kernels->column_sums(pixels, n, layer->da + q * layer->ld + j, W->cols, sum);
            nnc_kernels->add(PANEL, sum, bias_sum);
        }
    }
    for (size_t t = t0; t < t1; t++) {
        size_t size, at = nnc_tile(W, panel * W->row_tiles + t, &size);
        float *sum = sums + (t - t0) * TILE;
        if (division->shards == 1) nnc_apply_tile(plan, W, panel * W->row_tiles + t, sum);
        else memcpy(layer->conv.kernel_parts + shard * W->size + at, sum, size * sizeof *sum);
    }
    if (t0 > 0 || !b) return;
    if (division->shards == 1) nnc_apply_tile(plan, b, panel, bias_sum);
    else memcpy(layer->conv.bias_parts + shard * b->size + j, bias_sum, sizeof bias_sum);
}

/* This worker's tiles of a parameter whose gradient was made in shards, which are added up in their order. */
static void sum_shards(struct nnc_plan *plan, struct nnc_param *param, float *parts, size_t shards,
                       const struct nnc_worker *worker) {
    size_t first, last;
    nnc_share(worker, param->n_tiles, &first, &last);
    for (size_t tile = first; tile < last; tile++) {
        size_t n, at = nnc_tile(param, tile, &n);
        for (size_t shard = 1; shard < shards; shard++)
            nnc_kernels->add(n, parts + shard * param->size + at, parts + at);
        nnc_apply_tile(plan, param, tile, parts + at);
    }
}

void nnc_conv_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const size_t m = pass->m;
    size_t ldx, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx);
    if (!layer->dz_done) {
        nnc_share(worker, m, &first, &last);
        nnc_activate_backward(layer->spec.activation, last - first, layer->O, layer->a + first * layer->ld,
                              layer->d ? layer->d + first * layer->ld : NULL, layer->da + first * layer->ld, layer->ld,
                              layer->spec.alpha, layer->spec.group);
    }
    if (layer->needs_dx) turn_weights(layer, worker);
    if (layer->needs_dx || !layer->dz_done) nnc_team_barrier(worker);
    if (layer->needs_dx) input_gradient(plan, l, m, worker);
    const struct division division = divide(layer->kernel->rows, layer->kernel->cols, m);
    nnc_share(worker, division.blocks * division.shards, &first, &last);
    for (size_t item = first; item < last; item++) gradient_item(plan, layer, x, ldx, m, &division, item);
    if (division.shards == 1) return;
    nnc_team_barrier(worker);
    sum_shards(plan, layer->kernel, layer->conv.kernel_parts, division.shards, worker);
    if (layer->bias) sum_shards(plan, layer->bias, layer->conv.bias_parts, division.shards, worker);
}

void nnc_conv_lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    const nnc_geometry *g = &layer->spec.geometry;
    const size_t taps = g->kernel_height * g->kernel_width, rows = taps * g->channels, F = layer->spec.units;
    const size_t shards = divide(rows, F, B).shards;
    const size_t turned = taps * F * nnc_round_up(g->channels, PANEL);
    layer->conv.turned = nnc_take(arena, layer->needs_dx ? turned : 0, sizeof(float));
    layer->conv.kernel_parts = nnc_take(arena, shards > 1 ? shards * rows * nnc_round_up(F, PANEL) : 0, sizeof(float));
    layer->conv.bias_parts = nnc_take(arena, shards > 1 ? shards * nnc_round_up(F, PANEL) : 0, sizeof(float));
}
