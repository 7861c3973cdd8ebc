/* arena.h -- memory handed out in order from one allocation.
 *
 * A layout function runs twice: first with base NULL, to compute the size, then to assign the memory. */
#ifndef NNC_ARENA_H
#define NNC_ARENA_H

#include <stddef.h>

struct nnc_arena {
    char *base; /* NULL: only count */
    size_t used;
};

/* `count` objects of `size` bytes, starting on a new cache line; NULL while only the size is computed. */
void *nnc_take(struct nnc_arena *arena, size_t count, size_t size);
float *nnc_take_floats(struct nnc_arena *arena, size_t count);

/* Zeroed memory, on huge pages if it is large; NULL: out of memory. Freed by nnc_release. */
void *nnc_allocate(size_t bytes);
void nnc_release(void *memory);

/* Floats from one row of n to the next: enough to load complete panels, and an odd number of cache lines, so that rows do
 * not compete for the same cache sets. */
size_t nnc_leading_dimension(size_t n);

#endif
