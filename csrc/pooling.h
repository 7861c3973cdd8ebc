/* pooling.h -- what a convolution needs to know about the layer before it. */
#ifndef NNC_POOLING_H
#define NNC_POOLING_H

#include "layer.h"

/* True for a zero_padding layer that does not crop the map. */
bool nnc_only_pads(const struct nnc_layer *layer);

#endif
