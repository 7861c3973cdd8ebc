"""Activations, losses and metrics: three tables of formulas, and the loss and metrics of a batch.

A table maps names to formulas: a new activation, loss or metric is one more row.

Shapes: B rows (examples) of N outputs; z and a, before and after an activation, and the targets y are (B, N);
dz and da are the gradients of the loss with respect to z and a.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# ------------------------------------------------------------------------------------------ activations

# Klambauer et al. 2017, "Self-normalizing neural networks", equation 14.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
# Hendrycks and Gimpel 2016, "Gaussian error linear units", gelu(z) ~ z/2 (1 + tanh(c (z + k z^3))).
GELU_C, GELU_K = math.sqrt(2.0 / math.pi), 0.044715

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), written with exp(-|z|) so that neither tail overflows or loses digits.

    Parameters
    ----------
    z : ndarray

    Returns
    -------
    ndarray of z's shape

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import reference
    >>> reference.sigmoid(np.array([0.0, 800.0, -800.0]))
    array([0.5, 1. , 0. ])
    """
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


def normal_cdf(z):
    """P(X <= z) of a standard normal X = erfc(-z / sqrt 2) / 2, with full precision in the left tail too."""
    return 0.5 * _erfc(-z / math.sqrt(2.0))


def normal_pdf(z):
    """exp(-z^2 / 2) / sqrt(2 pi)."""
    return np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def elu(z, alpha):
    """z if z > 0 else alpha (exp(z) - 1)."""
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def gelu_tanh_inner(z):
    """t = tanh(c (z + k z^3)) and dt/dz."""
    t = np.tanh(GELU_C * (z + GELU_K * z**3))
    return t, (1.0 - t * t) * GELU_C * (1.0 + 3.0 * GELU_K * z * z)


def gelu_tanh_backward(z, da, alpha):
    t, dt = gelu_tanh_inner(z)
    return da * 0.5 * (1.0 + t + z * dt)


def mish_slope(z):
    """t + z (1 - t^2) sigmoid(z), t = tanh(ln(1 + e^z))."""
    t = np.tanh(np.logaddexp(0.0, z))
    return t + z * (1.0 - t * t) * sigmoid(z)


def softmax(z: Array, alpha: float = 0.0) -> Array:
    """exp(z_j) / sum_k exp(z_k); subtracting the largest z leaves it unchanged and avoids overflow in exp.

    Parameters
    ----------
    z : ndarray (..., n_classes)
    alpha : float
        Not used: activations are called as f(z, alpha).

    Returns
    -------
    ndarray of z's shape

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import reference
    >>> reference.softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    e = np.exp(z - z.max(axis=-1, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(z: Array, alpha: float = 0.0) -> Array:
    """z_j - log sum_k exp(z_k)."""
    z = z - z.max(axis=-1, keepdims=True, initial=-np.inf)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


# name: (f, kept, backward) with a = f(z, alpha) and dz = backward(z or a, da, alpha) = da f'(z); kept
# is the one of the two that the derivative is computed from
ACTIVATIONS = {
    "linear": (
        lambda z, alpha: +z,
        "a",
        lambda a, da, alpha: +da,
    ),
    "relu": (
        lambda z, alpha: np.maximum(z, 0.0),
        "a",
        lambda a, da, alpha: np.where(a > 0, da, 0.0),
    ),
    "leaky_relu": (
        lambda z, alpha: np.where(z > 0, z, alpha * z),
        "a",
        lambda a, da, alpha: np.where(a > 0, da, alpha * da),
    ),
    "elu": (
        elu,
        "a",
        lambda a, da, alpha: np.where(a > 0, da, da * (a + alpha)),
    ),
    "selu": (
        lambda z, alpha: SELU_SCALE * elu(z, SELU_ALPHA),
        "a",
        lambda a, da, alpha: da * np.where(a > 0, SELU_SCALE, a + SELU_SCALE * SELU_ALPHA),
    ),
    "gelu": (
        lambda z, alpha: z * normal_cdf(z),
        "z",
        lambda z, da, alpha: da * (normal_cdf(z) + z * normal_pdf(z)),
    ),
    "gelu_tanh": (
        lambda z, alpha: 0.5 * z * (1.0 + gelu_tanh_inner(z)[0]),
        "z",
        gelu_tanh_backward,
    ),
    "silu": (
        lambda z, alpha: z * sigmoid(z),
        "z",
        lambda z, da, alpha: da * (sigmoid(z) + z * sigmoid(z) * sigmoid(-z)),
    ),
    "sigmoid": (
        lambda z, alpha: sigmoid(z),
        "a",
        lambda a, da, alpha: da * a * (1.0 - a),
    ),
    "tanh": (
        lambda z, alpha: np.tanh(z),
        "a",
        lambda a, da, alpha: da * (1.0 - a * a),
    ),
    "softplus": (
        lambda z, alpha: np.logaddexp(0.0, z),
        "a",
        lambda a, da, alpha: da * -np.expm1(-a),
    ),
    "mish": (
        lambda z, alpha: z * np.tanh(np.logaddexp(0.0, z)),
        "z",
        lambda z, da, alpha: da * mish_slope(z),
    ),
    "softsign": (
        lambda z, alpha: z / (1.0 + np.abs(z)),
        "a",
        lambda a, da, alpha: da * (1.0 - np.abs(a)) ** 2,
    ),
    "hard_sigmoid": (
        lambda z, alpha: np.clip(z / 6.0 + 0.5, 0.0, 1.0),
        "a",
        lambda a, da, alpha: np.where((a > 0) & (a < 1), da / 6.0, 0.0),
    ),
    "capped_relu": (
        lambda z, alpha: np.clip(z, 0.0, alpha),
        "a",
        lambda a, da, alpha: np.where((a > 0) & (a < alpha), da, 0.0),
    ),
    "exponential": (
        lambda z, alpha: np.exp(z),
        "a",
        lambda a, da, alpha: da * a,
    ),
    "log_sigmoid": (
        lambda z, alpha: -np.logaddexp(0.0, -z),
        "a",
        lambda a, da, alpha: da * -np.expm1(a),
    ),
    "hard_silu": (
        lambda z, alpha: np.where(z <= -3.0, 0.0, z * np.minimum(z / 6.0 + 0.5, 1.0)),
        "z",
        lambda z, da, alpha: da * np.where(np.abs(z) < 3.0, z / 3.0 + 0.5, z >= 3.0),
    ),
    "hard_tanh": (
        lambda z, alpha: np.clip(z, -1.0, 1.0),
        "a",
        lambda a, da, alpha: np.where(np.abs(a) < 1.0, da, 0.0),
    ),
    "celu": (
        lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0) / alpha)),
        "a",
        lambda a, da, alpha: np.where(a > 0, da, da * (a / alpha + 1.0)),
    ),
    "soft_shrink": (
        lambda z, alpha: z - np.clip(z, -alpha, alpha),
        "a",
        lambda a, da, alpha: np.where(a != 0.0, da, 0.0),
    ),
    "hard_shrink": (
        lambda z, alpha: np.where(np.abs(z) <= alpha, 0.0, z),
        "a",
        lambda a, da, alpha: np.where(a != 0.0, da, 0.0),
    ),
    # The outputs of these two depend on each other: dz_j = a_j (da_j - sum_k a_k da_k), and with a = log p
    # dz_j = da_j - p_j sum_k da_k.
    "softmax": (
        softmax,
        "a",
        lambda a, da, alpha: a * (da - np.sum(a * da, axis=-1, keepdims=True)),
    ),
    "log_softmax": (
        log_softmax,
        "a",
        lambda a, da, alpha: da - np.exp(a) * np.sum(da, axis=-1, keepdims=True),
    ),
}


def look_up(table: dict[str, Any], name: str, what: str) -> Any:
    """Return ``table[name]``; raise a ValueError that lists the known names if there is none."""
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}; known: {', '.join(table)}")
    return table[name]


# ----------------------------------------------------------------------------------------------- losses

# Probabilities nearer to 0 than this are clipped before the logarithm, and those above HIGH, the float32
# number nearest to 1 - 1e-7: as in Keras, which clips in float32.
CLIP = 1e-7
HIGH = 1.0 - 2.0**-23


def mean_squared_error(spec, y, a):
    e = a - y
    return np.mean(e * e, axis=1), 2.0 * e / e.shape[1]


def mean_absolute_error(spec, y, a):
    e = a - y
    return np.mean(np.abs(e), axis=1), np.sign(e) / e.shape[1]


def huber(spec, y, a):
    """Huber 1964: a parabola within delta of the target, a straight line outside."""
    delta, e = spec["param"], a - y
    near, size = np.abs(e) <= delta, np.abs(e)
    values = np.where(near, 0.5 * e * e, delta * (size - 0.5 * delta))
    return np.mean(values, axis=1), np.where(near, e, delta * np.sign(e)) / e.shape[1]


def binary_crossentropy(spec, y, a):
    n = a.shape[1]
    y = y * (1.0 - spec["label_smoothing"]) + 0.5 * spec["label_smoothing"]
    if spec["from_logits"]:  # -y log s(a) - (1-y) log(1 - s(a)) with the sigmoid s
        return np.mean(np.logaddexp(0.0, a) - y * a, axis=1), (sigmoid(a) - y) / n
    p = np.clip(a, CLIP, HIGH)
    values = -(y * np.log(p) + (1.0 - y) * np.log(1.0 - p))
    return np.mean(values, axis=1), np.where(p == a, (p - y) / (p * (1.0 - p)), 0.0) / n


def categorical_crossentropy(spec, y, a):
    """Of probabilities a, which are first divided by the sum of their row if "param" is set."""
    y = y * (1.0 - spec["label_smoothing"]) + spec["label_smoothing"] / a.shape[1]
    if spec["from_logits"]:
        return -np.sum(y * log_softmax(a), axis=1), y.sum(axis=1, keepdims=True) * softmax(a) - y
    total = a.sum(axis=1, keepdims=True) if spec["param"] else np.ones((len(a), 1))
    q = a / total
    p = np.clip(q, CLIP, HIGH)
    dq = np.where(p == q, -y / p, 0.0)
    da = (dq - np.sum(dq * q, axis=1, keepdims=True)) / total if spec["param"] else dq
    return -np.sum(y * np.log(p), axis=1), da


def poisson(spec, y, a):
    if spec["from_logits"]:  # logits: the logarithms of the rates
        return np.mean(np.exp(a) - y * a, axis=1), (np.exp(a) - y) / a.shape[1]
    return np.mean(a - y * np.log(a + CLIP), axis=1), (1.0 - y / (a + CLIP)) / a.shape[1]


def euclidean(spec, y, a):
    e = a - y
    return 0.5 * np.sum(e * e, axis=1), e


def margin_hinge(spec, y, a):
    """Weston and Watkins 1999: every wrong class should be a margin below the true class t = argmax y."""
    true = y.argmax(axis=1)[:, None] == np.arange(a.shape[1])  # (B, N), one True in each row
    slack = spec["param"] - a[true][:, None] + a
    wrong = ~true & ~(slack <= 0)  # a NaN counts as wrong
    n_wrong = wrong.sum(axis=1, keepdims=True, dtype=np.float64)
    return np.sum(slack, axis=1, where=wrong), wrong - true * n_wrong


def log_cosh(spec, y, a):
    e = a - y
    return np.mean(np.logaddexp(e, -e) - math.log(2.0), axis=1), np.tanh(e) / e.shape[1]


def _slack(y, a):
    """The targets -1 and 1, where 0 means -1, and max(0, 1 - y a)."""
    side = np.where(y == 0.0, -1.0, y)
    return side, np.maximum(1.0 - side * a, 0.0)


def hinge(spec, y, a):
    side, slack = _slack(y, a)
    return np.mean(slack, axis=1), np.where(slack > 0, -side, 0.0) / a.shape[1]


def squared_hinge(spec, y, a):
    side, slack = _slack(y, a)
    return np.mean(slack * slack, axis=1), -2.0 * side * slack / a.shape[1]


def kl_divergence(spec, y, a):
    y, p = np.clip(y, CLIP, 1.0), np.clip(a, CLIP, 1.0)
    return np.sum(y * np.log(y / p), axis=1), np.where(p == a, -y / p, 0.0)


def mean_squared_logarithmic_error(spec, y, a):
    p = np.maximum(a, CLIP)
    e = np.log1p(p) - np.log1p(np.maximum(y, CLIP))
    return np.mean(e * e, axis=1), np.where(p == a, 2.0 * e / (1.0 + p), 0.0) / a.shape[1]


def categorical_hinge(spec, y, a):
    """Every wrong class should be 1 below the true class: max(0, 1 - sum y a + max (1 - y) a)."""
    rest = (1.0 - y) * a
    high = rest.argmax(axis=1)[:, None] == np.arange(a.shape[1])
    slack = 1.0 - np.sum(y * a, axis=1) + rest.max(axis=1)
    active = ~(slack <= 0)  # a NaN counts as wrong
    return np.where(active, slack, 0.0), active[:, None] * (high * (1.0 - y) - y)


def cosine_similarity(spec, y, a):
    """-cos of the angle between y and a; norms below 1e-7 count as 1e-7."""
    size = np.sqrt(np.sum(a * a, axis=1, keepdims=True))
    u = a / np.maximum(size, CLIP)
    v = y / np.maximum(np.sqrt(np.sum(y * y, axis=1, keepdims=True)), CLIP)
    cosine = np.sum(u * v, axis=1, keepdims=True)
    return -cosine[:, 0], -(v - np.where(size > CLIP, cosine * u, 0.0)) / np.maximum(size, CLIP)


def mean_absolute_percentage_error(spec, y, a):
    e, share = a - y, 100.0 / np.maximum(np.abs(y), CLIP)
    return np.mean(share * np.abs(e), axis=1), share * np.sign(e) / e.shape[1]


def power(q, gamma):
    """q^gamma for q from 0 to 1; 0 counts as 1e-30, so that 0^0 is 1 and the derivative at 0 is finite."""
    return np.maximum(q, 1e-30) ** gamma


def binary_focal_crossentropy(spec, y, a):
    """Lin et al. 2017: w q^gamma c, c the cross-entropy, q = y (1 - p) + (1 - y) p, w "of_1" or "of_0"."""
    gamma, n = spec["param"], a.shape[1]
    y = y * (1.0 - spec["label_smoothing"]) + 0.5 * spec["label_smoothing"]
    of_0, of_1 = spec.get("of_0", 1.0), spec.get("of_1", 1.0)
    w = of_0 + (of_1 - of_0) * y
    if spec["from_logits"]:
        p, rest = sigmoid(a), sigmoid(-a)
        c, dc, dp = np.logaddexp(0.0, a) - y * a, p - y, p * rest
    else:
        p, rest, clipped = a, 1.0 - a, np.clip(a, CLIP, HIGH)
        c = -(y * np.log(clipped) + (1.0 - y) * np.log(1.0 - clipped))
        dc = np.where(clipped == a, (clipped - y) / (clipped * (1.0 - clipped)), 0.0)
        dp = np.ones_like(a)
    q, dq = y * rest + (1.0 - y) * p, (1.0 - 2.0 * y) * dp
    values = w * power(q, gamma) * c
    return np.mean(values, axis=1), w * (power(q, gamma) * dc + gamma * power(q, gamma - 1.0) * dq * c) / n


def categorical_focal_crossentropy(spec, y, a):
    """-w sum_j y_j (1 - p_j)^gamma log p_j; of probabilities, which are divided by the sum of their row."""
    gamma, w = spec["param"], spec.get("of_1", 1.0)
    y = y * (1.0 - spec["label_smoothing"]) + spec["label_smoothing"] / a.shape[1]
    if spec["from_logits"]:
        q, log_p = softmax(a), log_softmax(a)
        p, inside = q, True
    else:
        total = a.sum(axis=1, keepdims=True)
        q = a / total
        p = np.clip(q, CLIP, HIGH)
        log_p, inside = np.log(p), p == q
    value = -w * np.sum(y * power(1.0 - p, gamma) * np.where(y == 0, 0.0, log_p), axis=1)
    # p dp, which avoids a division by p = 0
    slope = gamma * power(1.0 - p, gamma - 1.0) * p * np.where(y == 0, 0.0, log_p)
    pdp = np.where(inside, w * y * (slope - power(1.0 - p, gamma)), 0.0)
    if spec["from_logits"]:
        return value, pdp - q * np.sum(pdp, axis=1, keepdims=True)
    return value, (pdp / p - np.sum(pdp * q / p, axis=1, keepdims=True)) / total


# name: function of (spec, y, a) that returns each row's loss l (B,) and its gradient dl/da (B, N)
LOSSES = {
    "mean_squared_error": mean_squared_error,
    "mean_absolute_error": mean_absolute_error,
    "huber": huber,
    "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
    "poisson": poisson,
    "euclidean": euclidean,
    "margin_hinge": margin_hinge,
    "log_cosh": log_cosh,
    "hinge": hinge,
    "squared_hinge": squared_hinge,
    "kl_divergence": kl_divergence,
    "mean_squared_logarithmic_error": mean_squared_logarithmic_error,
    "categorical_hinge": categorical_hinge,
    "cosine_similarity": cosine_similarity,
    "mean_absolute_percentage_error": mean_absolute_percentage_error,
    "binary_focal_crossentropy": binary_focal_crossentropy,
    "categorical_focal_crossentropy": categorical_focal_crossentropy,
}


def check_targets(y: NDArray, shape: tuple[int, int]) -> None:
    """Raise a ValueError unless y is class ids (B,) or rows (B, N) for outputs of the given shape (B, N)."""
    if y.ndim == 1 and y.dtype.kind in "iu" and len(y) == shape[0]:
        wrong = np.flatnonzero((y < 0) | (y >= shape[1]))
        if len(wrong):
            label = f"y[{wrong[0]}] = {y[wrong[0]]}"
            raise ValueError(f"{label} is not a class id of {shape[1]} outputs: use 0 to {shape[1] - 1}")
    elif y.shape != shape:
        raise ValueError(f"y is {y.dtype} {y.shape}: use {shape[0]} integer class ids, or rows {shape}")


def check_values(
    spec: dict, y: NDArray, sample_weight: NDArray | None, numbers: Sequence[int] | NDArray
) -> None:
    """Raise a ValueError if a target in rows (B, N) is not finite or out of the loss's range, or if a weight
    (B,) is not finite; `numbers` (B) are those of the rows.
    """
    if y.ndim == 2:
        low, high = spec.get("target_range", (-np.inf, np.inf))
        wrong = np.argwhere(~((y >= low) & (y <= high) & np.isfinite(y)))
        if len(wrong):
            i, j = wrong[0]
            must = f"between {low:g} and {high:g}" if "target_range" in spec else "finite"
            raise ValueError(f"y has the value {y[i, j]} in row {numbers[i]}; targets must be {must}")
    if sample_weight is not None and not np.isfinite(sample_weight).all():
        i = int(np.argmin(np.isfinite(sample_weight)))
        value = f"the value {sample_weight[i]} in row {numbers[i]}"
        raise ValueError(f"sample_weight has {value}; weights must be finite")


def target_rows(y: ArrayLike, shape: tuple[int, int]) -> Array:
    """Targets as float64 rows of the given shape (B, N); class ids (B,) become one-hot rows."""
    y = np.asarray(y)
    check_targets(y, shape)
    if y.ndim == 1:
        return (y[:, None] == np.arange(shape[1])).astype(np.float64)
    return y.astype(np.float64)


def divisor(spec: dict, sample_weight: Array) -> float:
    """Return the divisor of a batch's sum of losses: its rows, or with "by_weight" the sum of its weights."""
    if spec.get("by_weight", False):
        return float(np.sum(sample_weight))
    return float(max(len(sample_weight), 1))


@np.errstate(all="ignore")
def loss(
    spec: dict, y: ArrayLike, a: ArrayLike, sample_weight: ArrayLike | None = None
) -> tuple[float, Array]:
    """L = sum_i sw_i l_i / B, the mean over the batch of the weighted losses of its rows, and dL/da.

    Parameters
    ----------
    spec : dict
        "name" (of ``LOSSES``), "from_logits" (bool), "label_smoothing" (0 to 1), "param" (Huber's delta, the
        margin, gamma). Optional: "of_0" and "of_1", the focal losses' factors; "value_factor" and
        "gradient_factor", by which L and dL/da are multiplied; "by_weight" (bool): the sum is divided by
        `divisor`; "target_range", which a plan checks.
    y : array_like of int, shape (B,), or of float, shape (B, N)
        Class ids, or one row of targets for each row of outputs.
    a : array_like, shape (B, N)
        The model's outputs; logits if from_logits.
    sample_weight : array_like, shape (B,), optional
        sw; all 1 if None. The sum is divided by B, not by the sum of the weights (as in Keras), unless the
        loss is "by_weight".

    Returns
    -------
    value : float
        L; 0 for an empty batch.
    da : ndarray of float64, shape (B, N)

    Raises
    ------
    ValueError
        If the name is unknown, or y or sample_weight does not fit a.

    Examples
    --------
    >>> spec = {"name": "euclidean", "from_logits": False, "label_smoothing": 0.0, "param": 0.0}
    >>> value, da = loss(spec, [0, 1], [[1.0, 2.0], [0.0, 0.0]])
    >>> value  # (2^2 / 2 + 1^2 / 2) / 2
    1.25
    """
    row_loss = look_up(LOSSES, spec["name"], "loss")
    a = np.asarray(a, np.float64)
    if a.ndim != 2:
        raise ValueError(f"the outputs have shape {a.shape}: use (rows, outputs)")
    weights = np.ones(len(a))
    if sample_weight is not None:
        weights = np.asarray(sample_weight, np.float64)
        if weights.shape != (len(a),):
            raise ValueError(f"sample_weight has shape {weights.shape}: use {(len(a),)}, one for each row")
    share = weights / divisor(spec, weights)
    values, gradients = row_loss(spec, target_rows(y, a.shape), a)
    value = spec.get("value_factor", 1.0) * float(np.sum(share * values))
    return value, spec.get("gradient_factor", 1.0) * share[:, None] * gradients


# ---------------------------------------------------------------------------------------------- metrics


def top_k(y, a, k):
    """1 if fewer than k outputs are above the true class's: a tie counts as correct, a NaN as wrong."""
    true = np.take_along_axis(a, y.argmax(axis=1)[:, None], axis=1)
    return (np.sum(~(a <= true), axis=1) < k).astype(np.float64)


# name: function of (y, a, param) that returns each row's value (B,)
METRICS = {
    "binary_accuracy": lambda y, a, threshold: np.mean((a > threshold) == y, axis=1),
    "categorical_accuracy": lambda y, a, _: (y.argmax(axis=1) == a.argmax(axis=1)).astype(np.float64),
    "top_k_categorical_accuracy": top_k,
    "mean_squared_error": lambda y, a, _: np.mean((a - y) ** 2, axis=1),
    "mean_absolute_error": lambda y, a, _: np.mean(np.abs(a - y), axis=1),
}


def metric_rows(spec: dict, y: ArrayLike, a: ArrayLike) -> Array:
    """Return the value of the metric for every row, float64 (B,)."""
    a = np.asarray(a, np.float64)
    return look_up(METRICS, spec["name"], "metric")(target_rows(y, a.shape), a, spec["param"])


def metric(spec: dict, y: ArrayLike, a: ArrayLike) -> float:
    """Return the mean of a metric over the rows.

    Parameters
    ----------
    spec : dict
        "name" (of ``METRICS``) and "param" (the threshold of binary_accuracy, the k of
        top_k_categorical_accuracy).
    y, a
        Targets and outputs as in `loss`.

    Returns
    -------
    float
        0 if there are no rows.

    Raises
    ------
    ValueError
        If the name is unknown, or y does not fit a.

    Examples
    --------
    >>> metric({"name": "categorical_accuracy", "param": 0.0}, [0, 1], [[0.9, 0.1], [0.8, 0.2]])
    0.5
    """
    values = metric_rows(spec, y, a)
    return float(np.sum(values) / max(len(values), 1))
