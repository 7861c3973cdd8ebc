/* sharing.c -- see sharing.h. */

#include "sharing.h"

#include <string.h>

/* Are positions along axis i shared? */
static bool is_shared(size_t i) {
    return i % 2 == 1;
}

struct nnc_fault nnc_sharing_settle(struct nnc_sharing *sharing, size_t features) {
    const struct nnc_sizes *sizes = &sharing->sizes;
    size_t rest = features, count = 1;
    for (size_t i = 0; i < sizes->n; rest /= sizes->at[i++]) {
        if (rest % sizes->at[i])
            return (struct nnc_fault){"the sizes of its axes must have the features as product", sizes->at[i]};
        if (!is_shared(i)) count *= sizes->at[i];
    }
    if (sizes->n && rest != 1) return (struct nnc_fault){"the sizes of its axes must have the features as product", features};
    sharing->count = sizes->n ? count : features;
    return (struct nnc_fault){0};
}

/* The parameter of feature j. */
static size_t place_of(const struct nnc_sizes *sizes, size_t j) {
    size_t place = 0, stride = 1;
    for (size_t i = sizes->n; i-- > 0; j /= sizes->at[i]) {
        if (is_shared(i)) continue;
        place += j % sizes->at[i] * stride;
        stride *= sizes->at[i];
    }
    return place;
}

void nnc_sharing_lay_out(struct nnc_sharing *sharing, size_t features, struct nnc_arena *arena) {
    if (!sharing->sizes.n) return;
    sharing->places = nnc_take(arena, features, sizeof *sharing->places);
    for (size_t j = 0; sharing->places && j < features; j++) sharing->places[j] = place_of(&sharing->sizes, j);
}

void nnc_spread(const struct nnc_sharing *sharing, const float *values, size_t first, size_t last, float *each) {
    if (!sharing->places) memcpy(each + first, values + first, (last - first) * sizeof *each);
    for (size_t j = first; sharing->places && j < last; j++) each[j] = values[sharing->places[j]];
}

void nnc_collect(const struct nnc_sharing *sharing, size_t features, const float *each, double *sums) {
    memset(sums, 0, sharing->count * sizeof *sums);
    for (size_t j = 0; j < features; j++) sums[sharing->places ? sharing->places[j] : j] += (double)each[j];
}
