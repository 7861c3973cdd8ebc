/* phases.h -- the phases of a step: gather -> forward -> loss -> backward -> update.
 *
 * All workers of a team call the same functions; each does its share of a phase, and there is a barrier wherever the next phase
 * reads what another worker wrote. Worker 0 computes sums over the batch in row order. */
#ifndef NNC_PHASES_H
#define NNC_PHASES_H

#include "gather.h"

/* ---- teams ---------------------------------------------------------------------------------------------------------- */

typedef void nnc_team_body(void *arg, struct nnc_worker *worker);

/* A step whose forward pass takes longer is undone by a stop request: it is not completed. */
static inline bool nnc_is_long(double seconds) {
    return seconds > 0.04;
}

/* Operations of a forward and backward pass over m rows. */
double nnc_step_flops(const struct nnc_plan *plan, size_t m);

/* Threads for a single forward and backward pass over m rows. */
int nnc_threads_for_step(const struct nnc_plan *plan, size_t m);

/* Threads for inference on `rows` rows: a pass must justify its barriers, and the call, which may be a single row, waking a
 * team. */
int nnc_threads_for_inference(const struct nnc_plan *plan, size_t rows);

/* Does every call use all threads that it may use? See nnc_use_all_threads. */
bool nnc_all_threads(void);

/* Runs a team in which every thread is set up for the plan's products. */
void nnc_run_team(const struct nnc_plan *plan, int n, nnc_team_body *body, void *arg);

/* The status of a call. */
static inline nnc_status nnc_status_of(bool bad, bool not_finite, bool stopped) {
    return bad ? NNC_BAD_ROW : not_finite ? NNC_NOT_FINITE : stopped ? NNC_STOPPED : NNC_OK;
}

/* ---- before passes, by one thread ------------------------------------------------------------------------------------ */

void nnc_prepare(struct nnc_plan *plan, bool training);

/* Clipping by norm needs the complete gradient before the first update. */
nnc_status nnc_prepare_update(struct nnc_plan *plan);

/* The divisor of the summed losses of a batch of m rows. */
double nnc_divisor_of(const struct nnc_plan *plan, const nnc_data *data, size_t m);

/* The factor of the penalties: a loss `by_weight` divides them in the same way as the losses of the batch. */
double nnc_penalty_factor_of(const struct nnc_plan *plan, const nnc_data *data, size_t m);

/* ---- phases, by all workers ------------------------------------------------------------------------------------------ */

/* Ends a phase: a barrier; the time since the last one is added to `row` of the clock. */
void nnc_end_phase(const struct nnc_pass *pass, size_t row, bool backward, struct nnc_worker *worker);

/* Gather and forward pass; false: a row is out of range, or the call must stop; all workers get the same answer. */
bool nnc_forward_pass(struct nnc_plan *plan, const struct nnc_batch *batch, const struct nnc_pass *pass,
                      struct nnc_worker *worker);

/* Value, gradient and metrics of this worker's rows; copies their outputs to `outputs` (m, n_outputs) unless NULL. */
void nnc_loss_phase(struct nnc_plan *plan, const nnc_data *data, const struct nnc_pass *pass, float *outputs,
                    atomic_bool *not_finite, struct nnc_worker *worker);

/* Sum of the rows' losses. */
double nnc_batch_loss(const struct nnc_plan *plan, size_t m);

/* False: the call must stop. */
bool nnc_backward_pass(struct nnc_plan *plan, const struct nnc_pass *pass, struct nnc_worker *worker);

/* The backward pass and the update of all parameters; false: the call must stop, and the parameters are restored, if the step
 * `keeps` them. */
bool nnc_update_pass(struct nnc_plan *plan, const struct nnc_pass *pass, bool keeps, struct nnc_worker *worker);

/* The part of an update that follows the backward pass. */
void nnc_finish_update(struct nnc_plan *plan, struct nnc_worker *worker);

/* Copies this worker's rows of the outputs to the caller. */
void nnc_deliver(struct nnc_plan *plan, size_t m, float *outputs, struct nnc_worker *worker);

#endif
