/* arena.h -- memory that is handed out in order from one allocation.
 *
 * A layout is written down once and run twice: with base NULL, to count, then to hand out. */
#ifndef NNC_ARENA_H
#define NNC_ARENA_H

#include <stddef.h>

struct nnc_arena {
    char *base; /* NULL: only count */
    size_t used;
};

/* `count` things of `size` bytes, from a new cache line on; NULL while they are counted. */
void *nnc_take(struct nnc_arena *arena, size_t count, size_t size);
float *nnc_take_floats(struct nnc_arena *arena, size_t count);

/* Bytes set to 0, on huge pages where they are many; NULL: there is no memory. To be freed with free(). */
void *nnc_allocate(size_t bytes);

/* Floats from one row of n to the next: room to load whole panels, and an odd number of cache lines, so that rows do not
 * compete for the same sets of the cache. */
size_t nnc_leading_dimension(size_t n);

#endif
