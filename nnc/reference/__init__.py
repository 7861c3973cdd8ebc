"""nnc in plain NumPy float64: the specification that every compiled kernel is compared with.

Read it in this order:

1. `formulas`: every activation, loss and metric, one row of a table each;
2. `optimizers`: every update rule;
3. `noise`: random numbers;
4. `layers`: a forward/backward pair for each kind of layer; and those for maps, which are images and what
   layers make of them: `convolution`, `normalization`, `augmentation`;
5. `plan`: a network of them, trained batch by batch.

The names and arguments are those of the compiled core, but for its ``out=``.
"""

from .augmentation import affine_images
from .convolution import (
    average_pooling,
    average_pooling_backward,
    conv2d,
    conv2d_backward,
    max_pooling,
    max_pooling_backward,
    zero_padding,
)
from .formulas import (
    ACTIVATIONS,
    LOSSES,
    METRICS,
    activation,
    activation_backward,
    loss,
    metric,
    sigmoid,
    softmax,
)
from .layers import dense, dense_backward
from .noise import dropout_mask, philox4x32, random_words
from .normalization import (
    batch_normalization,
    batch_normalization_backward,
    layer_normalization,
    layer_normalization_backward,
)
from .optimizers import OPTIMIZERS, slot_names, update
from .plan import LAYERS, Plan

__all__ = [
    "ACTIVATIONS",
    "LAYERS",
    "LOSSES",
    "METRICS",
    "OPTIMIZERS",
    "Plan",
    "activation",
    "activation_backward",
    "affine_images",
    "average_pooling",
    "average_pooling_backward",
    "batch_normalization",
    "batch_normalization_backward",
    "conv2d",
    "conv2d_backward",
    "dense",
    "dense_backward",
    "dropout_mask",
    "layer_normalization",
    "layer_normalization_backward",
    "loss",
    "max_pooling",
    "max_pooling_backward",
    "metric",
    "philox4x32",
    "random_words",
    "sigmoid",
    "slot_names",
    "softmax",
    "update",
    "zero_padding",
]
