/* unit_normalization.c -- a = x / |x| for each position, `group` adjacent features; |x| is at least 1e-6. */

#include <math.h>

#include "activation.h"

static const double LEAST = 1e-12; /* of |x|^2 */

struct unit_normalization {
    size_t group;
};

static const struct nnc_field fields[] = {FIELD(struct unit_normalization, group, SIZE)};

static struct nnc_fault settle(struct nnc_layer *layer) {
    const struct unit_normalization *own = layer->own;
    if (own->group < 1 || layer->I % own->group) return (struct nnc_fault){"group must divide the features", own->group};
    return (struct nnc_fault){0};
}

/* 1 / |x|; *counts is false if |x| is below the minimum, which then replaces it. */
static double inverse_norm(size_t n, const float *x, bool *counts) {
    const double squares = nnc_kernels->sum_squares(n, x);
    *counts = !(squares <= LEAST); /* also of NaN, which is to come out */
    return 1 / sqrt(*counts ? squares : LEAST);
}

static void forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct unit_normalization *own = layer->own;
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    bool counts;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, 2 * layer->O); i++)
        for (size_t j = 0; j < layer->O; j += own->group) {
            const float *from = x.at + i * x.ld + j;
            const float factor = (float)inverse_norm(own->group, from, &counts);
            nnc_kernels->rescale(own->group, from, factor, 0, layer->a + i * layer->ld + j);
        }
}

/* dx = (da - a (a . da)) / |x|; at the minimum, |x| is a constant: dx = da / |x|. */
static void backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const struct unit_normalization *own = layer->own;
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, 4 * layer->O); i++)
        for (size_t j = 0; j < layer->O; j += own->group) {
            const float *a = layer->a + i * layer->ld + j, *da = layer->da + i * layer->ld + j;
            float *dx = before->da + i * before->ld + j;
            bool counts;
            const double factor = inverse_norm(own->group, x.at + i * x.ld + j, &counts);
            double dot = 0;
            for (size_t k = 0; k < own->group && counts; k++) dot += (double)a[k] * (double)da[k];
            for (size_t k = 0; k < own->group; k++) dx[k] = (float)(((double)da[k] - (double)a[k] * dot) * factor);
        }
}

const struct nnc_layer_kind nnc_layer_unit_normalization = {
    .name = "unit_normalization",
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct unit_normalization),
    .settle = settle,
    .forward = forward,
    .backward = backward,
};
