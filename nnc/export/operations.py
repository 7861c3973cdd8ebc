"""The intermediate representation of a model for export: the operations that every target is generated from.

An operation maps one sample to one sample. Its arrays are plain NumPy arrays, images are (height, width,
channels), and flat samples are in row-major order. `nnc.export.lowering` makes the list of a model,
`nnc.export.folding` the shorter one of inference; a target has one function for each class here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from nnc import activations

Array: TypeAlias = np.ndarray
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]  # along rows, along columns


@dataclass(frozen=True, eq=False)
class Operation:
    """The base class: the layer of the operation, and the shapes of a sample before and after it."""

    layer: str
    input_shape: Shape
    output_shape: Shape

    training_only: ClassVar[bool] = False

    @property
    def n_inputs(self) -> int:
        return math.prod(self.input_shape)

    @property
    def n_outputs(self) -> int:
        return math.prod(self.output_shape)

    @property
    def multiply_adds(self) -> int:
        """The number for one sample if the operation is a product, else 0."""
        return 0


@dataclass(frozen=True, eq=False)
class Dense(Operation):
    """y = x kernel + bias."""

    kernel: Array  # (I, O)
    bias: Array | None  # (O,)

    groups: ClassVar[int] = 1

    @property
    def multiply_adds(self) -> int:
        return self.kernel.size


@dataclass(frozen=True, eq=False)
class Window:
    """Sliding windows over a map: along each axis, output pixel o and kernel position k read input pixel
    o stride + k dilation - pad; positions outside the map are skipped.
    """

    size: Pair
    strides: Pair
    dilation: Pair
    pads: Pair  # above, on the left

    def pads_after(self, shape: Shape, output_shape: Shape) -> Pair:
        """Rows below and columns to the right of the map that the last windows reach; if negative, skip."""
        below, right = (
            (out - 1) * stride + dilation * (size - 1) + 1 - pad - length
            for length, out, size, stride, dilation, pad in zip(
                shape, output_shape, self.size, self.strides, self.dilation, self.pads, strict=False
            )
        )
        return below, right

    def leaves(self, shape: Shape, output_shape: Shape) -> bool:
        """Whether a kernel position is outside the map."""
        return max(*self.pads, *self.pads_after(shape, output_shape)) > 0


@dataclass(frozen=True, eq=False)
class Convolution(Operation):
    """y[o] = bias + sum of x[k] kernel[k] over the kernel positions k inside the map; each of G groups of
    outputs sees its own group of the C channels.
    """

    window: Window
    kernel: Array  # (KH, KW, C / G, O)
    bias: Array | None  # (O,)
    groups: int  # G

    @property
    def multiply_adds(self) -> int:
        """The number, including kernel positions outside the map."""
        return self.kernel.size * math.prod(self.output_shape[:2])


@dataclass(frozen=True, eq=False)
class Pooling(Operation):
    """y[o, c] = the largest ("max") or the mean ("average") x[k, c] over the positions k inside the map."""

    window: Window
    kind: str


@dataclass(frozen=True, eq=False)
class ZeroPadding(Operation):
    """The map with zeros around it."""

    pads: Pair  # above, on the left


@dataclass(frozen=True, eq=False)
class Affine(Operation):
    """y = scale (x - center) + offset, all three (G,), repeated along the flat sample."""

    scale: Array
    offset: Array
    center: Array

    @property
    def is_rescaling(self) -> bool:
        """Whether it is y = scale x + offset with the same two numbers for all features."""
        return len(self.scale) == 1 and not self.center.any()

    @property
    def constant(self) -> Array:
        """y for x = 0: y = scale x + constant."""
        return self.offset - self.scale * self.center


@dataclass(frozen=True, eq=False)
class BatchNormalization(Operation):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, each (C,) for the last axis."""

    gamma: Array
    beta: Array
    mean: Array
    variance: Array
    epsilon: float
    momentum: float
    has_gamma: bool
    has_beta: bool


def _last_axes(shape: Shape, group: int) -> int:
    """How many of the last axes have `group` features together."""
    if group == math.prod(shape):  # also axes of size 1 before them
        return len(shape)
    axes = 1
    while math.prod(shape[-axes:]) < group:
        axes += 1
    return axes


@dataclass(frozen=True, eq=False)
class LayerNormalization(Operation):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with the mean and the variance of each group of
    G consecutive features; gamma and beta (G,).
    """

    gamma: Array
    beta: Array
    epsilon: float
    has_gamma: bool
    has_beta: bool

    @property
    def group(self) -> int:
        return len(self.gamma)

    @property
    def axes(self) -> int:
        """How many of the sample's last axes a run has."""
        return _last_axes(self.input_shape, self.group)


@dataclass(frozen=True, eq=False)
class UnitNormalization(Operation):
    """y = x / max(|x|, 1e-6), with the Euclidean norm of each group of `group` features."""

    group: int

    least: ClassVar[float] = 1e-6

    @property
    def axes(self) -> int:
        """How many of the sample's last axes a run has."""
        return _last_axes(self.input_shape, self.group)


@dataclass(frozen=True, eq=False)
class Activation(Operation):
    """y = f(x), f a name of `nnc.activations`; those of rows over `group` features each, the last axis."""

    function: str
    alpha: float
    group: int

    @property
    def elementwise(self) -> bool:
        """Whether f acts on single values."""
        return activations.Activation(self.function).elementwise


@dataclass(frozen=True, eq=False)
class PReLU(Operation):
    """y = x if x > 0 else alpha x, alpha (G,), repeated along the flat sample."""

    alpha: Array


@dataclass(frozen=True, eq=False)
class ThresholdedReLU(Operation):
    """y = min(x, most) if x > threshold else slope (x - threshold)."""

    slope: float
    threshold: float
    most: float | None

    function: ClassVar[str] = "thresholded_relu"


@dataclass(frozen=True, eq=False)
class Reshape(Operation):
    """The same values in the same order."""


@dataclass(frozen=True, eq=False)
class Dropout(Operation):
    """In training, values (or, if `spatial`, maps) are set to 0; in inference, y = x."""

    rate: float
    spatial: bool
    shared: bool  # along other axes, by a noise_shape

    training_only: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class Augmentation(Operation):
    """In training, images are changed; in inference, y = x."""

    training_only: ClassVar[bool] = True


@dataclass(frozen=True, eq=False)
class Permute(Operation):
    """The sample's axes in another order: y's axis i is x's axis order[i]."""

    order: Shape


@dataclass(frozen=True, eq=False)
class Transpose(Permute):
    """A permutation that only changes the layout of images, between (H, W, C) and (C, H, W)."""
