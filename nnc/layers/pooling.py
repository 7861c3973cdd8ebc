"""Pooling, which reduces each window of each channel to one number; and zero padding."""

from __future__ import annotations

from typing import Any, Unpack

from nnc import _config
from nnc.layers import geometry
from nnc.layers.base import Layer, LayerOptions, Shape


class _Pooling(Layer):
    """A sliding window; subclasses set the kind of row."""

    row_kind: str

    def __init__(
        self,
        pool_size: int | tuple[int, int] = (2, 2),
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.pool_size = geometry.pair("pool_size", pool_size)
        self.strides = None if strides is None else geometry.pair("strides", strides)
        self.padding = geometry.padding_mode(padding)
        self.data_format = geometry.channels_last(data_format)

    def _window(self, input_shape: Shape) -> dict[str, int]:
        steps = self.pool_size if self.strides is None else self.strides
        return geometry.window(self, input_shape, self.pool_size, steps, self.padding)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        found = self._window(input_shape)
        return (found["out_height"], found["out_width"], found["channels"])

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": self.row_kind} | self._window(self._shapes()[0])]


class MaxPooling2D(_Pooling):
    """a[y, x, c] = max_ij in[y s + i - p, x s + j - p, c]: the largest value in each window.

    Input (n, height, width, C), output (n, out_height, out_width, C). With padding="valid" out = floor((in -
    k) / s) + 1 along each axis, with "same" out = ceil(in / s); pixels outside the image are ignored. The
    gradient goes to the first of the largest values, in row-major order.

    Parameters
    ----------
    pool_size : int or (int, int)
        k, height and width of the window.
    strides : int, (int, int) or None
        s, pixels from one window to the next; None: pool_size, so that the windows are adjacent.
    padding : {"valid", "same"}
        "valid" ignores remaining rows and columns at the bottom and the right; with "same", windows extend
        beyond the image, by an odd row or column at the bottom or the right.
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not images or the window does not fit.

    References
    ----------
    Riesenhuber and Poggio, "Hierarchical models of object recognition in cortex", Nature Neuroscience 2,
    1999. Scherer, Müller and Behnke, "Evaluation of pooling operations in convolutional architectures for
    object recognition", ICANN 2010.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.MaxPooling2D().build((28, 28, 32))
    (14, 14, 32)
    >>> layers.MaxPooling2D(3, strides=2, padding="same").build((7, 7, 32))
    (4, 4, 32)
    """

    aliases = ("MaxPool2D",)
    row_kind = "max_pooling"


class AveragePooling2D(_Pooling):
    """a[y, x, c] = mean_ij in[y s + i - p, x s + j - p, c]: the mean of each window.

    Input (n, height, width, C), output (n, out_height, out_width, C). With padding="valid" out = floor((in -
    k) / s) + 1 along each axis, with "same" out = ceil(in / s). The mean is over the pixels inside the image.

    Parameters
    ----------
    pool_size : int or (int, int)
        k, height and width of the window.
    strides : int, (int, int) or None
        s, pixels from one window to the next; None: pool_size, so that the windows are adjacent.
    padding : {"valid", "same"}
        "valid" ignores remaining rows and columns at the bottom and the right; with "same", windows extend
        beyond the image, by an odd row or column at the bottom or the right.
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not images or the window does not fit.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings
    of the IEEE 86, 1998.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.AveragePooling2D((2, 4)).build((28, 28, 6))
    (14, 7, 6)
    """

    aliases = ("AvgPool2D",)
    row_kind = "average_pooling"


class _GlobalPooling(Layer):
    """One window, as large as the image; subclasses set the kind of row."""

    row_kind: str

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.data_format = geometry.channels_last(data_format)
        self.keepdims = _config.boolean("keepdims", keepdims)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        *_, channels = geometry.image(self, input_shape)
        return (1, 1, channels) if self.keepdims else (channels,)

    def rows(self) -> list[dict[str, Any]]:
        input_shape, _ = self._shapes()
        height, width, _ = geometry.image(self, input_shape)
        size = (height, width)
        return [{"kind": self.row_kind} | geometry.window(self, input_shape, size, size, "valid")]


class GlobalAveragePooling2D(_GlobalPooling):
    """a[c] = mean_yx in[y, x, c]: the mean of each channel.

    Input (n, height, width, C), output (n, C), or (n, 1, 1, C) with keepdims.

    Parameters
    ----------
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    keepdims : bool
        Whether the output keeps the image axes, as an image of one pixel.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not images.

    References
    ----------
    Lin, Chen and Yan, "Network in network", ICLR 2014.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.GlobalAveragePooling2D().build((7, 7, 64))
    (64,)
    """

    aliases = ("GlobalAvgPool2D",)
    row_kind = "average_pooling"


class GlobalMaxPooling2D(_GlobalPooling):
    """a[c] = max_yx in[y, x, c]: the largest value of each channel.

    Input (n, height, width, C), output (n, C), or (n, 1, 1, C) with keepdims. The gradient goes to the first
    of the largest values, in row-major order.

    Parameters
    ----------
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    keepdims : bool
        Whether the output keeps the image axes, as an image of one pixel.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not images.

    References
    ----------
    Oquab, Bottou, Laptev and Sivic, "Is object localization for free? Weakly-supervised learning with
    convolutional neural networks", CVPR 2015.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.GlobalMaxPooling2D(keepdims=True).build((7, 7, 64))
    (1, 1, 64)
    """

    aliases = ("GlobalMaxPool2D",)
    row_kind = "max_pooling"


class ZeroPadding2D(Layer):
    """The image padded with rows and columns of zeros.

    Input (n, height, width, channels), output (n, top + height + bottom, left + width + right, channels).

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int))
        The same on every side; (top and bottom, left and right); or ((top, bottom), (left, right)).
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If padding is invalid; by `build`, if the samples are not images.

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
        padding: int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] = ((1, 1), (1, 1)),
        data_format: str | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.padding = geometry.sides("padding", padding)
        self.data_format = geometry.channels_last(data_format)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        height, width, channels = geometry.image(self, input_shape)
        (top, bottom), (left, right) = self.padding
        return (top + height + bottom, left + width + right, channels)

    def rows(self) -> list[dict[str, Any]]:
        (height, width, channels), (out_height, out_width, _) = self._shapes()
        (top, _), (left, _) = self.padding
        row = {"kind": "zero_padding", "height": height, "width": width, "channels": channels}
        return [row | {"pad_top": top, "pad_left": left, "out_height": out_height, "out_width": out_width}]


MaxPool2D = MaxPooling2D
AvgPool2D = AveragePooling2D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
