/* train.c -- what a plan does: batches through the phases gather -> forward -> loss -> backward -> update.
 *
 * Each public function starts one team and stays in it for its whole stretch of work. All workers run the same function
 * side by side, each doing its share of every phase; a barrier stands wherever the next phase reads what another worker
 * wrote. Sums over the batch are made by worker 0 in row order. */

#define _GNU_SOURCE
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "plan.h"

enum {
    FLOPS_PER_THREAD = 300000, /* of a pass: below this a second thread costs more in barriers than it saves */
    FLOPS_PER_TEAM = 4000000,  /* of a call: below this starting the team costs more than it saves */
    ROWS_AHEAD = 8,            /* rows of the gather that are asked for in advance */
};

static const struct {
    nnc_layer_fn *forward, *backward;
} layer_kinds[] = {
    [NNC_DENSE] = {nnc_dense_forward, nnc_dense_backward},
    [NNC_ACTIVATION] = {nnc_activation_layer_forward, nnc_activation_layer_backward},
    [NNC_PRELU] = {nnc_prelu_forward, nnc_prelu_backward},
    [NNC_DROPOUT] = {nnc_dropout_forward, nnc_dropout_backward},
    [NNC_RESCALING] = {nnc_rescaling_forward, nnc_rescaling_backward},
    [NNC_CONV2D] = {nnc_conv_forward, nnc_conv_backward},
    [NNC_MAX_POOLING] = {nnc_max_pooling_forward, nnc_max_pooling_backward},
    [NNC_AVERAGE_POOLING] = {nnc_average_pooling_forward, nnc_average_pooling_backward},
    [NNC_ZERO_PADDING] = {nnc_zero_padding_forward, nnc_zero_padding_backward},
    [NNC_BATCH_NORMALIZATION] = {nnc_batch_normalization_forward, nnc_batch_normalization_backward},
    [NNC_LAYER_NORMALIZATION] = {nnc_layer_normalization_forward, nnc_layer_normalization_backward},
    [NNC_SPATIAL_DROPOUT] = {nnc_spatial_dropout_forward, nnc_spatial_dropout_backward},
    [NNC_RANDOM_AFFINE] = {nnc_random_affine_forward, nnc_random_affine_backward},
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Threads worth having for a call over `rows` rows in passes of up to m: a pass must be worth its barriers, and a call of
 * inference, which may be a single row, the waking of a team. */
static int threads_for(const struct nnc_plan *plan, size_t rows, size_t m, enum nnc_mode mode) {
    double flops = 0;
    for (size_t l = 0; l < plan->n_layers; l++) {
        const struct nnc_layer *layer = &plan->layers[l];
        const bool product = layer->spec.kind == NNC_DENSE || layer->spec.kind == NNC_CONV2D;
        flops += (product ? 2.0 * (double)layer->kernel->rows : 10.0) * (double)layer->O;
    }
    const double per_pass = flops * (double)least(m, rows) * (mode == TRAIN ? 3 : 1) / FLOPS_PER_THREAD;
    const double per_call = mode == TRAIN ? per_pass : flops * (double)rows / FLOPS_PER_TEAM;
    const double worth = 1 + (per_pass < per_call ? per_pass : per_call);
    const int n = nnc_threads();
    return worth < n ? (int)worth : n;
}

/* ---- phases --------------------------------------------------------------------------------------------------------- */

static const void *row_of(const nnc_data *data, const int64_t *order, size_t i) {
    return (const char *)data->x + (ptrdiff_t)(order ? (size_t)order[i] : i) * data->x_stride;
}

/* Ask for the cache lines of a row that will be read soon: shuffled rows are too far apart for the hardware to guess. */
static void prefetch(const void *row, size_t bytes) {
    for (size_t b = 0; b < bytes; b += 64) __builtin_prefetch((const char *)row + b);
}

/* A pass of inference over rows [first, first + m). A product reads float rows where they lie: on their way from memory
 * the products go on, where a copy would have to wait. */
static struct nnc_pass inference_pass(const struct nnc_plan *plan, const nnc_data *data, size_t first, size_t m) {
    struct nnc_pass pass = {.m = m, .mode = INFER};
    const nnc_layer_kind kind = plan->layers[0].spec.kind;
    if (!data->x_is_u8 && plan->x_scale == 1 && plan->x_offset == 0 && (kind == NNC_DENSE || kind == NNC_CONV2D) &&
        data->x_stride >= 0 && (size_t)data->x_stride % sizeof(float) == 0) {
        pass.x = row_of(data, NULL, first);
        pass.ldx = (size_t)data->x_stride / sizeof(float);
    }
    return pass;
}

/* Rows [i0, i1) of the batch that begins at `first` in the order: inputs as float32, rescaled, and targets. */
static void gather(struct nnc_plan *plan, const nnc_data *data, const int64_t *order, size_t first, size_t i0, size_t i1,
                   bool targets, const struct nnc_pass *pass) {
    const bool spread = targets && data->ids && !nnc_loss_takes_ids(&plan->loss);
    const size_t n = plan->n_inputs, N = plan->n_outputs;
    const size_t bytes = n * (data->x_is_u8 ? 1 : sizeof(float));
    for (size_t i = i0; i < least(i0 + ROWS_AHEAD, i1) && !pass->x; i++) prefetch(row_of(data, order, first + i), bytes);
    for (size_t i = i0; i < i1; i++) {
        const size_t row = order ? (size_t)order[first + i] : first + i;
        const void *x = row_of(data, order, first + i);
        if (i + ROWS_AHEAD < i1 && !pass->x) prefetch(row_of(data, order, first + i + ROWS_AHEAD), bytes);
        float *out = plan->x + i * plan->ldx;
        if (pass->x) out = NULL;
        else if (data->x_is_u8) nnc_kernels->rescale_u8(n, x, plan->x_scale, plan->x_offset, out);
        else if (plan->x_scale == 1 && plan->x_offset == 0) memcpy(out, x, n * sizeof *out);
        else nnc_kernels->rescale(n, x, plan->x_scale, plan->x_offset, out);
        nnc_list_row(plan, i, out ? out : x);
        if (!targets) continue;
        float *y = plan->y + i * plan->ldy;
        if (data->ids) plan->ids[i] = data->ids[row];
        if (data->rows) memcpy(y, data->rows + row * N, N * sizeof *y);
        if (spread) {
            memset(y, 0, N * sizeof *y);
            y[data->ids[row]] = 1;
        }
        if (data->weights) plan->weights[i] = data->weights[row];
    }
}

/* The end of a phase: a barrier, and the time since the last one to `row` of the clock. */
static void end_phase(const struct nnc_pass *pass, size_t row, bool backward, struct nnc_worker *worker) {
    nnc_team_barrier(worker);
    if (!pass->clock || worker->id != 0) return;
    const double now = seconds();
    pass->clock->seconds[2 * row + backward] += now - pass->clock->last;
    pass->clock->last = now;
}

static void forward_pass(struct nnc_plan *plan, const nnc_data *data, const int64_t *order, size_t first, bool targets,
                         const struct nnc_pass *pass, struct nnc_worker *worker) {
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    gather(plan, data, order, first, i0, i1, targets, pass);
    end_phase(pass, plan->n_specs, false, worker);
    for (size_t l = 0; l < plan->n_layers; l++) {
        if (nnc_is_idle(plan, l, pass)) continue;
        layer_kinds[plan->layers[l].spec.kind].forward(plan, l, pass, worker);
        end_phase(pass, plan->layers[l].index, false, worker);
    }
}

/* The last layer's activation on its own rows, where da is wrt the outputs. */
static void last_dz(struct nnc_plan *plan, size_t i0, size_t i1) {
    const struct nnc_layer *last = nnc_last_layer(plan);
    nnc_activate_backward(last->spec.activation, i1 - i0, last->O, last->a + i0 * last->ld,
                          last->d ? last->d + i0 * last->ld : NULL, last->da + i0 * last->ld, last->ld, last->spec.alpha,
                          last->spec.group);
}

/* Outputs from what the last layer left, where its activation was left to the loss. */
static void finish_outputs(struct nnc_plan *plan, size_t i0, size_t i1) {
    const struct nnc_layer *last = nnc_last_layer(plan);
    if (plan->output_activation != ACTIVATION_linear)
        nnc_activate(plan->output_activation, i1 - i0, last->O, last->a + i0 * last->ld, last->ld, NULL, 0,
                     plan->output_group);
}

/* Value, gradient and metrics of this worker's rows. */
static void loss_phase(struct nnc_plan *plan, const nnc_data *data, const struct nnc_pass *pass, atomic_bool *not_finite,
                       struct nnc_worker *worker) {
    const struct nnc_layer *last = nnc_last_layer(plan);
    const size_t N = plan->n_outputs;
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    struct nnc_loss_block block = nnc_loss_block_of(&plan->loss, i1 - i0, N);
    block.a = last->a + i0 * last->ld, block.lda = last->ld;
    block.da = last->da + i0 * last->ld, block.ldda = last->ld;
    const bool by_ids = data->ids && nnc_loss_takes_ids(&plan->loss);
    block.y = by_ids ? NULL : plan->y + i0 * plan->ldy, block.ldy = plan->ldy;
    block.ids = by_ids ? plan->ids + i0 : NULL;
    block.weights = data->weights ? plan->weights + i0 : NULL;
    block.scale = (float)(1.0 / (double)pass->m);
    block.value = plan->values + i0;
    nnc_kernels->loss[plan->loss_kernel](&block);
    for (size_t i = i0; i < i1; i++)
        if (!isfinite(plan->values[i])) atomic_store_explicit(not_finite, true, memory_order_relaxed);
    if (plan->n_metrics) finish_outputs(plan, i0, i1);
    for (size_t i = i0; i < i1; i++)
        for (size_t k = 0; k < plan->n_metrics; k++)
            plan->metric_values[i * plan->n_metrics + k] =
                nnc_metric_row(&plan->metrics[k], N, last->a + i * last->ld, data->rows ? plan->y + i * plan->ldy : NULL,
                               data->ids ? plan->ids + i : NULL);
    if (pass->mode == TRAIN) last_dz(plan, i0, i1);
}

static double batch_loss(const struct nnc_plan *plan, size_t m) {
    double sum = 0;
    for (size_t i = 0; i < m; i++) sum += plan->values[i];
    return sum;
}

static void add_metrics(const struct nnc_plan *plan, size_t m, double *metrics) {
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < plan->n_metrics; k++) metrics[k] += plan->metric_values[i * plan->n_metrics + k];
}

static void backward_pass(struct nnc_plan *plan, const struct nnc_pass *pass, struct nnc_worker *worker) {
    for (size_t l = plan->n_layers; l-- > 0;) {
        layer_kinds[plan->layers[l].spec.kind].backward(plan, l, pass, worker);
        end_phase(pass, plan->layers[l].index, true, worker);
    }
}

/* ---- the gradient of a tile, and the update --------------------------------------------------------------------------- */

size_t nnc_tile(const struct nnc_param *param, size_t tile, size_t *n) {
    size_t row = tile % param->row_tiles * PANEL;
    *n = least(PANEL, param->rows - row) * PANEL;
    return (tile / param->row_tiles * param->rows + row) * PANEL;
}

static double tile_penalty(const struct nnc_param *param, size_t first, size_t n) {
    double sum = 0;
    if (param->l1 != 0) sum += (double)param->l1 * nnc_kernels->sum_abs(n, param->w + first);
    if (param->l2 != 0) sum += (double)param->l2 * nnc_kernels->sum_squares(n, param->w + first);
    return sum;
}

static void update_tile(const struct nnc_plan *plan, struct nnc_param *param, size_t first, size_t n, const float *g,
                        float l1, float l2, const struct nnc_hyper *hyper) {
    struct nnc_run run = {.n = n, .w = param->w + first, .g = g, .l1 = l1, .l2 = l2};
    for (int s = 0; s < plan->n_slots; s++) run.slots[s] = param->slots[s] + first;
    nnc_kernels->update[plan->optimizer.kind](&run, hyper);
}

void nnc_apply_tile(struct nnc_plan *plan, struct nnc_param *param, size_t tile, float *g) {
    size_t n, first = nnc_tile(param, tile, &n);
    param->tile_sums[tile] = tile_penalty(param, first, n);
    if (plan->apply == APPLY_UPDATE) {
        update_tile(plan, param, first, n, g, param->l1, param->l2, &plan->hyper);
    } else {
        memcpy(param->g + first, g, n * sizeof *g);
        nnc_kernels->regularize(n, param->w + first, param->g + first, param->l1, param->l2);
    }
}

bool nnc_apply_product(struct nnc_plan *plan, struct nnc_param *param, size_t tile, const struct nnc_product *product,
                       const float *a, const float *b) {
    if (plan->apply != APPLY_UPDATE || plan->optimizer.kind != OPTIMIZER_sgd || param->l1 != 0 || plan->hyper.clipvalue != 0)
        return false;
    size_t n, first = nnc_tile(param, tile, &n);
    param->tile_sums[tile] = tile_penalty(param, first, n);
    struct nnc_run run = {.n = n, .w = param->w + first, .l2 = param->l2};
    for (int s = 0; s < plan->n_slots; s++) run.slots[s] = param->slots[s] + first;
    nnc_kernels->gemm_sgd(product, a, b, &run, &plan->hyper);
    return true;
}

static double sum_tiles(const struct nnc_param *param) {
    double sum = 0;
    for (size_t t = 0; t < param->n_tiles; t++) sum += param->tile_sums[t];
    return sum;
}

/* The penalties that the last backward pass left in tile_sums. */
static double summed_penalty(const struct nnc_plan *plan) {
    double sum = 0;
    for (size_t i = 0; i < plan->n_params; i++)
        if (plan->params[i].l1 != 0 || plan->params[i].l2 != 0) sum += sum_tiles(&plan->params[i]);
    return sum;
}

/* Clipping by norm: the norms first, from the stored gradients, then the update. Follows summed_penalty. */
static void separate_update(struct nnc_plan *plan, struct nnc_worker *worker) {
    size_t t0, t1, n;
    for (size_t i = 0; i < plan->n_params; i++) {
        struct nnc_param *param = &plan->params[i];
        if (!param->info.trainable) continue;
        nnc_share(worker, param->n_tiles, &t0, &t1);
        for (size_t t = t0; t < t1; t++) {
            size_t first = nnc_tile(param, t, &n);
            param->tile_sums[t] = nnc_kernels->sum_squares(n, param->g + first);
        }
    }
    nnc_team_barrier(worker);
    struct nnc_hyper hyper = plan->hyper;
    double all = 0;
    for (size_t i = 0; i < plan->n_params; i++) all += sum_tiles(&plan->params[i]);
    for (size_t i = 0; i < plan->n_params; i++) {
        struct nnc_param *param = &plan->params[i];
        if (!param->info.trainable) continue;
        hyper.gradient_scale = plan->optimizer.clipnorm != 0
                                   ? nnc_clip_scale(plan->optimizer.clipnorm, sum_tiles(param))
                                   : nnc_clip_scale(plan->optimizer.global_clipnorm, all);
        nnc_share(worker, param->n_tiles, &t0, &t1);
        for (size_t t = t0; t < t1; t++) {
            size_t first = nnc_tile(param, t, &n);
            update_tile(plan, param, first, n, param->g + first, 0, 0, &hyper);
        }
    }
    nnc_team_barrier(worker);
}

/* ---- training --------------------------------------------------------------------------------------------------------- */

struct training {
    struct nnc_plan *plan;
    const nnc_data *data;
    const nnc_schedule *schedule;
    nnc_sums *sums;
    double deadline;
    bool stop;
    atomic_bool not_finite;
};

static void train_body(void *arg, struct nnc_worker *worker) {
    struct training *t = arg;
    struct nnc_plan *plan = t->plan;
    const nnc_schedule *s = t->schedule;
    size_t first = s->start;
    struct nnc_clock clock = {seconds(), s->seconds};
    for (size_t step = 0; step < s->n_steps && first < s->stop && !t->stop; step++) {
        struct nnc_pass pass = {.m = least(s->batch_size, s->stop - first), .mode = TRAIN, .training = true, .applied = true,
                                .epoch = s->epoch, .step = s->step + step, .clock = s->seconds ? &clock : NULL};
        forward_pass(plan, t->data, s->order, first, true, &pass, worker);
        loss_phase(plan, t->data, &pass, &t->not_finite, worker);
        if (worker->id == 0) plan->hyper = nnc_hyper_of(&plan->optimizer, s->learning_rates[step], s->step + step);
        end_phase(&pass, plan->n_specs, true, worker);
        if (atomic_load_explicit(&t->not_finite, memory_order_relaxed)) break;
        backward_pass(plan, &pass, worker);
        if (worker->id == 0) {
            t->sums->steps++;
            t->sums->rows += pass.m;
            t->sums->loss += batch_loss(plan, pass.m) + summed_penalty(plan) * (double)pass.m;
            add_metrics(plan, pass.m, t->sums->metrics);
            t->stop = seconds() > t->deadline;
        }
        end_phase(&pass, plan->n_specs, true, worker);
        if (plan->separate_update) separate_update(plan, worker);
        first += pass.m;
    }
}

static void clear(const struct nnc_plan *plan, nnc_sums *sums) {
    sums->steps = sums->rows = 0;
    sums->loss = 0;
    for (size_t k = 0; k < plan->n_metrics; k++) sums->metrics[k] = 0;
}

/* Clipping by norm needs the whole gradient before the first update. */
static nnc_status prepare_update(struct nnc_plan *plan) {
    plan->apply = plan->separate_update ? APPLY_STORE : APPLY_UPDATE;
    return plan->separate_update ? nnc_plan_keep_gradients(plan) : NNC_OK;
}

nnc_status nnc_plan_train(nnc_plan *plan, const nnc_data *data, const nnc_schedule *schedule, nnc_sums *sums) {
    clear(plan, sums);
    if (!plan->has_loss || !plan->has_optimizer || schedule->batch_size < 1 || schedule->batch_size > plan->batch_size)
        return NNC_INVALID;
    nnc_status status = prepare_update(plan);
    if (status) return status;
    nnc_use_moving_statistics(plan, true);
    struct training t = {plan, data, schedule, sums, seconds() + schedule->budget, false, false};
    nnc_team_run(threads_for(plan, schedule->batch_size, schedule->batch_size, TRAIN), train_body, &t);
    return t.not_finite ? NNC_NOT_FINITE : NNC_OK;
}

/* ---- evaluation and inference ------------------------------------------------------------------------------------------ */

struct inference {
    struct nnc_plan *plan;
    const nnc_data *data;
    size_t start, stop;
    nnc_sums *sums;   /* evaluate */
    float *outputs;   /* forward */
    atomic_bool not_finite;
};

static void evaluate_body(void *arg, struct nnc_worker *worker) {
    struct inference *t = arg;
    for (size_t first = t->start; first < t->stop; first += t->plan->capacity) {
        const struct nnc_pass pass =
            inference_pass(t->plan, t->data, first, least(t->plan->capacity, t->stop - first));
        forward_pass(t->plan, t->data, NULL, first, true, &pass, worker);
        loss_phase(t->plan, t->data, &pass, &t->not_finite, worker);
        nnc_team_barrier(worker);
        if (worker->id == 0) {
            t->sums->rows += pass.m;
            t->sums->loss += batch_loss(t->plan, pass.m);
            add_metrics(t->plan, pass.m, t->sums->metrics);
        }
        nnc_team_barrier(worker);
    }
}

nnc_status nnc_plan_evaluate(nnc_plan *plan, const nnc_data *data, size_t start, size_t stop, nnc_sums *sums) {
    clear(plan, sums);
    if (!plan->has_loss || start > stop || stop > data->n) return NNC_INVALID;
    nnc_use_moving_statistics(plan, false);
    struct inference t = {.plan = plan, .data = data, .start = start, .stop = stop, .sums = sums};
    nnc_team_run(threads_for(plan, stop - start, plan->capacity, INFER), evaluate_body, &t);
    return NNC_OK;
}

/* This worker's rows of the outputs to the caller. */
static void deliver(struct nnc_plan *plan, size_t m, float *outputs, struct nnc_worker *worker) {
    const struct nnc_layer *last = nnc_last_layer(plan);
    size_t i0, i1;
    nnc_share(worker, m, &i0, &i1);
    finish_outputs(plan, i0, i1);
    for (size_t i = i0; i < i1; i++)
        memcpy(outputs + i * plan->n_outputs, last->a + i * last->ld, plan->n_outputs * sizeof *outputs);
}

static void forward_body(void *arg, struct nnc_worker *worker) {
    struct inference *t = arg;
    for (size_t first = 0; first < t->stop; first += t->plan->capacity) {
        const struct nnc_pass pass =
            inference_pass(t->plan, t->data, first, least(t->plan->capacity, t->stop - first));
        forward_pass(t->plan, t->data, NULL, first, false, &pass, worker);
        deliver(t->plan, pass.m, t->outputs + first * t->plan->n_outputs, worker);
        nnc_team_barrier(worker);
    }
}

nnc_status nnc_plan_forward(nnc_plan *plan, const nnc_data *data, float *outputs) {
    nnc_use_moving_statistics(plan, false);
    struct inference t = {.plan = plan, .data = data, .stop = data->n, .outputs = outputs};
    nnc_team_run(threads_for(plan, data->n, plan->capacity, INFER), forward_body, &t);
    return NNC_OK;
}

/* ---- one batch at a time ------------------------------------------------------------------------------------------------- */

struct batch {
    struct nnc_plan *plan;
    const nnc_data *data;
    struct nnc_pass pass;
    double *loss;
    float *outputs;
    const float *d_outputs;
    atomic_bool not_finite;
};

static void gradients_body(void *arg, struct nnc_worker *worker) {
    struct batch *t = arg;
    forward_pass(t->plan, t->data, NULL, 0, true, &t->pass, worker);
    loss_phase(t->plan, t->data, &t->pass, &t->not_finite, worker);
    nnc_team_barrier(worker);
    backward_pass(t->plan, &t->pass, worker);
    if (worker->id == 0) *t->loss = batch_loss(t->plan, t->pass.m) / (double)t->pass.m + summed_penalty(t->plan);
}

nnc_status nnc_plan_gradients(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                              double *loss) {
    if (!plan->has_loss || data->n < 1 || data->n > plan->batch_size) return NNC_INVALID;
    nnc_status status = nnc_plan_keep_gradients(plan);
    if (status) return status;
    plan->apply = APPLY_STORE;
    nnc_use_moving_statistics(plan, training);
    struct batch t = {.plan = plan, .data = data,
                      .pass = {.m = data->n, .mode = TRAIN, .training = training, .epoch = epoch, .step = step}, .loss = loss};
    nnc_team_run(threads_for(plan, data->n, data->n, TRAIN), gradients_body, &t);
    return NNC_OK;
}

static void step_forward_body(void *arg, struct nnc_worker *worker) {
    struct batch *t = arg;
    forward_pass(t->plan, t->data, NULL, 0, false, &t->pass, worker);
    deliver(t->plan, t->pass.m, t->outputs, worker);
}

nnc_status nnc_plan_step_forward(nnc_plan *plan, const nnc_data *data, uint64_t epoch, uint64_t step, float *outputs) {
    if (plan->has_loss || data->n < 1 || data->n > plan->batch_size) return NNC_INVALID;
    nnc_use_moving_statistics(plan, true);
    struct batch t = {.plan = plan, .data = data,
                      .pass = {.m = data->n, .mode = TRAIN, .training = true, .applied = true, .epoch = epoch, .step = step},
                      .outputs = outputs};
    nnc_team_run(threads_for(plan, data->n, data->n, TRAIN), step_forward_body, &t);
    return NNC_OK;
}

static void step_backward_body(void *arg, struct nnc_worker *worker) {
    struct batch *t = arg;
    const struct nnc_layer *last = nnc_last_layer(t->plan);
    size_t i0, i1;
    nnc_share(worker, t->pass.m, &i0, &i1);
    for (size_t i = i0; i < i1; i++)
        memcpy(last->da + i * last->ld, t->d_outputs + i * last->O, last->O * sizeof(float));
    last_dz(t->plan, i0, i1);
    nnc_team_barrier(worker);
    backward_pass(t->plan, &t->pass, worker);
    if (t->plan->separate_update) separate_update(t->plan, worker);
}

nnc_status nnc_plan_step_backward(nnc_plan *plan, size_t n, const float *d_outputs, float learning_rate, uint64_t step) {
    if (plan->has_loss || !plan->has_optimizer || n < 1 || n > plan->batch_size) return NNC_INVALID;
    nnc_status status = prepare_update(plan);
    if (status) return status;
    plan->hyper = nnc_hyper_of(&plan->optimizer, learning_rate, step);
    struct batch t = {.plan = plan,
                      .pass = {.m = n, .mode = TRAIN, .training = true, .applied = true, .step = step}, .d_outputs = d_outputs};
    nnc_team_run(threads_for(plan, n, n, TRAIN), step_backward_body, &t);
    return NNC_OK;
}

struct penalty {
    const struct nnc_plan *plan;
    double sum;
};

static void penalty_body(void *arg, struct nnc_worker *worker) {
    struct penalty *t = arg;
    (void)worker;
    for (size_t i = 0; i < t->plan->n_params; i++) {
        const struct nnc_param *param = &t->plan->params[i];
        double sum = 0;
        for (size_t tile = 0; tile < param->n_tiles; tile++) {
            size_t n, first = nnc_tile(param, tile, &n);
            sum += tile_penalty(param, first, n);
        }
        t->sum += sum;
    }
}

double nnc_plan_penalty(nnc_plan *plan) {
    struct penalty t = {plan, 0};
    nnc_team_run(1, penalty_body, &t);
    return t.sum;
}
