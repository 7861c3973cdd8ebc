/* geometry.h -- windows on maps: their settings, checks and axes. Maps are (height, width, channels). */
#ifndef NNC_GEOMETRY_H
#define NNC_GEOMETRY_H

#include "layer.h"

/* The fields of nnc_geometry as settings. */
extern const struct nnc_field nnc_geometry_fields[];
extern const size_t nnc_n_geometry_fields;

/* Checks that height, width and channels multiply to I features and that the sizes cannot overflow. */
struct nnc_fault nnc_check_map(const nnc_geometry *g, size_t I);
/* nnc_check_map, and the same checks for the output sizes with `channels`, the padding, kernels, strides and dilations. */
struct nnc_fault nnc_check_windows(const nnc_geometry *g, size_t I, size_t channels);
/* Checks that every window overlaps the map. */
struct nnc_fault nnc_check_inside(const nnc_geometry *g);

#endif
