"""What a metric is: the base of nnc's own and of those that users write, and the variables of the latter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnc import _arrays, _config

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


_DTYPES = ("float16", "float32", "float64")


class MetricVariable(np.lib.mixins.NDArrayOperatorsMixin):
    """Numbers that a metric of a user adds up (`Metric.add_variable`); NumPy takes it for the array it holds.

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
        """A copy of the numbers."""
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
        """Take other numbers, of the same shape or one that broadcasts to it."""
        self._value[...] = value

    def assign_add(self, value: ArrayLike) -> None:
        """Add to the numbers."""
        self.assign(self._value + np.asarray(value))

    def assign_sub(self, value: ArrayLike) -> None:
        """Subtract from the numbers."""
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
    """Base of the metrics. One's own is a class with `update_state` and `result`, as in Keras.

    Parameters
    ----------
    name : str, optional
        The key in History and in what evaluate returns; the class's name in lower case unless given.
    dtype : str, optional
        Taken for the sake of scripts written for Keras; sums are float64.

    Attributes
    ----------
    name : str
    direction : {"up", "down", None}
        Of a class: whether large or small is good, for ``mode="auto"`` of callbacks.
    rule : str
        Of a class: the name of the formula that the core has for it, or "".
    targets : {"ids", "rows", "any"}
        Of a class: what y_true holds when the metric is called by itself: class ids (n,), rows (n,
        n_outputs), or either.
    whole_rows : bool
        Of a class: whether a row of outputs is one distribution over the classes, compared with one class,
        so that the model's outputs must have one axis.

    Notes
    -----
    In training a metric is told of every batch as it was trained on: with the outputs of the step's own
    forward pass, dropout and all, by the weights before its update. `update_state` of a class of one's own
    is called for each batch, with arrays that are not to be written to. Such metrics and the functions of
    y_true and y_pred cost time between the steps; models without them are trained as fast as ever.

    Model files name no classes but nnc's own: a model is saved without the metrics that users wrote, with a
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

    # ------------------------------------------------------------------------------------- what users write

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        raise NotImplementedError(f"{type(self).__name__} needs a method update_state(y_true, y_pred, ...)")

    def result(self) -> Any:
        """The metric over what `update_state` was given since the last `reset_state`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method result()")

    def reset_state(self) -> None:
        """Begin anew: all variables are 0."""
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
        """Numbers that `reset_state` sets to 0.

        Parameters
        ----------
        shape : tuple
        initializer : str or Initializer, optional
            Of the first values, "zeros" unless given.
        dtype : str, optional
            float64 unless given.
        aggregation
            Taken for the sake of scripts written for Keras.
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
        """Older name of `add_variable`."""
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[MetricVariable]:
        """What `add_variable` made."""
        return [*self._variables]

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """`update_state`, then `result`.

        Parameters
        ----------
        y_true : array-like
            Class ids (n,) or rows (n, n_outputs), as `targets` says.
        y_pred : array-like, (n, n_outputs)
            A model's outputs.
        sample_weight : array-like, (n,), optional
            The weight of each row.
        """
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    # --------------------------------------------------------------------------------- what a model asks for

    def spec(self) -> dict[str, Any]:
        """The metric as a plan is told of it."""
        return {"name": self.rule, "param": self.param}

    @property
    def in_core(self) -> bool:
        """Whether the core computes it with the forward pass."""
        return False

    @property
    def by_batch(self) -> bool:
        """Whether its value depends on how rows are cut into batches."""
        return True

    def feed(
        self, y: NDArray[Any], a: NDArray[Any], weights: NDArray[Any] | None, shape: tuple[int, ...]
    ) -> None:
        """A batch as a model has it: ids (n,) or rows (n, O), outputs (n, O) of the given shape."""
        y = y if y.ndim == 1 else y.reshape(len(y), *shape)
        y, a = y.view(), a.reshape(len(a), *shape).view()
        y.flags.writeable = a.flags.writeable = False
        self._take(y, a, weights)

    def _take(self, y: NDArray[Any], a: NDArray[Any], weights: NDArray[Any] | None) -> None:
        if weights is None:
            self.update_state(y, a)
        else:
            self.update_state(y, a, sample_weight=weights)

    def value(self) -> float:
        """`result` as the number that the logs hold.

        Raises
        ------
        ValueError
            If it is not one number.
        """
        result = np.asarray(self.result())
        if result.size != 1 or result.dtype.kind not in "buif":
            raise ValueError(
                f"metric {self.name!r} must give one number to be logged, got {_config.shown(self.result())}"
            )
        return float(result.reshape(()))

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise a ValueError if outputs of `shape` do not go with the metric."""

    def get_state(self) -> list[float]:
        """The sums so far, for a run that is broken off within an epoch."""
        return [number for v in self.variables for number in v.numpy().astype(np.float64).ravel().tolist()]

    def set_state(self, numbers: Sequence[float]) -> bool:
        """Take what `get_state` gave; False if that is not of this metric."""
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
        """Whether a model file can name it."""
        return self.registry.get(type(self).__name__) is type(self)

    def __repr__(self) -> str:
        return super().__repr__() if self.is_nncs else f"<{type(self).__name__} name={self.name}>"

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) if self.is_nncs else self is other

    def __hash__(self) -> int:
        return super().__hash__() if self.is_nncs else id(self)


class Summed(Metric):
    """A metric that is a function of sums over the rows: `increment` of a batch, and `of_sums`.

    n_sums: of a class: how many sums there are, each of any number of columns.
    """

    saved = False
    n_sums: ClassVar[int] = 2

    def __init__(self, name: str | None = None, *, dtype: Any = None) -> None:
        super().__init__(name, dtype=dtype)
        self._sums: NDArray[np.float64] | None = None

    def increment(
        self, y: NDArray[np.float64], a: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        """What rows y and a (n, O) with weights (n,) or None add to the sums (n_sums, ...)."""
        raise NotImplementedError

    def of_sums(self, sums: NDArray[np.float64]) -> Any:
        """The metric of the sums (n_sums, columns)."""
        raise NotImplementedError

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take a batch into account.

        Parameters
        ----------
        y_true : array-like
            Class ids (n,) or rows (n, n_outputs), as `targets` says.
        y_pred : array-like, (n, n_outputs) or (n,)
        sample_weight : array-like, (n,), optional
        """
        a = _arrays.as_numbers(y_pred, "y_pred")
        if a.ndim == 0 or a.size == 0:
            raise ValueError(f"y_pred must have the shape (n, n_outputs), neither of them 0, got {a.shape}")
        a = _arrays.to_float(a.reshape(len(a), -1), "y_pred")
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
        with np.errstate(all="ignore"):  # of outputs that are not finite
            more = self.increment(formulas.target_rows(y, a.shape), a, weights).reshape(self.n_sums, -1)
        self._sums = more if self._sums is None else self._sums + more

    def result(self) -> Any:
        """The metric over what `update_state` was given since the last `reset_state`."""
        if self._sums is None:
            return 0.0
        with np.errstate(all="ignore"):
            found = np.asarray(self.of_sums(self._sums))
        return float(found.reshape(())) if found.size == 1 else found

    def reset_state(self) -> None:
        """Begin anew."""
        self._sums = None

    @property
    def by_batch(self) -> bool:
        return not self._is_plain

    @property
    def _is_plain(self) -> bool:
        """Whether no method of it was written by a user."""
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
    """The mean of a function of one's own.

    Parameters
    ----------
    function : callable
        f(y_true, y_pred) of a batch: y_true are class ids (n,) or rows of the outputs' shape, y_pred the
        outputs. It gives a number for each row, or several, whose mean is taken; or one for the batch, which
        then counts once, whatever its size, as in Keras.
    name : str, optional
        The function's unless given.

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
            raise _config.refusal(f"what the metric {self.name} returns", must, values, TypeError)
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
