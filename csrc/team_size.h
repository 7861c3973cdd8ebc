/* team_size.h -- the number of threads for a training step, measured during training.
 *
 * A second thread halves the arithmetic of a step but adds a barrier to each of its phases, and every cache line that one core
 * wrote and another reads must be transferred. The cost varies by orders of magnitude: 20 ns between cores of one cache, 200 ns
 * between two caches, milliseconds if another process occupies the core; and it changes while a program runs. The size of the
 * network therefore does not determine the best choice. Teams of n, n / 2, ..., 1 threads are tried for half a millisecond from
 * time to time, after half a millisecond in which threads wake up and data moves into their caches, and the fastest is used.
 * The result is bitwise the same for every team size, so it does not depend on this. */
#ifndef NNC_TEAM_SIZE_H
#define NNC_TEAM_SIZE_H

#include <stddef.h>

enum { NNC_TEAM_LEVELS = 12 };

/* The team at level l has max(1, most >> l) threads. All 0: no measurement yet. */
struct nnc_team_size {
    int most;
    size_t level;                    /* the fastest so far */
    size_t tried;                    /* the level of the current stretch */
    double per_row[NNC_TEAM_LEVELS]; /* seconds, as last measured; 0: not yet */
    double age[NNC_TEAM_LEVELS];     /* seconds of training since then */
    double repeat;                   /* seconds of training after which a team is tried again */
    double warm;                     /* seconds that the team has trained since the last change; WARM_UP at most */
    double rows, seconds;            /* of the measurement in progress */
};

/* Number of threads, at most `most`, for the next stretch of training with steps of `flops` operations; *seconds: its maximum
 * duration. */
int nnc_team_size_next(struct nnc_team_size *size, int most, double flops, double *seconds);

/* Records that the stretch trained `rows` rows in `seconds`. */
void nnc_team_size_note(struct nnc_team_size *size, double rows, double seconds);

#endif
