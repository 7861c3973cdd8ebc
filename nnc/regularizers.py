"""Regularizers: penalties on the weights, added to the loss that is minimized and reported, as in Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config
from nnc._absent import no_attribute

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Regularizer(_config.Config):
    """Base class of the regularizers: the penalty l1 sum |w| + l2 sum w^2.

    Attributes
    ----------
    l1, l2 : float
        The two factors.

    Examples
    --------
    >>> from nnc import regularizers
    >>> penalty = regularizers.get("l1")
    >>> penalty.l1, penalty.l2
    (0.01, 0.0)
    """

    kind = "regularizer"
    saved = False
    l1 = 0.0
    l2 = 0.0

    def __call__(self, w: ArrayLike) -> float:
        """Return the penalty of the weights `w`, of any shape."""
        w = np.asarray(w, dtype=np.float64)
        return float(self.l1 * np.abs(w).sum() + self.l2 * np.square(w).sum())

    @classmethod
    def get(cls, identifier: Any, argument: str | None = None) -> Regularizer | None:
        """As `regularizers.get`."""
        return None if identifier is None else super().get(identifier, argument)


class L1(Regularizer):
    """The penalty l1 sum |w|; its gradient is l1 sign(w).

    Parameters
    ----------
    l1 : float
        The factor, at least 0.

    Examples
    --------
    >>> from nnc import regularizers
    >>> regularizers.L1(0.5)([1.0, -2.0])
    1.5
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _config.number("l1", l1, "[0, inf)")


class L2(Regularizer):
    """The penalty l2 sum w^2; its gradient is 2 l2 w.

    As in Keras, there is no factor 1/2: for the penalty lambda / 2 sum w^2 of many textbooks, whose gradient
    is lambda w, use ``L2(0.5 * lambda)``. For plain SGD that is PyTorch's ``weight_decay=lambda``.

    Parameters
    ----------
    l2 : float
        The factor, at least 0.

    Examples
    --------
    >>> from nnc import regularizers
    >>> regularizers.L2(0.5)([1.0, -2.0])
    2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _config.number("l2", l2, "[0, inf)")


class L1L2(Regularizer):
    """The penalty l1 sum |w| + l2 sum w^2.

    Parameters
    ----------
    l1, l2 : float
        The factors, at least 0.

    Examples
    --------
    >>> from nnc import regularizers
    >>> regularizers.L1L2(l1=1.0, l2=0.5)([1.0, -2.0])
    5.5
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _config.number("l1", l1, "[0, inf)")
        self.l2 = _config.number("l2", l2, "[0, inf)")


registry = _config.close(Regularizer, globals())

RegularizerLike = str | Regularizer | type[Regularizer] | Mapping[str, Any] | None


def get(identifier: RegularizerLike) -> Regularizer | None:
    """Return the regularizer for `identifier`: "l1", "l2", "l1l2", an object, its configuration, or None.

    Parameters
    ----------
    identifier : str, Regularizer, dict or None

    Returns
    -------
    Regularizer or None

    Examples
    --------
    >>> from nnc import regularizers
    >>> regularizers.get("l2").l2
    0.01
    """
    return Regularizer.get(identifier)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The classes by the lower-case names that Keras also has."""
        found = Regularizer.in_lower_case(name)
        if found is None:
            raise no_attribute(__name__, name, globals())
        return found
