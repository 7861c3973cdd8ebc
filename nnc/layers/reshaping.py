"""Layers that change only the shape: they have no row in a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Unpack

from nnc import _config
from nnc.layers.base import Layer, LayerOptions, Shape


class Flatten(Layer):
    """The sample as one axis, in row-major order.

    Input (n, ...), output (n, F), F the number of features of a sample.

    Parameters
    ----------
    name : str, optional
    **options
        input_shape, for a model's first layer.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Flatten().build((28, 28))
    (784,)
    """

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)


class Reshape(Layer):
    """The sample with another shape, its values in the same order.

    Input (n, ...), output (n, *target_shape).

    Parameters
    ----------
    target_shape : tuple of int
        One size may be -1: it is inferred from the others.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Reshape((7, -1)).build((28, 28))
    (7, 112)
    """

    def __init__(
        self, target_shape: Sequence[int], name: str | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(name, **options)
        self.target_shape = _config.shape("target_shape", target_shape, wildcard=True)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        features, known = math.prod(input_shape), abs(math.prod(self.target_shape))
        left = features // known if -1 in self.target_shape else 1
        if known * left != features or left == 0:
            raise ValueError(f"{self} cannot take input_shape {input_shape}: {features} features do not fit")
        return tuple(left if size == -1 else size for size in self.target_shape)
