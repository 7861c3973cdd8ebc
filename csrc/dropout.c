/* dropout.c -- the layers dropout and spatial_dropout: a part of the features, or of the channels, is set to 0 in training. */

#include <math.h>
#include <string.h>

#include "activation.h"
#include "sharing.h"

enum { SPATIAL_MASK = 256 }; /* minimum length of the mask that is repeated along a map, in floats */

struct dropout {
    float rate; /* fraction that is dropped, 0 <= rate < 1 */
    struct nnc_sharing sharing; /* of the random numbers of a row */
};

struct spatial_dropout {
    struct dropout dropout;
    size_t channels;
};

static const struct nnc_field fields[] = {
    FIELD(struct dropout, rate, FLOAT),
    {.name = "axes", .type = FIELD_SIZES, .optional = true, .offset = offsetof(struct dropout, sharing.sizes)},
};
static const struct nnc_field spatial_fields[] = {FIELD(struct dropout, rate, FLOAT),
                                                  FIELD(struct spatial_dropout, channels, SIZE)};

static struct nnc_fault settle(struct nnc_layer *layer) {
    struct dropout *own = layer->own;
    if (!(own->rate >= 0 && own->rate < 1))
        return (struct nnc_fault){"dropout's rate must be in [0, 1), of features", layer->I};
    return nnc_sharing_settle(&own->sharing, layer->I);
}

static void lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct dropout *own = layer->own;
    (void)B;
    nnc_sharing_lay_out(&own->sharing, layer->O, arena);
}

/* mask[j] = 0 or 1 / (1 - rate), by word first + j of the stream. */
static void draw_mask(const struct dropout *own, const struct nnc_stream *stream, size_t first, size_t n, float *mask) {
    const double rate = (double)own->rate;
    nnc_kernels->dropout_mask(stream, first, n, (uint32_t)floor(rate * 4294967296.0), (float)(1.0 / (1.0 - rate)), mask);
}

/* The mask is stored in d: 0 or 1 / (1 - rate), from the random stream of (seed, layer, step, epoch), one word for each
 * element of the batch in row-major order, or for the elements that share it. */
static void forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct dropout *own = layer->own;
    const struct nnc_stream stream = nnc_stream_of(plan, l, pass);
    const struct nnc_read x = nnc_input(plan, l, pass);
    const size_t count = own->sharing.count;
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, layer->O); i++) {
        float *a = layer->a + i * layer->ld, *d = layer->d + i * layer->ld;
        if (pass->training) {
            float *mask = own->sharing.places ? a : d;
            draw_mask(own, &stream, i * count, count, mask);
            if (mask != d) nnc_spread(&own->sharing, mask, 0, layer->O, d);
            nnc_kernels->multiply(layer->O, x.at + i * x.ld, d, a);
        } else {
            for (size_t j = 0; j < layer->O; j++) d[j] = 1;
            memcpy(a, x.at + i * x.ld, layer->O * sizeof *a);
        }
    }
}

const struct nnc_layer_kind nnc_layer_dropout = {
    .name = "dropout",
    .flags = LAYER_KEEPS_D | LAYER_TRAINING_ONLY,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct dropout),
    .settle = settle,
    .lay_out = lay_out,
    .forward = forward,
    .backward = nnc_multiply_by_d,
};

/* ---- spatial dropout ---------------------------------------------------------------------------------------------------- */

static struct nnc_fault spatial_settle(struct nnc_layer *layer) {
    const struct spatial_dropout *own = layer->own;
    if (own->channels < 1 || layer->I % own->channels)
        return (struct nnc_fault){"channels must divide the features", own->channels};
    return settle(layer);
}

/* One word for each (row, channel). The mask of a row covers a few pixels and is repeated along the map. */
static size_t mask_length(const struct nnc_layer *layer) {
    const struct spatial_dropout *own = layer->own;
    return least(layer->O, nnc_parts(SPATIAL_MASK, own->channels) * own->channels);
}

static void multiply_by_mask(const struct nnc_layer *layer, const float *x, const float *mask, float *y) {
    const size_t length = mask_length(layer);
    for (size_t j = 0; j < layer->O; j += length) nnc_kernels->multiply(least(length, layer->O - j), x + j, mask, y + j);
}

static void spatial_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct spatial_dropout *own = layer->own;
    const struct nnc_stream stream = nnc_stream_of(plan, l, pass);
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    if (!pass->training) nnc_copy_rows(i1 - i0, layer->O, nnc_rows_from(x, i0), nnc_rows_of(layer, layer->a, i0));
    for (size_t i = i0; i < i1 && pass->training && !nnc_stopped(worker, layer->O); i++) {
        float *mask = layer->d + i * layer->ld;
        draw_mask(&own->dropout, &stream, i * own->channels, own->channels, mask);
        for (size_t j = own->channels; j < mask_length(layer); j++) mask[j] = mask[j - own->channels];
        multiply_by_mask(layer, x.at + i * x.ld, mask, layer->a + i * layer->ld);
    }
}

static void spatial_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    const struct nnc_read da = nnc_reading(nnc_rows_of(layer, layer->da, i0));
    if (!pass->training) nnc_copy_rows(i1 - i0, layer->O, da, nnc_rows_of(before, before->da, i0));
    for (size_t i = i0; i < i1 && pass->training && !nnc_stopped(worker, layer->O); i++)
        multiply_by_mask(layer, layer->da + i * layer->ld, layer->d + i * layer->ld, before->da + i * before->ld);
}

const struct nnc_layer_kind nnc_layer_spatial_dropout = {
    .name = "spatial_dropout",
    .flags = LAYER_KEEPS_D | LAYER_TRAINING_ONLY,
    .fields = spatial_fields,
    .n_fields = sizeof spatial_fields / sizeof *spatial_fields,
    .own_size = sizeof(struct spatial_dropout),
    .settle = spatial_settle,
    .forward = spatial_forward,
    .backward = spatial_backward,
};
