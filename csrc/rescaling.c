/* rescaling.c -- the layer rescaling: a = x scale + offset. */

#include "network.h"

struct rescaling {
    float scale, offset;
};

static const struct nnc_field fields[] = {FIELD(struct rescaling, scale, FLOAT), FIELD(struct rescaling, offset, FLOAT)};

/* A first layer is applied in the gather, where uint8 inputs are converted to floats. */
static bool merge(struct nnc_plan *plan, const struct nnc_layer *layer, struct nnc_layer *before) {
    const struct rescaling *own = layer->own;
    if (before || layer->index != 0) return false;
    plan->x_scale = own->scale, plan->x_offset = own->offset;
    return true;
}

static void forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct rescaling *own = layer->own;
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++)
        nnc_kernels->rescale(layer->O, x.at + i * x.ld, own->scale, own->offset, layer->a + i * layer->ld);
}

static void backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const struct rescaling *own = layer->own;
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++)
        nnc_kernels->rescale(layer->O, layer->da + i * layer->ld, own->scale, 0, before->da + i * before->ld);
}

const struct nnc_layer_kind nnc_layer_rescaling = {
    .name = "rescaling",
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct rescaling),
    .merge = merge,
    .forward = forward,
    .backward = backward,
};
