"""Arguments that describe axes, images and sliding windows; sizes are those of Keras."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from numbers import Integral
from typing import Any

from nnc import _config
from nnc.layers.base import Layer, Shape

Pair = tuple[int, int]

_MOST_RUNS = 8  # NNC_MAX_VALUES of csrc/nnc.h


def pair(name: str, value: Any, low: int = 1) -> Pair:
    """`value` as (vertical, horizontal): two integers from `low`, or one for both."""
    if isinstance(value, Integral):
        items: tuple[Any, ...] = (value, value)
    else:
        items = _listed(value) or ()
    must = f"an integer or two of them, from {low} to {_config.MAX_FEATURES}"
    if len(items) != 2:
        raise _config.refusal(name, must, value, TypeError if _listed(value) is None else ValueError)
    try:
        first, second = (_config.integer(name, item, low, _config.MAX_FEATURES) for item in items)
    except (TypeError, ValueError) as error:
        raise _config.refusal(name, must, value, type(error)) from None
    return first, second


def sides(name: str, value: Any) -> tuple[Pair, Pair]:
    """`value` as ((top, bottom), (left, right)): one integer, one for each axis, or one for each side."""
    must = "an integer from 0, (height, width), or ((top, bottom), (left, right))"
    listed = _listed(value)
    items = (value, value) if listed is None else listed
    if len(items) != 2:
        raise _config.refusal(name, must, value)
    try:
        return pair(name, items[0], 0), pair(name, items[1], 0)
    except (TypeError, ValueError) as error:
        raise _config.refusal(name, must, value, type(error)) from None


def channels_last(value: str | None) -> str | None:
    """`value` as a data_format: "channels_last", or None, which means the same."""
    if value is not None and not (isinstance(value, str) and value == "channels_last"):
        must = "None or 'channels_last' (images are (height, width, channels): move the axis of x)"
        raise _config.refusal("data_format", must, value)
    return value


def padding_mode(value: str) -> str:
    """`value` as "valid" or "same", regardless of case."""
    return _config.choice("padding", value.lower() if isinstance(value, str) else value, ("valid", "same"))


def image(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    """`shape` as (height, width, channels), for a layer that takes images."""
    if len(shape) != 3:
        if len(shape) == 2:
            new = (*shape, 1)
            advice = f"put Reshape({new}) before it, or begin with Input({new})"
        else:
            advice = "put Reshape((height, width, channels)) before it"
        raise ValueError(
            f"{layer} takes samples of shape (height, width, channels), got input_shape {shape}: {advice}"
        )
    height, width, channels = shape
    return height, width, channels


def check_groups(layer: Layer, input_shape: Shape, groups: int) -> None:
    """Raise a ValueError unless `groups` divides the channels, the last axis of `input_shape`."""
    if input_shape[-1] % groups:
        raise ValueError(
            f"{layer} cannot take input_shape {input_shape}: groups={groups} does not divide its "
            f"{input_shape[-1]} channels"
        )


def window(
    layer: Layer,
    input_shape: Shape,
    size: Pair,
    strides: Pair,
    padding: str,
    dilation: Pair = (1, 1),
    argument: str = "pool_size",
) -> dict[str, int]:
    """The geometry of a plan's row: the input, the window and its strides, the output.

    The window spans d (k - 1) + 1 pixels of an axis. With "valid" it stays inside: out = floor((in - span) /
    stride) + 1. With "same" out = ceil(in / stride) for any window, and the padding is split evenly between
    the two sides, the odd one at the bottom and at the right.

    Raises
    ------
    ValueError
        If the samples are not images, the window does not fit in them, or it has too many values.
    """
    height, width, channels = image(layer, input_shape)
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    # The core's sizes stay within 2**48 if a window, like a sample, has at most MAX_FEATURES values.
    if max(*spans, size[0] * size[1] * channels) > _config.MAX_FEATURES:
        raise ValueError(
            f"{layer} cannot take input_shape {input_shape}: a window has more than {_config.MAX_FEATURES} "
            f"values; use a smaller {argument}"
        )
    out, before = [], []
    for length, span, stride in zip((height, width), spans, strides, strict=True):
        if padding == "same":
            out.append(-(-length // stride))
            before.append(max((out[-1] - 1) * stride + span - length, 0) // 2)
        else:
            out.append((length - span) // stride + 1)
            before.append(0)
    if min(out) < 1:
        raise ValueError(
            f"{layer} cannot take input_shape {input_shape}: its window spans {spans[0]} x {spans[1]} "
            f"pixels, the image has {height} x {width}; use padding='same' or a smaller {argument}"
        )
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "kernel_height": size[0],
        "kernel_width": size[1],
        "stride_height": strides[0],
        "stride_width": strides[1],
        "dilation_height": dilation[0],
        "dilation_width": dilation[1],
        "pad_top": before[0],
        "pad_left": before[1],
        "out_height": out[0],
        "out_width": out[1],
    }


def sharing(shape: Shape, shared: Collection[int]) -> dict[str, list[int]]:
    """The setting `axes` of a row whose parameters are the same for all positions along the axes in `shared`.

    The sizes of the axes of a sample, adjacent ones merged so that they are alternately kept and shared, the
    first one kept. Empty if no axis is shared: every feature then has its own parameter.

    Raises
    ------
    ValueError
        If there are more alternations than the core supports.
    """
    sizes = [1]
    for axis, size in enumerate(shape):
        last_is_shared = len(sizes) % 2 == 0
        if size > 1 and (axis in shared) != last_is_shared:
            sizes.append(1)
        sizes[-1] *= size
    if len(sizes) > _MOST_RUNS:
        raise ValueError(
            f"samples of shape {shape} alternate too often between shared and other axes: nnc supports "
            f"{_MOST_RUNS} groups of adjacent axes"
        )
    return {"axes": sizes} if len(sizes) > 1 else {}


def permutation(shape: Shape, order: Sequence[int]) -> list[dict[str, Any]]:
    """The row that permutes the axes of samples of this shape, or none if their values keep their order.

    Raises
    ------
    ValueError
        If the core does not support as many axes.
    """
    runs: list[list[int]] = []  # of axes that are adjacent before and after
    for axis in (axis for axis in order if shape[axis] > 1):
        if runs and not any(size > 1 for size in shape[runs[-1][-1] + 1 : axis]) and axis > runs[-1][-1]:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) < 2:
        return []
    if len(runs) > _MOST_RUNS:
        raise ValueError(
            f"the axes of samples of shape {shape} cannot be permuted to {tuple(order)}: nnc supports "
            f"{_MOST_RUNS} groups of axes that stay together"
        )
    before = sorted(runs)
    sizes = [1] * len(runs)
    for i, run in enumerate(before):
        for axis in run:
            sizes[i] *= shape[axis]
    return [{"kind": "permute", "axes": sizes, "order": [before.index(run) + 1 for run in runs]}]


def along(axes: Sequence[int], shape: Shape, row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that apply `row`, which acts along the last axes, along these axes (from 0) of a sample."""
    order = [axis for axis in range(len(shape)) if axis not in axes] + sorted(axes)
    moved = tuple(shape[axis] for axis in order)
    back = [order.index(axis) for axis in range(len(shape))]
    return [*permutation(shape, order), row, *permutation(moved, back)]


def sample_axes(axis: int | Sequence[int] | None, input_shape: Shape, none: str = "") -> list[int]:
    """`axis`, of which 0 is the batch, as axes of a sample, which begins with axis 0, in the given order.

    Raises
    ------
    ValueError
        If a sample does not have them, or one is given twice; `none` begins the list of what would be valid.
    """
    n = len(input_shape)
    given = () if axis is None else (axis,) if isinstance(axis, int) else axis
    found = [each + n if each < 0 else each - 1 for each in given]
    if any(each not in range(n) for each in found) or len(set(found)) < len(found):
        must = f"{none}different axes from 1 to {n}, or -1 to {-n}, for input_shape {input_shape}"
        raise _config.refusal("axis", must, axis)
    return found


def _listed(value: Any) -> tuple[Any, ...] | None:
    """The items of an iterable; None if `value` is not one."""
    if isinstance(value, (str, bytes, dict)):
        return None
    try:
        return tuple(value)
    except TypeError:
        return None
