/* convolution.h -- what the passes of a convolutional layer share: its settings, and where its products find their operands. */
#ifndef NNC_CONVOLUTION_H
#define NNC_CONVOLUTION_H

#include "geometry.h"
#include "operands.h"

enum { KERNEL, BIAS };

struct nnc_convolution {
    size_t filters;
    bool use_bias;
    size_t groups; /* of the filters, and of the channels */
    nnc_geometry seen; /* the windows on the maps that the products read, with the channels of one group */
    float *kernel_parts, *bias_parts; /* gradients of shards of the batch, in the layout of the parameters */
};

/* Channels and filters of a group. */
static inline size_t nnc_channels_of_group(const struct nnc_layer *layer) {
    const struct nnc_convolution *own = layer->own;
    return layer->geometry.channels / own->groups;
}

static inline size_t nnc_filters_of_group(const struct nnc_layer *layer) {
    const struct nnc_convolution *own = layer->own;
    return own->filters / own->groups;
}

/* The products of a layer: with one channel, a row of a window is too short for tiles. */
static inline const struct nnc_products *nnc_convolution_products(const struct nnc_layer *layer) {
    return nnc_channels_of_group(layer) == 1 ? nnc_products_without_tiles(layer->precision) : nnc_products(layer->precision);
}

/* Are the columns of products channels? If each filter has a channel of its own, that of the same number, then all filters of a
 * panel are computed together. */
static inline bool nnc_takes_lanes(const struct nnc_layer *layer) {
    const struct nnc_convolution *own = layer->own;
    const bool depthwise = own->groups > 1 && nnc_channels_of_group(layer) == 1 && nnc_filters_of_group(layer) == 1;
    return depthwise && layer->precision == PRECISION_float32;
}

/* Adjacent filters that products compute together. */
static inline size_t nnc_filters_together(const struct nnc_layer *layer) {
    return nnc_takes_lanes(layer) ? layer->columns : nnc_filters_of_group(layer);
}

/* Where the channels of a group are in the maps that products read: pixels from one row to the next, elements from one pixel
 * to the next and from one group to the next. */
struct nnc_placement {
    size_t pitch, pixel, group;
};

/* In a map `width` pixels wide with `channels` in each of its groups; in a copy of each group, unless `copy` is NULL. */
static inline struct nnc_placement nnc_placement_in(size_t width, size_t channels, size_t groups,
                                                    const struct nnc_frame *copy) {
    if (copy) return (struct nnc_placement){copy->columns, channels, nnc_frame_size(copy)};
    return (struct nnc_placement){width, groups * channels, channels};
}

/* ---- convolution_gradient.c ---------------------------------------------------------------------------------------- */

/* The number of parts, each of a part of the batch, in which the gradients are computed and then summed in order; one part is
 * applied at once. */
size_t nnc_convolution_shards(const struct nnc_layer *layer, size_t m);

/* This worker's share of dW and db from m samples, applied. All workers must have read W before. */
void nnc_convolution_gradient(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker);

#endif
