/* team.h -- the threads of one call: a team that runs one function side by side and meets at barriers. */
#ifndef NNC_TEAM_H
#define NNC_TEAM_H

#include <stddef.h>

struct nnc_barrier;

struct nnc_worker {
    int id, n;
    struct nnc_barrier *barrier;
    unsigned round; /* barriers passed */
    unsigned spins; /* looks at a barrier before the core is given away */
};

/* Run body(arg, worker) on up to n threads and wait for all. Sets flush-to-zero in every one of them and restores it:
 * the momentum of dead inputs decays into denormals, which cost a hundred times a normal number. */
void nnc_team_run(int n, void (*body)(void *arg, struct nnc_worker *worker), void *arg);

/* Wait until every worker is here; what they wrote before is then seen by all. */
void nnc_team_barrier(struct nnc_worker *worker);

/* This worker's share of `count` items: [*first, *last). */
static inline void nnc_share(const struct nnc_worker *worker, size_t count, size_t *first, size_t *last) {
    *first = count * (size_t)worker->id / (size_t)worker->n;
    *last = count * (size_t)(worker->id + 1) / (size_t)worker->n;
}

#endif
