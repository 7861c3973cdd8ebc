"""Operations executed in NumPy float64 with the formulas of nnc.reference, for calibration and for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from nnc import reference
from nnc.export import operations as ops


def run(operations: Iterable[ops.Operation], x: np.ndarray) -> np.ndarray:
    """The outputs (n, F) of the last operation for rows x (n, F)."""
    for operation in operations:
        x = apply(operation, x)
    return x


def apply(operation: ops.Operation, x: np.ndarray) -> np.ndarray:
    """The outputs (n, F) of one operation for rows x (n, F), float64."""
    rows = np.asarray(x, np.float64).reshape(len(x), *operation.input_shape)
    with np.errstate(all="ignore"):
        return FORMULAS[type(operation)](operation, rows).reshape(len(x), operation.n_outputs)


def _geometry(operation: Any) -> dict[str, Any]:
    window = operation.window
    return {"strides": window.strides, "pads": window.pads, "out_shape": operation.output_shape[:2]}


def _convolution(operation: ops.Convolution, x: np.ndarray) -> np.ndarray:
    more = _geometry(operation) | {"dilation": operation.window.dilation, "groups": operation.groups}
    return reference.conv2d(x, operation.kernel, operation.bias, **more)


def _pooling(operation: ops.Pooling, x: np.ndarray) -> np.ndarray:
    pool = reference.max_pooling if operation.kind == "max" else reference.average_pooling
    return pool(x, operation.window.size, **_geometry(operation))


def _affine(operation: ops.Affine, x: np.ndarray) -> np.ndarray:
    return operation.scale * (x.reshape(-1, len(operation.scale)) - operation.center) + operation.offset


def _activation(operation: ops.Activation, x: np.ndarray) -> np.ndarray:
    return reference.activation(operation.function, x.reshape(-1, operation.group), operation.alpha)


def _prelu(operation: ops.PReLU, x: np.ndarray) -> np.ndarray:
    x = x.reshape(len(x), -1)
    return np.where(x > 0, x, np.resize(operation.alpha, x.shape[1]) * x)


def _thresholded_relu(operation: ops.ThresholdedReLU, x: np.ndarray) -> np.ndarray:
    return reference.thresholded_relu(x, operation.slope, operation.threshold, operation.most)


def _layer_normalization(operation: ops.LayerNormalization, x: np.ndarray) -> np.ndarray:
    x = x.reshape(-1, operation.group)
    return reference.layer_normalization(x, operation.gamma, operation.beta, epsilon=operation.epsilon)


def _unit_normalization(operation: ops.UnitNormalization, x: np.ndarray) -> np.ndarray:
    x = x.reshape(-1, operation.group)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), operation.least)


FORMULAS: dict[type[ops.Operation], Callable[[Any, np.ndarray], np.ndarray]] = {
    ops.Dense: lambda op, x: reference.dense(x, op.kernel, op.bias),
    ops.Convolution: _convolution,
    ops.Pooling: _pooling,
    ops.ZeroPadding: lambda op, x: reference.zero_padding(x, op.pads, op.output_shape[:2]),
    ops.Affine: _affine,
    ops.Activation: _activation,
    ops.PReLU: _prelu,
    ops.ThresholdedReLU: _thresholded_relu,
    ops.LayerNormalization: _layer_normalization,
    ops.UnitNormalization: _unit_normalization,
    ops.Reshape: lambda op, x: x,
    ops.Permute: lambda op, x: x.transpose(0, *(axis + 1 for axis in op.order)),
}
