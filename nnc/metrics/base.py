"""The base class of nnc's metrics and of user-defined ones, and the variables of the latter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnc import _arrays, _config

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


_DTYPES = ("float16", "float32", "float64")


class MetricVariable(np.lib.mixins.NDArrayOperatorsMixin):
    """Accumulated values of a user-defined metric (`Metric.add_variable`); NumPy treats it as its array.

    Parameters
    ----------
    value : ndarray
    name : str, optional

    Examples
    --------
    >>> from nnc import metrics
    >>> total = metrics.Metric("largest").add_variable(shape=())
    >>> total.assign_add(2.5)
    >>> float(total), float(total / 2)
    (2.5, 1.25)
    """

    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType]

    def __init__(self, value: NDArray[Any], name: str | None = None) -> None:
        self._value, self.name = value, name

    def numpy(self) -> NDArray[Any]:
        """Return a copy of the values.

        Returns
        -------
        ndarray

        Examples
        --------
        >>> import nnc
        >>> variable = nnc.metrics.Metric("errors").add_variable(shape=(2,))
        >>> variable.numpy()
        array([0., 0.])
        """
        return self._value.copy()

    value = property(numpy)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.shape

    @property
    def dtype(self) -> np.dtype:
        return self._value.dtype

    @property
    def ndim(self) -> int:
        return self._value.ndim

    def assign(self, value: ArrayLike) -> None:
        """Set the values; `value` has the same shape or broadcasts to it.

        Parameters
        ----------
        value : array-like

        Examples
        --------
        >>> import nnc
        >>> variable = nnc.metrics.Metric("errors").add_variable(shape=(2,))
        >>> variable.assign([1, 2])
        >>> variable.numpy()
        array([1., 2.])
        """
        self._value[...] = value

    def assign_add(self, value: ArrayLike) -> None:
        """Add to the values.

        Parameters
        ----------
        value : array-like

        Examples
        --------
        >>> import nnc
        >>> variable = nnc.metrics.Metric("errors").add_variable(shape=(2,))
        >>> variable.assign_add([1, 2])
        >>> variable.assign_add(1)
        >>> variable.numpy()
        array([2., 3.])
        """
        self.assign(self._value + np.asarray(value))

    def assign_sub(self, value: ArrayLike) -> None:
        """Subtract from the values.

        Parameters
        ----------
        value : array-like

        Examples
        --------
        >>> import nnc
        >>> variable = nnc.metrics.Metric("errors").add_variable(shape=(2,))
        >>> variable.assign_sub([1, 2])
        >>> variable.numpy()
        array([-1., -2.])
        """
        self.assign(self._value - np.asarray(value))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._value.astype(self._value.dtype if dtype is None else dtype)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        arrays = [each.numpy() if isinstance(each, MetricVariable) else each for each in inputs]
        return getattr(ufunc, method)(*arrays, **keywords)

    def __float__(self) -> float:
        return float(self._value)

    def __int__(self) -> int:
        return int(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def __getitem__(self, key: Any) -> Any:
        return self._value[key]

    def __repr__(self) -> str:
        return f"<MetricVariable {self.name}, shape {self.shape}, {self._value.tolist()!r:.50}>"


class Metric(_config.Config):
    """Base class of the metrics. A user-defined metric is a subclass with `update_state` and `result`.

    Parameters
    ----------
    name : str, optional
        The key in History and in the result of evaluate; defaults to the class name in lower case.
    dtype : str, optional
        Accepted for compatibility with scripts written for Keras; sums are float64.

    Attributes
    ----------
    name : str
    direction : {"up", "down", None}
        Class attribute: whether larger or smaller is better, for ``mode="auto"`` of callbacks.
    rule : str
        Class attribute: the name of the core's formula for it, or "".
    targets : {"ids", "rows", "any"}
        Class attribute: what y_true holds when the metric is called directly: class ids (n,), rows (n,
        n_outputs), or either.
    whole_rows : bool
        Class attribute: whether a row of outputs is one distribution over the classes, compared with one
        class, which requires the model's outputs to have a single axis.

    Notes
    -----
    During training, a metric is updated with every batch as it was trained on: with the outputs of the step's
    own forward pass, including dropout, computed with the weights before the update. `update_state` of a
    user-defined class is called for each batch, with read-only arrays. Such metrics and functions of y_true
    and y_pred take time between the steps; models without them are not slowed down.

    Model files contain only nnc's own classes: a model is saved without its user-defined metrics, with a
    warning.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import metrics
    >>> class LargestError(metrics.Metric):
    ...     def __init__(self, name="largest_error"):
    ...         super().__init__(name=name)
    ...         self.largest = self.add_variable(shape=(), initializer="zeros")
    ...
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.largest.assign(np.maximum(self.largest, np.abs(y_true - y_pred).max()))
    ...
    ...     def result(self):
    ...         return self.largest
    >>> metric = LargestError()
    >>> metric.update_state(np.array([[1.0], [2.0]]), np.array([[1.5], [5.0]]))
    >>> float(metric.result())
    3.0
    """

    kind = "metric"
    saved = False
    rule = ""
    targets = "rows"
    whole_rows = False
    param = 0.0
    direction: ClassVar[str | None] = None

    def __init__(self, name: str | None = None, *, dtype: Any = None) -> None:
        self.name = _config.optional_name(name) or self.identifier
        if dtype is not None and not (isinstance(dtype, str) and dtype in _DTYPES):
            raise _config.refusal("dtype", " or ".join(map(repr, _DTYPES)), dtype)
        self._variables: list[MetricVariable] = []

    # ----------------------------------------------------------------------------- user-defined metrics

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the metric with a batch.

        Parameters
        ----------
        y_true : array-like
            Class ids (n,) or rows (n, n_outputs).
        y_pred : array-like (n, n_outputs)
        sample_weight : array-like (n,), optional

        Raises
        ------
        ValueError
            If the shapes do not match.

        Examples
        --------
        >>> from nnc import metrics
        >>> metric = metrics.MeanAbsoluteError()
        >>> metric.update_state([[1.0], [2.0]], [[1.5], [3.0]])
        >>> metric.update_state([[0.0]], [[3.0]])
        >>> metric.result()
        1.5
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method update_state(y_true, y_pred, ...)")

    def result(self) -> Any:
        """Return the metric over all batches since the last `reset_state`.

        Returns
        -------
        float, ndarray or dict
            NaN before the first batch.

        Raises
        ------
        NotImplementedError
            If a subclass does not define it.

        Examples
        --------
        >>> from nnc import metrics
        >>> metric = metrics.MeanAbsoluteError()
        >>> metric.update_state([[1.0], [2.0]], [[1.5], [3.0]])
        >>> metric.result()
        0.75
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method result()")

    def reset_state(self) -> None:
        """Reset the metric: set all variables to 0.

        Examples
        --------
        >>> from nnc import metrics
        >>> metric = metrics.MeanAbsoluteError()
        >>> metric.update_state([[1.0], [2.0]], [[1.5], [3.0]])
        >>> metric.reset_state()
        >>> metric.result()
        0.0
        """
        for variable in self.variables:
            variable.assign(0)

    def add_variable(
        self,
        shape: Sequence[int] = (),
        initializer: Any = None,
        dtype: Any = None,
        aggregation: str | None = None,
        name: str | None = None,
    ) -> MetricVariable:
        """Create a variable, which `reset_state` sets to 0.

        Parameters
        ----------
        shape : tuple
        initializer : str or Initializer, optional
            Of the initial values; defaults to "zeros".
        dtype : str, optional
            Defaults to float64.
        aggregation
            Accepted for compatibility with scripts written for Keras.

        Returns
        -------
        MetricVariable

        Examples
        --------
        >>> from nnc import metrics
        >>> metric = metrics.Metric("errors")
        >>> metric.add_variable(shape=(2,), initializer="ones").numpy()
        array([1., 1.])
        """
        if "_variables" not in self.__dict__:
            raise RuntimeError(f"{type(self).__name__} must call super().__init__() before add_variable")
        from nnc import initializers

        drawn: Any = np.zeros(tuple(shape))
        if initializer is not None:
            drawn = initializers.get(initializer)(tuple(shape))
        variable = MetricVariable(np.array(drawn, np.float64 if dtype is None else dtype), name)
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> MetricVariable:
        """Older name of `add_variable`.

        Parameters
        ----------
        shape, initializer, dtype, name
            As in `add_variable`.

        Returns
        -------
        MetricVariable

        Examples
        --------
        >>> from nnc import metrics
        >>> metrics.Metric("errors").add_weight(shape=(2,)).numpy()
        array([0., 0.])
        """
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[MetricVariable]:
        """The variables created by `add_variable`."""
        return [*self._variables]

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Call `update_state` and return `result`.

        Parameters
        ----------
        y_true : array-like
            Class ids (n,) or rows (n, n_outputs), as `targets` specifies.
        y_pred : array-like, (n, n_outputs)
            A model's outputs.
        sample_weight : array-like, (n,), optional
            The weight of each row.
        """
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    # ------------------------------------------------------------------------------- interface for models

    def spec(self) -> dict[str, Any]:
        """The description of the metric that is passed to a plan.

        Returns
        -------
        dict

        Examples
        --------
        >>> from nnc import metrics
        >>> metrics.BinaryAccuracy(threshold=0.25).spec()
        {'name': 'binary_accuracy', 'param': 0.25}
        """
        return {"name": self.rule, "param": self.param}

    @property
    def in_core(self) -> bool:
        """Whether the core computes it with the forward pass."""
        return False

    @property
    def by_batch(self) -> bool:
        """Whether its value depends on how the rows are divided into batches."""
        return True

    def feed(
        self, y: NDArray[Any], a: NDArray[Any], weights: NDArray[Any] | None, shape: tuple[int, ...]
    ) -> None:
        """Update with a batch of a model: ids (n,) or rows (n, O), outputs (n, O) of the given shape.

        Parameters
        ----------
        y : ndarray
            Class ids (n,) or rows (n, O).
        a : ndarray (n, O)
        weights : ndarray (n,) or None
            Of the rows.
        shape : tuple of int
            The shape of one row of outputs.

        Examples
        --------
        >>> import numpy as np
        >>> from nnc import metrics
        >>> metric = metrics.MeanAbsoluteError()
        >>> metric.feed(np.array([[1.0], [2.0]]), np.array([[1.5], [3.0]]), None, (1,))
        >>> metric.result()
        0.75
        """
        y = y if y.ndim == 1 else y.reshape(len(y), *shape)
        y, a = y.view(), a.reshape(len(a), *shape).view()
        y.flags.writeable = a.flags.writeable = False
        self._take(y, a, weights)

    def _take(self, y: NDArray[Any], a: NDArray[Any], weights: NDArray[Any] | None) -> None:
        if weights is None:
            self.update_state(y, a)
        else:
            self.update_state(y, a, sample_weight=weights)

    def value(self) -> float | NDArray[np.float64] | dict[str, float | NDArray[np.float64]]:
        """Return `result` for the logs: a number, an array of several, or a dict of these by their own keys.

        Returns
        -------
        float, ndarray or dict

        Raises
        ------
        ValueError
            If it is none of them.

        Examples
        --------
        >>> from nnc import metrics
        >>> metric = metrics.MeanAbsoluteError()
        >>> metric.update_state([[1.0], [2.0]], [[1.5], [3.0]])
        >>> metric.value()
        0.75
        """
        result = self.result()
        if not isinstance(result, dict):
            return self._logged(result, result)
        if not result or not all(isinstance(key, str) and key for key in result):
            raise self._unusable(result)
        return {key: self._logged(value, result) for key, value in result.items()}

    def _logged(self, value: Any, result: Any) -> float | NDArray[np.float64]:
        """A value of the result, which errors repeat, as a float or an array of several."""
        found = np.asarray(value)
        if found.dtype.kind not in "buif" or found.size == 0:
            raise self._unusable(result)
        return float(found.reshape(())) if found.size == 1 else found.astype(np.float64)

    def _unusable(self, result: Any) -> Exception:
        must = "a number, an array of numbers or a dict of them with names as keys"
        return _config.refusal(f"the result of metric {self.name!r}", must, result)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise a ValueError if outputs of `shape` do not fit the metric.

        Parameters
        ----------
        shape : tuple of int
            Of one row of outputs.

        Examples
        --------
        >>> from nnc import metrics
        >>> metrics.Precision(class_id=1).check((2,))
        >>> metrics.Precision(class_id=2).check((2,))
        Traceback (most recent call last):
        ...
        ValueError: class_id of metric 'precision' is 2, but there are 2 outputs
        """

    def get_state(self) -> list[float]:
        """Return the sums so far, for a run that is interrupted within an epoch.

        Returns
        -------
        list of float

        Examples
        --------
        >>> from nnc import metrics
        >>> metric = metrics.MeanAbsoluteError()
        >>> metric.update_state([[1.0], [2.0]], [[1.5], [3.0]])
        >>> metric.get_state()
        [1.5, 2.0]
        """
        return [number for v in self.variables for number in v.numpy().astype(np.float64).ravel().tolist()]

    def set_state(self, numbers: Sequence[float]) -> bool:
        """Restore what `get_state` returned; return False if it does not fit this metric.

        Parameters
        ----------
        numbers : list of float

        Returns
        -------
        bool

        Examples
        --------
        >>> from nnc import metrics
        >>> metric = metrics.MeanAbsoluteError()
        >>> metric.update_state([[1.0], [2.0]], [[1.5], [3.0]])
        >>> other = metrics.MeanAbsoluteError()
        >>> other.set_state(metric.get_state())
        True
        >>> other.result()
        0.75
        """
        values, at = self.variables, 0
        if len(numbers) != sum(v.numpy().size for v in values) or not values:
            return False
        for variable in values:
            part = numbers[at : at + variable.numpy().size]
            variable.assign(np.reshape(part, variable.shape))
            at += len(part)
        return True

    @classmethod
    def names(cls) -> list[str]:
        """The family's names, and "accuracy", which `metrics.get` resolves."""
        return ["accuracy", *super().names()]

    @property
    def is_nncs(self) -> bool:
        """Whether the metric is one of nnc's own, which a model file can name."""
        return self.registry.get(type(self).__name__) is type(self)

    def __repr__(self) -> str:
        return super().__repr__() if self.is_nncs else f"<{type(self).__name__} name={self.name}>"

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) if self.is_nncs else self is other

    def __hash__(self) -> int:
        return super().__hash__() if self.is_nncs else id(self)


class Summed(Metric):
    """A metric that is a function of sums over the rows, defined by `increment` and `of_sums`.

    n_sums: class attribute, the number of sums, each with any number of columns.
    """

    saved = False
    n_sums: ClassVar[int] = 2

    def __init__(self, name: str | None = None, *, dtype: Any = None) -> None:
        super().__init__(name, dtype=dtype)
        self._sums: NDArray[np.float64] | None = None

    def increment(
        self, y: NDArray[np.float64], a: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        """The increment of the sums (n_sums, ...) by rows y and a (n, O) with weights (n,) or None."""
        raise NotImplementedError

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        """The metric as a function of the sums (n_sums, columns)."""
        raise NotImplementedError

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Update the metric with a batch.

        Parameters
        ----------
        y_true : array-like
            Class ids (n,) or rows (n, n_outputs), as `targets` specifies.
        y_pred : array-like, (n, n_outputs) or (n,)
        sample_weight : array-like, (n,), optional
        """
        a = _arrays.as_numbers(y_pred, "y_pred")
        if a.ndim == 0 or a.size == 0:
            raise ValueError(f"y_pred must have the shape (n, n_outputs), both above 0, got {a.shape}")
        one_row = a.ndim == 1 and getattr(self, "top_k", None) is not None  # the largest of these values
        a = _arrays.to_float(a.reshape(1 if one_row else len(a), -1), "y_pred")
        self.check(a.shape[1:])
        y = _arrays.as_numbers(y_true, "y_true")
        y = y.reshape(a.shape) if y.size == a.size else y
        y = _arrays.targets(y, "y_true", self.targets, a.shape[1:])
        weights = _arrays.sample_weights(sample_weight)
        _arrays.same_rows(y_true=y, y_pred=a, sample_weight=weights)
        self._add(y, a, weights)

    def _add(self, y: NDArray[Any], a: NDArray[Any], weights: NDArray[Any] | None) -> None:
        from nnc.reference import formulas

        a = a.astype(np.float64)
        weights = None if weights is None else weights.astype(np.float64)
        with np.errstate(all="ignore"):  # outputs may be infinite or NaN
            more = self.increment(formulas.target_rows(y, a.shape), a, weights).reshape(self.n_sums, -1)
        self._sums = more if self._sums is None else self._sums + more

    def result(self) -> Any:
        """Return the metric over all batches since the last `reset_state`."""
        if self._sums is None:
            return 0.0
        with np.errstate(all="ignore"):
            found = np.asarray(self.of_sums(self._sums))
        return float(found.reshape(())) if found.size == 1 else found

    def reset_state(self) -> None:
        """Reset the metric."""
        self._sums = None

    @property
    def by_batch(self) -> bool:
        return not self._is_plain

    @property
    def _is_plain(self) -> bool:
        """Whether none of its methods is overridden by a user."""
        own = type(self)
        base = next(cls for cls in own.__mro__ if self.registry.get(cls.__name__) is cls)
        names = ("update_state", "result", "reset_state")
        return own is base or all(getattr(own, name) is getattr(base, name) for name in names)

    def feed(
        self, y: NDArray[Any], a: NDArray[Any], weights: NDArray[Any] | None, shape: tuple[int, ...]
    ) -> None:
        if self._is_plain:
            self._add(y, a, weights)
        else:
            super().feed(y, a, weights, shape)

    def get_state(self) -> list[float]:
        return super().get_state() + ([] if self._sums is None else self._sums.ravel().tolist())

    def set_state(self, numbers: Sequence[float]) -> bool:
        if self.variables or not numbers or len(numbers) % self.n_sums:
            return super().set_state(numbers)
        self._sums = np.array(numbers, np.float64).reshape(self.n_sums, -1)
        return True


class FunctionMetric(Metric):
    """The mean of a user-defined function.

    Parameters
    ----------
    function : callable
        f(y_true, y_pred) of a batch: y_true holds class ids (n,) or rows of the outputs' shape, y_pred the
        outputs. It returns one number per row, or several, of which the mean is used; or one number for the
        batch, which then counts once regardless of the batch's size, as in Keras.
    name : str, optional
        Defaults to the name of the function.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import metrics
    >>> def within_one(y_true, y_pred):
    ...     return np.abs(y_true - y_pred) < 1
    >>> metric = metrics.get(within_one)
    >>> metric(np.array([[0.0], [0.0], [2.0]]), np.array([[0.5], [1.5], [1.5]]))
    0.6666666666666666
    """

    saved = False

    def __init__(
        self, function: Callable[..., Any], name: str | None = None, *, dtype: Any = None, **options: Any
    ) -> None:
        if not callable(function):
            raise _config.refusal("function", "callable", function, TypeError)
        super().__init__(name or getattr(function, "__name__", "").strip("<>") or None, dtype=dtype)
        self.function, self.options = function, options
        self._total = self.add_variable(name="total")
        self._count = self.add_variable(name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        values = np.asarray(self.function(y_true, y_pred, **self.options))
        if values.dtype.kind not in "buif" or (values.ndim and len(values) != len(y_pred)):
            must = f"numbers, one or {len(y_pred)}"
            raise _config.refusal(f"the result of the metric {self.name}", must, values, TypeError)
        values = values.astype(np.float64)
        values = values.reshape(len(values), -1).mean(axis=1) if values.ndim else values
        weights = _arrays.sample_weights(sample_weight)
        if weights is None:
            self._total.assign_add(values.sum())
            self._count.assign_add(values.size)
        else:
            self._total.assign_add((values * weights.astype(np.float64)).sum())
            self._count.assign_add(weights.astype(np.float64).sum())

    def result(self) -> float:
        return float(self._total) / float(self._count) if self._count else 0.0


def quotient(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b != 0)
