/* team_size.c -- see team_size.h. */

#include "team_size.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const double WARM_UP = 0.5e-3;     /* seconds of training before it is measured: threads wake up, caches are cold */
static const double TRIAL = 0.5e-3;       /* seconds of training that measure the speed of a team */
static const double FIRST_REPEAT = 5e-3;  /* seconds of training after which it is measured again, doubled each time: */
static const double LAST_REPEAT = 0.3;    /* the first measurements have cold caches and threads that have just woken up */
static const double GAIN = 0.97;          /* maximum time relative to the current team for which to switch to another */
static const double LEAST_FLOPS = 50e3; /* per thread in a step: with fewer, the barriers alone take longer on any machine */
static const double GUESS_FLOPS = 1e6; /* per thread in a step, before the first measurement */
static const double MOST_FLOPS = 30e6; /* per thread in a step: with more, barriers do not matter */

static int threads_at(const struct nnc_team_size *size, size_t level) {
    const int n = size->most >> level;
    return n > 1 ? n : 1;
}

/* The level of the largest team whose threads have at least `flops` operations each, of `all` in a step; else the smallest. */
static size_t level_with(const struct nnc_team_size *size, double all, double flops) {
    size_t level = 0;
    while (threads_at(size, level) > 1 && all < flops * threads_at(size, level)) level++;
    return level;
}

/* Does level l need a measurement, for the first time or again? */
static bool is_asked(const struct nnc_team_size *size, size_t l, size_t first, size_t last) {
    return l >= first && l <= last && (size->per_row[l] == 0 || size->age[l] > size->repeat);
}

/* The next level to measure: the one in use or one of its neighbors. */
static size_t asked(const struct nnc_team_size *size, size_t first, size_t last) {
    const size_t here = size->level;
    if (size->per_row[here] == 0) return here;
    if (here > 0 && is_asked(size, here - 1, first, last)) return here - 1;
    return is_asked(size, here + 1, first, last) ? here + 1 : here;
}

int nnc_team_size_next(struct nnc_team_size *size, int most, double flops, double *seconds) {
    if (size->most != most) {
        memset(size, 0, sizeof *size);
        size->most = most;
        size->repeat = FIRST_REPEAT;
        size->level = size->tried = level_with(size, flops, GUESS_FLOPS);
    }
    const size_t first = level_with(size, flops, LEAST_FLOPS), last = level_with(size, flops, MOST_FLOPS);
    *seconds = INFINITY;
    if (first >= last) { /* nothing to choose from */
        size->tried = size->level = first;
        return threads_at(size, first);
    }
    if (size->level < first || size->level > last) size->level = size->tried = first;
    const size_t before = size->tried;
    if (size->warm >= WARM_UP && size->seconds == 0) size->tried = asked(size, first, last); /* else one is being measured */
    if (size->tried != before) size->warm = 0;
    const bool settled = size->tried == size->level && size->per_row[size->level] != 0;
    *seconds = settled ? size->repeat : size->warm < WARM_UP ? WARM_UP - size->warm : TRIAL - size->seconds;
    return threads_at(size, size->tried);
}

void nnc_team_size_note(struct nnc_team_size *size, double rows, double seconds) {
    for (size_t l = 0; l < NNC_TEAM_LEVELS; l++) size->age[l] += seconds;
    if (size->warm < WARM_UP) {
        size->warm += seconds;
        return;
    }
    size->rows += rows, size->seconds += seconds;
    if (size->seconds < TRIAL || size->rows == 0) return;
    const bool again = size->per_row[size->tried] != 0;
    if (again && size->tried != size->level) size->repeat = fmin(2 * size->repeat, LAST_REPEAT);
    size->per_row[size->tried] = size->seconds / size->rows;
    size->age[size->tried] = 0;
    size->rows = size->seconds = 0;
    const size_t here = size->level;
    for (size_t l = here ? here - 1 : 0; l <= here + 1 && l < NNC_TEAM_LEVELS; l++)
        if (size->per_row[l] != 0 && size->per_row[l] < GAIN * size->per_row[size->level]) size->level = l;
}
