/* pooling.c -- layers that move what stands on a map and learn nothing: max and average pooling, zero padding. Rows of maps
 * are shared among the workers, those of the output on the way forward, those of the input on the way back. */

#include <string.h>

#include "plan.h"

void nnc_max_pooling_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->spec.geometry;
    size_t ldx, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m * g->out_height, &first, &last);
    for (size_t row = first; row < last; row++) {
        const size_t i = row / g->out_height, oy = row % g->out_height;
        const size_t at = i * layer->ld + oy * g->out_width * g->channels;
        nnc_kernels->max_pooling(g, oy, x + i * ldx, layer->a + at, pass->mode == TRAIN ? layer->d + at : NULL);
    }
}

void nnc_max_pooling_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->spec.geometry;
    if (!layer->needs_dx) return;
    const struct nnc_layer *before = &plan->layers[l - 1];
    size_t first, last;
    nnc_share(worker, pass->m * g->height, &first, &last);
    for (size_t row = first; row < last; row++) {
        const size_t i = row / g->height, iy = row % g->height;
        nnc_kernels->max_pooling_backward(g, iy, layer->d + i * layer->ld, layer->da + i * layer->ld,
                                          before->da + i * before->ld + iy * g->width * g->channels);
    }
}

void nnc_average_pooling_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->spec.geometry;
    size_t ldx, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m * g->out_height, &first, &last);
    for (size_t row = first; row < last; row++) {
        const size_t i = row / g->out_height, oy = row % g->out_height;
        nnc_kernels->average_pooling(g, oy, x + i * ldx, layer->a + i * layer->ld + oy * g->out_width * g->channels);
    }
}

void nnc_average_pooling_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->spec.geometry;
    if (!layer->needs_dx) return;
    const struct nnc_layer *before = &plan->layers[l - 1];
    size_t first, last;
    nnc_share(worker, pass->m * g->height, &first, &last);
    for (size_t row = first; row < last; row++) {
        const size_t i = row / g->height, iy = row % g->height;
        nnc_kernels->average_pooling_backward(g, iy, layer->da + i * layer->ld,
                                              before->da + i * before->ld + iy * g->width * g->channels);
    }
}

/* The shape of a batch of maps; ld: floats from one to the next. */
struct maps {
    size_t ld, height, width;
};

/* y[oy, ox] = x[oy - top, ox - left], 0 outside. */
static void place(const float *x, struct maps from, float *y, struct maps to, ptrdiff_t top, ptrdiff_t left, size_t channels,
                  size_t m, struct nnc_worker *worker) {
    const ptrdiff_t end = (ptrdiff_t)from.width + left;
    const size_t x1 = end < 0 ? 0 : least((size_t)end, to.width), x0 = left > 0 ? least((size_t)left, x1) : 0; /* seen */
    size_t first, last;
    nnc_share(worker, m * to.height, &first, &last);
    for (size_t row = first; row < last; row++) {
        const size_t i = row / to.height, oy = row % to.height;
        const ptrdiff_t iy = (ptrdiff_t)oy - top;
        float *out = y + i * to.ld + oy * to.width * channels;
        const bool seen = iy >= 0 && iy < (ptrdiff_t)from.height && x0 < x1;
        const size_t begin = seen ? x0 : to.width, stop = seen ? x1 : to.width;
        memset(out, 0, begin * channels * sizeof *out);
        if (seen) {
            const size_t column = (size_t)((ptrdiff_t)x0 - left);
            memcpy(out + x0 * channels, x + i * from.ld + ((size_t)iy * from.width + column) * channels,
                   (x1 - x0) * channels * sizeof *out);
        }
        memset(out + stop * channels, 0, (to.width - stop) * channels * sizeof *out);
    }
}

void nnc_zero_padding_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->spec.geometry;
    struct maps from = {0, g->height, g->width}, to = {layer->ld, g->out_height, g->out_width};
    const float *x = nnc_input(plan, l, pass, &from.ld);
    place(x, from, layer->a, to, g->pad_top, g->pad_left, g->channels, pass->m, worker);
}

void nnc_zero_padding_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const nnc_geometry *g = &layer->spec.geometry;
    if (!layer->needs_dx) return;
    const struct nnc_layer *before = &plan->layers[l - 1];
    const struct maps from = {layer->ld, g->out_height, g->out_width}, to = {before->ld, g->height, g->width};
    place(layer->da, from, before->da, to, -g->pad_top, -g->pad_left, g->channels, pass->m, worker);
}
