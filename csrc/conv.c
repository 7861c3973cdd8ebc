/* conv.c -- convolutional layers: a = f(W * x + b) and back. Placeholders: loops that are right and slow. */

#include <string.h>

#include "plan.h"

void nnc_conv_lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    (void)layer, (void)B, (void)arena;
}

/* The input pixel of a tap; false: outside. */
static bool tap(const nnc_geometry *g, size_t oy, size_t ox, size_t ky, size_t kx, size_t *pixel) {
    const ptrdiff_t iy = (ptrdiff_t)(oy * g->stride_height + ky * g->dilation_height) - g->pad_top;
    const ptrdiff_t ix = (ptrdiff_t)(ox * g->stride_width + kx * g->dilation_width) - g->pad_left;
    *pixel = (size_t)(iy * (ptrdiff_t)g->width + ix) * g->channels;
    return iy >= 0 && iy < (ptrdiff_t)g->height && ix >= 0 && ix < (ptrdiff_t)g->width;
}

#define EACH_TAP(g, body)                                                                                               \
    for (size_t oy = 0; oy < (g)->out_height; oy++)                                                                     \
        for (size_t ox = 0; ox < (g)->out_width; ox++)                                                                  \
            for (size_t ky = 0; ky < (g)->kernel_height; ky++)                                                          \
                for (size_t kx = 0; kx < (g)->kernel_width; kx++) {                                                     \
                    size_t pixel, out = oy * (g)->out_width + ox, first = (ky * (g)->kernel_width + kx) * (g)->channels; \
                    if (tap(g, oy, ox, ky, kx, &pixel)) body                                                            \
                }

void nnc_conv_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *target = nnc_product_target(plan, l, pass);
    const nnc_geometry *g = &layer->spec.geometry;
    const size_t F = layer->spec.units, pixels = g->out_height * g->out_width;
    size_t ldx, i0, i1;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1; i++) {
        float *a = target->a + i * target->ld;
        for (size_t p = 0; p < pixels; p++)
            for (size_t f = 0; f < F; f++) a[p * F + f] = layer->bias ? layer->bias->w[f] : 0;
        EACH_TAP(g, {
            for (size_t c = 0; c < g->channels; c++)
                for (size_t f = 0; f < F; f++)
                    a[out * F + f] += x[i * ldx + pixel + c] * layer->kernel->w[nnc_param_offset(layer->kernel, first + c, f)];
        })
        nnc_finish_product(plan, l, pass, pixels, 0, F, a, pass->mode == TRAIN && target->d ? target->d + i * target->ld : NULL, F);
        if (layer->spec.activation == ACTIVATION_softmax)
            nnc_activate(ACTIVATION_softmax, 1, layer->O, a, layer->ld, NULL, 0, layer->spec.group);
    }
}

void nnc_conv_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer->needs_dx ? layer - 1 : NULL;
    const nnc_geometry *g = &layer->spec.geometry;
    struct nnc_param *W = layer->kernel;
    const size_t F = layer->spec.units;
    size_t ldx, i0, i1;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1; i++) {
        const float *dz = layer->da + i * layer->ld;
        if (!layer->dz_done)
            nnc_activate_backward(layer->spec.activation, 1, layer->O, layer->a + i * layer->ld,
                                  layer->d ? layer->d + i * layer->ld : NULL, layer->da + i * layer->ld, layer->ld,
                                  layer->spec.alpha, layer->spec.group);
        if (!before) continue;
        float *dx = before->da + i * before->ld;
        memset(dx, 0, layer->I * sizeof *dx);
        EACH_TAP(g, {
            for (size_t c = 0; c < g->channels; c++)
                for (size_t f = 0; f < F; f++) dx[pixel + c] += dz[out * F + f] * W->w[nnc_param_offset(W, first + c, f)];
        })
        if (before->dz_done)
            nnc_activate_backward(before->spec.activation, 1, layer->I, before->a + i * before->ld,
                                  before->d ? before->d + i * before->ld : NULL, dx, before->ld, before->spec.alpha, 1);
    }
    nnc_team_barrier(worker);
    for (size_t tile = (size_t)worker->id; tile < W->n_tiles; tile += (size_t)worker->n) {
        const size_t k = tile % W->row_tiles * PANEL, j = tile / W->row_tiles * PANEL;
        _Alignas(64) float gradient[TILE] = {0};
        for (size_t i = 0; i < pass->m; i++)
            EACH_TAP(g, {
                for (size_t c = 0; c < g->channels; c++)
                    for (size_t f = j; f < least(j + PANEL, F) && first + c >= k && first + c < k + PANEL; f++)
                        gradient[(first + c - k) * PANEL + f - j] += x[i * ldx + pixel + c] * layer->da[i * layer->ld + out * F + f];
            })
        nnc_apply_tile(plan, W, tile, gradient);
    }
    for (size_t tile = (size_t)worker->id; layer->bias && tile < layer->bias->n_tiles; tile += (size_t)worker->n) {
        float gradient[PANEL] = {0};
        const size_t j = tile * PANEL;
        for (size_t i = 0; i < pass->m; i++)
            for (size_t p = 0; p < g->out_height * g->out_width; p++)
                for (size_t f = j; f < least(j + PANEL, F); f++) gradient[f - j] += layer->da[i * layer->ld + p * F + f];
        nnc_apply_tile(plan, layer->bias, tile, gradient);
    }
}
