"""Pictures of training: losses and metrics against the epoch, of one run or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnc.plot.frames import TRAINING, VALIDATION, axes_of, frame
from nnc.plot.inputs import Curve, Run, curves_of

if TYPE_CHECKING:
    from nnc.plot.frames import AxesLike


def history(history: Run, first: int = 0, ax: AxesLike = None) -> np.ndarray:
    """Loss and metrics against the epoch, of training and validation.

    Parameters
    ----------
    history : History, Sequential or dict
        What `fit` returned, a model that was trained, or lists by name: ``{"loss": [...], "val_loss":
        [...]}``.
    first : int
        How many epochs to leave out at the start: 1 leaves out the first, which often hides the rest by its
        scale.
    ax : Axes or array of Axes, optional
        One for each name without "val_"; None: a new figure.

    Returns
    -------
    ndarray of Axes
        One for each name without "val_": the loss and each metric. The learning rate, where recorded, is left
        out.

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
        last = []
        for key, label, color in ((name, "training", TRAINING), ("val_" + name, "validation", VALIDATION)):
            if len(curves.get(key, ())):
                x, y = _points(curves[key], epochs, first)
                size = 3 if len(x) < 30 else 0
                axis.plot(x, y, color=color, label=label, linewidth=1.6, marker="o", markersize=size)
                last += [f"{label} {value:.4g}" for value in y[-1:]]
        axis.set(xlabel="epoch", ylabel=name, title=f"{name}, at the end: {', '.join(last)}")
        axis.title.set_fontsize(10)
        frame(axis)
    return axes


def compare(
    histories: Mapping[str, Run], names: Sequence[str] | None = None, first: int = 0, ax: AxesLike = None
) -> np.ndarray:
    """The same curve of several runs in one picture.

    Parameters
    ----------
    histories : dict of str to History, Sequential or dict
        The runs by their labels; of a run what `history` takes.
    names : sequence of str, optional
        Which curves: "loss", "val_loss", "accuracy", ...; None: all that the first run has.
    first : int
        How many epochs to leave out at the start.
    ax : Axes or array of Axes, optional
        One for each name; None: a new figure.

    Returns
    -------
    ndarray of Axes
        One for each name, with a line for each run that has it, in one colour over all of them.

    Examples
    --------
    >>> from nnc import plot
    >>> axes = plot.compare({"relu": {"loss": [0.9, 0.4]}, "tanh": {"loss": [0.8, 0.6]}})
    >>> [line.get_label() for line in axes[0].lines]
    ['relu', 'tanh']
    """
    from matplotlib import colormaps

    runs = {label: curves_of(run) for label, run in histories.items()}
    if not runs:
        raise ValueError("histories is empty")
    if names is None:
        names = [name for name in next(iter(runs.values()))[0] if name != "learning_rate"]
    for name in names:
        if not any(len(curves.get(name, ())) for curves, _ in runs.values()):
            raise ValueError(f"names: no run has the curve {name!r}")
    shortest = min(len(epochs) for _, epochs in runs.values())
    if not 0 <= first < shortest:
        raise ValueError(f"first must be from 0 to {shortest - 1}, one less than the epochs, got {first}")
    axes = axes_of(ax, len(names), (5.2, 3.6))
    palette = [color for color in map(colormaps["tab10"], range(10)) if color[0] != color[1]]  # no grey
    for axis, name in zip(axes, names, strict=True):
        for i, (label, (curves, epochs)) in enumerate(runs.items()):
            if len(curves.get(name, ())):
                x, y = _points(curves[name], epochs, first)
                style = ("-", "--", ":")[i // len(palette) % 3]
                color, size = palette[i % len(palette)], 3 if len(x) < 30 else 0
                axis.plot(x, y, style, color=color, label=label, linewidth=1.4, marker="o", markersize=size)
        axis.set(xlabel="epoch", ylabel=name, title=name)
        axis.title.set_fontsize(10)
        frame(axis, fontsize=8)
    return axes


def _points(curve: Curve, epochs: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """(epochs, values) of a curve, without the first epochs."""
    y = np.asarray(curve, dtype=np.float64)
    every = len(epochs) // len(y)  # validation_freq: a shorter curve skips epochs
    x = epochs[every - 1 :: every][: len(y)]
    return x[x >= epochs[first]], y[x >= epochs[first]]
