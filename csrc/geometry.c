/* geometry.c -- see geometry.h. */

#include "geometry.h"

enum { MOST_PIXELS = 1 << 30 }; /* along an axis of a map: products of two cannot overflow */

static const double MOST_FLOATS = 274877906944.0; /* 2^38, of a map */

/* clang-format off */
const struct nnc_field nnc_geometry_fields[] = {
    OPTIONAL_FIELD(nnc_geometry, height, SIZE),
    OPTIONAL_FIELD(nnc_geometry, width, SIZE),
    OPTIONAL_FIELD(nnc_geometry, channels, SIZE),
    OPTIONAL_FIELD(nnc_geometry, kernel_height, SIZE),
    OPTIONAL_FIELD(nnc_geometry, kernel_width, SIZE),
    OPTIONAL_FIELD(nnc_geometry, stride_height, SIZE),
    OPTIONAL_FIELD(nnc_geometry, stride_width, SIZE),
    OPTIONAL_FIELD(nnc_geometry, dilation_height, SIZE),
    OPTIONAL_FIELD(nnc_geometry, dilation_width, SIZE),
    OPTIONAL_FIELD(nnc_geometry, pad_top, OFFSET),
    OPTIONAL_FIELD(nnc_geometry, pad_left, OFFSET),
    OPTIONAL_FIELD(nnc_geometry, out_height, SIZE),
    OPTIONAL_FIELD(nnc_geometry, out_width, SIZE),
};
/* clang-format on */
const size_t nnc_n_geometry_fields = sizeof nnc_geometry_fields / sizeof *nnc_geometry_fields;

static bool in_map(size_t size) {
    return size >= 1 && size < MOST_PIXELS;
}

static bool pad_in_map(ptrdiff_t pad) {
    return pad > -(ptrdiff_t)MOST_PIXELS && pad < (ptrdiff_t)MOST_PIXELS;
}

struct nnc_fault nnc_check_map(const nnc_geometry *g, size_t I) {
    if ((double)g->height * (double)g->width * (double)g->channels != (double)I || I == 0)
        return (struct nnc_fault){"height, width and channels must make up the features", I};
    if (!in_map(g->height) || !in_map(g->width)) return (struct nnc_fault){"sizes of maps must be from 1 to 2^30", g->height};
    return (struct nnc_fault){0};
}

struct nnc_fault nnc_check_windows(const nnc_geometry *g, size_t I, size_t channels) {
    const struct nnc_fault fault = nnc_check_map(g, I);
    if (fault.what) return fault;
    if (!in_map(g->out_height) || !in_map(g->out_width) || !pad_in_map(g->pad_top) || !pad_in_map(g->pad_left))
        return (struct nnc_fault){"sizes of maps must be from 1 to 2^30", g->out_height};
    const size_t steps[] = {g->kernel_height, g->kernel_width,    g->stride_height,
                            g->stride_width,  g->dilation_height, g->dilation_width};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (!in_map(steps[i])) return (struct nnc_fault){"kernels, strides and dilations must be from 1 to 2^30", steps[i]};
    if ((double)g->out_height * (double)g->out_width * (double)channels >= MOST_FLOATS)
        return (struct nnc_fault){"the map must be smaller than 2^38, of height", g->out_height};
    return (struct nnc_fault){0};
}

/* The windows at both ends of an axis overlap the map; then all do. */
static bool meets(size_t size, size_t kernel, size_t stride, ptrdiff_t pad, size_t out) {
    const ptrdiff_t first = -pad, last = first + (ptrdiff_t)((out - 1) * stride);
    return first + (ptrdiff_t)kernel > 0 && last < (ptrdiff_t)size;
}

struct nnc_fault nnc_check_inside(const nnc_geometry *g) {
    if (!meets(g->height, g->kernel_height, g->stride_height, g->pad_top, g->out_height))
        return (struct nnc_fault){"a window is completely above or below the map, of height", g->height};
    if (!meets(g->width, g->kernel_width, g->stride_width, g->pad_left, g->out_width))
        return (struct nnc_fault){"a window is completely left or right of the map, of width", g->width};
    return (struct nnc_fault){0};
}

/* ---- one axis of the maps ---------------------------------------------------------------------------------------- */

/* The first position with which sum q reads pixel `at` or a later one. */
static size_t first_position(const struct nnc_axis *x, size_t q, size_t at) {
    return least(nnc_steps((ptrdiff_t)at + x->pad - (ptrdiff_t)(q * x->stride), x->dilation), x->positions);
}

struct nnc_section nnc_section_from(const struct nnc_axis *x, size_t q, size_t stop) {
    struct nnc_section s = {q, stop, first_position(x, q, 0), first_position(x, q, x->in)};
    if (s.t0 > 0) s.q1 = least(s.q1, nnc_first_sum(x, s.t0 - 1, 0));
    if (s.t1 > 0) s.q1 = least(s.q1, nnc_first_sum(x, s.t1 - 1, x->in));
    if (s.t1 < s.t0) s.t1 = s.t0;
    return s;
}

struct nnc_axis nnc_y_axis(const nnc_geometry *g) {
    return (struct nnc_axis){.in = g->height,
                             .out = g->out_height,
                             .positions = g->kernel_height,
                             .stride = g->stride_height,
                             .dilation = g->dilation_height,
                             .pad = g->pad_top,
                             .step = 1};
}

struct nnc_axis nnc_x_axis(const nnc_geometry *g) {
    return (struct nnc_axis){.in = g->width,
                             .out = g->out_width,
                             .positions = g->kernel_width,
                             .stride = g->stride_width,
                             .dilation = g->dilation_width,
                             .pad = g->pad_left,
                             .step = 1};
}

static size_t common_divisor(size_t a, size_t b) {
    return b ? common_divisor(b, a % b) : a;
}

struct nnc_residue nnc_residue_of(const struct nnc_axis *x, size_t residue) {
    const size_t divisor = common_divisor(x->stride, x->dilation);
    struct nnc_residue r = {.t_step = x->stride / divisor};
    r.axis = (struct nnc_axis){.in = x->out, .out = x->in, .stride = 1, .dilation = x->dilation / divisor};
    r.axis.first = residue, r.axis.step = x->stride;
    const ptrdiff_t stride = (ptrdiff_t)x->stride, at = (ptrdiff_t)residue + x->pad;
    while (r.t0 < r.t_step && (at - (ptrdiff_t)(r.t0 * x->dilation)) % stride) r.t0++;
    if (r.t0 == r.t_step || r.t0 >= x->positions) return r;
    r.axis.positions = (x->positions - r.t0 + r.t_step - 1) / r.t_step;
    r.axis.pad = (ptrdiff_t)((r.axis.positions - 1) * r.axis.dilation) - (at - (ptrdiff_t)(r.t0 * x->dilation)) / stride;
    return r;
}

size_t nnc_forward_position(const struct nnc_residue *r, size_t t) {
    return r->t0 + (r->axis.positions - 1 - t) * r->t_step;
}
