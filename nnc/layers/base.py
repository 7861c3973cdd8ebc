"""What the layers share: the class Layer, and the parts of a row that several kinds have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config, activations, initializers, regularizers

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

Shape = tuple[int, ...]
Weight = tuple[str, Shape, initializers.Initializer]  # a name in the layer, a shape, first values

# What Keras's layers take by keyword and nnc has not: the values that change nothing, and what to do.
_ABSENT: dict[str, tuple[tuple[Any, ...], str]] = {
    "activity_regularizer": (
        (None,),
        "None (penalties are on weights: kernel_regularizer, bias_regularizer)",
    ),
    "dtype": ((None, "float32"), "None or 'float32' (nnc computes in float32)"),
    "rms_scaling": ((False,), "False (nnc normalizes by mean and variance)"),
    "synchronized": ((False,), "False (nnc trains in one process)"),
    "trainable": ((True,), "True (nnc trains every weight of a model)"),
} | {
    f"{weight}_constraint": ((None,), f"None (nnc has no constraints; {weight}_regularizer is a penalty)")
    for weight in ("kernel", "bias", "gamma", "beta", "alpha")
}


class Layer(_config.Config):
    """Base of the layers: a name, shapes, weights, the rows of a plan.

    Parameters
    ----------
    name : str, optional
        Unique in a model, which names its layers after `auto_name` if they have none: dense, dense_1, ...
    input_shape : tuple of int, optional
        For a model's first layer, in place of an `Input`: the shape of one sample.
    input_dim : int, optional
        ``input_shape=(input_dim,)``.
    **absent
        What Keras has and nnc has not (activity_regularizer, kernel_constraint, dtype, trainable, ...), with
        the value that it has in Keras when it is left out; any other is refused.

    Attributes
    ----------
    input_shape, output_shape : tuple of int or None
        Shapes of one sample. output_shape is None until the layer is built; input_shape until then is what
        the constructor was given.
    non_trainable : tuple of str
        Of a class: the names of the weights that no gradient moves, such as moving averages; see
        `trainable_flags`.
    stops_gradient : bool
        Of a class: whether no gradient flows through, so that no layer with weights may come before.
    """

    kind = "layer"
    saved = False
    auto_name = "layer"
    non_trainable: tuple[str, ...] = ()
    stops_gradient = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.auto_name = cls.identifier

    def __init__(
        self,
        name: str | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        **absent: Any,
    ) -> None:
        for argument, value in absent.items():
            if argument not in _ABSENT:
                raise TypeError(f"{type(self).__name__} has no argument {argument!r}")
            same, must = _ABSENT[argument]
            if not any(value is known or (isinstance(known, str) and value == known) for known in same):
                raise _config.refusal(argument, must, value)
        if input_shape is not None and input_dim is not None:
            raise _config.refusal("input_dim", "None beside input_shape", input_dim)
        if input_dim is not None:
            input_shape = (_config.integer("input_dim", input_dim, 1, _config.MAX_FEATURES),)
        self.name = _config.optional_name(name)
        self.input_shape = None if input_shape is None else _config.shape("input_shape", input_shape)
        self.output_shape: Shape | None = None

    @property
    def built(self) -> bool:
        """Whether the layer knows its shapes."""
        return self.output_shape is not None

    def build(self, input_shape: Sequence[int]) -> Shape:
        """Take `input_shape` as the shape of one sample, for good, and return `output_shape`.

        Raises
        ------
        ValueError
            If the layer cannot take that shape, or has another one already.
        """
        input_shape = _config.shape("input_shape", input_shape)
        if self.input_shape is not None and input_shape != self.input_shape:
            given = f"input_shape is {self.input_shape} already, got {input_shape}"
            raise ValueError(f"{self}: {given}; make a new layer for another shape")
        output_shape = _config.shape("output_shape", self.compute_output_shape(input_shape))
        self.input_shape, self.output_shape = input_shape, output_shape
        return output_shape

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape for an input's: the same, unless a class says otherwise."""
        return input_shape

    def weights_spec(self) -> list[Weight]:
        """(name, shape, initializer) of each weight, in the order of a plan's parameters; here none."""
        return []

    def rows(self) -> list[dict[str, Any]]:
        """The layer's rows in a plan, which works on flat samples; here, and for new shapes only, none."""
        return []

    @property
    def weight_names(self) -> list[str]:
        """The weights' names."""
        return [name for name, _, _ in self._weights()]

    @property
    def trainable_flags(self) -> list[bool]:
        """Whether training moves each weight by its gradient, in the order of `weight_names`."""
        return [name not in self.non_trainable for name in self.weight_names]

    def initialize(self, rng: Generator) -> list[NDArray[np.float32]]:
        """First values for the weights, drawn from `rng` in their order."""
        return [initializer(shape, rng) for _, shape, initializer in self._weights()]

    def count_params(self) -> int:
        """The number of weights."""
        return sum(math.prod(shape) for _, shape, _ in self._weights())

    def _weights(self) -> list[Weight]:
        self._shapes()
        return self.weights_spec()

    def _shapes(self) -> tuple[Shape, Shape]:
        """The shapes of one sample before and after the layer.

        Raises
        ------
        RuntimeError
            If the layer is not built.
        """
        if self.input_shape is None or self.output_shape is None:
            raise RuntimeError(f"{self} has no shapes yet: build(input_shape) first")
        return self.input_shape, self.output_shape

    # A layer has a place in a model: two with the same arguments are still two.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def activation_fields(activation: activations.Activation) -> dict[str, Any]:
    """The part of a row that says which activation follows."""
    return {"activation": activation.name, "alpha": activation.alpha}


def check_unseeded(value: None) -> None:
    """Raise a ValueError unless `value`, a layer's seed, is None."""
    if value is not None:
        raise _config.refusal(
            "seed", "None: random numbers come from the model's seed, nnc.set_random_seed", value
        )


def penalty_fields(weight: str, regularizer: regularizers.Regularizer | None) -> dict[str, float]:
    """The part of a row that has a weight's penalties, 0 where there are none."""
    found = regularizer or regularizers.L1L2()
    return {f"{weight}_l1": found.l1, f"{weight}_l2": found.l2}
