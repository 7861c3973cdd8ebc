"""Metrics of true and false positives and negatives: counts, precision, recall, areas under curves.

An output is positive at a threshold t if a > t. If the T thresholds are evenly spaced over [0, 1], this is
decided, as in Keras, by ceil(a (T - 1)) in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnc import _config
from nnc.metrics.base import Summed, quotient

if TYPE_CHECKING:
    from numpy.typing import NDArray

TP, FP, TN, FN = range(4)
_EPSILON = 1e-7
_LOWEST = -1e10  # Keras's value for outputs that are not among the top k


def _thresholds(value: Any) -> float | tuple[float, ...] | None:
    """The argument, checked: one threshold or several, each in [0, 1]."""
    if value is None or isinstance(value, Real):
        return None if value is None else _config.number("thresholds", value, "[0, 1]")
    given = _config.items("thresholds", value, "a number from 0 to 1, or a list of them")
    if not given:
        raise _config.refusal("thresholds", "a number from 0 to 1, or a list of them", value)
    return tuple(_config.number("thresholds", each, "[0, 1]") for each in given)


def _is_even(thresholds: Sequence[float] | NDArray[np.float64]) -> bool:
    n = len(thresholds)
    return n >= 3 and np.allclose(thresholds, np.arange(n) / (n - 1), atol=_EPSILON)


class _Confusion(Summed):
    """Sums of weights of true and false positives and negatives (4, thresholds, labels)."""

    saved = False
    n_sums = 4
    class_id: int | None = None
    top_k: int | None = None

    def _settle(self, thresholds: float | Sequence[float] | None, default: float = 0.5) -> None:
        """Set the thresholds, in the given order, and whether they are evenly spaced."""
        self._at = np.array(default if thresholds is None else thresholds, np.float64).reshape(-1)
        self._even = _is_even(self._at)

    def _choose(self, class_id: int | None, top_k: int | None = None) -> None:
        self.class_id = None if class_id is None else _config.integer("class_id", class_id, 0)
        self.top_k = None if top_k is None else _config.integer("top_k", top_k, 1)

    def check(self, shape: tuple[int, ...]) -> None:
        for name, value, low in (("class_id", self.class_id, 0), ("top_k", self.top_k, 1)):
            if value is not None and value >= shape[-1] + low:
                raise ValueError(
                    f"{name} of metric {self.name!r} is {value}, but there are {shape[-1]} outputs"
                )

    def increment(
        self, y: NDArray[np.float64], a: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        if self.top_k is not None:
            a = _top(a, self.top_k)
        if self.class_id is not None:
            y, a = y[:, [self.class_id]], a[:, [self.class_id]]
        w = np.ones_like(a) if weights is None else np.broadcast_to(weights[:, np.newaxis], a.shape)
        return self._counts(y != 0, a, w)

    def _counts(
        self, true: NDArray[np.bool_], a: NDArray[np.float64], w: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The counts (4, thresholds) over any number of outputs."""
        n = len(self._at)
        order = np.argsort(self._at, kind="stable")
        place = self._place(a.ravel(), order)
        positive, total = np.zeros((2, n)), np.zeros((2, 1))
        for row, these in enumerate((true, ~true)):
            weight = np.where(these, w, 0.0).ravel()
            above = np.bincount(place, weight, n + 1)[::-1].cumsum()[::-1]  # by number of thresholds below
            positive[row, order] = above[1:]
            total[row] = weight.sum()
        tp, fp = positive
        return np.array([tp, fp, total[1] - fp, total[0] - tp])

    def _place(self, a: NDArray[np.float64], order: NDArray[np.intp]) -> NDArray[np.intp]:
        """The number of thresholds below each output; 0 for NaN."""
        of = np.where(np.isnan(a), -np.inf, a).astype(np.float32)
        if not self._even:
            return np.searchsorted(self._at[order].astype(np.float32), of, side="left")
        last = np.float32(len(self._at) - 1)
        place = np.ceil(np.clip(of, np.float32(0), np.float32(1)) * last).astype(np.intp)
        return np.maximum(place, 1) if self._at.min() < 0 else place


def _top(a: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """a, with all but the k largest elements of each row set far below any threshold."""
    chosen = np.argsort(-a, axis=1, kind="stable")[:, :k]
    kept = np.full_like(a, _LOWEST)
    np.put_along_axis(kept, chosen, np.take_along_axis(a, chosen, axis=1), axis=1)
    return kept


class _Count(_Confusion):
    """One of the four counts."""

    saved = False
    which: ClassVar[int]

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self.thresholds = _thresholds(thresholds)
        self._settle(self.thresholds, 0.5)

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        return sums[self.which]


class TruePositives(_Count):
    """The sum of the weights of outputs above the threshold whose target is not 0.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1], by default 0.5; with a list the result is an array.
    name : str, optional
        Defaults to "true_positives".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.TruePositives()([0, 1, 1, 1], [1, 0, 1, 1])
    2.0
    """

    which = TP


class TrueNegatives(_Count):
    """The sum of the weights of outputs not above the threshold whose target is 0; see `TruePositives`.

    Parameters
    ----------
    thresholds, name
        As in `TruePositives`.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.TrueNegatives()([0, 1, 0, 0], [1, 0, 0, 0])
    2.0
    """

    which = TN


class FalsePositives(_Count):
    """The sum of the weights of outputs above the threshold whose target is 0; see `TruePositives`.

    Parameters
    ----------
    thresholds, name
        As in `TruePositives`.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.FalsePositives()([0, 1, 0, 0], [0, 0, 1, 1])
    2.0
    """

    which = FP


class FalseNegatives(_Count):
    """The sum of the weights of outputs not above the threshold whose target is not 0; see `TruePositives`.

    Parameters
    ----------
    thresholds, name
        As in `TruePositives`.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0])
    2.0
    """

    which = FN


class _Rate(_Confusion):
    """True positives as a fraction of their sum with another count."""

    saved = False
    direction = "up"
    other: ClassVar[int]

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self.thresholds = _thresholds(thresholds)
        self._settle(self.thresholds, 0.5 if top_k is None else _LOWEST)
        self._choose(class_id, top_k)

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        return quotient(sums[TP], sums[TP] + sums[self.other])


class Precision(_Rate):
    """The fraction of positive outputs that is correct: TP / (TP + FP); 0 if there are none.

    Parameters
    ----------
    thresholds : float or list of float, optional
        In [0, 1], by default 0.5; with a list the result is an array.
    top_k : int, optional
        Only the k largest outputs of a row can be positive; without thresholds, they always are.
    class_id : int, optional
        The only output to consider.
    name : str, optional
        Defaults to "precision".

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.Precision()([0, 1, 1, 1], [1, 0, 1, 1]), 6)
    0.666667
    """

    other = FP


class Recall(_Rate):
    """The fraction of nonzero targets that is found: TP / (TP + FN); 0 if there are none.

    Parameters
    ----------
    thresholds, top_k, class_id
        As in `Precision`.
    name : str, optional
        Defaults to "recall".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.Recall()([0, 1, 1, 1, 1], [1, 0, 1, 1, 1])
    0.75
    """

    other = FN


class _AtValue(_Confusion):
    """The best value of one rate over those thresholds at which another rate is at least a given value."""

    saved = False
    direction = "up"

    def _prepare(self, value: float, argument: str, num_thresholds: int, class_id: int | None) -> None:
        self._value = _config.number(argument, value, "[0, 1]")
        self.num_thresholds = _config.integer("num_thresholds", num_thresholds, 1, 2**20)
        n = self.num_thresholds
        self._settle([0.5] if n == 1 else (np.arange(n) / (n - 1)).tolist())
        self._even = n > 1
        self._choose(class_id)

    def rates(self, sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(the rate that must be at least the value, the rate to maximize)."""
        raise NotImplementedError

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        bound, wanted = self.rates(sums)
        return np.max(np.where(bound >= self._value, wanted, 0.0), initial=0.0)


def _recall(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return quotient(sums[TP], sums[TP] + sums[FN])


def _precision(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return quotient(sums[TP], sums[TP] + sums[FP])


def _specificity(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    return quotient(sums[TN], sums[TN] + sums[FP])


class SensitivityAtSpecificity(_AtValue):
    """The greatest TP / (TP + FN) over the thresholds at which TN / (TN + FP) >= specificity.

    Parameters
    ----------
    specificity : float
        In [0, 1].
    num_thresholds : int
        Number of thresholds, evenly spaced over [0, 1]; with 1 the threshold is 0.5.
    class_id : int, optional
        The only output to consider.
    name : str, optional

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    0.5
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self._prepare(specificity, "specificity", num_thresholds, class_id)
        self.specificity = self._value

    def rates(self, sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return _specificity(sums), _recall(sums)


class SpecificityAtSensitivity(_AtValue):
    """The greatest TN / (TN + FP) over the thresholds at which TP / (TP + FN) >= sensitivity.

    Parameters
    ----------
    sensitivity : float
        In [0, 1].
    num_thresholds, class_id, name
        As in `SensitivityAtSpecificity`.

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]), 6)
    0.666667
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self._prepare(sensitivity, "sensitivity", num_thresholds, class_id)
        self.sensitivity = self._value

    def rates(self, sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return _recall(sums), _specificity(sums)


class PrecisionAtRecall(_AtValue):
    """The greatest TP / (TP + FP) over the thresholds at which TP / (TP + FN) >= recall.

    Parameters
    ----------
    recall : float
        In [0, 1].
    num_thresholds, class_id, name
        As in `SensitivityAtSpecificity`.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])
    0.5
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self._prepare(recall, "recall", num_thresholds, class_id)
        self.recall = self._value

    def rates(self, sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return _recall(sums), _precision(sums)


class RecallAtPrecision(_AtValue):
    """The greatest TP / (TP + FN) over the thresholds at which TP / (TP + FP) >= precision.

    Parameters
    ----------
    precision : float
        In [0, 1].
    num_thresholds, class_id, name
        As in `SensitivityAtSpecificity`.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.RecallAtPrecision(0.8)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self._prepare(precision, "precision", num_thresholds, class_id)
        self.precision = self._value

    def rates(self, sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return _precision(sums), _recall(sums)


class AUC(_Confusion):
    """The area under the curve of rates over thresholds in [0, 1].

    Parameters
    ----------
    num_thresholds : int
        At least 2, evenly spaced; the first is just below 0 and the last just above 1.
    curve : {"ROC", "PR"}
        True against false positive rate, or precision against recall.
    summation_method : {"interpolation", "minoring", "majoring"}
        The height between two thresholds: the mean of both (for "PR" the interpolation of Davis and
        Goadrich), the lower one or the higher one.
    name : str, optional
        Defaults to "auc".
    thresholds : list of float, optional
        In [0, 1], instead of the evenly spaced ones.
    multi_label : bool
        Whether to compute a separate curve for each output; the result is the mean of their areas.
    num_labels : int, optional
        With `multi_label`: the number of outputs; it is only checked.
    label_weights : list of float, optional
        The weight of each output: with `multi_label` in the mean of the areas, else in the counts.
    from_logits : bool
        Whether to apply a sigmoid to the outputs first.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
    0.75

    References
    ----------
    Davis and Goadrich, "The relationship between precision-recall and ROC curves", 2006. Keras: AUC.
    """

    direction = "up"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self.num_thresholds = _config.integer("num_thresholds", num_thresholds, 2, 2**20)
        upper = curve.upper() if isinstance(curve, str) else curve
        lower = summation_method.lower() if isinstance(summation_method, str) else summation_method
        self.curve = _config.choice("curve", upper, ("ROC", "PR"))
        self.summation_method = _config.choice(
            "summation_method", lower, ("interpolation", "minoring", "majoring")
        )
        self.multi_label = _config.boolean("multi_label", multi_label)
        self.from_logits = _config.boolean("from_logits", from_logits)
        self.num_labels = None if num_labels is None else _config.integer("num_labels", num_labels, 1)
        if num_labels is not None and not multi_label:
            raise _config.refusal("num_labels", "None without multi_label=True", num_labels)
        given = _thresholds(thresholds)
        self.thresholds = None if given is None else tuple(np.atleast_1d(given).tolist())
        n = self.num_thresholds
        inner = sorted(self.thresholds) if self.thresholds else (np.arange(1, n - 1) / (n - 1)).tolist()
        self._settle([-_EPSILON, *inner, 1.0 + _EPSILON])
        self._even = self.thresholds is None or _is_even([0.0, *inner, 1.0])
        self.label_weights: tuple[float, ...] | None = None
        if label_weights is not None:
            weights = _config.items("label_weights", label_weights, "a list of numbers, one for each output")
            self.label_weights = tuple(_config.number("label_weights", w, "[0, inf)") for w in weights)

    def check(self, shape: tuple[int, ...]) -> None:
        for name, given in (
            ("num_labels", self.num_labels),
            ("label_weights", self.label_weights and len(self.label_weights)),
        ):
            if given is not None and given != shape[-1]:
                raise ValueError(
                    f"{name} of metric {self.name!r} is for {given} outputs, but there are {shape[-1]}"
                )

    def increment(
        self, y: NDArray[np.float64], a: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        from nnc.reference import formulas

        self.check(a.shape)
        a = formulas.sigmoid(a) if self.from_logits else a
        w = np.ones_like(a) if weights is None else np.broadcast_to(weights[:, np.newaxis], a.shape)
        if not self.multi_label:
            w = w if self.label_weights is None else w * np.array(self.label_weights)
            return self._counts(y != 0, a, w)
        columns = [self._counts(y[:, [j]] != 0, a[:, [j]], w[:, [j]]) for j in range(a.shape[1])]
        return np.stack(columns, axis=-1)  # (4, thresholds, labels)

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        areas = self._areas(sums.reshape(4, len(self._at), -1))  # (labels,)
        if self.multi_label and self.label_weights is not None:
            weights = np.array(self.label_weights)
            return quotient((areas * weights).sum(keepdims=True), weights.sum(keepdims=True))
        return areas.mean()

    def _areas(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        tp, fp, tn, fn = sums
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated(tp, fp, fn)
        recall = quotient(tp, tp + fn)
        if self.curve == "ROC":
            x, y = quotient(fp, fp + tn), recall
        else:
            x, y = recall, quotient(tp, tp + fp)
        heights = {"interpolation": (y[:-1] + y[1:]) / 2, "minoring": np.minimum(y[:-1], y[1:])}
        height = heights.get(self.summation_method, np.maximum(y[:-1], y[1:]))
        return ((x[:-1] - x[1:]) * height).sum(axis=0)

    @staticmethod
    def _interpolated(
        tp: NDArray[np.float64], fp: NDArray[np.float64], fn: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Precision between two thresholds, assuming that TP is linear in P = TP + FP: with s = dTP / dP the
        area of the interval is s (dTP + c ln(P_i / P_i+1)) / (TP + FN), c = TP_i+1 - s P_i+1."""
        p = tp + fp
        gained, slope = tp[:-1] - tp[1:], quotient(tp[:-1] - tp[1:], np.maximum(p[:-1] - p[1:], 0.0))
        start = tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.where(both, quotient(p[:-1], p[1:]), 1.0)
        return quotient(slope * (gained + start * np.log(ratio)), np.maximum(tp[1:] + fn[1:], 0.0)).sum(
            axis=0
        )
