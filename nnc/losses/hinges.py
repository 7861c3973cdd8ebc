"""Hinge losses: the output of the true class must exceed the others by a margin."""

from __future__ import annotations

from typing import Unpack

from nnc import _config
from nnc.losses.base import Loss, LossOptions


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

    def __init__(self, margin: float = 1.0, **options: Unpack[LossOptions]) -> None:
        super().__init__(**options)
        self.margin = self.param = _config.number("margin", margin, "[0, inf)")
