"""Standardization of features by the statistics of given data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config, initializers
from nnc._arrays import as_numbers
from nnc.layers.base import Layer, Shape, Weight
from nnc.layers.geometry import sample_axes, sharing
from nnc.layers.variable import Variable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Normalization(Layer):
    """a = (x - mean) / d, d = max(sqrt(variance), 1e-7), by mean and variance of each feature in the data.

    Mean and variance are computed by `adapt` or given as arguments; training does not change them. Input and
    output (n, ...). Weights: mean and variance, with the shape of the kept axes. (Keras has a third weight,
    the number of samples, and no weights if mean and variance are given.)

    Parameters
    ----------
    axis : int, list of int or None
        The kept axes, whose entries have separate statistics: -1, the last axis; 1, say, the first axis of a
        sample; [1, 2, 3] for each value of an image; None: one mean and one variance for all values.
    mean, variance : float or nested list of floats, optional
        Either both or neither. They are broadcast to the shape of the kept axes.
    invert : bool
        Compute the inverse: a = x d + mean.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if a sample does not have one of the axes, or mean and variance
        do not have the shape of the kept axes.

    Examples
    --------
    >>> from nnc import layers
    >>> norm = layers.Normalization()
    >>> norm.adapt([[1.0, 10.0], [3.0, 30.0]])
    >>> norm([[1.0, 20.0]])
    array([[-1.,  0.]], dtype=float32)
    >>> layers.Normalization(mean=3.0, variance=4.0)([[7.0]])
    array([[2.]], dtype=float32)
    >>> layers.Normalization(mean=3.0, variance=4.0, invert=True)([[2.0]])
    array([[7.]], dtype=float32)
    """

    non_trainable = ("mean", "variance")

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        none = axis is None or (isinstance(axis, list | tuple) and not axis)
        self.axis = None if none else _config.axes("axis", axis)
        if (mean is None) != (variance is None):
            lacking, other = ("mean", "variance") if mean is None else ("variance", "mean")
            raise _config.refusal(lacking, f"given if {other} is given", None)
        self._given: dict[str, Any] = {"mean": mean, "variance": variance}
        if mean is not None:
            self._given = {name: _config.numbers(name, value) for name, value in self._given.items()}
            if np.min(self._given["variance"]) < 0:
                raise _config.refusal("variance", "at least 0", variance)
        self.invert = _config.boolean("invert", invert)

    def _argument(self, name: str) -> Any:
        return self._given[name] if name in self._given else super()._argument(name)

    @property
    def mean(self) -> Any:
        """The weight in the shape that is broadcast to a batch; before the layer is built, the argument."""
        return _Statistic(self, 0) if self.built else self._given["mean"]

    @property
    def variance(self) -> Any:
        """The weight in the shape that is broadcast to a batch; before the layer is built, the argument."""
        return _Statistic(self, 1) if self.built else self._given["variance"]

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Compute mean and variance over all rows of data (n, ...); builds the layer if it is not built.

        Parameters
        ----------
        data : array-like (n, ...), list or iterable of batches, or PyDataset
            Of a batch that is a tuple, such as (x, y), the first item is used. A list of arrays with at least
            two axes is a list of batches.
        batch_size, steps : None
            All rows are used.

        Raises
        ------
        ValueError
            If mean and variance were given, or if data has no rows, the wrong shape or non-finite values.

        Examples
        --------
        >>> import numpy as np
        >>> from nnc import layers
        >>> norm = layers.Normalization()
        >>> norm.adapt(np.full((4, 2), i) for i in (1.0, 3.0))
        >>> norm.mean.numpy(), norm.variance.numpy()
        (array([[2., 2.]], dtype=float32), array([[1., 1.]], dtype=float32))
        """
        for argument, value in (("batch_size", batch_size), ("steps", steps)):
            if value is not None:
                raise _config.refusal(argument, "None: adapt uses all rows", value)
        if self._given["mean"] is not None:
            raise ValueError(f"adapt: mean and variance of {self} were given to its constructor")
        self.set_weights(_moments(map(self._checked, _batches(data)), self))

    def _checked(self, batch: Any) -> NDArray[Any]:
        """A batch of data as an array, by which the layer is built if it is not."""
        x = as_numbers(batch, "data")
        if x.ndim < 2 or not len(x):
            raise ValueError(f"data must have rows of features, got an array of shape {x.shape}")
        if not self.built:
            self.build(x.shape[1:])
        shape = self._shapes()[0]
        if x.shape[1:] != shape:
            raise ValueError(f"data must have the shape (n, {', '.join(map(str, shape))}), got {x.shape}")
        return x

    def _reduced_axes(self) -> tuple[int, ...]:
        """The axes of a batch over which mean and variance are computed."""
        shape = self._shapes()[0]
        kept = self._kept_axes(shape)
        return (0, *(axis + 1 for axis in range(len(shape)) if axis not in kept))

    def _kept_axes(self, input_shape: Shape) -> list[int]:
        """The kept axes of a sample, which begins with axis 0, in ascending order."""
        return sorted(sample_axes(self.axis, input_shape, "None or "))

    def _kept(self, input_shape: Shape) -> Shape:
        """The shape of mean and variance."""
        return tuple(input_shape[axis] for axis in self._kept_axes(input_shape))

    def _axes(self, input_shape: Shape) -> dict[str, list[int]]:
        return sharing(input_shape, set(range(len(input_shape))) - set(self._kept_axes(input_shape)))

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        kept = self._kept(input_shape)
        for name, value in self._given.items():
            try:
                np.broadcast_to(np.zeros(()) if value is None else value, kept)
            except ValueError:
                raise _config.refusal(name, f"a number or an array of shape {kept}", value) from None
        self._axes(input_shape)
        return input_shape

    def weights_spec(self) -> list[Weight]:
        shape = self._kept(self._shapes()[0])
        mean, variance = self._given.values()
        return [
            ("mean", shape, initializers.Constant(0.0 if mean is None else mean)),
            ("variance", shape, initializers.Constant(1.0 if variance is None else variance)),
        ]

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "standardization", "inverse": self.invert} | self._axes(self._shapes()[0])]


class _Statistic(Variable):
    """Mean or variance with the axes of a batch, of size 1 where the statistics are those of all entries."""

    _layer: Normalization

    def numpy(self) -> NDArray[Any]:
        over, sample = self._layer._reduced_axes(), self._layer._shapes()[0]
        return super().numpy().reshape([1 if i in over else size for i, size in enumerate((1, *sample))])

    def assign(self, value: ArrayLike) -> None:
        super().assign(np.reshape(value, super().numpy().shape))


def _batches(data: Any) -> Iterator[Any]:
    """The batches of `data`, without targets and weights; an array is one batch."""
    if isinstance(data, list | tuple):
        first = _features(data[0]) if data else None
        several = not data or len(getattr(first, "shape", ())) > 1
        batches: Iterable[Any] = data if several else [data]
    elif hasattr(data, "__array__") or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        batches = [data]
    else:  # a PyDataset has no end for a loop
        batches = map(data.__getitem__, range(len(data))) if hasattr(data, "__len__") else data
    empty = True
    for batch in batches:
        empty = False
        yield _features(batch)
    if empty:
        raise ValueError(f"data must have at least one batch, got the empty iterable {data!r}")


def _features(batch: Any) -> Any:
    return batch[0] if isinstance(batch, tuple) and batch else batch


def _moments(batches: Iterable[NDArray[Any]], layer: Normalization) -> list[NDArray[np.float64]]:
    """Mean and variance over the layer's reduced axes of all batches, combined as by Chan et al. (1979)."""
    total, mean, squares = 0, np.zeros(()), np.zeros(())
    for x in batches:
        over = layer._reduced_axes()
        n = math.prod(x.shape[axis] for axis in over)
        own = np.mean(x, axis=over, dtype=np.float64)
        off, total = own - mean, total + n
        squares = squares + n * np.var(x, axis=over, dtype=np.float64) + off**2 * (n * (total - n) / total)
        mean = mean + off * (n / total)
    if not (np.isfinite(mean).all() and np.isfinite(squares).all()):
        raise ValueError("data must be finite, got NaN or infinite values")
    return [mean, squares / total]
