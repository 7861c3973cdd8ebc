/* arena.c -- see arena.h. */

#include "arena.h"

#include <string.h>

#include "kernels.h"
#include "os.h"
#include "sizes.h"

enum {
    LINE = 64, /* bytes of a cache line: every array begins on one */
    HUGE_PAGE = 2 << 20,
};

/* Under AddressSanitizer every array is followed by a poisoned cache line, since the sanitizer itself only guards the ends of
 * the complete allocation. */
#ifdef __SANITIZE_ADDRESS__ /* gcc's name */
#include <sanitizer/asan_interface.h>
enum { RED_ZONE = LINE };
#else
enum { RED_ZONE = 0 };
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

void *nnc_take(struct nnc_arena *arena, size_t count, size_t size) {
    char *p = arena->base ? arena->base + arena->used : NULL;
    const size_t bytes = count * size, whole = nnc_round_up(bytes, LINE) + RED_ZONE;
    if (p) ASAN_POISON_MEMORY_REGION(p + bytes, whole - bytes);
    arena->used += whole;
    return p;
}

float *nnc_take_floats(struct nnc_arena *arena, size_t count) {
    return nnc_take(arena, count, sizeof(float));
}

void *nnc_allocate(size_t bytes) {
    const size_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : LINE;
    const size_t rounded = nnc_round_up(bytes ? bytes : 1, alignment);
    void *memory = nnc_aligned_alloc(alignment, rounded);
    if (!memory) return NULL;
    if (alignment == HUGE_PAGE) nnc_use_huge_pages(memory, rounded);
    return memset(memory, 0, bytes);
}

void nnc_release(void *memory) {
    nnc_aligned_free(memory);
}

size_t nnc_leading_dimension(size_t n) {
    return nnc_round_up(n, PANEL) + LINE / sizeof(float);
}
