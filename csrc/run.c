/* run.c -- runs a plan over many rows: trains, evaluates, predicts.
 *
 * Each public function starts a team and stays in it for all of its work. */

#include <math.h>

#include "os.h"
#include "phases.h"

static const double LONG_FLOPS = 1e7; /* operations from which a step may be long, on any machine */

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
    t->keeps = t->may_be_long && nnc_team_is_polled(worker) && nnc_is_long(nnc_seconds() - began) &&
               nnc_room_to_keep(t->plan->params, t->plan->n_params, &t->plan->kept) == NNC_OK;
    nnc_team_may_stop(worker, t->keeps);
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
        const struct nnc_batch batch = {t->data, s->order, first, true, &t->bad};
        const struct nnc_batch next = {t->data, s->order, first + pass.m, true, &t->bad};
        const size_t left = step + 1 < s->n_steps ? s->stop - next.first : 0;
        const struct nnc_ahead ahead = nnc_rows_ahead(plan, &next, least(s->batch_size, left));
        pass.ahead = &ahead;
        nnc_team_may_stop(worker, true);
        if (!nnc_forward_pass(plan, &batch, &pass, worker)) break;
        nnc_loss_phase(plan, t->data, &pass, outputs_at(plan, t->sums, first - s->start), &t->not_finite, worker);
        if (worker->id == 0) {
            nnc_begin_step(&plan->update, s->learning_rates[step], s->step + step);
            decide_to_keep(t, began, worker);
            plan->update.penalty_factor = nnc_penalty_factor_of(plan, t->data, pass.m);
        }
        nnc_end_phase(&pass, plan->n_specs, true, worker);
        if (nnc_team_has_stopped(worker) || atomic_load_explicit(&t->not_finite, memory_order_relaxed)) break;
        if (!nnc_update_pass(plan, &pass, t->keeps, worker)) break;
        if (worker->id == 0) {
            t->sums->steps++;
            t->sums->rows += pass.m;
            const double m = (double)pass.m; /* times the loss of the batch */
            t->sums->loss += nnc_batch_loss(plan, pass.m) * (m / nnc_divisor_of(plan, t->data, pass.m)) +
                             nnc_summed_penalty(plan->params, plan->n_params) * (m * plan->update.penalty_factor);
            add_metrics(plan, pass.m, t->sums->metrics);
            began = nnc_seconds();
            t->leave = began > t->deadline || nnc_team_is_crowded(worker);
        }
        nnc_end_phase(&pass, plan->n_specs, true, worker);
        nnc_finish_update(plan, worker);
        first += pass.m;
    }
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

nnc_status nnc_plan_train(nnc_plan *plan, const nnc_data *data, const nnc_schedule *schedule, nnc_sums *sums) {
    sums->steps = sums->rows = 0;
    if (!plan->has_loss || !plan->has_optimizer || schedule->batch_size < 1 || schedule->batch_size > plan->batch_size)
        return NNC_INVALID;
    nnc_status status = nnc_prepare_update(plan);
    if (status) return status;
    nnc_prepare(plan, true);
    struct training t = {.plan = plan, .data = data, .schedule = schedule, .sums = sums};
    const double flops = nnc_step_flops(plan, schedule->batch_size);
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
        nnc_run_team(plan, nnc_all_threads() ? most : best, train_body, &t);
        now = nnc_seconds();
        nnc_team_size_note(&plan->team_size, (double)(sums->rows - rows), now - start);
        status = nnc_status_of(t.bad, t.not_finite, t.stopped);
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
        const struct nnc_pass pass = nnc_inference_pass(t->plan, t->data, first, least(t->plan->capacity, t->stop - first));
        const struct nnc_batch batch = {t->data, NULL, first, true, &t->bad};
        if (!nnc_forward_pass(t->plan, &batch, &pass, worker)) break;
        nnc_loss_phase(t->plan, t->data, &pass, outputs_at(t->plan, t->sums, first - t->start), &t->not_finite, worker);
        nnc_team_barrier(worker);
        if (nnc_team_has_stopped(worker)) break;
        if (worker->id == 0) {
            t->sums->rows += pass.m;
            t->sums->loss += nnc_batch_loss(t->plan, pass.m);
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
        nnc_run_team(t->plan, nnc_threads_for_inference(t->plan, t->stop - t->done), body, t);
        status = nnc_status_of(t->bad, false, t->stopped);
    } while (!status && t->done < t->stop);
    return status;
}

nnc_status nnc_plan_evaluate(nnc_plan *plan, const nnc_data *data, size_t start, size_t stop, nnc_sums *sums) {
    sums->steps = sums->rows = 0, sums->loss = 0;
    for (size_t k = 0; k < plan->n_metrics; k++) sums->metrics[k] = 0;
    if (!plan->has_loss || start > stop || stop > data->n) return NNC_INVALID;
    nnc_prepare(plan, false);
    struct inference t = {.plan = plan, .data = data, .start = start, .done = start, .stop = stop, .sums = sums};
    return infer(&t, evaluate_body);
}

static void forward_body(void *arg, struct nnc_worker *worker) {
    struct inference *t = arg;
    for (size_t first = t->done; first < t->stop && !t->leave;) {
        const struct nnc_pass pass = nnc_inference_pass(t->plan, t->data, first, least(t->plan->capacity, t->stop - first));
        const struct nnc_batch batch = {t->data, NULL, first, false, &t->bad};
        if (!nnc_forward_pass(t->plan, &batch, &pass, worker)) break;
        nnc_deliver(t->plan, pass.m, t->outputs + first * t->plan->n_outputs, worker);
        advance(t, pass.m, worker);
        first += pass.m;
    }
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

nnc_status nnc_plan_forward(nnc_plan *plan, const nnc_data *data, float *outputs) {
    nnc_prepare(plan, false);
    struct inference t = {.plan = plan, .data = data, .stop = data->n, .outputs = outputs};
    return infer(&t, forward_body);
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
