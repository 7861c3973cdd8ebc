"""Layers: configuration and shapes only; the arithmetic is in the C core and, in NumPy, in nnc.reference.

    >>> from nnc import layers
    >>> dense = layers.Dense(292, activation="relu")
    >>> dense.build((784,)), dense.count_params()
    ((292,), 229220)

Shapes are those of one sample, without the batch axis, channels last. `Layer.build` sets a layer's input
shape, once; from it follow the output shape, the shapes of the weights and the layer's rows in a plan. The
weights themselves belong to the model. A new layer is one class that overrides `Layer.sample_output_shape`,
`Layer.weights_spec` and `Layer.rows`, each of which has a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnc import _config
from nnc._absent import no_attribute
from nnc.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from nnc.layers.augmentation import RandomFlip, RandomRotation, RandomTranslation, RandomZoom
from nnc.layers.base import Layer
from nnc.layers.convolution import Conv2D, Convolution2D
from nnc.layers.dense import Dense
from nnc.layers.dropout import Dropout, SpatialDropout2D
from nnc.layers.input import Input, InputLayer
from nnc.layers.noise import GaussianDropout, GaussianNoise
from nnc.layers.normalization import BatchNormalization, LayerNormalization, UnitNormalization
from nnc.layers.permute import Permute
from nnc.layers.pooling import (
    AveragePooling2D,
    AvgPool2D,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
    MaxPool2D,
    MaxPooling2D,
    ZeroPadding2D,
)
from nnc.layers.rescaling import Rescaling
from nnc.layers.reshaping import Flatten, Reshape
from nnc.layers.sequences import (
    AveragePooling1D,
    AvgPool1D,
    Conv1D,
    Convolution1D,
    GlobalAveragePooling1D,
    GlobalAvgPool1D,
    GlobalMaxPool1D,
    GlobalMaxPooling1D,
    MaxPool1D,
    MaxPooling1D,
    SpatialDropout1D,
)
from nnc.layers.standardization import Normalization
from nnc.layers.variable import Variable

__all__ = [
    "ELU",
    "Activation",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Conv1D",
    "Conv2D",
    "Convolution1D",
    "Convolution2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Normalization",
    "PReLU",
    "Permute",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "UnitNormalization",
    "Variable",
    "ZeroPadding2D",
    "get",
    "registry",
]

registry = _config.close(Layer, globals())


def get(identifier: Layer | Mapping[str, Any]) -> Layer:
    """The layer that `identifier` denotes: a layer object or its configuration.

    Parameters
    ----------
    identifier : Layer or dict

    Returns
    -------
    Layer

    Examples
    --------
    >>> from nnc import layers
    >>> config = {"rate": 0.5, "name": None, "seed": None, "noise_shape": None}
    >>> layers.get({"class_name": "Dropout", "config": config})
    Dropout(0.5)
    """
    return Layer.get(identifier)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise no_attribute(__name__, name, globals())
