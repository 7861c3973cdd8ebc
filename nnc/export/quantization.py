"""Integer operations in NumPy, bitwise identical to the generated C.

Values and weights have 8 bits, sums 32. A tensor of values v is stored as q = round(v / scale) + zero, int8;
the scale and zero point of a layer come from the smallest and the largest value that calibration rows produce
there. The weights of each output have their own scale and no zero point. The sum of a product,
(q - zero) w + bias, is converted to the next scale by multiplying by m and dividing by 2^s, both integers.
Activations other than relu are lookup tables of 256 entries. The outputs have 16 bits, one scale and no zero
point.

References: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", CVPR 2018.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnc import reference
from nnc.export import execution
from nnc.export import operations as ops

_ROWS = 256  # rows computed at a time
LARGEST = 2**29  # limit of the bias and of the sum added to it: with rounding, both stay below 2^31
_WIDE = 32767
_HEADROOM = 2.0  # range of a 16-bit output relative to that of the calibration

# Outside, the function is nearly constant: the 256 values of its argument are better used inside.
_SATURATED = {"sigmoid": (-8.0, 8.0), "tanh": (-4.0, 4.0)}


@dataclass(frozen=True)
class Scale:
    """v = scale (q - zero); q is int8, or, if `wide`, int16 with zero = 0."""

    scale: float
    zero: int = 0
    wide: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        return (-32768, 32767) if self.wide else (-128, 127)

    @property
    def farthest(self) -> int:
        """The largest |q - zero|."""
        return max(abs(limit - self.zero) for limit in self.limits)

    @classmethod
    def narrow(cls, low: float, high: float) -> Scale:
        """The scale of a range that contains low, high and 0."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low) / 255.0
        if not scale > np.finfo(np.float32).tiny:
            return cls(1.0)
        return cls(scale, int(np.rint(-128.0 - low / scale)))

    @classmethod
    def apart(cls, low: float, high: float) -> Scale:
        """The scale of values from low to high, whose range may exclude 0: 1000 +- 5, say."""
        if low <= 0.0 <= high:
            return cls.narrow(low, high)
        scale = max((high - low) / 255.0, max(abs(low), abs(high)) / 2**15)
        return cls(scale, int(np.rint(-128.0 - low / scale)))

    @classmethod
    def of_outputs(cls, low: float, high: float) -> Scale:
        """The 16-bit scale of values from low to high."""
        largest = max(abs(low), abs(high))
        return cls(largest / _WIDE if largest > np.finfo(np.float32).tiny else 1.0, 0, True)

    def integers(self, values: np.ndarray) -> np.ndarray:
        """The q nearest to values, int64."""
        return np.clip(np.rint(values / self.scale) + self.zero, *self.limits).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Rescale:
    """Sums (n, ..., O) to integers: y = sums m / 2^s + zero, rounded, at least `low` and at most `high`."""

    multiplier: np.ndarray  # (O,) int32
    shift: np.ndarray  # (O,), from 0 to 62
    zero: int
    low: int
    high: int

    @classmethod
    def by(cls, factors: np.ndarray, to: Scale, low: int | None = None) -> Rescale:
        """The rescaling that multiplies by factors (O,)."""
        multiplier, shift = multipliers(factors)
        return cls(multiplier, shift, to.zero, to.limits[0] if low is None else low, to.limits[1])

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        return np.clip(scaled(sums, self.multiplier, self.shift) + self.zero, self.low, self.high)


def multipliers(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers m and s such that m / 2^s is nearest to each factor, with m in 31 bits."""
    fractions, exponents = np.frexp(factors)
    m, s = np.rint(fractions * 2.0**31).astype(np.int64), 31 - exponents.astype(np.int64)
    full = np.abs(m) == 2**31
    m, s = np.where(full, m // 2, m), np.where(full, s - 1, s)
    m, s = np.where(s > 62, m >> np.minimum(np.maximum(s - 62, 0), 62), m), np.minimum(s, 62)
    if s.min() < 0:
        raise ValueError("int8: a factor between two layers is above 2^31; normalize the model's inputs")
    return m, s


def scaled(sums: np.ndarray, m: np.ndarray, s: np.ndarray) -> np.ndarray:
    """sums m / 2^s, rounded to the nearest, halves away from 0."""
    product, half = sums.astype(np.int64) * m, (np.int64(1) << s) >> 1
    return np.where(product < 0, -((half - product) >> s), (product + half) >> s)


# ----------------------------------------------------------------------------------------------------- stages


@dataclass(frozen=True, eq=False)
class Stage:
    """One integer step, from the scale `x` to the scale `y`; it computes `operation`."""

    operation: ops.Operation
    x: Scale
    y: Scale

    def run(self, q: np.ndarray) -> np.ndarray:
        """Outputs (n, F) of q (n, F), int64."""
        raise NotImplementedError(f"{type(self).__name__} has no run(q)")

    def maps(self, q: np.ndarray) -> np.ndarray:
        """q - zero as (n, *input_shape)."""
        return (q - self.x.zero).reshape(len(q), *self.operation.input_shape)


@dataclass(frozen=True, eq=False)
class Product(Stage):
    """A dense layer or a convolution, with the relu that follows it, if any."""

    weights: np.ndarray  # of the kernel's shape, int8
    bias: np.ndarray  # (O,) int32
    rescale: Rescale
    activation: str

    def run(self, q: np.ndarray) -> np.ndarray:
        bare: Any = replace(self.operation, kernel=self.weights.astype(np.float64), bias=None)  # type: ignore[call-arg]
        sums = execution.apply(bare, self.maps(q).reshape(len(q), -1))  # exact: integers below 2^53
        sums = np.rint(sums).astype(np.int64).reshape(-1, len(self.bias)) + self.bias
        return self.rescale(sums).reshape(len(q), -1)


@dataclass(frozen=True, eq=False)
class Lookup(Stage):
    """Any elementwise function of 8-bit values."""

    table: np.ndarray  # (256,), for q = -128, ..., 127

    def run(self, q: np.ndarray) -> np.ndarray:
        return self.table[q + 128]


@dataclass(frozen=True, eq=False)
class Softmax(Stage):
    """exp(-d) for the distance d to the largest, as a product of two entries: for its high and low byte."""

    low: np.ndarray  # (256,) round(32767 exp(-scale i))
    high: np.ndarray  # (256,) round(32767 exp(-scale 256 i)), for wide inputs
    group: int

    @property
    def one(self) -> int:
        """The integer that represents 1."""
        return _WIDE if self.y.wide else 255

    def run(self, q: np.ndarray) -> np.ndarray:
        rows = q.reshape(-1, self.group)
        d = rows.max(axis=1, keepdims=True) - rows
        e = self.low[d & 255]
        if self.x.wide:
            e = (e * self.high[d >> 8] + 16384) >> 15
        total = e.sum(axis=1, keepdims=True)
        return ((e * self.one + total // 2) // total + self.y.zero).reshape(len(q), -1)


@dataclass(frozen=True, eq=False)
class Pool(Stage):
    """The largest value of a window, or the rounded mean; the scale is unchanged."""

    def run(self, q: np.ndarray) -> np.ndarray:
        operation: Any = self.operation
        window, maps = operation.window, self.maps(q)
        more = {"strides": window.strides, "pads": window.pads, "out_shape": operation.output_shape[:2]}
        if operation.kind == "max":
            pooled = reference.max_pooling(maps, window.size, **more)
        else:
            mean = reference.average_pooling(maps, window.size, **more)
            ones = reference.conv2d(np.ones((1, *maps.shape[1:3], 1)), np.ones((*window.size, 1, 1)), **more)
            total = np.rint(mean * ones)
            pooled = np.sign(total) * ((2 * np.abs(total) + ones) // (2 * ones))
        return pooled.astype(np.int64).reshape(len(q), -1) + self.y.zero


@dataclass(frozen=True, eq=False)
class Padding(Stage):
    """The map, padded with the integer that represents 0."""

    def run(self, q: np.ndarray) -> np.ndarray:
        operation: Any = self.operation
        padded = reference.zero_padding(self.maps(q), operation.pads, operation.output_shape[:2])
        return padded.astype(np.int64).reshape(len(q), -1) + self.y.zero


@dataclass(frozen=True, eq=False)
class Permutation(Stage):
    """The same integers in another order."""

    def run(self, q: np.ndarray) -> np.ndarray:
        return np.rint(execution.apply(self.operation, q)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Linear(Stage):
    """y = weight q + bias, (G,) along the sample: an affine map."""

    weights: np.ndarray  # (G,) int16
    bias: np.ndarray  # (G,) int32
    rescale: Rescale

    def run(self, q: np.ndarray) -> np.ndarray:
        sums = (q - self.x.zero).reshape(-1, len(self.weights)) * self.weights + self.bias
        return self.rescale(sums).reshape(len(q), -1)


@dataclass(frozen=True, eq=False)
class Slopes(Stage):
    """PReLU: slopes (G,), repeated along the sample, below 0 and `one` above, in the same unit."""

    slopes: np.ndarray  # (G,) int16
    one: int
    rescale: Rescale  # (1,)

    def run(self, q: np.ndarray) -> np.ndarray:
        v = q - self.x.zero
        return self.rescale(v * np.where(v > 0, self.one, np.resize(self.slopes, v.shape[1])))


UNIT_BITS = 12  # fractional bits of a normalized value


@dataclass(frozen=True, eq=False)
class Normalization(Stage):
    """z = (n v - sum v) / sqrt(n sum v^2 - (sum v)^2 + n^2 epsilon), then gamma z + beta; if not `centered`
    z = v / sqrt(sum v^2), the sum at least `least`.
    """

    centered: bool
    least: int  # of sum v^2, in the square of the scale
    epsilon: int  # n^2 epsilon, in the square of the scale
    multiplier: np.ndarray  # (G,) gamma, from z to y with 8 more bits
    shift: np.ndarray  # (G,)
    bias: np.ndarray  # (G,) beta, with 8 more bits

    def run(self, q: np.ndarray) -> np.ndarray:
        v = (q - self.x.zero).reshape(-1, len(self.bias))
        n, total = (v.shape[1], v.sum(axis=1, keepdims=True)) if self.centered else (1, 0)
        square = n * (v * v).sum(axis=1, keepdims=True) - total * total + self.epsilon
        square = np.maximum(square, self.least)
        bits = np.zeros_like(square)
        for _ in range(31):
            small = (square < 2**58) & (square > 0)
            square, bits = np.where(small, square << 2, square), bits + small
        root = np.floor(np.sqrt(square.astype(np.float64))).astype(np.int64)
        root -= root * root > square
        root += (root + 1) * (root + 1) <= square
        d = n * v - total
        size = (np.abs(d) << (bits + UNIT_BITS)) // np.maximum(root, 1)
        z = np.where(d < 0, -size, size)
        y = np.clip(scaled(z, self.multiplier, self.shift), -LARGEST, LARGEST) + self.bias
        y = np.where(y < 0, -((128 - y) >> 8), (y + 128) >> 8) + self.y.zero
        return np.clip(y, *self.y.limits).reshape(len(q), -1)


@dataclass(frozen=True, eq=False)
class Widen(Stage):
    """The outputs of an 8-bit stage, with the zero point subtracted."""

    def run(self, q: np.ndarray) -> np.ndarray:
        return q - self.x.zero


# ---------------------------------------------------------------------------------------------------- the net


@dataclass(frozen=True, eq=False)
class Net:
    """Stages in a row."""

    x: Scale
    stages: list[Stage]

    @property
    def output_scale(self) -> float:
        """The value that an output of 1 represents."""
        return self.stages[-1].y.scale

    def integers(self, rows: np.ndarray) -> np.ndarray:
        """Rows (n, F) of numbers, quantized to int8."""
        return self.x.integers(np.asarray(rows, np.float64)).astype(np.int8)

    def run(self, q: np.ndarray) -> np.ndarray:
        """The outputs (n, O), int16, for rows (n, F), int8."""
        parts = []
        for start in range(0, len(q), _ROWS):
            part = q[start : start + _ROWS].astype(np.int64)
            for stage in self.stages:
                part = stage.run(part)
            parts.append(part)
        return np.concatenate(parts).astype(np.int16)


def quantize(operations: Sequence[ops.Operation], rows: np.ndarray) -> Net:
    """The stages of inference operations, with scales calibrated on rows (n, ...) of numbers.

    Raises
    ------
    ValueError
        If an operation has no integer form.
    """
    chain = [operation for operation in operations if not isinstance(operation, ops.Reshape)]
    ranges = _ranges(chain, rows.reshape(len(rows), -1))
    multiplies = bool(chain) and isinstance(chain[0], (ops.Dense, ops.Convolution, ops.Affine))
    first = (Scale.apart if multiplies else Scale.narrow)(*ranges[0])
    stages: list[Stage] = []
    at, here = 0, first
    while at < len(chain):
        operation = chain[at]
        stage = STAGES[type(operation)](chain, ranges, at, here)
        stages.append(stage)
        here, at = stage.y, at + 1
        if isinstance(stage, Product) and stage.activation:
            at += 1  # the relu is part of the product
    if not here.wide:
        shape = chain[-1].output_shape if chain else rows.shape[1:]
        nothing = ops.Reshape("", shape, shape)
        stages.append(Widen(nothing, here, Scale(here.scale, 0, True)))
    return Net(first, stages)


def _ranges(chain: Sequence[ops.Operation], rows: np.ndarray) -> list[tuple[float, float]]:
    """(smallest, largest) of the rows and of the outputs of each operation."""
    lows = np.full(len(chain) + 1, np.inf)
    highs = -lows
    for start in range(0, len(rows), _ROWS):
        x = rows[start : start + _ROWS]
        for i, operation in enumerate([None, *chain]):
            x = x if operation is None else execution.apply(operation, x)
            lows[i], highs[i] = min(lows[i], x.min()), max(highs[i], x.max())
    if not (np.isfinite(lows).all() and np.isfinite(highs).all()):
        raise ValueError("int8: the calibration rows produce NaN or infinite values in the network")
    return [(float(low), float(high)) for low, high in zip(lows, highs, strict=True)]


# The stage of the operation at index `at` of the chain, from the scale `here`.
Ranges = Sequence[tuple[float, float]]
Chain = Sequence[ops.Operation]


def _product(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    operation: Any = chain[at]
    follows = chain[at + 1] if at + 1 < len(chain) else None
    function = follows.function if isinstance(follows, ops.Activation) else ""
    relu = function == "relu"
    last = at + 1 + relu
    low, high = ranges[last]
    if last == len(chain) or (function == "softmax" and last + 1 == len(chain)):
        y = Scale.of_outputs(low * _HEADROOM, high * _HEADROOM)
    else:
        least, most = _SATURATED.get(function, (-math.inf, math.inf))
        y = Scale.narrow(max(low, least), min(high, most))
    kernel = operation.kernel.reshape(-1, operation.kernel.shape[-1])
    bias = np.zeros(kernel.shape[1]) if operation.bias is None else operation.bias
    unit = np.maximum.reduce(
        [
            np.abs(kernel).max(axis=0) / 127.0,
            np.abs(bias) / (here.scale * LARGEST),
            np.abs(kernel).sum(axis=0) * (here.farthest / LARGEST),
        ]
    )
    unit = np.where(unit > 0, unit, 1.0)
    weights = np.clip(np.rint(kernel / unit), -127, 127).astype(np.int8).reshape(operation.kernel.shape)
    integer_bias = np.rint(bias / (unit * here.scale)).astype(np.int64)
    sums = np.abs(weights.reshape(kernel.shape).astype(np.int64)).sum(axis=0) * here.farthest
    if (sums + np.abs(integer_bias)).max() >= 2**31:
        raise ValueError(
            f"int8: layer {operation.layer!r} has {len(kernel)} inputs, too many for sums of 32 bits"
        )
    low_limit = max(y.zero, y.limits[0]) if relu else None
    rescale = Rescale.by(unit * here.scale / y.scale, y, low_limit)
    return Product(operation, here, y, weights, integer_bias, rescale, "relu" if relu else "")


def _activation(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    operation: Any = chain[at]
    last = at + 1 == len(chain)
    if operation.function == "softmax":
        if operation.group > 65536:
            raise ValueError(f"int8: softmax over {operation.group} outputs is too wide; use 65536 at most")
        y = Scale(1.0 / _WIDE, 0, True) if last else Scale(1.0 / 255.0, -128)
        steps = np.arange(256)
        low, high = (
            np.rint(_WIDE * np.exp(-here.scale * steps * byte)).astype(np.int64) for byte in (1, 256)
        )
        return Softmax(operation, here, y, low, high, operation.group)
    if not operation.elementwise:
        raise ValueError(
            f"int8: {operation.function} of layer {operation.layer!r} has no form in integers; end the model "
            "with a softmax or with the logits"
        )
    results = reference.activation(operation.function, _arguments(here), operation.alpha)
    return _lookup(chain, at, here, results)


def _thresholded_relu(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    operation: Any = chain[at]
    options = operation.slope, operation.threshold, operation.most
    return _lookup(chain, at, here, reference.thresholded_relu(_arguments(here), *options))


def _arguments(here: Scale) -> np.ndarray:
    """The values that the integers -128, ..., 127 represent."""
    return here.scale * (np.arange(-128, 128) - here.zero)


def _lookup(chain: Chain, at: int, here: Scale, results: np.ndarray) -> Stage:
    """The stage of an elementwise function with these results for `_arguments`."""
    operation: Any = chain[at]
    ends = float(results.min()), float(results.max())
    if at + 1 == len(chain):  # probabilities have a fixed scale, independent of the calibration
        y = Scale.of_outputs(*((-1.0, 1.0) if operation.function in _SATURATED else ends))
    else:
        y = Scale.narrow(*ends)
    return Lookup(operation, here, y, y.integers(results))


def _pool(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    return Pool(chain[at], here, here)


def _padding(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    return Padding(chain[at], here, here)


def _affine(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    operation: Any = chain[at]
    y = Scale.narrow(*ranges[at + 1])
    unit = np.maximum(
        np.abs(operation.scale) * max(1 / 16384, here.farthest / LARGEST),
        np.abs(operation.constant) / (here.scale * LARGEST),
    )
    unit = np.where(unit > 0, unit, 1.0)
    weights = np.rint(operation.scale / unit).astype(np.int64)
    bias = np.rint(operation.constant / (unit * here.scale)).astype(np.int64)
    return Linear(operation, here, y, weights, bias, Rescale.by(unit * here.scale / y.scale, y))


def _permute(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    return Permutation(chain[at], here, here)


def _prelu(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    operation: Any = chain[at]
    y = Scale.narrow(*ranges[at + 1])
    unit = max(1.0, float(np.abs(operation.alpha).max())) / 16384.0
    slopes = np.rint(operation.alpha / unit).astype(np.int64)
    rescale = Rescale.by(np.array([unit * here.scale / y.scale]), y)
    return Slopes(operation, here, y, slopes, round(1.0 / unit), rescale)


def _layer_normalization(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    operation: Any = chain[at]
    y, n = Scale.narrow(*ranges[at + 1]), operation.group
    if n > 2**20:
        raise ValueError(f"int8: a layer normalization of {n} features is too wide; use {2**20} at most")
    epsilon = round(min(n * n * operation.epsilon / here.scale**2, 2.0**58))
    multiplier, shift = multipliers(operation.gamma * 256.0 / (2**UNIT_BITS * y.scale))
    bias = np.clip(np.rint(operation.beta * 256.0 / y.scale), -LARGEST, LARGEST).astype(np.int64)
    return Normalization(operation, here, y, True, 0, epsilon, multiplier, shift, bias)


def _unit_normalization(chain: Chain, ranges: Ranges, at: int, here: Scale) -> Stage:
    operation: Any = chain[at]
    y, n = Scale.narrow(*ranges[at + 1]), operation.group
    least = round(min((operation.least / here.scale) ** 2, 2.0**58))
    multiplier, shift = multipliers(np.full(n, 256.0 / (2**UNIT_BITS * y.scale)))
    return Normalization(operation, here, y, False, least, 0, multiplier, shift, np.zeros(n, np.int64))


STAGES: dict[type[ops.Operation], Callable[[Chain, Ranges, int, Scale], Stage]] = {
    ops.Dense: _product,
    ops.Convolution: _product,
    ops.Activation: _activation,
    ops.Pooling: _pool,
    ops.ZeroPadding: _padding,
    ops.Permute: _permute,
    ops.Affine: _affine,
    ops.PReLU: _prelu,
    ops.ThresholdedReLU: _thresholded_relu,
    ops.LayerNormalization: _layer_normalization,
    ops.UnitNormalization: _unit_normalization,
}
