"""Dense layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Unpack

from nnc import _config, activations, constraints, initializers, regularizers
from nnc.layers import geometry
from nnc.layers.base import Layer, LayerOptions, Shape, Weight, activation_fields


class Dense(Layer):
    """a = f(x W + b), a fully connected layer.

    Input (n, ..., I), output (n, ..., O), with the same W and b at every position of the axes in between.
    Weights: kernel W (I, O) and bias b (O,).

    Parameters
    ----------
    units : int
        O, at least 1.
    activation : str, Activation or None
        f, a name of `nnc.activations`; None is linear.
    use_bias : bool
        Whether the layer has a bias b.
    kernel_initializer, bias_initializer : str or Initializer
        Initial values of W and b.
    kernel_regularizer, bias_regularizer : str, Regularizer or None
        Penalties on W and b.
    name : str, optional
    kernel_constraint, bias_constraint : str, Constraint or None
        Applied to W and b after each update: see `nnc.constraints`.
    **options
        input_shape or input_dim, for a model's first layer.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Dense(10, activation="softmax", kernel_initializer="he_normal")
    Dense(10, activation='softmax', kernel_initializer='he_normal')
    >>> layers.Dense(10).build((28, 28))
    (28, 10)
    """

    added: ClassVar[Mapping[str, object]] = {
        **Layer.added,
        "kernel_constraint": None,
        "bias_constraint": None,
    }

    optional_weights = ("bias",)

    def __init__(
        self,
        units: int,
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
        self.units = _config.integer("units", units, 1, _config.MAX_FEATURES)
        self.activation = activations.Activation.get(activation, "activation")
        self.use_bias = _config.boolean("use_bias", use_bias)
        self.kernel_initializer = initializers.Initializer.get(kernel_initializer, "kernel_initializer")
        self.bias_initializer = initializers.Initializer.get(bias_initializer, "bias_initializer")
        self.kernel_regularizer = regularizers.Regularizer.get(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = regularizers.Regularizer.get(bias_regularizer, "bias_regularizer")
        self.kernel_constraint = constraints.Constraint.get(kernel_constraint, "kernel_constraint")
        self.bias_constraint = constraints.Constraint.get(bias_constraint, "bias_constraint")

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def weights_spec(self) -> list[Weight]:
        kernel = ("kernel", (self._shapes()[0][-1], self.units), self.kernel_initializer)
        bias = ("bias", (self.units,), self.bias_initializer)
        return [kernel, bias] if self.use_bias else [kernel]

    def rows(self) -> list[dict[str, Any]]:
        *places, features = self._shapes()[0]
        row: dict[str, Any] = {"use_bias": self.use_bias, "group": self.units}
        if places:  # a 1 x 1 convolution
            size = (1, 1)
            window = geometry.window(self, (math.prod(places), 1, features), size, size, "valid")
            row |= {"kind": "conv2d", "filters": self.units} | window
        else:
            row |= {"kind": "dense", "units": self.units}
        return [row | activation_fields(self.activation) | self._rules()]
