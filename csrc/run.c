/* run.c -- what a plan does: batches through the phases gather -> forward -> loss -> backward -> update.
 *
 * Each public function starts one team and stays in it for its whole stretch of work. All workers run the same function
 * side by side, each doing its share of every phase; a barrier stands wherever the next phase reads what another worker
 * wrote. Sums over the batch are made by worker 0 in row order. */

#define _GNU_SOURCE
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "activation.h"

enum {
    FLOPS_PER_THREAD = 1000000, /* of a pass: below this a second thread costs more in barriers than it saves */
    FLOPS_PER_TEAM = 4000000,   /* of a call: below this starting the team costs more than it saves */
    ROWS_AHEAD = 8,            /* rows of the gather that are asked for in advance */
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Operations of the forward pass for one row. */
static double row_flops(const struct nnc_plan *plan) {
    double flops = 0;
    for (size_t l = 0; l < plan->n_layers; l++) {
        const struct nnc_layer *layer = &plan->layers[l];
        const bool product = nnc_has(layer, LAYER_PRODUCT); /* its first parameter is the kernel */
        flops += (product ? 2.0 * (double)layer->params[0]->rows : 10.0) * (double)layer->O;
    }
    return flops;
}

static double step_flops(const struct nnc_plan *plan, size_t m) {
    return 3 * (double)m * row_flops(plan);
}

static bool all_threads;

void nnc_use_all_threads(bool all) {
    all_threads = all;
}

static int at_most(int n, double worth) {
    return worth < n && !all_threads ? (int)worth : n;
}

/* Threads for a single pass over m rows, forward and back. */
static int threads_for_step(const struct nnc_plan *plan, size_t m) {
    return at_most(nnc_threads(), 1 + step_flops(plan, m) / FLOPS_PER_THREAD);
}

/* Threads for inference on `rows` rows: a pass must be worth its barriers, and the call, which may be a single row, the waking
 * of a team. */
static int threads_for_inference(const struct nnc_plan *plan, size_t rows) {
    const double per_pass = row_flops(plan) * (double)least(plan->capacity, rows) / FLOPS_PER_THREAD;
    const double per_call = row_flops(plan) * (double)rows / FLOPS_PER_TEAM;
    return at_most(nnc_threads(), 1 + fmin(per_pass, per_call));
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
    if (!data->x_is_u8 && plan->x_scale == 1 && plan->x_offset == 0 && nnc_has(&plan->layers[0], LAYER_PRODUCT) &&
        data->x_stride >= 0 && (size_t)data->x_stride % sizeof(float) == 0)
        pass.x = (struct nnc_read){row_of(data, NULL, first), (size_t)data->x_stride / sizeof(float)};
    return pass;
}

/* Where the rows of a batch come from: those from `first` on in the order; without targets where these are not needed. */
struct batch {
    const nnc_data *data;
    const int64_t *order; /* NULL: as they lie */
    size_t first;
    bool targets;
};

/* Inputs of row i of the batch, x in the data, as float32, rescaled. */
static const float *gather_inputs(struct nnc_plan *plan, const nnc_data *data, size_t i, const void *x) {
    const size_t n = plan->n_inputs;
    float *out = plan->x + i * plan->ldx;
    if (data->x_is_u8) nnc_kernels->rescale_u8(n, x, plan->x_scale, plan->x_offset, out);
    else if (plan->x_scale == 1 && plan->x_offset == 0) memcpy(out, x, n * sizeof *out);
    else nnc_kernels->rescale(n, x, plan->x_scale, plan->x_offset, out);
    return out;
}

/* Targets of row i of the batch, `row` in the data. */
static void gather_targets(struct nnc_plan *plan, const nnc_data *data, size_t i, size_t row) {
    const size_t N = plan->n_outputs;
    float *y = plan->y + i * plan->ldy;
    if (data->ids) plan->ids[i] = data->ids[row];
    if (data->rows) memcpy(y, data->rows + row * N, N * sizeof *y);
    if (data->ids && !nnc_loss_takes_ids(&plan->loss)) {
        memset(y, 0, N * sizeof *y);
        y[data->ids[row]] = 1;
    }
    if (data->weights) plan->weights[i] = data->weights[row];
}

/* Rows [i0, i1) of the batch. */
static void gather(struct nnc_plan *plan, const struct batch *batch, size_t i0, size_t i1, const struct nnc_pass *pass) {
    const nnc_data *data = batch->data;
    const int64_t *order = batch->order;
    const size_t first = batch->first, bytes = plan->n_inputs * (data->x_is_u8 ? 1 : sizeof(float));
    const bool in_place = pass->x.at;
    for (size_t i = i0; i < least(i0 + ROWS_AHEAD, i1) && !in_place; i++) prefetch(row_of(data, order, first + i), bytes);
    for (size_t i = i0; i < i1; i++) {
        const void *x = row_of(data, order, first + i);
        if (i + ROWS_AHEAD < i1 && !in_place) prefetch(row_of(data, order, first + i + ROWS_AHEAD), bytes);
        nnc_list_row(&plan->zeros, i, in_place ? x : gather_inputs(plan, data, i, x));
        if (batch->targets) gather_targets(plan, data, i, order ? (size_t)order[first + i] : first + i);
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

static void forward_pass(struct nnc_plan *plan, const struct batch *batch, const struct nnc_pass *pass,
                         struct nnc_worker *worker) {
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    gather(plan, batch, i0, i1, pass);
    end_phase(pass, plan->n_specs, false, worker);
    for (size_t l = 0; l < plan->n_layers; l++) {
        if (nnc_is_idle(plan, l, pass)) continue;
        plan->layers[l].kind->forward(plan, l, pass, worker);
        end_phase(pass, plan->layers[l].index, false, worker);
    }
}

static void backward_pass(struct nnc_plan *plan, const struct nnc_pass *pass, struct nnc_worker *worker) {
    for (size_t l = plan->n_layers; l-- > 0;) {
        if (plan->layers[l].kind->backward) plan->layers[l].kind->backward(plan, l, pass, worker);
        end_phase(pass, plan->layers[l].index, true, worker);
    }
}

/* Outputs from what the last layer left, where its activation was left to the loss. */
static void finish_outputs(const struct nnc_plan *plan, size_t i0, size_t i1) {
    const struct nnc_layer *last = nnc_last_layer(plan);
    if (plan->output_activation.id != ACTIVATION_linear)
        nnc_activate(&plan->output_activation, i1 - i0, last->O, nnc_rows_of(last, last->a, i0), (struct nnc_write){0});
}

static nnc_status keep_gradients(struct nnc_plan *plan) {
    return nnc_keep_gradients(plan->params, plan->n_params, &plan->gradients);
}

/* Before passes with this `training`, by one thread. */
static void prepare(struct nnc_plan *plan, bool training) {
    for (size_t l = 0; l < plan->n_layers; l++)
        if (plan->layers[l].kind->prepare) plan->layers[l].kind->prepare(&plan->layers[l], training, plan->written);
    plan->written = false;
    plan->open_step.rows = 0; /* a new pass takes the arrays of the last one */
}

/* What the losses of a batch of m rows are divided by. */
static double divisor_of(const struct nnc_plan *plan, const nnc_data *data, size_t m) {
    return nnc_loss_divisor(&plan->loss, m, data->weights ? plan->weights : NULL);
}

/* What the penalties are multiplied by: a loss `by_weight` divides them like the batch's losses. */
static double penalty_factor_of(const struct nnc_plan *plan, const nnc_data *data, size_t m) {
    return plan->loss.by_weight ? 1 / divisor_of(plan, data, m) : 1;
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
    block.scale = (float)(plan->loss.gradient_factor / divisor_of(plan, data, pass->m));
    block.value = plan->values + i0;
    nnc_kernels->loss[plan->loss.kernel](&block);
    for (size_t i = i0; i < i1; i++)
        if (!isfinite(plan->values[i])) atomic_store_explicit(not_finite, true, memory_order_relaxed);
    if (plan->n_metrics) finish_outputs(plan, i0, i1);
    for (size_t i = i0; i < i1; i++)
        for (size_t k = 0; k < plan->n_metrics; k++)
            plan->metric_values[i * plan->n_metrics + k] =
                nnc_metric_row(&plan->metrics[k], N, last->a + i * last->ld, data->rows ? plan->y + i * plan->ldy : NULL,
                               data->ids ? plan->ids + i : NULL);
    if (pass->mode == TRAIN) nnc_take_derivative(last, i0, i1);
}

/* Sum of the rows' losses. */
static double batch_loss(const struct nnc_plan *plan, size_t m) {
    double sum = 0;
    for (size_t i = 0; i < m; i++) sum += plan->values[i];
    return sum * plan->loss.value_factor;
}

static void add_metrics(const struct nnc_plan *plan, size_t m, double *metrics) {
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < plan->n_metrics; k++) metrics[k] += plan->metric_values[i * plan->n_metrics + k];
}

/* ---- training --------------------------------------------------------------------------------------------------------- */

struct training {
    struct nnc_plan *plan;
    const nnc_data *data;
    const nnc_schedule *schedule;
    nnc_sums *sums;
    size_t step, first; /* to go on with: the number of the step in the schedule, and its first row */
    double deadline;    /* of this stretch */
    bool stop;
    atomic_bool not_finite;
};

static void train_body(void *arg, struct nnc_worker *worker) {
    struct training *t = arg;
    struct nnc_plan *plan = t->plan;
    const nnc_schedule *s = t->schedule;
    size_t step = t->step, first = t->first;
    struct nnc_clock clock = {seconds(), s->seconds};
    for (; step < s->n_steps && first < s->stop && !t->stop; step++) {
        struct nnc_pass pass = {.m = least(s->batch_size, s->stop - first),
                                .mode = TRAIN,
                                .training = true,
                                .applied = true,
                                .epoch = s->epoch,
                                .step = s->step + step,
                                .clock = s->seconds ? &clock : NULL};
        const struct batch batch = {t->data, s->order, first, true};
        forward_pass(plan, &batch, &pass, worker);
        loss_phase(plan, t->data, &pass, &t->not_finite, worker);
        if (worker->id == 0) {
            plan->update.hyper = nnc_hyper_of(&plan->update.optimizer, s->learning_rates[step], s->step + step);
            plan->update.penalty_factor = penalty_factor_of(plan, t->data, pass.m);
        }
        end_phase(&pass, plan->n_specs, true, worker);
        if (atomic_load_explicit(&t->not_finite, memory_order_relaxed)) break;
        backward_pass(plan, &pass, worker);
        if (worker->id == 0) {
            t->sums->steps++;
            t->sums->rows += pass.m;
            const double m = (double)pass.m; /* times the loss of the batch */
            t->sums->loss += batch_loss(plan, pass.m) * (m / divisor_of(plan, t->data, pass.m)) +
                             nnc_summed_penalty(plan->params, plan->n_params) * (m * plan->update.penalty_factor);
            add_metrics(plan, pass.m, t->sums->metrics);
            t->step = step + 1, t->first = first + pass.m;
            t->stop = seconds() > t->deadline;
        }
        end_phase(&pass, plan->n_specs, true, worker);
        if (plan->update.clips_norm) nnc_update_clipped(&plan->update, plan->params, plan->n_params, worker);
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
    plan->update.apply = plan->update.clips_norm ? APPLY_STORE : APPLY_UPDATE;
    return plan->update.clips_norm ? keep_gradients(plan) : NNC_OK;
}

nnc_status nnc_plan_train(nnc_plan *plan, const nnc_data *data, const nnc_schedule *schedule, nnc_sums *sums) {
    clear(plan, sums);
    if (!plan->has_loss || !plan->has_optimizer || schedule->batch_size < 1 || schedule->batch_size > plan->batch_size)
        return NNC_INVALID;
    nnc_status status = prepare_update(plan);
    if (status) return status;
    prepare(plan, true);
    struct training t = {.plan = plan, .data = data, .schedule = schedule, .sums = sums, .first = schedule->start};
    const double flops = step_flops(plan, schedule->batch_size);
    double now = seconds();
    const double deadline = now + schedule->budget;
    do {
        const size_t rows = sums->rows;
        const double start = now;
        double stretch;
        const int most = nnc_threads(), best = nnc_team_size_next(&plan->team_size, most, flops, &stretch);
        t.deadline = fmin(deadline, start + stretch), t.stop = false;
        nnc_team_run(all_threads ? most : best, train_body, &t);
        now = seconds();
        nnc_team_size_note(&plan->team_size, (double)(sums->rows - rows), now - start);
    } while (t.step < schedule->n_steps && t.first < schedule->stop && now <= deadline && !t.not_finite);
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
        const struct nnc_pass pass = inference_pass(t->plan, t->data, first, least(t->plan->capacity, t->stop - first));
        const struct batch batch = {t->data, NULL, first, true};
        forward_pass(t->plan, &batch, &pass, worker);
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
    prepare(plan, false);
    struct inference t = {.plan = plan, .data = data, .start = start, .stop = stop, .sums = sums};
    nnc_team_run(threads_for_inference(plan, stop - start), evaluate_body, &t);
    return NNC_OK;
}

/* ---- whole epochs ------------------------------------------------------------------------------------------------------ */

nnc_status nnc_plan_train_epochs(nnc_plan *plan, const nnc_data *data, nnc_epochs *e) {
    const double deadline = seconds() + e->budget;
    nnc_schedule schedule = {.stop = e->n_rows, .batch_size = e->batch_size, .n_steps = e->n_steps, .budget = INFINITY};
    const size_t stride = 2 * (2 + plan->n_metrics);
    for (e->done = 0; e->done < e->n; e->done++) {
        double *sums = e->sums + e->done * stride, *held_sums = sums + stride / 2;
        nnc_sums of = {.metrics = sums + 2};
        schedule.order = e->orders ? e->orders + e->done * e->n_rows : NULL;
        schedule.learning_rates = e->learning_rates + e->done * e->n_steps;
        schedule.epoch = e->epoch + e->done, schedule.step = e->step + e->done * e->n_steps;
        nnc_status status = nnc_plan_train(plan, data, &schedule, &of);
        e->steps_of_next = of.steps;
        if (status) return status;
        sums[0] = (double)of.rows, sums[1] = of.loss;
        if (e->held_out) {
            of.metrics = held_sums + 2;
            status = nnc_plan_evaluate(plan, e->held_out, 0, e->held_out->n, &of);
            if (status) return status;
            held_sums[0] = (double)of.rows, held_sums[1] = of.loss + nnc_plan_penalty(plan) * (double)of.rows;
        }
        if (seconds() > deadline) {
            e->done++;
            break;
        }
    }
    return NNC_OK;
}

/* ---- outputs ------------------------------------------------------------------------------------------------------------ */

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
        const struct nnc_pass pass = inference_pass(t->plan, t->data, first, least(t->plan->capacity, t->stop - first));
        const struct batch batch = {t->data, NULL, first, false};
        forward_pass(t->plan, &batch, &pass, worker);
        deliver(t->plan, pass.m, t->outputs + first * t->plan->n_outputs, worker);
        nnc_team_barrier(worker);
    }
}

nnc_status nnc_plan_forward(nnc_plan *plan, const nnc_data *data, float *outputs) {
    prepare(plan, false);
    struct inference t = {.plan = plan, .data = data, .stop = data->n, .outputs = outputs};
    nnc_team_run(threads_for_inference(plan, data->n), forward_body, &t);
    return NNC_OK;
}

/* ---- one batch at a time ------------------------------------------------------------------------------------------------- */

/* A call on one batch; which of the fields it needs is its own affair. */
struct single {
    struct nnc_plan *plan;
    const nnc_data *data;
    struct nnc_pass pass;
    double *loss;
    float *outputs;
    const float *d_outputs;
    atomic_bool not_finite;
};

static void gradients_body(void *arg, struct nnc_worker *worker) {
    struct single *t = arg;
    struct nnc_plan *plan = t->plan;
    const struct batch batch = {t->data, NULL, 0, true};
    forward_pass(plan, &batch, &t->pass, worker);
    loss_phase(plan, t->data, &t->pass, &t->not_finite, worker);
    if (worker->id == 0) plan->update.penalty_factor = penalty_factor_of(plan, t->data, t->pass.m);
    nnc_team_barrier(worker);
    backward_pass(plan, &t->pass, worker);
    if (worker->id == 0)
        *t->loss = batch_loss(plan, t->pass.m) / divisor_of(plan, t->data, t->pass.m) +
                   nnc_summed_penalty(plan->params, plan->n_params) * plan->update.penalty_factor;
}

nnc_status nnc_plan_gradients(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                              double *loss) {
    if (!plan->has_loss || data->n < 1 || data->n > plan->batch_size) return NNC_INVALID;
    nnc_status status = keep_gradients(plan);
    if (status) return status;
    plan->update.apply = APPLY_STORE;
    prepare(plan, training);
    struct single t = {.plan = plan,
                       .data = data,
                       .loss = loss,
                       .pass = {.m = data->n, .mode = TRAIN, .training = training, .epoch = epoch, .step = step}};
    nnc_team_run(threads_for_step(plan, data->n), gradients_body, &t);
    return NNC_OK;
}

static void step_forward_body(void *arg, struct nnc_worker *worker) {
    struct single *t = arg;
    const struct batch batch = {t->data, NULL, 0, false};
    forward_pass(t->plan, &batch, &t->pass, worker);
    deliver(t->plan, t->pass.m, t->outputs, worker);
}

nnc_status nnc_plan_step_forward(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                                 float *outputs) {
    if (plan->has_loss || data->n < 1 || data->n > plan->batch_size) return NNC_INVALID;
    prepare(plan, training);
    struct single t = {.plan = plan,
                       .data = data,
                       .outputs = outputs,
                       .pass = {.m = data->n, .mode = TRAIN, .training = training, .epoch = epoch, .step = step}};
    nnc_team_run(threads_for_step(plan, data->n), step_forward_body, &t);
    plan->open_step.rows = data->n, plan->open_step.training = training;
    return NNC_OK;
}

/* From dL/d outputs to the gradients of all parameters, which the update uses as it is set up. */
static void step_backward_body(void *arg, struct nnc_worker *worker) {
    struct single *t = arg;
    struct nnc_plan *plan = t->plan;
    const struct nnc_layer *last = nnc_last_layer(plan);
    size_t i0, i1;
    nnc_share(worker, t->pass.m, &i0, &i1);
    nnc_copy_rows(i1 - i0, last->O, (struct nnc_read){t->d_outputs + i0 * last->O, last->O}, nnc_rows_of(last, last->da, i0));
    nnc_take_derivative(last, i0, i1);
    nnc_team_barrier(worker);
    backward_pass(plan, &t->pass, worker);
    if (t->pass.applied && plan->update.clips_norm) nnc_update_clipped(&plan->update, plan->params, plan->n_params, worker);
}

static void step_back(nnc_plan *plan, const float *d_outputs, bool applied, uint64_t step) {
    const size_t n = plan->open_step.rows;
    struct single t = {.plan = plan,
                       .d_outputs = d_outputs,
                       .pass = {.m = n, .mode = TRAIN, .training = plan->open_step.training, .applied = applied, .step = step}};
    plan->open_step.rows = 0;
    plan->update.penalty_factor = 1;
    nnc_team_run(threads_for_step(plan, n), step_backward_body, &t);
}

nnc_status nnc_plan_step_backward(nnc_plan *plan, size_t n, const float *d_outputs, float learning_rate, uint64_t step) {
    if (plan->has_loss || !plan->has_optimizer || n < 1 || n != plan->open_step.rows || !plan->open_step.training)
        return NNC_INVALID;
    nnc_status status = prepare_update(plan);
    if (status) return status;
    plan->update.hyper = nnc_hyper_of(&plan->update.optimizer, learning_rate, step);
    step_back(plan, d_outputs, true, step);
    return NNC_OK;
}

nnc_status nnc_plan_step_gradients(nnc_plan *plan, size_t n, const float *d_outputs) {
    if (plan->has_loss || n < 1 || n != plan->open_step.rows) return NNC_INVALID;
    nnc_status status = keep_gradients(plan);
    if (status) return status;
    plan->update.apply = APPLY_STORE;
    step_back(plan, d_outputs, false, 0);
    return NNC_OK;
}

struct penalty {
    const struct nnc_plan *plan;
    double sum;
};

static void penalty_body(void *arg, struct nnc_worker *worker) {
    struct penalty *t = arg;
    (void)worker;
    t->sum = nnc_present_penalty(t->plan->params, t->plan->n_params);
}

double nnc_plan_penalty(nnc_plan *plan) {
    struct penalty t = {plan, 0};
    nnc_team_run(1, penalty_body, &t);
    return t.sum;
}
