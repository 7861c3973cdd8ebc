"""Convolution of maps; see `geometry` for what a window is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .formulas import Array
from .geometry import WINDOW, Pair, WindowLayer, check_sizes, maps, output_shape, taps


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


class Conv2D(WindowLayer):
    """`conv2d`; a plan's conv2d row with an activation is this layer followed by `Activation`."""

    kind = "conv2d"
    sizes = (*WindowLayer.sizes, *WINDOW, "filters")

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
