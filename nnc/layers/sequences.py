"""Layers over sequences (steps, channels), computed by the layers and kernels for images of height 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from nnc import _config, activations, constraints, initializers, regularizers
from nnc.layers import geometry
from nnc.layers.base import Layer, LayerOptions, Shape, Weight, layer_seed
from nnc.layers.convolution import Conv2D
from nnc.layers.dropout import SpatialDropout2D
from nnc.layers.pooling import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
)


class _OverSteps(Layer):
    """A layer whose arithmetic is that of `_image_layer` on images (1, steps, channels)."""

    def _image_layer(self) -> Layer:
        raise NotImplementedError

    def _image_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2:
            raise ValueError(
                f"{self} takes samples of shape (steps, channels), got input_shape {input_shape}: "
                "put a Reshape before it"
            )
        return (1, *input_shape)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        _, *shape = self._image_layer().build(self._image_shape(input_shape))
        return tuple(shape)

    def rows(self) -> list[dict[str, Any]]:
        layer = self._image_layer()
        layer.build(self._image_shape(self._shapes()[0]))
        return [row | self._rules() for row in layer.rows()]


class SpatialDropout1D(_OverSteps):
    """While training, each channel of each sample is set to 0 with probability rate, otherwise multiplied by
    1 / (1 - rate); see `SpatialDropout2D`.

    Input and output (n, steps, channels).

    Parameters
    ----------
    rate : float
        In [0, 1).
    seed : int, optional
        Seed of this layer's masks, in place of the model's.
    name : str, optional

    Raises
    ------
    ValueError
        If an argument is out of range; by `build`, if the samples are no sequences.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.SpatialDropout1D(0.2).build((20, 32))
    (20, 32)
    """

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.rate = _config.number("rate", rate, "[0, 1)")
        self.seed = layer_seed(seed)

    def _image_layer(self) -> Layer:
        return SpatialDropout2D(self.rate)


class Conv1D(_OverSteps):
    """a[t, f] = g(b[f] + sum_ic in[t s + i d - p, c] W[i, c, f]): a window that slides over the steps.

    Input (n, steps, C), output (n, out, filters). Weights: kernel W (kernel_size, C / groups, filters), bias
    b (filters,).

    Parameters
    ----------
    filters : int
        At least 1.
    kernel_size, strides, dilation_rate : int
        The size of the window, its stride s and its dilation d, in steps.
    padding : {"valid", "same", "causal"}
        "valid" stays inside, "same" has ceil(steps / s) outputs, "causal" as many, none of which depends on a
        later step.
    data_format : {None, "channels_last"}
    groups : int
        Divides C and filters: each group of filters sees its own group of channels, as in `Conv2D`.
    activation : str, Activation or None
        g; None is linear.
    use_bias : bool
        Whether the layer has a bias b.
    kernel_initializer, bias_initializer : str or Initializer
        Initial values of W and b.
    kernel_regularizer, bias_regularizer : str, Regularizer or None
        Penalties on W and b.
    name : str, optional
    kernel_constraint, bias_constraint : str, Constraint or None
        Applied to W and b after each update: see `nnc.constraints`.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not sequences, the window does not fit or
        groups does not divide their channels.

    Examples
    --------
    >>> from nnc import layers
    >>> conv = layers.Conv1D(8, 3, activation="relu")
    >>> conv.build((12, 4)), conv.count_params()
    ((10, 8), 104)
    >>> grouped = layers.Conv1D(8, 3, groups=2)
    >>> grouped.build((12, 4)), grouped.kernel.shape
    ((10, 8), (3, 2, 8))
    """

    aliases = ("Convolution1D",)
    added: ClassVar[Mapping[str, object]] = Conv2D.added

    optional_weights = ("bias",)

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int = 1,
        groups: int = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        kernel_regularizer: regularizers.RegularizerLike = None,
        bias_regularizer: regularizers.RegularizerLike = None,
        name: str | None = None,
        *,
        kernel_constraint: constraints.ConstraintLike = None,
        bias_constraint: constraints.ConstraintLike = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.kernel_size = _single("kernel_size", kernel_size)
        self.strides = _single("strides", strides)
        self.dilation_rate = _single("dilation_rate", dilation_rate)
        lower = padding.lower() if isinstance(padding, str) else padding
        self.padding = _config.choice("padding", lower, ("valid", "same", "causal"))
        image = Conv2D(
            filters,
            (1, self.kernel_size),
            (1, self.strides),
            "valid" if self.padding == "causal" else self.padding,
            data_format,
            (1, self.dilation_rate),
            groups,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        for argument in (*self.arguments(), *self.added):  # checked by Conv2D
            if not hasattr(self, argument):
                setattr(self, argument, getattr(image, argument))

    def _image_layer(self) -> Conv2D:
        return _Convolution(
            self.filters,
            (1, self.kernel_size),
            (1, self.strides),
            "valid" if self.padding == "causal" else self.padding,
            self.data_format,
            (1, self.dilation_rate),
            self.groups,
            self.activation,
            self.use_bias,
            self.kernel_initializer,
            self.bias_initializer,
            self.kernel_regularizer,
            self.bias_regularizer,
        ).padded((self.kernel_size - 1) * self.dilation_rate if self.padding == "causal" else 0)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        self._image_shape(input_shape)
        geometry.check_groups(self, input_shape, self.groups)
        return super().sample_output_shape(input_shape)

    def weights_spec(self) -> list[Weight]:
        shape = (self.kernel_size, self._shapes()[0][-1] // self.groups, self.filters)
        kernel = ("kernel", shape, self.kernel_initializer)
        bias = ("bias", (self.filters,), self.bias_initializer)
        return [kernel, bias] if self.use_bias else [kernel]


class _Convolution(Conv2D):
    """A convolution of images with zero padding before the first column."""

    saved = False
    _before = 0

    def padded(self, before: int) -> _Convolution:
        self._before = before
        return self

    def _window(self, input_shape: Shape) -> dict[str, int]:
        height, width, channels = geometry.image(self, input_shape)
        found = super()._window((height, width + self._before, channels))
        return found | {"width": width, "pad_left": found["pad_left"] + self._before}


class _Pooling1D(_OverSteps):
    """A window that slides over the steps."""

    image_class: type[MaxPooling2D | AveragePooling2D]

    def __init__(
        self,
        pool_size: int = 2,
        strides: int | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.pool_size = _single("pool_size", pool_size)
        self.strides = None if strides is None else _single("strides", strides)
        self.padding = geometry.padding_mode(padding)
        self.data_format = geometry.channels_last(data_format)

    def _image_layer(self) -> Layer:
        strides = None if self.strides is None else (1, self.strides)
        return self.image_class((1, self.pool_size), strides, self.padding)


class MaxPooling1D(_Pooling1D):
    """a[t, c] = max_i in[t s + i - p, c], over a window of pool_size steps.

    Input (n, steps, C), output (n, out, C); see `MaxPooling2D`.

    Parameters
    ----------
    pool_size : int
    strides : int, optional
        Steps from one window to the next; pool_size by default.
    padding : {"valid", "same"}
    data_format : {None, "channels_last"}
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.MaxPooling1D().build((13, 4))
    (6, 4)
    """

    aliases = ("MaxPool1D",)
    image_class = MaxPooling2D


class AveragePooling1D(_Pooling1D):
    """a[t, c] = mean_i in[t s + i - p, c], over the steps of a window of pool_size that are in the sequence.

    Input (n, steps, C), output (n, out, C); see `AveragePooling2D`.

    Parameters
    ----------
    pool_size : int
    strides : int, optional
        Steps from one window to the next; pool_size by default.
    padding : {"valid", "same"}
    data_format : {None, "channels_last"}
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.AveragePooling1D(3, strides=2).build((13, 4))
    (6, 4)
    """

    aliases = ("AvgPool1D",)
    image_class = AveragePooling2D


class _GlobalPooling1D(_OverSteps):
    """One window over all steps."""

    image_class: type[GlobalMaxPooling2D | GlobalAveragePooling2D]

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
        *_, channels = self._image_shape(input_shape)
        return (1, channels) if self.keepdims else (channels,)

    def _image_layer(self) -> Layer:
        return self.image_class()


class GlobalMaxPooling1D(_GlobalPooling1D):
    """a[c] = max_t in[t, c], over all steps t.

    Input (n, steps, C), output (n, C), or (n, 1, C) with keepdims.

    Parameters
    ----------
    data_format : {None, "channels_last"}
    keepdims : bool
        Whether the output keeps the steps axis, as a sequence of one step.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.GlobalMaxPooling1D()([[[1.0, 6.0], [3.0, 2.0]]])
    array([[3., 6.]], dtype=float32)
    """

    aliases = ("GlobalMaxPool1D",)
    image_class = GlobalMaxPooling2D


class GlobalAveragePooling1D(_GlobalPooling1D):
    """a[c] = mean_t in[t, c], over all steps t.

    Input (n, steps, C), output (n, C), or (n, 1, C) with keepdims.

    Parameters
    ----------
    data_format : {None, "channels_last"}
    keepdims : bool
        Whether the output keeps the steps axis, as a sequence of one step.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.GlobalAveragePooling1D()([[[1.0, 2.0], [3.0, 6.0]]])
    array([[2., 4.]], dtype=float32)
    """

    aliases = ("GlobalAvgPool1D",)
    image_class = GlobalAveragePooling2D


def _single(name: str, value: Any) -> int:
    """`value` as a number of steps; as in Keras, also a tuple of one."""
    if isinstance(value, (tuple, list)) and len(value) == 1:
        value = value[0]
    return _config.integer(name, value, 1, _config.MAX_FEATURES)


Convolution1D = Conv1D
MaxPool1D = MaxPooling1D
AvgPool1D = AveragePooling1D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalAvgPool1D = GlobalAveragePooling1D
