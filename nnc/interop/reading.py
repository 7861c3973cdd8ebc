"""From PyTorch to nnc: one function for each class of module. The caller has imported torch already."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nnc import _config, activations, layers
from nnc.models import Sequential

Arrays = list[np.ndarray]
Found = Iterator[tuple[layers.Layer, Arrays]]

_LARGEST_IMAGE = 512  # limit of the search for the image size


def read(sequential: Any, input_shape: Sequence[int] | None) -> Sequential:
    """See `nnc.interop.from_torch`."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(sequential, torch.nn.Sequential):
        raise _config.refusal("sequential", "a torch.nn.Sequential", type(sequential), TypeError)
    leaves = list(_leaves(sequential, torch))
    for where, module in leaves:
        if type(module).__name__ not in MODULES or not _is_known(module):
            known = ", ".join(name for name in MODULES)
            raise ValueError(f"layer {where}, {module}, is not supported by nnc, which reads {known}")
    shape = _found_shape(sequential, leaves, torch) if input_shape is None else input_shape
    return _Reader(_config.shape("input_shape", shape)).model(leaves)


def _is_known(module: Any) -> bool:
    """Whether the class is PyTorch's or nnc's, and not another one with the same name."""
    return type(module).__module__.startswith(("torch.nn.", "nnc.interop."))


def _leaves(sequential: Any, torch: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(name, module) of the modules in a Sequential and in the Sequentials nested in it."""
    for name, module in sequential.named_children():
        if type(module) is torch.nn.Sequential:
            yield from _leaves(module, torch, f"{path}{name}.")
        else:
            yield repr(f"{path}{name}"), module


def _found_shape(sequential: Any, leaves: Sequence[tuple[str, Any]], torch: Any) -> tuple[int, ...]:
    """The shape of a sample, inferred from the first layer that fixes it and the Linear after a Flatten."""
    missing = "input_shape must be given, as PyTorch has it: (C, H, W) for images, (F,) for others"
    for _, module in leaves:
        if hasattr(module, "in_features"):
            return (module.in_features,)
        if type(module).__name__ == "BatchNorm1d":
            return (module.num_features,)
        channels = getattr(module, "in_channels", None)
        if type(module).__name__ == "BatchNorm2d":
            channels = module.num_features
        if channels is not None:
            break
    else:
        raise ValueError(f"{missing}. No layer specifies the number of inputs")
    net = copy.deepcopy(sequential).eval().cpu()

    def fits(size: int) -> bool:
        try:
            with torch.no_grad():
                net(torch.zeros(1, channels, size, size, dtype=next(net.parameters()).dtype))
        except RuntimeError:
            return False
        return True

    sizes = range(1, _LARGEST_IMAGE + 1)
    smallest = next((size for size in sizes if fits(size)), None)
    if smallest is None or fits(2 * smallest + 64):
        raise ValueError(f"{missing}. Images of many sizes fit this net, or no square image does")
    return channels, smallest, smallest


class _Reader:
    """The model so far, and the layout of its samples in PyTorch.

    order: for a flat sample that was an image (C, H, W), nnc's value j is PyTorch's value order[j]; None if
    the order is the same. last: whether the image is (H, W, C) in PyTorch, too.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        channels_last = (*shape[1:], shape[0]) if len(shape) == 3 else shape
        self.net = Sequential([layers.Input(channels_last)], seed=0)
        self.shape: tuple[int, ...] = channels_last
        self.order: np.ndarray | None = None
        self.last = False

    def model(self, leaves: Sequence[tuple[str, Any]]) -> Sequential:
        weights: Arrays = []
        for where, module in leaves:
            try:
                if self.last and type(module).__name__ not in ("Permute", "Flatten"):
                    raise ValueError(
                        "its images are (H, W, C); nnc reads only models whose images are (C, H, W)"
                    )
                for layer, arrays in MODULES[type(module).__name__](self, module):
                    self.net.add(layer)
                    self.shape = layer.output_shape or ()
                    weights += arrays
            except (ValueError, TypeError) as error:
                raise ValueError(f"layer {where}, {module}: {error}") from error
        if self.order is not None:
            raise ValueError(
                "a Flatten of images must have a Linear after it: in nnc their channels are last"
            )
        if self.last:
            raise ValueError("the net ends with images (H, W, C), while its other images are (C, H, W)")
        if not self.net.layers:
            raise ValueError("the Sequential has no layers that do anything in nnc")
        self.net.set_weights(weights)
        return self.net

    def along(self, array: np.ndarray) -> np.ndarray:
        """An array along a flat sample in nnc's order."""
        return array if self.order is None else array[self.order]

    def image(self) -> tuple[int, int, int]:
        """Height, width and channels of the samples."""
        if len(self.shape) != 3:
            raise ValueError(f"it takes images, but the samples have the shape {self.shape}")
        height, width, channels = self.shape
        return height, width, channels


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().double().numpy().astype(np.float32)


def _pair(value: Any) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second


def _refuse(module: Any, **wanted: Any) -> None:
    """Raise a ValueError for the first attribute of a module that does not have the wanted value."""
    for name, value in wanted.items():
        if getattr(module, name) != value:
            raise ValueError(f"nnc supports it with {name}={value!r} only, got {getattr(module, name)!r}")


def _linear(reader: _Reader, module: Any) -> Found:
    kernel, bias = _array(module.weight).T, [] if module.bias is None else [_array(module.bias)]
    if len(kernel) != reader.shape[-1]:
        raise ValueError(f"it takes {len(kernel)} values, but the samples have the shape {reader.shape}")
    kernel, reader.order = reader.along(kernel), None
    yield layers.Dense(module.out_features, use_bias=bool(bias)), [kernel, *bias]


def _conv2d(reader: _Reader, module: Any) -> Found:
    _refuse(module, padding_mode="zeros", transposed=False)
    height, width, _ = reader.image()
    sizes = _pair(module.kernel_size), _pair(module.stride), _pair(module.dilation)
    mode = module.padding
    if not isinstance(mode, str):
        padding = _pair(module.padding)
        mode = "valid" if padding == (0, 0) or not _same((height, width), padding, *sizes) else "same"
        if mode == "valid" and padding != (0, 0):
            yield layers.ZeroPadding2D(padding), []
    size, stride, dilation = sizes
    layer = layers.Conv2D(
        module.out_channels,
        size,
        stride,
        mode,
        dilation_rate=dilation,
        groups=module.groups,
        use_bias=module.bias is not None,
    )
    kernel = _array(module.weight).transpose(2, 3, 1, 0)  # (KH, KW, C / G, O)
    yield layer, [kernel] if module.bias is None else [kernel, _array(module.bias)]


def _same(
    lengths: tuple[int, int], padding: Any, sizes: Any, strides: Any, dilations: Any, ceil: bool = False
) -> bool:
    """Whether PyTorch's windows with this padding are the same as those of nnc's padding="same"."""
    for n, pad, size, stride, dilation in zip(lengths, padding, sizes, strides, dilations, strict=True):
        span = dilation * (size - 1) + 1
        out = (n + 2 * pad - span) // stride + 1
        if ceil:
            out = -(-(n + 2 * pad - span) // stride) + 1
            out -= (out - 1) * stride >= n + pad  # no window begins in the padding at the end
        wanted = -(-n // stride)
        if out != wanted or pad != max((wanted - 1) * stride + span - n, 0) // 2:
            return False
    return True


def _mode(reader: _Reader, module: Any) -> str:
    """The padding argument of a pooling in nnc."""
    height, width, _ = reader.image()
    stride = module.kernel_size if module.stride is None else module.stride
    sizes, padding = (_pair(module.kernel_size), _pair(stride), (1, 1)), _pair(module.padding)
    left_over = any((n - k) % s for n, k, s in zip((height, width), *sizes[:2], strict=True))
    if padding == (0, 0) and not (module.ceil_mode and left_over):
        return "valid"
    if not _same((height, width), padding, *sizes, ceil=module.ceil_mode):
        raise ValueError(
            f"nnc's poolings have padding='same', which has other windows for images of {height} x {width}"
        )
    return "same"


def _max_pool(reader: _Reader, module: Any) -> Found:
    if _pair(module.dilation) != (1, 1) or module.return_indices:
        raise ValueError("nnc supports it with dilation=1 and return_indices=False only")
    mode = _mode(reader, module)
    yield layers.MaxPooling2D(_pair(module.kernel_size), _stride(module), mode), []


def _stride(module: Any) -> tuple[int, int]:
    return _pair(module.kernel_size if module.stride is None else module.stride)


def _average_pool(reader: _Reader, module: Any) -> Found:
    _refuse(module, divisor_override=None)
    padding = _pair(module.padding)
    if padding != (0, 0) and module.count_include_pad:
        _refuse(module, ceil_mode=False)
        yield layers.ZeroPadding2D(padding), []  # zeros that are included in the mean
        yield layers.AveragePooling2D(_pair(module.kernel_size), _stride(module)), []
        return
    mode = _mode(reader, module)
    yield layers.AveragePooling2D(_pair(module.kernel_size), _stride(module), mode), []


def _adaptive(whole: type[layers.Layer], windows: type[layers.Layer]) -> Reading:
    def read_adaptive(reader: _Reader, module: Any) -> Found:
        height, width, _ = reader.image()
        sizes = zip((height, width), _pair(module.output_size), strict=True)
        outs = tuple(n if out is None else out for n, out in sizes)
        if outs == (1, 1):
            make: Any = whole
            yield make(keepdims=True), []
        elif height % outs[0] or width % outs[1]:
            raise ValueError(f"nnc supports it only if {outs} divides the image's {height} x {width}")
        else:
            make = windows
            yield make((height // outs[0], width // outs[1])), []

    return read_adaptive


def _same_pooling(reader: _Reader, module: Any) -> Found:
    pool = layers.MaxPooling2D if module.kind == "max" else layers.AveragePooling2D
    yield pool(module.kernel_size, module.stride, "same"), []


def _zero_pad(reader: _Reader, module: Any) -> Found:
    if getattr(module, "value", 0) != 0:
        raise ValueError(f"nnc pads with zeros only, got value={module.value!r}")
    reader.image()
    left, right, top, bottom = module.padding if not isinstance(module.padding, int) else [module.padding] * 4
    yield layers.ZeroPadding2D(((top, bottom), (left, right))), []


def _batch_norm(n_axes: int) -> Reading:
    def read_batch_norm(reader: _Reader, module: Any) -> Found:
        if module.running_mean is None or module.momentum is None:
            raise ValueError("nnc supports it only with track_running_stats=True and a momentum")
        if len(reader.shape) != n_axes:
            raise ValueError(
                f"nnc supports it for samples of {n_axes} axes, but they have the shape {reader.shape}"
            )
        layer = layers.BatchNormalization(
            momentum=1.0 - module.momentum, epsilon=module.eps, center=module.affine, scale=module.affine
        )
        tensors = [module.weight, module.bias] if module.affine else []
        tensors += [module.running_mean, module.running_var]
        yield layer, [reader.along(_array(tensor)) for tensor in tensors]

    return read_batch_norm


def _last_axis(reader: _Reader, module: Any) -> Found:
    shape, reader.shape = reader.shape, reader.shape[-1:]
    found = list(MODULES[type(module.module).__name__](reader, module.module))
    reader.shape = shape
    yield from found


def _layer_norm(reader: _Reader, module: Any) -> Found:
    shape, normalized = reader.shape, tuple(module.normalized_shape)
    torch_shape = (shape[-1], *shape[:-1]) if len(shape) == 3 else shape
    if normalized != torch_shape:
        of = f"nnc supports it over a complete sample, {torch_shape} here"
        raise ValueError(f"{of}, and over the channels of images with nnc.interop.modules.ChannelsLast")

    def channels_last(tensor: Any) -> np.ndarray:
        array = _array(tensor)
        return array.transpose(1, 2, 0) if len(shape) == 3 else reader.along(array.reshape(-1))

    yield _normalization(module, len(shape), channels_last)


def _normalization(
    module: Any, n_axes: int, array: Callable[[Any], np.ndarray]
) -> tuple[layers.Layer, Arrays]:
    """A LayerNormalization of the last `n_axes` axes, with the arrays of a torch.nn.LayerNorm."""
    tensors = [module.weight, module.bias] if module.elementwise_affine else [None, None]
    scale, center = (tensor is not None for tensor in tensors)
    axis: Any = -1 if n_axes == 1 else list(range(-n_axes, 0))
    layer = layers.LayerNormalization(axis, module.eps, center, scale)
    return layer, [array(tensor) for tensor in tensors if tensor is not None]


def _unit_normalization(reader: _Reader, module: Any) -> Found:
    if len(reader.shape) == 3 and module.axes < 3:
        raise ValueError(
            "nnc supports it over complete images, and over channels with nnc.interop.modules.ChannelsLast"
        )
    yield _unit_normalized(module), []


def _unit_normalized(module: Any) -> layers.Layer:
    return layers.UnitNormalization(list(range(-module.axes, 0)))


def _channels_last(reader: _Reader, module: Any) -> Found:
    inner = module.module
    if type(inner).__name__ == "UnitNormalization":
        yield _unit_normalized(inner), []
        return
    if type(inner).__name__ != "LayerNorm":
        raise ValueError(f"nnc supports it only around a LayerNorm or a UnitNormalization, got {inner}")
    yield _normalization(inner, len(inner.normalized_shape), _array)


def _plain_layer_norm(reader: _Reader, module: Any) -> Found:
    """A LayerNorm over the last axes of samples that are not images."""
    normalized = tuple(module.normalized_shape)
    if len(reader.shape) in (1, 3) or reader.shape[-len(normalized) :] != normalized:
        yield from _layer_norm(reader, module)
    else:
        yield _normalization(module, len(normalized), _array)


def _hardtanh(reader: _Reader, module: Any) -> Found:
    """Hardtanh from -1 to 1, or with min_val=0: a ReLU with a maximum."""
    if (module.min_val, module.max_val) == (-1, 1):
        yield layers.Activation("hard_tanh"), []
    elif module.min_val != 0:
        raise ValueError(f"nnc supports it from -1 to 1 and with min_val 0 only, got {module}")
    else:
        yield layers.ReLU(max_value=module.max_val), []


def _prelu(reader: _Reader, module: Any) -> Found:
    alpha, shape = _array(module.weight), reader.shape
    channels = 1 if len(shape) == 2 else len(shape)  # their axis; the batch axis is 0
    if len(alpha) not in (1, shape[channels - 1]):
        raise ValueError(f"it has {len(alpha)} slopes, but the samples have the shape {shape}")
    shared = [axis for axis in range(1, len(shape) + 1) if axis != channels or len(alpha) < shape[axis - 1]]
    sizes = [1 if axis in shared else shape[axis - 1] for axis in range(1, len(shape) + 1)]
    along = reader.along(alpha) if len(shape) == 1 and not shared else alpha
    yield layers.PReLU(shared_axes=shared), [along.reshape(sizes)]


def _feature_prelu(reader: _Reader, module: Any) -> Found:
    yield layers.PReLU(), [_sample(module.weight)]


def _sample(tensor: Any) -> np.ndarray:
    """An array of a sample's shape, images with their channels last."""
    array = _array(tensor)
    return array.transpose(1, 2, 0) if array.ndim == 3 else array


def _standardization(reader: _Reader, module: Any) -> Found:
    mean, scale, offset = map(_sample, (module.center, module.scale, module.offset))
    inverse = bool(offset.any())
    if inverse and mean.any():
        raise ValueError("nnc supports it with a center or an offset, not with both")
    axes = list(range(1, mean.ndim + 1))
    with np.errstate(divide="ignore"):
        variance = scale**2 if inverse else 1 / scale**2
    yield layers.Normalization(axes, invert=inverse), [offset if inverse else mean, variance]


def _softmax(reader: _Reader, module: Any) -> Found:
    axes = {1: (1, -1), 3: (1, -3)}.get(len(reader.shape), (len(reader.shape), -1))
    if type(module).__name__ == "Softmax" and module.dim not in axes:
        raise ValueError(f"nnc supports it here with dim={axes[0]} only, the channels, got dim={module.dim}")
    yield layers.Softmax(), []


def _named(name: str, **wanted: Any) -> Reading:
    """An activation without a parameter."""

    def read_activation(reader: _Reader, module: Any) -> Found:
        _refuse(module, **wanted)
        yield layers.Activation(name), []

    return read_activation


def _with_parameter(name: str, attribute: str) -> Reading:
    """An activation whose parameter is an attribute of the module."""
    return _one(lambda module: layers.Activation(activations.Activation(name, getattr(module, attribute))))


def _softplus(reader: _Reader, module: Any) -> Found:
    _refuse(module, beta=1)
    if module.threshold < 16:  # above it PyTorch returns x, which from 16 on equals softplus in float32
        raise ValueError(f"nnc supports it with a threshold of at least 16 only, got {module.threshold}")
    yield layers.Activation("softplus"), []


def _gelu(reader: _Reader, module: Any) -> Found:
    yield layers.Activation("gelu" if module.approximate == "none" else "gelu_tanh"), []


def _flatten(reader: _Reader, module: Any) -> Found:
    axes = len(reader.shape)
    if module.start_dim != 1 or module.end_dim not in (-1, axes):
        raise ValueError("nnc supports it with start_dim=1 and end_dim=-1 only")
    if axes == 3 and not reader.last:
        height, width, channels = reader.shape
        if channels > 1 and height * width > 1:
            places = np.arange(math.prod(reader.shape)).reshape(channels, height, width)
            reader.order = places.transpose(1, 2, 0).reshape(-1)
    reader.last = False
    if axes > 1:
        yield layers.Flatten(), []


def _unflatten(reader: _Reader, module: Any) -> Found:
    sizes = tuple(module.unflattened_size)
    if len(reader.shape) != 1 or module.dim not in (1, -1) or reader.order is not None:
        raise ValueError("nnc supports it for flat samples only, dim=1")
    if len(sizes) == 3 and (sizes[0] == 1 or sizes[1] * sizes[2] == 1):
        sizes = (*sizes[1:], sizes[0])  # the order of the values is the same
    elif len(sizes) == 3:
        reader.last = True
    yield layers.Reshape(sizes), []


def _permute(reader: _Reader, module: Any) -> Found:
    if module.order != ((2, 0, 1) if reader.last else (1, 2, 0)) or len(reader.shape) != 3:
        raise ValueError("nnc supports it between (C, H, W) and (H, W, C) only")
    reader.last = not reader.last
    yield from ()


def _nothing(reader: _Reader, module: Any) -> Found:
    yield from ()


def _dropout2d(reader: _Reader, module: Any) -> Found:
    reader.image()
    yield layers.SpatialDropout2D(module.p), []


def _one(make: Callable[[Any], layers.Layer]) -> Reading:
    """A layer without weights."""

    def read_one(reader: _Reader, module: Any) -> Found:
        yield make(module), []

    return read_one


Reading = Callable[[_Reader, Any], Found]

# Classes of torch.nn and nnc.interop.modules, and the functions that read them
MODULES: dict[str, Reading] = {
    "Linear": _linear,
    "Conv2d": _conv2d,
    "MaxPool2d": _max_pool,
    "AvgPool2d": _average_pool,
    "AdaptiveMaxPool2d": _adaptive(layers.GlobalMaxPooling2D, layers.MaxPooling2D),
    "AdaptiveAvgPool2d": _adaptive(layers.GlobalAveragePooling2D, layers.AveragePooling2D),
    "ZeroPad2d": _zero_pad,
    "ConstantPad2d": _zero_pad,
    "BatchNorm1d": _batch_norm(1),
    "BatchNorm2d": _batch_norm(3),
    "LayerNorm": _plain_layer_norm,
    "ReLU": _named("relu"),
    "LeakyReLU": _one(lambda module: layers.LeakyReLU(module.negative_slope)),
    "PReLU": _prelu,
    "ELU": _one(lambda module: layers.ELU(module.alpha)),
    "SELU": _named("selu"),
    "GELU": _gelu,
    "SiLU": _named("silu"),
    "Mish": _named("mish"),
    "Softsign": _named("softsign"),
    "Hardsigmoid": _named("hard_sigmoid"),
    "Hardtanh": _hardtanh,
    "Exponential": _named("exponential"),
    "LogSigmoid": _named("log_sigmoid"),
    "Hardswish": _named("hard_silu"),
    "CELU": _with_parameter("celu", "alpha"),
    "Softshrink": _with_parameter("soft_shrink", "lambd"),
    "Hardshrink": _with_parameter("hard_shrink", "lambd"),
    "ReLU6": _one(lambda module: layers.ReLU(max_value=6.0)),
    "Sigmoid": _named("sigmoid"),
    "Tanh": _named("tanh"),
    "Softplus": _softplus,
    "Softmax": _softmax,
    "Softmax2d": _softmax,
    "Dropout": _one(lambda module: layers.Dropout(module.p)),
    "Dropout2d": _dropout2d,
    "Flatten": _flatten,
    "Unflatten": _unflatten,
    "Identity": _nothing,
    "Rescaling": _one(lambda module: layers.Rescaling(module.scale, module.offset)),
    "SamePooling2d": _same_pooling,
    "ChannelsLast": _channels_last,
    "LastAxis": _last_axis,
    "UnitNormalization": _unit_normalization,
    "FeaturePReLU": _feature_prelu,
    "ThresholdedReLU": _one(
        lambda module: layers.ReLU(module.max_value, module.negative_slope, module.threshold)
    ),
    "Standardization": _standardization,
    "Permute": _permute,
}
