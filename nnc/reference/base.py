"""What every layer of the reference is, from outside:

    layer = LAYERS[row["kind"]](row, n_inputs, index)    row: the plan's dict for it; index: its place there
    layer.n_outputs                        features of a row after the layer
    layer.shapes                           {name: shape} of its parameters
    layer.rules()                          [dict] of its parameters: what the row says of each, such as "l1"
    layer.learns                           bool: the row's "trainable", which may be left out where it is true
    layer.trainable                        [bool] of its parameters: is each learned along its gradient?
    y, kept = layer.forward(x, parameters, noise)              x (B, n_inputs) -> y (B, n_outputs)
    dx, gradients = layer.backward(dy, parameters, kept)       dL/dy -> dL/dx, dL/d parameter for each
    layer.new_state(parameters, kept)      new values of the parameters that are not trainable

`kept` is what backward wants to see again. `noise` is None in inference, (seed, epoch, step) in training.
Parameters that are not trainable are what a layer remembers of its batches: their gradients are zeros, and
where a training step moves the others along their gradients, these take their new values.
"""

from __future__ import annotations

from typing import Any

from .formulas import Array
from .noise import Noise

# What a row may say of a parameter, under "<parameter>_<rule>".
CONSTRAINT = ("nonnegative", "norm_length", "norm_stride", "min_norm", "max_norm", "norm_rate")
RULES = frozenset(("l1", "l2", *CONSTRAINT))

# The layers by their kind, the "kind" of a plan's row; each class that has one enters itself.
LAYERS: dict[str, type[Layer]] = {}


class Layer:
    """A layer without parameters whose output has the shape of its input."""

    kind = ""  # of a plan's row; a class with none of its own is only the base of others
    differentiable = True  # a layer that is not must come before every layer with parameters

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
        self.learns = bool(row.get("trainable", True))  # a frozen layer's parameters stay, penalties left out

    @property
    def trainable(self) -> list[bool]:
        return [True] * len(self.shapes)

    def rules(self) -> list[dict[str, float]]:
        """What the row says of each parameter, "kernel_l1" under "l1", penalties and constraints."""
        found = [
            {
                key.removeprefix(f"{name}_"): value
                for key, value in self.row.items()
                if key.startswith(f"{name}_") and key.removeprefix(f"{name}_") in RULES
            }
            for name in self.shapes
        ]
        return found if self.learns else [{} for _ in found]

    def forward(self, x: Array, parameters: list[Array], noise: Noise | None, /) -> tuple[Array, Any]:
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, parameters, noise)")

    def backward(self, dy: Array, parameters: list[Array], kept: Any, /) -> tuple[Array, list[Array]]:
        raise NotImplementedError(f"{type(self).__name__} has no backward(dy, parameters, kept)")

    def new_state(self, parameters: list[Array], kept: Any, /) -> list[Array]:
        return []

    def check_group(self, n_inputs: int) -> None:
        """Raise a ValueError unless the row's runs of `group` features make up the n_inputs features."""
        group = self.row["group"]
        if group < 1 or n_inputs % group:
            raise ValueError(f"layer {self.index}: group {group} does not divide the {n_inputs} features")
