"""The interface of every layer of the reference:

    layer = LAYERS[row["kind"]](row, n_inputs, index)    row: its dict in the plan; index: its position there
    layer.n_outputs                        features of a row after the layer
    layer.shapes                           {name: shape} of its parameters
    layer.rules()                          [dict] of its parameters: the row's settings for each, such as "l1"
    layer.is_trainable                     bool: the row's "trainable", true by default
    layer.trainable                        [bool] of its parameters: is each updated by its gradient?
    y, kept = layer.forward(x, parameters, noise)              x (B, n_inputs) -> y (B, n_outputs)
    dx, gradients = layer.backward(dy, parameters, kept)       dL/dy -> dL/dx, dL/d parameter for each
    layer.new_state(parameters, kept)      new values of the parameters that are not trainable

`kept` holds what backward needs from forward. `noise` is None in inference, (seed, epoch, step) in training.
Non-trainable parameters are statistics that a layer accumulates over batches: their gradients are zeros, and
a training step sets them to their new values, where it updates the others by their gradients.
"""

from __future__ import annotations

import math
from typing import Any

from .formulas import Array
from .noise import Noise

# The settings of a parameter in a row, under "<parameter>_<rule>".
CONSTRAINT = ("nonnegative", "norm_length", "norm_stride", "min_norm", "max_norm", "norm_rate")
RULES = frozenset(("l1", "l2", "undecayed", *CONSTRAINT))

# The layer classes by kind, the "kind" of a plan's row; each class that has one registers itself.
LAYERS: dict[str, type[Layer]] = {}


class Layer:
    """A layer without parameters whose output has the shape of its input."""

    kind = ""  # of a plan's row; a class without one is only a base class
    differentiable = True  # if not, the layer must come before every layer with parameters

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        if "kind" in vars(cls) and LAYERS.setdefault(cls.kind, cls) is not cls:
            raise TypeError(f"{cls.__name__}: the kind {cls.kind!r} is that of {LAYERS[cls.kind].__name__}")

    def __init__(self, row: dict, n_inputs: int, index: int):
        self.row = row
        self.index = index
        self.n_inputs = self.n_outputs = n_inputs
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.precision: str = row.get("precision", "float32")  # of its products
        # The parameters of a frozen layer have no updates and no penalties.
        self.is_trainable = bool(row.get("trainable", True))

    @property
    def trainable(self) -> list[bool]:
        return [True] * len(self.shapes)

    def rules(self) -> list[dict[str, float]]:
        """The row's penalties and constraints of each parameter, "kernel_l1" as "l1"."""
        found = [
            {
                key.removeprefix(f"{name}_"): value
                for key, value in self.row.items()
                if key.startswith(f"{name}_") and key.removeprefix(f"{name}_") in RULES
            }
            for name in self.shapes
        ]
        return found if self.is_trainable else [{} for _ in found]

    def forward(self, x: Array, parameters: list[Array], noise: Noise | None, /) -> tuple[Array, Any]:
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, parameters, noise)")

    def backward(self, dy: Array, parameters: list[Array], kept: Any, /) -> tuple[Array, list[Array]]:
        raise NotImplementedError(f"{type(self).__name__} has no backward(dy, parameters, kept)")

    def new_state(self, parameters: list[Array], kept: Any, /) -> list[Array]:
        return []

    def check_axes(self, n_inputs: int) -> list[int]:
        """The sizes of a sample's axes, alternately kept and shared: the row's "axes", or one kept axis.

        A layer has a parameter for each position along the kept axes; the shared ones have size 1 in the
        shape that is returned by `kept_axes`.
        """
        axes = list(self.row.get("axes") or [n_inputs])
        if math.prod(axes) != n_inputs:
            raise ValueError(f"layer {self.index}: the product of axes {axes} is not {n_inputs}")
        return axes

    def check_group(self, n_inputs: int) -> None:
        """Raise a ValueError unless the row's group divides the n_inputs features."""
        group = self.row["group"]
        if group < 1 or n_inputs % group:
            raise ValueError(f"layer {self.index}: group {group} does not divide the {n_inputs} features")


def kept_axes(axes: list[int]) -> list[int]:
    """The shape of parameters for these axes, alternately kept and shared: 1 for the shared ones."""
    return [size if i % 2 == 0 else 1 for i, size in enumerate(axes)]
