"""Several curves in one plot: their colours, dashes and markers, and their labels.

The colours are those of Okabe and Ito ("Color Universal Design", 2008) without yellow, which is too light for
lines on white; on a dark background, white replaces black. Any two of the first 14 curves either differ by 20
or more in CIEDE2000, for normal colour vision, protanopia and deuteranopia, or have different dashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc.plot.backgrounds import background, legible, text_colour
from nnc.plot.frames import grid, whole_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "black")
MARKERS = "osD^vPX"
DASHES: tuple[Any, ...] = (
    *("-", "--", "-.", ":"),
    *((0, (8, 1, 1, 1, 1, 1)), (0, (10, 3)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 3))),
)
_NAME_SIZE, _LONGEST_NAME, _MOST_IN_PANEL = 8, 18, 6


def style(i: int, axis: Axes) -> dict[str, Any]:
    """Colour, dashes and marker of the i-th curve of a plot."""
    turn, colour = divmod(i, len(COLOURS))
    dashes = DASHES[(colour % 4 + 4 * turn) % len(DASHES)]
    colours = *COLOURS[:-1], text_colour(background(axis))
    return {"color": colours[colour], "linestyle": dashes, "marker": MARKERS[(i + turn) % len(MARKERS)]}


def draw_line(axis: Axes, x: np.ndarray, y: np.ndarray, i: int, name: str) -> None:
    """Draw the i-th curve, with a marker at each point, or at about 12 of them if there are many.

    Of several curves, the markers are then at different points, so that none hides those of another.
    """
    often = max(1, len(x) // 12)
    marked: Any = i % 4 * often // 4, often
    if axis.get_xscale() == "log" and often > 1:
        marked = np.unique(np.geomspace(1, len(x), 12).round().astype(int)) - 1
    axis.plot(x, y, **style(i, axis), markersize=3.5, markevery=marked, linewidth=1.5, label=name)


def draw_curves(axis: Axes, curves: Mapping[str, tuple[int, np.ndarray, np.ndarray]], what: str) -> None:
    """Draw curves by name, (i, epochs, values), of the quantity `what` against the epoch.

    If no curve has more than one point, each has its own row instead of all being in a column of dots.
    """
    if all(len(x) < 2 for _, x, _ in curves.values()):
        names = list(curves)
        for row, (i, _, y) in enumerate(curves.values()):
            look: dict[str, Any] = style(i, axis) | {"linestyle": "none"}
            axis.plot(y, np.full(len(y), row), **look, markersize=6, label=f"_{names[row]}")
        axis.set_yticks(range(len(names)), names, fontsize=_NAME_SIZE if len(names) > 6 else None)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.margins(x=0.1)
        axis.locator_params(axis="x", nbins=4)
        axis.set(xlabel=what)
    else:
        for name, (i, x, y) in curves.items():
            draw_line(axis, x, y, i, name)
        axis.set(xlabel="epoch", ylabel=what)
        whole_numbers(axis.xaxis)
    grid(axis)


def name_lines(axes: Sequence[Axes] | np.ndarray, own: bool) -> None:
    """Write the labels of the lines at their ends if they fit in every panel; else add one legend.

    Parameters
    ----------
    axes : sequence of Axes
        The panels; lines with the same label have the same style.
    own : bool
        Whether the figure contains only these panels: a long legend may then be placed next to them.
    """
    named = {line.get_label(): line for axis in axes for line in _named(axis)}
    if not named:
        return
    places = [_places(axis) for axis in axes]
    if all(place is not None for place in places):
        for axis, place in zip(axes, places, strict=True):
            behind = background(axis, outside=True)
            for line, shift in place or ():
                color = legible(line.get_color(), behind)
                # Outside the frame, where its extent does not depend on the width: one layout pass is enough.
                axis.annotate(
                    line.get_label(), (1, line.get_ydata()[-1]), (5, shift), axis.get_yaxis_transform(),
                    "offset points", va="center", fontsize=_NAME_SIZE, color=color,
                )  # fmt: skip
            if place:
                # Not further than the last markers, which would else be cut in half.
                low, last = axis.get_xlim()[0], place[0][0].get_xdata()[-1]
                axis.set_xlim(right=last + 0.01 * (last - low))
        return
    lines, names = list(named.values()), list(named)
    if own and (len(axes) > 1 or len(names) > _MOST_IN_PANEL):
        where: dict[str, Any] = {"loc": "outside right upper", "ncols": 1}
        if len(axes) > 1:
            where = {"loc": "outside lower center", "ncols": min(len(names), 5)}
        axes[0].figure.legend(lines, names, frameon=False, fontsize=_NAME_SIZE, handlelength=3.5, **where)
    else:
        axes[0].legend(lines, names, frameon=False, fontsize=_NAME_SIZE, handlelength=3.5)


def _named(axis: Axes) -> list[Any]:
    return [line for line in axis.lines if not str(line.get_label()).startswith("_")]


def _places(axis: Axes) -> list[tuple[Any, float]] | None:
    """(line, offset of its label in points upwards); None if the labels at the ends do not fit."""
    figure: Any = axis.figure
    lines = _named(axis)
    if not lines:
        return []
    longest = max(len(str(line.get_label())) for line in lines)
    if figure.get_layout_engine() is None or longest > _LONGEST_NAME:
        return None
    ends = np.array([(line.get_xdata()[-1], line.get_ydata()[-1]) for line in lines], dtype=np.float64)
    last = max(np.max(line.get_xdata()) for line in axis.lines)  # including lines without labels
    if not np.isfinite(ends).all() or np.any(ends[:, 0] < last):
        return None
    axis.get_ylim()  # makes Matplotlib update the limits
    height = 72 * figure.get_size_inches()[1] * axis.get_position().height
    at = axis.transAxes.inverted().transform(axis.transData.transform(ends))[:, 1] * height
    line_height = 1.4 * _NAME_SIZE
    moved = apart(at, line_height)
    moved += max(0.0, -moved.min()) - max(0.0, moved.max() - height)
    fits = np.abs(moved - at).max() <= 2.5 * line_height and moved.min() > -line_height
    return list(zip(lines, moved - at, strict=True)) if fits else None


def apart(at: np.ndarray, distance: float) -> np.ndarray:
    """The numbers moved as little as possible, in least squares, to be `distance` apart in the same order.

    After subtracting i times the distance this is an isotonic regression, solved by pooling adjacent
    violators.
    """
    order = np.argsort(at, kind="stable")
    steps = distance * np.arange(len(at))
    pools: list[list[float]] = []
    for value in at[order] - steps:
        pools.append([value])
        while len(pools) > 1 and np.mean(pools[-2]) > np.mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    moved = np.empty(len(at))
    moved[order] = np.concatenate([np.full(len(pool), np.mean(pool)) for pool in pools]) + steps
    return moved
