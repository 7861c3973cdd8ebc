/* convolution_gradient.c -- dW and db of convolutional layers, whose formulas and order of sums are in convolution.c. */

#include <math.h>
#include <string.h>

#include "convolution.h"

enum {
    LEAST_ITEMS = 16,       /* parts of a gradient, for up to as many workers */
    TILES_TOGETHER = 4,     /* tiles of a gradient computed together, while the samples are in the cache: 16 KB */
    MOST_TILES = 12,        /* the same in bfloat16 for complete rows of the window: 48 KB */
    LEAST_CHAIN = 512,      /* minimum number of pixels in a chain of additions */
    WIDE_RUN = 16,          /* channels from which the rows of one position fill a tile */
    OPERAND_BYTES = 1 << 20, /* of a part of a gradient in bfloat16: they stay in an L2 cache with all else that is read */
};

/* A part of dW: tile rows [r0, r1) and columns [j, j + n) of a panel from rows [y0, y1) of dz of samples [i0, i1). */
struct gradient_block {
    size_t i0, i1, y0, y1, r0, r1, j, n;
};

/* Adds to the tile, for filters computed together, the contribution of the columns of dz in `q`, with the positions of `q` in
 * each row of the window. */
static void add_columns(const struct nnc_plan *plan, size_t l, struct nnc_operand x, const struct gradient_block *of,
                        struct nnc_section q, float *tile) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_convolution *own = layer->own;
    const nnc_geometry *g = &own->seen;
    const struct nnc_products *products = nnc_convolution_products(layer);
    const struct nnc_operand dz = nnc_gradient_of_kernel(layer);
    const struct nnc_axis ys = nnc_y_axis(g), xs = nnc_x_axis(g);
    const struct nnc_frame *frame = layer->rounded ? &layer->rounded->x_frame : NULL;
    const struct nnc_placement at = nnc_placement_in(g->width, g->channels, own->groups, frame);
    const size_t C = g->channels, F = layer->columns, window_row = g->kernel_width * C;
    const size_t of_group = of->j / nnc_filters_of_group(layer) * at.group;
    const size_t x_row = nnc_takes_lanes(layer) ? xs.dilation * at.pixel : 1;
    for (size_t ky = of->r0 / window_row; ky * window_row < of->r1; ky++) {
        const size_t first = ky * window_row + q.t0 * C;
        const size_t f0 = of->r0 > first ? of->r0 : first, f1 = least(of->r1, ky * window_row + q.t1 * C);
        const size_t top = nnc_first_sum(&ys, ky, 0), y0 = top > of->y0 ? top : of->y0;
        const size_t y1 = least(nnc_first_sum(&ys, ky, ys.in), of->y1);
        if (f0 >= f1 || y0 >= y1) continue;
        const size_t seen =
            (nnc_pixel_seen(&ys, y0, ky) * at.pitch + nnc_pixel_seen(&xs, q.q0, q.t0)) * at.pixel + (f0 - first) * x_row;
        const struct nnc_pixel_sum sum = {
            .samples = of->i1 - of->i0,
            .pixels = {y1 - y0, q.q1 - q.q0},
            .x = nnc_element(products, x.at, of->i0 * x.ld + (of_group + seen) * x.step),
            .x_row = x_row * x.step,
            .lanes = nnc_takes_lanes(layer),
            .x_maps = {x.ld, at.pitch, at.pixel, x.step},
            .x_step = {ys.stride, xs.stride},
            .dz = nnc_element(products, dz.at, of->i0 * dz.ld + ((y0 * xs.out + q.q0) * F + of->j) * dz.step),
            .dz_maps = {dz.ld, xs.out, F, dz.step},
            .m = f1 - f0,
            .n = of->n,
            .c = tile + (f0 - of->r0) * PANEL + of->j % PANEL,
        };
        nnc_product_pixels(products, &sum);
    }
}

/* Processes each position of a row of the window with the columns of dz that use it: its channels fill a register tile. */
static void add_by_positions(const struct nnc_plan *plan, size_t l, struct nnc_operand x, const struct gradient_block *of,
                             float *tile) {
    const struct nnc_convolution *own = plan->layers[l].own;
    const struct nnc_axis xs = nnc_x_axis(&own->seen);
    for (size_t t = 0; t < xs.positions; t++) {
        const struct nnc_section q = {nnc_first_sum(&xs, t, 0), least(nnc_first_sum(&xs, t, xs.in), xs.out), t, t + 1};
        if (q.q0 < q.q1) add_columns(plan, l, x, of, q, tile);
    }
}

/* Processes the columns of dz that use the same positions, which adds to a row of the tile more than once. */
static void add_by_columns(const struct nnc_plan *plan, size_t l, struct nnc_operand x, const struct gradient_block *of,
                           float *tile) {
    const struct nnc_convolution *own = plan->layers[l].own;
    const struct nnc_axis xs = nnc_x_axis(&own->seen);
    for (struct nnc_section q = {0}; q.q1 < xs.out;) {
        q = nnc_section_from(&xs, q.q1, xs.out);
        add_columns(plan, l, x, of, q, tile);
    }
}

/* Processes the columns of the tile that are computed together, then the next ones. */
static void add_kernel_gradient(const struct nnc_plan *plan, size_t l, struct nnc_operand x, const struct gradient_block *of,
                                float *tile) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_convolution *own = layer->own;
    const nnc_geometry *g = &own->seen;
    const bool apart = g->channels >= WIDE_RUN || g->dilation_width > 1 || own->groups > 1, lanes = nnc_takes_lanes(layer);
    struct gradient_block part = *of;
    for (part.j = of->j; part.j < of->j + of->n; part.j += part.n) {
        part.n = nnc_columns_together(part.j, of->j + of->n, nnc_filters_together(layer));
        if (layer->rounded) add_columns(plan, l, x, &part, (struct nnc_section){0, g->out_width, 0, g->kernel_width}, tile);
        else if (apart && !lanes) add_by_positions(plan, l, x, &part, tile);
        else add_by_columns(plan, l, x, &part, tile);
    }
}

/* Adds tiles [t0, t1) of a panel's part to the sums. */
static void add_tiles(const struct nnc_plan *plan, size_t l, struct nnc_operand x, struct gradient_block *of, size_t t0,
                      size_t t1, float *sums) {
    const size_t rows = plan->layers[l].params[KERNEL]->rows;
    _Alignas(64) float tile[TILE];
    for (size_t t = t0; t < t1; t++) {
        of->r0 = t * PANEL, of->r1 = least(of->r0 + PANEL, rows);
        memset(tile, 0, sizeof tile);
        add_kernel_gradient(plan, l, x, of, tile);
        nnc_kernels->add((of->r1 - of->r0) * PANEL, tile, sums + (t - t0) * TILE);
    }
}

/* How a gradient is divided: `blocks` of up to `tiles` tiles of a panel, each computed from `shards` of the samples; in
 * bfloat16, whose inner sum needs all samples, of the rows of the map. It depends on the shape only. */
struct division {
    size_t tiles, blocks_of_panel, blocks, shards;
};

/* In bfloat16 a block consists of complete rows of the window, if the number of its rows is a multiple of PANEL or the window
 * ends: all kernel positions of a row read the same pixels of x^T. */
static size_t tiles_together(const struct nnc_layer *layer) {
    const nnc_geometry *g = &layer->geometry;
    const size_t window_row = g->kernel_width * nnc_channels_of_group(layer);
    size_t ky = 1;
    while (ky < g->kernel_height && ky * window_row % PANEL) ky++;
    const size_t tiles = nnc_parts(ky * window_row, PANEL);
    return tiles <= MOST_TILES ? tiles : TILES_TOGETHER;
}

/* The number of parts of a gradient in bfloat16 with at most OPERAND_BYTES each; fewer if the parts would be larger than all of
 * the operands. */
static size_t parts_in_cache(const struct nnc_layer *layer, size_t rows, size_t m) {
    const nnc_geometry *g = &layer->geometry;
    const size_t pixel = g->stride_height * g->stride_width * g->channels + layer->columns;
    const size_t pixels = g->out_height * g->out_width * nnc_round_up(m, BF16_STEP);
    const double bytes = (double)pixels * (double)pixel * sizeof(uint16_t);
    const double of_part = (double)rows * (double)layer->columns * sizeof(float);
    return (size_t)fmin(ceil(bytes / (double)OPERAND_BYTES), floor(bytes / of_part));
}

static struct division divide(const struct nnc_layer *layer, size_t m) {
    const nnc_geometry *g = &layer->geometry;
    const size_t rows = g->kernel_height * g->kernel_width * nnc_channels_of_group(layer),
                 panels = nnc_parts(layer->columns, PANEL);
    const size_t shards = nnc_parts(LEAST_ITEMS, nnc_parts(rows, TILES_TOGETHER * PANEL) * panels);
    struct division d = {.tiles = TILES_TOGETHER, .shards = least(shards, m)};
    if (layer->precision == PRECISION_bfloat16) {
        const size_t parts = parts_in_cache(layer, rows, m);
        d.tiles = tiles_together(layer), d.shards = least(shards > parts ? shards : parts, g->out_height);
    }
    d.blocks_of_panel = nnc_parts(rows, d.tiles * PANEL);
    d.blocks = d.blocks_of_panel * panels;
    return d;
}

/* Computes the gradient of one block of tiles from one shard: applied at once if there is only one shard, else stored for
 * sum_shards. The first block of a panel also computes the panel's part of db. */
static void gradient_item(struct nnc_plan *plan, size_t l, struct nnc_operand x, size_t m, const struct division *division,
                          size_t item, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_convolution *own = layer->own;
    struct nnc_param *W = layer->params[KERNEL], *b = layer->params[BIAS];
    const nnc_geometry *g = &layer->geometry;
    const size_t pixels = g->out_height * g->out_width, together = nnc_parts(LEAST_CHAIN, pixels);
    const size_t block = item % division->blocks, shard = item / division->blocks; /* blocks differ in size, shards do not */
    const size_t panel = block / division->blocks_of_panel, j = panel * PANEL, n = least(PANEL, W->cols - j);
    const size_t t0 = block % division->blocks_of_panel * division->tiles, t1 = least(t0 + division->tiles, W->row_tiles);
    const size_t first = m * shard / division->shards, last = m * (shard + 1) / division->shards;
    struct gradient_block of = {.y1 = g->out_height, .j = j, .n = n};
    _Alignas(64) float sums[MOST_TILES * TILE], bias_sum[PANEL] = {0};
    memset(sums, 0, (t1 - t0) * TILE * sizeof *sums);
    if (layer->rounded && !nnc_stopped(worker, m * pixels * (t1 - t0) * TILE)) {
        of.i1 = m, of.y0 = g->out_height * shard / division->shards, of.y1 = g->out_height * (shard + 1) / division->shards;
        of.r0 = t0 * PANEL, of.r1 = least(t1 * PANEL, W->rows);
        add_kernel_gradient(plan, l, x, &of, sums);
    }
    const size_t samples = layer->rounded ? first : last;
    for (size_t i = first; i < samples && !nnc_stopped(worker, together * pixels * (t1 - t0) * TILE); i += together) {
        of.i0 = i, of.i1 = least(i + together, last);
        add_tiles(plan, l, x, &of, t0, t1, sums);
    }
    for (size_t q = first; q < last && t0 == 0 && b; q++) {
        float sum[PANEL] = {0};
        nnc_kernels->column_sums(pixels, n, (struct nnc_read){layer->da + q * layer->ld + j, W->cols}, sum);
        nnc_kernels->add(PANEL, sum, bias_sum);
    }
    for (size_t t = t0; t < t1; t++) {
        size_t size, at = nnc_tile(W, panel * W->row_tiles + t, &size);
        const float *sum = sums + (t - t0) * TILE;
        if (division->shards == 1) nnc_apply_tile(&plan->update, W, panel * W->row_tiles + t, sum);
        else memcpy(own->kernel_parts + shard * W->size + at, sum, size * sizeof *sum);
    }
    if (t0 > 0 || !b) return;
    if (division->shards == 1) nnc_apply_tile(&plan->update, b, panel, bias_sum);
    else memcpy(own->bias_parts + shard * b->size + j, bias_sum, sizeof bias_sum);
}

/* Processes this worker's tiles of a parameter whose gradient was computed in shards, which are summed in order. */
static void sum_shards(struct nnc_plan *plan, struct nnc_param *param, float *parts, size_t shards, struct nnc_worker *worker) {
    size_t first, last;
    nnc_share(worker, param->n_tiles, &first, &last);
    for (size_t tile = first; tile < last && !nnc_stopped(worker, shards * TILE); tile++) {
        size_t n, at = nnc_tile(param, tile, &n);
        for (size_t shard = 1; shard < shards; shard++) nnc_kernels->add(n, parts + shard * param->size + at, parts + at);
        nnc_apply_tile(&plan->update, param, tile, parts + at);
    }
}

size_t nnc_convolution_shards(const struct nnc_layer *layer, size_t m) {
    return divide(layer, m).shards;
}

void nnc_convolution_gradient(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_convolution *own = layer->own;
    struct nnc_param *W = layer->params[KERNEL], *b = layer->params[BIAS];
    const struct nnc_operand x = nnc_input_of_gradient(plan, l, pass);
    const struct division division = divide(layer, pass->m);
    size_t first, last;
    nnc_share(worker, division.blocks * division.shards, &first, &last);
    for (size_t item = first; item < last; item++) gradient_item(plan, l, x, pass->m, &division, item, worker);
    if (division.shards == 1) return;
    nnc_team_barrier(worker);
    sum_shards(plan, W, own->kernel_parts, division.shards, worker);
    if (b) sum_shards(plan, b, own->bias_parts, division.shards, worker);
}
