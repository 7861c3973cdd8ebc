/* permute.c -- the layer permute: the axes of a sample in another order. */

#include "network.h"

struct permute {
    struct nnc_sizes axes, order; /* the sizes of a sample's axes; axis i of the output is axis order[i] - 1 of the input */
    size_t *places;               /* (O) the input that each output is */
};

static const struct nnc_field fields[] = {FIELD(struct permute, axes, SIZES), FIELD(struct permute, order, SIZES)};

static struct nnc_fault settle(struct nnc_layer *layer) {
    const struct permute *own = layer->own;
    size_t rest = layer->I, seen = 0;
    if (own->order.n != own->axes.n) return (struct nnc_fault){"order must have an entry for each axis, entries", own->order.n};
    for (size_t i = 0; i < own->axes.n; rest /= own->axes.at[i++]) {
        const size_t axis = own->order.at[i];
        if (axis < 1 || axis > own->axes.n || seen >> axis & 1)
            return (struct nnc_fault){"order must have each axis once, from 1 on", axis};
        if (!own->axes.at[i] || rest % own->axes.at[i])
            return (struct nnc_fault){"the sizes of its axes must have the features as product", own->axes.at[i]};
        seen |= (size_t)1 << axis;
    }
    if (rest != 1) return (struct nnc_fault){"the sizes of its axes must have the features as product", layer->I};
    return (struct nnc_fault){0};
}

/* The position in the input of position j in the output. */
static size_t place_of(const struct permute *own, size_t j) {
    size_t strides[NNC_MAX_VALUES], place = 0;
    for (size_t axis = own->axes.n, stride = 1; axis-- > 0; stride *= own->axes.at[axis]) strides[axis] = stride;
    for (size_t i = own->order.n; i-- > 0;) {
        const size_t axis = own->order.at[i] - 1;
        place += j % own->axes.at[axis] * strides[axis];
        j /= own->axes.at[axis];
    }
    return place;
}

static void lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct permute *own = layer->own;
    (void)B;
    own->places = nnc_take(arena, layer->O, sizeof *own->places);
    for (size_t j = 0; own->places && j < layer->O; j++) own->places[j] = place_of(own, j);
}

static void forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct permute *own = layer->own;
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++) {
        const float *from = x.at + i * x.ld;
        float *a = layer->a + i * layer->ld;
        for (size_t j = 0; j < layer->O; j++) a[j] = from[own->places[j]];
    }
}

static void backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const struct permute *own = layer->own;
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++) {
        const float *da = layer->da + i * layer->ld;
        float *to = before->da + i * before->ld;
        for (size_t j = 0; j < layer->O; j++) to[own->places[j]] = da[j];
    }
}

const struct nnc_layer_kind nnc_layer_permute = {
    .name = "permute",
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct permute),
    .settle = settle,
    .lay_out = lay_out,
    .forward = forward,
    .backward = backward,
};
