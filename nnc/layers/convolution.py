"""Convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from nnc import _config, activations, constraints, initializers, regularizers
from nnc.layers import geometry
from nnc.layers.base import Layer, LayerOptions, Shape, Weight, activation_fields


class Conv2D(Layer):
    """a[y, x, o] = f(sum_ijc in[y s + i d - p, x s + j d - p, c] W[i, j, c, o] + b[o]), over an image.

    Every filter o is a window of weights that slides over the image; stride s, dilation d and padding p are
    those of the respective axis. Pixels outside the image count as 0. (As in other libraries, the kernel is
    not flipped: mathematically, this is a cross-correlation.) With G groups, each of the G groups of O / G
    filters does this to its own group of C / G channels; with groups=C each filter sees one channel, which is
    called a depthwise convolution.

    Input (n, height, width, C), output (n, out_height, out_width, O); weights kernel W (kernel_height,
    kernel_width, C / G, O) and bias b (O,). With padding="valid" out = floor((in - d (k - 1) - 1) / s) + 1
    along each axis, with "same" out = ceil(in / s).

    Parameters
    ----------
    filters : int
        O, at least 1.
    kernel_size : int or (int, int)
        Height and width of the window.
    strides : int or (int, int)
        Pixels from one position of the window to the next.
    padding : {"valid", "same"}
        "valid" keeps the window inside the image; "same" pads the image with zeros so that with strides 1 the
        output has the image's size. An odd row or column of padding is at the bottom or the right.
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    dilation_rate : int or (int, int)
        Pixels from one element of the kernel to the next; must be 1 if a stride is above 1.
    groups : int
        G, which divides both C and O.
    activation : str, Activation or None
        f, a name of `nnc.activations`; None is linear. Softmax is over the O outputs of each pixel.
    use_bias : bool
        Whether the layer has a bias b.
    kernel_initializer, bias_initializer : str or Initializer
        Initial values of W and b. The kernel's fan-in is kernel_height kernel_width C / G, its fan-out
        kernel_height kernel_width O.
    kernel_regularizer, bias_regularizer : str, Regularizer or None
        Penalties on W and b.
    name : str, optional
    kernel_constraint, bias_constraint : str, Constraint or None
        Applied to W and b after each update: see `nnc.constraints`.
    **options
        input_shape, for a model's first layer.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not images, the window does not fit or
        groups does not divide their channels.

    References
    ----------
    LeCun, Boser, Denker, Henderson, Howard, Hubbard and Jackel, "Backpropagation applied to handwritten zip
    code recognition", Neural Computation 1, 1989. Sizes: Dumoulin and Visin, "A guide to convolution
    arithmetic for deep learning", arXiv:1603.07285, 2016. Dilation: Yu and Koltun, "Multi-scale context
    aggregation by dilated convolutions", ICLR 2016. Groups: Krizhevsky, Sutskever and Hinton, "ImageNet
    classification with deep convolutional neural networks", NIPS 2012; PyTorch's Conv2d(groups=).

    Examples
    --------
    >>> from nnc import layers
    >>> conv = layers.Conv2D(32, 3, activation="relu")
    >>> conv.build((28, 28, 1)), conv.count_params()
    ((26, 26, 32), 320)
    >>> layers.Conv2D(32, 3, strides=2, padding="same").build((28, 28, 1))
    (14, 14, 32)
    >>> depthwise = layers.Conv2D(8, 3, groups=8, use_bias=False)
    >>> depthwise.build((28, 28, 8)), depthwise.count_params()
    ((26, 26, 8), 72)
    >>> layers.Conv2D(32, 3).build((28, 28))
    Traceback (most recent call last):
    ...
    ValueError: Conv2D(32, (3, 3)) takes samples of shape (height, width, channels), got input_shape \
(28, 28): put Reshape((28, 28, 1)) before it, or begin with Input((28, 28, 1))
    """

    aliases = ("Convolution2D",)
    added: ClassVar[Mapping[str, object]] = {
        **Layer.added,
        "kernel_constraint": None,
        "bias_constraint": None,
    }

    optional_weights = ("bias",)

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | tuple[int, int] = (1, 1),
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
        self.filters = _config.integer("filters", filters, 1, _config.MAX_FEATURES)
        self.kernel_size = geometry.pair("kernel_size", kernel_size)
        self.strides = geometry.pair("strides", strides)
        self.padding = geometry.padding_mode(padding)
        self.data_format = geometry.channels_last(data_format)
        self.dilation_rate = geometry.pair("dilation_rate", dilation_rate)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            must = f"1, since strides={self.strides} are above 1 (only one of the two may be)"
            raise _config.refusal("dilation_rate", must, dilation_rate)
        self.groups = _config.integer("groups", groups, 1, _config.MAX_FEATURES)
        if self.filters % self.groups:
            raise _config.refusal("groups", f"a divisor of filters={self.filters}", groups)
        self.activation = activations.Activation.get(activation, "activation")
        self.use_bias = _config.boolean("use_bias", use_bias)
        self.kernel_initializer = initializers.Initializer.get(kernel_initializer, "kernel_initializer")
        self.bias_initializer = initializers.Initializer.get(bias_initializer, "bias_initializer")
        self.kernel_regularizer = regularizers.Regularizer.get(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = regularizers.Regularizer.get(bias_regularizer, "bias_regularizer")
        self.kernel_constraint = constraints.Constraint.get(kernel_constraint, "kernel_constraint")
        self.bias_constraint = constraints.Constraint.get(bias_constraint, "bias_constraint")

    def _window(self, input_shape: Shape) -> dict[str, int]:
        return geometry.window(
            self,
            input_shape,
            self.kernel_size,
            self.strides,
            self.padding,
            self.dilation_rate,
            argument="kernel_size",
        )

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        found = self._window(input_shape)
        geometry.check_groups(self, input_shape, self.groups)
        return (found["out_height"], found["out_width"], self.filters)

    def weights_spec(self) -> list[Weight]:
        shape = (*self.kernel_size, self._shapes()[0][-1] // self.groups, self.filters)
        kernel = ("kernel", shape, self.kernel_initializer)
        bias = ("bias", (self.filters,), self.bias_initializer)
        return [kernel, bias] if self.use_bias else [kernel]

    def rows(self) -> list[dict[str, Any]]:
        row = {"kind": "conv2d"} | self._window(self._shapes()[0])
        row |= {"filters": self.filters, "groups": self.groups}
        row |= {"use_bias": self.use_bias, "group": self.filters}
        return [row | activation_fields(self.activation) | self._rules()]


Convolution2D = Conv2D
