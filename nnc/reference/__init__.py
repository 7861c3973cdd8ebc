"""nnc in plain NumPy float64: the specification that every compiled kernel is compared with.

Suggested reading order:

1. `formulas`: every activation, loss and metric, each a row of a table;
2. `optimizers`: every update rule;
3. `noise`: random numbers;
4. `base`: the interface of a layer; then a forward/backward pair for each layer: `dense`, `activation`,
   `normalization`, `dropout`, `rescaling`; for maps, which are images and the outputs of layers over images,
   `geometry`, then `convolution`, `pooling`, `augmentation`;
5. `plan`: a network of layers, trained batch by batch.

Names and arguments are those of the compiled core, except for its ``out=``.
"""

import importlib
import pkgutil

from .activation import activation, activation_backward, thresholded_relu
from .augmentation import affine_images
from .base import LAYERS
from .convolution import conv2d, conv2d_backward
from .dense import dense, dense_backward
from .dropout import dropout_mask
from .formulas import (
    ACTIVATIONS,
    LOSSES,
    METRICS,
    loss,
    metric,
    sigmoid,
    softmax,
)
from .noise import philox4x32, random_words
from .normalization import (
    batch_normalization,
    batch_normalization_backward,
    layer_normalization,
    layer_normalization_backward,
)
from .optimizers import OPTIMIZERS, slot_names, update
from .plan import Plan
from .pooling import (
    average_pooling,
    average_pooling_backward,
    max_pooling,
    max_pooling_backward,
    zero_padding,
)

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
    "thresholded_relu",
    "update",
    "zero_padding",
]

# Importing the remaining modules registers their layers in LAYERS.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
