"""From PyTorch to nnc: modules over images and sequences, by the number of axes that windows slide over."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnc import layers
from nnc.interop.reader import Found, Reader, Reading, array_of, each, refuse


def convolution(n_axes: int, make: Any) -> Reading:
    def read_convolution(reader: Reader, module: Any) -> Found:
        refuse(module, padding_mode="zeros", transposed=False)
        lengths = reader.lengths(n_axes)
        size, stride, dilation = module.kernel_size, module.stride, module.dilation
        mode = module.padding
        if not isinstance(mode, str):
            mode = "same" if _same(lengths, module.padding, size, stride, dilation) else "valid"
            if mode == "valid" and any(module.padding):
                yield from reader.padding([(pad, pad) for pad in module.padding])
        layer = make(
            module.out_channels,
            size,
            stride,
            mode,
            dilation_rate=dilation,
            groups=module.groups,
            use_bias=module.bias is not None,
        )
        kernel = np.moveaxis(array_of(module.weight), (1, 0), (-2, -1))  # (..., C / G, O)
        yield layer, [kernel] if module.bias is None else [kernel, array_of(module.bias)]

    return read_convolution


def _same(
    lengths: tuple[int, ...], padding: Any, sizes: Any, strides: Any, dilations: Any, ceil: bool = False
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


def _windows(module: Any, n_axes: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sizes and the strides of a pooling's windows."""
    stride = module.kernel_size if module.stride is None else module.stride
    return each(module.kernel_size, n_axes), each(stride, n_axes)


def _mode(lengths: tuple[int, ...], module: Any) -> str:
    """The padding argument of a pooling in nnc."""
    sizes, strides = _windows(module, len(lengths))
    padding, ones = each(module.padding, len(lengths)), each(1, len(lengths))
    left_over = any((n - k) % s for n, k, s in zip(lengths, sizes, strides, strict=True))
    if not any(padding) and not (module.ceil_mode and left_over):
        return "valid"
    if not _same(lengths, padding, sizes, strides, ones, ceil=module.ceil_mode):
        what = "images of {} x {}" if len(lengths) == 2 else "sequences of {} steps"
        raise ValueError(
            f"nnc's poolings have padding='same', which has other windows for {what.format(*lengths)}"
        )
    return "same"


def max_pool(n_axes: int, make: Any) -> Reading:
    def read_max_pool(reader: Reader, module: Any) -> Found:
        if max(each(module.dilation, n_axes)) > 1 or module.return_indices:
            raise ValueError("nnc supports it with dilation=1 and return_indices=False only")
        mode = _mode(reader.lengths(n_axes), module)
        yield make(*_windows(module, n_axes), mode), []

    return read_max_pool


def average_pool(n_axes: int, make: Any) -> Reading:
    def read_average_pool(reader: Reader, module: Any) -> Found:
        if n_axes == 2:
            refuse(module, divisor_override=None)
        lengths, padding = reader.lengths(n_axes), each(module.padding, n_axes)
        mode = "valid"
        if any(padding) and module.count_include_pad:
            refuse(module, ceil_mode=False)
            yield from reader.padding([(pad, pad) for pad in padding])  # zeros that are included in the mean
        else:
            mode = _mode(lengths, module)
        yield make(*_windows(module, n_axes), mode), []

    return read_average_pool


def adaptive(n_axes: int, whole: Any, windows: Any) -> Reading:
    def read_adaptive(reader: Reader, module: Any) -> Found:
        lengths = reader.lengths(n_axes)
        sizes = zip(lengths, each(module.output_size, n_axes), strict=True)
        outs = tuple(n if out is None else out for n, out in sizes)
        if max(outs) == 1:
            yield whole(keepdims=True), []
        elif any(n % out for n, out in zip(lengths, outs, strict=True)):
            found = " x ".join(map(str, lengths))
            of = f"the image's {found}" if n_axes == 2 else f"the sequence's {found}"
            raise ValueError(f"nnc supports it only if {outs} divides {of}")
        else:
            yield windows(tuple(n // out for n, out in zip(lengths, outs, strict=True))), []

    return read_adaptive


def same_pooling(reader: Reader, module: Any) -> Found:
    pool = layers.MaxPooling2D if module.kind == "max" else layers.AveragePooling2D
    yield pool(module.kernel_size, module.stride, "same"), []


def zero_pad(n_axes: int) -> Reading:
    def read_zero_pad(reader: Reader, module: Any) -> Found:
        if getattr(module, "value", 0) != 0:
            raise ValueError(f"nnc pads with zeros only, got value={module.value!r}")
        reader.lengths(n_axes)
        flat = each(module.padding, 2 * n_axes)  # the last axis comes first
        yield from reader.padding(list(zip(flat[::2], flat[1::2], strict=True))[::-1])

    return read_zero_pad


def spatial_dropout(n_axes: int, make: Any) -> Reading:
    def read_spatial_dropout(reader: Reader, module: Any) -> Found:
        reader.lengths(n_axes)
        yield make(module.p), []

    return read_spatial_dropout
