"""The operations of inference: fewer than those of training, with the same results up to rounding.

1. Dropout and augmentation are removed.
2. Zero padding is folded into the convolution after it: kernel positions outside its map count as 0, too.
3. Batch normalizations and rescalings become y = scale (x - center) + offset (`Affine`); adjacent ones merge.
4. An affine map is folded into the product before it, or, past poolings and reshapes, into the one after it.

The affine map stays where 4 is not valid or would lose precision: after an activation that no product
follows; before a convolution whose windows include zeros outside the map, unless it maps 0 to 0; and if it
maps 0 far from 0. In the last case y is small compared with scale x, and a sum over scale x loses digits by
cancellation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nnc.export import operations as ops

# The largest |constant| folded into the product after it: for values of about 1 it costs at most three bits.
LARGEST_CONSTANT = 8.0


def inference(operations: Sequence[ops.Operation]) -> list[ops.Operation]:
    """The operations of inference.

    Raises
    ------
    ValueError
        If folding makes an array non-finite, such as that of a batch normalization whose epsilon and moving
        variance are 0.
    """
    found = [_as_affine(operation) for operation in operations if not operation.training_only]
    _check(found)
    for rule in (_pad, _join, _fold_back, _join, _fold_forward):
        found = _until_settled(rule, found)
    _check(found)
    return found


def _check(operations: Sequence[ops.Operation]) -> None:
    """Raise a ValueError for an array that is not finite in float32."""
    for operation in operations:
        for name, value in vars(operation).items():
            if isinstance(value, np.ndarray) and not (np.abs(value) <= np.finfo(np.float32).max).all():
                raise ValueError(
                    f"{name} of layer {operation.layer!r} is not finite in float32 once it is folded: look "
                    "at its weights (a moving variance of 0 with epsilon=0, or too large a gamma)"
                )


def _as_affine(operation: ops.Operation) -> ops.Operation:
    if not isinstance(operation, ops.BatchNormalization):
        return operation
    with np.errstate(all="ignore"):  # `inference` rejects values that are not finite
        scale = operation.gamma / np.sqrt(operation.variance + operation.epsilon)
    return ops.Affine(*_place(operation), scale, operation.beta, operation.mean)


def _place(operation: ops.Operation) -> tuple[str, ops.Shape, ops.Shape]:
    return operation.layer, operation.input_shape, operation.output_shape


# A rule takes two consecutive operations and returns their replacement, or None if it does not apply.
Rule = Callable[[ops.Operation, ops.Operation], "list[ops.Operation] | None"]


def _until_settled(rule: Rule, operations: list[ops.Operation]) -> list[ops.Operation]:
    """The list with the rule applied to consecutive operations until it applies to none."""
    at = 0
    while at + 1 < len(operations):
        new = rule(operations[at], operations[at + 1])
        if new is None:
            at += 1
        else:
            operations = [*operations[:at], *new, *operations[at + 2 :]]
            at = max(at - 1, 0)
    return operations


def _pad(first: ops.Operation, then: ops.Operation) -> list[ops.Operation] | None:
    """Zero padding, then a convolution: positions outside the map count as 0, as the zeros did."""
    if not isinstance(first, ops.ZeroPadding) or not isinstance(then, ops.Convolution):
        return None
    pads = (first.pads[0] + then.window.pads[0], first.pads[1] + then.window.pads[1])
    return [replace(then, input_shape=first.input_shape, window=replace(then.window, pads=pads))]


def _join(first: ops.Operation, then: ops.Operation) -> list[ops.Operation] | None:
    """Two affine maps in a row."""
    if not isinstance(first, ops.Affine) or not isinstance(then, ops.Affine):
        return None
    period = math.lcm(len(first.scale), len(then.scale))
    scale, offset, center = (np.resize(v, period) for v in (first.scale, first.offset, first.center))
    outer, constant = np.resize(then.scale, period), np.resize(then.constant, period)
    return [
        replace(
            then,
            input_shape=first.input_shape,
            scale=outer * scale,
            offset=outer * offset + constant,
            center=center,
        )
    ]


def _fold_back(first: ops.Operation, then: ops.Operation) -> list[ops.Operation] | None:
    """A product, then an affine map: kernel' = kernel scale, bias' = bias scale + offset."""
    if not isinstance(then, ops.Affine):
        return None
    if isinstance(first, ops.Reshape):  # the affine map is the same before it
        shape = first.input_shape
        return [replace(then, input_shape=shape, output_shape=shape), first]
    if not isinstance(first, (ops.Dense, ops.Convolution)) or first.kernel.shape[-1] % len(then.scale):
        return None
    scale, offset = (np.resize(v, first.kernel.shape[-1]) for v in (then.scale, then.constant))
    bias = offset if first.bias is None else first.bias * scale + offset
    return [replace(first, kernel=first.kernel * scale, bias=bias)]


def _fold_forward(first: ops.Operation, then: ops.Operation) -> list[ops.Operation] | None:
    """An affine map, then a product, or an operation that it commutes with."""
    if not isinstance(first, ops.Affine):
        return None
    if isinstance(then, ops.Reshape):
        return [then, replace(first, input_shape=then.output_shape, output_shape=then.output_shape)]
    if isinstance(then, ops.Pooling) and then.input_shape[-1] % len(first.scale) == 0:
        if then.kind == "average" or first.scale.min() > 0:
            return [then, replace(first, input_shape=then.output_shape, output_shape=then.output_shape)]
        return None
    if not isinstance(then, (ops.Dense, ops.Convolution)) or np.abs(first.constant).max() > LARGEST_CONSTANT:
        return None
    if isinstance(then, ops.Convolution):
        outside = then.window.leaves(then.input_shape, then.output_shape) and first.constant.any()
        if outside or then.input_shape[2] % len(first.scale):
            return None
    scale, offset = (_along_inputs(then, v) for v in (first.scale, first.constant))
    added = (then.kernel * offset).reshape(-1, then.kernel.shape[-1]).sum(axis=0)
    bias = added if then.bias is None else then.bias + added
    if then.bias is None and not first.constant.any():
        bias = None
    kernel = then.kernel * scale
    return [replace(then, input_shape=first.input_shape, kernel=kernel, bias=bias)]


def _along_inputs(product: ops.Dense | ops.Convolution, values: np.ndarray) -> np.ndarray:
    """`values`, repeated along a product's inputs, as an array that multiplies its kernel."""
    *_, inputs, outputs = product.kernel.shape  # Dense: (I, O), Convolution: (KH, KW, C / G, O)
    of_groups = np.resize(values, product.groups * inputs).reshape(product.groups, inputs)
    return np.repeat(of_groups.T, outputs // product.groups, axis=1)
