"""`Sequential.export_onnx`: a model as an ONNX graph of opset 18, checked before it is written."""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnc import _config, _files
from nnc._version import __version__
from nnc.export import execution, folding, layout, lowering
from nnc.export import operations as ops
from nnc.export.digest import digest
from nnc.export.outputs import Outputs, outputs_of
from nnc.export.rows import random_rows

OPSET, IR_VERSION, ML_OPSET = 18, 8, 3
TOLERANCE = 1e-5  # largest difference between onnxruntime and nnc, relative to the largest output


class OnnxReport(NamedTuple):
    """The result of `Sequential.export_onnx`.

    Attributes
    ----------
    file : str
    inputs, outputs : tuple of str
        The names of the inputs and outputs.
    difference : float or None
        The largest difference between onnxruntime and nnc, relative to the largest output; None if
        onnxruntime is not installed.
    """

    file: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    difference: float | None


def export_onnx(
    model: lowering.Model,
    path: str | os.PathLike[str],
    *,
    outputs: str = "predict",
    label: bool | None = None,
    classes: Sequence[int] | Sequence[str] | None = None,
    zipmap: bool = False,
    input_name: str = "input",
    output_name: str | None = None,
) -> OnnxReport:
    """See `Sequential.export_onnx`."""
    _config.choice("outputs", outputs, ("predict", "logits", "probabilities"))
    _config.boolean("zipmap", zipmap)
    if label is not None:
        _config.boolean("label", label)
    target = _target(path)
    operations = lowering.operations(model)
    kind, chain = _chosen(outputs_of(model, operations), folding.inference(operations), outputs)
    label = kind.classes if label is None else label
    if (label or zipmap or classes is not None) and not kind.classes:
        raise ValueError(
            "label, classes and zipmap are for classifiers, but this model's outputs are values: end it with "
            "a softmax (or one sigmoid), or compile it with a cross-entropy"
        )
    if zipmap and kind.kind != "probabilities":
        raise ValueError("zipmap is for probabilities, but these are logits: add outputs='probabilities'")
    own = kind.kind if kind.classes else "output"
    names = _names(input_name, own if output_name is None else output_name, label)
    graph = _Graph(_onnx(), {*names, "label"})
    value = graph.chain(chain, names[0], (model.input_shape or ())[1:])
    labels = _labels(classes, kind, (model.output_shape or ())[1:]) if kind.classes else np.zeros(0, np.int64)
    graph.outputs(
        value, names, (model.output_shape or ())[1:], kind, labels, label, zipmap, classes is not None
    )
    proto = graph.model(names[0], (model.input_shape or ())[1:], digest(operations))
    difference = _checked(proto, model, operations, chain, names, labels, label, zipmap, outputs == "predict")
    _files.write_bytes(target, proto.SerializeToString(deterministic=True))
    return OnnxReport(target, (names[0],), tuple(each.name for each in proto.graph.output), difference)


# -------------------------------------------------------------------------------------------------- arguments


def _target(path: str | os.PathLike[str]) -> str:
    text = _files.path_of("path", path)
    folder = os.path.dirname(text)
    if not text or os.path.isdir(text):
        raise _config.refusal("path", "a file's path, such as 'digits.onnx'", text)
    if folder and not os.path.isdir(folder):
        advice = f"create it first, with os.makedirs({folder!r})"
        raise FileNotFoundError(f"path is {text!r}, but there is no folder {folder!r}: {advice}")
    return text


def _onnx() -> Any:
    """The package onnx."""
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError(f"export_onnx needs the package onnx ({error}): pip install 'nnc[onnx]'") from error


def _names(input_name: str, output_name: str, label: bool) -> tuple[str, str]:
    for argument, name in (("input_name", input_name), ("output_name", output_name)):
        if not isinstance(name, str) or not name:
            raise _config.refusal(argument, "a string that is not empty", name)
    taken = (input_name, output_name, *(["label"] if label else []))
    if len(set(taken)) < len(taken):
        raise ValueError(f"input_name and output_name must differ, also from 'label', got {', '.join(taken)}")
    return input_name, output_name


def _chosen(kind: Outputs, chain: list[ops.Operation], outputs: str) -> tuple[Outputs, list[ops.Operation]]:
    """The requested outputs, and the operations that compute them."""
    if outputs in ("predict", kind.kind):
        return kind, chain
    if not kind.classes:
        raise _config.refusal("outputs", "'predict', since the model is not a classifier", outputs)
    shape = chain[-1].output_shape if chain else ()
    if outputs == "probabilities":
        link = ops.Activation("outputs", shape, shape, kind.link, 0.0, math.prod(shape))
        return kind._replace(kind=outputs), [*chain, link]
    last = max((i for i, each in enumerate(chain) if not isinstance(each, ops.Reshape)), default=0)
    activation = chain[last] if chain else None
    if not isinstance(activation, ops.Activation) or activation.function != kind.link:
        raise _config.refusal(
            "outputs", f"'predict', since the model does not end with a {kind.link}", outputs
        )
    return kind._replace(kind=outputs), chain[:last] + chain[last + 1 :]


def _labels(classes: Any, kind: Outputs, shape: ops.Shape) -> np.ndarray:
    """The classes' names, int64 or strings."""
    n = 2 if kind.link == "sigmoid" else shape[0]
    if classes is None:
        return np.arange(n)
    found = [classes] if isinstance(classes, str) else list(classes)
    strings = all(isinstance(each, str) for each in found)
    if not strings and not all(isinstance(each, (int, np.integer)) for each in found):
        raise _config.refusal("classes", "integers or strings, one for each class", classes, TypeError)
    large = not strings and any(not -(2**63) <= int(each) < 2**63 for each in found)
    if large or len(found) != n or len(set(found)) < n:
        must = f"{n} distinct names, one for each class (numbers in 64 bits)"
        raise _config.refusal("classes", must, classes)
    return np.array(found, dtype=object if strings else np.int64)


# ------------------------------------------------------------------------------------------------------ graph


class _Graph:
    """The nodes and constants of a graph."""

    def __init__(self, onnx: Any, taken: set[str]) -> None:
        self.onnx, self.helper = onnx, onnx.helper
        self.taken = taken  # names of inputs and outputs, which no other value may have
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.returned: list[Any] = []
        self.count = 0

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add a constant to the graph, floats as float32, and return its name."""
        name = self._free(f"{name}_{len(self.constants)}")
        self.constants[name] = array.astype(np.float32) if array.dtype.kind == "f" else array
        return name

    def node(self, kind: str, *inputs: str, to: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        self.count += 1
        output = to or self._free(f"{kind.lower()}_{self.count}")
        attributes = {key.removesuffix("_"): value for key, value in attributes.items()}  # Cast's "to"
        domain = "ai.onnx.ml" if kind == "ZipMap" else None
        name = f"{kind}_{self.count}"
        self.nodes.append(
            self.helper.make_node(kind, list(inputs), [output], name=name, domain=domain, **attributes)
        )
        return output

    def _free(self, name: str) -> str:
        return self._free(f"{name}_") if name in self.taken else name

    def chain(self, chain: Sequence[ops.Operation], value: str, shape: ops.Shape) -> str:
        """Add the nodes of operations and return the name of their output."""
        for operation, first in layout.channels_first(chain, shape, outside_first=False):
            value = NODES[type(operation)](self, value, operation, first)
        return value

    def outputs(
        self,
        value: str,
        names: tuple[str, str],
        shape: ops.Shape,
        kind: Outputs,
        labels: np.ndarray,
        label: bool,
        zipmap: bool,
        named: bool,
    ) -> None:
        """Add the graph's outputs: label and values, or values only."""
        info, types = self.helper.make_tensor_value_info, self.onnx.TensorProto
        if label:
            if kind.link == "sigmoid":
                limit = self.constant("limit", np.array([0.5 if kind.kind == "probabilities" else 0.0]))
                above = self.node("Cast", self.node("Greater", value, limit), to_=types.INT64)
                numbers = self.node("Reshape", above, self.constant("shape", np.array([-1])))
            else:
                numbers = self.node("ArgMax", value, axis=1, keepdims=0)
            if named:
                self.node("Gather", self.constant("classes", labels), numbers, to="label", axis=0)
            else:
                self.node("Identity", numbers, to="label")
            element = types.STRING if labels.dtype == object else types.INT64
            self.returned.append(info("label", element, ["batch"]))
        if not zipmap:
            self.node("Identity", value, to=names[1])
            self.returned.append(info(names[1], types.FLOAT, ["batch", *shape]))
            return
        if kind.link == "sigmoid":
            rest = self.node("Sub", self.constant("one", np.array([1.0])), value)
            value = self.node("Concat", rest, value, axis=1)
        strings = labels.dtype == object
        key = "classlabels_strings" if strings else "classlabels_int64s"
        self.node("ZipMap", value, to=names[1], **{key: labels.tolist()})
        key_type = types.STRING if strings else types.INT64
        entry = self.helper.make_map_type_proto(key_type, self.helper.make_tensor_type_proto(types.FLOAT, []))
        sequence = self.helper.make_sequence_type_proto(entry)
        self.returned.append(self.helper.make_value_info(names[1], sequence))

    def model(self, input_name: str, shape: ops.Shape, hashed: str) -> Any:
        """The complete model."""
        helper, types = self.helper, self.onnx.TensorProto
        inputs = [helper.make_tensor_value_info(input_name, types.FLOAT, ["batch", *shape])]
        constants = [self._tensor(name, array) for name, array in self.constants.items()]
        graph = helper.make_graph(self.nodes, "nnc", inputs, self.returned, constants)
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid("ai.onnx.ml", ML_OPSET))
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            producer_name="nnc",
            producer_version=__version__,
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, {"sha256": hashed})
        return model

    def _tensor(self, name: str, array: np.ndarray) -> Any:
        if array.dtype == object:
            values = [each.encode() for each in array]
            return self.helper.make_tensor(name, self.onnx.TensorProto.STRING, array.shape, values)
        return self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)


# --------------------------------------------------------------------------------------- an operation's nodes


def _dense(graph: _Graph, x: str, operation: ops.Dense, first: bool) -> str:
    bias = [] if operation.bias is None else [graph.constant("bias", operation.bias)]
    return graph.node("Gemm", x, graph.constant("kernel", operation.kernel), *bias)


def _window(operation: Any) -> dict[str, Any]:
    window = operation.window
    below, right = window.pads_after(operation.input_shape[1:], operation.output_shape[1:])
    pads = [*window.pads, max(below, 0), max(right, 0)]
    return {"kernel_shape": list(window.size), "strides": list(window.strides), "pads": pads}


def _convolution(graph: _Graph, x: str, operation: ops.Convolution, first: bool) -> str:
    bias = [] if operation.bias is None else [graph.constant("bias", operation.bias)]
    kernel = graph.constant("kernel", operation.kernel.transpose(3, 2, 0, 1))  # (O, C / G, KH, KW)
    more: dict[str, Any] = {"dilations": list(operation.window.dilation)} | _window(operation)
    if operation.groups > 1:
        more["group"] = operation.groups
    return graph.node("Conv", x, kernel, *bias, **more)


def _pooling(graph: _Graph, x: str, operation: ops.Pooling, first: bool) -> str:
    if operation.kind == "average":
        return graph.node("AveragePool", x, count_include_pad=0, **_window(operation))
    if graph.nodes and graph.nodes[-1].op_type == "Pad":
        # onnxruntime fuses a Pad right before a MaxPool into the padding of the MaxPool, which is not 0.
        # Adding a column and removing it again keeps the two apart.
        x = _pad(graph, _pad(graph, x, 0, 0, 0, 1), 0, 0, 0, -1)
    return graph.node("MaxPool", x, **_window(operation))


def _zero_padding(graph: _Graph, x: str, operation: ops.ZeroPadding, first: bool) -> str:
    (top, left), before, after = operation.pads, operation.input_shape, operation.output_shape
    return _pad(graph, x, top, left, after[1] - before[1] - top, after[2] - before[2] - left)


def _pad(graph: _Graph, x: str, top: int, left: int, below: int, right: int) -> str:
    return graph.node("Pad", x, graph.constant("pads", np.array([0, 0, top, left, 0, 0, below, right])))


def _along(array: np.ndarray, operation: ops.Operation, first: bool) -> np.ndarray:
    """An array along the sample in the smallest shape that NumPy's rules broadcast."""
    shape = operation.input_shape
    if len(array) == 1:
        return array
    if first:
        channels = layout.per_channel(array, shape)
        return array.reshape(shape) if channels is None else channels.reshape(-1, 1, 1)
    if shape[-1] % len(array) == 0:
        return np.resize(array, shape[-1])
    return np.resize(array, operation.n_inputs).reshape(shape)


def _affine(graph: _Graph, x: str, operation: ops.Affine, first: bool) -> str:
    for kind, name in (("Sub", "center"), ("Mul", "scale"), ("Add", "offset")):
        array = getattr(operation, name)
        if (array != (1.0 if kind == "Mul" else 0.0)).any():
            x = graph.node(kind, x, graph.constant(name, _along(array, operation, first)))
    return x


def _activation(graph: _Graph, x: str, operation: ops.Activation, first: bool) -> str:
    return ACTIVATIONS[operation.function](graph, x, operation, first)


def _simple(kind: str) -> Callable[..., str]:
    return lambda graph, x, operation, first: graph.node(kind, x)


def _with_alpha(kind: str) -> Callable[..., str]:
    return lambda graph, x, operation, first: graph.node(kind, x, alpha=float(operation.alpha))


def _half(graph: _Graph, x: str, inner: str) -> str:
    """x (1 + inner) / 2."""
    more = graph.node("Add", inner, graph.constant("one", np.array([1.0])))
    return graph.node("Mul", graph.node("Mul", x, graph.constant("half", np.array([0.5]))), more)


def _gelu(graph: _Graph, x: str, operation: ops.Activation, first: bool) -> str:
    scaled = graph.node("Mul", x, graph.constant("root", np.array([0.5**0.5])))
    return _half(graph, x, graph.node("Erf", scaled))


def _gelu_tanh(graph: _Graph, x: str, operation: ops.Activation, first: bool) -> str:
    cube = graph.node("Mul", graph.node("Mul", x, x), x)
    small = graph.node("Mul", cube, graph.constant("k", np.array([0.044715])))
    inner = graph.node(
        "Mul", graph.node("Add", x, small), graph.constant("c", np.array([(2 / np.pi) ** 0.5]))
    )
    return _half(graph, x, graph.node("Tanh", inner))


def _capped(graph: _Graph, x: str, operation: ops.Activation, first: bool) -> str:
    above = graph.node("Relu", x)
    return graph.node("Min", above, graph.constant("limit", np.array([operation.alpha])))


def _hard_tanh(graph: _Graph, x: str, operation: ops.Activation, first: bool) -> str:
    below = graph.node("Min", x, graph.constant("most", np.array([1.0])))
    return graph.node("Max", below, graph.constant("least", np.array([-1.0])))


def _shrink(bias: float) -> Callable[..., str]:
    """Values beyond the threshold, nearer to 0 by `bias` times the threshold; 0 between."""

    def node(graph: _Graph, x: str, operation: ops.Activation, first: bool) -> str:
        alpha = float(operation.alpha)
        return graph.node("Shrink", x, lambd=alpha, bias=bias * alpha)

    return node


def _of_rows(kind: str) -> Callable[..., str]:
    """An activation of rows: over the channels."""
    return lambda graph, x, operation, first: graph.node(kind, x, axis=1 if first else -1)


ACTIVATIONS: dict[str, Callable[[_Graph, str, ops.Activation, bool], str]] = {
    "relu": _simple("Relu"),
    "leaky_relu": _with_alpha("LeakyRelu"),
    "elu": _with_alpha("Elu"),
    "selu": _simple("Selu"),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda graph, x, operation, first: graph.node("Mul", x, graph.node("Sigmoid", x)),
    "sigmoid": _simple("Sigmoid"),
    "tanh": _simple("Tanh"),
    "softplus": _simple("Softplus"),
    "mish": _simple("Mish"),
    "softsign": _simple("Softsign"),
    "hard_sigmoid": lambda graph, x, operation, first: graph.node("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    "capped_relu": _capped,
    "exponential": _simple("Exp"),
    "log_sigmoid": lambda graph, x, operation, first: graph.node(
        "Neg", graph.node("Softplus", graph.node("Neg", x))
    ),
    "hard_silu": _simple("HardSwish"),
    "hard_tanh": _hard_tanh,
    "celu": _with_alpha("Celu"),
    "soft_shrink": _shrink(1.0),
    "hard_shrink": _shrink(0.0),
    "softmax": _of_rows("Softmax"),
    "log_softmax": _of_rows("LogSoftmax"),
}


def _prelu(graph: _Graph, x: str, operation: ops.PReLU, first: bool) -> str:
    return graph.node("PRelu", x, graph.constant("alpha", _along(operation.alpha, operation, first)))


def _thresholded_relu(graph: _Graph, x: str, operation: ops.ThresholdedReLU, first: bool) -> str:
    def constant(name: str) -> str:
        return graph.constant(name, np.array([getattr(operation, name)]))

    above = x if operation.most is None else graph.node("Min", x, constant("most"))
    threshold = constant("threshold")
    below = graph.node("Mul", graph.node("Sub", x, threshold), constant("slope"))
    return graph.node("Where", graph.node("Greater", x, threshold), above, below)


def _layer_normalization(graph: _Graph, x: str, operation: ops.LayerNormalization, first: bool) -> str:
    shape, axes = operation.input_shape, operation.axes
    gamma = graph.constant("gamma", operation.gamma.reshape(shape[-axes:]))
    beta = [graph.constant("beta", operation.beta.reshape(shape[-axes:]))] if operation.has_beta else []
    return graph.node("LayerNormalization", x, gamma, *beta, axis=-axes, epsilon=float(operation.epsilon))


def _unit_normalization(graph: _Graph, x: str, operation: ops.UnitNormalization, first: bool) -> str:
    axes = graph.constant("axes", np.arange(-operation.axes, 0))
    norm = graph.node("ReduceL2", x, axes, keepdims=1)
    return graph.node("Div", x, graph.node("Max", norm, graph.constant("least", np.array([operation.least]))))


def _reshape(graph: _Graph, x: str, operation: ops.Reshape, first: bool) -> str:
    shape = graph.constant("shape", np.array([0, *operation.output_shape]))  # 0: keep the batch size
    return graph.node("Reshape", x, shape)


def _permute(graph: _Graph, x: str, operation: ops.Permute, first: bool) -> str:
    return graph.node("Transpose", x, perm=[0, *(axis + 1 for axis in operation.order)])


NODES: dict[type[ops.Operation], Callable[[_Graph, str, Any, bool], str]] = {
    ops.Dense: _dense,
    ops.Convolution: _convolution,
    ops.Pooling: _pooling,
    ops.ZeroPadding: _zero_padding,
    ops.Affine: _affine,
    ops.Activation: _activation,
    ops.PReLU: _prelu,
    ops.ThresholdedReLU: _thresholded_relu,
    ops.LayerNormalization: _layer_normalization,
    ops.UnitNormalization: _unit_normalization,
    ops.Reshape: _reshape,
    ops.Permute: _permute,
    ops.Transpose: _permute,
}


# ----------------------------------------------------------------------------------------------------- checks


def _checked(
    proto: Any,
    model: lowering.Model,
    operations: Sequence[ops.Operation],
    chain: Sequence[ops.Operation],
    names: tuple[str, str],
    labels: np.ndarray,
    label: bool,
    zipmap: bool,
    as_predict: bool,
) -> float | None:
    """Run onnx's checker, and onnxruntime where it is installed; return the largest difference.

    Raises
    ------
    RuntimeError
        If the outputs differ from nnc's.
    """
    _onnx().checker.check_model(proto, full_check=True)
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    onnxruntime: Any = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    shape, worst = (model.input_shape or ())[1:], 0.0
    for n in (1, 7):  # two batch sizes
        x = random_rows(operations, n, shape, seed=n)
        wanted = execution.run(chain, x.reshape(n, -1))
        if as_predict:
            wanted = model.predict(x).reshape(n, -1).astype(np.float64)
        (values,) = session.run([names[1]], {names[0]: x})
        if zipmap:
            keys = labels.tolist()
            values = np.array([[row[key] for key in keys] for row in values])
            values = values[:, 1:] if wanted.shape[1] == 1 else values
        scale = max(float(np.abs(wanted).max()), 1e-30)
        worst = max(worst, float(np.abs(values.reshape(n, -1) - wanted).max()) / scale)
    if not worst <= TOLERANCE:
        raise RuntimeError(
            f"onnxruntime's outputs differ from nnc's by {worst:.2g} of the largest one, "
            f"more than {TOLERANCE:g}; nothing was written. Either nnc is wrong or the weights are too large"
        )
    return worst
