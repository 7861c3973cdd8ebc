"""From nnc to PyTorch: one function for each class of operation. Imports torch when a model is written."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from nnc import activations
from nnc.export import layout, lowering
from nnc.export import operations as ops


def write(model: lowering.Model) -> Any:
    """See `nnc.interop.to_torch`."""
    try:
        importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(f"to_torch needs PyTorch ({error}): pip install torch") from error
    operations = [each for each in lowering.operations(model) if not isinstance(each, ops.Augmentation)]
    placed = layout.channels_first(operations, (model.input_shape or ())[1:], outside_first=True)
    torch = _Torch()
    modules: list[Any] = []
    at = 0
    while at < len(placed):
        run: list[Any] = [entry.operation for entry in placed[at : at + 3]]
        if _is_last_only(run):
            inner = MODULES[type(run[1])](torch, run[1], False)
            modules += map(torch.own.ChannelsLast, inner)
            at += 3
        else:
            operation, first = placed[at]
            modules += MODULES[type(operation)](torch, operation, first)
            at += 1
    return torch.nn.Sequential(*modules).eval()


def _is_last_only(run: list[Any]) -> bool:
    """Whether these are a normalization over last axes, between a transposition to (H, W, C) and one back."""
    orders = [each.order if isinstance(each, ops.Transpose) else None for each in run]
    between = len(run) == 3 and isinstance(run[1], layout.RUNS)
    return between and orders == [layout.TO_LAST, None, layout.TO_FIRST]


class _Torch:
    """torch.nn, nnc's own modules, and arrays as parameters."""

    def __init__(self) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.nn: Any = self.torch.nn
        self.own: Any = importlib.import_module("nnc.interop.modules")

    def tensor(self, array: np.ndarray) -> Any:
        return self.torch.tensor(np.array(array, np.float32, order="C"))

    def filled(self, module: Any, **arrays: np.ndarray | None) -> Any:
        """The module with these values for its parameters and buffers."""
        with self.torch.no_grad():
            for name, array in arrays.items():
                if array is not None:
                    getattr(module, name).copy_(self.tensor(array))
        return module


def _dense(torch: _Torch, operation: ops.Dense, first: bool) -> list[Any]:
    module = torch.nn.Linear(*operation.kernel.shape, bias=operation.bias is not None)
    return [torch.filled(module, weight=operation.kernel.T, bias=operation.bias)]


def _convolution(torch: _Torch, operation: ops.Convolution, first: bool) -> list[Any]:
    window, kernel = operation.window, operation.kernel
    before: list[Any] = []
    pads = window.pads
    if not _symmetric(operation):
        below, right = window.pads_after(operation.input_shape[1:], operation.output_shape[1:])
        before = [torch.nn.ZeroPad2d((pads[1], max(right, 0), pads[0], max(below, 0)))]
        pads = (0, 0)
    module = torch.nn.Conv2d(
        operation.groups * kernel.shape[2],
        kernel.shape[3],
        window.size,
        window.strides,
        pads,
        window.dilation,
        operation.groups,
        bias=operation.bias is not None,
    )
    weight = kernel.transpose(3, 2, 0, 1)  # (O, C / G, KH, KW)
    return [*before, torch.filled(module, weight=weight, bias=operation.bias)]


def _symmetric(operation: Any) -> bool:
    """Whether symmetric padding, as much after the map as before it along each axis, has the same windows."""
    window, before, after = operation.window, operation.input_shape[1:], operation.output_shape[1:]
    return all(
        (n + 2 * pad - dilation * (size - 1) - 1) // stride + 1 == out
        for n, out, pad, dilation, size, stride in zip(
            before, after, window.pads, window.dilation, window.size, window.strides, strict=True
        )
    )


def _pooling(torch: _Torch, operation: ops.Pooling, first: bool) -> list[Any]:
    window, nn = operation.window, torch.nn
    if window.size == operation.input_shape[1:] and operation.output_shape[1:] == (1, 1):
        return [nn.AdaptiveMaxPool2d(1) if operation.kind == "max" else nn.AdaptiveAvgPool2d(1)]
    if window.leaves(operation.input_shape[1:], operation.output_shape[1:]):
        return [torch.own.SamePooling2d(operation.kind, window.size, window.strides)]
    pool = nn.MaxPool2d if operation.kind == "max" else nn.AvgPool2d
    return [pool(window.size, window.strides)]


def _zero_padding(torch: _Torch, operation: ops.ZeroPadding, first: bool) -> list[Any]:
    (top, left), before, after = operation.pads, operation.input_shape, operation.output_shape
    return [torch.nn.ZeroPad2d((left, after[2] - before[2] - left, top, after[1] - before[1] - top))]


def _affine(torch: _Torch, operation: ops.Affine, first: bool) -> list[Any]:
    if operation.is_rescaling:
        return [torch.own.Rescaling(float(operation.scale[0]), float(operation.offset[0]))]
    arrays = (operation.center, operation.scale, operation.offset)
    return [torch.own.Standardization(*(torch.tensor(_along(each, operation)) for each in arrays))]


def _along(array: np.ndarray, operation: ops.Operation) -> np.ndarray:
    """An array along the sample, of the sample's shape."""
    return np.resize(array, operation.n_inputs).reshape(operation.input_shape)


def _batch_normalization(torch: _Torch, operation: ops.BatchNormalization, first: bool) -> list[Any]:
    affine = operation.has_gamma or operation.has_beta
    options = {"eps": operation.epsilon, "momentum": 1.0 - operation.momentum, "affine": affine}
    kind = torch.nn.BatchNorm2d if first else torch.nn.BatchNorm1d
    module = kind(len(operation.mean), **options)
    torch.filled(module, running_mean=operation.mean, running_var=operation.variance)
    if affine:
        torch.filled(module, weight=operation.gamma, bias=operation.beta)
    return [module if first or len(operation.input_shape) == 1 else torch.own.LastAxis(module)]


def _layer_normalization(torch: _Torch, operation: ops.LayerNormalization, first: bool) -> list[Any]:
    shape, axes = operation.input_shape, operation.axes
    affine = operation.has_gamma or operation.has_beta
    module = torch.nn.LayerNorm(shape[-axes:], operation.epsilon, affine, bias=operation.has_beta)
    if affine:
        beta = operation.beta.reshape(shape[-axes:]) if operation.has_beta else None
        torch.filled(module, weight=operation.gamma.reshape(shape[-axes:]), bias=beta)
    return [module]


def _unit_normalization(torch: _Torch, operation: ops.UnitNormalization, first: bool) -> list[Any]:
    return [torch.own.UnitNormalization(operation.axes)]


def _activation(torch: _Torch, operation: ops.Activation, first: bool) -> list[Any]:
    name, options = ACTIVATIONS[operation.function]
    if not operation.elementwise:
        return [getattr(torch.nn, name)(dim=1 if first else -1)]
    alpha = [operation.alpha] if activations.Activation(operation.function).alpha else []
    alpha = [0.0, operation.alpha] if operation.function == "capped_relu" else alpha
    return [getattr(torch.own if hasattr(torch.own, name) else torch.nn, name)(*alpha, **options)]


# Names in nnc, and the class and arguments in PyTorch
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {}),
    "elu": ("ELU", {}),
    "selu": ("SELU", {}),
    "gelu": ("GELU", {}),
    "gelu_tanh": ("GELU", {"approximate": "tanh"}),
    "silu": ("SiLU", {}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "softplus": ("Softplus", {}),
    "mish": ("Mish", {}),
    "softsign": ("Softsign", {}),
    "hard_sigmoid": ("Hardsigmoid", {}),
    "capped_relu": ("Hardtanh", {}),
    "exponential": ("Exponential", {}),
    "log_sigmoid": ("LogSigmoid", {}),
    "hard_silu": ("Hardswish", {}),
    "hard_tanh": ("Hardtanh", {}),
    "celu": ("CELU", {}),
    "soft_shrink": ("Softshrink", {}),
    "hard_shrink": ("Hardshrink", {}),
    "softmax": ("Softmax", {}),
    "log_softmax": ("LogSoftmax", {}),
}


def _prelu(torch: _Torch, operation: ops.PReLU, first: bool) -> list[Any]:
    alpha = _along(operation.alpha, operation)
    channels = layout.per_channel(alpha, operation.input_shape) if first else None
    if len(operation.alpha) == 1:
        channels = operation.alpha
    elif channels is None and len(operation.input_shape) == 1:
        channels = alpha
    if channels is None:
        return [torch.own.FeaturePReLU(torch.tensor(alpha))]
    return [torch.filled(torch.nn.PReLU(len(channels)), weight=channels)]


def _thresholded_relu(torch: _Torch, operation: ops.ThresholdedReLU, first: bool) -> list[Any]:
    return [torch.own.ThresholdedReLU(operation.most, operation.slope, operation.threshold)]


def _dropout(torch: _Torch, operation: ops.Dropout, first: bool) -> list[Any]:
    if operation.shared:
        raise ValueError(
            f"layer {operation.layer!r} drops complete axes of a sample, as no module of PyTorch does"
        )
    if operation.spatial and not first:
        return [torch.own.ChannelsFirst(torch.nn.Dropout1d(operation.rate))]
    return [(torch.nn.Dropout2d if operation.spatial else torch.nn.Dropout)(operation.rate)]


def _reshape(torch: _Torch, operation: ops.Reshape, first: bool) -> list[Any]:
    before, after = operation.input_shape, operation.output_shape
    flat = [] if len(before) == 1 else [torch.nn.Flatten()]
    return flat if len(after) == 1 else [*flat, torch.nn.Unflatten(1, after)]


MODULES: dict[type[ops.Operation], Callable[[_Torch, Any, bool], list[Any]]] = {
    ops.Dense: _dense,
    ops.Convolution: _convolution,
    ops.Pooling: _pooling,
    ops.ZeroPadding: _zero_padding,
    ops.Affine: _affine,
    ops.BatchNormalization: _batch_normalization,
    ops.LayerNormalization: _layer_normalization,
    ops.UnitNormalization: _unit_normalization,
    ops.Activation: _activation,
    ops.PReLU: _prelu,
    ops.ThresholdedReLU: _thresholded_relu,
    ops.Reshape: _reshape,
    ops.Permute: lambda torch, operation, first: [torch.own.PermuteAxes(operation.order)],
    ops.Transpose: lambda torch, operation, first: [torch.own.Permute(operation.order)],
    ops.Dropout: _dropout,
}
