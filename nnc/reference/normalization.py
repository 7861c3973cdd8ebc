"""Batch and layer normalization: inputs shifted and scaled to mean 0 and variance 1, then gamma x + beta.

They differ in what is normalized together. In an array (N, C), batch normalization works on each column: one
of C channels, at the N positions of all samples of a batch. Layer normalization works on each row: the C
features of one sample, or of one position in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .base import Layer
from .formulas import Array

# ------------------------------------------------------------------------------------------- along an axis


def moments(x: Array, axis: int) -> tuple[Array, Array]:
    """Return the mean of x along an axis, and the mean of (x - mean)^2: the biased variance.

    Both are 0 for an empty axis (a batch without rows).
    """
    n = max(x.shape[axis], 1)
    mean = x.sum(axis=axis, keepdims=True) / n
    variance = np.sum((x - mean) ** 2, axis=axis, keepdims=True) / n
    return mean, variance


def normalized(x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """(x - mean) / sqrt(variance + epsilon)."""
    return (x - mean) / np.sqrt(variance + epsilon)


def normalized_backward(x: Array, dz: Array, epsilon: float, axis: int) -> Array:
    """The gradient with respect to x of z = `normalized`, with the `moments` of x along an axis.

    dx = (dz - mean(dz) - z mean(z dz)) / sqrt(variance + epsilon): the subtracted terms are the gradients
    through the mean and the variance, which depend on every x.
    """
    n = max(x.shape[axis], 1)
    mean, variance = moments(x, axis)
    z = normalized(x, mean, variance, epsilon)
    through_mean = dz.sum(axis=axis, keepdims=True) / n
    through_variance = z * np.sum(z * dz, axis=axis, keepdims=True) / n
    return (dz - through_mean - through_variance) / np.sqrt(variance + epsilon)


def scaled(z: Array, gamma: ArrayLike | None, beta: ArrayLike | None) -> Array:
    """gamma z + beta; either may be None, then it is left out."""
    for name, array in [("gamma", gamma), ("beta", beta)]:
        if array is not None and np.shape(array) != z.shape[1:]:
            shape = np.shape(array)
            raise ValueError(f"{name} has shape {shape}: use {z.shape[1:]}, one for each column of x")
    z = z if gamma is None else z * np.asarray(gamma, np.float64)
    return z if beta is None else z + np.asarray(beta, np.float64)


def columns(x: ArrayLike, dy: ArrayLike | None = None) -> tuple[Array, Array]:
    """Return x and dy (x again if None) as float64; raise a ValueError unless both are (N, C)."""
    x = np.asarray(x, np.float64)
    dy = x if dy is None else np.asarray(dy, np.float64)
    if x.ndim != 2 or dy.shape != x.shape:
        raise ValueError(f"x {x.shape}" + (f" and dy {dy.shape}" if dy is not x else "") + ": use (N, C)")
    return x, dy


# --------------------------------------------------------------------------------------- batch normalization


def batch_normalization(
    x: ArrayLike,
    gamma: ArrayLike | None = None,
    beta: ArrayLike | None = None,
    *,
    mean: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    epsilon: float = 1e-3,
) -> Array:
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, column by column.

    Parameters
    ----------
    x : array_like, shape (N, C)
        A column for each channel, a row for each position in each sample of the batch.
    gamma, beta : array_like, shape (C,), optional
        None means 1 and 0.
    mean, variance : array_like, shape (C,), optional
        Given in inference: the moving statistics of training. None, in training: each column's mean and
        biased variance, the mean of (x - mean)^2.
    epsilon : float
        Keeps the square root away from 0.

    Returns
    -------
    ndarray of float64, shape (N, C)

    Raises
    ------
    ValueError
        If the shapes do not match, or one of mean and variance is given without the other.

    References
    ----------
    Ioffe and Szegedy 2015, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift".

    Examples
    --------
    >>> x = [[1.0], [5.0]]  # mean 3, variance 4
    >>> batch_normalization(x, [10.0], [0.5], epsilon=0.0).ravel()
    array([-9.5, 10.5])
    >>> batch_normalization(x, mean=[1.0], variance=[3.0], epsilon=1.0).ravel()
    array([0., 2.])
    """
    x, _ = columns(x)
    if (mean is None) != (variance is None):
        raise ValueError(f"mean {mean!r} and variance {variance!r}: give both or neither")
    if mean is None:
        mean, variance = moments(x, 0)
    return scaled(normalized(x, np.asarray(mean), np.asarray(variance), epsilon), gamma, beta)


def batch_normalization_backward(
    x: ArrayLike,
    dy: ArrayLike,
    gamma: ArrayLike | None = None,
    *,
    mean: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    epsilon: float = 1e-3,
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_normalization`, with z = (x - mean) / sqrt(variance + epsilon) and dz = gamma dy:

        dgamma = sum of z dy over the rows,  dbeta = sum of dy over the rows
        dx = (dz - mean(dz) - z mean(z dz)) / sqrt(variance + epsilon)

    with the means over the rows as well. If mean and variance are given they do not depend on x, and dx is
    dz / sqrt(variance + epsilon).

    Parameters
    ----------
    x, dy : array_like, shape (N, C)
    gamma, mean, variance, epsilon
        As in `batch_normalization`.

    Returns
    -------
    dx : ndarray of float64, shape (N, C)
    dgamma, dbeta : ndarray of float64, shape (C,)

    Raises
    ------
    ValueError
        If the shapes do not match, or one of mean and variance is given without the other.

    Examples
    --------
    >>> dx, dgamma, dbeta = batch_normalization_backward([[1.0], [5.0]], [[1.0], [0.0]], epsilon=0.0)
    >>> dx.ravel(), dgamma, dbeta  # two numbers always become -1 and 1
    (array([0., 0.]), array([-1.]), array([1.]))
    """
    x, dy = columns(x, dy)
    z = batch_normalization(x, mean=mean, variance=variance, epsilon=epsilon)
    dz = scaled(dy, gamma, None)
    if mean is None:
        dx = normalized_backward(x, dz, epsilon, 0)
    else:
        dx = dz / np.sqrt(np.asarray(variance) + epsilon)
    return dx, np.sum(z * dy, axis=0), dy.sum(axis=0)


# --------------------------------------------------------------------------------------- layer normalization


def layer_normalization(
    x: ArrayLike, gamma: ArrayLike | None = None, beta: ArrayLike | None = None, *, epsilon: float = 1e-3
) -> Array:
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with the mean and variance of each row.

    Parameters
    ----------
    x : array_like, shape (N, C)
    gamma, beta : array_like, shape (C,), optional
        None means 1 and 0.
    epsilon : float
        Keeps the square root away from 0. The variance is the biased one, the mean of (x - mean)^2.

    Returns
    -------
    ndarray of float64, shape (N, C)

    Raises
    ------
    ValueError
        If the shapes do not match.

    References
    ----------
    Ba, Kiros and Hinton 2016, "Layer normalization".

    Examples
    --------
    >>> layer_normalization([[1.0, 5.0], [-3.0, 5.0]], [1.0, 10.0], epsilon=0.0)
    array([[-1., 10.],
           [-1., 10.]])
    """
    x, _ = columns(x)
    return scaled(normalized(x, *moments(x, 1), epsilon), gamma, beta)


def layer_normalization_backward(
    x: ArrayLike, dy: ArrayLike, gamma: ArrayLike | None = None, *, epsilon: float = 1e-3
) -> tuple[Array, Array, Array]:
    """Gradients of `layer_normalization`, with z = (x - mean) / sqrt(variance + epsilon) and dz = gamma dy:

        dgamma = sum of z dy over the rows,  dbeta = sum of dy over the rows
        dx = (dz - mean(dz) - z mean(z dz)) / sqrt(variance + epsilon)

    with the means of each row.

    Parameters
    ----------
    x, dy : array_like, shape (N, C)
    gamma, epsilon
        As in `layer_normalization`.

    Returns
    -------
    dx : ndarray of float64, shape (N, C)
    dgamma, dbeta : ndarray of float64, shape (C,)

    Raises
    ------
    ValueError
        If the shapes do not match.

    Examples
    --------
    >>> dx, dgamma, dbeta = layer_normalization_backward([[1.0, 5.0]], [[1.0, 0.0]], epsilon=0.0)
    >>> dx, dgamma, dbeta
    (array([[0., 0.]]), array([-1.,  0.]), array([1., 0.]))
    """
    x, dy = columns(x, dy)
    z = normalized(x, *moments(x, 1), epsilon)
    dx = normalized_backward(x, scaled(dy, gamma, None), epsilon, 1)
    return dx, np.sum(z * dy, axis=0), dy.sum(axis=0)


# --------------------------------------------------------------------------------------------------- layers


class Normalization(Layer):
    """Common to `BatchNormalization` and `LayerNormalization`: gamma and beta for the features of a group."""

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.check_group(n_inputs)
        for name, wanted in [("gamma", row["scale"]), ("beta", row["center"])]:
            if wanted:
                self.shapes[name] = (row["group"],)


class BatchNormalization(Normalization):
    """`batch_normalization` of each channel: by the batch's statistics in training, by moving statistics in
    inference and if the layer is frozen.

    In a training step, moving = momentum moving + (1 - momentum) batch, for the mean and the variance.
    """

    kind = "batch_normalization"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        for name in ["moving_mean", "moving_variance"]:
            self.shapes[name] = (row["group"],)

    @property
    def trainable(self):
        return [not name.startswith("moving") for name in self.shapes]

    def options(self, parameters, training):
        """Return gamma and beta, or None, and the keywords of `batch_normalization`."""
        named = dict(zip(self.shapes, parameters, strict=True))
        mean, variance = (None, None) if training else parameters[-2:]
        options = {"mean": mean, "variance": variance, "epsilon": self.row["epsilon"]}
        return named.get("gamma"), named.get("beta"), options

    def forward(self, x, parameters, noise):
        training = noise is not None and self.is_trainable
        gamma, beta, options = self.options(parameters, training)
        x, shape = x.reshape(-1, self.row["group"]), x.shape
        return batch_normalization(x, gamma, beta, **options).reshape(shape), (x, training)

    def backward(self, dy, parameters, kept):
        x, training = kept
        gamma, _, options = self.options(parameters, training)
        dx, dgamma, dbeta = batch_normalization_backward(x, dy.reshape(x.shape), gamma, **options)
        gradients = {"gamma": dgamma, "beta": dbeta}
        none = np.zeros(self.row["group"])
        return dx.reshape(dy.shape), [gradients.get(name, none) for name in self.shapes]

    def new_state(self, parameters, kept):
        momentum, (x, _) = self.row["momentum"], kept
        pairs = zip(parameters[-2:], moments(x, 0), strict=True)
        return [momentum * moving + (1.0 - momentum) * batch[0] for moving, batch in pairs]


class LayerNormalization(Normalization):
    """`layer_normalization` of each group of `group` adjacent features of a sample."""

    kind = "layer_normalization"

    def forward(self, x, parameters, noise):
        named = dict(zip(self.shapes, parameters, strict=True))
        x, shape = x.reshape(-1, self.row["group"]), x.shape
        y = layer_normalization(x, named.get("gamma"), named.get("beta"), epsilon=self.row["epsilon"])
        return y.reshape(shape), x

    def backward(self, dy, parameters, x):
        gamma = dict(zip(self.shapes, parameters, strict=True)).get("gamma")
        dy, shape = dy.reshape(x.shape), dy.shape
        dx, dgamma, dbeta = layer_normalization_backward(x, dy, gamma, epsilon=self.row["epsilon"])
        gradients = {"gamma": dgamma, "beta": dbeta}
        return dx.reshape(shape), [gradients[name] for name in self.shapes]
