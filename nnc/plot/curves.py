"""Plots of training: losses and metrics against the epoch, for one run or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnc.plot.frames import axes_of
from nnc.plot.inputs import Curve, Run, curves_of
from nnc.plot.lines import draw_curves, name_lines

if TYPE_CHECKING:
    from nnc.plot.frames import AxesLike


def history(history: Run, first: int = 0, ax: AxesLike = None, validation: str = "validation") -> np.ndarray:
    """Loss and metrics against the epoch, for training and validation.

    Parameters
    ----------
    history : History, Sequential or dict
        The result of `fit`, a trained model, or lists by name: ``{"loss": [...], "val_loss": [...]}``.
    first : int
        How many epochs to leave out at the start: 1 leaves out the first, whose scale often hides the rest.
    ax : Axes or array of Axes, optional
        One for each name without "val_"; None: a new figure.
    validation : str
        The label of the curves "val_...": for example "test", if `validation_data` was a test set.

    Returns
    -------
    ndarray of Axes
        One for each name without "val_": the loss and each metric. The learning rate, if recorded, is left
        out. A single epoch is drawn as one row for each curve, with values from left to right.

    Raises
    ------
    ValueError
        If there is no curve, or first leaves no epoch.

    Examples
    --------
    >>> from nnc import plot
    >>> axes = plot.history({"loss": [0.9, 0.4, 0.3], "val_loss": [0.8, 0.5, 0.45]}, first=1)
    >>> axes[0].get_ylabel(), axes[0].lines[0].get_xdata().tolist()
    ('loss', [2, 3])
    """
    curves, epochs = curves_of(history)
    names = [name for name in curves if name.removeprefix("val_") == name and name != "learning_rate"]
    if not names:
        raise ValueError(f"history must have a curve such as 'loss', got {sorted(curves)}")
    if not 0 <= first < len(epochs):
        raise ValueError(f"first must be from 0 to {len(epochs) - 1}, one less than the epochs, got {first}")
    axes = axes_of(ax, len(names), (5.2, 3.6))
    for axis, name in zip(axes, names, strict=True):
        lines, last = {}, []
        for i, (key, label) in enumerate(((name, "training"), ("val_" + name, validation))):
            if len(curves.get(key, ())):
                x, y = _points(curves[key], epochs, first)
                lines[label] = i, x, y
                last += [f"{label} {value:.4g}" for value in y[-1:]]
        draw_curves(axis, lines, name)
        axis.set_title(f"{name} after epoch {epochs[-1]}: {', '.join(last)}", fontsize=10)
    name_lines(axes, ax is None)
    return axes


def compare(
    histories: Mapping[str, Run],
    names: Sequence[str] | Mapping[str, str] | None = None,
    first: int = 0,
    ax: AxesLike = None,
) -> np.ndarray:
    """The same curve of several runs in one plot.

    Parameters
    ----------
    histories : dict of str to History, Sequential or dict
        The runs by label, each in a form that `history` takes.
    names : sequence of str, or dict of str to str, optional
        Which curves: "loss", "val_loss", "accuracy", ...; None: all that the first run has. A dict also
        defines their labels in the plot: ``{"val_accuracy": "test accuracy"}``.
    first : int
        How many epochs to leave out at the start.
    ax : Axes or array of Axes, optional
        One for each name; None: a new figure.

    Returns
    -------
    ndarray of Axes
        One for each name, with a line for each run that has it; a run has the same style in all of them. Runs
        of a single epoch are drawn as one row each.

    Raises
    ------
    ValueError
        If there is no run, no run has one of the curves, or first leaves no epoch.

    Examples
    --------
    >>> from nnc import plot
    >>> runs = {"relu": {"val_loss": [0.9, 0.4]}, "tanh": {"val_loss": [0.8, 0.6]}}
    >>> (axis,) = plot.compare(runs)
    >>> axis.get_ylabel(), [line.get_label() for line in axis.lines]
    ('validation loss', ['relu', 'tanh'])
    """
    runs = {label: curves_of(run) for label, run in histories.items()}
    if not runs:
        raise ValueError("histories is empty")
    if names is None:
        names = [name for name in next(iter(runs.values()))[0] if name != "learning_rate"]
    called = names if isinstance(names, Mapping) else {name: said(name) for name in names}
    for name in called:
        if not any(len(curves.get(name, ())) for curves, _ in runs.values()):
            raise ValueError(f"names: no run has the curve {name!r}")
    shortest = min(len(epochs) for _, epochs in runs.values())
    if not 0 <= first < shortest:
        raise ValueError(f"first must be from 0 to {shortest - 1}, one less than the epochs, got {first}")
    axes = axes_of(ax, len(called), (5.2, 3.6))
    for axis, (name, what) in zip(axes, called.items(), strict=True):
        lines = {
            label: (i, *_points(curves[name], epochs, first))
            for i, (label, (curves, epochs)) in enumerate(runs.items())
            if len(curves.get(name, ()))
        }
        draw_curves(axis, lines, what)
        axis.set_title(what, fontsize=10)
    name_lines(axes, ax is None)
    return axes


def said(name: str) -> str:
    """The label for a key of the logs: "validation loss" for "val_loss"."""
    return name.replace("val_", "validation ", 1) if name.startswith("val_") else name


def _points(curve: Curve, epochs: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """(epochs, values) of a curve, without the first epochs."""
    y = np.asarray(curve, dtype=np.float64)
    every = len(epochs) // len(y)  # validation_freq: a shorter curve skips epochs
    x = epochs[every - 1 :: every][: len(y)]
    return x[x >= epochs[first]], y[x >= epochs[first]]
