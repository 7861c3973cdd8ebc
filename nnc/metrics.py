"""Metrics: what is watched beside the loss, by the names of Keras; each an unweighted mean over the rows.

    >>> from nnc import losses, metrics
    >>> metrics.get("accuracy", loss=losses.SparseCategoricalCrossentropy(), n_outputs=10)
    SparseCategoricalAccuracy(name='accuracy')

The core computes them with the forward pass, on the model's outputs a.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnc import _config
from nnc._absent import no_attribute
from nnc.losses import Loss, batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


class Metric(_config.Config):
    """Base of the metrics: which formula of the core, on what targets.

    Attributes
    ----------
    name : str
        The key in History and in what evaluate returns.
    rule : str
        Of a class: the core's name of the formula.
    targets : {"ids", "rows", "any"}
        Of a class: what y_true holds when the metric is called by itself: class ids (n,), rows (n,
        n_outputs), or either.
    whole_rows : bool
        Of a class: whether a row of outputs is one distribution over the classes, compared with one class,
        so that the model's outputs must have one axis.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.get("mae")([[0.0], [0.0]], [[1.0], [3.0]])
    2.0
    """

    kind = "metric"
    saved = False
    rule = ""
    targets = "rows"
    whole_rows = False
    param = 0.0

    def __init__(self, name: str | None = None) -> None:
        self.name = _config.optional_name(name) or self.identifier

    def spec(self) -> dict[str, Any]:
        """The metric as a plan is told of it."""
        return {"name": self.rule, "param": self.param}

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike) -> float:
        """The metric's mean over the rows.

        Parameters
        ----------
        y_true : array-like
            Class ids (n,) or rows (n, n_outputs), as `targets` says.
        y_pred : array-like, (n, n_outputs)
            A model's outputs.
        """
        from nnc import _core

        return float(_core.metric(self.spec(), *batch(y_true, y_pred, self.targets)))

    @classmethod
    def names(cls) -> list[str]:
        """The family's names, and "accuracy", which `metrics.get` resolves."""
        return ["accuracy", *super().names()]


class BinaryAccuracy(Metric):
    """How often the side of the threshold is right: the mean over rows and outputs of [(a > threshold) = y].

    Parameters
    ----------
    name : str, optional
        "binary_accuracy" unless given.
    threshold : float
        In [0, 1] for probabilities; 0 for logits.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.BinaryAccuracy()([[1], [1], [0], [0]], [[0.9], [0.2], [0.1], [0.4]])
    0.75
    """

    rule = "binary_accuracy"

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        self.threshold = self.param = _config.number("threshold", threshold)


class CategoricalAccuracy(Metric):
    """How often the greatest output is that of the true class, for y as rows; of equals, the first.

    Parameters
    ----------
    name : str, optional
        "categorical_accuracy" unless given.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]])
    0.5
    """

    rule = "categorical_accuracy"
    whole_rows = True


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """How often the greatest output is that of the true class, for y as class ids; of equals, the first.

    Parameters
    ----------
    name : str, optional
        "sparse_categorical_accuracy" unless given.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.2, 0.8]])
    0.5
    """

    targets = "ids"


class TopKCategoricalAccuracy(Metric):
    """How often fewer than k outputs are above that of the true class, for y as rows.

    Parameters
    ----------
    k : int
        At least 1.
    name : str, optional
        "top_k_categorical_accuracy" unless given.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.TopKCategoricalAccuracy(k=2)([[0, 0, 1], [0, 0, 1]], [[0.5, 0.1, 0.4], [0.5, 0.3, 0.2]])
    0.5
    """

    rule = "top_k_categorical_accuracy"
    whole_rows = True

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = _config.integer("k", k, 1, _config.MAX_FEATURES)
        self.param = float(self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often fewer than k outputs are above that of the true class, for y as class ids.

    Parameters
    ----------
    k : int
        At least 1.
    name : str, optional
        "sparse_top_k_categorical_accuracy" unless given.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.SparseTopKCategoricalAccuracy(k=2)([2, 2], [[0.5, 0.1, 0.4], [0.5, 0.3, 0.2]])
    0.5
    """

    targets = "ids"


class MeanSquaredError(Metric):
    """The mean over rows and outputs of (a - y)^2.

    Parameters
    ----------
    name : str, optional
        "mean_squared_error" unless given.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.MeanSquaredError()([[0.0], [0.0]], [[1.0], [3.0]])
    5.0
    """

    aliases = ("mse",)
    rule = "mean_squared_error"


class MeanAbsoluteError(Metric):
    """The mean over rows and outputs of |a - y|.

    Parameters
    ----------
    name : str, optional
        "mean_absolute_error" unless given.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.MeanAbsoluteError()([[0.0], [0.0]], [[1.0], [3.0]])
    2.0
    """

    aliases = ("mae",)
    rule = "mean_absolute_error"


registry = _config.close(Metric, globals())


def get(
    identifier: str | Metric | type[Metric] | Mapping[str, Any],
    loss: Loss | None = None,
    n_outputs: int | None = None,
) -> Metric:
    """The metric that `identifier` means.

    Parameters
    ----------
    identifier : str, Metric, dict
        A name as in Keras, an object, its class or configuration. A metric that was named keeps the name as
        written: "mse" is the key "mse" in History.
    loss : Loss, optional
        The model's loss; "accuracy" and "acc" need it.
    n_outputs : int, optional
        The model's outputs; "accuracy" and "acc" need it.

    Notes
    -----
    "accuracy" is, as in Keras, BinaryAccuracy for one output, SparseCategoricalAccuracy for more outputs and
    a loss on class ids, CategoricalAccuracy otherwise. For one output and a loss on logits its threshold is
    0, where the probability is one half (Keras leaves 0.5).

    Examples
    --------
    >>> from nnc import losses, metrics
    >>> metrics.get("mae")
    MeanAbsoluteError(name='mae')
    >>> metrics.get("acc", loss=losses.BinaryCrossentropy(from_logits=True), n_outputs=1)
    BinaryAccuracy(name='acc', threshold=0.0)
    """
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
        """f(y_true, y_pred, **options): the value of each row, by the names in lower case, as in Keras."""
        found = Metric.in_lower_case(name)
        if found is None:
            raise no_attribute(__name__, name, globals())
        return functools.partial(_rows, found)


def _rows(cls: type[Metric], y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> NDArray[np.float64]:
    """The value of each row, float64 (n,)."""
    from nnc.reference import formulas

    metric = cls(**options)
    return formulas.metric_rows(metric.spec(), *batch(y_true, y_pred, metric.targets))
