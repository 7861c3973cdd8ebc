/* phases.c -- see phases.h. */

#include "phases.h"

#include <math.h>
#include <string.h>

#include "activation.h"
#include "os.h"

static const double FLOPS_PER_THREAD = 1e6; /* of a pass: below this a second thread costs more in barriers than it saves */
static const double FLOPS_PER_TEAM = 4e6; /* of a call: below this starting the team costs more than it saves */

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

double nnc_step_flops(const struct nnc_plan *plan, size_t m) {
    return 3 * (double)m * row_flops(plan);
}

static bool all_threads;

void nnc_use_all_threads(bool all) {
    all_threads = all;
    nnc_team_ignore_others(all);
}

bool nnc_all_threads(void) {
    return all_threads;
}

/* The number of threads that pay off, at most those that a call may use; if it is one, the system is not queried. */
static int threads_worth(double worth) {
    if (worth < 2 && !all_threads) return 1;
    const int n = nnc_threads();
    return worth < n && !all_threads ? (int)worth : n;
}

int nnc_threads_for_step(const struct nnc_plan *plan, size_t m) {
    return threads_worth(1 + nnc_step_flops(plan, m) / FLOPS_PER_THREAD);
}

int nnc_threads_for_inference(const struct nnc_plan *plan, size_t rows) {
    const double per_pass = row_flops(plan) * (double)least(plan->capacity, rows) / FLOPS_PER_THREAD;
    const double per_call = row_flops(plan) * (double)rows / FLOPS_PER_TEAM;
    return threads_worth(1 + fmin(per_pass, per_call));
}

/* ---- teams ------------------------------------------------------------------------------------------------------- */

struct region {
    const struct nnc_products *products;
    nnc_team_body *body;
    void *arg;
};

static void region_body(void *arg, struct nnc_worker *worker) {
    const struct region *region = arg;
    region->products->begin();
    region->body(region->arg, worker);
    region->products->end();
}

void nnc_run_team(const struct nnc_plan *plan, int n, nnc_team_body *body, void *arg) {
    struct region region = {nnc_products_of(plan), body, arg};
    if (region.products->begin) nnc_team_run(n, region_body, &region);
    else nnc_team_run(n, body, arg);
}

/* ---- before passes, by one thread -------------------------------------------------------------------------------- */

void nnc_prepare(struct nnc_plan *plan, bool training) {
    for (size_t l = 0; l < plan->n_layers; l++)
        if (plan->layers[l].kind->prepare) plan->layers[l].kind->prepare(&plan->layers[l], training, plan->written);
    plan->written = false;
    plan->open_step.rows = 0; /* a new pass overwrites the arrays of the last one */
}

nnc_status nnc_prepare_update(struct nnc_plan *plan) {
    plan->update.apply = plan->update.clips_norm ? APPLY_STORE : APPLY_UPDATE;
    return plan->update.clips_norm ? nnc_keep_gradients(plan->params, plan->n_params, &plan->gradients) : NNC_OK;
}

double nnc_divisor_of(const struct nnc_plan *plan, const nnc_data *data, size_t m) {
    return nnc_loss_divisor(&plan->loss, m, data->weights ? plan->weights : NULL);
}

double nnc_penalty_factor_of(const struct nnc_plan *plan, const nnc_data *data, size_t m) {
    return plan->loss.by_weight ? 1 / nnc_divisor_of(plan, data, m) : 1;
}

/* ---- phases, by all workers -------------------------------------------------------------------------------------- */

void nnc_end_phase(const struct nnc_pass *pass, size_t row, bool backward, struct nnc_worker *worker) {
    nnc_team_barrier(worker);
    if (!pass->clock || worker->id != 0) return;
    const double now = nnc_seconds();
    pass->clock->seconds[2 * row + backward] += now - pass->clock->last;
    pass->clock->last = now;
}

bool nnc_forward_pass(struct nnc_plan *plan, const struct nnc_batch *batch, const struct nnc_pass *pass,
                      struct nnc_worker *worker) {
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, plan->n_inputs);) nnc_gather(plan, batch, i, end, pass);
    nnc_end_phase(pass, plan->n_specs, false, worker);
    if (atomic_load_explicit(batch->bad, memory_order_relaxed)) return false;
    for (size_t l = 0; l < plan->n_layers && !nnc_team_has_stopped(worker); l++) {
        if (nnc_is_idle(plan, l, pass)) continue;
        plan->layers[l].kind->forward(plan, l, pass, worker);
        nnc_end_phase(pass, plan->layers[l].index, false, worker);
    }
    return !nnc_team_has_stopped(worker);
}

bool nnc_backward_pass(struct nnc_plan *plan, const struct nnc_pass *pass, struct nnc_worker *worker) {
    for (size_t l = plan->n_layers; l-- > 0 && !nnc_team_has_stopped(worker);) {
        const struct nnc_layer *layer = &plan->layers[l];
        if (layer->needs_backward && layer->kind->backward) layer->kind->backward(plan, l, pass, worker);
        nnc_end_phase(pass, layer->index, true, worker);
    }
    return !nnc_team_has_stopped(worker);
}

/* Applies the last activation to the outputs if it was fused with the loss. */
static void finish_outputs(const struct nnc_plan *plan, size_t i0, size_t i1) {
    const struct nnc_layer *last = nnc_last_layer(plan);
    if (plan->output_activation.id != ACTIVATION_linear)
        nnc_activate(&plan->output_activation, i1 - i0, last->O, nnc_rows_of(last, last->a, i0), (struct nnc_write){0});
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
    block.scale = (float)(plan->loss.gradient_factor / nnc_divisor_of(plan, data, pass->m));
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

void nnc_loss_phase(struct nnc_plan *plan, const nnc_data *data, const struct nnc_pass *pass, float *outputs,
                    atomic_bool *not_finite, struct nnc_worker *worker) {
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i, end = i0; nnc_next_rows(worker, &i, &end, i1, plan->n_outputs);)
        loss_of_rows(plan, data, pass, outputs, not_finite, i, end);
}

double nnc_batch_loss(const struct nnc_plan *plan, size_t m) {
    double sum = 0;
    for (size_t i = 0; i < m; i++) sum += plan->values[i];
    return sum * plan->loss.value_factor;
}

bool nnc_update_pass(struct nnc_plan *plan, const struct nnc_pass *pass, bool keeps, struct nnc_worker *worker) {
    if (keeps) {
        nnc_keep(plan->params, plan->n_params, plan->kept, false, worker);
        nnc_team_barrier(worker);
    }
    if (nnc_backward_pass(plan, pass, worker)) return true;
    if (keeps) nnc_keep(plan->params, plan->n_params, plan->kept, true, worker);
    plan->written = true;
    return false;
}

void nnc_finish_update(struct nnc_plan *plan, struct nnc_worker *worker) {
    if (plan->update.clips_norm) nnc_update_clipped(&plan->update, plan->params, plan->n_params, worker);
    if (plan->update.constrains) nnc_constrain(plan->params, plan->n_params, worker);
}

void nnc_deliver(struct nnc_plan *plan, size_t m, float *outputs, struct nnc_worker *worker) {
    size_t i0, i1;
    nnc_share(worker, m, &i0, &i1);
    finish_outputs(plan, i0, i1);
    copy_outputs(plan, i0, i1, outputs);
}
