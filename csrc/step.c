/* step.c -- runs a plan on one batch: gradients, and the two halves of a step whose loss is computed by the caller. */

#include "activation.h"
#include "os.h"
#include "phases.h"

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
    nnc_run_team(t->plan, nnc_threads_for_step(t->plan, t->pass.m), body, t);
    return nnc_status_of(t->bad, false, t->stopped);
}

static void gradients_body(void *arg, struct nnc_worker *worker) {
    struct single *t = arg;
    struct nnc_plan *plan = t->plan;
    const struct nnc_batch batch = {t->data, NULL, 0, true, &t->bad};
    if (nnc_forward_pass(plan, &batch, &t->pass, worker)) {
        nnc_loss_phase(plan, t->data, &t->pass, NULL, &t->not_finite, worker);
        if (worker->id == 0) plan->update.penalty_factor = nnc_penalty_factor_of(plan, t->data, t->pass.m);
        nnc_team_barrier(worker);
        if (nnc_backward_pass(plan, &t->pass, worker) && worker->id == 0)
            *t->loss = nnc_batch_loss(plan, t->pass.m) / nnc_divisor_of(plan, t->data, t->pass.m) +
                       nnc_summed_penalty(plan->params, plan->n_params) * plan->update.penalty_factor;
    }
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

nnc_status nnc_plan_gradients(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                              double *loss) {
    if (!plan->has_loss || data->n < 1 || data->n > plan->batch_size) return NNC_INVALID;
    nnc_status status = nnc_keep_gradients(plan->params, plan->n_params, &plan->gradients);
    if (status) return status;
    plan->update.apply = APPLY_STORE;
    nnc_prepare(plan, training);
    struct single t = {.plan = plan,
                       .data = data,
                       .loss = loss,
                       .pass = {.m = data->n, .mode = TRAIN, .training = training, .epoch = epoch, .step = step}};
    return run_single(&t, gradients_body);
}

static void step_forward_body(void *arg, struct nnc_worker *worker) {
    struct single *t = arg;
    const struct nnc_batch batch = {t->data, NULL, 0, false, &t->bad};
    if (nnc_forward_pass(t->plan, &batch, &t->pass, worker)) nnc_deliver(t->plan, t->pass.m, t->outputs, worker);
    if (worker->id == 0) t->stopped = nnc_team_has_stopped(worker);
}

nnc_status nnc_plan_step_forward(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                                 float *outputs) {
    if (plan->has_loss || data->n < 1 || data->n > plan->batch_size) return NNC_INVALID;
    nnc_prepare(plan, training);
    struct single t = {.plan = plan,
                       .data = data,
                       .outputs = outputs,
                       .pass = {.m = data->n, .mode = TRAIN, .training = training, .epoch = epoch, .step = step}};
    const double began = nnc_seconds();
    const nnc_status status = run_single(&t, step_forward_body);
    if (status) return status;
    plan->open_step.rows = data->n, plan->open_step.training = training;
    plan->open_step.is_long = nnc_is_long(nnc_seconds() - began);
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
    if (nnc_update_pass(plan, &t->pass, t->keeps, worker) && t->pass.applied) nnc_finish_update(plan, worker);
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
    nnc_status status = nnc_prepare_update(plan);
    if (status) return status;
    nnc_begin_step(&plan->update, learning_rate, step);
    return step_back(plan, d_outputs, true, step);
}

nnc_status nnc_plan_step_gradients(nnc_plan *plan, size_t n, const float *d_outputs) {
    if (plan->has_loss || n < 1 || n != plan->open_step.rows) return NNC_INVALID;
    nnc_status status = nnc_keep_gradients(plan->params, plan->n_params, &plan->gradients);
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
