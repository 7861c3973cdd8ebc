/* pooling.c -- layers on maps without parameters: max and average pooling, zero padding. Rows of maps are divided among the
 * workers: those of the output in the forward pass, those of the input in the backward pass. */

#include "pooling.h"

#include <string.h>

#include "geometry.h"
#include "operands.h"

static struct nnc_fault settle_pooling(struct nnc_layer *layer) {
    const nnc_geometry *g = &layer->geometry;
    struct nnc_fault fault = nnc_check_windows(g, layer->I, g->channels);
    if (!fault.what && (g->dilation_height != 1 || g->dilation_width != 1))
        fault = (struct nnc_fault){"pooling has no dilation", g->dilation_height};
    if (!fault.what) fault = nnc_check_inside(g);
    layer->O = layer->columns = g->out_height * g->out_width * g->channels;
    return fault;
}

static struct nnc_fault settle_max_pooling(struct nnc_layer *layer) {
    const nnc_geometry *g = &layer->geometry;
    if ((double)g->height * (double)g->width > INT32_MAX)
        return (struct nnc_fault){"max_pooling's map must have fewer than 2^31 pixels, of height", g->height};
    return settle_pooling(layer);
}

static void max_pooling_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->geometry;
    const struct nnc_read x = nnc_input(plan, l, pass);
    const struct nnc_layer *reader = nnc_reader_of(plan, l, pass);
    size_t first, last;
    nnc_share(worker, pass->m * g->out_height, &first, &last);
    for (size_t row = first; row < last && !nnc_stopped(worker, layer->I / g->out_height); row++) {
        const size_t i = row / g->out_height, oy = row % g->out_height;
        const size_t at = i * layer->ld + oy * g->out_width * g->channels;
        nnc_kernels->max_pooling(g, oy, x.at + i * x.ld, layer->a + at, pass->mode == TRAIN ? layer->d + at : NULL);
        if (reader) nnc_round_block(reader, layer, 1, g->out_width * g->channels, (struct nnc_read){layer->a + at, layer->ld});
    }
}

static void max_pooling_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const nnc_geometry *g = &layer->geometry;
    size_t first, last;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m * g->height, &first, &last);
    for (size_t row = first; row < last && !nnc_stopped(worker, layer->I / g->height); row++) {
        const size_t i = row / g->height, iy = row % g->height;
        nnc_kernels->max_pooling_backward(g, iy, layer->d + i * layer->ld, layer->da + i * layer->ld,
                                          before->da + i * before->ld + iy * g->width * g->channels);
    }
}

const struct nnc_layer_kind nnc_layer_max_pooling = {
    .name = "max_pooling",
    .flags = LAYER_KEEPS_D | LAYER_COPIES,
    .has_geometry = true,
    .settle = settle_max_pooling,
    .forward = max_pooling_forward,
    .backward = max_pooling_backward,
};

static void average_pooling_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->geometry;
    const struct nnc_read x = nnc_input(plan, l, pass);
    const struct nnc_layer *reader = nnc_reader_of(plan, l, pass);
    size_t first, last;
    nnc_share(worker, pass->m * g->out_height, &first, &last);
    for (size_t row = first; row < last && !nnc_stopped(worker, layer->I / g->out_height); row++) {
        const size_t i = row / g->out_height, oy = row % g->out_height;
        const size_t at = i * layer->ld + oy * g->out_width * g->channels;
        nnc_kernels->average_pooling(g, oy, x.at + i * x.ld, layer->a + at);
        if (reader) nnc_round_block(reader, layer, 1, g->out_width * g->channels, (struct nnc_read){layer->a + at, layer->ld});
    }
}

static void average_pooling_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const nnc_geometry *g = &layer->geometry;
    size_t first, last;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m * g->height, &first, &last);
    for (size_t row = first; row < last && !nnc_stopped(worker, layer->I / g->height); row++) {
        const size_t i = row / g->height, iy = row % g->height;
        nnc_kernels->average_pooling_backward(g, iy, layer->da + i * layer->ld,
                                              before->da + i * before->ld + iy * g->width * g->channels);
    }
}

const struct nnc_layer_kind nnc_layer_average_pooling = {
    .name = "average_pooling",
    .flags = LAYER_COPIES,
    .has_geometry = true,
    .settle = settle_pooling,
    .forward = average_pooling_forward,
    .backward = average_pooling_backward,
};

/* ---- zero padding ------------------------------------------------------------------------------------------------------- */

static struct nnc_fault settle_padding(struct nnc_layer *layer) {
    const nnc_geometry *g = &layer->geometry;
    layer->O = layer->columns = g->out_height * g->out_width * g->channels;
    return nnc_check_windows(g, layer->I, g->channels);
}

bool nnc_only_pads(const struct nnc_layer *layer) {
    const nnc_geometry *g = &layer->geometry;
    return layer->kind == &nnc_layer_zero_padding && g->pad_top >= 0 && g->pad_left >= 0 &&
           (size_t)g->pad_top + g->height <= g->out_height && (size_t)g->pad_left + g->width <= g->out_width;
}

/* A batch of maps; ld: floats from one map to the next. */
struct maps {
    size_t ld, height, width;
};

/* y[oy, ox] = x[oy - top, ox - left], 0 outside. */
struct placement {
    const float *x;
    struct maps from;
    float *y;
    struct maps to;
    ptrdiff_t top, left;
    size_t channels;
};

static void place(const struct placement *p, size_t m, struct nnc_worker *worker) {
    const size_t channels = p->channels;
    const ptrdiff_t end = (ptrdiff_t)p->from.width + p->left;
    const size_t x1 = end < 0 ? 0 : least((size_t)end, p->to.width);
    const size_t x0 = p->left > 0 ? least((size_t)p->left, x1) : 0; /* columns [x0, x1) are copied from x */
    size_t first, last;
    nnc_share(worker, m * p->to.height, &first, &last);
    for (size_t row = first; row < last && !nnc_stopped(worker, p->to.width * channels); row++) {
        const size_t i = row / p->to.height, oy = row % p->to.height;
        const ptrdiff_t iy = (ptrdiff_t)oy - p->top;
        float *out = p->y + i * p->to.ld + oy * p->to.width * channels;
        const bool seen = iy >= 0 && iy < (ptrdiff_t)p->from.height && x0 < x1;
        const size_t begin = seen ? x0 : p->to.width, stop = seen ? x1 : p->to.width;
        memset(out, 0, begin * channels * sizeof *out);
        if (seen) {
            const size_t column = (size_t)((ptrdiff_t)x0 - p->left);
            memcpy(out + x0 * channels, p->x + i * p->from.ld + ((size_t)iy * p->from.width + column) * channels,
                   (x1 - x0) * channels * sizeof *out);
        }
        memset(out + stop * channels, 0, (p->to.width - stop) * channels * sizeof *out);
    }
}

static void padding_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->geometry;
    const struct nnc_read x = nnc_input(plan, l, pass);
    const struct placement placement = {
        x.at,       {x.ld, g->height, g->width}, layer->a, {layer->ld, g->out_height, g->out_width}, g->pad_top, g->pad_left,
        g->channels};
    place(&placement, pass->m, worker);
}

static void padding_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const nnc_geometry *g = &layer->geometry;
    if (!layer->needs_dx) return;
    const struct placement placement = {layer->da,   {layer->ld, g->out_height, g->out_width},
                                        before->da,  {before->ld, g->height, g->width},
                                        -g->pad_top, -g->pad_left,
                                        g->channels};
    place(&placement, pass->m, worker);
}

const struct nnc_layer_kind nnc_layer_zero_padding = {
    .name = "zero_padding",
    .has_geometry = true,
    .settle = settle_padding,
    .forward = padding_forward,
    .backward = padding_backward,
};
