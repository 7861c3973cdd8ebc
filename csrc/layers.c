/* layers.c -- the layers that work element by element: activation, PReLU, dropout, rescaling. Rows are shared among the
 * workers, but for PReLU's backward, whose sums over the batch go by panels of columns. */

#include <math.h>
#include <string.h>

#include "plan.h"

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
    const nnc_layer_spec *spec = &nnc_product_target(plan, l, pass)->spec;
    (void)j; /* a normalization taken in will want it */
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

/* The mask is kept in d: 0 or 1 / (1 - rate), from the random stream of (seed, layer, step, epoch), one word for each
 * element of the batch in row-major order. */
void nnc_dropout_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const uint32_t key[2] = {(uint32_t)plan->seed, (uint32_t)(plan->seed >> 32)};
    const uint32_t counter[3] = {layer->index, (uint32_t)pass->step, (uint32_t)pass->epoch};
    const uint32_t threshold = (uint32_t)floor((double)layer->spec.rate * 4294967296.0);
    const float scale = (float)(1.0 / (1.0 - (double)layer->spec.rate));
    size_t ldx, i0, i1;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1; i++) {
        float *a = layer->a + i * layer->ld, *d = layer->d + i * layer->ld;
        if (pass->training) {
            nnc_kernels->dropout_mask(key, counter, i * layer->O, layer->O, threshold, scale, d);
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
