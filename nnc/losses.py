"""Losses, the functions that training minimizes, with Keras's names; each is a mean over the batch.

    >>> from nnc import losses
    >>> losses.get("mse").get_config()
    {}

For row i with loss l_i and sample weight s_i (by default 1) the loss of a batch of B rows is
sum_i s_i l_i / B, Keras's "sum_over_batch_size". Targets are rows (n, n_outputs) or, if a class accepts them,
class ids (n,), which are equivalent to their one-hot rows. The formulas are implemented in the C core and, in
NumPy, in nnc.reference; a final softmax or sigmoid is fused with its cross-entropy there.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, Unpack

import numpy as np

from nnc import _arrays, _config
from nnc._absent import no_attribute

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


_OF_MODELS = ("sum_over_batch_size", "mean")
_REDUCTIONS = (*_OF_MODELS, "sum", "mean_with_sample_weight", "none")


class _LossOptions(TypedDict, total=False):
    """The keyword arguments that every loss takes; `Loss` documents them."""

    name: str | None
    reduction: str | None
    axis: int
    dtype: str | None


class Loss(_config.Config):
    """Base class of the losses: the formula of the core and the kind of targets.

    Parameters
    ----------
    name : str, optional
        Any name; nnc does not use it.
    reduction : str or None
        How a call reduces the losses of the rows: "sum_over_batch_size" or "mean", sum_i s_i l_i / B; "sum",
        sum_i s_i l_i; "mean_with_sample_weight", sum_i s_i l_i / sum_i s_i; "none" or None, the array of
        s_i l_i. Models are trained with the first.
    axis : int
        Must be -1, the last axis.
    dtype : {None, "float32"}
        nnc computes in float32.

    Attributes
    ----------
    rule : str
        Class attribute: the core's name of the formula.
    targets : {"ids", "rows", "any"}
        Class attribute: whether y_true holds class ids (n,), rows (n, n_outputs), or either.
    target_range : (float, float)
        Class attribute: the lowest and highest value allowed in rows of y_true.
    whole_rows : bool
        Class attribute: whether a row of outputs is one distribution over the classes, compared with one
        class, which requires the model's outputs to have a single axis.
    probabilities : bool
        Class attribute: whether the outputs are probabilities, unless they are logits.

    Examples
    --------
    >>> from nnc import losses
    >>> loss = losses.get("mse")
    >>> loss([[0.0], [0.0]], [[1.0], [3.0]])
    5.0
    >>> loss([[0.0], [0.0]], [[1.0], [3.0]], sample_weight=[1.0, 0.0])
    0.5
    """

    kind = "loss"
    saved = False
    rule = ""
    targets = "rows"
    target_range: tuple[float, float] = (-math.inf, math.inf)
    whole_rows = False
    probabilities = False
    from_logits = False
    label_smoothing = 0.0
    param = 0.0
    added: ClassVar[Mapping[str, object]] = {"reduction": "sum_over_batch_size"}

    def __init__(
        self,
        *,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        dtype: str | None = None,
    ) -> None:
        _config.choice("dtype", dtype, (None, "float32"))
        self.name = _config.optional_name(name) or self.identifier
        self.reduction = _config.choice("reduction", reduction, (*_REDUCTIONS, None)) or "none"
        _config.choice("axis", axis, (-1,))

    def spec(self) -> dict[str, Any] | Any:  # Any: FunctionLoss returns None, no other loss does
        """The description of the loss that is passed to a plan.

        Examples
        --------
        >>> from nnc import losses
        >>> losses.Huber(delta=2.0).spec()
        {'name': 'huber', 'from_logits': False, 'label_smoothing': 0.0, 'param': 2.0}
        """
        return {
            "name": self.rule,
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "param": self.param,
        }

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Return the loss of a batch.

        Parameters
        ----------
        y_true : array-like
            Class ids (n,) or rows (n, n_outputs), as `targets` specifies.
        y_pred : array-like, (n, n_outputs)
            A model's outputs.
        sample_weight : array-like, (n,), or float, optional
            The weight of each row, or one weight for all rows.

        Returns
        -------
        float, or float64 (n,) with reduction="none"
        """
        if self.reduction in _OF_MODELS:
            return self.value_and_gradient(y_true, y_pred, sample_weight)[0]
        values = self._values(y_true, y_pred)
        given = _weights(sample_weight, len(values))
        weights = np.ones(len(values)) if given is None else given
        if self.reduction == "none":
            return values * weights
        total = float(values @ weights)
        return total if self.reduction == "sum" else total / max(float(weights.sum()), 1e-7)

    def _values(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """The loss of each row."""
        from nnc.reference import formulas

        if self.spec() is None:
            raise ValueError(f"reduction must be 'sum_over_batch_size' for {type(self).__name__}")
        y, a = batch(y_true, y_pred, self.targets, self.target_range)
        rows = formulas.target_rows(y, a.shape)
        values, _ = formulas.LOSSES[self.rule](self.spec(), rows, a.astype(np.float64))
        return values

    def check_trainable(self) -> None:
        """Raise a ValueError if a model cannot be trained with this reduction.

        Examples
        --------
        >>> from nnc import losses
        >>> losses.MeanSquaredError().check_trainable()
        >>> losses.MeanSquaredError(reduction="sum").check_trainable()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: a model is trained with a mean over the batch, ... got 'sum' of MeanSquaredError
        """
        if self.reduction not in _OF_MODELS:
            raise ValueError(
                f"a model is trained with a mean over the batch, reduction='sum_over_batch_size', got "
                f"{self.reduction!r} of {type(self).__name__}"
            )

    def value_and_gradient(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, NDArray[np.float32]]:
        """Return the loss of a batch and its gradient with respect to `y_pred`, float32 (n, n_outputs).

        Examples
        --------
        >>> from nnc import losses
        >>> losses.MeanSquaredError().value_and_gradient([[0.0, 1.0]], [[2.0, 1.0]])
        (2.0, array([[2., 0.]], dtype=float32))
        """
        from nnc import _core

        spec = self.spec()
        if spec is None:
            raise NotImplementedError(f"{type(self).__name__} has neither a spec nor a value_and_gradient")
        y, a = batch(y_true, y_pred, self.targets, self.target_range)
        value, gradient = _core.loss(spec, y, a, _weights(sample_weight, len(a)))
        return float(value), gradient


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

    def __init__(self, delta: float = 1.0, **options: Unpack[_LossOptions]) -> None:
        super().__init__(**options)
        self.delta = self.param = _config.number("delta", delta, "(0, inf)")


class _Crossentropy(Loss):
    """Common options of the cross-entropies on rows: logits and label smoothing."""

    saved = False
    probabilities = True

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, **options: Unpack[_LossOptions]
    ) -> None:
        super().__init__(**options)
        self.from_logits = _config.boolean("from_logits", from_logits)
        self.label_smoothing = _config.number("label_smoothing", label_smoothing, "[0, 1]")


class BinaryCrossentropy(_Crossentropy):
    """l = mean_j -(y_j log p_j + (1 - y_j) log(1 - p_j)), p = a, or sigmoid(a) if the outputs are logits.

    Parameters
    ----------
    from_logits : bool
        Whether the outputs are logits. If not, they are probabilities, clipped to [1e-7, 1 - 1e-7]; those of
        a final sigmoid are not clipped, as the loss is then computed from the sigmoid's argument.
    label_smoothing : float
        s in [0, 1]: y becomes y (1 - s) + s / 2.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.BinaryCrossentropy(from_logits=True)([[1.0]], [[0.0]]), 6)
    0.693147
    """

    aliases = ("bce",)
    rule = "binary_crossentropy"
    target_range = (0.0, 1.0)


class CategoricalCrossentropy(_Crossentropy):
    """l = -sum_j y_j log p_j, p = a, or softmax(a) if the outputs are logits; y are rows, such as one-hot.

    Parameters
    ----------
    from_logits : bool
        Whether the outputs are logits. If not, they are probabilities, clipped to [1e-7, 1 - 1e-7]; those of
        a final softmax are not clipped, as the loss is then computed from the softmax's argument.
    label_smoothing : float
        s in [0, 1]: y becomes y (1 - s) + s / n_outputs.
    normalize : bool
        Whether each row of probabilities is first divided by its sum, as in Keras. (False, which Keras does
        not have, uses them unchanged.)

    Examples
    --------
    >>> from nnc import losses
    >>> y_true, y_pred = [[0, 1, 0]], [[0.05, 0.51, 0.18]]
    >>> round(losses.CategoricalCrossentropy()(y_true, y_pred), 6)
    0.372239
    >>> round(losses.CategoricalCrossentropy(normalize=False)(y_true, y_pred), 6)
    0.673345
    """

    aliases = ("cce",)
    added: ClassVar[Mapping[str, object]] = {"normalize": True}
    rule = "categorical_crossentropy"
    whole_rows = True

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        *,
        normalize: bool = True,
        **options: Unpack[_LossOptions],
    ) -> None:
        super().__init__(from_logits, label_smoothing, **options)
        self.normalize = _config.boolean("normalize", normalize)
        self.param = float(self.normalize)


class SparseCategoricalCrossentropy(Loss):
    """l = -log p_t for the class id t, p = a, or softmax(a) if the outputs are logits.

    Parameters
    ----------
    from_logits, normalize : bool
        As in `CategoricalCrossentropy`.

    Examples
    --------
    >>> from nnc import losses
    >>> outputs = [[0.65, 0.43, 0.11], [0.05, 0.51, 0.18], [0.33, 0.21, 0.72]]
    >>> round(losses.SparseCategoricalCrossentropy()([0, 1, 2], outputs), 5)
    0.5122
    >>> round(losses.SparseCategoricalCrossentropy(normalize=False)([0, 1, 2], outputs), 5)
    0.47754
    """

    aliases = ("scce",)
    rule = "categorical_crossentropy"
    whole_rows = True
    targets = "ids"
    probabilities = True
    added: ClassVar[Mapping[str, object]] = {"normalize": True}

    def __init__(
        self,
        from_logits: bool = False,
        *,
        normalize: bool = True,
        ignore_class: None = None,
        **options: Unpack[_LossOptions],
    ) -> None:
        super().__init__(**options)
        self.normalize = _config.boolean("normalize", normalize)
        self.param = float(self.normalize)
        self.from_logits = _config.boolean("from_logits", from_logits)
        if ignore_class is not None:
            raise _config.refusal("ignore_class", "None (give those rows the sample weight 0)", ignore_class)


class Poisson(Loss):
    """l = mean_j (a_j - y_j log(a_j + 1e-7)), for counts y and rates a.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.Poisson()([[2.0]], [[1.0]]), 6)
    1.0
    """

    rule = "poisson"


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


class MarginHinge(Loss):
    """l = sum over j != t of max(0, margin - a_t + a_j), t the class id, or the argmax of the target row.

    Parameters
    ----------
    margin : float
        By how much the output of the true class must exceed the others, at least 0.

    Examples
    --------
    >>> from nnc import losses
    >>> losses.MarginHinge(margin=5.0)([0], [[7.0, 3.0, 1.0]])
    1.0

    References
    ----------
    Weston and Watkins, "Support vector machines for multi-class pattern recognition", 1999. PyTorch:
    nn.MultiMarginLoss, which divides by the number of classes.
    """

    rule = "margin_hinge"
    whole_rows = True
    targets = "any"

    def __init__(self, margin: float = 1.0, **options: Unpack[_LossOptions]) -> None:
        super().__init__(**options)
        self.margin = self.param = _config.number("margin", margin, "[0, inf)")


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


class Hinge(Loss):
    """l = mean_j max(0, 1 - y_j a_j), for y of -1 and 1; 0 is treated as -1.

    Examples
    --------
    >>> from nnc import losses
    >>> losses.Hinge()([[0.0, 1.0]], [[0.5, 0.5]])
    1.0
    """

    rule = "hinge"


class SquaredHinge(Loss):
    """l = mean_j max(0, 1 - y_j a_j)^2, for y of -1 and 1; 0 is treated as -1.

    Examples
    --------
    >>> from nnc import losses
    >>> losses.SquaredHinge()([[0.0, 1.0]], [[0.5, 0.5]])
    1.25
    """

    rule = "squared_hinge"


class CategoricalHinge(Loss):
    """l = max(0, 1 - sum_j y_j a_j + max_j (1 - y_j) a_j), for y as one-hot rows.

    Examples
    --------
    >>> from nnc import losses
    >>> losses.CategoricalHinge()([[0, 1, 0]], [[0.5, 1.0, 0.0]])
    0.5
    """

    rule = "categorical_hinge"
    whole_rows = True


class KLDivergence(Loss):
    """l = sum_j y_j log(y_j / a_j), y and a clipped to [1e-7, 1].

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]), 6)
    0.143841
    """

    identifier = "kl_divergence"
    aliases = ("kld", "kullback_leibler_divergence")
    rule = "kl_divergence"
    probabilities = True
    target_range = (0.0, 1.0)


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


class BinaryFocalCrossentropy(_Crossentropy):
    """l = mean_j w_j q_j^gamma c_j, c the binary cross-entropy and q_j = y_j (1 - p_j) + (1 - y_j) p_j.

    Outputs that are already correct contribute little.

    Parameters
    ----------
    apply_class_balancing : bool
        Whether w_j is alpha where y_j is 1 and 1 - alpha where it is 0, instead of 1.
    alpha : float
        In [0, 1].
    gamma : float
        At least 0; with 0 the loss is the cross-entropy.
    from_logits, label_smoothing
        As in `BinaryCrossentropy`.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.BinaryFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]), 6)
    0.173287

    References
    ----------
    Lin et al., "Focal loss for dense object detection", 2017. Keras: BinaryFocalCrossentropy.
    """

    rule = "binary_focal_crossentropy"
    target_range = (0.0, 1.0)

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        **options: Unpack[_LossOptions],
    ) -> None:
        super().__init__(from_logits, label_smoothing, **options)
        self.apply_class_balancing = _config.boolean("apply_class_balancing", apply_class_balancing)
        self.alpha = _config.number("alpha", alpha, "[0, 1]")
        self.gamma = self.param = _config.number("gamma", gamma, "[0, inf)")

    def spec(self) -> dict[str, Any]:
        of_0, of_1 = (1.0 - self.alpha, self.alpha) if self.apply_class_balancing else (1.0, 1.0)
        return super().spec() | {"of_0": of_0, "of_1": of_1}


class CategoricalFocalCrossentropy(_Crossentropy):
    """l = -alpha sum_j y_j (1 - p_j)^gamma log p_j, p = a / sum a, or softmax(a) of logits; y are rows.

    Parameters
    ----------
    alpha : float
        In [0, 1], the same for all classes.
    gamma : float
        At least 0; with 0 the loss is alpha times the cross-entropy.
    from_logits, label_smoothing
        As in `CategoricalCrossentropy`.

    Examples
    --------
    >>> from nnc import losses
    >>> round(losses.CategoricalFocalCrossentropy()([[0, 1]], [[0.5, 0.5]]), 6)
    0.043322

    References
    ----------
    Lin et al., "Focal loss for dense object detection", 2017. Keras: CategoricalFocalCrossentropy.
    """

    rule = "categorical_focal_crossentropy"
    whole_rows = True

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        **options: Unpack[_LossOptions],
    ) -> None:
        super().__init__(from_logits, label_smoothing, **options)
        self.alpha = _config.number("alpha", alpha, "[0, 1]")
        self.gamma = self.param = _config.number("gamma", gamma, "[0, inf)")

    def spec(self) -> dict[str, Any]:
        return super().spec() | {"of_1": self.alpha}


class FunctionLoss(Loss):
    """A loss written in Python: f(y_true, y_pred) -> (value, gradient).

    Parameters
    ----------
    function : callable
        Given y_true (n, ...) and y_pred (n, n_outputs), returns the value and its gradient with respect to
        y_pred (n, n_outputs). The value is either a number, the loss of the batch, or an array (n,) with the
        loss of each row; each row of the gradient is then the gradient of that row's loss, and nnc weights
        the rows and takes the mean of both.

    Notes
    -----
    A model that was compiled with such a loss can be saved, but the loss is not: files contain no code.

    Examples
    --------
    >>> from nnc import losses
    >>> def half_square(y_true, y_pred):
    ...     error = y_pred - y_true
    ...     return 0.5 * (error**2).sum(axis=1), error
    >>> loss = losses.get(half_square)
    >>> loss([[0.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 3.0]])
    1.25
    """

    saved = False
    targets = "any"

    def __init__(self, function: Callable[..., Any], **options: Unpack[_LossOptions]) -> None:
        super().__init__(**options)
        if not callable(function):
            raise _config.refusal("function", "callable", function, TypeError)
        self.function = function
        self.name = getattr(function, "__name__", self.identifier)

    def spec(self) -> None:
        """None: a plan does not know the function, it is passed the gradient."""
        return None

    def value_and_gradient(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float, NDArray[np.float32]]:
        """As for every loss; the function receives `y_true` and `y_pred` as arrays."""
        a = _outputs(y_pred)
        n, called = len(a), f"the loss {self.name}"
        result = self.function(np.asarray(y_true), a)
        if not isinstance(result, tuple) or len(result) != 2:
            refused = _config.refusal(
                f"the result of {called}", "a tuple (value, gradient)", result, TypeError
            )
            raise TypeError(f"{refused}; nnc does not differentiate Python code, so return both")
        value, gradient = np.asarray(result[0], dtype=np.float64), np.asarray(result[1], dtype=np.float64)
        if gradient.shape != a.shape:
            raise ValueError(f"{called} must return a gradient of shape {a.shape}, got {gradient.shape}")
        if value.shape not in {(), (n,)}:
            raise ValueError(f"{called} must return a number or an array of shape {(n,)}, got {value.shape}")
        if value.shape == (n,):
            given = _weights(sample_weight, n)
            weight = np.ones(n) if given is None else given
            value = (weight * value).sum() / n
            gradient = weight[:, np.newaxis] * gradient / n
        elif sample_weight is not None:
            raise ValueError(f"sample_weight needs each row's loss: {called} must return it in shape {(n,)}")
        return float(value), gradient.astype(np.float32)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionLoss) and self.function is other.function

    def __hash__(self) -> int:
        return hash(self.function)


registry = _config.close(Loss, globals())


def get(identifier: str | Loss | type[Loss] | Mapping[str, Any] | Callable[..., Any]) -> Loss:
    """Return the loss for `identifier`.

    Parameters
    ----------
    identifier : str, Loss, dict or callable
        A name as in Keras ("mse", "sparse_categorical_crossentropy", ...), an object, its class or
        configuration, or a Python function that returns value and gradient (see `FunctionLoss`).

    Examples
    --------
    >>> from nnc import losses
    >>> losses.get("categorical_crossentropy")
    CategoricalCrossentropy()
    """
    if callable(identifier) and not isinstance(identifier, Loss | type):
        return FunctionLoss(identifier)
    return Loss.get(identifier)


def batch(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    wanted: str,
    target_range: tuple[float, float] = (-math.inf, math.inf),
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Return (y, a) as the core's losses and metrics take them, for targets "ids", "rows" or "any".

    Examples
    --------
    >>> from nnc import losses
    >>> y, a = losses.batch([1, 0], [[0.1, 0.9], [0.8, 0.2]], "ids")
    >>> y.tolist(), a.dtype
    ([1, 0], dtype('float32'))
    """
    a = _outputs(y_pred)
    y = _arrays.targets(y_true, "y_true", wanted, a.shape[1:], target_range)
    if len(y) != len(a):
        raise ValueError(f"y_true has {len(y)} rows but y_pred has {len(a)}")
    return y, a


def _outputs(y_pred: ArrayLike) -> NDArray[np.float32]:
    a = _arrays.as_numbers(y_pred, "y_pred")
    if a.ndim != 2 or a.size == 0:
        raise ValueError(f"y_pred must have the shape (n, n_outputs), both above 0, got {a.shape}")
    return np.require(_arrays.to_float(a, "y_pred"), requirements=("C", "A"))


def _weights(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float32] | None:
    if isinstance(sample_weight, Real):  # one weight for all rows, as in Keras
        sample_weight = np.full(n, sample_weight, np.float32)
    weights = _arrays.sample_weights(sample_weight)
    if weights is not None and len(weights) != n:
        raise ValueError(f"sample_weight has {len(weights)} rows but y_pred has {n}")
    return weights


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """f(y_true, y_pred, **options): the value of each row, under Keras's lower-case name of the loss."""
        found = Loss.in_lower_case(name)
        if found is None:
            raise no_attribute(__name__, name, globals())
        return functools.partial(_rows, found)


def _rows(cls: type[Loss], y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> NDArray[np.float64]:
    """The value of each row, float64 (n,)."""
    return cls(**options)._values(y_true, y_pred)
