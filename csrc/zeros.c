/* zeros.c -- which groups of columns of the batch are 0, for a first dense layer that leaves them out (kernels/sparse.inc).
 *
 * Images have wide margins: on MNIST 28 % of the groups of four pixels are not 0 throughout. The lists are made row by row
 * in the gather. A row that looks dense is not searched, and one such row makes the batch a dense one: data without zeros
 * pay for a few looks at each row. */

#include <string.h>

#include "plan.h"

enum { LOOK_EVERY = 16 }; /* groups from one look to the next */

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

void nnc_list_row(struct nnc_plan *plan, size_t i, const float *x) {
    const struct nnc_zeros *z = &plan->zeros;
    if (z->groups == 0) return;
    uint16_t *list = z->of_row + i * z->groups, *starts = z->starts + i * (z->blocks + 1);
    z->dense[i] = looks_dense(x, z->groups);
    if (z->dense[i]) return;
    size_t n = 0;
    for (size_t block = 0; block < z->blocks; block++) {
        const size_t first = block * GROUP_BLOCK, last = least(first + GROUP_BLOCK, z->groups);
        starts[block] = (uint16_t)n;
        for (size_t g = first; g < last; g++) {
            list[n] = (uint16_t)g;
            n += !is_zero(x + g * GROUP);
        }
    }
    starts[z->blocks] = (uint16_t)n;
}

void nnc_list_groups(struct nnc_plan *plan, size_t m, size_t first, size_t last) {
    const struct nnc_zeros *z = &plan->zeros;
    memset(z->counts + first, 0, (last - first) * sizeof *z->counts);
    for (size_t i = 0; i < m; i++) {
        const uint16_t *list = z->of_row + i * z->groups;
        const size_t n = z->starts[i * (z->blocks + 1) + z->blocks];
        for (size_t t = 0; t < n; t++) {
            const size_t g = list[t];
            if (g >= first && g < last) z->of_group[g * plan->capacity + z->counts[g]++] = (uint16_t)i;
        }
    }
}

bool nnc_zeros_pay(const struct nnc_plan *plan, size_t m) {
    const struct nnc_zeros *z = &plan->zeros;
    size_t used = 0;
    for (size_t i = 0; i < m; i++) {
        if (z->dense[i]) return false;
        used += z->starts[i * (z->blocks + 1) + z->blocks];
    }
    return 2 * used <= m * z->groups;
}
