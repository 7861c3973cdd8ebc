/* standardization.c -- a = (x - mean) / deviation by given statistics, deviation = max(sqrt(variance), 1e-7); or its inverse,
 * a = x deviation + mean. */

#include <math.h>

#include "network.h"
#include "sharing.h"

static const double LEAST = 1e-7; /* deviation */

enum { MEAN, VARIANCE };
enum { FEW = 128 }; /* up to this number, coefficients are repeated to fill the kernel's vectors */

struct standardization {
    struct nnc_sharing sharing;
    bool inverse;
    float *mean, *scale, *shift; /* (O) a = (x - mean) scale + shift */
};

static const struct nnc_field fields[] = {
    {.name = "axes", .type = FIELD_SIZES, .optional = true, .offset = offsetof(struct standardization, sharing.sizes)},
    FIELD(struct standardization, inverse, FLAG),
};

static struct nnc_fault settle(struct nnc_layer *layer) {
    struct standardization *own = layer->own;
    return nnc_sharing_settle(&own->sharing, layer->I);
}

static void parameters(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]) {
    const struct standardization *own = layer->own;
    list[MEAN] = (nnc_parameter){.name = "mean", .n_axes = 1, .shape = {own->sharing.count}};
    list[VARIANCE] = (nnc_parameter){.name = "variance", .n_axes = 1, .shape = {own->sharing.count}};
}

static void lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct standardization *own = layer->own;
    (void)B;
    nnc_sharing_lay_out(&own->sharing, layer->O, arena);
    own->mean = nnc_take_floats(arena, layer->O);
    own->scale = nnc_take_floats(arena, layer->O);
    own->shift = nnc_take_floats(arena, layer->O);
}

static void prepare(struct nnc_layer *layer, bool training, bool written) {
    struct standardization *own = layer->own;
    (void)training;
    if (!written) return;
    nnc_spread(&own->sharing, layer->params[MEAN]->w, 0, layer->O, own->inverse ? own->shift : own->mean);
    nnc_spread(&own->sharing, layer->params[VARIANCE]->w, 0, layer->O, own->scale);
    for (size_t j = 0; j < layer->O; j++) {
        const double deviation = fmax(sqrt((double)own->scale[j]), LEAST);
        own->scale[j] = (float)(own->inverse ? deviation : 1 / deviation);
    }
}

/* The features after which the coefficients repeat, several times over if they are few; O: they do not. */
static size_t run_of(const struct nnc_layer *layer) {
    const struct standardization *own = layer->own;
    const struct nnc_sizes *sizes = &own->sharing.sizes;
    if (!sizes->n || sizes->n > 3 || sizes->at[0] != 1) return layer->O;
    size_t run = own->sharing.count;
    while (run < FEW && run % PANEL) run *= 2;
    return least(layer->O, run);
}

/* A sample as a matrix whose rows are runs, and the rest. */
static void forward_sample(const struct nnc_layer *layer, const struct nnc_coefficients *of, const float *x, float *a) {
    const size_t run = run_of(layer), rows = layer->O / run, done = rows * run;
    nnc_kernels->normalize(rows, run, (struct nnc_read){x, run}, of, (struct nnc_write){a, run});
    if (done < layer->O)
        nnc_kernels->normalize(1, layer->O - done, (struct nnc_read){x + done, 0}, of, (struct nnc_write){a + done, 0});
}

static void forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct standardization *own = layer->own;
    const float *unused = own->scale;
    const struct nnc_coefficients of = {own->mean, own->scale, own->shift, unused, unused};
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, layer->O);) {
        if (run_of(layer) == layer->O)
            nnc_kernels->normalize(end - i, layer->O, nnc_rows_from(x, i), &of, nnc_rows_of(layer, layer->a, i));
        else
            for (; i < end; i++) forward_sample(layer, &of, x.at + i * x.ld, layer->a + i * layer->ld);
    }
}

static void backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    const struct standardization *own = layer->own;
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++)
        nnc_kernels->multiply(layer->O, layer->da + i * layer->ld, own->scale, before->da + i * before->ld);
}

const struct nnc_layer_kind nnc_layer_standardization = {
    .name = "standardization",
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct standardization),
    .settle = settle,
    .parameters = parameters,
    .lay_out = lay_out,
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
};
