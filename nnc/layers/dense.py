"""Dense layers."""

from __future__ import annotations

import math
from typing import Any

from nnc import _config, activations, initializers, regularizers
from nnc.layers import geometry
from nnc.layers.base import Layer, Shape, Weight, activation_fields, penalty_fields


class Dense(Layer):
    """a = f(x W + b), every output from every input.

    Input (n, ..., I), output (n, ..., O), the same W and b at every place of the axes between; weights kernel
    W (I, O) and bias b (O,).

    Parameters
    ----------
    units : int
        O, at least 1.
    activation : str, Activation or None
        f, a name of `nnc.activations`; None is linear.
    use_bias : bool
        Whether there is a b.
    kernel_initializer, bias_initializer : str or Initializer
        First values of W and b.
    kernel_regularizer, bias_regularizer : str, Regularizer or None
        Penalties on W and b.
    name : str, optional
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
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.units = _config.integer("units", units, 1, _config.MAX_FEATURES)
        self.activation = activations.Activation.get(activation, "activation")
        self.use_bias = _config.boolean("use_bias", use_bias)
        self.kernel_initializer = initializers.Initializer.get(kernel_initializer, "kernel_initializer")
        self.bias_initializer = initializers.Initializer.get(bias_initializer, "bias_initializer")
        self.kernel_regularizer = regularizers.Regularizer.get(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = regularizers.Regularizer.get(bias_regularizer, "bias_regularizer")

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def weights_spec(self) -> list[Weight]:
        kernel = ("kernel", (self._shapes()[0][-1], self.units), self.kernel_initializer)
        bias = ("bias", (self.units,), self.bias_initializer)
        return [kernel, bias] if self.use_bias else [kernel]

    def rows(self) -> list[dict[str, Any]]:
        *places, features = self._shapes()[0]
        row: dict[str, Any] = {"use_bias": self.use_bias, "group": self.units}
        if places:  # a convolution whose window is one place
            size = (1, 1)
            window = geometry.window(self, (math.prod(places), 1, features), size, size, "valid")
            row |= {"kind": "conv2d", "filters": self.units} | window
        else:
            row |= {"kind": "dense", "units": self.units}
        penalties = penalty_fields("kernel", self.kernel_regularizer) | penalty_fields(
            "bias", self.bias_regularizer
        )
        return [row | activation_fields(self.activation) | penalties]
