"""onnxruntime on the convolutional net of workloads.py."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper
from workloads import BN_EPSILON, CONVOLUTIONS, DENSE

from peers import onnx_side


def graph(weights: list[np.ndarray]) -> bytes:
    """The net as the content of an ONNX file; images are channels last, with one channel."""
    values, nodes, constants = iter(weights), [], []

    def constant(array: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(constants)}"))
        return constants[-1].name

    def node(kind: str, *inputs: str, **attributes) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    last = node("Mul", "x", constant(np.float32(1 / 255)))
    last = node("Reshape", last, constant(np.array([-1, 1, 28, 28], np.int64)))
    side, channels = 28, 1
    for filters, padding in CONVOLUTIONS:
        if not filters:
            last = node("MaxPool", last, kernel_shape=[2, 2], strides=[2, 2])
            side //= 2
            continue
        kernel = constant(next(values).transpose(3, 2, 0, 1))
        last = node("Conv", last, kernel, kernel_shape=[3, 3], pads=[padding] * 4)
        last = node(
            "BatchNormalization", last, *(constant(next(values)) for _ in range(4)), epsilon=BN_EPSILON
        )
        last = node("Relu", last)
        side, channels = side + 2 * padding - 2, filters
    last = node("Flatten", last)
    for i, units in enumerate(DENSE):
        w = next(values)
        if i == 0:
            w = w.reshape(side, side, channels, units).transpose(2, 0, 1, 3).reshape(-1, units)
        last = node("Gemm", last, constant(w), constant(next(values)))
        if i < len(DENSE) - 1:
            last = node("Relu", last)
    return onnx_side.file(nodes, constants, [None, 28, 28, 1], [None, DENSE[-1]])


class Predictor(onnx_side.Predictor):
    graph = staticmethod(graph)
