/* geometry.h -- windows on maps: their settings, checks and axes. Maps are (height, width, channels). */
#ifndef NNC_GEOMETRY_H
#define NNC_GEOMETRY_H

#include "layer.h"

/* The fields of nnc_geometry as settings. */
extern const struct nnc_field nnc_geometry_fields[];
extern const size_t nnc_n_geometry_fields;

/* Do height, width and channels make up I features, in sizes that can be counted with? */
struct nnc_fault nnc_check_map(const nnc_geometry *g, size_t I);
/* nnc_check_map, and the same of the output's sizes with `channels`, the pads, kernels, strides and dilations. */
struct nnc_fault nnc_check_windows(const nnc_geometry *g, size_t I, size_t channels);
/* Has every window a tap inside the map? */
struct nnc_fault nnc_check_inside(const nnc_geometry *g);

#endif
