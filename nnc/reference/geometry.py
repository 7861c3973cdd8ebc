"""Maps, and the windows that slide over them.

A map is (height, width, channels), a batch of maps (B, height, width, channels): x the input, y the output.
In a layer with windows, output position (oy, ox) uses at position (ky, kx) of its window the input position

    (oy stride_height + ky dilation_height - pad_top,  ox stride_width + kx dilation_width - pad_left)

of the same sample. Positions outside the input are ignored. Convolution, pooling and zero padding are loops
over the window positions: each is arithmetic with two slices, one of the elements of y for which the position
is inside the input, and one of the corresponding elements of x.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from .base import Layer
from .formulas import Array

Pair = tuple[int, int]  # of rows, of columns

# The numbers of a plan's row that define a window
WINDOW = tuple(f"{name}_{axis}" for name in ["kernel", "stride", "dilation"] for axis in ["height", "width"])


def slices(size: int, out: int, stride: int, offset: int) -> tuple[slice, slice]:
    """Return, along one axis and for the window position at which output o uses input i = o stride + offset,
    the slice of the o in 0, ..., out - 1 whose input exists, and the slice of these i in 0, ..., size - 1.

    Examples
    --------
    >>> slices(5, 3, 2, -1)  # o = 0 would use -1; o = 1 uses 1, o = 2 uses 3
    (slice(1, 3, None), slice(1, 5, 2))
    """
    first = max(0, -(offset // stride))  # the smallest o with i >= 0: -offset / stride rounded up
    stop = max(first, min(out, -((offset - size) // stride)))  # the smallest o with i >= size
    return slice(first, stop), slice(first * stride + offset, stop * stride + offset, stride)


def window_positions(
    shape: Pair, out_shape: Pair, window: Pair, strides: Pair, dilation: Pair, pads: Pair
) -> Iterator[tuple[Pair, tuple, tuple]]:
    """Yield for each position of a window, row by row: (ky, kx), the index of the part of y that uses it, and
    the index of the part of x that it reads.
    """
    for position in np.ndindex(window):
        geometry = zip(shape, out_shape, strides, position, dilation, pads, strict=True)
        rows, columns = (slices(n, out, s, k * d - pad) for n, out, s, k, d, pad in geometry)
        yield position, (slice(None), rows[0], columns[0]), (slice(None), rows[1], columns[1])


def output_shape(shape: Pair, window: Pair, strides: Pair, dilation: Pair, pads: Pair) -> Pair:
    """Return how many windows there are along rows and columns: from the padding to the end of the map."""
    axes = zip(shape, window, strides, dilation, pads, strict=True)
    height, width = ((n + pad - d * (k - 1) - 1) // s + 1 for n, k, s, d, pad in axes)
    return height, width


def check_sizes(**sizes: tuple[int, ...]) -> None:
    """Raise a ValueError that names the first size with a number below 1."""
    for name, size in sizes.items():
        if min(size) < 1:
            raise ValueError(f"{name} {size}: every number must be at least 1")


def check_windows(where: str, shape: Pair, out_shape: Pair, window: Pair, strides: Pair, pads: Pair) -> None:
    """Raise a ValueError if a window is entirely outside the map: it has no maximum and no mean."""
    for i, axis in enumerate(["height", "width"]):
        first, last = -pads[i], (out_shape[i] - 1) * strides[i] - pads[i]  # where these windows start
        if first + window[i] <= 0 or last >= shape[i]:
            at = first if first + window[i] <= 0 else last
            inside = f"the {axis} of the map is {shape[i]}"
            raise ValueError(
                f"{where}a window of {axis} {window[i]} at {at} is entirely outside the map: {inside}"
            )


def maps(name: str, x: ArrayLike) -> Array:
    """Return x as float64; raise a ValueError unless it is a batch of maps."""
    x = np.asarray(x, np.float64)
    if x.ndim != 4:
        raise ValueError(f"{name} has shape {x.shape}: use (B, height, width, channels)")
    return x


class MapLayer(Layer):
    """A layer whose rows are maps, flattened channels last."""

    sizes: tuple[str, ...] = ("height", "width", "channels")  # numbers of the row that must be at least 1

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        for name in self.sizes:
            if row[name] < 1:
                raise ValueError(f"layer {index}: {name} {row[name]} must be at least 1")
        self.map = row["height"], row["width"], row["channels"]
        if math.prod(self.map) != n_inputs:
            raise ValueError(f"layer {index}: height, width, channels {self.map} are not {n_inputs} features")


class WindowLayer(MapLayer):
    """A layer from maps to maps: `maps_forward` and `maps_backward` work on maps, not on flat rows."""

    sizes = (*MapLayer.sizes, "out_height", "out_width")

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.pads = row["pad_top"], row["pad_left"]
        self.out_map = row["out_height"], row["out_width"], row.get("filters", row["channels"])
        self.n_outputs = math.prod(self.out_map)

    def pair(self, name):
        return self.row[f"{name}_height"], self.row[f"{name}_width"]

    def maps_forward(self, x: Array, parameters: list[Array]) -> Array:
        """y (B, OH, OW, F) from x (B, H, W, C)."""
        raise NotImplementedError(f"{type(self).__name__} has no maps_forward(x, parameters)")

    def maps_backward(self, x: Array, dy: Array, parameters: list[Array]) -> list[Array]:
        """[dx, then the gradient of each parameter]."""
        raise NotImplementedError(f"{type(self).__name__} has no maps_backward(x, dy, parameters)")

    def forward(self, x, parameters, noise):
        x = x.reshape(-1, *self.map)
        return self.maps_forward(x, parameters).reshape(-1, self.n_outputs), x

    def backward(self, dy, parameters, x):
        dx, *gradients = self.maps_backward(x, dy.reshape(-1, *self.out_map), parameters)
        return dx.reshape(-1, self.n_inputs), gradients
