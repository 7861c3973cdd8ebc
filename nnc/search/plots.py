"""Plots of a search: score against parameters, parallel coordinates, a grid as a heat map, all curves.

As in `nnc.plot`, every function draws into the given Axes or a new figure and returns the Axes; none calls
``show``. `nnc.plot.save` writes files. Dark lines are good trials, the best is black; on a dark background,
light lines are good, and the best is white.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nnc._config import refusal
from nnc.plot.backgrounds import background, text_colour
from nnc.plot.frames import FRAME, axes_of, grid, whole_numbers
from nnc.plot.lines import COLOURS, name_lines
from nnc.search.result import SearchResult, Trial
from nnc.search.scales import Scale, distinct, text_of
from nnc.search.space import flattened
from nnc.tables import _texts

_MAP = "viridis"


def parameters(result: SearchResult, names: list[str] | None = None, ax: Any = None) -> np.ndarray:
    """The score of every trial against each parameter; the best trial is ringed.

    Parameters
    ----------
    result : SearchResult
    names : list of str, optional
        The parameters to plot; by default all that vary.
    ax : Axes or array of Axes, optional
        One for each parameter; None: a new figure.

    Returns
    -------
    ndarray of Axes
        An axis is logarithmic if the largest value is at least 30 times the smallest, and categorical if
        there are few values, as in a grid. Trials of another branch, which lack the parameter, are drawn at
        "none".

    Examples
    --------
    >>> from nnc.search.planner import Plan
    >>> def trial(number, rate, score):
    ...     return Trial(number, {"rate": rate, "units": 8}, 0, "done", score, [score], 1, [], "", 0.5)
    >>> trials = [trial(0, 0.1, 0.9), trial(1, 0.001, 0.8)]
    >>> (axis,) = parameters(SearchResult(trials, "score", "max", Plan(1, 1, ""), False))
    >>> axis.get_xlabel(), axis.figure.get_suptitle()
    ('rate (logarithmic)', '2 trials, the best score 0.9 of trial 0 (ringed)')
    """
    trials = _scored(result)
    names = _names(result, names, trials)
    axes = axes_of(ax, len(names), (4.2, 3.4))
    for axis, name in zip(axes, names, strict=True):
        scale = _scale(trials, name)
        scores = [trial.score for trial in trials]
        axis.scatter(scale.positions, scores, s=18, color=COLOURS[0], alpha=0.75, edgecolors="none")
        axis.scatter(
            scale.positions[:1], scores[:1], s=60, facecolors="none", edgecolors=COLOURS[1], linewidths=1.5
        )
        scale.label(axis)
        axis.set(xlabel=_with_scale(name, scale), ylabel=result.metric)
        grid(axis)
    if ax is None:
        axes[0].figure.suptitle(f"{_summary(result, trials)} (ringed)", fontsize=11)
    return axes


def parallel(result: SearchResult, names: list[str] | None = None, ax: Any = None) -> Any:
    """Parallel coordinates: a line for each trial through its parameters to its score, the best drawn last.

    Trials with the same value of a grid, or the same category, are side by side in the order of their scores.

    Parameters
    ----------
    result : SearchResult
    names : list of str, optional
        The parameters to plot; by default all that vary.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes

    Examples
    --------
    >>> from nnc.search.planner import Plan
    >>> def trial(number, rate, score):
    ...     return Trial(number, {"rate": rate, "units": 8}, 0, "done", score, [score], 1, [], "", 0.5)
    >>> trials = [trial(0, 0.1, 0.9), trial(1, 0.2, 0.8)]
    >>> ax = parallel(SearchResult(trials, "score", "max", Plan(1, 1, ""), False))
    >>> ax.get_title(), [label.get_text() for label in ax.get_xticklabels()]
    ('2 trials, the best score 0.9 of trial 0', ['rate', 'score'])
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize, to_rgba

    trials = _scored(result)
    names = _names(result, names, trials)
    (axis,) = axes_of(ax, 1, (1.6 * len(names) + 3.2, 4.6))
    scales = [_scale(trials, name) for name in names] + [Scale([trial.score for trial in trials], grid=False)]
    # (trials, parameters + 1), in [0, 1]
    scores = np.array([trial.score for trial in trials])
    columns = np.stack([scale.unit(scores) for scale in scales], axis=1)
    norm, cmap = Normalize(scores.min(), scores.max()), _towards_best(result, axis)
    lines = LineCollection(
        [np.column_stack([np.arange(len(row)), row]) for row in columns[::-1]],
        colors=[*colormaps[cmap](norm(scores[:0:-1])), to_rgba(text_colour(background(axis)))],
        linewidths=[1.1] * (len(trials) - 1) + [2.0],
        alpha=0.8,
    )
    axis.add_collection(lines)
    for at, scale in enumerate(scales):
        axis.plot((at, at), (0, 1), color=FRAME, linewidth=0.8)  # not through the labels above and below
        side, aside = ("right", -5) if at == 0 else ("left", 5)  # no line is to the left of the first axis
        for height, text in scale.marks():
            # The outermost labels are beyond the lines; those between have a background that covers them.
            low, high = height - scale.band / 2, height + scale.band / 2
            if scale.band:
                axis.plot((at, at), (low, high), color=FRAME, linewidth=4, solid_capstyle="butt")
            beyond = ("top", -4) if low < 1e-9 else ("bottom", 4) if high > 1 - 1e-9 else None
            height = low if low < 1e-9 else high if beyond else height
            label = axis.annotate(
                text, (at, height), (0, beyond[1]) if beyond else (aside, 0), textcoords="offset points",
                fontsize=7, va=beyond[0] if beyond else "center", ha="center" if beyond else side, zorder=5,
            )  # fmt: skip
            if not beyond:
                label.set_bbox({"facecolor": background(axis), "edgecolor": "none", "pad": 2.0})
    axis.set(xlim=(-0.15, len(names) + 0.35), ylim=(-0.09, 1.09), yticks=[])
    titles = [_with_scale(*pair, "\n") for pair in zip([*names, result.metric], scales, strict=True)]
    axis.set_xticks(range(len(names) + 1), titles)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.figure.colorbar(ScalarMappable(norm, cmap), ax=axis, fraction=0.04, pad=0.02).set_label(
        result.metric
    )
    axis.set_title(_summary(result, trials), fontsize=10)
    return axis


def heat_map(result: SearchResult, x: str, y: str, ax: Any = None) -> Any:
    """The score over two parameters of a grid: each cell is the best over all other parameters, or empty.

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
    >>> from nnc.search.planner import Plan
    >>> def trial(number, rate, units):
    ...     return Trial(number, {"rate": rate, "units": units}, 0, "done", rate, [rate], 1, [], "", 0.5)
    >>> trials = [trial(2 * i + j, rate, 8 << j) for i, rate in enumerate((0.1, 0.2)) for j in range(2)]
    >>> result = SearchResult(trials, "score", "max", Plan(1, 1, ""), False)
    >>> heat_map(result, "rate", "units").images[0].get_array().tolist()
    [[0.1, 0.2], [0.1, 0.2]]
    """
    trials = _scored(result)
    across, up = (
        [flattened(trial.params).get(name) for trial in trials] for name in _names(result, [x, y], trials)
    )
    columns, rows = distinct(across), distinct(up)
    best = max if result.direction == "max" else min
    cells = np.full((len(rows), len(columns)), np.nan)
    for trial, a, b in zip(trials, across, up, strict=True):
        i, j = rows.index(b), columns.index(a)
        cells[i, j] = trial.score if np.isnan(cells[i, j]) else best(cells[i, j], trial.score)
    (axis,) = axes_of(ax, 1, (0.8 * len(columns) + 2.6, 0.55 * len(rows) + 1.8))
    image = axis.imshow(cells, cmap=_MAP, aspect="auto", origin="lower")
    axis.set_xticks(range(len(columns)), map(text_of, columns))
    axis.set_yticks(range(len(rows)), map(text_of, rows))
    axis.set(xlabel=x, ylabel=y)
    if cells.size <= 150:
        texts = iter(_texts([value for value in cells.flat if not np.isnan(value)], 4))
        for (i, j), value in np.ndenumerate(cells):
            if not np.isnan(value):
                color = text_colour(image.cmap(image.norm(value))[:3])
                axis.text(j, i, next(texts), ha="center", va="center", fontsize=8, color=color)
    axis.figure.colorbar(image, ax=axis, fraction=0.05, pad=0.03).set_label(result.metric)
    rest = len({*_names(result, None, trials)} - {x, y})
    title = f"{'best ' * (rest > 0)}{result.metric} by {x}", f"and {y}"
    axis.set_title((" " if sum(map(len, title)) < 40 else "\n").join(title), fontsize=10)
    return axis


def curves(result: SearchResult, metric: str | None = None, ax: Any = None) -> Any:
    """A metric against the epoch, a line for each trial; the best trial is highlighted.

    Parameters
    ----------
    result : SearchResult
    metric : str, optional
        A key of the logs; by default the metric of the search.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        The x axis is the trial's number instead of the epoch if no trial had more than one epoch.

    Examples
    --------
    >>> from nnc.search.planner import Plan
    >>> def trial(number, *losses):
    ...     logs = [{"loss": list(losses)}]
    ...     return Trial(number, {}, 0, "done", losses[-1], [losses[-1]], len(losses), logs, "", 0.5)
    >>> result = SearchResult([trial(0, 3, 2), trial(1, 3, 1)], "loss", "min", Plan(1, 1, ""), False)
    >>> curves(result).get_title()
    '2 trials, the best loss 1 of trial 1 (black)'
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
    single = all(len(trial.history[metric]) == 1 for trial in trials)
    best = text_colour(background(axis))
    cmap = colormaps[_MAP + "_r" * (best == "black")]
    for place, trial in reversed(list(enumerate(trials))):
        curve, first = trial.history[metric], place == 0
        colour = best if first else cmap(0.9 - 0.8 * place / len(trials))
        style = {"linewidth": 1.8 if first else 0.9, "alpha": 1.0 if first else 0.7, "color": colour}
        epochs = [trial.number] if single else np.arange(1, len(curve) + 1)
        label = f"trial {trial.number}" if first else None
        axis.plot(epochs, curve, label=label, marker="o" if len(curve) == 1 else None, markersize=4, **style)
    axis.set(xlabel="trial, each of one epoch" if single else "epoch", ylabel=metric)
    axis.set_title(f"{_summary(result, trials)} ({best})", fontsize=10)
    whole_numbers(axis.xaxis)
    grid(axis)
    name_lines([axis], ax is None)
    return axis


def _summary(result: SearchResult, trials: list[Trial]) -> str:
    """The number of trials, and the best one."""
    best = f"the best {result.metric} {trials[0].score:.4g} of trial {trials[0].number}"
    return f"{len(trials)} trial{'s' * (len(trials) != 1)}, {best}"


def _towards_best(result: SearchResult, axis: Any) -> str:
    """The colour map that has the most contrast with the background where scores are good."""
    dark = text_colour(background(axis)) == "white"
    return _MAP + "_r" * ((result.direction == "max") != dark)


def _scale(trials: list[Trial], name: str) -> Scale:
    return Scale([flattened(trial.params).get(name) for trial in trials])


def _with_scale(name: str, scale: Scale, between: str = " ") -> str:
    return f"{name}{between}(logarithmic)" if scale.log else name


def _scored(result: SearchResult) -> list[Trial]:
    trials = [trial for trial in result.trials if not math.isnan(trial.score)]
    if not trials:
        raise ValueError("no trial of this search has a score, so there is nothing to draw")
    return trials


def _names(result: SearchResult, names: list[str] | None, trials: list[Trial]) -> list[str]:
    """The parameters to draw: those given, else all that vary."""
    known = result.param_names
    if names is not None:
        for name in names:
            if name not in known:
                raise refusal("name", f"a parameter of the search: {', '.join(known)}", name)
        return list(names)
    found = [n for n in known if len(distinct([flattened(t.params).get(n) for t in trials])) > 1]
    return found or known
