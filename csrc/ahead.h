/* ahead.h -- rows of the caller's data that will be read soon: shuffled rows are too irregular for the hardware prefetcher. */
#ifndef NNC_AHEAD_H
#define NNC_AHEAD_H

#include "nnc.h"

struct nnc_ahead {
    const void *x;
    ptrdiff_t stride;     /* bytes from one row to the next */
    size_t bytes;         /* of a row */
    const int64_t *order; /* NULL, or row i is row order[i] of x */
    size_t rows;
};

/* A prefetch cannot fault, so the row's number need not be valid. It is always inlined, since gcc removes calls of a function that
 * does nothing but prefetch. */
static inline __attribute__((always_inline)) void nnc_prefetch_row(const struct nnc_ahead *ahead, size_t i) {
    const size_t row = ahead->order ? (size_t)ahead->order[i] : i;
    const char *at = (const char *)ahead->x + (ptrdiff_t)row * ahead->stride;
    for (size_t b = 0; b < ahead->bytes; b += 64) __builtin_prefetch(at + b);
}

#endif
