"""Convolution of maps; `geometry` defines windows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bfloat16 import BLOCK, add_product, add_products
from .formulas import Array, look_up
from .geometry import WINDOW, Pair, WindowLayer, check_sizes, maps, output_shape, window_positions


def conv2d(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pair = (0, 0),
    out_shape: Pair | None = None,
    groups: int = 1,
) -> Array:
    """y[b, oy, ox, f] = bias[f] + sum over ky, kx, c of kernel[ky, kx, c, f] x[b, iy, ix, c].

    iy = oy strides[0] + ky dilation[0] - pads[0] and ix = ox strides[1] + kx dilation[1] - pads[1]; pixels
    outside x count as 0. (The kernel is not flipped: mathematically, this is a cross-correlation.) With G
    groups, each of the G groups of F / G filters does this to its own group of C / G channels.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    kernel : array_like, shape (KH, KW, C / G, F)
    bias : array_like, shape (F,), optional
    strides : (int, int)
        Rows and columns of x from one window to the next.
    dilation : (int, int)
        Rows and columns of x from one element of a window to the next.
    pads : (int, int)
        Rows of zeros above x, columns of zeros left of it.
    out_shape : (int, int), optional
        OH, OW: height and width of y; None means as many windows as end inside x.
    groups : int
        G, which divides C and F.

    Returns
    -------
    ndarray of float64, shape (B, OH, OW, F)

    Raises
    ------
    ValueError
        If the shapes do not match, or a size is below 1.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition".
    Yu and Koltun 2016, "Multi-scale context aggregation by dilated convolutions".
    Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", illustrates the geometry.

    Examples
    --------
    >>> x = np.arange(12.0).reshape(1, 3, 4, 1)
    >>> edge = np.array([[-1.0, 1.0]]).reshape(1, 2, 1, 1)  # between each pixel and the one to its right
    >>> conv2d(x, edge)[0, :, :, 0]
    array([[1., 1., 1.],
           [1., 1., 1.],
           [1., 1., 1.]])
    >>> conv2d(x, edge, strides=(2, 2), pads=(0, 1))[0, :, :, 0]  # the column before the first is 0
    array([[0., 1.],
           [8., 1.]])
    >>> conv2d(np.ones((1, 1, 1, 4)), np.array([[[[1.0, 2.0], [10.0, 20.0]]]]), groups=2).ravel()
    array([11., 22.])
    """
    x, kernel = maps("x", x), np.asarray(kernel, np.float64)
    if kernel.ndim != 4 or kernel.shape[2] * groups != x.shape[3] or kernel.shape[3] % groups:
        raise ValueError(
            f"x {x.shape} and kernel {kernel.shape}: use (B, H, W, C) and (KH, KW, C, F)"
            + (f" with C / {groups} and F a multiple of {groups}" if groups != 1 else "")
        )
    check_sizes(kernel=kernel.shape, strides=strides, dilation=dilation)
    window, n_filters = kernel.shape[:2], kernel.shape[3]
    out_shape = out_shape or output_shape(x.shape[1:3], window, strides, dilation, pads)
    check_sizes(out_shape=out_shape)
    y = np.zeros((len(x), *out_shape, n_filters))
    for y_g, x_g, kernel_g in _groups(groups, y, x, kernel):
        for position, out, inside in window_positions(
            x.shape[1:3], out_shape, window, strides, dilation, pads
        ):
            y_g[out] += np.tensordot(x_g[inside], kernel_g[position], axes=1)  # (..., C) times (C, F)
    if bias is not None:
        bias = np.asarray(bias, np.float64)
        if bias.shape != (n_filters,):
            raise ValueError(f"bias has shape {bias.shape}: use {(n_filters,)}, one for each filter")
        y += bias
    return y


def _groups(groups: int, *arrays: NDArray[Any]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Views of each group of the last axis of the arrays: of channels, or of filters."""
    return zip(*(np.split(array, groups, axis=-1) for array in arrays), strict=True)


def conv2d_backward(
    x: ArrayLike,
    kernel: ArrayLike,
    dy: ArrayLike,
    *,
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pair = (0, 0),
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """Gradients of `conv2d`: each product kernel[ky, kx, c, f] x[b, iy, ix, c] in y[b, oy, ox, f] contributes

        dx[b, iy, ix, c] += kernel[ky, kx, c, f] dy[b, oy, ox, f]
        dkernel[ky, kx, c, f] += x[b, iy, ix, c] dy[b, oy, ox, f]

    and dbias[f] is the sum of dy[..., f].

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    kernel : array_like, shape (KH, KW, C / groups, F)
    dy : array_like, shape (B, OH, OW, F)
    strides, dilation, pads : (int, int)
        As in `conv2d`; its out_shape is (OH, OW).
    groups : int
        As in `conv2d`.

    Returns
    -------
    dx : ndarray of float64, shape (B, H, W, C)
    dkernel : ndarray of float64, shape (KH, KW, C / groups, F)
    dbias : ndarray of float64, shape (F,)

    Raises
    ------
    ValueError
        If the shapes do not match.

    Examples
    --------
    >>> x, kernel = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1), np.array([10.0, 20.0]).reshape(1, 2, 1, 1)
    >>> dx, dkernel, dbias = conv2d_backward(x, kernel, np.ones((1, 1, 2, 1)))
    >>> dx.ravel(), dkernel.ravel(), dbias
    (array([10., 30., 20.]), array([3., 5.]), array([2.]))
    """
    x, kernel, dy = maps("x", x), np.asarray(kernel, np.float64), maps("dy", dy)
    fits = kernel.ndim == 4 and (kernel.shape[2] * groups, kernel.shape[3]) == (x.shape[3], dy.shape[3])
    if not fits or len(x) != len(dy) or dy.shape[3] % groups:
        shapes = f"x {x.shape}, kernel {kernel.shape}, dy {dy.shape}"
        raise ValueError(f"{shapes}: use (B, H, W, C), (KH, KW, C, F), (B, OH, OW, F)")
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    geometry = x.shape[1:3], dy.shape[1:3], kernel.shape[:2], strides, dilation, pads
    for x_g, kernel_g, dy_g, dx_g, dkernel_g in _groups(groups, x, kernel, dy, dx, dkernel):
        for position, out, inside in window_positions(*geometry):
            dx_g[inside] += np.tensordot(dy_g[out], kernel_g[position].T, axes=1)
            dkernel_g[position] = np.tensordot(x_g[inside], dy_g[out], axes=([0, 1, 2], [0, 1, 2]))
    return dx, dkernel, dy.sum(axis=(0, 1, 2))


# ---- the same in bfloat16: sums in the order of nnc.reference.bfloat16


def _windows(x: Array, ys: list[int], xs: list[int]) -> Array:
    """The pixels (ys, xs) of maps x (B, H, W, C), 0 outside: (B, len(ys), len(xs), C)."""
    rows, columns = np.array(ys), np.array(xs)
    inside = [(at >= 0) & (at < n) for at, n in zip((rows, columns), x.shape[1:3], strict=True)]
    found = x[:, np.where(inside[0], rows, 0)][:, :, np.where(inside[1], columns, 0)]
    return np.where(inside[0][:, None, None] & inside[1][:, None], found, 0)


def _window_rows(x: Array, y: list[int], xs: list[list[int]]) -> Array:
    """One row of each window over the maps: (B len(y) len(xs), len(xs[0]) C), each row ordered (kx, c)."""
    flat = [column for window in xs for column in window]
    found = _windows(x, y, flat)
    return found.reshape(len(x) * len(y) * len(xs), -1)


def conv2d_bfloat16(
    x: ArrayLike,
    kernel: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pair = (0, 0),
    out_shape: Pair,
    groups: int = 1,
) -> Array:
    """`conv2d` with operands rounded to bfloat16: for each ky in turn the sum over (kx, c) of a group in
    blocks, with zeros outside x; the bias last.
    """
    x, kernel = maps("x", x), np.asarray(kernel, np.float64)
    (height, width, channels, filters), (oh, ow) = kernel.shape, out_shape
    windows = [[o * strides[1] + t * dilation[1] - pads[1] for t in range(width)] for o in range(ow)]
    y = np.zeros((len(x), oh, ow, filters), np.float32)
    for y_g, x_g, kernel_g in _groups(groups, y, x, kernel):
        c = np.zeros((len(x) * oh * ow, filters // groups), np.float32)
        for ky in range(height):
            rows = [o * strides[0] + ky * dilation[0] - pads[0] for o in range(oh)]
            c = add_product(c, _window_rows(x_g, rows, windows), kernel_g[ky].reshape(width * channels, -1))
        y_g[:] = c.reshape(y_g.shape)
    return np.asarray(y if bias is None else y + np.asarray(bias, np.float32), np.float64)


def parts_of_gradient(kernel: tuple[int, ...], dy: tuple[int, ...], strides: Pair, groups: int) -> int:
    """The number of parts, each of complete rows of dy, in which a kernel's gradient is computed: enough for
    16 workers if there are fewer blocks of 128 rows and 32 columns, and for operands of at most 1 MB, unless
    the parts would be larger than all of the operands.

    Parameters
    ----------
    kernel : (KH, KW, C, F)
    dy : (B, OH, OW, F)
    strides : (int, int)
    groups : int
    """
    (height, width, channels, filters), (batch, oh, ow, _) = kernel, dy
    blocks = -(-height * width * channels // 128) * -(-filters // 32)
    samples, pixel = -(-batch // BLOCK) * BLOCK, groups * channels * strides[0] * strides[1] + filters
    operand_bytes, part_bytes = 2 * samples * oh * ow * pixel, 4 * height * width * channels * filters
    in_cache = min(-(-operand_bytes // 2**20), operand_bytes // part_bytes)
    return min(oh, max(-(-16 // blocks), in_cache))


def conv2d_backward_bfloat16(
    x: ArrayLike,
    kernel: ArrayLike,
    dy: ArrayLike,
    *,
    strides: Pair = (1, 1),
    dilation: Pair = (1, 1),
    pads: Pair = (0, 0),
    groups: int = 1,
) -> tuple[Array, Array, Array]:
    """`conv2d_backward` with operands rounded to bfloat16.

    Pixels iy = ry, ry + strides[0], ... of dx use the same kernel positions, which form a window of dy; they
    are summed as in `conv2d_bfloat16`: row by row of the window, the sum over (positions from left to right,
    f of a group).

    dkernel is the sum over the pixels of dy, row by row, of a sum over the samples in blocks. It is computed
    in `parts_of_gradient` parts, which are added in order.
    """
    x, kernel, dy = maps("x", x), np.asarray(kernel, np.float64), maps("dy", dy)
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    parts = parts_of_gradient(kernel.shape, dy.shape, strides, groups)
    for x_g, kernel_g, dy_g, dx_g, dkernel_g in _groups(groups, x, kernel, dy, dx, dkernel):
        dx_g[:] = _dx_bfloat16(dx_g.shape, kernel_g, dy_g, strides, dilation, pads)
        dkernel_g[:] = _dkernel_bfloat16(x_g, kernel_g.shape, dy_g, strides, dilation, pads, parts)
    return dx, dkernel, dy.sum(axis=(0, 1, 2))


def _dx_bfloat16(
    shape: tuple[int, ...], kernel: Array, dy: Array, strides: Pair, dilation: Pair, pads: Pair
) -> Array:
    batch, h, w, channels = shape
    filters = dy.shape[3]

    def seen(r: int, axis: int) -> list[int]:  # kernel positions of dx's residue r, leftmost in dy first
        positions = [
            t for t in range(kernel.shape[axis]) if (r + pads[axis] - t * dilation[axis]) % strides[axis] == 0
        ]
        return positions[::-1]

    def outputs(at: int, positions: list[int], axis: int) -> list[int]:  # pixels of dy that use x[at]
        return [(at + pads[axis] - t * dilation[axis]) // strides[axis] for t in positions]

    dx = np.zeros(shape)
    for ry, rx in np.ndindex(strides):
        positions_y, positions_x = seen(ry, 0), seen(rx, 1)
        ys, xs = range(ry, h, strides[0]), range(rx, w, strides[1])
        c = np.zeros((batch * len(ys) * len(xs), channels), np.float32)
        for ky in positions_y if positions_x and len(c) else []:
            rows = [outputs(y, [ky], 0)[0] for y in ys]
            windows = [outputs(at, positions_x, 1) for at in xs]
            weights = kernel[ky, positions_x].transpose(0, 2, 1).reshape(len(positions_x) * filters, channels)
            c = add_product(c, _window_rows(dy, rows, windows), weights)
        dx[:, ry :: strides[0], rx :: strides[1]] = c.reshape(batch, len(ys), len(xs), channels)
    return dx


def _dkernel_bfloat16(
    x: Array, shape: tuple[int, ...], dy: Array, strides: Pair, dilation: Pair, pads: Pair, parts: int
) -> Array:
    (height, width, channels, filters), (batch, oh, ow, _) = shape, dy.shape
    seen_by = [o * strides[1] + t * dilation[1] - pads[1] for o in range(ow) for t in range(width)]
    dkernel = np.zeros((height, width * channels, filters), np.float32)
    for ky in range(height):
        for part in range(parts):
            y0, y1 = oh * part // parts, oh * (part + 1) // parts
            rows = [o * strides[0] + ky * dilation[0] - pads[0] for o in range(y0, y1)]
            a = _windows(x, rows, seen_by).reshape(batch, -1, width * channels).transpose(1, 2, 0)
            b = dy[:, y0:y1].reshape(batch, -1, filters).swapaxes(0, 1)
            of_part = add_products(np.zeros((width * channels, filters), np.float32), a, b)
            dkernel[ky] = of_part if part == 0 else dkernel[ky] + of_part
    return dkernel.reshape(shape).astype(np.float64)


FORWARD = {"float32": conv2d, "bfloat16": conv2d_bfloat16}
BACKWARD = {"float32": conv2d_backward, "bfloat16": conv2d_backward_bfloat16}


class Conv2D(WindowLayer):
    """`conv2d`; a plan's conv2d row with an activation becomes this layer followed by `Activation`."""

    kind = "conv2d"
    sizes = (*WindowLayer.sizes, *WINDOW, "filters")

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.window = {"strides": self.pair("stride"), "dilation": self.pair("dilation"), "pads": self.pads}
        groups = row.get("groups", 1)
        if groups < 1 or row["channels"] % groups or row["filters"] % groups:
            at = f"layer {index} (conv2d): groups must divide channels and filters"
            raise ValueError(f"{at}, {row['channels']} and {row['filters']}, got {groups}")
        self.groups = groups
        self.shapes = {"kernel": (*self.pair("kernel"), row["channels"] // groups, row["filters"])}
        if row["use_bias"]:
            self.shapes["bias"] = (row["filters"],)

    def maps_forward(self, x, parameters):
        forward = look_up(FORWARD, self.precision, "precision")
        return forward(x, *parameters, **self.window, out_shape=self.out_map[:2], groups=self.groups)

    def maps_backward(self, x, dy, parameters):
        backward = look_up(BACKWARD, self.precision, "precision")
        dx, dkernel, dbias = backward(x, parameters[0], dy, **self.window, groups=self.groups)
        return [dx, dkernel, dbias][: 1 + len(parameters)]
