"""Pictures of a search: score against parameters, parallel coordinates, a grid as a heat map, all curves.

As in `nnc.plot`: every function draws into the Axes it is given or into a new figure and returns the Axes;
nothing is shown. `nnc.plot.save` writes files.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnc._config import refusal
from nnc.plot.frames import FRAME, TRAINING, axes_of, frame, grid
from nnc.search.result import SearchResult, Trial
from nnc.search.space import flattened

COLOURS = "viridis"
_MOST_LABELS = 12


def parameters(result: SearchResult, names: list[str] | None = None, ax: Any = None) -> np.ndarray:
    """The score of every trial against each parameter.

    Parameters
    ----------
    result : SearchResult
    names : list of str, optional
        Which parameters; all that vary unless given.
    ax : Axes or array of Axes, optional
        One for each parameter; None: a new figure.

    Returns
    -------
    ndarray of Axes

    Examples
    --------
    >>> import nnc
    >>> from nnc import layers, search
    >>> def build(params):
    ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
    ...     model.compile("adam", "sparse_categorical_crossentropy")
    ...     return model
    >>> space = {"units": [4, 8], "batch_size": [16, 32]}
    >>> grid = search.GridSearch(build, space, epochs=1, validation_split=0.2, verbose=0)
    >>> axes = search.plots.parameters(grid.run(*nnc.datasets.load_iris()))
    >>> [axis.get_xlabel() for axis in axes]
    ['units', 'batch_size']
    """
    trials = _scored(result)
    names = _names(result, names, trials)
    axes = axes_of(ax, len(names), (4.2, 3.4))
    for axis, name in zip(axes, names, strict=True):
        place = _Scale([flattened(trial.params).get(name) for trial in trials])
        scores = [trial.score for trial in trials]
        axis.scatter(place.positions, scores, s=18, color=TRAINING, alpha=0.75, edgecolors="none")
        place.label(axis.xaxis, axis.set_xscale)
        axis.set(xlabel=name, ylabel=result.metric)
        grid(axis)
    return axes


def parallel(result: SearchResult, names: list[str] | None = None, ax: Any = None) -> Any:
    """Parallel coordinates: a line for each trial through its parameters to its score, the best drawn last.

    Parameters
    ----------
    result : SearchResult
    names : list of str, optional
        Which parameters; all that vary unless given.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import nnc
    >>> from nnc import layers, search
    >>> def build(params):
    ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
    ...     model.compile("adam", "sparse_categorical_crossentropy")
    ...     return model
    >>> space = {"units": [4, 8], "batch_size": [16, 32]}
    >>> grid = search.GridSearch(build, space, epochs=1, validation_split=0.2, verbose=0)
    >>> axes = search.plots.parallel(grid.run(*nnc.datasets.load_iris()))
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    trials = _scored(result)
    names = _names(result, names, trials)
    (axis,) = axes_of(ax, 1, (1.6 * len(names) + 3.2, 4.2))
    scales = [_Scale([flattened(trial.params).get(name) for trial in trials]) for name in names]
    scores = _Scale([trial.score for trial in trials])
    # (trials, parameters + 1), in [0, 1]
    columns = np.stack([scale.unit() for scale in [*scales, scores]], axis=1)
    norm = Normalize(min(scores.positions), max(scores.positions))
    lines = LineCollection(
        [np.column_stack([np.arange(len(row)), row]) for row in columns[::-1]],
        colors=colormaps[COLOURS](norm(np.array(scores.positions[::-1], float))),
        linewidths=1.1,
        alpha=0.8,
    )
    axis.add_collection(lines)
    for at, scale in enumerate([*scales, scores]):
        axis.axvline(at, color=FRAME, linewidth=0.8)
        for height, text in scale.ends():
            label = axis.annotate(
                text, (at, height), (3, 0), textcoords="offset points", fontsize=7, va="center"
            )
            label.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5})
    axis.set(xlim=(-0.1, len(names) + 0.35), ylim=(-0.05, 1.05), yticks=[])
    axis.set_xticks(range(len(names) + 1), [*names, result.metric])
    axis.spines[:].set_visible(False)
    axis.figure.colorbar(ScalarMappable(norm, COLOURS), ax=axis, fraction=0.04, pad=0.02).set_label(
        result.metric
    )
    return axis


def heat_map(result: SearchResult, x: str, y: str, ax: Any = None) -> Any:
    """The score over two parameters of a grid: the best over all others in each cell; empty where none is.

    Parameters
    ----------
    result : SearchResult
    x, y : str
        Names of parameters.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import nnc
    >>> from nnc import layers, search
    >>> def build(params):
    ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
    ...     model.compile("adam", "sparse_categorical_crossentropy")
    ...     return model
    >>> space = {"units": [4, 8], "batch_size": [16, 32]}
    >>> grid = search.GridSearch(build, space, epochs=1, validation_split=0.2, verbose=0)
    >>> axes = search.plots.heat_map(grid.run(*nnc.datasets.load_iris()), "units", "batch_size")
    """
    trials = _scored(result)
    across, up = (
        [flattened(trial.params).get(name) for trial in trials] for name in _names(result, [x, y], trials)
    )
    columns, rows = _distinct(across), _distinct(up)
    best = max if result.direction == "max" else min
    cells = np.full((len(rows), len(columns)), np.nan)
    for trial, a, b in zip(trials, across, up, strict=True):
        i, j = rows.index(b), columns.index(a)
        cells[i, j] = trial.score if np.isnan(cells[i, j]) else best(cells[i, j], trial.score)
    (axis,) = axes_of(ax, 1, (0.8 * len(columns) + 2.6, 0.55 * len(rows) + 1.6))
    image = axis.imshow(cells, cmap=COLOURS, aspect="auto", origin="lower")
    axis.set_xticks(range(len(columns)), map(_text, columns))
    axis.set_yticks(range(len(rows)), map(_text, rows))
    axis.set(xlabel=x, ylabel=y)
    if cells.size <= 150:
        for (i, j), value in np.ndenumerate(cells):
            if not np.isnan(value):
                dark = image.norm(value) < 0.6
                axis.text(
                    j,
                    i,
                    f"{value:.4g}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if dark else "black",
                )
    axis.figure.colorbar(image, ax=axis, fraction=0.05, pad=0.03).set_label(result.metric)
    return axis


def curves(result: SearchResult, metric: str | None = None, ax: Any = None) -> Any:
    """A number of the logs against the epoch, a line for each trial; the best trial stands out.

    Parameters
    ----------
    result : SearchResult
    metric : str, optional
        Key of the logs; the search's own unless given.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> import nnc
    >>> from nnc import layers, search
    >>> def build(params):
    ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
    ...     model.compile("adam", "sparse_categorical_crossentropy")
    ...     return model
    >>> grid = search.GridSearch(build, {"units": [4, 8]}, epochs=3, validation_split=0.2, verbose=0)
    >>> axes = search.plots.curves(grid.run(*nnc.datasets.load_iris()), "val_loss")
    """
    from matplotlib import colormaps

    metric = metric or result.metric
    trials = [trial for trial in result.trials if metric in trial.history]
    if not trials:
        known = sorted({name for trial in result.trials for name in trial.history})
        raise refusal(
            "metric", f"one of {', '.join(known)}" if known else "of a search that trained models", metric
        )
    (axis,) = axes_of(ax, 1, (6.0, 4.0))
    for place, trial in reversed(list(enumerate(trials))):
        curve, first = trial.history[metric], place == 0
        colour = "black" if first else colormaps[COLOURS](1 - place / max(1, len(trials) - 1))
        style = {"linewidth": 1.8 if first else 0.9, "alpha": 1.0 if first else 0.6, "color": colour}
        label = f"trial {trial.number}, the best" if first else None
        marker = "o" if len(curve) == 1 else None
        axis.plot(np.arange(1, len(curve) + 1), curve, label=label, marker=marker, markersize=3, **style)
    axis.set(xlabel="epoch", ylabel=metric)
    frame(axis)
    return axis


class _Scale:
    """Where values stand on an axis: numbers where they are, on a log scale if they span two decades or more;
    other values side by side in the order of their first appearance.
    """

    def __init__(self, values: list[Any]) -> None:
        self.names: list[Any] | None = None
        self.log = False
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            self.positions = [float(value) for value in values]
            low, high = min(self.positions), max(self.positions)
            self.log = low > 0 and high / low >= 100
        else:
            self.names = _distinct(values)
            self.positions = [float(self.names.index(value)) for value in values]

    def label(self, axis: Any, set_scale: Any) -> None:
        if self.log:
            set_scale("log")
        if self.names is not None and len(self.names) <= _MOST_LABELS:
            axis.set_ticks(range(len(self.names)), list(map(_text, self.names)))

    def unit(self) -> np.ndarray:
        """The positions in [0, 1]."""
        at = np.log(self.positions) if self.log else np.array(self.positions)
        spread = at.max() - at.min()
        return (at - at.min()) / spread if spread else np.full(len(at), 0.5)

    def ends(self) -> list[tuple[float, str]]:
        """(height, text) of what is written beside an axis of parallel coordinates."""
        if self.names is not None and len(self.names) <= _MOST_LABELS:
            top = max(1, len(self.names) - 1)
            return [
                (i / top if len(self.names) > 1 else 0.5, _text(name)) for i, name in enumerate(self.names)
            ]
        low, high = min(self.positions), max(self.positions)
        return [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")] if high > low else [(0.5, f"{low:.4g}")]


def _scored(result: SearchResult) -> list[Trial]:
    trials = [trial for trial in result.trials if not math.isnan(trial.score)]
    if not trials:
        raise ValueError("no trial of this search has a score, so there is nothing to draw")
    return trials


def _names(result: SearchResult, names: list[str] | None, trials: list[Trial]) -> list[str]:
    """The parameters to draw: those given, else all that are not the same everywhere."""
    known = result.param_names
    if names is not None:
        for name in names:
            if name not in known:
                raise refusal("name", f"a parameter of the search: {', '.join(known)}", name)
        return list(names)
    found = [n for n in known if len(_distinct([flattened(t.params).get(n) for t in trials])) > 1]
    return found or known


def _distinct(values: list[Any]) -> list[Any]:
    """The values without repeats: sorted if they can be, else by their first appearance."""
    found = []
    for value in values:
        if value not in found:
            found.append(value)
    try:
        return sorted(found)
    except TypeError:
        return found


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)
