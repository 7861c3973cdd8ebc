/* team.h -- the threads of one call: a team that runs one function in parallel and synchronizes at barriers. */
#ifndef NNC_TEAM_H
#define NNC_TEAM_H

#include <stdbool.h>
#include <stddef.h>

enum { NNC_WORK_BETWEEN = 1 << 21 }; /* multiply-adds or floats between two checks for a stop request: below a millisecond */

struct nnc_team;

struct nnc_worker {
    int id, n;
    struct nnc_team *team;
    unsigned round; /* barriers passed */
    size_t work; /* done since the last check for a stop request */
};

/* Run body(arg, worker) on up to n threads and wait for all. There are fewer threads if they cannot be started, and for some
 * time after other programs have kept workers from running. Sets flush-to-zero in every thread and restores the previous mode:
 * the momentum of dead inputs decays to denormals, which are a hundred times slower than normal numbers. */
void nnc_team_run(int n, void (*body)(void *arg, struct nnc_worker *worker), void *arg);

/* Wait until every worker has arrived; everything written before the barrier is then visible to all. */
void nnc_team_barrier(struct nnc_worker *worker);

/* True if other programs have kept workers from running, so that the rest of the call should run in another nnc_team_run with
 * a smaller team. The answer may change at any time: one worker asks and tells the others. */
bool nnc_team_is_crowded(const struct nnc_worker *worker);

/* For tests: teams have the requested size whatever other programs do. */
void nnc_team_ignore_others(bool ignore);

/* ---- requests to stop ------------------------------------------------------------------------------------------------- */

/* Is there a function that can stop this call (nnc_set_poll_here)? nnc_team_may_stop: worker 0 allows stopping or forbids it
 * from here on. */
bool nnc_team_is_polled(const struct nnc_worker *worker);
void nnc_team_may_stop(struct nnc_worker *worker, bool may);

/* Has a stop been requested? Checked between the items of a phase, which then ends early: its results are not used. */
bool nnc_team_look(struct nnc_worker *worker);
static inline bool nnc_stopped(struct nnc_worker *worker, size_t work) {
    worker->work += work;
    return worker->work >= NNC_WORK_BETWEEN && nnc_team_look(worker);
}

/* The same after a barrier, where all workers get the same answer. */
bool nnc_team_has_stopped(const struct nnc_worker *worker);

/* ---- shares ----------------------------------------------------------------------------------------------------------- */

/* This worker's share of `count` items: [*first, *last). */
static inline void nnc_share(const struct nnc_worker *worker, size_t count, size_t *first, size_t *last) {
    *first = 0, *last = count;
    if (worker->n == 1) return; /* two divisions take as long as a phase of the smallest networks */
    *first = count * (size_t)worker->id / (size_t)worker->n;
    *last = count * (size_t)(worker->id + 1) / (size_t)worker->n;
}

/* The next rows [*i, *end) of `width` floats, from *end up to `last` at most, to process before the next check for a stop
 * request; false: there are no more, or a stop has been requested. */
static inline bool nnc_next_rows(struct nnc_worker *worker, size_t *i, size_t *end, size_t last, size_t width) {
    const size_t together = NNC_WORK_BETWEEN / (width + 1) + 1;
    *i = *end;
    if (*i >= last) return false;
    *end = last - *i < together ? last : *i + together;
    return !nnc_stopped(worker, (*end - *i) * width);
}

#endif
