/* zeros.c -- see zeros.h.
 *
 * Images have wide margins: on MNIST 28 % of the groups of four pixels have a nonzero pixel. The lists are made row by row
 * in the gather. A row that looks dense in a sample of its groups is not searched, and one such row makes the batch dense: for
 * data without zeros the cost is a few reads per row. */

#include "zeros.h"

#include <string.h>

#include "sizes.h"

enum {
    LEAST_SPARSE = 128, /* number of inputs from which searching for zeros may pay off */
    LOOK_EVERY = 16,    /* distance between the sampled groups */
};

/* For inputs only: images have many zeros, activations rarely complete groups of them. */
struct nnc_zeros nnc_zeros_lay_out(size_t B, size_t n_inputs, struct nnc_arena *arena) {
    struct nnc_zeros zeros = {.rows = B, .groups = n_inputs / GROUP};
    if (n_inputs % GROUP || n_inputs < LEAST_SPARSE || zeros.groups > UINT16_MAX || B > UINT16_MAX)
        return (struct nnc_zeros){0};
    zeros.blocks = nnc_parts(zeros.groups, GROUP_BLOCK);
    zeros.dense = nnc_take(arena, B, sizeof *zeros.dense);
    zeros.of_row = nnc_take(arena, B * zeros.groups, sizeof *zeros.of_row);
    zeros.starts = nnc_take(arena, B * (zeros.blocks + 1), sizeof *zeros.starts);
    zeros.of_group = nnc_take(arena, zeros.groups * B, sizeof *zeros.of_group);
    zeros.counts = nnc_take(arena, zeros.groups, sizeof *zeros.counts);
    return zeros;
}

static bool is_zero(const float *group) {
    uint64_t bits[GROUP / 2];
    memcpy(bits, group, sizeof bits);
    return ((bits[0] | bits[1]) & 0x7fffffff7fffffff) == 0; /* +0 or -0 */
}

static bool looks_dense(const float *x, size_t groups) {
    size_t looks = 0, found = 0;
    for (size_t g = LOOK_EVERY / 2; g < groups; g += LOOK_EVERY, looks++) found += !is_zero(x + g * GROUP);
    return 4 * found > 3 * looks;
}

void nnc_list_row(const struct nnc_zeros *zeros, size_t i, const float *x) {
    if (zeros->groups == 0) return;
    uint16_t *list = zeros->of_row + i * zeros->groups, *starts = zeros->starts + i * (zeros->blocks + 1);
    zeros->dense[i] = looks_dense(x, zeros->groups);
    if (zeros->dense[i]) return;
    size_t n = 0;
    for (size_t block = 0; block < zeros->blocks; block++) {
        const size_t first = block * GROUP_BLOCK, last = least(first + GROUP_BLOCK, zeros->groups);
        starts[block] = (uint16_t)n;
        for (size_t g = first; g < last; g++) {
            list[n] = (uint16_t)g;
            n += !is_zero(x + g * GROUP);
        }
    }
    starts[zeros->blocks] = (uint16_t)n;
}

void nnc_list_groups(const struct nnc_zeros *zeros, size_t m, size_t first, size_t last) {
    memset(zeros->counts + first, 0, (last - first) * sizeof *zeros->counts);
    for (size_t i = 0; i < m; i++) {
        const uint16_t *list = zeros->of_row + i * zeros->groups;
        const size_t n = zeros->starts[i * (zeros->blocks + 1) + zeros->blocks];
        for (size_t t = 0; t < n; t++) {
            const size_t g = list[t];
            if (g >= first && g < last) zeros->of_group[g * zeros->rows + zeros->counts[g]++] = (uint16_t)i;
        }
    }
}

bool nnc_zeros_pay(const struct nnc_zeros *zeros, size_t m) {
    size_t used = 0;
    for (size_t i = 0; i < m; i++) {
        if (zeros->dense[i]) return false;
        used += zeros->starts[i * (zeros->blocks + 1) + zeros->blocks];
    }
    return 2 * used <= m * zeros->groups;
}
