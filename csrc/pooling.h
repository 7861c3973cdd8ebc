/* pooling.h -- what a convolution asks of a layer before it. */
#ifndef NNC_POOLING_H
#define NNC_POOLING_H

#include "layer.h"

/* Is it zero padding that cuts nothing off the map? */
bool nnc_only_pads(const struct nnc_layer *layer);

#endif
