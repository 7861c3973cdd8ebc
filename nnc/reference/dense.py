"""Dense (fully connected) layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .base import Layer
from .bfloat16 import PRODUCTS
from .formulas import ACTIVATIONS, Array, look_up


def dense(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    activation: str = "linear",
    alpha: float = 0.0,
    precision: str = "float32",
) -> Array:
    """a = f(x w + b).

    Parameters
    ----------
    x : array_like, shape (B, I)
    w : array_like, shape (I, O)
    b : array_like, shape (O,), optional
    activation : str
        f, a name of ``ACTIVATIONS``; softmax over the O outputs.
    alpha : float
        The activation's parameter.
    precision : str
        "bfloat16" rounds x and w and sums as described in `nnc.reference.bfloat16`, b last.

    Returns
    -------
    ndarray of float64, shape (B, O)

    Raises
    ------
    ValueError
        If the shapes do not match or the activation is unknown.

    Examples
    --------
    >>> dense([[1.0, 2.0]], [[1.0, -1.0], [1.0, -1.0]], [0.5, 0.5], "relu")
    array([[3.5, 0. ]])
    """
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[0]:
        raise ValueError(f"x {x.shape} and w {w.shape}: use (B, I) and (I, O) with the same I")
    z = np.asarray(look_up(PRODUCTS, precision, "precision")(x, w), np.float64)
    if b is not None:
        b = np.asarray(b, np.float64)
        if b.shape != w.shape[1:]:
            raise ValueError(f"b has shape {b.shape}: use {w.shape[1:]}, one for each column of w")
        z = z + b
    f, _, _ = look_up(ACTIVATIONS, activation, "activation")
    return f(z, alpha)


def dense_backward(
    x: ArrayLike, w: ArrayLike, dz: ArrayLike, precision: str = "float32"
) -> tuple[Array, Array, Array]:
    """dx = dz w^T, dw = x^T dz, db = sum of the rows of dz: the gradients of z = x w + b.

    Parameters
    ----------
    x : array_like, shape (B, I)
    w : array_like, shape (I, O)
    dz : array_like, shape (B, O)
        The gradient before the activation: see `activation_backward`.
    precision : str
        Of the two products, as in `dense`; db is a plain sum.

    Returns
    -------
    dx : ndarray of float64, shape (B, I)
    dw : ndarray of float64, shape (I, O)
    db : ndarray of float64, shape (O,)

    Raises
    ------
    ValueError
        If the shapes do not match.

    Examples
    --------
    >>> dx, dw, db = dense_backward([[1.0], [2.0]], [[3.0]], [[1.0], [1.0]])
    >>> dx.ravel(), dw.ravel(), db
    (array([3., 3.]), array([3.]), array([2.]))
    """
    x, w, dz = (np.asarray(array, np.float64) for array in (x, w, dz))
    if not x.ndim == w.ndim == dz.ndim == 2 or dz.shape != (len(x), w.shape[1]) or x.shape[1] != len(w):
        raise ValueError(f"x {x.shape}, w {w.shape}, dz {dz.shape}: use (B, I), (I, O) and (B, O)")
    product = look_up(PRODUCTS, precision, "precision")
    dx, dw = (np.asarray(array, np.float64) for array in (product(dz, w.T), product(x.T, dz)))
    return dx, dw, dz.sum(axis=0)


class Dense(Layer):
    """z = x w + b; a plan's dense row with an activation becomes this layer followed by `Activation`."""

    kind = "dense"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.n_outputs = row["units"]
        self.shapes = {"kernel": (n_inputs, row["units"])}
        if row["use_bias"]:
            self.shapes["bias"] = (row["units"],)

    def forward(self, x, parameters, noise):
        named = dict(zip(self.shapes, parameters, strict=True))
        return dense(x, named["kernel"], named.get("bias"), precision=self.precision), x

    def backward(self, dy, parameters, x):
        dx, *gradients = dense_backward(x, parameters[0], dy, self.precision)
        return dx, gradients[: len(parameters)]
