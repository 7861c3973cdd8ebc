/* sharing.h -- parameters of a layer that several features share.
 *
 * A sample is an array whose axes are alternately kept and shared, the first one kept: there is a parameter for each position
 * along the kept axes, for all positions along the shared ones. One parameter for each channel of a map (height, width,
 * channels) has the sizes 1, height width, channels. */
#ifndef NNC_SHARING_H
#define NNC_SHARING_H

#include "arena.h"
#include "layer.h"

struct nnc_sharing {
    struct nnc_sizes sizes; /* a setting: of the axes, in alternation; none: every feature has a parameter of its own */
    size_t count;           /* number of parameters */
    size_t *places;         /* (features) the parameter of each feature; NULL: its own */
};

/* Checks the sizes for `features` features and sets `count`. */
struct nnc_fault nnc_sharing_settle(struct nnc_sharing *sharing, size_t features);
void nnc_sharing_lay_out(struct nnc_sharing *sharing, size_t features, struct nnc_arena *arena);

/* each[j] = the value of feature j's parameter, for features [first, last). */
void nnc_spread(const struct nnc_sharing *sharing, const float *values, size_t first, size_t last, float *each);
/* sums (count) = the sums over the features of each parameter. */
void nnc_collect(const struct nnc_sharing *sharing, size_t features, const float *each, double *sums);

#endif
