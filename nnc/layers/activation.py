"""Activations as layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from nnc import _config, activations, constraints, initializers, regularizers
from nnc.layers.base import Layer, LayerOptions, Shape, Weight, activation_fields


class Activation(Layer):
    """a = f(z), element by element; softmax over the last axis.

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

    def __init__(
        self, activation: activations.ActivationLike, name: str | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(name, **options)
        self.activation = activations.Activation.get(activation, "activation")

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "activation", "group": self._shapes()[0][-1]} | activation_fields(self.activation)]


class ReLU(Activation):
    """a = max(z, 0) + negative_slope min(z, 0), or min(max(z, 0), max_value).

    Parameters
    ----------
    max_value : float, optional
        The upper limit, above 0; only where negative_slope is 0.
    threshold : float
        Must be 0: nnc's ReLU has its threshold there.
    negative_slope : float
        At least 0.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.ReLU(max_value=6.0)([[-1.0, 2.0, 9.0]])
    array([[0., 2., 6.]], dtype=float32)
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        self.max_value = None if max_value is None else _config.number("max_value", max_value, "(0, inf)")
        self.negative_slope = _config.number("negative_slope", negative_slope, "[0, inf)")
        self.threshold = _config.number("threshold", threshold)
        if self.threshold != 0.0:
            raise _config.refusal("threshold", "0: nnc's ReLU has no other threshold", threshold)
        if self.max_value is not None and self.negative_slope > 0.0:
            raise _config.refusal("max_value", "None when negative_slope is above 0", max_value)
        leaky = activations.Activation("leaky_relu", self.negative_slope)
        if self.max_value is not None:
            leaky = activations.Activation("capped_relu", self.max_value)
        plain = self.negative_slope == 0.0 and self.max_value is None
        super().__init__(activations.relu if plain else leaky, name, **options)


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
    """a = max(z, 0) + alpha min(z, 0), with a trainable slope alpha for each feature.

    Input and output (n, ...). Weights: alpha, of a sample's shape.

    Parameters
    ----------
    alpha_initializer : str or Initializer
        Initial values of alpha. (PyTorch's PReLU has one slope for all features, initially 0.25.)
    alpha_regularizer : str, Regularizer or None
        Penalty on alpha.
    name : str, optional
    alpha_constraint : str, Constraint or None
        Applied to alpha after each update: see `nnc.constraints`.

    Examples
    --------
    >>> from nnc import layers
    >>> prelu = layers.PReLU(alpha_initializer="zeros")
    >>> prelu([[-1.0, 2.0]])
    array([[-0.,  2.]], dtype=float32)
    >>> prelu.count_params()
    2

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    added: ClassVar[Mapping[str, object]] = {**Layer.added, "alpha_constraint": None}

    def __init__(
        self,
        alpha_initializer: initializers.InitializerLike = "zeros",
        alpha_regularizer: regularizers.RegularizerLike = None,
        name: str | None = None,
        *,
        alpha_constraint: constraints.ConstraintLike = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.alpha_initializer = initializers.Initializer.get(alpha_initializer, "alpha_initializer")
        self.alpha_regularizer = regularizers.Regularizer.get(alpha_regularizer, "alpha_regularizer")
        self.alpha_constraint = constraints.Constraint.get(alpha_constraint, "alpha_constraint")

    def weights_spec(self) -> list[Weight]:
        return [("alpha", self._shapes()[0], self.alpha_initializer)]

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "prelu"} | self._rules()]


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
    """a_j = exp(z_j) / sum_k exp(z_k) over the last axis.

    Parameters
    ----------
    axis : int
        -1, or the index of the last axis (the batch axis is 0).
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Softmax()([[0.0, 0.0]])
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, axis: int = -1, name: str | None = None, **options: Unpack[LayerOptions]) -> None:
        super().__init__(activations.softmax, name, **options)
        self.axis = _config.integer("axis", axis, -1, 64)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        _config.choice("axis", self.axis, (-1, len(input_shape)))
        return input_shape
