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
