/* team_size.h -- how many threads a step of training is worth, measured while it trains.
 *
 * A second thread halves the arithmetic of a step and adds a barrier to each of its phases, and every cache line that one core
 * wrote and another reads has to travel. What that costs differs tenfold: 20 ns from core to core within one cache, 200 ns between
 * two, milliseconds where another process has the core; and it changes while a program runs. So no size of a net decides it. Teams
 * of n, n / 2, ..., 1 threads are tried for half a millisecond now and then, and the fastest trains on. The bits of the result do
 * not depend on the size of a team, and so not on this choice. */
#ifndef NNC_TEAM_SIZE_H
#define NNC_TEAM_SIZE_H

#include <stddef.h>

enum { NNC_TEAM_LEVELS = 12 };

/* The team at level l has max(1, most >> l) threads. All 0: nothing is known. */
struct nnc_team_size {
    int most;
    size_t level;                    /* the fastest so far */
    size_t tried;                    /* the level of the stretch under way */
    double per_row[NNC_TEAM_LEVELS]; /* seconds, as last measured; 0: not yet */
    double age[NNC_TEAM_LEVELS];     /* seconds of training since then */
    double repeat;                   /* seconds of training after which a team is tried again */
    double rows, seconds;            /* of the measurement under way */
};

/* Threads for the next stretch of training, at most `most`, of steps of `flops` operations; *seconds: how long it may last. */
int nnc_team_size_next(struct nnc_team_size *size, int most, double flops, double *seconds);

/* That stretch trained `rows` rows in `seconds`. */
void nnc_team_size_note(struct nnc_team_size *size, double rows, double seconds);

#endif
