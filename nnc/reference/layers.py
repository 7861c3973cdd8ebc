"""Layers: one forward/backward pair for each kind, and the random numbers that dropout draws.

Every layer has the same face:

    layer = Kind(row, n_inputs, index)     row: the plan's dict for this layer; index: its place in the plan
    layer.n_outputs                        features of a row after the layer
    layer.shapes                           {name: shape} of its parameters
    layer.penalties                        [(l1, l2)] of its parameters
    y, kept = layer.forward(x, parameters, noise)              x (B, n_inputs) -> y (B, n_outputs)
    dx, gradients = layer.backward(dy, parameters, kept)       dL/dy -> dL/dx, dL/d parameter for each

`kept` is what backward wants to see again. `noise` is None in inference, (seed, epoch, step) in training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .formulas import ACTIVATIONS, Array, activation, activation_backward, look_up

Noise = tuple[int, int, int]  # seed, epoch, step


def philox4x32(counter: tuple, key: tuple[int, int]) -> tuple[NDArray[np.uint64], ...]:
    """Philox4x32-10: four 32-bit words of random bits, a function of the counter and the key alone.

    Parameters
    ----------
    counter : sequence of 4 array_like of int
        The counter's words, broadcast against each other.
    key : sequence of 2 int
        The key's words.

    Returns
    -------
    tuple of 4 ndarray of uint64
        Words below 2^32.

    References
    ----------
    Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".

    Examples
    --------
    >>> [hex(word) for word in philox4x32((0, 0, 0, 0), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    low, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2  # 32 x 32 bits: 64 bits hold them
        c0, c2 = (p1 >> bits) ^ c1 ^ np.uint64(k0), (p0 >> bits) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & low, p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def dropout_mask(shape: tuple[int, int], rate: float, index: int, noise: Noise) -> NDArray[np.bool_]:
    """Return which elements of a (B, F) batch dropout keeps: each with probability 1 - rate, independently.

    Element i = r F + f (row r, feature f) has word i mod 4 of Philox block i div 4 and is kept when that word
    is at least rate 2^32. The key is the seed; the counter is (block, index, step, epoch), so no two layers,
    steps or epochs share a number, and the mask does not depend on the order in which anybody computes it.
    """
    seed, epoch, step = noise
    size = shape[0] * shape[1]
    blocks = np.arange((size + 3) // 4)
    key = (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF)
    words = philox4x32((blocks, index, step & 0xFFFFFFFF, epoch & 0xFFFFFFFF), key)
    return np.stack(words, axis=1).reshape(-1)[:size].reshape(shape) >= np.uint64(rate * 2**32)


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

    def __init__(self, row: dict, n_inputs: int, index: int):
        self.row = row
        self.index = index
        self.n_outputs = n_inputs
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.penalties: list[tuple[float, float]] = []


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
        if row["group"] < 1 or n_inputs % row["group"]:
            raise ValueError(f"layer {index}: group {row['group']} does not divide the {n_inputs} features")

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

    def forward(self, x, parameters, noise):
        if noise is None:
            return x, None
        keep = dropout_mask(x.shape, self.row["rate"], self.index, noise)
        return np.where(keep, x * self.scale, 0.0), keep

    def backward(self, dy, parameters, keep):
        return (dy if keep is None else np.where(keep, dy * self.scale, 0.0)), []


class Rescaling(Layer):
    """a = x scale + offset."""

    def forward(self, x, parameters, noise):
        return x * self.row["scale"] + self.row["offset"], None

    def backward(self, dy, parameters, kept):
        return dy * self.row["scale"], []


# The "kind" of a plan's row: its layer
LAYERS = {
    "dense": Dense,
    "activation": Activation,
    "prelu": PReLU,
    "dropout": Dropout,
    "rescaling": Rescaling,
}
