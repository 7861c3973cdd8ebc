"""Activations as functions, by name, and as layers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .base import Layer, kept_axes
from .formulas import ACTIVATIONS, Array, look_up


@np.errstate(all="ignore")
def activation(name: str, z: ArrayLike, alpha: float = 0.0) -> Array:
    """a = f(z), element by element; softmax and log_softmax over the last axis.

    Parameters
    ----------
    name : str
        A name of ``ACTIVATIONS``.
    z : array_like, any shape
        Pre-activations.
    alpha : float
        Slope of leaky_relu, scale of elu; ignored by the others.

    Returns
    -------
    ndarray of float64, shape of z

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> activation("leaky_relu", [-2.0, 0.0, 3.0], alpha=0.5)
    array([-1.,  0.,  3.])
    """
    f, _, _ = look_up(ACTIVATIONS, name, "activation")
    return f(np.asarray(z, np.float64), alpha)


@np.errstate(all="ignore")
def activation_backward(
    name: str, z: ArrayLike | None, da: ArrayLike, alpha: float = 0.0, *, a: ArrayLike | None = None
) -> Array:
    """dz = da f'(z): the gradient before the activation from the gradient after it.

    If `a` is given, the output a = f(z), f' is computed from it and z is not read; the formulas are in
    `ACTIVATIONS`.

    Parameters
    ----------
    name : str
        A name of ``ACTIVATIONS``.
    z : array_like, any shape, or None if `a` is given
        Pre-activations.
    da : array_like, shape of z
        dL/da.
    alpha : float, at least 0
        As in `activation`.
    a : array_like, shape of da, optional
        The result of `activation` for z, with the same alpha.

    Returns
    -------
    ndarray of float64, shape of da

    Raises
    ------
    ValueError
        If the name is unknown, shapes differ, alpha is negative, z and a are both None, or `a` is given
        for an activation whose derivative is not a function of it (gelu, gelu_tanh, silu).

    Examples
    --------
    >>> activation_backward("relu", [-2.0, 3.0], [10.0, 10.0])
    array([ 0., 10.])
    >>> activation_backward("sigmoid", None, [10.0, 10.0], a=[0.5, 1.0])
    array([2.5, 0. ])
    """
    f, kept, backward = look_up(ACTIVATIONS, name, "activation")
    if alpha < 0:  # otherwise the sign of z could not be recovered from a
        raise ValueError(f"alpha is {alpha}: it must be at least 0")
    if a is None and z is None:
        raise ValueError("z is None: give z, or a=, the output of the activation")
    if a is not None and kept != "a":
        raise ValueError(f"the derivative of {name} is not a function of its output: give z instead of a=")
    given, da = np.asarray(z if a is None else a, np.float64), np.asarray(da, np.float64)
    if given.shape != da.shape:
        what = "z" if a is None else "a"
        raise ValueError(f"{what} has shape {given.shape}, da has shape {da.shape}: they must be the same")
    return backward(f(given, alpha) if a is None and kept == "a" else given, da, alpha)


class Activation(Layer):
    """a = f(z); those of rows over groups of `group` adjacent features: the last axis, before flattening."""

    kind = "activation"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        look_up(ACTIVATIONS, row["activation"], "activation")
        self.check_group(n_inputs)

    def forward(self, x, parameters, noise):
        z = x.reshape(-1, self.row["group"])
        return activation(self.row["activation"], z, self.row["alpha"]).reshape(x.shape), z

    def backward(self, dy, parameters, z):
        dz = activation_backward(self.row["activation"], z, dy.reshape(z.shape), self.row["alpha"])
        return dz.reshape(dy.shape), []


class PReLU(Layer):
    """a = z if z > 0 else alpha z, with trainable alpha (He, Zhang, Ren and Sun 2015).

    There is a slope for each position along the kept axes, the same for all positions along the shared ones.
    """

    kind = "prelu"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.axes = self.check_axes(n_inputs)
        self.kept = kept_axes(self.axes)
        self.shapes = {"alpha": (math.prod(self.kept),)}

    def forward(self, x, parameters, noise):
        z, alpha = x.reshape(len(x), *self.axes), parameters[0].reshape(self.kept)
        return np.where(z > 0, z, alpha * z).reshape(x.shape), z

    def backward(self, dy, parameters, z):
        dy, shape = dy.reshape(z.shape), dy.shape
        over = (0, *(axis for axis in range(1, z.ndim) if axis % 2 == 0))
        dalpha = np.sum(np.where(z > 0, 0.0, z * dy), axis=over).reshape(-1)
        return np.where(z > 0, dy, parameters[0].reshape(self.kept) * dy).reshape(shape), [dalpha]


class ThresholdedReLU(Layer):
    """a = min(z, most) if z > threshold else slope (z - threshold)."""

    kind = "thresholded_relu"

    def forward(self, x, parameters, noise):
        return thresholded_relu(x, self.row["slope"], self.row["threshold"], self.row.get("most")), x

    def backward(self, dy, parameters, x):
        most = self.row.get("most")
        above = dy if most is None else np.where(x < most, dy, 0.0)
        return np.where(x > self.row["threshold"], above, self.row["slope"] * dy), []


@np.errstate(all="ignore")
def thresholded_relu(x: Array, slope: float, threshold: float, most: float | None) -> Array:
    """min(x, most) where x > threshold, elsewhere slope (x - threshold), 0 if the slope is 0.

    Parameters
    ----------
    x : ndarray
    slope, threshold : float
    most : float or None
        None: no upper limit.

    Returns
    -------
    ndarray of x's shape

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import reference
    >>> reference.thresholded_relu(np.array([-1.0, 2.0, 9.0]), slope=0.5, threshold=1.0, most=6.0)
    array([-1.,  2.,  6.])
    """
    below = slope * (x - threshold) if slope else np.where(np.isnan(x), x, 0.0)
    return np.where(x > threshold, x if most is None else np.minimum(x, most), below)
