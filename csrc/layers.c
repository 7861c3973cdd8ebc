/* layers.c -- the layers that work element by element: activation, PReLU, dropouts, rescaling. Rows are shared among the
 * workers, but for PReLU's backward, whose sums over the batch go by panels of columns. */

#include <math.h>
#include <string.h>

#include "plan.h"

enum { SPATIAL_MASK = 256 }; /* floats of a mask that is laid along a map, at least */

void nnc_activate(int activation, size_t m, size_t n, float *a, size_t ld, float *d, float alpha, size_t group) {
    if (activation != ACTIVATION_softmax) {
        nnc_kernels->activation_forward[activation](m, n, a, ld, a, ld, d, ld, alpha);
        return;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j += group) nnc_kernels->softmax_forward(group, a + i * ld + j, a + i * ld + j);
}

void nnc_activate_backward(int activation, size_t m, size_t n, const float *a, const float *d, float *da, size_t ld,
                           float alpha, size_t group) {
    if (activation == ACTIVATION_linear) return;
    if (activation != ACTIVATION_softmax) {
        nnc_kernels->activation_backward[activation](m, n, d ? d : a, ld, da, ld, alpha);
        return;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j += group) nnc_kernels->softmax_backward(group, a + i * ld + j, da + i * ld + j);
}

void nnc_finish_product(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, size_t m, size_t j, size_t n,
                        float *a, float *d, size_t ld) {
    const struct nnc_layer *target = nnc_product_target(plan, l, pass);
    const nnc_layer_spec *spec = &target->spec;
    const struct nnc_normalization *z = &target->normalization;
    if (target != &plan->layers[l])
        nnc_kernels->normalize(m, n, a, ld, z->coefficients + j, z->coefficients + z->width + j,
                               z->coefficients + 2 * z->width + j, a, ld);
    if (spec->activation != ACTIVATION_linear && spec->activation != ACTIVATION_softmax)
        nnc_kernels->activation_forward[spec->activation](m, n, a, ld, a, ld, d, ld, spec->alpha);
}

static void copy_rows(size_t m, size_t n, const float *x, size_t ldx, float *y, size_t ldy) {
    for (size_t i = 0; i < m; i++) memcpy(y + i * ldy, x + i * ldx, n * sizeof *y);
}

void nnc_activation_layer_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    size_t ldx, i0, i1;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m, &i0, &i1);
    float *a = layer->a + i0 * layer->ld, *d = layer->d ? layer->d + i0 * layer->ld : NULL;
    copy_rows(i1 - i0, layer->O, x + i0 * ldx, ldx, a, layer->ld);
    nnc_activate(layer->spec.activation, i1 - i0, layer->O, a, layer->ld, pass->mode == TRAIN ? d : NULL, layer->spec.alpha,
                 layer->spec.group);
}

void nnc_activation_layer_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    if (!layer->needs_dx) return;
    const struct nnc_layer *before = &plan->layers[l - 1];
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    float *da = layer->da + i0 * layer->ld;
    if (!layer->dz_done)
        nnc_activate_backward(layer->spec.activation, i1 - i0, layer->O, layer->a + i0 * layer->ld,
                              layer->d ? layer->d + i0 * layer->ld : NULL, da, layer->ld, layer->spec.alpha,
                              layer->spec.group);
    copy_rows(i1 - i0, layer->O, da, layer->ld, before->da + i0 * before->ld, before->ld);
}

void nnc_prelu_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    size_t ldx, i0, i1;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m, &i0, &i1);
    nnc_kernels->prelu_forward(i1 - i0, layer->O, x + i0 * ldx, ldx, layer->kernel->w, layer->a + i0 * layer->ld, layer->ld);
}

void nnc_prelu_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    struct nnc_param *slope = layer->kernel;
    size_t ldx, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, slope->n_tiles, &first, &last);
    for (size_t tile = first; tile < last; tile++) {
        const size_t j = tile * PANEL, n = least(PANEL, layer->O - j);
        float g[PANEL] = {0};
        float *dx = layer->needs_dx ? plan->layers[l - 1].da + j : NULL;
        nnc_kernels->prelu_backward(pass->m, n, x + j, ldx, slope->w + j, layer->da + j, layer->ld, dx,
                                    layer->needs_dx ? plan->layers[l - 1].ld : 0, g);
        nnc_apply_tile(plan, slope, tile, g);
    }
}

/* mask[j] = 0 or 1 / (1 - rate), by word first + j of the stream. */
static void draw_mask(const struct nnc_layer *layer, const struct nnc_stream *stream, size_t first, size_t n, float *mask) {
    const double rate = (double)layer->spec.rate;
    nnc_kernels->dropout_mask(stream->key, stream->counter, first, n, (uint32_t)floor(rate * 4294967296.0),
                              (float)(1.0 / (1.0 - rate)), mask);
}

/* The mask is kept in d: 0 or 1 / (1 - rate), from the random stream of (seed, layer, step, epoch), one word for each
 * element of the batch in row-major order. */
void nnc_dropout_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_stream stream = nnc_stream_of(plan, l, pass);
    size_t ldx, i0, i1;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1; i++) {
        float *a = layer->a + i * layer->ld, *d = layer->d + i * layer->ld;
        if (pass->training) {
            draw_mask(layer, &stream, i * layer->O, layer->O, d);
            nnc_kernels->multiply(layer->O, x + i * ldx, d, a);
        } else {
            for (size_t j = 0; j < layer->O; j++) d[j] = 1;
            memcpy(a, x + i * ldx, layer->O * sizeof *a);
        }
    }
}

void nnc_dropout_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    if (!layer->needs_dx) return;
    const struct nnc_layer *before = &plan->layers[l - 1];
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1; i++)
        nnc_kernels->multiply(layer->O, layer->da + i * layer->ld, layer->d + i * layer->ld, before->da + i * before->ld);
}

/* One word for each (row, channel). The mask of a row is as long as a few pixels and is laid along the map. */
static size_t mask_length(const struct nnc_layer *layer) {
    const size_t channels = layer->spec.geometry.channels, pixels = (SPATIAL_MASK + channels - 1) / channels;
    return least(layer->O, pixels * channels);
}

static void multiply_by_mask(const struct nnc_layer *layer, const float *x, const float *mask, float *y) {
    const size_t length = mask_length(layer);
    for (size_t j = 0; j < layer->O; j += length) nnc_kernels->multiply(least(length, layer->O - j), x + j, mask, y + j);
}

void nnc_spatial_dropout_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_stream stream = nnc_stream_of(plan, l, pass);
    const size_t channels = layer->spec.geometry.channels;
    size_t ldx, i0, i1;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m, &i0, &i1);
    if (!pass->training) copy_rows(i1 - i0, layer->O, x + i0 * ldx, ldx, layer->a + i0 * layer->ld, layer->ld);
    for (size_t i = i0; i < i1 && pass->training; i++) {
        float *mask = layer->d + i * layer->ld;
        draw_mask(layer, &stream, i * channels, channels, mask);
        for (size_t j = channels; j < mask_length(layer); j++) mask[j] = mask[j - channels];
        multiply_by_mask(layer, x + i * ldx, mask, layer->a + i * layer->ld);
    }
}

void nnc_spatial_dropout_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    if (!layer->needs_dx) return;
    const struct nnc_layer *before = &plan->layers[l - 1];
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    const float *da = layer->da + i0 * layer->ld;
    if (!pass->training) copy_rows(i1 - i0, layer->O, da, layer->ld, before->da + i0 * before->ld, before->ld);
    for (size_t i = i0; i < i1 && pass->training; i++)
        multiply_by_mask(layer, layer->da + i * layer->ld, layer->d + i * layer->ld, before->da + i * before->ld);
}

void nnc_rescaling_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    size_t ldx, i0, i1;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1; i++)
        nnc_kernels->rescale(layer->O, x + i * ldx, layer->spec.scale, layer->spec.offset, layer->a + i * layer->ld);
}

void nnc_rescaling_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    if (!layer->needs_dx) return;
    const struct nnc_layer *before = &plan->layers[l - 1];
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1; i++)
        nnc_kernels->rescale(layer->O, layer->da + i * layer->ld, layer->spec.scale, 0, before->da + i * before->ld);
}
