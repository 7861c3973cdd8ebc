"""Plots of regression: predictions against the true values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from nnc.plot.frames import FRAME, axes_of, grid
from nnc.plot.lines import COLOURS

if TYPE_CHECKING:
    from nnc.plot.frames import AxesLike


def residuals(y_true: ArrayLike, y_pred: ArrayLike, ax: AxesLike = None) -> np.ndarray:
    """Predictions against true values, and the distribution of the residuals.

    Parameters
    ----------
    y_true : array-like
        (n,) or (n, 1).
    y_pred : array-like
        (n,) or (n, 1), as returned by `predict`.
    ax : array of Axes, optional
        Two; None: a new figure.

    Returns
    -------
    ndarray of Axes
        The predictions with the line of perfect predictions, and a histogram of y_pred - y_true.

    Raises
    ------
    ValueError
        If the shapes are others or the lengths differ.

    Examples
    --------
    >>> from nnc import plot
    >>> axes = plot.residuals([1.0, 2.0, 3.0], [1.5, 2.0, 2.5])
    >>> axes[1].get_title()
    'mean 0, standard deviation 0.4082'
    """
    true, predicted = (np.asarray(y, dtype=np.float64).reshape(-1) for y in (y_true, y_pred))
    if len(true) != len(predicted) or not len(true):
        raise ValueError(
            f"y_true and y_pred must have equal lengths of at least 1, got {len(true)} and {len(predicted)}"
        )
    axes = axes_of(ax, 2, (4.4, 3.8))
    both = np.concatenate([true, predicted])
    low, high = float(both.min()), float(both.max())
    room = 0.05 * (high - low) or 0.5
    ends = [low - room, high + room]
    many = len(true) > 2000
    axes[0].plot(ends, ends, color=FRAME, linewidth=1)
    axes[0].plot(
        true,
        predicted,
        ".",
        color=COLOURS[0],
        markersize=3 if many else 5,
        alpha=0.3 if many else 0.7,
        markeredgewidth=0,
    )
    axes[0].set(xlim=ends, ylim=ends, xlabel="true value", ylabel="prediction", aspect="equal")
    off = predicted - true
    axes[1].hist(off, bins=min(40, max(5, round(np.sqrt(len(off))))), color=COLOURS[0])
    axes[1].axvline(0.0, color=FRAME, linewidth=1)
    axes[1].set(xlabel="prediction - true value", ylabel="rows")
    axes[0].set_title(f"{len(true):,} rows", fontsize=10)
    axes[1].set_title(f"mean {off.mean():.4g}, standard deviation {off.std():.4g}", fontsize=10)
    for axis in axes:
        grid(axis)
    return axes
