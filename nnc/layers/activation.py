"""Activations as layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

from nnc import _config, activations, constraints, initializers, regularizers
from nnc.layers.base import Layer, LayerOptions, Shape, Weight, activation_fields
from nnc.layers.geometry import along, sample_axes, sharing


def activation_row(activation: activations.Activation, shape: Shape) -> dict[str, Any]:
    """The row of a layer that applies an activation to samples of this shape."""
    return {"kind": "activation", "group": shape[-1]} | activation_fields(activation)


class Activation(Layer):
    """a = f(z), element by element; softmax and log_softmax over the last axis.

    Input and output (n, ...).

    Parameters
    ----------
    activation : str or Activation
        f, a name of `nnc.activations`.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Activation("tanh")
    Activation('tanh')
    """

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.activation.elementwise

    def __init__(
        self, activation: activations.ActivationLike, name: str | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(name, **options)
        self.activation = activations.Activation.get(activation, "activation")

    def rows(self) -> list[dict[str, Any]]:
        return [activation_row(self.activation, self._shapes()[0])]


class ReLU(Layer):
    """a = min(z, max_value) if z > threshold, else negative_slope (z - threshold).

    Input and output (n, ...).

    Parameters
    ----------
    max_value : float, optional
        The upper limit, at least 0; None: no limit.
    negative_slope : float
        At least 0.
    threshold : float
        At least 0.
    name : str, optional

    Attributes
    ----------
    activation : Activation or None
        The activation of `nnc.activations` that is the same function, if there is one.

    Notes
    -----
    Where threshold > max_value, values between the two are below the threshold, as in Keras.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.ReLU(max_value=6.0)([[-1.0, 2.0, 9.0]])
    array([[0., 2., 6.]], dtype=float32)
    >>> layers.ReLU(max_value=6.0, negative_slope=0.5, threshold=1.0)([[-1.0, 0.5, 2.0, 9.0]])
    array([[-1.  , -0.25,  2.  ,  6.  ]], dtype=float32)
    """

    elementwise = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.max_value = None if max_value is None else _config.number("max_value", max_value, "[0, inf)")
        self.negative_slope = _config.number("negative_slope", negative_slope, "[0, inf)")
        self.threshold = _config.number("threshold", threshold, "[0, inf)")

    @property
    def activation(self) -> activations.Activation | None:
        if self.threshold:
            return None
        if self.max_value is None:
            slope = self.negative_slope
            return activations.Activation("leaky_relu", slope) if slope else activations.relu
        if self.negative_slope or not self.max_value:
            return None
        return activations.Activation("capped_relu", self.max_value)

    def rows(self) -> list[dict[str, Any]]:
        if self.activation is not None:
            return [activation_row(self.activation, self._shapes()[0])]
        row = {"slope": self.negative_slope, "threshold": self.threshold}
        return [{"kind": "thresholded_relu", "most": self.max_value} | row]


class LeakyReLU(Activation):
    """a = max(z, 0) + negative_slope min(z, 0).

    Parameters
    ----------
    negative_slope : float
        At least 0. (The default is that of Keras, whose activation "leaky_relu" has 0.2; PyTorch's is 0.01.)
    alpha : float, optional
        Older name of negative_slope.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.LeakyReLU(0.5)([[-1.0, 2.0]])
    array([[-0.5,  2. ]], dtype=float32)

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    """

    def __init__(
        self,
        negative_slope: float = 0.3,
        name: str | None = None,
        *,
        alpha: float | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        if alpha is not None:
            negative_slope = _config.number("alpha", alpha, "[0, inf)")
        self.negative_slope = _config.number("negative_slope", negative_slope, "[0, inf)")
        super().__init__(activations.Activation("leaky_relu", self.negative_slope), name, **options)


class PReLU(Layer):
    """a = max(z, 0) + alpha min(z, 0), with a trainable slope alpha for each feature, or fewer.

    Input and output (n, ...). Weights: alpha, of a sample's shape; the shared axes have size 1.

    Parameters
    ----------
    alpha_initializer : str or Initializer
        Initial values of alpha. (PyTorch's PReLU has one slope for all features, initially 0.25.)
    alpha_regularizer : str, Regularizer or None
        Penalty on alpha.
    name : str, optional
    alpha_constraint : str, Constraint or None
        Applied to alpha after each update: see `nnc.constraints`.
    shared_axes : int, list of int or None
        Axes along which features share a slope; the batch axis is 0. For images (height, width, channels),
        [1, 2] has one slope for each channel.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if a sample does not have one of the shared axes.

    Examples
    --------
    >>> from nnc import layers
    >>> prelu = layers.PReLU(alpha_initializer="zeros")
    >>> prelu([[-1.0, 2.0]])
    array([[-0.,  2.]], dtype=float32)
    >>> prelu.count_params()
    2
    >>> by_channel = layers.PReLU(shared_axes=[1, 2])
    >>> by_channel.build((28, 28, 16)), by_channel.alpha.shape
    ((28, 28, 16), (1, 1, 16))

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    added: ClassVar[Mapping[str, object]] = {**Layer.added, "alpha_constraint": None, "shared_axes": None}

    def __init__(
        self,
        alpha_initializer: initializers.InitializerLike = "zeros",
        alpha_regularizer: regularizers.RegularizerLike = None,
        name: str | None = None,
        *,
        alpha_constraint: constraints.ConstraintLike = None,
        shared_axes: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.alpha_initializer = initializers.Initializer.get(alpha_initializer, "alpha_initializer")
        self.alpha_regularizer = regularizers.Regularizer.get(alpha_regularizer, "alpha_regularizer")
        self.alpha_constraint = constraints.Constraint.get(alpha_constraint, "alpha_constraint")
        none = shared_axes is None or (isinstance(shared_axes, list | tuple) and not shared_axes)
        axes = None if none else _config.axes("shared_axes", shared_axes)
        self.shared_axes = (axes,) if isinstance(axes, int) else axes

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        known = range(1, len(input_shape) + 1)
        for axis in self.shared_axes or ():
            if axis not in known:
                must = f"from 1 to {len(input_shape)} for input_shape {input_shape} (0 is the batch axis)"
                raise _config.refusal("shared_axes", must, self.shared_axes)
        self._axes(input_shape)
        return input_shape

    def _axes(self, shape: Shape) -> dict[str, list[int]]:
        return sharing(shape, {axis - 1 for axis in self.shared_axes or ()})

    def weights_spec(self) -> list[Weight]:
        shared = self.shared_axes or ()
        shape = tuple(1 if i in shared else size for i, size in enumerate(self._shapes()[0], 1))
        return [("alpha", shape, self.alpha_initializer)]

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "prelu"} | self._axes(self._shapes()[0]) | self._rules()]


class ELU(Activation):
    """a = z if z > 0 else alpha (exp(z) - 1).

    Parameters
    ----------
    alpha : float
        Above 0.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.ELU()([[-1.0, 2.0]]).round(4)
    array([[-0.6321,  2.    ]], dtype=float32)

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear
    units", ICLR 2016.
    """

    def __init__(self, alpha: float = 1.0, name: str | None = None, **options: Unpack[LayerOptions]) -> None:
        self.alpha = _config.number("alpha", alpha, "(0, inf)")
        super().__init__(activations.Activation("elu", self.alpha), name, **options)


class Softmax(Activation):
    """a_j = exp(z_j) / sum_k exp(z_k) over the axes.

    Parameters
    ----------
    axis : int or list of int
        Such as -1, the last axis, or [1, 2] (the batch axis is 0). Any others than the last ones cost two
        passes more.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Softmax()([[0.0, 0.0]])
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(
        self, axis: int | Sequence[int] = -1, name: str | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(activations.softmax, name, **options)
        self.axis = _config.axes("axis", axis)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        along(sample_axes(self.axis, input_shape), input_shape, {})
        return input_shape

    def rows(self) -> list[dict[str, Any]]:
        shape = self._shapes()[0]
        axes = sample_axes(self.axis, shape)
        group = math.prod(shape[axis] for axis in axes)
        return along(axes, shape, activation_row(self.activation, shape) | {"group": group})
