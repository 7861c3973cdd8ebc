"""Pooling and zero padding of maps; `geometry` defines windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .formulas import Array
from .geometry import (
    WINDOW,
    Pair,
    WindowLayer,
    check_sizes,
    check_windows,
    maps,
    output_shape,
    window_positions,
)


def pooling_geometry(x, window, strides, pads, out_shape):
    """Fill in arguments that are None, check, and return the arguments of `window_positions`."""
    strides = strides or window
    check_sizes(window=window, strides=strides)
    out_shape = out_shape or output_shape(x.shape[1:3], window, strides, (1, 1), pads)
    check_sizes(out_shape=out_shape)
    check_windows("", x.shape[1:3], out_shape, window, strides, pads)
    return x.shape[1:3], out_shape, window, strides, (1, 1), pads


def find_maxima(x, geometry):
    """Return the largest input of each window and the row-major index of its position in the window."""
    y = np.zeros((len(x), *geometry[1], x.shape[3]))
    winner = np.full(y.shape, -1)
    for number, (_, out, inside) in enumerate(window_positions(*geometry)):
        candidate, largest = x[inside], y[out]
        # the first of equal values wins; a NaN compares false with everything, so it needs its own test
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
    """y[b, oy, ox, c] = max over the positions (ky, kx) of the window that are inside x, of x[b, iy, ix, c].

    iy = oy strides[0] + ky - pads[0] and ix = ox strides[1] + kx - pads[1]. A NaN is larger than any number.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    window : (int, int)
        Height and width of the window.
    strides : (int, int), optional
        Rows and columns from one window to the next; None means those of the window: adjacent windows.
    pads : (int, int)
        Rows and columns by which the first window starts above and to the left of x.
    out_shape : (int, int), optional
        OH, OW: height and width of y; None means as many windows as end inside x.

    Returns
    -------
    ndarray of float64, shape (B, OH, OW, C)

    Raises
    ------
    ValueError
        If the shapes do not match, a size is below 1, or a window is entirely outside the map.

    References
    ----------
    Boureau, Ponce and LeCun 2010, "A theoretical analysis of feature pooling in visual recognition".

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 5.0], [4.0, 3.0, 0.0]]).reshape(1, 2, 3, 1)
    >>> max_pooling(x, (2, 2))[0, :, :, 0]  # the third column is ignored
    array([[4.]])
    >>> max_pooling(x, (2, 2), out_shape=(1, 2))[0, :, :, 0]  # its window is cut off at the edge
    array([[4., 5.]])
    """
    x = maps("x", x)
    y, _ = find_maxima(x, pooling_geometry(x, window, strides, pads, out_shape))
    return y


def max_pooling_backward(
    x: ArrayLike, dy: ArrayLike, window: Pair, *, strides: Pair | None = None, pads: Pair = (0, 0)
) -> Array:
    """dx of `max_pooling`: each dy goes to its window's maximum; if there are several, to the first.

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
        If the shapes do not match, or a window is entirely outside the map.

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
    for number, (_, out, inside) in enumerate(window_positions(*geometry)):
        dx[inside] += np.where(winner[out] == number, dy[out], 0.0)
    return dx


def count_positions(geometry):
    """Return how many positions of each window are inside the map, (OH, OW, 1)."""
    count = np.zeros((1, *geometry[1], 1))
    for _, out, _ in window_positions(*geometry):
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
    """y[b, oy, ox, c] = mean over the positions (ky, kx) of the window that are inside x, of x[b, iy, ix, c].

    iy = oy strides[0] + ky - pads[0] and ix = ox strides[1] + kx - pads[1]. A window that is cut off at the
    edge has the mean of fewer inputs; padding is not included.

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
        If the shapes do not match, a size is below 1, or a window is entirely outside the map.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition".
    Lin, Chen and Yan 2014, "Network in network": one window for the complete map (global pooling).

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 5.0], [4.0, 3.0, 0.0]]).reshape(1, 2, 3, 1)
    >>> average_pooling(x, (2, 2), out_shape=(1, 2))[0, :, :, 0]
    array([[2.5, 2.5]])
    """
    x = maps("x", x)
    geometry = pooling_geometry(x, window, strides, pads, out_shape)
    y = np.zeros((len(x), *geometry[1], x.shape[3]))
    for _, out, inside in window_positions(*geometry):
        y[out] += x[inside]
    return y / count_positions(geometry)


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
        If the shapes do not match, or a window is entirely outside the map.

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
    share = dy / count_positions(geometry)
    dx = np.zeros(x.shape)
    for _, out, inside in window_positions(*geometry):
        dx[inside] += share[out]
    return dx


def zero_padding(x: ArrayLike, pads: Pair, out_shape: Pair) -> Array:
    """y[b, oy, ox, c] = x[b, oy - pads[0], ox - pads[1], c], and 0 where that is outside x.

    Its gradient is dx = zero_padding(dy, (-pads[0], -pads[1]), (H, W)), the inverse.

    Parameters
    ----------
    x : array_like, shape (B, H, W, C)
    pads : (int, int)
        Rows of zeros above x, columns of zeros to its left; negative numbers crop x instead.
    out_shape : (int, int)
        OH, OW: height and width of y.

    Returns
    -------
    ndarray of float64, shape (B, OH, OW, C)

    Raises
    ------
    ValueError
        If x is not a batch of maps, or out_shape has a number below 1.

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
    for _, out, inside in window_positions(x.shape[1:3], out_shape, (1, 1), (1, 1), (1, 1), pads):
        y[out] = x[inside]
    return y


# -------------------------------------------------------------------------------------------------- layers


class ZeroPadding(WindowLayer):
    """`zero_padding`."""

    kind = "zero_padding"

    def maps_forward(self, x, parameters):
        return zero_padding(x, self.pads, self.out_map[:2])

    def maps_backward(self, x, dy, parameters):
        return [zero_padding(dy, (-self.pads[0], -self.pads[1]), self.map[:2])]


class Pooling(WindowLayer):
    """Common to `MaxPooling` and `AveragePooling`."""

    pool: Callable[..., Array]
    pool_backward: Callable[..., Array]
    sizes = (*WindowLayer.sizes, *WINDOW)

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

    kind = "max_pooling"
    pool, pool_backward = staticmethod(max_pooling), staticmethod(max_pooling_backward)


class AveragePooling(Pooling):
    """`average_pooling`."""

    kind = "average_pooling"
    pool, pool_backward = staticmethod(average_pooling), staticmethod(average_pooling_backward)
