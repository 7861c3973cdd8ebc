"""onnxruntime on the CPU: a graph of Gemm, Relu and Softmax with given weights and number of threads."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def graph(weights: list[np.ndarray]) -> bytes:
    """The net as the content of an ONNX file."""
    names = [f"{'bw'[i % 2 == 0]}{i // 2}" for i in range(len(weights))]
    nodes, last, layers = [], "x", len(weights) // 2
    for i in range(layers):
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"z{i}"]))
        kind, last = ("Relu", f"a{i}") if i < layers - 1 else ("Softmax", "a")
        nodes.append(helper.make_node(kind, [f"z{i}"], [last]))
    values = [numpy_helper.from_array(w, name) for w, name in zip(weights, names, strict=True)]
    return file(nodes, values, [None, len(weights[0])], [None, len(weights[-1])])


def file(nodes: list, constants: list, x_shape: list, a_shape: list) -> bytes:
    """The content of an ONNX file, from x to the output of the last node; None in a shape is any size."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)
    a = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, a_shape)
    version = [helper.make_opsetid("", 17)]
    model = helper.make_model(helper.make_graph(nodes, "net", [x], [a], constants), opset_imports=version)
    model.ir_version = 9
    return model.SerializeToString()


class Predictor:
    graph = staticmethod(graph)

    def __init__(self, weights, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self.session = onnxruntime.InferenceSession(
            self.graph(weights), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"x": x})[0]
