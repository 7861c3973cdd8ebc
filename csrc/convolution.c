/* convolution.c -- convolutional layers: a = f(bias + sums over windows of x). Maps are (height, width, channels).
 *
 *     z  (pixels, F) = bias + windows of x times W
 *     dx (pixels, C) = windows of dz times W transposed and flipped: (ty, tx, f) by c. A stride s divides the pixels of dx
 *                      into s x s residues, each of which uses its own part of the kernel positions, without a stride
 *     dW (ky kx C, F) = pixels of x times pixels of dz: the rows are (kx, ci) of one ky, and the sum goes along a row of
 *                      dz, down its rows and over samples
 * Positions, ty and tx, are kernel positions. In float32 one outside the map is skipped, not multiplied by 0: maps are divided
 * into regions whose windows use the same positions. In bfloat16 products read padded copies (operands.h), in which every
 * window is complete: one region. There each row of a window starts a new step, and the inner sum of dW goes over samples.
 * With groups, group g of the F filters sees group g of the C channels, and the rows of W are the channels of one group: each
 * product is that of the columns of a panel that belong to the same group. product.c computes the products. */

#include "convolution.h"

#include "activation.h"
#include "pooling.h"

enum { BLOCK_FLOATS = 1 << 17 }; /* of the samples that are processed together: 512 KB stay in an L2 cache */

static const double MOST_WEIGHTS = 274877906944.0; /* 2^38, of a kernel */

static const struct nnc_field fields[] = {FIELD(struct nnc_convolution, filters, SIZE),
                                          FIELD(struct nnc_convolution, use_bias, FLAG),
                                          OPTIONAL_FIELD(struct nnc_convolution, groups, SIZE)};

static const struct nnc_convolution defaults = {.groups = 1};

/* The same for some samples, which may not be finite: tiles would multiply the pixels after a window by 0. */
static const struct nnc_products *products_for(const struct nnc_layer *layer, const struct nnc_operand *in, size_t samples) {
    const struct nnc_products *tiles = nnc_convolution_products(layer), *others = nnc_products_without_tiles(layer->precision);
    return tiles == others || nnc_kernels->is_finite_bf16(samples * in->ld, in->at) ? tiles : others;
}

static struct nnc_fault settle(struct nnc_layer *layer) {
    const struct nnc_convolution *own = layer->own;
    const nnc_geometry *g = &layer->geometry;
    const struct nnc_fault fault = nnc_check_windows(g, layer->I, own->filters);
    if (!fault.what && (own->groups == 0 || g->channels % own->groups || own->filters % own->groups))
        return (struct nnc_fault){"groups must divide channels and filters", own->groups};
    const double positions = (double)g->kernel_height * (double)g->kernel_width * (double)g->channels;
    if (!fault.what && (own->filters < 1 || positions * ((double)own->filters + (double)PANEL) >= MOST_WEIGHTS))
        return (struct nnc_fault){"filters must be at least 1, and the kernel's size below 2^38", own->filters};
    layer->O = g->out_height * g->out_width * own->filters;
    layer->columns = own->filters;
    return fault;
}

static void parameters(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]) {
    const struct nnc_convolution *own = layer->own;
    const nnc_geometry *g = &layer->geometry;
    list[KERNEL] = (nnc_parameter){.name = "kernel",
                                   .n_axes = 4,
                                   .trainable = true,
                                   .shape = {g->kernel_height, g->kernel_width, nnc_channels_of_group(layer), own->filters}};
    list[BIAS] = (nnc_parameter){.name = "bias", .n_axes = own->use_bias, .shape = {own->filters}, .trainable = true};
}

/* Merges a zero_padding layer before the convolution: its zeros become padding of the convolution. */
static bool merge(struct nnc_plan *plan, const struct nnc_layer *layer, struct nnc_layer *before) {
    (void)plan;
    if (!before || !nnc_only_pads(before)) return false;
    const nnc_geometry padding = before->geometry;
    const size_t I = before->I;
    *before = *layer;
    before->I = I;
    before->geometry.height = padding.height, before->geometry.width = padding.width;
    before->geometry.pad_top += padding.pad_top, before->geometry.pad_left += padding.pad_left;
    return true;
}

/* ---- copies in bfloat16 ------------------------------------------------------------------------------------------- */

/* The frame that the windows cover: from the first pixel of the first to the last pixel of the last. */
static struct nnc_frame input_frame(const struct nnc_layer *layer) {
    const nnc_geometry *g = &layer->geometry;
    const struct nnc_convolution *own = layer->own;
    struct nnc_frame f = {.height = g->height, .width = g->width, .groups = own->groups, .positions = 1};
    f.channels = nnc_channels_of_group(layer);
    f.top = g->pad_top, f.left = g->pad_left, f.dilation = g->dilation_width;
    f.rows = (g->out_height - 1) * g->stride_height + (g->kernel_height - 1) * g->dilation_height + 1;
    f.columns = (g->out_width - 1) * g->stride_width + 1;
    if (f.dilation > 1) f.positions = g->kernel_width;
    else f.columns += g->kernel_width - 1;
    return nnc_share_zeros(f);
}

/* The windows on the copy of a group. */
static nnc_geometry seen_in(const nnc_geometry *g, const struct nnc_frame *copy) {
    nnc_geometry seen = *g;
    seen.height = copy->rows, seen.width = copy->columns + copy->shared, seen.channels = copy->positions * copy->channels;
    seen.pad_top = seen.pad_left = 0;
    if (copy->positions > 1) seen.kernel_width = 1;
    seen.dilation_width = 1;
    return seen;
}

/* The part of dz that the sums of dx along an axis read: how far it begins before dz, its pixels, and the largest number of
 * positions of a residue. */
struct extent {
    ptrdiff_t before;
    size_t pixels, positions, dilation;
};

static struct extent extent_of(const struct nnc_axis *x) {
    struct extent e = {.dilation = 1};
    ptrdiff_t first = 0, last = -1;
    for (size_t r = 0; r < x->stride; r++) {
        const struct nnc_axis of = nnc_residue_of(x, r).axis;
        if (of.positions == 0) continue;
        const ptrdiff_t end = (ptrdiff_t)(nnc_sums_before(&of, of.out) + (of.positions - 1) * of.dilation) - of.pad;
        if (e.positions == 0 || -of.pad < first) first = -of.pad;
        if (e.positions == 0 || end > last) last = end;
        if (of.positions > e.positions) e.positions = of.positions;
        e.dilation = of.dilation;
    }
    e.before = -first, e.pixels = last > first ? (size_t)(last - first) : 0;
    return e;
}

static struct nnc_frame gradient_frame(const struct nnc_layer *layer) {
    const nnc_geometry *g = &layer->geometry;
    const struct nnc_axis ys = nnc_y_axis(g), xs = nnc_x_axis(g);
    const struct extent y = extent_of(&ys), x = extent_of(&xs);
    const struct nnc_convolution *own = layer->own;
    struct nnc_frame f = {.height = g->out_height, .width = g->out_width, .groups = own->groups, .positions = 1};
    f.channels = nnc_filters_of_group(layer);
    f.top = y.before, f.left = x.before, f.rows = y.pixels, f.columns = x.pixels, f.dilation = x.dilation;
    if (f.dilation > 1 && x.positions > 1) f.positions = x.positions;
    return nnc_share_zeros(f);
}

/* ---- sums over windows ------------------------------------------------------------------------------------------- */

/* out = bias + windows of `in` times w, whose panels have rows (ty, tx, channel) and the filters as columns. */
struct correlation {
    const struct nnc_products *products;
    struct nnc_axis y, x;
    size_t channels, filters, groups; /* channels of a group, filters of all */
    bool lanes;           /* every filter has a channel of its own */
    size_t window_row;    /* rows of a panel for a row of the window */
    struct nnc_placement at;  /* in `in` */
    size_t first, last;   /* its rows outside [first, last) are 0 */
    struct nnc_operand in; /* (samples, y.in, x.in, groups channels) */
    const void *w;
    const float *bias;    /* in panels, or NULL: 0 */
    struct nnc_write out; /* (samples, y.out, x.out, filters) */
    struct nnc_worker *worker; /* which ends early after a stop request */
};

/* Computes the pixels whose windows use the same positions, for `n` filters of a panel starting at j. */
static void correlate_region(const struct correlation *s, struct nnc_section y, struct nnc_section x, size_t samples, size_t j,
                             size_t n) {
    const size_t C = s->channels, F = s->filters, pixel = s->at.pixel, positions = y.t1 - y.t0;
    const size_t first_row = y.t0 * s->window_row + x.t0 * C, top = positions ? nnc_pixel_seen(&s->y, y.q0, y.t0) : 0;
    const size_t panel = j / PANEL * PANEL * s->y.positions * s->window_row, column = j % PANEL * s->products->interleaved;
    size_t seen = j / (F / s->groups) * s->at.group;
    struct nnc_windows windows = {
        .samples = samples,
        .pixels = {y.q1 - y.q0, x.q1 - x.q0},
        .in_maps = {s->in.ld, s->at.pitch, pixel, 1},
        .out = s->out.at + ((s->y.first + y.q0 * s->y.step) * s->x.out + s->x.first + x.q0 * s->x.step) * F + j,
        .out_maps = {s->out.ld, s->x.out, F, 1},
        .in_step = {s->y.stride, s->x.stride},
        .out_step = {s->y.step, s->x.step},
        .positions = {positions, positions ? x.t1 - x.t0 : 0},
        .dilation = {s->y.dilation, s->x.dilation},
        .channels = C,
        .lanes = s->lanes,
        .w = nnc_element(s->products, s->w, panel + first_row * PANEL + column),
        .window_row = s->window_row,
        .first = s->first > top ? s->first - top : 0,
        .last = s->last > top ? s->last - top : 0,
        .init = s->bias ? s->bias + j : NULL,
        .n = n,
    };
    if (windows.positions.across) seen += (top * s->at.pitch + nnc_pixel_seen(&s->x, x.q0, x.t0)) * pixel;
    windows.in = nnc_element(s->products, s->in.at, seen);
    nnc_product_windows(s->products, &windows);
}

/* Sets `in` to a copy in bfloat16; NULL: the map itself. Its rows of zeros can be skipped if the weights are finite. */
static void read_from(struct correlation *s, const struct nnc_frame *copy, bool finite_weights) {
    s->at = nnc_placement_in(s->x.in, s->channels, s->groups, copy);
    s->first = copy && copy->top > 0 && finite_weights ? (size_t)copy->top : 0;
    s->last = copy && finite_weights ? nnc_steps((ptrdiff_t)copy->height + copy->top, 1) : s->y.in;
}

/* Computes rows [y0, y1) of the sums of `samples` samples. */
static void correlate(const struct correlation *s, size_t samples, size_t y0, size_t y1) {
    const size_t columns = nnc_sums_before(&s->x, s->x.out);
    const size_t work = samples * (y1 - y0) * columns * s->y.positions * s->x.positions * s->channels * PANEL;
    for (size_t j = 0, n; j < s->filters && !nnc_stopped(s->worker, work); j += n) {
        n = nnc_columns_together(j, s->filters, s->lanes ? s->filters : s->filters / s->groups);
        for (size_t y = y0; y < y1;) {
            const struct nnc_section rows = nnc_section_from(&s->y, y, y1);
            for (size_t x = 0; x < columns;) {
                const struct nnc_section section = nnc_section_from(&s->x, x, columns);
                correlate_region(s, rows, section, samples, j, n);
                x = section.q1;
            }
            y = rows.q1;
        }
    }
}

/* ---- division by samples, and by rows of the map if samples are few ---------------------------------------------- */

/* Samples [i0, i0 + n), rows [y0, y1) of their maps. */
struct share {
    size_t i, n, y0, y1;
};

/* This worker's next share, starting at *at, of m samples of `height` rows; false: no more. At most `most` samples. */
static bool next_share(const struct nnc_worker *worker, size_t m, size_t height, size_t most, size_t *at, struct share *share) {
    size_t first, last;
    if (m >= 4 * (size_t)worker->n || m % (size_t)worker->n == 0) {
        nnc_share(worker, m, &first, &last);
        first *= height, last *= height;
    } else {
        nnc_share(worker, m * height, &first, &last);
    }
    if (*at < first) *at = first;
    if (*at >= last) return false;
    share->i = *at / height, share->y0 = *at % height;
    if (share->y0 || last - *at < height) {
        share->n = 1;
        share->y1 = least(height, share->y0 + last - *at);
        *at += share->y1 - share->y0;
    } else {
        share->n = least(most, (last - *at) / height);
        share->y1 = height;
        *at += share->n * height;
    }
    return true;
}

static size_t samples_together(const struct nnc_layer *layer) {
    const size_t n = BLOCK_FLOATS / (layer->I + layer->O);
    return n ? n : 1;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static void forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_convolution *own = layer->own;
    const nnc_geometry *g = &own->seen;
    const struct nnc_products *products = nnc_convolution_products(layer);
    const struct nnc_operand x = nnc_input_of_forward(plan, l, pass);
    const struct nnc_param *b = layer->params[BIAS];
    const struct nnc_panels *W = &layer->params[KERNEL]->panels;
    const size_t F = layer->columns, row = g->out_width * F;
    struct nnc_after_product after = nnc_after_product_of(plan, l, pass);
    struct correlation sums = {.y = nnc_y_axis(g),
                               .x = nnc_x_axis(g),
                               .channels = g->channels,
                               .filters = F,
                               .groups = own->groups,
                               .lanes = nnc_takes_lanes(layer),
                               .window_row = nnc_round_up(g->kernel_width * g->channels, products->k_step),
                               .w = W->at,
                               .bias = b ? b->w : NULL,
                               .worker = worker};
    size_t at = 0;
    struct share share;
    const struct nnc_rounded *r = layer->rounded;
    read_from(&sums, r ? &r->x_frame : NULL, r && nnc_kernels->is_finite_bf16(nnc_parts(F, PANEL) * W->stride, W->at));
    after.ld = F; /* its rows are pixels */
    nnc_round_input(plan, l, pass, worker);
    while (next_share(worker, pass->m, g->out_height, samples_together(layer), &at, &share)) {
        sums.in = (struct nnc_operand){nnc_element(products, x.at, share.i * x.ld), x.ld, 1};
        sums.products = products_for(layer, &sums.in, share.n);
        sums.out = nnc_rows_of(after.target, after.target->a, share.i);
        correlate(&sums, share.n, share.y0, share.y1);
        for (size_t i = 0; i < share.n; i++)
            nnc_apply_after_product(&after, (share.y1 - share.y0) * g->out_width, 0, F,
                                    sums.out.at + i * sums.out.ld + share.y0 * row);
    }
    nnc_activate_whole_rows(layer, pass->m, worker);
}

/* ---- backward: dx ------------------------------------------------------------------------------------------------ */

/* The flipped kernel for one pair of residues in the backward pass: panels of 32 channels with rows (ty, tx, f). The pairs
 * are stored one after the other. */
struct flipped {
    struct nnc_residue y, x;
    size_t row;     /* rows of a panel for each ty */
    size_t at;      /* offset of its panels */
};

/* Rows of a panel for a row of the window of residue x. A copy that holds the positions of a dilated window next to each other
 * has space for the residue with the most positions: the panels of the others have rows of zeros for the missing ones. */
static size_t row_of(const struct nnc_layer *layer, const struct nnc_residue *x) {
    const struct nnc_frame dz = gradient_frame(layer);
    if (layer->precision == PRECISION_float32) return x->axis.positions * dz.channels;
    return nnc_round_up((dz.positions > 1 ? dz.positions : x->axis.positions) * dz.channels, BF16_STEP);
}

static struct flipped flipped_of(const struct nnc_layer *layer, size_t ry, size_t rx, size_t at) {
    const struct nnc_axis y = nnc_y_axis(&layer->geometry), x = nnc_x_axis(&layer->geometry);
    const struct nnc_residue of_x = nnc_residue_of(&x, rx);
    return (struct flipped){nnc_residue_of(&y, ry), of_x, row_of(layer, &of_x), at};
}

/* The first pair of residues, and the next; false: no more. */
static struct flipped first_flipped(const struct nnc_layer *layer) {
    return flipped_of(layer, 0, 0, 0);
}

static bool next_flipped(const struct nnc_layer *layer, struct flipped *t) {
    const nnc_geometry *g = &layer->geometry;
    const size_t next = t->y.axis.first * g->stride_width + t->x.axis.first + 1;
    const size_t at = t->at + t->y.axis.positions * t->row * nnc_round_up(g->channels, PANEL);
    if (next == g->stride_height * g->stride_width) return false;
    *t = flipped_of(layer, next / g->stride_width, next % g->stride_width, at);
    return true;
}

/* Computes the place of each position of W in the flipped kernels (see struct nnc_transposed), unless `positions` is NULL;
 * returns their total size. */
static size_t place_positions(const struct nnc_layer *layer, struct nnc_position *positions) {
    const nnc_geometry *g = &layer->geometry;
    const size_t F = nnc_filters_of_group(layer);
    struct flipped t = first_flipped(layer);
    size_t end;
    do {
        const size_t panel = t.y.axis.positions * t.row * PANEL;
        for (size_t ty = 0; ty < t.y.axis.positions && positions; ty++)
            for (size_t tx = 0; tx < t.x.axis.positions; tx++) {
                const size_t position = nnc_forward_position(&t.y, ty) * g->kernel_width + nnc_forward_position(&t.x, tx);
                positions[position] = (struct nnc_position){t.at + (ty * t.row + tx * F) * PANEL, panel};
            }
        end = t.at + t.y.axis.positions * t.row * nnc_round_up(g->channels, PANEL);
    } while (next_flipped(layer, &t));
    return end;
}

/* Converts an axis over the map dz to one over dz's copy: `n` pixels, dz starting at `first`, with one position if each pixel
 * of the copy holds all of them. */
static struct nnc_axis in_copy(struct nnc_axis x, size_t n, ptrdiff_t first, bool holds_positions) {
    x.in = n, x.pad -= first;
    if (holds_positions) x.positions = x.positions > 0, x.dilation = 1;
    return x;
}

/* Computes this worker's share of da of the layer before, converted to dz if that layer receives dz. */
static void input_gradient(const struct nnc_plan *plan, size_t l, size_t m, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const struct nnc_convolution *own = layer->own;
    const nnc_geometry *g = &layer->geometry;
    const struct nnc_epilogue epilogue = nnc_after_input_gradient(before);
    const struct nnc_products *products = nnc_convolution_products(layer);
    const struct nnc_operand dz = nnc_gradient_of_input(layer);
    const struct nnc_rounded *r = layer->rounded;
    const struct nnc_frame *frame = r ? &r->dz_frame : NULL;
    const void *W = layer->params[KERNEL]->transposed.at;
    const bool finite_weights = r && nnc_kernels->is_finite_bf16(place_positions(layer, NULL), W);
    const size_t row = g->width * g->channels, F = nnc_filters_of_group(layer);
    size_t at = 0;
    struct share share;
    while (next_share(worker, m, g->height, samples_together(layer), &at, &share)) {
        struct correlation dx = {.channels = frame ? frame->positions * F : F,
                                 .filters = g->channels,
                                 .groups = own->groups,
                                 .lanes = nnc_takes_lanes(layer),
                                 .in = {nnc_element(products, dz.at, share.i * dz.ld), dz.ld, 1},
                                 .out = nnc_rows_of(before, before->da, share.i),
                                 .worker = worker};
        struct flipped t = first_flipped(layer);
        dx.products = products_for(layer, &dx.in, share.n);
        do {
            dx.y = t.y.axis, dx.x = t.x.axis, dx.window_row = t.row;
            if (frame) dx.y = in_copy(dx.y, frame->rows, frame->top, false);
            if (frame) dx.x = in_copy(dx.x, frame->columns + frame->shared, frame->left, frame->positions > 1);
            read_from(&dx, frame, finite_weights);
            dx.w = nnc_element(products, W, t.at);
            correlate(&dx, share.n, nnc_sums_before(&dx.y, share.y0), nnc_sums_before(&dx.y, share.y1));
        } while (next_flipped(layer, &t));
        for (size_t i = 0; i < share.n && epilogue.apply; i++)
            epilogue.apply(epilogue.of, 1, 0, (share.y1 - share.y0) * row, dx.out.at + i * dx.out.ld + share.y0 * row);
    }
}

static void backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    nnc_take_derivative_shared(layer, pass->m, worker);
    nnc_round_gradient(layer, pass->m, worker);
    if (layer->needs_dx) input_gradient(plan, l, pass->m, worker);
    /* Updates refresh the transposed kernel: all workers must have read it. */
    if (layer->needs_dx && nnc_convolution_shards(layer, pass->m) == 1) nnc_team_barrier(worker);
    nnc_convolution_gradient(plan, l, pass, worker);
}

static void lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct nnc_convolution *own = layer->own;
    const nnc_geometry *g = &layer->geometry;
    const size_t positions = g->kernel_height * g->kernel_width, C = nnc_channels_of_group(layer), rows = positions * C;
    const size_t F = own->filters;
    const struct nnc_frame x = input_frame(layer), dz = gradient_frame(layer);
    const bool rounds = layer->precision == PRECISION_bfloat16;
    struct nnc_param counted = {.rows = rows, .cols = F}, *W = layer->params[KERNEL] ? layer->params[KERNEL] : &counted;
    const size_t shards = nnc_convolution_shards(layer, B);
    own->seen = *g, own->seen.channels = C;
    if (rounds) own->seen = seen_in(g, &x);
    nnc_rounded_lay_out(layer, &x, &dz, B, arena);
    if (rounds) nnc_round_panels(W, own->seen.kernel_width * own->seen.channels, arena);
    if (layer->needs_dx) {
        struct nnc_transposed t = {.channels = C, .groups = own->groups};
        if (rounds) t.at = nnc_take(arena, place_positions(layer, NULL) + 2 * WIDEST, sizeof(uint16_t));
        else t.at = nnc_take_floats(arena, place_positions(layer, NULL) + WIDEST);
        t.positions = nnc_take(arena, positions, sizeof *t.positions);
        if (t.positions) place_positions(layer, t.positions);
        W->transposed = t;
    }
    own->kernel_parts = nnc_take_floats(arena, shards > 1 ? shards * rows * nnc_round_up(F, PANEL) : 0);
    own->bias_parts = nnc_take_floats(arena, shards > 1 ? shards * nnc_round_up(F, PANEL) : 0);
}

const struct nnc_layer_kind nnc_layer_conv2d = {
    .name = "conv2d",
    .flags = LAYER_PRODUCT | LAYER_ACTIVATED | LAYER_COPIES,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .defaults = &defaults,
    .own_size = sizeof(struct nnc_convolution),
    .has_geometry = true,
    .settle = settle,
    .parameters = parameters,
    .merge = merge,
    .lay_out = lay_out,
    .forward = forward,
    .backward = backward,
};
