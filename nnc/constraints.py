"""Constraints: projections of the weights after each update, as in Keras."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config
from nnc._absent import no_attribute

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_EPSILON = 1e-7  # Keras's default epsilon


class Constraint(_config.Config):
    """Base class of the constraints.

    The settings passed to the core specify which constraint it is: "nonnegative", or "norm_length" with the
    limits of the norms; see `Constraint.fields`.

    Examples
    --------
    >>> from nnc import constraints
    >>> constraints.get("non_neg")([-1.0, 2.0])
    array([0., 2.])
    """

    kind = "constraint"
    saved = False

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        """Return the constrained weights for `w`, of any shape."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__(w)")

    def fields(self, shape: Sequence[int]) -> dict[str, float]:
        """Return the settings of the core for a weight of that shape.

        Parameters
        ----------
        shape : tuple of int

        Returns
        -------
        dict of str to float

        Raises
        ------
        ValueError
            If the weight does not have the axes of the constraint.

        Examples
        --------
        >>> from nnc import constraints
        >>> constraints.NonNeg().fields((3, 2))
        {'nonnegative': True}
        """
        raise NotImplementedError(f"{type(self).__name__} has no fields(shape)")

    @classmethod
    def get(cls, identifier: Any, argument: str | None = None) -> Constraint | None:
        """As `constraints.get`."""
        return None if identifier is None else super().get(identifier, argument)


class NonNeg(Constraint):
    """w -> max(w, 0).

    Examples
    --------
    >>> from nnc import constraints
    >>> constraints.NonNeg()([-1.0, 2.0])
    array([0., 2.])
    """

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        w = np.asarray(w)
        return np.where(w < 0, w.dtype.type(0), w)

    def fields(self, shape: Sequence[int]) -> dict[str, float]:
        return {"nonnegative": True}


class _Norm(Constraint):
    """w -> w (rate clip(|w|, low, high) + (1 - rate) |w|) / (1e-7 + |w|), |w| the norm along `axis`."""

    saved = False
    axis: int | tuple[int, ...]

    def _limits(self) -> tuple[float, float, float]:
        """low, high and rate."""
        raise NotImplementedError(f"{type(self).__name__} has no _limits()")

    def __call__(self, w: ArrayLike) -> NDArray[Any]:
        w = np.asarray(w)
        w = w if np.issubdtype(w.dtype, np.floating) else w.astype(np.float64)
        low, high, rate = self._limits()
        norm = np.sqrt(np.sum(np.square(w, dtype=np.float64), axis=self.axis, keepdims=True))
        factor = (rate * np.clip(norm, low, high) + (1.0 - rate) * norm) / (_EPSILON + norm)
        return (w * factor).astype(w.dtype)

    def fields(self, shape: Sequence[int]) -> dict[str, float]:
        low, high, rate = self._limits()
        length, stride = self._runs(shape)
        sizes = {"norm_length": length, "norm_stride": stride}
        return sizes | {"min_norm": low, "max_norm": high, "norm_rate": rate}

    def _runs(self, shape: Sequence[int]) -> tuple[int, int]:
        """The number of elements of each norm, and their stride in the array."""
        given = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        if not all(-len(shape) <= axis < len(shape) for axis in given):
            raise _config.refusal("axis", f"axes of the weight, whose shape is {tuple(shape)}", self.axis)
        along = {axis % len(shape) for axis in given}
        first, last = min(along), max(along)
        if any(shape[axis] > 1 and axis not in along for axis in range(first, last)):
            raise _config.refusal("axis", f"adjacent axes of the shape {tuple(shape)}", self.axis)
        return math.prod(shape[first : last + 1]), math.prod(shape[last + 1 :])


class MaxNorm(_Norm):
    """w -> w min(|w|, max_value) / (1e-7 + |w|), |w| the Euclidean norm along `axis`.

    Parameters
    ----------
    max_value : float
        At least 0.
    axis : int or list of int
        Adjacent axes of the weight along which the norm is taken: 0 for the kernel of a Dense, one norm per
        output; [0, 1, 2] for that of a Conv2D, one norm per filter.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
    networks from overfitting", Journal of Machine Learning Research 15, 2014.

    Examples
    --------
    >>> from nnc import constraints
    >>> constraints.MaxNorm(1.0)([[3.0, 0.3], [4.0, 0.4]]).round(3)
    array([[0.6, 0.3],
           [0.8, 0.4]])
    """

    def __init__(self, max_value: float = 2.0, axis: int | Sequence[int] = 0) -> None:
        self.max_value = _config.number("max_value", max_value, "[0, inf)")
        self.axis = _config.axes("axis", axis)

    def _limits(self) -> tuple[float, float, float]:
        return 0.0, self.max_value, 1.0


class UnitNorm(_Norm):
    """w -> w / (1e-7 + |w|), |w| the Euclidean norm along `axis`.

    Parameters
    ----------
    axis : int or list of int
        Adjacent axes of the weight along which the norm is taken.

    Examples
    --------
    >>> from nnc import constraints
    >>> constraints.UnitNorm()([[3.0], [4.0]]).round(3)
    array([[0.6],
           [0.8]])
    """

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = _config.axes("axis", axis)

    def _limits(self) -> tuple[float, float, float]:
        return 1.0, 1.0, 1.0


class MinMaxNorm(_Norm):
    """w -> w (rate clip(|w|, min_value, max_value) + (1 - rate) |w|) / (1e-7 + |w|).

    |w| is the Euclidean norm along `axis`.

    Parameters
    ----------
    min_value, max_value : float
        The limits, 0 <= min_value <= max_value.
    rate : float
        In [0, 1]: how far one update moves the norm towards the limits; 1 enforces them.
    axis : int or list of int
        Adjacent axes of the weight along which the norm is taken.

    Examples
    --------
    >>> from nnc import constraints
    >>> constraints.MinMaxNorm(1.0, 2.0)([[0.3, 3.0], [0.4, 4.0]]).round(3)
    array([[0.6, 1.2],
           [0.8, 1.6]])
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
    ) -> None:
        self.min_value = _config.number("min_value", min_value, "[0, inf)")
        self.max_value = _config.number("max_value", max_value, "[0, inf)")
        if self.max_value < self.min_value:
            raise _config.refusal("max_value", f"at least min_value={self.min_value}", max_value)
        self.rate = _config.number("rate", rate, "[0, 1]")
        self.axis = _config.axes("axis", axis)

    def _limits(self) -> tuple[float, float, float]:
        return self.min_value, self.max_value, self.rate


registry = _config.close(Constraint, globals())

ConstraintLike = str | Constraint | type[Constraint] | Mapping[str, Any] | None


def get(identifier: ConstraintLike) -> Constraint | None:
    """Return the constraint for `identifier`: "max_norm", "non_neg", "unit_norm", "min_max_norm", an object,
    its configuration, or None.

    Parameters
    ----------
    identifier : str, Constraint, dict or None

    Returns
    -------
    Constraint or None

    Examples
    --------
    >>> from nnc import constraints
    >>> constraints.get("max_norm").max_value
    2.0
    """
    return Constraint.get(identifier)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The classes by the lower-case names that Keras also has."""
        found = Constraint.in_lower_case(name)
        if found is None:
            raise no_attribute(__name__, name, globals())
        return found
