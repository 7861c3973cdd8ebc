"""Standardization of features by the statistics of given data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config, initializers
from nnc._arrays import as_numbers
from nnc.layers.base import Layer, Shape, Weight
from nnc.layers.normalization import last_axes
from nnc.layers.variable import Variable

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import ArrayLike, NDArray

_LEAST = 1e-14  # variance of a constant feature: the square of Keras's 1e-7


class _Given(initializers.Initializer):
    """Given values."""

    saved = False

    def __init__(self, value: ArrayLike) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], rng: Generator | None = None) -> NDArray[np.float32]:
        return np.array(np.broadcast_to(np.asarray(self.value, np.float32), shape))


class Normalization(Layer):
    """a = (x - mean) / sqrt(variance), by the mean and variance of each feature in the data.

    Mean and variance are computed by `adapt` or given as arguments; training does not change them. Input and
    output (n, ...). Weights: mean and variance, with the shape of the kept axes. (Keras has a third weight,
    the number of samples, and no weights if mean and variance are given.)

    Parameters
    ----------
    axis : int, list of int or None
        The kept axes, whose entries have separate statistics: -1, the last axis; a list of the last axes,
        such as [1, 2, 3] for each value of an image; None: one mean and one variance for all values.
    mean, variance : float or nested list of floats, optional
        Either both or neither.
    invert : bool
        Must be False.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the axes are not the last ones, or mean and variance
        do not have their shape.

    Examples
    --------
    >>> from nnc import layers
    >>> norm = layers.Normalization()
    >>> norm.adapt([[1.0, 10.0], [3.0, 30.0]])
    >>> norm([[1.0, 20.0]])
    array([[-1.,  0.]], dtype=float32)
    >>> layers.Normalization(mean=3.0, variance=4.0)([[7.0]])
    array([[2.]], dtype=float32)
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
        self.axis = None if axis is None else _config.axes("axis", axis)
        if (mean is None) != (variance is None):
            lacking, other = ("mean", "variance") if mean is None else ("variance", "mean")
            raise _config.refusal(lacking, f"given if {other} is given", None)
        self._given: dict[str, Any] = {"mean": mean, "variance": variance}
        if mean is not None:
            self._given = {name: _numbers(name, value) for name, value in self._given.items()}
            if np.min(self._given["variance"]) < 0:
                raise _config.refusal("variance", "at least 0", variance)
        self.invert = _config.boolean("invert", invert)
        if self.invert:
            raise _config.refusal("invert", "False: nnc has no inverse of this layer", invert)

    def _argument(self, name: str) -> Any:
        return self._given[name] if name in self._given else super()._argument(name)

    @property
    def mean(self) -> Any:
        """The weight; before the layer is built, the argument."""
        return Variable(self, 0) if self.built else self._given["mean"]

    @property
    def variance(self) -> Any:
        """The weight; before the layer is built, the argument."""
        return Variable(self, 1) if self.built else self._given["variance"]

    def adapt(self, data: ArrayLike, batch_size: int | None = None, steps: int | None = None) -> None:
        """Compute mean and variance over all rows of data (n, ...); builds the layer if it is not built.

        Parameters
        ----------
        data : array-like (n, ...)
        batch_size, steps : None
            All rows are used at once.

        Raises
        ------
        ValueError
            If mean and variance were given, or if data has no rows, the wrong shape or non-finite values.

        Examples
        --------
        >>> from nnc import layers
        >>> layer = layers.Normalization()
        >>> layer.adapt([[1.0, 0.0], [3.0, 10.0]])
        >>> layer([[2.0, 10.0]]).tolist()
        [[0.0, 1.0]]
        """
        for argument, value in (("batch_size", batch_size), ("steps", steps)):
            if value is not None:
                raise _config.refusal(argument, "None: adapt uses all rows at once", value)
        if self._given["mean"] is not None:
            raise ValueError(f"adapt: mean and variance of {self} were given to its constructor")
        x = as_numbers(data, "data")
        if x.ndim < 2 or not len(x):
            raise ValueError(f"data must have rows of features, got an array of shape {x.shape}")
        if not self.built:
            self.build(x.shape[1:])
        shape = self._shapes()[0]
        if x.shape[1:] != shape:
            raise ValueError(f"data must have the shape (n, {', '.join(map(str, shape))}), got {x.shape}")
        kept = self._kept(shape)
        axes = tuple(range(x.ndim - len(kept))) if self.axis is not None else None
        mean, variance = np.mean(x, axis=axes, dtype=np.float64), np.var(x, axis=axes, dtype=np.float64)
        if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
            raise ValueError("data must be finite, got NaN or infinite values")
        self.set_weights([np.reshape(mean, kept), np.reshape(variance, kept)])

    def _kept(self, input_shape: Shape) -> Shape:
        """The shape of mean and variance."""
        return (1,) if self.axis is None else last_axes(self.axis, input_shape)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        kept = self._kept(input_shape)
        for name, value in self._given.items():
            try:
                np.broadcast_to(np.zeros(()) if value is None else value, kept)
            except ValueError:
                raise _config.refusal(name, f"a number or an array of shape {kept}", value) from None
        return input_shape

    def weights_spec(self) -> list[Weight]:
        shape = self._kept(self._shapes()[0])
        given = self._given["mean"] is not None
        return [
            ("mean", shape, _Given(self._given["mean"]) if given else initializers.Zeros()),
            ("variance", shape, _Given(self._given["variance"]) if given else initializers.Ones()),
        ]

    def rows(self) -> list[dict[str, Any]]:
        row = {"kind": "batch_normalization", "group": math.prod(self._kept(self._shapes()[0]))}
        row |= {"momentum": 1.0, "epsilon": _LEAST, "center": False, "scale": False}
        return [row | {"trainable": False}]


def _numbers(name: str, value: Any) -> Any:
    """`value` as a number or a nested tuple of numbers."""
    array = np.asarray(as_numbers(value, name), np.float64)
    if not array.size or not np.isfinite(array).all():
        raise _config.refusal(name, "a finite number or an array of them", value)
    return _nested(array.tolist())


def _nested(value: Any) -> Any:
    return tuple(map(_nested, value)) if isinstance(value, list) else value
