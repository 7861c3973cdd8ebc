"""From PyTorch to nnc: one function for each class of module. The caller has imported torch already."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nnc import _config, activations, layers
from nnc.export import layout
from nnc.interop import windows
from nnc.interop.reader import Arrays, Found, Reader, Reading, array_of, refuse
from nnc.models import Sequential

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
    over_steps = any(type(module).__name__ in OVER_STEPS for _, module in leaves)
    return Reader(_config.shape("input_shape", shape), over_steps).model(leaves, MODULES)


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
    missing = "input_shape must be given, as PyTorch has it: (C, H, W) for images, (C, L) for sequences, (F,)"
    for _, module in leaves:
        if hasattr(module, "in_features"):
            return (module.in_features,)
        channels = getattr(module, "in_channels", None)
        n_axes = 1 if type(module).__name__ in OVER_STEPS else 2
        if type(module).__name__ == "BatchNorm1d":
            if not any(type(each).__name__ in OVER_STEPS for _, each in leaves):
                return (module.num_features,)
            channels, n_axes = module.num_features, 1
        if type(module).__name__ == "BatchNorm2d":
            channels = module.num_features
        if channels is not None:
            break
    else:
        raise ValueError(f"{missing} for others. No layer specifies the number of inputs")
    net = copy.deepcopy(sequential).eval().cpu()

    def fits(size: int) -> bool:
        try:
            with torch.no_grad():
                net(torch.zeros(1, channels, *[size] * n_axes, dtype=next(net.parameters()).dtype))
        except RuntimeError:
            return False
        return True

    sizes = range(1, _LARGEST_IMAGE + 1)
    smallest = next((size for size in sizes if fits(size)), None)
    if smallest is None or fits(2 * smallest + 64):
        what = "Images of many sizes fit this net, or no square image does"
        if n_axes == 1:
            what = "Sequences of many lengths fit this net, or none does"
        raise ValueError(f"{missing} for others. {what}")
    return (channels, *[smallest] * n_axes)


def _linear(reader: Reader, module: Any) -> Found:
    kernel, bias = array_of(module.weight).T, [] if module.bias is None else [array_of(module.bias)]
    found = f"it takes {len(kernel)} values, but the samples have the shape {reader.shape}"
    if reader.channels_first:
        raise ValueError(
            f"{found} with the channels, which it does not multiply, last: put a Flatten before it"
        )
    if len(kernel) != reader.shape[-1]:
        raise ValueError(found)
    kernel, reader.order = reader.along(kernel), None
    yield layers.Dense(module.out_features, use_bias=bool(bias)), [kernel, *bias]


def _batch_norm(*n_axes: int) -> Reading:
    def read_batch_norm(reader: Reader, module: Any) -> Found:
        if module.running_mean is None or module.momentum is None:
            raise ValueError("nnc supports it only with track_running_stats=True and a momentum")
        if len(reader.shape) not in n_axes or not (len(reader.shape) == 1 or reader.channels_first):
            raise ValueError(
                f"nnc supports it for samples of {n_axes[0]} axes, images and sequences with their channels "
                f"first, but the samples have the shape {reader.shape}"
            )
        layer = layers.BatchNormalization(
            momentum=1.0 - module.momentum, epsilon=module.eps, center=module.affine, scale=module.affine
        )
        tensors = [module.weight, module.bias] if module.affine else []
        tensors += [module.running_mean, module.running_var]
        yield layer, [reader.along(array_of(tensor)) for tensor in tensors]

    return read_batch_norm


def _last_axis(reader: Reader, module: Any) -> Found:
    if reader.channels_first:
        raise ValueError("nnc supports it for samples with their channels last")
    shape, reader.shape = reader.shape, reader.shape[-1:]
    found = list(MODULES[type(module.module).__name__](reader, module.module))
    reader.shape = shape
    yield from found


def _layer_norm(reader: Reader, module: Any) -> Found:
    shape, normalized = reader.shape, tuple(module.normalized_shape)
    torch_shape = (shape[-1], *shape[:-1]) if reader.channels_first else shape
    if normalized != torch_shape:
        of = f"nnc supports it over a complete sample, {torch_shape} here"
        raise ValueError(f"{of}, and over the channels of images with nnc.interop.modules.ChannelsLast")

    def array(tensor: Any) -> np.ndarray:
        return reader.sample(tensor) if len(shape) > 1 else reader.along(array_of(tensor).reshape(-1))

    yield _normalization(module, len(shape), array)


def _normalization(
    module: Any, n_axes: int, array: Callable[[Any], np.ndarray]
) -> tuple[layers.Layer, Arrays]:
    """A LayerNormalization of the last `n_axes` axes, with the arrays of a torch.nn.LayerNorm."""
    tensors = [module.weight, module.bias] if module.elementwise_affine else [None, None]
    scale, center = (tensor is not None for tensor in tensors)
    axis: Any = -1 if n_axes == 1 else list(range(-n_axes, 0))
    layer = layers.LayerNormalization(axis, module.eps, center, scale)
    return layer, [array(tensor) for tensor in tensors if tensor is not None]


def _unit_normalization(reader: Reader, module: Any) -> Found:
    if reader.channels_first and module.axes < len(reader.shape):
        raise ValueError(
            "nnc supports it over complete images, and over channels with nnc.interop.modules.ChannelsLast"
        )
    yield _unit_normalized(module), []


def _unit_normalized(module: Any) -> layers.Layer:
    return layers.UnitNormalization(list(range(-module.axes, 0)))


def _channels_first(reader: Reader, module: Any) -> Found:
    inner = module.module
    if type(inner).__name__ != "Dropout1d" or len(reader.shape) != 2 or reader.over_steps:
        raise ValueError(f"nnc supports it only around a Dropout1d, for samples (L, C), got {inner}")
    yield layers.SpatialDropout1D(inner.p), []


def _channels_last(reader: Reader, module: Any) -> Found:
    inner = module.module
    reader.lengths(2)
    if type(inner).__name__ == "UnitNormalization":
        yield _unit_normalized(inner), []
        return
    if type(inner).__name__ != "LayerNorm":
        raise ValueError(f"nnc supports it only around a LayerNorm or a UnitNormalization, got {inner}")
    yield _normalization(inner, len(inner.normalized_shape), array_of)


def _plain_layer_norm(reader: Reader, module: Any) -> Found:
    """A LayerNorm over the last axes of samples that are neither images nor sequences."""
    normalized = tuple(module.normalized_shape)
    alike = len(reader.shape) == 1 or reader.channels_first
    if alike or reader.shape[-len(normalized) :] != normalized:
        yield from _layer_norm(reader, module)
    else:
        yield _normalization(module, len(normalized), array_of)


def _hardtanh(reader: Reader, module: Any) -> Found:
    """Hardtanh from -1 to 1, or with min_val=0: a ReLU with a maximum."""
    if (module.min_val, module.max_val) == (-1, 1):
        yield layers.Activation("hard_tanh"), []
    elif module.min_val != 0:
        raise ValueError(f"nnc supports it from -1 to 1 and with min_val 0 only, got {module}")
    else:
        yield layers.ReLU(max_value=module.max_val), []


def _prelu(reader: Reader, module: Any) -> Found:
    alpha, shape = array_of(module.weight), reader.shape
    channels = len(shape) if reader.channels_first else 1  # their axis; the batch axis is 0
    if len(alpha) not in (1, shape[channels - 1]):
        raise ValueError(f"it has {len(alpha)} slopes, but the samples have the shape {shape}")
    shared = [axis for axis in range(1, len(shape) + 1) if axis != channels or len(alpha) < shape[axis - 1]]
    sizes = [1 if axis in shared else shape[axis - 1] for axis in range(1, len(shape) + 1)]
    along = reader.along(alpha) if len(shape) == 1 and not shared else alpha
    yield layers.PReLU(shared_axes=shared), [along.reshape(sizes)]


def _feature_prelu(reader: Reader, module: Any) -> Found:
    yield layers.PReLU(), [reader.sample(module.weight)]


def _standardization(reader: Reader, module: Any) -> Found:
    mean, scale, offset = map(reader.sample, (module.center, module.scale, module.offset))
    inverse = bool(offset.any())
    if scale.min() <= 0:
        raise ValueError(f"nnc supports it with a scale above 0 only, got {scale.min()}")
    if inverse and mean.any():
        raise ValueError("nnc supports it with a center or an offset, not with both")
    axes = list(range(1, mean.ndim + 1))
    with np.errstate(divide="ignore"):
        variance = scale**2 if inverse else 1 / scale**2
    yield layers.Normalization(axes, invert=inverse), [offset if inverse else mean, variance]


def _of_rows(make: Callable[[], layers.Layer]) -> Reading:
    """An activation over the channels."""

    def read(reader: Reader, module: Any) -> Found:
        n_axes = len(reader.shape)
        axes = (1, -n_axes) if reader.channels_first else (n_axes, -1)
        if module.dim not in axes:
            must = f"with dim={axes[0]} only, the channels"
            raise ValueError(f"nnc supports it here {must}, got dim={module.dim}")
        yield make(), []

    return read


def _named(name: str, **wanted: Any) -> Reading:
    """An activation without a parameter."""

    def read_activation(reader: Reader, module: Any) -> Found:
        refuse(module, **wanted)
        yield layers.Activation(name), []

    return read_activation


def _with_parameter(name: str, attribute: str) -> Reading:
    """An activation whose parameter is an attribute of the module."""
    return _one(lambda module: layers.Activation(activations.Activation(name, getattr(module, attribute))))


def _softplus(reader: Reader, module: Any) -> Found:
    refuse(module, beta=1)
    if module.threshold < 16:  # above it PyTorch returns x, which from 16 on equals softplus in float32
        raise ValueError(f"nnc supports it with a threshold of at least 16 only, got {module.threshold}")
    yield layers.Activation("softplus"), []


def _gelu(reader: Reader, module: Any) -> Found:
    yield layers.Activation("gelu" if module.approximate == "none" else "gelu_tanh"), []


def _flatten(reader: Reader, module: Any) -> Found:
    axes = len(reader.shape)
    if module.start_dim != 1 or module.end_dim not in (-1, axes):
        raise ValueError("nnc supports it with start_dim=1 and end_dim=-1 only")
    if reader.channels_first:
        *lengths, channels = reader.shape
        if channels > 1 and math.prod(lengths) > 1:
            places = np.arange(math.prod(reader.shape)).reshape(channels, *lengths)
            reader.order = np.moveaxis(places, 0, -1).reshape(-1)
    reader.last = False
    if axes > 1:
        yield layers.Flatten(), []


def _unflatten(reader: Reader, module: Any) -> Found:
    sizes = tuple(module.unflattened_size)
    if len(reader.shape) != 1 or module.dim not in (1, -1) or reader.order is not None:
        raise ValueError("nnc supports it for flat samples only, dim=1")
    sequence = len(sizes) == 2 and reader.over_steps
    if (len(sizes) == 3 or sequence) and (sizes[0] == 1 or math.prod(sizes[1:]) == 1):
        sizes = (*sizes[1:], sizes[0])  # the order of the values is the same
    elif sequence:
        raise ValueError(f"nnc's sequences have their channels last: it supports (1, L) only, got {sizes}")
    elif len(sizes) == 3:
        reader.last = True
    # Of an image with one row, say, only the modules after it tell which of its axes are the channels.
    following = next((each for each in reader.rest if type(each).__name__ in LAYOUTS), None)
    permuted = getattr(following, "order", None) == layout.TO_FIRST
    if len(sizes) == 3 and (permuted or type(following).__name__ == "Flatten"):
        reader.last, sizes = True, tuple(module.unflattened_size)
    yield layers.Reshape(sizes), []


def _permute(reader: Reader, module: Any) -> Found:
    if module.order != (layout.TO_FIRST if reader.last else layout.TO_LAST) or len(reader.shape) != 3:
        raise ValueError("nnc supports it between (C, H, W) and (H, W, C) only")
    reader.last = not reader.last
    yield from ()


def _permute_axes(reader: Reader, module: Any) -> Found:
    if reader.channels_first:
        raise ValueError(
            "nnc supports it for samples with the channels last only, between two modules Permute"
        )
    yield layers.Permute([axis + 1 for axis in module.order]), []


def _nothing(reader: Reader, module: Any) -> Found:
    yield from ()


def _one(make: Callable[[Any], layers.Layer]) -> Reading:
    """A layer without weights."""

    def read_one(reader: Reader, module: Any) -> Found:
        yield make(module), []

    return read_one


# Classes of torch.nn and nnc.interop.modules, and the functions that read them
MODULES: dict[str, Reading] = {
    "Linear": _linear,
    "Conv1d": windows.convolution(1, layers.Conv1D),
    "Conv2d": windows.convolution(2, layers.Conv2D),
    "MaxPool1d": windows.max_pool(1, layers.MaxPooling1D),
    "MaxPool2d": windows.max_pool(2, layers.MaxPooling2D),
    "AvgPool1d": windows.average_pool(1, layers.AveragePooling1D),
    "AvgPool2d": windows.average_pool(2, layers.AveragePooling2D),
    "AdaptiveMaxPool1d": windows.adaptive(1, layers.GlobalMaxPooling1D, layers.MaxPooling1D),
    "AdaptiveMaxPool2d": windows.adaptive(2, layers.GlobalMaxPooling2D, layers.MaxPooling2D),
    "AdaptiveAvgPool1d": windows.adaptive(1, layers.GlobalAveragePooling1D, layers.AveragePooling1D),
    "AdaptiveAvgPool2d": windows.adaptive(2, layers.GlobalAveragePooling2D, layers.AveragePooling2D),
    "ZeroPad1d": windows.zero_pad(1),
    "ConstantPad1d": windows.zero_pad(1),
    "ZeroPad2d": windows.zero_pad(2),
    "ConstantPad2d": windows.zero_pad(2),
    "BatchNorm1d": _batch_norm(1, 2),
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
    "Softmax": _of_rows(layers.Softmax),
    "Softmax2d": _one(lambda module: layers.Softmax()),
    "LogSoftmax": _of_rows(lambda: layers.Activation("log_softmax")),
    "Dropout": _one(lambda module: layers.Dropout(module.p)),
    "Dropout1d": windows.spatial_dropout(1, layers.SpatialDropout1D),
    "Dropout2d": windows.spatial_dropout(2, layers.SpatialDropout2D),
    "Flatten": _flatten,
    "Unflatten": _unflatten,
    "Identity": _nothing,
    "Rescaling": _one(lambda module: layers.Rescaling(module.scale, module.offset)),
    "SamePooling2d": windows.same_pooling,
    "ChannelsFirst": _channels_first,
    "ChannelsLast": _channels_last,
    "LastAxis": _last_axis,
    "UnitNormalization": _unit_normalization,
    "FeaturePReLU": _feature_prelu,
    "ThresholdedReLU": _one(
        lambda module: layers.ReLU(module.max_value, module.negative_slope, module.threshold)
    ),
    "Standardization": _standardization,
    "Permute": _permute,
    "PermuteAxes": _permute_axes,
}

# Those whose samples are sequences, (C, L)
OVER_STEPS = tuple(name for name in MODULES if name.endswith("1d") and name != "BatchNorm1d")

# Those that take images in one layout only
LAYOUTS = ("Permute", "Flatten", "ChannelsLast", *(name for name in MODULES if name.endswith("2d")))
