/* sizes.h -- arithmetic on sizes and indices. */
#ifndef NNC_SIZES_H
#define NNC_SIZES_H

#include <stddef.h>

static inline size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static inline size_t nnc_round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* Number of parts of `size` needed to cover n. */
static inline size_t nnc_parts(size_t n, size_t size) {
    return (n + size - 1) / size;
}

/* Index of the largest element; the first one if there are several. */
static inline size_t nnc_argmax(size_t n, const float *x) {
    size_t best = 0;
    for (size_t j = 1; j < n; j++)
        if (x[j] > x[best]) best = j;
    return best;
}

#endif
