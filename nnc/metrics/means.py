"""Metrics that are means over the rows: those computed in the core, and those with the formula of a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnc import _config, losses
from nnc.metrics.base import Summed

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MeanOfRows(Summed):
    """The mean over the rows of a formula in the core."""

    saved = False

    def rows(self, y: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value of each row (n,)."""
        from nnc.reference import formulas

        return formulas.METRICS[self.rule](y, a, self.param)

    def increment(
        self, y: NDArray[np.float64], a: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        values = self.rows(y, a)
        if weights is None:
            return np.array([values.sum(), len(values)])
        return np.array([(weights * values).sum(), weights.sum()])

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        return sums[0] / sums[1] if sums[1] else 0.0

    @property
    def in_core(self) -> bool:
        return bool(self.rule) and self._is_plain


class BinaryAccuracy(MeanOfRows):
    """The accuracy of thresholded outputs: the mean over rows and outputs of [(a > threshold) = y].

    Parameters
    ----------
    name : str, optional
        Defaults to "binary_accuracy".
    threshold : float
        In [0, 1] for probabilities; 0 for logits.

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.BinaryAccuracy()([[1], [1], [0], [0]], [[0.9], [0.2], [0.1], [0.4]])
    0.75
    """

    direction = "up"
    rule = "binary_accuracy"

    def __init__(self, name: str | None = None, threshold: float = 0.5, *, dtype: str | None = None) -> None:
        super().__init__(name, dtype=dtype)
        self.threshold = self.param = _config.number("threshold", threshold)


class CategoricalAccuracy(MeanOfRows):
    """How often the largest output is that of the true class, for y as rows; of equal ones, the first.

    Parameters
    ----------
    name : str, optional
        Defaults to "categorical_accuracy".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]])
    0.5
    """

    direction = "up"
    rule = "categorical_accuracy"
    whole_rows = True


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """How often the largest output is that of the true class, for y as class ids; of equal ones, the first.

    Parameters
    ----------
    name : str, optional
        Defaults to "sparse_categorical_accuracy".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.2, 0.8]])
    0.5
    """

    targets = "ids"


class TopKCategoricalAccuracy(MeanOfRows):
    """How often fewer than k outputs are above that of the true class, for y as rows.

    Parameters
    ----------
    k : int
        At least 1.
    name : str, optional
        Defaults to "top_k_categorical_accuracy".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.TopKCategoricalAccuracy(k=2)([[0, 0, 1], [0, 0, 1]], [[0.5, 0.1, 0.4], [0.5, 0.3, 0.2]])
    0.5
    """

    direction = "up"
    rule = "top_k_categorical_accuracy"
    whole_rows = True

    def __init__(self, k: int = 5, name: str | None = None, *, dtype: str | None = None) -> None:
        super().__init__(name, dtype=dtype)
        self.k = _config.integer("k", k, 1, _config.MAX_FEATURES)
        self.param = float(self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often fewer than k outputs are above that of the true class, for y as class ids.

    Parameters
    ----------
    k : int
        At least 1.
    name : str, optional
        Defaults to "sparse_top_k_categorical_accuracy".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.SparseTopKCategoricalAccuracy(k=2)([2, 2], [[0.5, 0.1, 0.4], [0.5, 0.3, 0.2]])
    0.5
    """

    targets = "ids"


class MeanSquaredError(MeanOfRows):
    """The mean over rows and outputs of (a - y)^2.

    Parameters
    ----------
    name : str, optional
        Defaults to "mean_squared_error".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.MeanSquaredError()([[0.0], [0.0]], [[1.0], [3.0]])
    5.0
    """

    aliases = ("mse",)
    direction = "down"
    rule = "mean_squared_error"


class MeanAbsoluteError(MeanOfRows):
    """The mean over rows and outputs of |a - y|.

    Parameters
    ----------
    name : str, optional
        Defaults to "mean_absolute_error".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.MeanAbsoluteError()([[0.0], [0.0]], [[1.0], [3.0]])
    2.0
    """

    aliases = ("mae",)
    direction = "down"
    rule = "mean_absolute_error"


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean over rows and outputs of (a - y)^2.

    Parameters
    ----------
    name : str, optional
        Defaults to "root_mean_squared_error".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.RootMeanSquaredError()([[0.0], [0.0]], [[1.0], [7.0]])
    5.0
    """

    aliases = ("rmse",)

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        return np.sqrt(super().of_sums(sums))

    @property
    def in_core(self) -> bool:
        return False  # the core computes the mean, not its root


class _MeanLoss(MeanOfRows):
    """The mean over the rows of a loss, weighted only by the sample weights."""

    saved = False
    direction = "down"
    of: ClassVar[type[losses.Loss]]
    sign: ClassVar[float] = 1.0

    def loss(self) -> losses.Loss:
        """The loss, created with the metric's arguments."""
        return self.of()

    def rows(self, y: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
        from nnc.reference import formulas

        loss = self.loss()
        return self.sign * formulas.LOSSES[loss.rule](loss.spec(), y, a)[0]


class MeanAbsolutePercentageError(_MeanLoss):
    """The mean over rows and outputs of 100 |a - y| / max(|y|, 1e-7).

    Parameters
    ----------
    name : str, optional
        Defaults to "mean_absolute_percentage_error".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 5.0]])
    37.5
    """

    aliases = ("mape",)
    of: ClassVar[type[losses.Loss]] = losses.MeanAbsolutePercentageError


class MeanSquaredLogarithmicError(_MeanLoss):
    """The mean over rows and outputs of (log(1 + a) - log(1 + y))^2, negative a and y treated as 0.

    Parameters
    ----------
    name : str, optional
        Defaults to "mean_squared_logarithmic_error".

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.MeanSquaredLogarithmicError()([[0.0]], [[1.0]]), 6)
    0.480453
    """

    aliases = ("msle",)
    of: ClassVar[type[losses.Loss]] = losses.MeanSquaredLogarithmicError


class LogCoshError(_MeanLoss):
    """The mean over rows and outputs of log(cosh(a - y)).

    Parameters
    ----------
    name : str, optional
        Defaults to "logcosh".

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.LogCoshError()([[0.0]], [[1.0]]), 6)
    0.433781
    """

    identifier = "logcosh"
    aliases = ("log_cosh",)
    of: ClassVar[type[losses.Loss]] = losses.LogCosh


class Poisson(_MeanLoss):
    """The mean over rows and outputs of a - y log(a + 1e-7).

    Parameters
    ----------
    name : str, optional
        Defaults to "poisson".

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.Poisson()([[2.0]], [[1.0]]), 6)
    1.0
    """

    of: ClassVar[type[losses.Loss]] = losses.Poisson


class KLDivergence(_MeanLoss):
    """The mean over the rows of sum_j y_j log(y_j / a_j), y and a clipped to [1e-7, 1].

    Parameters
    ----------
    name : str, optional
        Defaults to "kl_divergence".

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]), 6)
    0.143841
    """

    identifier = "kl_divergence"
    aliases = ("kld", "kullback_leibler_divergence")
    of: ClassVar[type[losses.Loss]] = losses.KLDivergence


class Hinge(_MeanLoss):
    """The mean over rows and outputs of max(0, 1 - y a), for y of -1 and 1; 0 is treated as -1.

    Parameters
    ----------
    name : str, optional
        Defaults to "hinge".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.Hinge()([[0.0, 1.0]], [[0.5, 0.5]])
    1.0
    """

    of: ClassVar[type[losses.Loss]] = losses.Hinge


class SquaredHinge(_MeanLoss):
    """The mean over rows and outputs of max(0, 1 - y a)^2, for y of -1 and 1; 0 is treated as -1.

    Parameters
    ----------
    name : str, optional
        Defaults to "squared_hinge".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.SquaredHinge()([[0.0, 1.0]], [[0.5, 0.5]])
    1.25
    """

    of: ClassVar[type[losses.Loss]] = losses.SquaredHinge


class CategoricalHinge(_MeanLoss):
    """The mean over the rows of max(0, 1 - sum_j y_j a_j + max_j (1 - y_j) a_j), for y as one-hot rows.

    Parameters
    ----------
    name : str, optional
        Defaults to "categorical_hinge".

    Examples
    --------
    >>> from nnc import metrics
    >>> metrics.CategoricalHinge()([[0, 1, 0]], [[0.5, 1.0, 0.0]])
    0.5
    """

    whole_rows = True
    of: ClassVar[type[losses.Loss]] = losses.CategoricalHinge


class CosineSimilarity(_MeanLoss):
    """The mean over the rows of sum_j y_j a_j / (|y| |a|): 1 if both point in the same direction.

    Parameters
    ----------
    name : str, optional
        Defaults to "cosine_similarity".
    axis : int
        Must be -1, the last axis.

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.CosineSimilarity()([[0.0, 1.0]], [[3.0, 4.0]]), 6)
    0.8
    """

    direction = "up"
    whole_rows = True
    of: ClassVar[type[losses.Loss]] = losses.CosineSimilarity
    sign = -1.0

    def __init__(self, name: str | None = None, *, axis: int = -1, dtype: str | None = None) -> None:
        super().__init__(name, dtype=dtype)
        _config.choice("axis", axis, (-1,))


class BinaryCrossentropy(_MeanLoss):
    """The mean over rows and outputs of -(y log p + (1 - y) log(1 - p)); see `losses.BinaryCrossentropy`.

    Parameters
    ----------
    name : str, optional
        Defaults to "binary_crossentropy".
    from_logits, label_smoothing
        As for the loss.

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.BinaryCrossentropy()([[1.0]], [[0.5]]), 6)
    0.693147
    """

    aliases = ("bce",)
    of: ClassVar[type[losses.Loss]] = losses.BinaryCrossentropy

    def __init__(
        self,
        name: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        *,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype=dtype)
        self.from_logits = _config.boolean("from_logits", from_logits)
        self.label_smoothing = _config.number("label_smoothing", label_smoothing, "[0, 1]")

    def loss(self) -> losses.Loss:
        return self.of.from_config({"from_logits": self.from_logits, "label_smoothing": self.label_smoothing})


class CategoricalCrossentropy(BinaryCrossentropy):
    """The mean over the rows of -sum_j y_j log p_j, y as rows; see `losses.CategoricalCrossentropy`.

    Parameters
    ----------
    name : str, optional
        Defaults to "categorical_crossentropy".
    from_logits, label_smoothing
        As for the loss.

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.CategoricalCrossentropy()([[0, 1]], [[0.5, 0.5]]), 6)
    0.693147
    """

    aliases = ("cce",)
    whole_rows = True
    of: ClassVar[type[losses.Loss]] = losses.CategoricalCrossentropy


class SparseCategoricalCrossentropy(_MeanLoss):
    """The mean over the rows of -log p_t for the class id t; see `losses.SparseCategoricalCrossentropy`.

    Parameters
    ----------
    name : str, optional
        Defaults to "sparse_categorical_crossentropy".
    from_logits : bool
        As for the loss.

    Examples
    --------
    >>> from nnc import metrics
    >>> round(metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]), 6)
    0.693147
    """

    aliases = ("scce",)
    targets = "ids"
    whole_rows = True
    of: ClassVar[type[losses.Loss]] = losses.SparseCategoricalCrossentropy

    def __init__(
        self, name: str | None = None, from_logits: bool = False, *, dtype: str | None = None
    ) -> None:
        super().__init__(name, dtype=dtype)
        self.from_logits = _config.boolean("from_logits", from_logits)

    def loss(self) -> losses.Loss:
        return self.of.from_config({"from_logits": self.from_logits})
