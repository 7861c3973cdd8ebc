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

/* ---- one axis of the maps ---------------------------------------------------------------------------------------- */

/* Position t of sum q reads input pixel q stride + t dilation - pad; the sum is written to output pixel first + q step. */
struct nnc_axis {
    size_t in, out; /* pixels of the maps */
    size_t positions, stride, dilation;
    ptrdiff_t pad;
    size_t first, step;
};

struct nnc_axis nnc_y_axis(const nnc_geometry *g);
struct nnc_axis nnc_x_axis(const nnc_geometry *g);

/* The smallest n with n step >= `distance`. */
static inline size_t nnc_steps(ptrdiff_t distance, size_t step) {
    return distance > 0 ? ((size_t)distance + step - 1) / step : 0;
}

/* The first sum whose position t reads pixel `at` or a later one. */
static inline size_t nnc_first_sum(const struct nnc_axis *x, size_t t, size_t at) {
    return nnc_steps((ptrdiff_t)at + x->pad - (ptrdiff_t)(t * x->dilation), x->stride);
}

/* Input pixel of sum q and position t, which must be inside the map. */
static inline size_t nnc_pixel_seen(const struct nnc_axis *x, size_t q, size_t t) {
    return (size_t)((ptrdiff_t)(q * x->stride + t * x->dilation) - x->pad);
}

/* The number of sums that are written before `pixel`. */
static inline size_t nnc_sums_before(const struct nnc_axis *x, size_t pixel) {
    return nnc_steps((ptrdiff_t)least(pixel, x->out) - (ptrdiff_t)x->first, x->step);
}

/* Sums [q0, q1) that use exactly the positions [t0, t1). */
struct nnc_section {
    size_t q0, q1, t0, t1;
};

/* The section that begins at sum q and ends at `stop` or before. */
struct nnc_section nnc_section_from(const struct nnc_axis *x, size_t q, size_t stop);

/* The backward pass: input pixels residue + q stride, q = 0, 1, ..., contribute to output pixels
 * (residue + q stride + pad - t dilation) / stride for the positions t for which that is an integer: t = t0, t0 + t_step, ...
 * These, reversed, are the positions of `axis`. */
struct nnc_residue {
    struct nnc_axis axis;
    size_t t0, t_step;
};

struct nnc_residue nnc_residue_of(const struct nnc_axis *x, size_t residue);
/* The position of the forward pass that corresponds to position t of the backward pass. */
size_t nnc_forward_position(const struct nnc_residue *r, size_t t);

#endif
