"""Metrics that need several sums for each output: F scores and the coefficient of determination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config
from nnc.errors import warn
from nnc.metrics.base import Summed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EPSILON = 1e-7


class FBetaScore(Summed):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), per class or averaged over the classes.

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}
        None returns a number for each class, "micro" counts all classes as one, "macro" is the mean over the
        classes, "weighted" their mean weighted by the number of targets.
    beta : float
        Above 0: how much more recall counts than precision.
    threshold : float, optional
        In (0, 1]; an output above it is positive. None: the largest output of each row is positive.
    name : str, optional
        Defaults to "fbeta_score".

    Examples
    --------
    >>> from nnc import metrics
    >>> y = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    >>> a = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
    >>> metrics.FBetaScore(beta=2.0, threshold=0.5)(y, a).round(6).tolist()
    [0.384615, 0.909091, 0.833333]
    """

    identifier = "fbeta_score"
    direction = "up"
    whole_rows = True
    n_sums = 4

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self.average = _config.choice("average", average, (None, "micro", "macro", "weighted"))
        self.beta = _config.number("beta", beta, "(0, inf)")
        self.threshold = None if threshold is None else _config.number("threshold", threshold, "(0, 1]")

    def increment(
        self, y: NDArray[np.float64], a: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        if self.threshold is None:
            positive = (a >= a.max(axis=1, keepdims=True)) & (np.abs(a) > 1e-9)
        else:
            positive = a > self.threshold
        w = np.ones((len(a), 1)) if weights is None else weights[:, np.newaxis]
        parts = [positive * y, positive * (1.0 - y), ~positive * y, y]
        sums = np.array([(w * part).sum(axis=0) for part in parts])
        return sums.sum(axis=1, keepdims=True) if self.average == "micro" else sums

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        tp, fp, fn, true = sums
        precision, recall = tp / (tp + fp + _EPSILON), tp / (tp + fn + _EPSILON)
        square = self.beta**2
        score = (1.0 + square) * precision * recall / (square * precision + recall + _EPSILON)
        if self.average == "weighted":
            return (score * true).sum() / (true.sum() + _EPSILON)
        return score if self.average is None else score.mean()


class F1Score(FBetaScore):
    """2 precision recall / (precision + recall), per class or averaged over the classes.

    Parameters
    ----------
    average, threshold
        As in `FBetaScore`.
    name : str, optional
        Defaults to "f1_score".

    Examples
    --------
    >>> from nnc import metrics
    >>> y = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    >>> a = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
    >>> round(metrics.F1Score("macro", threshold=0.5)(y, a), 6)
    0.655555
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype=dtype)


class R2Score(Summed):
    """1 - sum (y - a)^2 / sum (y - mean y)^2 of each output, aggregated over the outputs.

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average", None}
        The mean over the outputs, their mean weighted by the variance of the targets, or a number for each.
    num_regressors : int
        The number of regressors of the adjusted coefficient; 0: the coefficient is not adjusted.
    name : str, optional
        Defaults to "r2_score".

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.R2Score()([[1], [4], [3]], [[2], [4], [4]]), 6)
    0.571429
    """

    identifier = "r2_score"
    direction = "up"
    whole_rows = True
    n_sums = 5

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        ways = (None, "uniform_average", "variance_weighted_average")
        self.class_aggregation = _config.choice("class_aggregation", class_aggregation, ways)
        self.num_regressors = _config.integer("num_regressors", num_regressors, 0)

    def increment(
        self, y: NDArray[np.float64], a: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        w = np.ones((len(a), 1)) if weights is None else weights[:, np.newaxis]
        parts = [w * y, w * y * y, w * (y - a) ** 2, w + 0.0 * y, np.ones_like(y)]
        return np.array([part.sum(axis=0) for part in parts])

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        total, squares, missed, weight, size = sums
        spread = squares - total * total / weight
        score = 1.0 - missed / spread
        score = np.where(np.isinf(score), 0.0, score)
        if self.class_aggregation == "uniform_average":
            score = score.mean()
        elif self.class_aggregation == "variance_weighted_average":
            score = (spread * score).sum() / spread.sum()
        return self._adjusted(score, float(size.sum()))

    def _adjusted(self, score: Any, n: float) -> Any:
        """The score adjusted for the number of regressors, given n targets."""
        p = self.num_regressors
        if p == 0:
            return score
        if p >= n - 1:
            warn(f"{self.name}: {n:.0f} targets are too few for num_regressors={p}, R2 is not adjusted")
            return score
        return 1.0 - (1.0 - score) * (n - 1.0) / (n - p - 1.0)
