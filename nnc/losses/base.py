"""The base class of the losses, and losses written in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, Unpack

import numpy as np

from nnc import _arrays, _config

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


_OF_MODELS = ("sum_over_batch_size", "mean")
_REDUCTIONS = (*_OF_MODELS, "sum", "mean_with_sample_weight", "none")


class LossOptions(TypedDict, total=False):
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
    target_range: tuple[float, float] = _arrays.UNBOUNDED
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

        Returns
        -------
        dict, or the FunctionLoss itself

        Examples
        --------
        >>> from nnc import losses
        >>> losses.Huber(delta=2.0).spec()
        {'name': 'huber', 'from_logits': False, 'label_smoothing': 0.0, 'param': 2.0}
        """
        bounded = self.target_range != _arrays.UNBOUNDED
        return {
            "name": self.rule,
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "param": self.param,
        } | ({"target_range": self.target_range} if bounded else {})

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Return the loss of a batch.

        Parameters
        ----------
        y_true : array-like
            Class ids (n, ...) or rows (n, ..., n_outputs), as `targets` specifies.
        y_pred : array-like, (n, ..., n_outputs)
            A model's outputs, such as (n, steps, n_outputs): every step is a row.
        sample_weight : array-like, (n,) or (n, ...), or float, optional
            The weight of each sample, of each row, or one weight for all rows.

        Returns
        -------
        float, or float64 (n, ...) with reduction="none"

        Examples
        --------
        >>> from nnc import losses
        >>> steps = [[[1.0], [3.0]]]
        >>> losses.MeanSquaredError()([[[0.0], [0.0]]], steps, sample_weight=[[1.0, 0.0]])
        0.5
        """
        leading = np.shape(y_pred)[:-1]
        if len(leading) > 1:
            found = self(*_all_rows(y_true, y_pred, sample_weight))
            return found.reshape(leading) if self.reduction == "none" else found
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

        Raises
        ------
        ValueError
            If the reduction is not "sum_over_batch_size" or "mean".

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

        Parameters
        ----------
        y_true : array-like
            Class ids (n,) or rows (n, n_outputs).
        y_pred : array-like (n, n_outputs)
        sample_weight : array-like (n,), optional

        Returns
        -------
        value : float
        gradient : ndarray, float32 (n, n_outputs)

        Raises
        ------
        ValueError
            If the shapes do not match or a target is out of range.

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

    def __init__(self, function: Callable[..., Any], **options: Unpack[LossOptions]) -> None:
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


def batch(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    wanted: str,
    target_range: tuple[float, float] = _arrays.UNBOUNDED,
) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Return (y, a) as the core's losses and metrics take them, for targets "ids", "rows" or "any".

    Parameters
    ----------
    y_true, y_pred : array-like
    wanted : {"ids", "rows", "any"}
    target_range : (float, float)
        The lowest and highest value allowed in rows of y_true.

    Returns
    -------
    y : ndarray
        Class ids (n,) or float32 rows (n, n_outputs).
    a : ndarray, float32 (n, n_outputs)

    Raises
    ------
    ValueError
        If the shapes do not match or a target is out of range.

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


def _all_rows(y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None) -> tuple[Any, Any, Any]:
    """Targets, outputs (n, ..., n_outputs) and weights with their leading axes as one."""
    y, a = _arrays.as_numbers(y_true, "y_true"), _arrays.as_numbers(y_pred, "y_pred")
    leading = a.shape[:-1]
    known = (leading, (*leading, 1), a.shape)
    if y.shape not in known:
        raise ValueError(f"y_true has the shape {y.shape}, y_pred {a.shape}: use one of {known} for y_true")
    weights: Any = sample_weight
    if sample_weight is not None and not isinstance(sample_weight, Real):
        weights = _arrays.as_numbers(sample_weight, "sample_weight")
        if weights.ndim > len(leading) and weights.shape[-1] == 1:
            weights = weights[..., 0]
        weights = weights.reshape(*weights.shape, *(1,) * (len(leading) - weights.ndim))
        try:
            weights = np.broadcast_to(weights, leading).reshape(-1)
        except ValueError:
            given = np.shape(sample_weight)
            raise ValueError(f"sample_weight has the shape {given}, which does not fit {leading}") from None
    y = y.reshape(-1) if y.shape == leading else y.reshape(-1, y.shape[-1])
    return y, a.reshape(-1, a.shape[-1]), weights


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
