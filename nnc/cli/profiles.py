"""The contents of a table's columns, analyzed in one pass over all rows."""

from __future__ import annotations

import math

import numpy as np

from nnc.cli.chunks import Cells, finite_numbers, first_text

MOST_VALUES = 1_000  # different strings that are kept of a column
_MOSTLY = 0.9  # a column with at least this fraction of numbers is numeric


class Profile:
    """A column: the counts of its numbers, strings and gaps, and their statistics.

    Attributes
    ----------
    n_numbers, n_texts, n_gaps : int
    mean, low, high : float
        Of the numbers.
    first_text : (int, str) or None
        The row of the first string that is not a number, and the string.
    values : set of str or None
        The cells as strings; None if there are more than `MOST_VALUES`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_numbers = self.n_texts = self.n_gaps = 0
        self.mean, self._squares, self.low, self.high = 0.0, 0.0, math.inf, -math.inf
        self.whole = True
        self.first_text: tuple[int, str] | None = None
        self.values: set[str] | None = set()

    def add(self, cells: Cells, first: int) -> None:
        """Add these cells, the first of which is in row `first` of the table."""
        values = finite_numbers(cells)
        missing = np.isnan(values)
        if missing.any():
            self._add_missing(cells, values, first)
            values = values[~missing]
        if len(values):
            self._add_numbers(values)
        if self.values is not None:
            self.values |= cells.distinct()
            if len(self.values) > MOST_VALUES:
                self.values = None

    def _add_missing(self, cells: Cells, values: np.ndarray, first: int) -> None:
        texts = cells.texts()
        n_gaps = sum(text is None for text in texts)
        self.n_gaps += n_gaps
        self.n_texts += int(np.isnan(values).sum()) - n_gaps
        if self.first_text is None and self.n_texts:
            index = first_text(cells, values)
            if index is not None:
                self.first_text = first + index, str(texts[index])

    def _add_numbers(self, values: np.ndarray) -> None:
        """Merge means and sums of squares (Chan, Golub and LeVeque 1979)."""
        n, mean = len(values), float(values.mean())
        total = self.n_numbers + n
        step = mean - self.mean
        self._squares += float(np.square(values - mean).sum()) + step * step * self.n_numbers * n / total
        self.mean += step * n / total
        self.n_numbers = total
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.whole = self.whole and bool((values == np.floor(values)).all())

    @property
    def deviation(self) -> float:
        """The standard deviation of the numbers."""
        return math.sqrt(self._squares / max(self.n_numbers, 1))

    @property
    def is_numeric(self) -> bool:
        """Whether the column is numeric, possibly with a few strings."""
        return self.n_numbers > 0 and self.n_numbers >= _MOSTLY * (self.n_numbers + self.n_texts)

    @property
    def is_constant(self) -> bool:
        """Whether all cells are the same, where a gap counts as a value."""
        if self.n_texts == 0:
            return (self.low == self.high and not self.n_gaps) or not self.n_numbers
        return self.values is not None and len(self.values) + bool(self.n_gaps) == 1
