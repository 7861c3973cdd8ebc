"""Layers: what every kind has, and a forward/backward pair for those that know nothing of maps and images.

Every layer has the same face:

    layer = Kind(row, n_inputs, index)     row: the plan's dict for this layer; index: its place in the plan
    layer.n_outputs                        features of a row after the layer
    layer.shapes                           {name: shape} of its parameters
    layer.penalties                        [(l1, l2)] of its parameters
    layer.trainable                        [bool] of its parameters: is each learned along its gradient?
    y, kept = layer.forward(x, parameters, noise)              x (B, n_inputs) -> y (B, n_outputs)
    dx, gradients = layer.backward(dy, parameters, kept)       dL/dy -> dL/dx, dL/d parameter for each
    layer.new_state(parameters, kept)      new values of the parameters that are not trainable

`kept` is what backward wants to see again. `noise` is None in inference, (seed, epoch, step) in training.
Parameters that are not trainable are what a layer remembers of its batches: their gradients are zeros, and
where a training step moves the others along their gradients, these take their new values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .formulas import ACTIVATIONS, Array, activation, activation_backward, look_up
from .noise import dropout_mask


def dense(
    x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None, activation: str = "linear", alpha: float = 0.0
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

    Returns
    -------
    ndarray of float64, shape (B, O)

    Raises
    ------
    ValueError
        When the shapes do not fit or the activation is unknown.

    Examples
    --------
    >>> dense([[1.0, 2.0]], [[1.0, -1.0], [1.0, -1.0]], [0.5, 0.5], "relu")
    array([[3.5, 0. ]])
    """
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[0]:
        raise ValueError(f"x {x.shape} and w {w.shape}: use (B, I) and (I, O) with the same I")
    z = x @ w
    if b is not None:
        b = np.asarray(b, np.float64)
        if b.shape != w.shape[1:]:
            raise ValueError(f"b has shape {b.shape}: use {w.shape[1:]}, one for each column of w")
        z = z + b
    f, _ = look_up(ACTIVATIONS, activation, "activation")
    return f(z, alpha)


def dense_backward(x: ArrayLike, w: ArrayLike, dz: ArrayLike) -> tuple[Array, Array, Array]:
    """dx = dz w^T, dw = x^T dz, db = sum of the rows of dz: the gradients of z = x w + b.

    Parameters
    ----------
    x : array_like, shape (B, I)
    w : array_like, shape (I, O)
    dz : array_like, shape (B, O)
        The gradient before the activation: see `activation_backward`.

    Returns
    -------
    dx : ndarray of float64, shape (B, I)
    dw : ndarray of float64, shape (I, O)
    db : ndarray of float64, shape (O,)

    Raises
    ------
    ValueError
        When the shapes do not fit.

    Examples
    --------
    >>> dx, dw, db = dense_backward([[1.0], [2.0]], [[3.0]], [[1.0], [1.0]])
    >>> dx.ravel(), dw.ravel(), db
    (array([3., 3.]), array([3.]), array([2.]))
    """
    x, w, dz = (np.asarray(array, np.float64) for array in (x, w, dz))
    if not x.ndim == w.ndim == dz.ndim == 2 or dz.shape != (len(x), w.shape[1]) or x.shape[1] != len(w):
        raise ValueError(f"x {x.shape}, w {w.shape}, dz {dz.shape}: use (B, I), (I, O) and (B, O)")
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)


class Layer:
    """A layer without parameters whose output has the shape of its input."""

    differentiable = True  # a layer that is not must come before every layer with parameters

    def __init__(self, row: dict, n_inputs: int, index: int):
        self.row = row
        self.index = index
        self.n_inputs = self.n_outputs = n_inputs
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.penalties: list[tuple[float, float]] = []

    @property
    def trainable(self) -> list[bool]:
        return [True] * len(self.shapes)

    def new_state(self, parameters, kept) -> list[Array]:
        return []

    def check_group(self, n_inputs: int) -> None:
        """Raise a ValueError unless the row's runs of `group` features make up the n_inputs features."""
        group = self.row["group"]
        if group < 1 or n_inputs % group:
            raise ValueError(f"layer {self.index}: group {group} does not divide the {n_inputs} features")


class Dense(Layer):
    """z = x w + b; a plan's dense row with an activation is this layer followed by `Activation`."""

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.n_outputs = row["units"]
        self.shapes = {"kernel": (n_inputs, row["units"])}
        self.penalties = [(row["kernel_l1"], row["kernel_l2"])]
        if row["use_bias"]:
            self.shapes["bias"] = (row["units"],)
            self.penalties.append((row["bias_l1"], row["bias_l2"]))

    def forward(self, x, parameters, noise):
        return dense(x, *parameters), x

    def backward(self, dy, parameters, x):
        dx, *gradients = dense_backward(x, parameters[0], dy)
        return dx, gradients[: len(parameters)]


class Activation(Layer):
    """a = f(z); softmax over runs of `group` features: the last axis, before the rows were flattened."""

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
    """a = z if z > 0 else alpha z, alpha (F,) learned (He, Zhang, Ren and Sun 2015)."""

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.shapes = {"alpha": (n_inputs,)}
        self.penalties = [(row["alpha_l1"], row["alpha_l2"])]

    def forward(self, x, parameters, noise):
        return np.where(x > 0, x, parameters[0] * x), x

    def backward(self, dy, parameters, x):
        dalpha = np.sum(np.where(x > 0, 0.0, x * dy), axis=0)
        return np.where(x > 0, dy, parameters[0] * dy), [dalpha]


class Dropout(Layer):
    """a = x mask / (1 - rate) in training, a = x in inference (Srivastava et al. 2014, "inverted" form)."""

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        if not 0.0 <= row["rate"] < 1.0:
            raise ValueError(f"layer {index}: dropout rate {row['rate']} must lie in [0, 1)")
        self.scale = float(np.float32(1.0 / (1.0 - row["rate"])))  # rounded as the compiled plan has it

    def mask(self, shape, noise):
        return dropout_mask(shape, self.row["rate"], self.index, noise)

    def forward(self, x, parameters, noise):
        if noise is None:
            return x, None
        keep = self.mask(x.shape, noise)
        return np.where(keep, x * self.scale, 0.0), keep

    def backward(self, dy, parameters, keep):
        return (dy if keep is None else np.where(keep, dy * self.scale, 0.0)), []


class SpatialDropout(Dropout):
    """Dropout of whole channels: one decision for each (row, channel), all positions of the map alike.

    Tompson, Goroshin, Jain, LeCun and Bregler 2015, "Efficient object localization using convolutional
    networks": neighbours in a map are so alike that dropping them one by one hides little.
    """

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        if row["channels"] < 1 or n_inputs % row["channels"]:
            message = f"channels {row['channels']} do not divide the {n_inputs} features"
            raise ValueError(f"layer {index}: {message}")

    def mask(self, shape, noise):
        channels = self.row["channels"]
        return np.tile(super().mask((shape[0], channels), noise), shape[1] // channels)


class Rescaling(Layer):
    """a = x scale + offset."""

    def forward(self, x, parameters, noise):
        return x * self.row["scale"] + self.row["offset"], None

    def backward(self, dy, parameters, kept):
        return dy * self.row["scale"], []
