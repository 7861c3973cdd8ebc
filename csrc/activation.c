/* activation.c -- see activation.h; also the layers activation, prelu and thresholded_relu. Rows are divided among the workers,
 * except in PReLU's backward pass, which divides panels of columns because it sums over the batch. */

#include "activation.h"

#include <math.h>
#include <string.h>

#include "operands.h"
#include "sharing.h"

/* ---- activations by name ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool keeps_d;
} activations[N_ACTIVATIONS] = {
#define ACTIVATION(name, keeps, f, df) [ACTIVATION_##name] = {#name, KEEPS_##keeps == KEEPS_D},
#define ROW_ACTIVATION(name) [ACTIVATION_##name] = {#name, false},
#include "activations.def"
#undef ACTIVATION
#undef ROW_ACTIVATION
};

int nnc_activation_id(const char *name) {
    for (int i = 0; i < N_ACTIVATIONS; i++)
        if (!strcmp(name, activations[i].name)) return i;
    return -1;
}

bool nnc_activation_keeps_d(int id) {
    return activations[id].keeps_d;
}

const struct nnc_field nnc_activation_fields[] = {
    {.name = "activation",
     .type = FIELD_WORD,
     .optional = true,
     .offset = offsetof(struct nnc_activation_of, id),
     .look_up = nnc_activation_id},
    OPTIONAL_FIELD(struct nnc_activation_of, alpha, FLOAT),
    OPTIONAL_FIELD(struct nnc_activation_of, group, SIZE),
};
const size_t nnc_n_activation_fields = sizeof nnc_activation_fields / sizeof *nnc_activation_fields;

/* ---- forward and backward --------------------------------------------------------------------------------------------- */

void nnc_activate(const struct nnc_activation_of *f, size_t m, size_t n, struct nnc_write a, struct nnc_write d) {
    if (nnc_is_elementwise(f->id)) {
        nnc_kernels->activation_forward[f->id](m, n, nnc_reading(a), a, d, f->alpha);
        return;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j += f->group)
            nnc_kernels->row_activation_forward[f->id - N_ELEMENTWISE](f->group, a.at + i * a.ld + j, a.at + i * a.ld + j);
}

void nnc_activate_backward(const struct nnc_activation_of *f, size_t m, size_t n, struct nnc_read a, struct nnc_read d,
                           struct nnc_write da) {
    if (f->id == ACTIVATION_linear) return;
    if (nnc_is_elementwise(f->id)) {
        nnc_kernels->activation_backward[f->id](m, n, d.at ? d : a, da, f->alpha);
        return;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j += f->group)
            nnc_kernels->row_activation_backward[f->id - N_ELEMENTWISE](f->group, a.at + i * a.ld + j, da.at + i * da.ld + j);
}

/* ---- from da to dz ------------------------------------------------------------------------------------------------------ */

void nnc_take_derivative(const struct nnc_layer *layer, size_t i0, size_t i1) {
    nnc_activate_backward(&layer->activation, i1 - i0, layer->O, nnc_reading(nnc_rows_of(layer, layer->a, i0)),
                          nnc_reading(nnc_rows_of(layer, layer->d, i0)), nnc_rows_of(layer, layer->da, i0));
}

void nnc_take_derivative_shared(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker) {
    size_t i0, i1;
    if (layer->gets_dz) return;
    nnc_share(worker, m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, layer->O);) nnc_take_derivative(layer, i, end);
    nnc_team_barrier(worker);
}

static void apply_after_input_gradient(const void *of, size_t m, size_t j, size_t n, float *c) {
    const struct nnc_layer *before = of;
    const size_t at = (size_t)(c - before->da), ld = before->ld;
    const struct nnc_read a = {before->a + at, ld}, d = {before->d ? before->d + at : NULL, ld};
    (void)j;
    nnc_activate_backward(&before->activation, m, n, a, d, (struct nnc_write){c, ld});
}

void nnc_multiply_by_d(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++)
        nnc_kernels->multiply(layer->O, layer->da + i * layer->ld, layer->d + i * layer->ld, before->da + i * before->ld);
}

struct nnc_epilogue nnc_after_input_gradient(const struct nnc_layer *before) {
    const bool nothing = !before->gets_dz || before->activation.id == ACTIVATION_linear;
    return (struct nnc_epilogue){nothing ? NULL : apply_after_input_gradient, before};
}

/* ---- after a product ------------------------------------------------------------------------------------------------- */

struct nnc_after_product nnc_after_product_of(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    const struct nnc_layer *layer = &plan->layers[l];
    const bool with_next = pass->mode == INFER && layer->finishes_next;
    const struct nnc_layer *target = with_next ? layer + 1 : layer;
    return (struct nnc_after_product){.target = target,
                                      .finish = with_next ? target : NULL,
                                      .reader = nnc_reader_of(plan, with_next ? l + 1 : l, pass),
                                      .keeps_d = pass->mode == TRAIN && target->d,
                                      .ld = target->ld};
}

void nnc_apply_after_product(const void *of, size_t m, size_t j, size_t n, float *c) {
    const struct nnc_after_product *after = of;
    const struct nnc_layer *target = after->target;
    const struct nnc_write a = {c, after->ld}, d = {after->keeps_d ? target->d + (c - target->a) : NULL, after->ld};
    if (after->finish) after->finish->kind->finish(after->finish, m, j, n, a);
    if (target->activation.id != ACTIVATION_linear && nnc_is_elementwise(target->activation.id))
        nnc_activate(&target->activation, m, n, a, d);
    if (after->reader) nnc_round_block(after->reader, target, m, n, nnc_reading(a));
}

void nnc_activate_whole_rows(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker) {
    size_t first, last;
    if (nnc_is_elementwise(layer->activation.id)) return;
    nnc_team_barrier(worker);
    nnc_share(worker, m, &first, &last);
    for (size_t i, end = first; nnc_next_rows(worker, &i, &end, last, layer->O);)
        nnc_activate(&layer->activation, end - i, layer->O, nnc_rows_of(layer, layer->a, i), (struct nnc_write){0});
}

/* ---- the layer activation --------------------------------------------------------------------------------------------- */

/* Merges the activation into a layer that can apply it in the pass that computes its outputs. */
static bool activation_merge(struct nnc_plan *plan, const struct nnc_layer *layer, struct nnc_layer *before) {
    (void)plan;
    if (!before || !nnc_has(before, LAYER_ACTIVATED) || before->activation.id != ACTIVATION_linear) return false;
    if (nnc_has(before, LAYER_ELEMENTWISE) && !nnc_is_elementwise(layer->activation.id)) return false;
    before->activation = layer->activation;
    return true;
}

static void activation_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, layer->O);) {
        const struct nnc_write a = nnc_rows_of(layer, layer->a, i);
        nnc_copy_rows(end - i, layer->O, nnc_rows_from(x, i), a);
        nnc_activate(&layer->activation, end - i, layer->O, a, nnc_rows_of(layer, pass->mode == TRAIN ? layer->d : NULL, i));
    }
}

static void activation_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, layer->O);) {
        if (!layer->gets_dz) nnc_take_derivative(layer, i, end);
        nnc_copy_rows(end - i, layer->O, nnc_reading(nnc_rows_of(layer, layer->da, i)), nnc_rows_of(before, before->da, i));
    }
}

const struct nnc_layer_kind nnc_layer_activation = {
    .name = "activation",
    .flags = LAYER_ACTIVATED,
    .merge = activation_merge,
    .forward = activation_forward,
    .backward = activation_backward,
};

/* ---- the layer prelu ---------------------------------------------------------------------------------------------------- */

enum { SLOPE };

struct prelu {
    struct nnc_sharing sharing;
    /* Only if features share a slope: */
    float *slopes; /* (O) the slope of each feature */
    float *gradients; /* (O) their gradients */
    double *sums; /* (count) the gradients of the parameters */
};

static const struct nnc_field prelu_fields[] = {
    {.name = "axes", .type = FIELD_SIZES, .optional = true, .offset = offsetof(struct prelu, sharing.sizes)}};

static struct nnc_fault prelu_settle(struct nnc_layer *layer) {
    struct prelu *own = layer->own;
    return nnc_sharing_settle(&own->sharing, layer->I);
}

static void prelu_parameters(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]) {
    const struct prelu *own = layer->own;
    list[SLOPE] = (nnc_parameter){.name = "alpha", .n_axes = 1, .shape = {own->sharing.count}, .trainable = true};
}

static void prelu_lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct prelu *own = layer->own;
    (void)B;
    nnc_sharing_lay_out(&own->sharing, layer->O, arena);
    if (!own->sharing.sizes.n) return;
    own->slopes = nnc_take_floats(arena, layer->O);
    own->gradients = nnc_take_floats(arena, layer->O);
    own->sums = nnc_take(arena, own->sharing.count, sizeof *own->sums);
}

/* The slope of each feature. */
static const float *slopes_of(const struct nnc_layer *layer) {
    const struct prelu *own = layer->own;
    return own->sharing.sizes.n ? own->slopes : layer->params[SLOPE]->w;
}

static void prelu_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct prelu *own = layer->own;
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    if (own->sharing.sizes.n) {
        nnc_share(worker, layer->O, &i0, &i1);
        nnc_spread(&own->sharing, layer->params[SLOPE]->w, i0, i1, own->slopes);
        nnc_team_barrier(worker);
    }
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, layer->O);)
        nnc_kernels->prelu_forward(end - i, layer->O, nnc_rows_from(x, i), slopes_of(layer), nnc_rows_of(layer, layer->a, i));
}

/* The gradients of shared slopes, from those of the features. */
static void apply_shared(struct nnc_plan *plan, const struct nnc_layer *layer) {
    const struct prelu *own = layer->own;
    struct nnc_param *slope = layer->params[SLOPE];
    nnc_collect(&own->sharing, layer->O, own->gradients, own->sums);
    for (size_t tile = 0; tile < slope->n_tiles; tile++) {
        const size_t j = tile * PANEL, n = least(PANEL, slope->cols - j);
        float g[PANEL] = {0};
        for (size_t c = 0; c < n; c++) g[c] = (float)own->sums[j + c];
        nnc_apply_tile(&plan->update, slope, tile, g);
    }
}

static void prelu_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct prelu *own = layer->own;
    const struct nnc_read x = nnc_input(plan, l, pass);
    const float *slopes = slopes_of(layer);
    size_t first, last;
    nnc_share(worker, nnc_parts(layer->O, PANEL), &first, &last);
    for (size_t tile = first; tile < last && !nnc_stopped(worker, pass->m * PANEL); tile++) {
        const size_t j = tile * PANEL, n = least(PANEL, layer->O - j);
        float g[PANEL] = {0};
        struct nnc_write dx = {0};
        if (layer->needs_dx) dx = (struct nnc_write){layer[-1].da + j, layer[-1].ld};
        nnc_kernels->prelu_backward(pass->m, n, (struct nnc_read){x.at + j, x.ld}, slopes + j,
                                    (struct nnc_read){layer->da + j, layer->ld}, dx, g);
        if (own->sharing.sizes.n) memcpy(own->gradients + j, g, n * sizeof *g);
        else nnc_apply_tile(&plan->update, layer->params[SLOPE], tile, g);
    }
    if (!own->sharing.sizes.n) return;
    nnc_team_barrier(worker);
    if (worker->id == 0) apply_shared(plan, layer);
}

const struct nnc_layer_kind nnc_layer_prelu = {
    .name = "prelu",
    .fields = prelu_fields,
    .n_fields = sizeof prelu_fields / sizeof *prelu_fields,
    .own_size = sizeof(struct prelu),
    .settle = prelu_settle,
    .parameters = prelu_parameters,
    .lay_out = prelu_lay_out,
    .forward = prelu_forward,
    .backward = prelu_backward,
};

/* ---- the layer thresholded_relu ----------------------------------------------------------------------------------------- */

static const struct nnc_thresholds no_thresholds = {.most = INFINITY};

static const struct nnc_field threshold_fields[] = {
    FIELD(struct nnc_thresholds, slope, FLOAT),
    FIELD(struct nnc_thresholds, threshold, FLOAT),
    OPTIONAL_FIELD(struct nnc_thresholds, most, FLOAT),
};

static void thresholded_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++)
        nnc_kernels->thresholded_relu_forward(layer->O, x.at + i * x.ld, layer->own, layer->a + i * layer->ld);
}

static void thresholded_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++)
        nnc_kernels->thresholded_relu_backward(layer->O, x.at + i * x.ld, layer->own, layer->da + i * layer->ld,
                                               before->da + i * before->ld);
}

const struct nnc_layer_kind nnc_layer_thresholded_relu = {
    .name = "thresholded_relu",
    .fields = threshold_fields,
    .n_fields = sizeof threshold_fields / sizeof *threshold_fields,
    .own_size = sizeof(struct nnc_thresholds),
    .defaults = &no_thresholds,
    .forward = thresholded_forward,
    .backward = thresholded_backward,
};
