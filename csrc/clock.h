/* clock.h -- seconds of a monotonic clock. */
#ifndef NNC_CLOCK_H
#define NNC_CLOCK_H

#include <time.h>

static inline double nnc_seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline double nnc_seconds(void) {
    return nnc_seconds_of(CLOCK_MONOTONIC);
}

#endif
