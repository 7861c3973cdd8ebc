"""Metrics: values that are monitored in addition to the loss, with Keras's names.

    >>> from nnc import losses, metrics
    >>> metrics.get("accuracy", loss=losses.SparseCategoricalCrossentropy(), n_outputs=10)
    SparseCategoricalAccuracy(name='accuracy')

Metrics that are means over the rows of a formula in the core are computed there with the forward pass, from
the model's outputs a; all others, user-defined ones included, are passed the outputs batch by batch. The
`metrics` of `Sequential.compile` ignore sample weights, its `weighted_metrics` use them. Used directly:

    >>> auc = metrics.AUC()
    >>> auc.update_state([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
    >>> auc.result()
    0.75
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nnc import _config
from nnc._absent import no_attribute
from nnc.losses import Loss, batch
from nnc.metrics.base import FunctionMetric, Metric, MetricVariable
from nnc.metrics.counts import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from nnc.metrics.means import (
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanOfRows,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    TopKCategoricalAccuracy,
)
from nnc.metrics.scores import F1Score, FBetaScore, R2Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

MeanMetricWrapper = FunctionMetric

__all__ = [
    "AUC",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "FunctionMetric",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "MetricVariable",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "get",
    "registry",
]

registry = _config.close(Metric, globals())


def get(
    identifier: str | Metric | type[Metric] | Mapping[str, Any] | Callable[..., Any],
    loss: Loss | None = None,
    n_outputs: int | None = None,
) -> Metric:
    """Return the metric for `identifier`.

    Parameters
    ----------
    identifier : str, Metric, dict or callable
        A name as in Keras, an object, its class or configuration, or a function of y_true and y_pred (see
        `FunctionMetric`), also of this module, such as `metrics.mean_absolute_error`. A metric given by name
        keeps that name: "mse" has the key "mse" in History.
    loss : Loss, optional
        The model's loss; required for "accuracy" and "acc".
    n_outputs : int, optional
        The number of the model's outputs; required for "accuracy" and "acc".

    Returns
    -------
    Metric

    Notes
    -----
    As in Keras, "accuracy" is BinaryAccuracy for one output, SparseCategoricalAccuracy for several outputs
    and a loss on class ids, CategoricalAccuracy otherwise. For one output and a loss on logits the threshold
    is 0, where the probability is one half (Keras uses 0.5).

    Examples
    --------
    >>> from nnc import losses, metrics
    >>> metrics.get("mae")
    MeanAbsoluteError(name='mae')
    >>> metrics.get("acc", loss=losses.BinaryCrossentropy(from_logits=True), n_outputs=1)
    BinaryAccuracy(name='acc', threshold=0.0)
    """
    if isinstance(identifier, functools.partial) and not identifier.keywords:
        # one of this module's or of nnc.losses' functions, such as mean_absolute_error
        name = getattr(identifier, "__name__", "")
        identifier = name if Metric.in_lower_case(name) else identifier
    if callable(identifier) and not isinstance(identifier, Metric | type):
        return FunctionMetric(identifier)
    if not isinstance(identifier, str):
        return Metric.get(identifier)
    if identifier in ("accuracy", "acc"):
        return _accuracy(identifier, loss, n_outputs)
    metric = Metric.get(identifier)
    metric.name = identifier
    return metric


def _accuracy(name: str, loss: Loss | None, n_outputs: int | None) -> Metric:
    if loss is None or n_outputs is None:
        raise ValueError(
            f"metric {name!r} depends on the loss and the model's outputs: compile with a loss, or name "
            "one of BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy"
        )
    if n_outputs == 1:
        return BinaryAccuracy(name, threshold=0.0 if loss.from_logits else 0.5)
    return CategoricalAccuracy(name) if loss.targets == "rows" else SparseCategoricalAccuracy(name)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """f(y_true, y_pred, **options): the value of each row, under Keras's lower-case name."""
        found = Metric.in_lower_case(name)
        if found is None or not issubclass(found, MeanOfRows):
            raise no_attribute(__name__, name, globals())
        function = functools.partial(_rows, found)
        function.__name__ = name
        return function


def _rows(cls: type[MeanOfRows], y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> NDArray[np.float64]:
    """The value of each row, float64 (n,)."""
    from nnc.reference import formulas

    metric = cls(**options)
    y, a = batch(y_true, y_pred, metric.targets)
    return metric.rows(formulas.target_rows(y, a.shape), a.astype(float))
