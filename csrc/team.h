/* team.h -- the threads of one call: a team that runs one function side by side and meets at barriers. */
#ifndef NNC_TEAM_H
#define NNC_TEAM_H

#include <stdbool.h>
#include <stddef.h>

enum { NNC_WORK_BETWEEN = 1 << 21 }; /* multiply-adds or floats between two looks at the request to stop: below a millisecond */

struct nnc_team;

struct nnc_worker {
    int id, n;
    struct nnc_team *team;
    unsigned round; /* barriers passed */
    size_t work; /* done since the last look at the request to stop */
};

/* Run body(arg, worker) on up to n threads and wait for all. They are fewer where threads cannot be started, and for a while
 * after other programs were seen to keep the workers from running. Sets flush-to-zero in every one of them and restores it:
 * the momentum of dead inputs decays into denormals, which cost a hundred times a normal number. */
void nnc_team_run(int n, void (*body)(void *arg, struct nnc_worker *worker), void *arg);

/* Wait until every worker is here; what they wrote before is then seen by all. */
void nnc_team_barrier(struct nnc_worker *worker);

/* Have other programs kept workers from running, so that the rest of the call is better done by the smaller team of another
 * nnc_team_run? The answer may change at any time: one worker asks and tells the others. */
bool nnc_team_is_crowded(const struct nnc_worker *worker);

/* For tests: teams are as large as asked for, whatever other programs do. */
void nnc_team_ignore_others(bool ignore);

/* ---- requests to stop ------------------------------------------------------------------------------------------------- */

/* Is there anybody who may ask this call to stop (nnc_set_poll_here), and may he? Worker 0 says what holds from here on. */
bool nnc_team_is_polled(const struct nnc_worker *worker);
void nnc_team_may_stop(struct nnc_worker *worker, bool may);

/* Has the call been asked to stop? Between the items of a phase, which is then cut short: its results are not used. */
bool nnc_team_look(struct nnc_worker *worker);
static inline bool nnc_stopped(struct nnc_worker *worker, size_t work) {
    worker->work += work;
    return worker->work >= NNC_WORK_BETWEEN && nnc_team_look(worker);
}

/* The same behind a barrier, where all workers get the same answer. */
bool nnc_team_has_stopped(const struct nnc_worker *worker);

/* ---- shares ----------------------------------------------------------------------------------------------------------- */

/* This worker's share of `count` items: [*first, *last). */
static inline void nnc_share(const struct nnc_worker *worker, size_t count, size_t *first, size_t *last) {
    *first = count * (size_t)worker->id / (size_t)worker->n;
    *last = count * (size_t)(worker->id + 1) / (size_t)worker->n;
}

/* The next rows [*i, *end) of `width` floats, behind *end and before `last`, that are worked on between two looks; false: there
 * are no more, or the call has been asked to stop. */
static inline bool nnc_next_rows(struct nnc_worker *worker, size_t *i, size_t *end, size_t last, size_t width) {
    const size_t together = NNC_WORK_BETWEEN / (width + 1) + 1;
    *i = *end;
    if (*i >= last) return false;
    *end = last - *i < together ? last : *i + together;
    return !nnc_stopped(worker, (*end - *i) * width);
}

#endif
