"""The positions of a parameter's values in a plot."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np

_MOST_NAMES, _MOST_OF_A_GRID = 12, 8
_ASIDE = 0.15  # the distance of "none" from the numbers, as a fraction of their range


class Scale:
    """The positions of values on an axis.

    Numbers are drawn at their values, on a logarithmic scale if the largest is at least 30 times the
    smallest, with None next to them. The few numbers of a grid, and values that are not numbers, are drawn as
    categories at equal distances: sorted if possible, else in the order of their first appearance.

    Parameters
    ----------
    values : list
    grid : bool
        Whether a few numbers that each occur more than once are treated as a grid.
    """

    def __init__(self, values: list[Any], grid: bool = True) -> None:
        self.names: list[Any] | None = None
        self.log = False
        found = distinct(values)
        numbers = [value for value in found if value is not None]
        repeats = 2 * len(numbers) <= len(values) - values.count(None) and len(numbers) <= _MOST_OF_A_GRID
        if not numbers or not all(map(_is_number, numbers)) or (grid and repeats):
            self.names = found
            self.positions = [float(found.index(value)) for value in values]
            return
        self.low, self.high = float(min(numbers)), float(max(numbers))
        self.log = self.low > 0 and self.high / self.low >= 30
        aside = self.low - _ASIDE * ((self.high - self.low) or 1.0)
        if self.log:
            aside = self.low / (self.high / self.low) ** _ASIDE
        self.aside = aside if len(numbers) < len(found) else None
        self.positions = [float(aside if value is None else value) for value in values]

    def label(self, axes: Any) -> None:
        """Set the scale of the x axis of `axes`, and the tick labels that matplotlib would not draw."""
        if self.names is not None:
            if len(self.names) <= _MOST_NAMES:
                axes.set_xticks(range(len(self.names)), [text_of(name) for name in self.names])
                axes.set_xlim(-0.5, len(self.names) - 0.5)
            return
        if self.log:
            from matplotlib.ticker import NullFormatter

            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())  # labels between two powers of ten would overlap
        if self.aside is not None:
            locator = axes.xaxis.get_major_locator()
            ticks = [
                tick for tick in locator.tick_values(self.low, self.high) if self.low <= tick <= self.high
            ]
            axes.set_xticks([self.aside, *ticks], ["none", *map(text_of, ticks)])

    @property
    def band(self) -> float:
        """The height of a category in `unit`."""
        return 0.5 / len(self.names) if self.names is not None else 0.0

    def unit(self, order: np.ndarray) -> np.ndarray:
        """The positions in [0, 1]; those in the same category are spread over its band, by their `order`."""
        at = np.log(self.positions) if self.log else np.array(self.positions)
        spread = at.max() - at.min()
        heights = (at - at.min()) / spread if spread else np.full(len(at), 0.5)
        if self.names is None:
            return heights
        share = np.empty(len(at))
        for height in np.unique(heights):
            rows = np.flatnonzero(heights == height)
            share[rows[np.argsort(order[rows], kind="stable")]] = (np.arange(len(rows)) + 0.5) / len(rows)
        return heights * (1 - self.band) + self.band * share

    def marks(self) -> list[tuple[float, str]]:
        """(height in [0, 1], text) of the labels along an axis of parallel coordinates."""
        if self.names is not None:
            if len(self.names) <= _MOST_NAMES:
                ends = self.band / 2, 1 - self.band / 2
                heights = np.linspace(*ends, len(self.names)) if len(self.names) > 1 else [0.5]
                return [(float(h), text_of(name)) for h, name in zip(heights, self.names, strict=True)]
            return []
        if self.aside is not None:
            bottom = _ASIDE / (1 + _ASIDE)
            return [(0.0, "none"), (bottom, text_of(self.low)), (1.0, text_of(self.high))]
        if self.high == self.low:
            return [(0.5, text_of(self.low))]
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return [(0.0, text_of(self.low)), (0.5, text_of(middle)), (1.0, text_of(self.high))]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def distinct(values: list[Any]) -> list[Any]:
    """The distinct values: sorted if possible, else in the order of first appearance; None first."""
    found = []
    for value in values:
        if value not in found:
            found.append(value)
    rest = [value for value in found if value is not None]
    with contextlib.suppress(TypeError):
        rest = sorted(rest)
    return [None] * (len(rest) < len(found)) + rest


def text_of(value: Any) -> str:
    """A value as a label in a plot."""
    return f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)
