"""Operations for libraries whose images are (channels, height, width).

Images are transposed only where necessary: in most nets a dense layer follows a flattened image, and its rows
are permuted instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from nnc.export import operations as ops

TO_FIRST, TO_LAST = (2, 0, 1), (1, 2, 0)
_WINDOWS = (ops.Convolution, ops.Pooling, ops.ZeroPadding)
RUNS = (ops.LayerNormalization, ops.UnitNormalization)  # normalizations over the last axes


class Placed(NamedTuple):
    """An operation with its shapes and arrays in the layout of its samples: channels first if `first`."""

    operation: ops.Operation
    first: bool


def channels_first(
    operations: Sequence[ops.Operation], input_shape: ops.Shape, outside_first: bool
) -> list[Placed]:
    """The operations, with the transpositions that they need.

    Parameters
    ----------
    outside_first : bool
        Whether inputs and outputs of the model that are images have their channels first, too.
    """
    return _joined(list(_placed(operations, input_shape, outside_first)))


def _placed(operations: Sequence[ops.Operation], shape: ops.Shape, outside_first: bool) -> Iterator[Placed]:
    first = outside_first and len(shape) == 3
    order: np.ndarray | None = None  # value j of a flat sample is nnc's value order[j]
    name = ""
    for at, operation in enumerate(operations):
        name, shape = operation.layer, operation.input_shape
        wanted = _wanted(operation, first)
        if isinstance(operation, ops.Reshape) and first:
            if len(operation.output_shape) == 1 and _absorbs(operations[at + 1 :]):
                order = np.arange(operation.n_inputs).reshape(shape).transpose(TO_FIRST).reshape(-1)
            else:
                wanted = False
        if wanted != first:
            yield _transposition(name, shape, wanted)
            first = wanted
        if order is not None and not isinstance(operation, ops.Reshape):
            operation = _reordered(operation, order)
            order = None if isinstance(operation, ops.Dense) else order
        yield Placed(_channels_first(operation) if first else operation, first)
        shape = operation.output_shape
        first = first and len(shape) == 3
    wanted = outside_first and len(shape) == 3
    if wanted != first:
        yield _transposition(name, shape, wanted)


def _wanted(operation: ops.Operation, first: bool) -> bool:
    """Whether the operation's input should have its channels first, given that its layout is `first`."""
    image = len(operation.input_shape) == 3
    by_channel = isinstance(operation, ops.BatchNormalization) or (
        isinstance(operation, ops.Dropout) and operation.spatial
    )
    if isinstance(operation, _WINDOWS) or (image and by_channel):
        return True
    if isinstance(operation, ops.Permute):
        return False
    if isinstance(operation, RUNS) and operation.group < operation.n_inputs:
        return False
    return first and image


def _absorbs(rest: Sequence[ops.Operation]) -> bool:
    """Whether a dense layer comes before any operation that depends on the order of a flat sample."""
    for operation in rest:
        if isinstance(operation, ops.Dense):
            return True
        whole = isinstance(operation, RUNS) and operation.group == operation.n_inputs
        of_rows = isinstance(operation, ops.Activation) and not operation.elementwise
        free = (
            ops.Activation,
            ops.PReLU,
            ops.ThresholdedReLU,
            ops.Affine,
            ops.BatchNormalization,
            ops.Dropout,
        )
        if of_rows or not (whole or isinstance(operation, free)):
            return False
    return False


def _transposition(layer: str, shape: ops.Shape, first: bool) -> Placed:
    """The transposition of an image, of `shape` in nnc; a Reshape if the order of values is the same."""
    transposed = tuple(shape[axis] for axis in TO_FIRST)
    before, after = (shape, transposed) if first else (transposed, shape)
    if shape[2] == 1 or shape[0] * shape[1] == 1:
        return Placed(ops.Reshape(layer, before, after), first)
    return Placed(ops.Transpose(layer, before, after, TO_FIRST if first else TO_LAST), first)


# Arrays along the sample: unless it has a single value, each is repeated to the sample's size and permuted.
_ALONG = {
    ops.Affine: ("scale", "offset", "center"),
    ops.PReLU: ("alpha",),
    ops.BatchNormalization: ("gamma", "beta", "mean", "variance"),
    ops.LayerNormalization: ("gamma", "beta"),
}


def _reordered(operation: Any, order: np.ndarray) -> ops.Operation:
    """The operation on flat samples whose value j is nnc's value order[j]."""
    if isinstance(operation, ops.Dense):
        return replace(operation, kernel=operation.kernel[order])
    arrays = {
        name: np.resize(array, len(order))[order] for name, array in _along(operation) if len(array) > 1
    }
    return replace(operation, **arrays)


def _along(operation: Any) -> list[tuple[str, np.ndarray]]:
    """The names of an operation's arrays along the sample, and the arrays."""
    return [(name, getattr(operation, name)) for name in _ALONG.get(type(operation), ())]


def _channels_first(operation: Any) -> ops.Operation:
    """The operation with its shapes and arrays transposed to channels first."""

    def to_first(shape: ops.Shape) -> ops.Shape:
        return tuple(shape[axis] for axis in TO_FIRST) if len(shape) == 3 else shape

    shapes: dict[str, Any] = {"input_shape": to_first(operation.input_shape)}
    shapes["output_shape"] = to_first(operation.output_shape)
    if isinstance(operation, ops.BatchNormalization):  # its arrays are per channel in both layouts
        return replace(operation, **shapes)
    arrays = {}
    for name, array in _along(operation):
        if len(array) > 1 and len(operation.input_shape) == 3:
            repeated = np.resize(array, operation.n_inputs).reshape(operation.input_shape)
            arrays[name] = repeated.transpose(TO_FIRST).reshape(-1)
    return replace(operation, **shapes, **arrays)


def _joined(placed: list[Placed]) -> list[Placed]:
    """`placed` without reshapes and pairs of transpositions that have no effect; adjacent reshapes merged."""
    found: list[Placed] = []
    for operation, first in placed:
        before = found[-1].operation if found else None
        if isinstance(operation, ops.Transpose) and isinstance(before, ops.Transpose):
            if [before.order[axis] for axis in operation.order] == [0, 1, 2]:
                found.pop()
                continue
        elif isinstance(operation, ops.Reshape) and isinstance(before, ops.Reshape):
            found.pop()
            operation = replace(operation, input_shape=before.input_shape)
        if not isinstance(operation, ops.Reshape) or operation.input_shape != operation.output_shape:
            found.append(Placed(operation, first))
    return found


def per_channel(array: np.ndarray, shape: ops.Shape) -> np.ndarray | None:
    """(C,) if an array along a sample (C, ...) is constant within each channel, else None."""
    rows = array.reshape(shape[0], -1)
    return rows[:, 0] if (rows == rows[:, :1]).all() else None
