"""Losses for regression: errors of the outputs, and angles between rows."""

from __future__ import annotations

from typing import Unpack

from nnc import _config
from nnc.losses.base import Loss, LossOptions


class MeanSquaredError(Loss):
    """l = mean_j (a_j - y_j)^2.

    Examples
    --------
    >>> from nnc import losses
    >>> losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]])
    0.5
    """

    aliases = ("mse",)
    rule = "mean_squared_error"


class MeanAbsoluteError(Loss):
    """l = mean_j |a_j - y_j|; the gradient is 0 where a_j = y_j.

    Examples
    --------
    >>> from nnc import losses
    >>> losses.MeanAbsoluteError()([[0.0, 1.0]], [[2.0, 1.0]])
    1.0
    """

    aliases = ("mae",)
    rule = "mean_absolute_error"


class Huber(Loss):
    """l = mean_j h(a_j - y_j), h(e) = e^2 / 2 if |e| <= delta, else delta (|e| - delta / 2).

    Parameters
    ----------
    delta : float
        The error at which the loss changes from quadratic to linear, above 0.

    Examples
    --------
    >>> from nnc import losses
    >>> losses.Huber()([[0.0, 0.0]], [[1.0, 3.0]])
    1.5

    References
    ----------
    Huber, "Robust estimation of a location parameter", 1964. PyTorch: nn.HuberLoss.
    """

    aliases = ("huber_loss",)
    rule = "huber"

    def __init__(self, delta: float = 1.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.delta = self.param = _config.number("delta", delta, "(0, inf)")


class EuclideanLoss(Loss):
    """l = sum_j (a_j - y_j)^2 / 2: half the squared distance to the target.

    A class id is equivalent to its one-hot row. The gradient is a - y.

    Examples
    --------
    >>> from nnc import losses
    >>> losses.EuclideanLoss()([1], [[2.0, 0.0]])
    2.5
    """

    aliases = ("euclidean",)
    rule = "euclidean"
    targets = "any"


class LogCosh(Loss):
    """l = mean_j log(cosh(a_j - y_j)): quadratic near the target, linear far from it.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.LogCosh()([[0.0]], [[1.0]]), 6)
    0.433781
    """

    aliases = ("logcosh",)
    rule = "log_cosh"


class MeanSquaredLogarithmicError(Loss):
    """l = mean_j (log(1 + a_j) - log(1 + y_j))^2, negative a and y treated as 0.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.MeanSquaredLogarithmicError()([[0.0]], [[1.0]]), 6)
    0.480453
    """

    aliases = ("msle",)
    rule = "mean_squared_logarithmic_error"


class MeanAbsolutePercentageError(Loss):
    """l = 100 mean_j |a_j - y_j| / max(|y_j|, 1e-7).

    Examples
    --------
    >>> from nnc import losses
    >>> losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 5.0]])
    37.5
    """

    aliases = ("mape",)
    rule = "mean_absolute_percentage_error"


class CosineSimilarity(Loss):
    """l = -sum_j y_j a_j / (|y| |a|): -1 if both point in the same direction.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.CosineSimilarity()([[0.0, 1.0]], [[3.0, 4.0]]), 6)
    -0.8
    """

    rule = "cosine_similarity"
    whole_rows = True
