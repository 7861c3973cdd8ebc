"""Layers that move values and compute nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nnc import _config
from nnc.layers import geometry
from nnc.layers.base import Layer, Shape


class Flatten(Layer):
    """The sample as one axis, the last of its axes running fastest.

    Parameters
    ----------
    name : str, optional
    **options
        input_shape, for a model's first layer.
    """

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)


class Reshape(Layer):
    """The sample with other axes, in the same order.

    Parameters
    ----------
    target_shape : tuple of int
        One size may be -1, for what is left.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Reshape((7, -1)).build((28, 28))
    (7, 112)
    """

    def __init__(self, target_shape: Sequence[int], name: str | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.target_shape = _config.shape("target_shape", target_shape, wildcard=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        features, known = math.prod(input_shape), abs(math.prod(self.target_shape))
        left = features // known if -1 in self.target_shape else 1
        if known * left != features or left == 0:
            raise ValueError(f"{self} cannot take input_shape {input_shape}: {features} features do not fit")
        return tuple(left if size == -1 else size for size in self.target_shape)


class ZeroPadding2D(Layer):
    """The image with rows and columns of zeros around it.

    Input (n, height, width, channels), output (n, top + height + bottom, left + width + right, channels).

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int))
        On every side; above and below, left and right; or ((top, bottom), (left, right)).
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If padding is none of these; by `build`, if the samples are no images.

    References
    ----------
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, 2016.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.ZeroPadding2D(2).build((28, 28, 1))
    (32, 32, 1)
    >>> layers.ZeroPadding2D(((0, 1), (0, 1))).build((27, 27, 8))
    (28, 28, 8)
    """

    def __init__(
        self,
        padding: Any = ((1, 1), (1, 1)),
        data_format: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.padding = geometry.sides("padding", padding)
        self.data_format = geometry.channels_last(data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        height, width, channels = geometry.image(self, input_shape)
        (top, bottom), (left, right) = self.padding
        return (top + height + bottom, left + width + right, channels)

    def rows(self) -> list[dict[str, Any]]:
        height, width, channels = self._built().input_shape
        out_height, out_width, _ = self.output_shape
        (top, _), (left, _) = self.padding
        row = {"kind": "zero_padding", "height": height, "width": width, "channels": channels}
        return [row | {"pad_top": top, "pad_left": left, "out_height": out_height, "out_width": out_width}]
