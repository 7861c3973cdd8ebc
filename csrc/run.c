/* run.c -- runs a plan: batches go through the phases gather -> forward -> loss -> backward -> update.
 *
 * Each public function starts a team and stays in it for all of its work. All workers run the same function in parallel, each
 * doing its share of every phase; there is a barrier wherever the next phase reads what another worker wrote. Worker 0
 * computes sums over the batch in row order. */

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "activation.h"
#include "operands.h"
#include "os.h"

enum { ROWS_AHEAD = 8 }; /* rows that the gather prefetches */

static const double FLOPS_PER_THREAD = 1e6; /* of a pass: below this a second thread costs more in barriers than it saves */
static const double FLOPS_PER_TEAM = 4e6; /* of a call: below this starting the team costs more than it saves */
static const double LONG = 0.04; /* seconds of a forward pass from which a step is long: a stop request undoes it */
static const double LONG_FLOPS = 1e7; /* operations from which a step may be long, on any machine */

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
    nnc_team_ignore_others(all);
}

/* The number of threads that pay off, at most those that a call may use; if it is one, the system is not queried. */
static int threads_worth(double worth) {
    if (worth < 2 && !all_threads) return 1;
    const int n = nnc_threads();
    return worth < n && !all_threads ? (int)worth : n;
}

/* Threads for a single forward and backward pass over m rows. */
static int threads_for_step(const struct nnc_plan *plan, size_t m) {
    return threads_worth(1 + step_flops(plan, m) / FLOPS_PER_THREAD);
}

/* Threads for inference on `rows` rows: a pass must justify its barriers, and the call, which may be a single row, waking a
 * team. */
static int threads_for_inference(const struct nnc_plan *plan, size_t rows) {
    const double per_pass = row_flops(plan) * (double)least(plan->capacity, rows) / FLOPS_PER_THREAD;
    const double per_call = row_flops(plan) * (double)rows / FLOPS_PER_TEAM;
    return threads_worth(1 + fmin(per_pass, per_call));
}

/* ---- teams -------------------------------------------------------------------------------------------------------------- */

typedef void team_body(void *arg, struct nnc_worker *worker);

struct region {
    const struct nnc_products *products;
    team_body *body;
    void *arg;
};

static void region_body(void *arg, struct nnc_worker *worker) {
    const struct region *region = arg;
    region->products->begin();
    region->body(region->arg, worker);
    region->products->end();
}

/* Runs a team in which every thread is set up for the plan's products. */
static void run_team(const struct nnc_plan *plan, int n, team_body *body, void *arg) {
    struct region region = {nnc_products_of(plan), body, arg};
    if (region.products->begin) nnc_team_run(n, region_body, &region);
    else nnc_team_run(n, body, arg);
}

/* ---- phases --------------------------------------------------------------------------------------------------------- */

static const void *row_of(const nnc_data *data, size_t row) {
    return (const char *)data->x + (ptrdiff_t)row * data->x_stride;
}

/* An inference pass over rows [first, first + m). A product reads float rows in place: it overlaps with loading them from
 * memory, which a copy could not. */
static struct nnc_pass inference_pass(const struct nnc_plan *plan, const nnc_data *data, size_t first, size_t m) {
    struct nnc_pass pass = {.m = m, .mode = INFER};
    if (!data->x_is_u8 && plan->x_scale == 1 && plan->x_offset == 0 && nnc_has(&plan->layers[0], LAYER_PRODUCT) &&
        data->x_stride >= 0 && (size_t)data->x_stride % sizeof(float) == 0)
        pass.x = (struct nnc_read){row_of(data, first), (size_t)data->x_stride / sizeof(float)};
    return pass;
}

/* The source of the rows of a batch: the order, starting at `first`; without targets if they are not needed. */
struct batch {
    const nnc_data *data;
    const int64_t *order; /* NULL: in the order of the data */
    size_t first;
    bool targets;
    atomic_bool *bad; /* set if a row or a label is out of range */
};

/* The first worker that finds such a row records it; the pass ends after the gather. */
static void report_bad_row(struct nnc_plan *plan, const struct batch *batch, nnc_bad_row bad_row) {
    if (!atomic_exchange_explicit(batch->bad, true, memory_order_relaxed)) plan->bad_row = bad_row;
}

/* The row of the data at index `place` of the order; row 0 if it is out of range. The caller owns the order and may change it,
 * so each entry is read once. */
static size_t row_at(struct nnc_plan *plan, const struct batch *batch, size_t place) {
    if (!batch->order) return place;
    const int64_t row = *(const volatile int64_t *)&batch->order[place];
    if (row >= 0 && (size_t)row < batch->data->n) return (size_t)row;
    report_bad_row(plan, batch, (nnc_bad_row){true, place, row});
    return 0;
}

/* The label of a row, read once; one that is out of range is 0. */
static int32_t label_of(struct nnc_plan *plan, const struct batch *batch, size_t row) {
    const int32_t id = *(const volatile int32_t *)&batch->data->ids[row];
    if (id >= 0 && (size_t)id < plan->n_outputs) return id;
    report_bad_row(plan, batch, (nnc_bad_row){false, row, id});
    return 0;
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
static void gather_targets(struct nnc_plan *plan, const struct batch *batch, size_t i, size_t row) {
    const nnc_data *data = batch->data;
    const size_t N = plan->n_outputs;
    float *y = plan->y + i * plan->ldy;
    if (data->ids) plan->ids[i] = label_of(plan, batch, row);
    if (data->rows) memcpy(y, data->rows + row * N, N * sizeof *y);
    if (data->ids && !nnc_loss_takes_ids(&plan->loss)) {
        memset(y, 0, N * sizeof *y);
        y[plan->ids[i]] = 1;
    }
    if (data->weights) plan->weights[i] = data->weights[row];
}

/* The inputs of the m rows of a batch. */
static struct nnc_ahead rows_ahead(const struct nnc_plan *plan, const struct batch *batch, size_t m) {
    const nnc_data *data = batch->data;
    return (struct nnc_ahead){.x = batch->order ? data->x : row_of(data, batch->first),
                              .stride = data->x_stride,
                              .bytes = plan->n_inputs * (data->x_is_u8 ? 1 : sizeof(float)),
                              .order = batch->order ? batch->order + batch->first : NULL,
                              .rows = m};
}

/* Gathers rows [i0, i1) of the batch. */
static void gather(struct nnc_plan *plan, const struct batch *batch, size_t i0, size_t i1, const struct nnc_pass *pass) {
    const nnc_data *data = batch->data;
    const struct nnc_ahead ahead = rows_ahead(plan, batch, i1);
    const struct nnc_layer *reader = nnc_reader_of_batch(plan, pass);
    const bool in_place = pass->x.at;
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

/* Ends a phase: a barrier; the time since the last one is added to `row` of the clock. */
static void end_phase(const struct nnc_pass *pass, size_t row, bool backward, struct nnc_worker *worker) {
    nnc_team_barrier(worker);
    if (!pass->clock || worker->id != 0) return;
    const double now = nnc_seconds();
    pass->clock->seconds[2 * row + backward] += now - pass->clock->last;
    pass->clock->last = now;
}

/* False: a row is out of range, or the call must stop; all workers get the same answer. */
static bool forward_pass(struct nnc_plan *plan, const struct batch *batch, const struct nnc_pass *pass,
                         struct nnc_worker *worker) {
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, plan->n_inputs);) gather(plan, batch, i, end, pass);
    end_phase(pass, plan->n_specs, false, worker);
    if (atomic_load_explicit(batch->bad, memory_order_relaxed)) return false;
    for (size_t l = 0; l < plan->n_layers && !nnc_team_has_stopped(worker); l++) {
        if (nnc_is_idle(plan, l, pass)) continue;
        plan->layers[l].kind->forward(plan, l, pass, worker);
        end_phase(pass, plan->layers[l].index, false, worker);
    }
    return !nnc_team_has_stopped(worker);
}

/* False: the call must stop. */
static bool backward_pass(struct nnc_plan *plan, const struct nnc_pass *pass, struct nnc_worker *worker) {
    for (size_t l = plan->n_layers; l-- > 0 && !nnc_team_has_stopped(worker);) {
        const struct nnc_layer *layer = &plan->layers[l];
        if (layer->needs_backward && layer->kind->backward) layer->kind->backward(plan, l, pass, worker);
        end_phase(pass, layer->index, true, worker);
    }
    return !nnc_team_has_stopped(worker);
}

/* Applies the last activation to the outputs if it was fused with the loss. */
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
    plan->open_step.rows = 0; /* a new pass overwrites the arrays of the last one */
}

/* The divisor of the summed losses of a batch of m rows. */
static double divisor_of(const struct nnc_plan *plan, const nnc_data *data, size_t m) {
    return nnc_loss_divisor(&plan->loss, m, data->weights ? plan->weights : NULL);
}

/* The factor of the penalties: a loss `by_weight` divides them in the same way as the losses of the batch. */
static double penalty_factor_of(const struct nnc_plan *plan, const nnc_data *data, size_t m) {
    return plan->loss.by_weight ? 1 / divisor_of(plan, data, m) : 1;
}

/* Copies the finished outputs of rows [i0, i1) to the caller. */
static void copy_outputs(const struct nnc_plan *plan, size_t i0, size_t i1, float *outputs) {
    const struct nnc_layer *last = nnc_last_layer(plan);
    for (size_t i = i0; i < i1; i++)
        memcpy(outputs + i * plan->n_outputs, last->a + i * last->ld, plan->n_outputs * sizeof *outputs);
}

/* Computes value, gradient and metrics of rows [i0, i1), and copies their outputs to `outputs` (m, n_outputs) unless NULL. */
static void loss_of_rows(struct nnc_plan *plan, const nnc_data *data, const struct nnc_pass *pass, float *outputs,
                         atomic_bool *not_finite, size_t i0, size_t i1) {
    const struct nnc_layer *last = nnc_last_layer(plan);
    const size_t N = plan->n_outputs;
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
    if (plan->n_metrics || outputs) finish_outputs(plan, i0, i1);
    if (outputs) copy_outputs(plan, i0, i1, outputs);
    for (size_t i = i0; i < i1; i++)
        for (size_t k = 0; k < plan->n_metrics; k++)
            plan->metric_values[i * plan->n_metrics + k] =
                nnc_metric_row(&plan->metrics[k], N, last->a + i * last->ld, data->rows ? plan->y + i * plan->ldy : NULL,
                               data->ids ? plan->ids + i : NULL);
    if (pass->mode == TRAIN) nnc_take_derivative(last, i0, i1);
}

/* This worker's rows. */
static void loss_phase(struct nnc_plan *plan, const nnc_data *data, const struct nnc_pass *pass, float *outputs,
                       atomic_bool *not_finite, struct nnc_worker *worker) {
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, plan->n_outputs);)
        loss_of_rows(plan, data, pass, outputs, not_finite, i, end);
}

/* Sum of the rows' losses. */
static double batch_loss(const struct nnc_plan *plan, size_t m) {
    double sum = 0;
    for (size_t i = 0; i < m; i++) sum += plan->values[i];
    return sum * plan->loss.value_factor;
}

/* The destination of the outputs of row `row` of a call, or NULL. */
static float *outputs_at(const struct nnc_plan *plan, const nnc_sums *sums, size_t row) {
    return sums->outputs ? sums->outputs + row * plan->n_outputs : NULL;
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
    double deadline; /* of this stretch */
    bool may_be_long;
    bool keeps; /* the current step is long: what it changes has been copied */
    bool leave; /* the stretch is over, or another team continues */
    bool stopped; /* on request */
    atomic_bool bad, not_finite;
};

/* Before the parameters change: decides whether the step is long and must be undoable. */
static void decide_to_keep(struct training *t, double began, struct nnc_worker *worker) {
    t->keeps = t->may_be_long && nnc_team_is_polled(worker) && nnc_seconds() - began > LONG &&
               nnc_room_to_keep(t->plan->params, t->plan->n_params, &t->plan->kept) == NNC_OK;
    nnc_team_may_stop(worker, t->keeps);
}

/* The backward pass and the update of all parameters; false: the call must stop, and the parameters are restored. */
static bool update_pass(struct nnc_plan *plan, const struct nnc_pass *pass, bool keeps, struct nnc_worker *worker) {
    if (keeps) {
        nnc_keep(plan->params, plan->n_params, plan->kept, false, worker);
        nnc_team_barrier(worker);
    }
    if (backward_pass(plan, pass, worker)) return true;
    if (keeps) nnc_keep(plan->params, plan->n_params, plan->kept, true, worker);
    plan->written = true;
    return false;
}

/* The part of an update that follows the backward pass. */
static void finish_update(struct nnc_plan *plan, struct nnc_worker *worker) {
    if (plan->update.clips_norm) nnc_update_clipped(&plan->update, plan->params, plan->n_params, worker);
    if (plan->update.constrains) nnc_constrain(plan->params, plan->n_params, worker);
}

/* Continues with the step after those counted in `sums`. */
static void train_body(void *arg, struct nnc_worker *worker) {
    struct training *t = arg;
    struct nnc_plan *plan = t->plan;
    const nnc_schedule *s = t->schedule;
    size_t step = t->sums->steps, first = s->start + t->sums->rows;
    double began = nnc_seconds();
    struct nnc_clock clock = {began, s->seconds};
    for (; step < s->n_steps && first < s->stop && !t->leave; step++) {
        struct nnc_pass pass = {.m = least(s->batch_size, s->stop - first),
                                .mode = TRAIN,
                                .training = true,
                                .applied = true,
                                .epoch = s->epoch,
                                .step = s->step + step,
                                .clock = s->seconds ? &clock : NULL};
        const struct batch batch = {t->data, s->order, first, true, &t->bad};
        const struct batch next = {t->data, s->order, first + pass.m, true, &t->bad};
        const size_t left = step + 1 < s->n_steps ? s->stop - next.first : 0;
        const struct nnc_ahead ahead = rows_ahead(plan, &next, least(s->batch_size, left));
        pass.ahead = &ahead;
        nnc_team_may_stop(worker, true);
        if (!forward_pass(plan, &batch, &pass, worker)) break;
        loss_phase(plan, t->data, &pass, outputs_at(plan, t->sums, first - s->start), &t->not_finite, worker);
        if (worker->id == 0) {
            plan->update.hyper = nnc_hyper_of(&plan->update.optimizer, s->learning_rates[step], s->step + step);
            decide_to_keep(t, began, worker);
            plan->update.penalty_factor = penalty_factor_of(plan, t->data, pass.m);
        }
        end_phase(&pass, plan->n_specs, true, worker);
        if (nnc_team_has_stopped(worker) || atomic_load_explicit(&t->not_finite, memory_order_relaxed)) break;
        if (!update_pass(plan, &pass, t->keeps, worker)) break;
        if (worker->id == 0) {
            t->sums->steps++;
            t->sums->rows += pass.m;
            const double m = (double)pass.m; /* times the loss of the batch */
            t->sums->loss += batch_loss(plan, pass.m) * (m / divisor_of(plan, t->data, pass.m)) +
                             nnc_summed_penalty(plan->params, plan->n_params) * (m * plan->update.penalty_factor);
            add_metrics(plan, pass.m, t->sums->metrics);
            began = nnc_seconds();
            t->leave = began > t->deadline || nnc_team_is_crowded(worker);
        }
        end_phase(&pass, plan->n_specs, true, worker);
        finish_update(plan, worker);
        first += pass.m;
    }
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

/* The status of a call. */
static nnc_status status_of(bool bad, bool not_finite, bool stopped) {
    return bad ? NNC_BAD_ROW : not_finite ? NNC_NOT_FINITE : stopped ? NNC_STOPPED : NNC_OK;
}

/* Clipping by norm needs the complete gradient before the first update. */
static nnc_status prepare_update(struct nnc_plan *plan) {
    plan->update.apply = plan->update.clips_norm ? APPLY_STORE : APPLY_UPDATE;
    return plan->update.clips_norm ? keep_gradients(plan) : NNC_OK;
}

nnc_status nnc_plan_train(nnc_plan *plan, const nnc_data *data, const nnc_schedule *schedule, nnc_sums *sums) {
    sums->steps = sums->rows = 0;
    if (!plan->has_loss || !plan->has_optimizer || schedule->batch_size < 1 || schedule->batch_size > plan->batch_size)
        return NNC_INVALID;
    nnc_status status = prepare_update(plan);
    if (status) return status;
    prepare(plan, true);
    struct training t = {.plan = plan, .data = data, .schedule = schedule, .sums = sums};
    const double flops = step_flops(plan, schedule->batch_size);
    const int most = nnc_threads();
    t.may_be_long = flops > LONG_FLOPS;
    double now = nnc_seconds();
    const double deadline = now + schedule->budget;
    do {
        const size_t rows = sums->rows;
        const double start = now;
        double stretch;
        const int best = nnc_team_size_next(&plan->team_size, most, flops, &stretch);
        t.deadline = fmin(deadline, start + stretch), t.leave = false;
        run_team(plan, all_threads ? most : best, train_body, &t);
        now = nnc_seconds();
        nnc_team_size_note(&plan->team_size, (double)(sums->rows - rows), now - start);
        status = status_of(t.bad, t.not_finite, t.stopped);
    } while (!status && sums->steps < schedule->n_steps && schedule->start + sums->rows < schedule->stop && now <= deadline);
    return status;
}

/* ---- evaluation and inference ------------------------------------------------------------------------------------------ */

struct inference {
    struct nnc_plan *plan;
    const nnc_data *data;
    size_t start, done, stop; /* rows */
    nnc_sums *sums; /* evaluate */
    float *outputs; /* forward */
    bool leave; /* another team continues */
    bool stopped; /* on request */
    atomic_bool bad, not_finite;
};

static void advance(struct inference *t, size_t m, struct nnc_worker *worker) {
    if (worker->id == 0) t->done += m, t->leave = nnc_team_is_crowded(worker);
    nnc_team_barrier(worker);
}

static void evaluate_body(void *arg, struct nnc_worker *worker) {
    struct inference *t = arg;
    for (size_t first = t->done; first < t->stop && !t->leave;) {
        const struct nnc_pass pass = inference_pass(t->plan, t->data, first, least(t->plan->capacity, t->stop - first));
        const struct batch batch = {t->data, NULL, first, true, &t->bad};
        if (!forward_pass(t->plan, &batch, &pass, worker)) break;
        loss_phase(t->plan, t->data, &pass, outputs_at(t->plan, t->sums, first - t->start), &t->not_finite, worker);
        nnc_team_barrier(worker);
        if (nnc_team_has_stopped(worker)) break;
        if (worker->id == 0) {
            t->sums->rows += pass.m;
            t->sums->loss += batch_loss(t->plan, pass.m);
            add_metrics(t->plan, pass.m, t->sums->metrics);
        }
        advance(t, pass.m, worker);
        first += pass.m;
    }
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

/* Runs teams until all rows are done or the call ends early. */
static nnc_status infer(struct inference *t, void (*body)(void *arg, struct nnc_worker *worker)) {
    nnc_status status = NNC_OK;
    do {
        t->leave = false;
        run_team(t->plan, threads_for_inference(t->plan, t->stop - t->done), body, t);
        status = status_of(t->bad, false, t->stopped);
    } while (!status && t->done < t->stop);
    return status;
}

nnc_status nnc_plan_evaluate(nnc_plan *plan, const nnc_data *data, size_t start, size_t stop, nnc_sums *sums) {
    sums->steps = sums->rows = 0, sums->loss = 0;
    for (size_t k = 0; k < plan->n_metrics; k++) sums->metrics[k] = 0;
    if (!plan->has_loss || start > stop || stop > data->n) return NNC_INVALID;
    prepare(plan, false);
    struct inference t = {.plan = plan, .data = data, .start = start, .done = start, .stop = stop, .sums = sums};
    return infer(&t, evaluate_body);
}

/* ---- complete epochs --------------------------------------------------------------------------------------------------- */

/* Does training end after an epoch with this loss? */
static bool exhausts(nnc_patience *p, double loss) {
    p->count = loss > p->best - p->tolerance ? p->count + 1 : 0;
    if (loss < p->best) p->best = loss;
    return p->count > p->patience;
}

nnc_status nnc_plan_train_epochs(nnc_plan *plan, const nnc_data *data, nnc_epochs *e) {
    const double deadline = nnc_seconds() + e->budget;
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
        if ((e->patience && exhausts(e->patience, sums[1] / sums[0])) || nnc_seconds() > deadline) {
            e->done++;
            break;
        }
    }
    return NNC_OK;
}

/* ---- outputs ------------------------------------------------------------------------------------------------------------ */

/* Copies this worker's rows of the outputs to the caller. */
static void deliver(struct nnc_plan *plan, size_t m, float *outputs, struct nnc_worker *worker) {
    size_t i0, i1;
    nnc_share(worker, m, &i0, &i1);
    finish_outputs(plan, i0, i1);
    copy_outputs(plan, i0, i1, outputs);
}

static void forward_body(void *arg, struct nnc_worker *worker) {
    struct inference *t = arg;
    for (size_t first = t->done; first < t->stop && !t->leave;) {
        const struct nnc_pass pass = inference_pass(t->plan, t->data, first, least(t->plan->capacity, t->stop - first));
        const struct batch batch = {t->data, NULL, first, false, &t->bad};
        if (!forward_pass(t->plan, &batch, &pass, worker)) break;
        deliver(t->plan, pass.m, t->outputs + first * t->plan->n_outputs, worker);
        advance(t, pass.m, worker);
        first += pass.m;
    }
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

nnc_status nnc_plan_forward(nnc_plan *plan, const nnc_data *data, float *outputs) {
    prepare(plan, false);
    struct inference t = {.plan = plan, .data = data, .stop = data->n, .outputs = outputs};
    return infer(&t, forward_body);
}

/* ---- one batch at a time ------------------------------------------------------------------------------------------------- */

/* A call on one batch; each call uses the fields that it needs. */
struct single {
    struct nnc_plan *plan;
    const nnc_data *data;
    struct nnc_pass pass;
    double *loss;
    float *outputs;
    const float *d_outputs;
    bool keeps, stopped;
    atomic_bool bad, not_finite;
};

static nnc_status run_single(struct single *t, void (*body)(void *arg, struct nnc_worker *worker)) {
    run_team(t->plan, threads_for_step(t->plan, t->pass.m), body, t);
    return status_of(t->bad, false, t->stopped);
}

static void gradients_body(void *arg, struct nnc_worker *worker) {
    struct single *t = arg;
    struct nnc_plan *plan = t->plan;
    const struct batch batch = {t->data, NULL, 0, true, &t->bad};
    if (forward_pass(plan, &batch, &t->pass, worker)) {
        loss_phase(plan, t->data, &t->pass, NULL, &t->not_finite, worker);
        if (worker->id == 0) plan->update.penalty_factor = penalty_factor_of(plan, t->data, t->pass.m);
        nnc_team_barrier(worker);
        if (backward_pass(plan, &t->pass, worker) && worker->id == 0)
            *t->loss = batch_loss(plan, t->pass.m) / divisor_of(plan, t->data, t->pass.m) +
                       nnc_summed_penalty(plan->params, plan->n_params) * plan->update.penalty_factor;
    }
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
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
    return run_single(&t, gradients_body);
}

static void step_forward_body(void *arg, struct nnc_worker *worker) {
    struct single *t = arg;
    const struct batch batch = {t->data, NULL, 0, false, &t->bad};
    if (forward_pass(t->plan, &batch, &t->pass, worker)) deliver(t->plan, t->pass.m, t->outputs, worker);
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

nnc_status nnc_plan_step_forward(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                                 float *outputs) {
    if (plan->has_loss || data->n < 1 || data->n > plan->batch_size) return NNC_INVALID;
    prepare(plan, training);
    struct single t = {.plan = plan,
                       .data = data,
                       .outputs = outputs,
                       .pass = {.m = data->n, .mode = TRAIN, .training = training, .epoch = epoch, .step = step}};
    const double began = nnc_seconds();
    const nnc_status status = run_single(&t, step_forward_body);
    if (status) return status;
    plan->open_step.rows = data->n, plan->open_step.training = training;
    plan->open_step.is_long = nnc_seconds() - began > LONG;
    return NNC_OK;
}

/* Computes the gradients of all parameters from dL/d outputs; the update applies or stores them, as configured. */
static void step_backward_body(void *arg, struct nnc_worker *worker) {
    struct single *t = arg;
    struct nnc_plan *plan = t->plan;
    const struct nnc_layer *last = nnc_last_layer(plan);
    size_t i0, i1;
    nnc_share(worker, t->pass.m, &i0, &i1);
    nnc_copy_rows(i1 - i0, last->O, (struct nnc_read){t->d_outputs + i0 * last->O, last->O}, nnc_rows_of(last, last->da, i0));
    nnc_take_derivative(last, i0, i1);
    nnc_team_may_stop(worker, t->keeps || !t->pass.applied);
    nnc_team_barrier(worker);
    if (update_pass(plan, &t->pass, t->keeps, worker) && t->pass.applied) finish_update(plan, worker);
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

static nnc_status step_back(nnc_plan *plan, const float *d_outputs, bool applied, uint64_t step) {
    struct single t = {
        .plan = plan,
        .d_outputs = d_outputs,
        .pass = {
            .m = plan->open_step.rows, .mode = TRAIN, .training = plan->open_step.training, .applied = applied, .step = step}};
    t.keeps = applied && plan->open_step.is_long && nnc_room_to_keep(plan->params, plan->n_params, &plan->kept) == NNC_OK;
    plan->open_step.rows = 0;
    plan->update.penalty_factor = 1;
    return run_single(&t, step_backward_body);
}

nnc_status nnc_plan_step_backward(nnc_plan *plan, size_t n, const float *d_outputs, float learning_rate, uint64_t step) {
    if (plan->has_loss || !plan->has_optimizer || n < 1 || n != plan->open_step.rows || !plan->open_step.training)
        return NNC_INVALID;
    nnc_status status = prepare_update(plan);
    if (status) return status;
    plan->update.hyper = nnc_hyper_of(&plan->update.optimizer, learning_rate, step);
    return step_back(plan, d_outputs, true, step);
}

nnc_status nnc_plan_step_gradients(nnc_plan *plan, size_t n, const float *d_outputs) {
    if (plan->has_loss || n < 1 || n != plan->open_step.rows) return NNC_INVALID;
    nnc_status status = keep_gradients(plan);
    if (status) return status;
    plan->update.apply = APPLY_STORE;
    return step_back(plan, d_outputs, false, 0);
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
