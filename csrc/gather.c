/* gather.c -- see gather.h. */

#include "gather.h"

#include <math.h>
#include <string.h>

#include "operands.h"

enum { ROWS_AHEAD = 8 }; /* rows that the gather prefetches */

static const void *row_of(const nnc_data *data, size_t row) {
    return (const char *)data->x + (ptrdiff_t)row * data->x_stride;
}

struct nnc_pass nnc_inference_pass(const struct nnc_plan *plan, const nnc_data *data, size_t first, size_t m) {
    struct nnc_pass pass = {.m = m, .mode = INFER};
    if (!data->x_is_u8 && plan->x_scale == 1 && plan->x_offset == 0 && nnc_has(&plan->layers[0], LAYER_PRODUCT) &&
        data->x_stride >= 0 && (size_t)data->x_stride % sizeof(float) == 0)
        pass.x = (struct nnc_read){row_of(data, first), (size_t)data->x_stride / sizeof(float)};
    return pass;
}

/* The first worker that finds such a row records it; the pass ends after the gather. */
static void report_bad_row(struct nnc_plan *plan, const struct nnc_batch *batch, nnc_bad_row bad_row) {
    if (!atomic_exchange_explicit(batch->bad, true, memory_order_relaxed)) plan->bad_row = bad_row;
}

/* The row of the data at index `place` of the order; row 0 if it is out of range. The caller owns the order and may change it,
 * so each entry is read once. */
static size_t row_at(struct nnc_plan *plan, const struct nnc_batch *batch, size_t place) {
    if (!batch->order) return place;
    const int64_t row = *(const volatile int64_t *)&batch->order[place];
    if (row >= 0 && (size_t)row < batch->data->n) return (size_t)row;
    report_bad_row(plan, batch, (nnc_bad_row){.of = NNC_BAD_ENTRY, .row = place, .integer = row});
    return 0;
}

/* The label of a row, read once; one that is out of range is 0. */
static int32_t label_of(struct nnc_plan *plan, const struct nnc_batch *batch, size_t row) {
    const int32_t id = *(const volatile int32_t *)&batch->data->ids[row];
    if (id >= 0 && (size_t)id < plan->n_outputs) return id;
    report_bad_row(plan, batch, (nnc_bad_row){.of = NNC_BAD_ID, .row = row, .integer = id});
    return 0;
}

/* Copies the targets of a row to y; the copy is checked. */
static void copy_targets(struct nnc_plan *plan, const struct nnc_batch *batch, size_t row, float *y) {
    const size_t N = plan->n_outputs;
    const float low = (float)plan->loss.target_range[0], high = (float)plan->loss.target_range[1];
    if (nnc_kernels->copy_within(N, batch->data->rows + row * N, low, high, y)) return;
    for (size_t j = 0; j < N; j++)
        if (!(y[j] >= low && y[j] <= high))
            report_bad_row(plan, batch, (nnc_bad_row){.of = NNC_BAD_TARGET, .row = row, .number = y[j]});
}

/* The weight of a row, read once. */
static float weight_of(struct nnc_plan *plan, const struct nnc_batch *batch, size_t row) {
    const float weight = *(const volatile float *)&batch->data->weights[row];
    if (!isfinite(weight)) report_bad_row(plan, batch, (nnc_bad_row){.of = NNC_BAD_WEIGHT, .row = row, .number = weight});
    return weight;
}

/* Copies inputs x as float32, rescaled, to row i of the batch. */
static const float *gather_inputs(struct nnc_plan *plan, const nnc_data *data, size_t i, const void *x) {
    const size_t n = plan->n_inputs;
    float *out = plan->x + i * plan->ldx;
    if (data->x_is_u8) nnc_kernels->rescale_u8(n, x, plan->x_scale, plan->x_offset, out);
    else if (plan->x_scale == 1 && plan->x_offset == 0) memcpy(out, x, n * sizeof *out);
    else nnc_kernels->rescale(n, x, plan->x_scale, plan->x_offset, out);
    return out;
}

/* Copies the targets of row i of the batch, which is row `row` of the data. */
static void gather_targets(struct nnc_plan *plan, const struct nnc_batch *batch, size_t i, size_t row) {
    const nnc_data *data = batch->data;
    const size_t N = plan->n_outputs;
    float *y = plan->y + i * plan->ldy;
    if (data->ids) plan->ids[i] = label_of(plan, batch, row);
    if (data->rows) copy_targets(plan, batch, row, y);
    if (data->ids && !nnc_loss_takes_ids(&plan->loss)) {
        memset(y, 0, N * sizeof *y);
        y[plan->ids[i]] = 1;
    }
    if (data->weights) plan->weights[i] = weight_of(plan, batch, row);
}

struct nnc_ahead nnc_rows_ahead(const struct nnc_plan *plan, const struct nnc_batch *batch, size_t m) {
    const nnc_data *data = batch->data;
    return (struct nnc_ahead){.x = batch->order ? data->x : row_of(data, batch->first),
                              .stride = data->x_stride,
                              .bytes = plan->n_inputs * (data->x_is_u8 ? 1 : sizeof(float)),
                              .order = batch->order ? batch->order + batch->first : NULL,
                              .rows = m};
}

void nnc_gather(struct nnc_plan *plan, const struct nnc_batch *batch, size_t i0, size_t i1, const struct nnc_pass *pass) {
    const nnc_data *data = batch->data;
    const struct nnc_ahead ahead = nnc_rows_ahead(plan, batch, i1);
    const struct nnc_layer *reader = nnc_reader_of_batch(plan, pass);
    const bool in_place = pass->x.at;
    if (in_place && !reader && !plan->zeros.groups && !batch->targets) return; /* nothing to copy */
    for (size_t i = i0; i < least(i0 + ROWS_AHEAD, i1) && !in_place; i++) nnc_prefetch_row(&ahead, i);
    for (size_t i = i0; i < i1; i++) {
        const size_t row = row_at(plan, batch, batch->first + i);
        const void *x = row_of(data, row);
        if (i + ROWS_AHEAD < i1 && !in_place) nnc_prefetch_row(&ahead, i + ROWS_AHEAD);
        /* if they are rounded, the floats are not read again: they stay in one row, in the cache */
        const float *inputs = in_place ? x : gather_inputs(plan, data, reader ? i0 : i, x);
        if (reader) nnc_round_row(reader, i, inputs);
        nnc_list_row(&plan->zeros, i, inputs);
        if (batch->targets) gather_targets(plan, batch, i, row);
    }
}
