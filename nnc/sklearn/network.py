"""The network of an MLP in NumPy, in the precision of its weights and inputs: predictions, and the loss and
its gradient for lbfgs. sgd and adam train in the core instead; see stochastic.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, xlogy

from nnc import activations
from nnc.reference import ACTIVATIONS

# scikit-learn's names of two activations.
_SYNONYMS = {"identity": "linear", "logistic": "sigmoid"}
NAMES = (*_SYNONYMS, *activations.names)

# Activations computed in place, which is faster than their formulas in nnc.reference: z is overwritten.
_IN_PLACE: dict[str, Callable[[np.ndarray], Any]] = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0, out=z),
    "tanh": lambda z: np.tanh(z, out=z),
    "sigmoid": lambda z: expit(z, out=z),
}


# The epsilon of batch normalization: Keras's default.
EPSILON = 1e-3


class Normalization(NamedTuple):
    """Batch normalization after a hidden layer's product, in inference; all arrays (O,)."""

    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    epsilon: float

    def __call__(self, z: np.ndarray) -> np.ndarray:
        scale = self.gamma / np.sqrt(self.variance + self.epsilon)
        return (z * scale + (self.beta - self.mean * scale)).astype(z.dtype, copy=False)


def names_of(activation: Any, n_hidden: int) -> list[str]:
    """The core's names of the hidden layers' activations.

    Raises
    ------
    ValueError
        If a name is unknown, or the number of names is not that of the layers.
    """
    given = [activation] * n_hidden if isinstance(activation, str) else list(activation)
    if len(given) != n_hidden:
        raise ValueError(
            f"activation must be one name, or one for each of the {n_hidden} hidden layers, "
            f"got {activation!r}"
        )
    for name in given:
        if not isinstance(name, str) or name not in NAMES:
            raise ValueError(f"activation must be one of {', '.join(NAMES)}, got {name!r}")
    return [_SYNONYMS.get(name, name) for name in given]


def activate(name: str, z: np.ndarray) -> np.ndarray:
    """f(z); z may be overwritten."""
    if name in _IN_PLACE:
        return _IN_PLACE[name](z)
    return ACTIVATIONS[name][0](z, activations.get(name).alpha).astype(z.dtype, copy=False)


def outputs_of(name: str, z: np.ndarray) -> np.ndarray:
    """The outputs for the last layer's logits: identity, exp, logistic or softmax; z may be overwritten."""
    if name == "exp":
        return np.exp(z, out=z)
    if name == "softmax":
        z -= np.maximum.reduce(z, axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= np.add.reduce(z, axis=1, keepdims=True)
        return z
    return expit(z, out=z) if name == "logistic" else z


def forward(
    x: Any,
    coefs: Sequence[np.ndarray],
    intercepts: Sequence[np.ndarray],
    hidden: Sequence[str],
    normalizations: Sequence[Normalization],
) -> np.ndarray:
    """The logits (n, O) of x (n, F), which may be sparse.

    `normalizations` is empty or has one for each hidden layer.
    """
    a = x
    last = len(coefs) - 1
    for i in range(last + 1):
        a = a @ coefs[i]
        a += intercepts[i]
        if i < last:
            if normalizations:
                a = normalizations[i](a)
            a = activate(hidden[i], a)
    return a


def loss_of(loss: str, y: np.ndarray, outputs: np.ndarray, sample_weight: np.ndarray | None) -> float:
    """The weighted mean of a loss over the rows; y and outputs (n, O).

    squared_error: mean_j (a_j - y_j)^2 / 2. poisson: sum_j y_j log(y_j / a_j) - y_j + a_j. log_loss:
    -sum_j y_j log a_j. binary_log_loss: -sum_j y_j log a_j + (1 - y_j) log(1 - a_j).
    """
    if loss == "squared_error":
        rows = 0.5 * np.square(y - outputs).mean(axis=1)
    elif loss == "poisson":
        rows = (xlogy(y, y / outputs) - y + outputs).sum(axis=1)
    else:
        smallest = np.finfo(outputs.dtype).eps
        p = np.clip(outputs, smallest, 1 - smallest)
        rows = xlogy(y, p) if loss == "log_loss" else xlogy(y, p) + xlogy(1 - y, 1 - p)
        rows = -rows.sum(axis=1)
    return float(np.average(rows, weights=sample_weight))


class Objective:
    """Loss and gradient of all rows as a function of one vector of weights, for `scipy.optimize.minimize`.

    The vector contains the coefs, then the intercepts, in row-major order. With S the sum of the sample
    weights, the value is the weighted mean of the loss plus alpha / (2 S) sum W^2.

    Parameters
    ----------
    x : array or sparse matrix (n, F)
    y : ndarray (n, O)
    sample_weight : ndarray (n,) or None
    units : list of int
        F, the units of the hidden layers, O.
    hidden : list of str
        The core's names of the hidden activations.
    loss, output : str
        See `loss_of` and `outputs_of`; together, the gradient must be a - y.
    alpha : float
    """

    def __init__(
        self,
        x: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        units: list[int],
        hidden: list[str],
        loss: str,
        output: str,
        alpha: float,
    ) -> None:
        self.x, self.y, self.sample_weight, self.hidden = x, y, sample_weight, hidden
        self.loss, self.output, self.alpha = loss, output, alpha
        self.shapes: list[tuple[int, ...]] = [*pairwise(units), *((n,) for n in units[1:])]
        self.divisor = float(x.shape[0] if sample_weight is None else sample_weight.sum())

    @staticmethod
    def pack(coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray]) -> np.ndarray:
        """The vector of these weights."""
        return np.concatenate([np.ravel(w) for w in (*coefs, *intercepts)])

    def unpack(self, vector: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The coefs and intercepts of a vector, as views."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        parts = np.split(vector, ends[:-1])
        arrays = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return arrays[: len(arrays) // 2], arrays[len(arrays) // 2 :]

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """The value and its gradient, in the layout of `vector`."""
        coefs, intercepts = self.unpack(vector)
        inputs, kept = [self.x], []  # inputs of the products; values for the hidden derivatives
        for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
            z = inputs[-1] @ coef
            z += intercept
            if i < len(self.hidden):
                tells = ACTIVATIONS[self.hidden[i]][1]
                before = z.copy() if tells == "z" else z
                inputs.append(activate(self.hidden[i], z))
                kept.append(before if tells == "z" else inputs[-1])
        outputs = outputs_of(self.output, z)
        value = loss_of(self.loss, self.y, outputs, self.sample_weight)
        value += 0.5 * self.alpha / self.divisor * sum(float(np.dot(w.ravel(), w.ravel())) for w in coefs)

        d = outputs - self.y
        if self.sample_weight is not None:
            d *= self.sample_weight[:, np.newaxis]
        coef_gradients, intercept_gradients = [], []
        for i in range(len(coefs) - 1, -1, -1):
            coef_gradients.append((inputs[i].T @ d + self.alpha * coefs[i]) / self.divisor)
            intercept_gradients.append(d.sum(axis=0) / self.divisor)
            if i:
                name = self.hidden[i - 1]
                d = ACTIVATIONS[name][2](kept[i - 1], d @ coefs[i].T, activations.get(name).alpha)
        return value, self.pack(coef_gradients[::-1], intercept_gradients[::-1])
