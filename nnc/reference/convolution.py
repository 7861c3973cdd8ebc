"""Convolution, pooling and zero padding of maps.

A map is (height, width, channels), a batch of them (B, height, width, channels): x on the way in, y out. All
of these layers have windows: output position (oy, ox) sees through tap (ky, kx) of its window input position

    (oy stride_height + ky dilation_height - pad_top,  ox stride_width + kx dilation_width - pad_left)

of the same sample. Taps outside the input are dropped. Each function below is a loop over the taps: all that
one tap does is arithmetic with two slices, of y the positions whose tap falls inside, of x where it falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from .formulas import Array
from .layers import Layer

Pair = tuple[int, int]  # of rows, of columns


# ------------------------------------------------------------------------------------------------ geometry


def slices(size: int, out: int, stride: int, offset: int) -> tuple[slice, slice]:
    """Return, along one axis and for the tap by which output o sees input i = o stride + offset, the slice of
    the o in 0, ..., out - 1 that see an input, and that of the i in 0, ..., size - 1 that they see.

    Examples
    --------
    >>> slices(5, 3, 2, -1)  # o = 0 would see -1; o = 1 sees 1, o = 2 sees 3
    (slice(1, 3, None), slice(1, 5, 2))
    """
    first = max(0, -(offset // stride))  # the least o with i >= 0: -offset / stride rounded up
    stop = max(first, min(out, -((offset - size) // stride)))  # the least o with i >= size
    return slice(first, stop), slice(first * stride + offset, stop * stride + offset, stride)


def taps(
    shape: Pair, out_shape: Pair, window: Pair, strides: Pair, dilation: Pair, pads: Pair
) -> Iterator[tuple[Pair, tuple, tuple]]:
    """Yield for each tap of a window, row by row: (ky, kx), the index of the part of y that it serves, and
    the index of the part of x that it reads for it.
    """
    for tap in np.ndindex(window):
        geometry = zip(shape, out_shape, strides, tap, dilation, pads, strict=True)
        rows, columns = (slices(n, out, s, k * d - pad) for n, out, s, k, d, pad in geometry)
        yield tap, (slice(None), rows[0], columns[0]), (slice(None), rows[1], columns[1])


def output_shape(shape: Pair, window: Pair, strides: Pair, dilation: Pair, pads: Pair) -> Pair:
    """Return how many windows begin at the padding and end inside the map, of rows and of columns."""
    axes = zip(shape, window, strides, dilation, pads, strict=True)
    height, width = ((n + pad - d * (k - 1) - 1) // s + 1 for n, k, s, d, pad in axes)
    return height, width


def check_sizes(**sizes: tuple[int, ...]) -> None:
    """Raise a ValueError that names the first of the sizes that has a number below 1."""
    for name, size in sizes.items():
        if min(size) < 1:
            raise ValueError(f"{name} {size}: every number must be at least 1")


def check_windows(where: str, shape: Pair, out_shape: Pair, window: Pair, strides: Pair, pads: Pair) -> None:
    """Raise a ValueError when a window lies wholly outside the map: it has no maximum and no mean."""
    for i, axis in enumerate(["height", "width"]):
        first, last = -pads[i], (out_shape[i] - 1) * strides[i] - pads[i]  # where these windows begin
        if first + window[i] <= 0 or last >= shape[i]:
            at = first if first + window[i] <= 0 else last
            inside = f"the {axis} of the map is {shape[i]}"
            raise ValueError(f"{where}a window of {axis} {window[i]} at {at} lies wholly outside: {inside}")


def maps(name: str, x: ArrayLike) -> Array:
    """Return x as float64; raise a ValueError unless it is a batch of maps."""
    x = np.asarray(x, np.float64)
    if x.ndim != 4:
        raise ValueError(f"{name} has shape {x.shape}: use (B, height, width, channels)")
    return x


# --------------------------------------------------------------------------------------------- convolution


def conv2d(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pair = (0, 0),
    out_shape: Pair | None = None,
) -> Array:
    """y[b, oy, ox, f] = bias[f] + sum over ky, kx, c of kernel[ky, kx, c, f] x[b, iy, ix, c].

    iy = oy strides[0] + ky dilation[0] - pads[0] and ix = ox strides[1] + kx dilation[1] - pads[1]; what
    would lie outside of x counts as 0. (The kernel is not turned round: to mathematicians this is a
    cross-correlation.)

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    kernel : array_like, shape (KH, KW, C, F)
    bias : array_like, shape (F,), optional
    strides : (int, int)
        Rows and columns of x from one window to the next.
    dilation : (int, int)
        Rows and columns of x from one tap of a window to the next.
    pads : (int, int)
        Rows of zeros above x, columns of zeros left of it.
    out_shape : (int, int), optional
        OH, OW: height and width of y; None is as many windows as end inside x.

    Returns
    -------
    ndarray of float64, shape (B, OH, OW, F)

    Raises
    ------
    ValueError
        When the shapes do not fit, or a size is below 1.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition".
    Yu and Koltun 2016, "Multi-scale context aggregation by dilated convolutions".
    Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", draws the geometry.

    Examples
    --------
    >>> x = np.arange(12.0).reshape(1, 3, 4, 1)
    >>> edge = np.array([[-1.0, 1.0]]).reshape(1, 2, 1, 1)  # of each pixel and the one on its right
    >>> conv2d(x, edge)[0, :, :, 0]
    array([[1., 1., 1.],
           [1., 1., 1.],
           [1., 1., 1.]])
    >>> conv2d(x, edge, strides=(2, 2), pads=(0, 1))[0, :, :, 0]  # the column before the first is 0
    array([[0., 1.],
           [8., 1.]])
    """
    x, kernel = maps("x", x), np.asarray(kernel, np.float64)
    if kernel.ndim != 4 or kernel.shape[2] != x.shape[3]:
        raise ValueError(f"x {x.shape} and kernel {kernel.shape}: use (B, H, W, C) and (KH, KW, C, F)")
    check_sizes(kernel=kernel.shape, strides=strides, dilation=dilation)
    window, n_filters = kernel.shape[:2], kernel.shape[3]
    out_shape = out_shape or output_shape(x.shape[1:3], window, strides, dilation, pads)
    check_sizes(out_shape=out_shape)
    y = np.zeros((len(x), *out_shape, n_filters))
    for tap, out, inside in taps(x.shape[1:3], out_shape, window, strides, dilation, pads):
        y[out] += np.tensordot(x[inside], kernel[tap], axes=1)  # (..., C) times (C, F)
    if bias is not None:
        bias = np.asarray(bias, np.float64)
        if bias.shape != (n_filters,):
            raise ValueError(f"bias has shape {bias.shape}: use {(n_filters,)}, one for each filter")
        y += bias
    return y


def conv2d_backward(
    x: ArrayLike,
    kernel: ArrayLike,
    dy: ArrayLike,
    *,
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pair = (0, 0),
) -> tuple[Array, Array, Array]:
    """Gradients of `conv2d`: each product kernel[ky, kx, c, f] x[b, iy, ix, c] in y[b, oy, ox, f] gives

        dx[b, iy, ix, c] += kernel[ky, kx, c, f] dy[b, oy, ox, f]
        dkernel[ky, kx, c, f] += x[b, iy, ix, c] dy[b, oy, ox, f]

    and dbias[f] is the sum of dy[..., f].

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    kernel : array_like, shape (KH, KW, C, F)
    dy : array_like, shape (B, OH, OW, F)
    strides, dilation, pads : (int, int)
        As in `conv2d`; its out_shape is (OH, OW).

    Returns
    -------
    dx : ndarray of float64, shape (B, H, W, C)
    dkernel : ndarray of float64, shape (KH, KW, C, F)
    dbias : ndarray of float64, shape (F,)

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> x, kernel = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1), np.array([10.0, 20.0]).reshape(1, 2, 1, 1)
    >>> dx, dkernel, dbias = conv2d_backward(x, kernel, np.ones((1, 1, 2, 1)))
    >>> dx.ravel(), dkernel.ravel(), dbias
    (array([10., 30., 20.]), array([3., 5.]), array([2.]))
    """
    x, kernel, dy = maps("x", x), np.asarray(kernel, np.float64), maps("dy", dy)
    if kernel.ndim != 4 or kernel.shape[2:] != (x.shape[3], dy.shape[3]) or len(x) != len(dy):
        shapes = f"x {x.shape}, kernel {kernel.shape}, dy {dy.shape}"
        raise ValueError(f"{shapes}: use (B, H, W, C), (KH, KW, C, F), (B, OH, OW, F)")
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    geometry = x.shape[1:3], dy.shape[1:3], kernel.shape[:2], strides, dilation, pads
    for tap, out, inside in taps(*geometry):
        dx[inside] += np.tensordot(dy[out], kernel[tap].T, axes=1)
        dkernel[tap] = np.tensordot(x[inside], dy[out], axes=([0, 1, 2], [0, 1, 2]))
    return dx, dkernel, dy.sum(axis=(0, 1, 2))


# ------------------------------------------------------------------------------------------------- pooling


def pooling_geometry(x, window, strides, pads, out_shape):
    """Fill in what was left None, check, and return the arguments of `taps`."""
    strides = strides or window
    check_sizes(window=window, strides=strides)
    out_shape = out_shape or output_shape(x.shape[1:3], window, strides, (1, 1), pads)
    check_sizes(out_shape=out_shape)
    check_windows("", x.shape[1:3], out_shape, window, strides, pads)
    return x.shape[1:3], out_shape, window, strides, (1, 1), pads


def find_maxima(x, geometry):
    """Return the largest input of each window and, in row-major order, the number of the tap that saw it."""
    y = np.zeros((len(x), *geometry[1], x.shape[3]))
    winner = np.full(y.shape, -1)
    for number, (_, out, inside) in enumerate(taps(*geometry)):
        candidate, largest = x[inside], y[out]
        # a tie stays with the first; a NaN compares false with everything, so it is asked for by name
        better = (winner[out] < 0) | (candidate > largest) | (np.isnan(candidate) & ~np.isnan(largest))
        y[out] = np.where(better, candidate, largest)
        winner[out] = np.where(better, number, winner[out])
    return y, winner


def max_pooling(
    x: ArrayLike,
    window: Pair,
    *,
    strides: Pair | None = None,
    pads: Pair = (0, 0),
    out_shape: Pair | None = None,
) -> Array:
    """y[b, oy, ox, c] = max over the taps (ky, kx) of the window that lie inside of x[b, iy, ix, c].

    iy = oy strides[0] + ky - pads[0] and ix = ox strides[1] + kx - pads[1]. A NaN is larger than any number.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    window : (int, int)
        Height and width of the window.
    strides : (int, int), optional
        Rows and columns from one window to the next; None is the window: each beside the next.
    pads : (int, int)
        How far the first window begins above and left of x.
    out_shape : (int, int), optional
        OH, OW: height and width of y; None is as many windows as end inside x.

    Returns
    -------
    ndarray of float64, shape (B, OH, OW, C)

    Raises
    ------
    ValueError
        When the shapes do not fit, a size is below 1, or a window lies wholly outside.

    References
    ----------
    Boureau, Ponce and LeCun 2010, "A theoretical analysis of feature pooling in visual recognition".

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 5.0], [4.0, 3.0, 0.0]]).reshape(1, 2, 3, 1)
    >>> max_pooling(x, (2, 2))[0, :, :, 0]  # the third column is left over
    array([[4.]])
    >>> max_pooling(x, (2, 2), out_shape=(1, 2))[0, :, :, 0]  # its window is cut off by the edge
    array([[4., 5.]])
    """
    x = maps("x", x)
    y, _ = find_maxima(x, pooling_geometry(x, window, strides, pads, out_shape))
    return y


def max_pooling_backward(
    x: ArrayLike, dy: ArrayLike, window: Pair, *, strides: Pair | None = None, pads: Pair = (0, 0)
) -> Array:
    """dx of `max_pooling`: each dy goes to the input that was its window's maximum; of several, to the first.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    dy : array_like, shape (B, OH, OW, C)
    window, strides, pads
        As in `max_pooling`; its out_shape is (OH, OW).

    Returns
    -------
    ndarray of float64, shape (B, H, W, C)

    Raises
    ------
    ValueError
        When the shapes do not fit, or a window lies wholly outside.

    Examples
    --------
    >>> x = np.array([1.0, 3.0, 3.0, 2.0]).reshape(1, 1, 4, 1)
    >>> dy = np.array([1.0, 10.0, 100.0]).reshape(1, 1, 3, 1)
    >>> max_pooling_backward(x, dy, (1, 2), strides=(1, 1)).ravel()
    array([  0.,  11., 100.,   0.])
    """
    x, dy = maps("x", x), maps("dy", dy)
    geometry = pooling_geometry(x, window, strides, pads, dy.shape[1:3])
    _, winner = find_maxima(x, geometry)
    if dy.shape != winner.shape:
        raise ValueError(f"x {x.shape} and dy {dy.shape}: use the same rows and channels for both")
    dx = np.zeros(x.shape)
    for number, (_, out, inside) in enumerate(taps(*geometry)):
        dx[inside] += np.where(winner[out] == number, dy[out], 0.0)
    return dx


def count_taps(geometry):
    """Return how many taps of each window lie inside, (OH, OW, 1)."""
    count = np.zeros((1, *geometry[1], 1))
    for _, out, _ in taps(*geometry):
        count[out] += 1.0
    return count[0]


def average_pooling(
    x: ArrayLike,
    window: Pair,
    *,
    strides: Pair | None = None,
    pads: Pair = (0, 0),
    out_shape: Pair | None = None,
) -> Array:
    """y[b, oy, ox, c] = mean over the taps (ky, kx) of the window that lie inside of x[b, iy, ix, c].

    iy = oy strides[0] + ky - pads[0] and ix = ox strides[1] + kx - pads[1]. A window that is cut off by the
    edge has the mean of fewer inputs; no zeros are added to it.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    window, strides, pads, out_shape
        As in `max_pooling`.

    Returns
    -------
    ndarray of float64, shape (B, OH, OW, C)

    Raises
    ------
    ValueError
        When the shapes do not fit, a size is below 1, or a window lies wholly outside.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition".
    Lin, Chen and Yan 2014, "Network in network": a window of the whole map (global pooling).

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 5.0], [4.0, 3.0, 0.0]]).reshape(1, 2, 3, 1)
    >>> average_pooling(x, (2, 2), out_shape=(1, 2))[0, :, :, 0]
    array([[2.5, 2.5]])
    """
    x = maps("x", x)
    geometry = pooling_geometry(x, window, strides, pads, out_shape)
    y = np.zeros((len(x), *geometry[1], x.shape[3]))
    for _, out, inside in taps(*geometry):
        y[out] += x[inside]
    return y / count_taps(geometry)


def average_pooling_backward(
    x: ArrayLike, dy: ArrayLike, window: Pair, *, strides: Pair | None = None, pads: Pair = (0, 0)
) -> Array:
    """dx of `average_pooling`: each of the n inputs of a window gets dy / n of it.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
        Only its shape matters.
    dy : array_like, shape (B, OH, OW, C)
    window, strides, pads
        As in `max_pooling`; its out_shape is (OH, OW).

    Returns
    -------
    ndarray of float64, shape (B, H, W, C)

    Raises
    ------
    ValueError
        When the shapes do not fit, or a window lies wholly outside.

    Examples
    --------
    >>> x, dy = np.zeros((1, 1, 3, 1)), np.array([1.0, 10.0]).reshape(1, 1, 2, 1)
    >>> average_pooling_backward(x, dy, (1, 2)).ravel()
    array([ 0.5,  0.5, 10. ])
    """
    x, dy = maps("x", x), maps("dy", dy)
    if (len(x), x.shape[3]) != (len(dy), dy.shape[3]):
        raise ValueError(f"x {x.shape} and dy {dy.shape}: use the same rows and channels for both")
    geometry = pooling_geometry(x, window, strides, pads, dy.shape[1:3])
    share = dy / count_taps(geometry)
    dx = np.zeros(x.shape)
    for _, out, inside in taps(*geometry):
        dx[inside] += share[out]
    return dx


def zero_padding(x: ArrayLike, pads: Pair, out_shape: Pair) -> Array:
    """y[b, oy, ox, c] = x[b, oy - pads[0], ox - pads[1], c], and 0 where that lies outside of x.

    The gradient of it is dx = zero_padding(dy, (-pads[0], -pads[1]), (H, W)): the other way round.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    pads : (int, int)
        Rows of zeros above x, columns of zeros left of it; where below 0, so many of x's are cut off.
    out_shape : (int, int)
        OH, OW: height and width of y.

    Returns
    -------
    ndarray of float64, shape (B, OH, OW, C)

    Raises
    ------
    ValueError
        When x is no batch of maps, or out_shape has a number below 1.

    Examples
    --------
    >>> zero_padding(np.ones((1, 1, 2, 1)), (1, 1), (3, 4))[0, :, :, 0]
    array([[0., 0., 0., 0.],
           [0., 1., 1., 0.],
           [0., 0., 0., 0.]])
    """
    x = maps("x", x)
    check_sizes(out_shape=out_shape)
    y = np.zeros((len(x), *out_shape, x.shape[3]))
    for _, out, inside in taps(x.shape[1:3], out_shape, (1, 1), (1, 1), (1, 1), pads):
        y[out] = x[inside]
    return y


# -------------------------------------------------------------------------------------------------- layers


class MapLayer(Layer):
    """A layer whose rows are maps, flattened channels last."""

    sizes: tuple[str, ...] = ("height", "width", "channels")  # numbers of the row that are at least 1

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        for name in self.sizes:
            if row[name] < 1:
                raise ValueError(f"layer {index}: {name} {row[name]} must be at least 1")
        self.map = row["height"], row["width"], row["channels"]
        if math.prod(self.map) != n_inputs:
            raise ValueError(f"layer {index}: height, width, channels {self.map} are not {n_inputs} features")


class WindowLayer(MapLayer):
    """A layer from maps to maps: `maps_forward` and `maps_backward` work on them, rows stay outside."""

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.pads = row["pad_top"], row["pad_left"]
        self.out_map = row["out_height"], row["out_width"], row.get("filters", row["channels"])
        self.n_outputs = math.prod(self.out_map)

    def pair(self, name):
        return self.row[f"{name}_height"], self.row[f"{name}_width"]

    def forward(self, x, parameters, noise):
        x = x.reshape(-1, *self.map)
        return self.maps_forward(x, parameters).reshape(-1, self.n_outputs), x

    def backward(self, dy, parameters, x):
        dx, *gradients = self.maps_backward(x, dy.reshape(-1, *self.out_map), parameters)
        return dx.reshape(-1, self.n_inputs), gradients


class ZeroPadding(WindowLayer):
    """`zero_padding`."""

    sizes = (*MapLayer.sizes, "out_height", "out_width")

    def maps_forward(self, x, parameters):
        return zero_padding(x, self.pads, self.out_map[:2])

    def maps_backward(self, x, dy, parameters):
        return [zero_padding(dy, (-self.pads[0], -self.pads[1]), self.map[:2])]


PAIRS = [f"{name}_{axis}" for name in ["kernel", "stride", "dilation"] for axis in ["height", "width"]]


class Conv2D(WindowLayer):
    """`conv2d`; a plan's conv2d row with an activation is this layer followed by `Activation`."""

    sizes = (*ZeroPadding.sizes, *PAIRS, "filters")

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.window = {"strides": self.pair("stride"), "dilation": self.pair("dilation"), "pads": self.pads}
        self.shapes = {"kernel": (*self.pair("kernel"), row["channels"], row["filters"])}
        self.penalties = [(row["kernel_l1"], row["kernel_l2"])]
        if row["use_bias"]:
            self.shapes["bias"] = (row["filters"],)
            self.penalties.append((row["bias_l1"], row["bias_l2"]))

    def maps_forward(self, x, parameters):
        return conv2d(x, *parameters, **self.window, out_shape=self.out_map[:2])

    def maps_backward(self, x, dy, parameters):
        dx, dkernel, dbias = conv2d_backward(x, parameters[0], dy, **self.window)
        return [dx, dkernel, dbias][: 1 + len(parameters)]


class Pooling(WindowLayer):
    """What `MaxPooling` and `AveragePooling` share."""

    sizes = (*ZeroPadding.sizes, *PAIRS)

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        dilation = self.pair("dilation")
        if dilation != (1, 1):
            raise ValueError(f"layer {index}: dilation {dilation} must be (1, 1) for {row['kind']}")
        self.window = {"window": self.pair("kernel"), "strides": self.pair("stride"), "pads": self.pads}
        check_windows(f"layer {index}: ", self.map[:2], self.out_map[:2], **self.window)

    def maps_forward(self, x, parameters):
        return self.pool(x, **self.window, out_shape=self.out_map[:2])

    def maps_backward(self, x, dy, parameters):
        return [self.pool_backward(x, dy, **self.window)]


class MaxPooling(Pooling):
    """`max_pooling`."""

    pool, pool_backward = staticmethod(max_pooling), staticmethod(max_pooling_backward)


class AveragePooling(Pooling):
    """`average_pooling`."""

    pool, pool_backward = staticmethod(average_pooling), staticmethod(average_pooling_backward)
