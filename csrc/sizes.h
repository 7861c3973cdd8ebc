/* sizes.h -- arithmetic on sizes and places. */
#ifndef NNC_SIZES_H
#define NNC_SIZES_H

#include <stddef.h>

static inline size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static inline size_t nnc_round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* Parts of `size` that n needs. */
static inline size_t nnc_parts(size_t n, size_t size) {
    return (n + size - 1) / size;
}

/* The first of the largest. */
static inline size_t nnc_argmax(size_t n, const float *x) {
    size_t best = 0;
    for (size_t j = 1; j < n; j++)
        if (x[j] > x[best]) best = j;
    return best;
}

#endif
