"""The result of the table readers: some rows at a time, column by column.

A column of a chunk returns its cells as numbers or as strings, whatever the file contains. Gaps are NaN as
numbers and None as strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from nnc._config import LARGEST

CELLS = 2**17  # of a chunk, approximately: text takes about 100 bytes a cell while it is read
MAX_COLUMNS = 5_000  # names and statistics must fit in a model file's header

GAPS = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "?"))  # in lower case
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)", re.IGNORECASE | re.ASCII)


class Cells(Protocol):
    """A column of a chunk."""

    def __len__(self) -> int: ...

    def numbers(self) -> np.ndarray:
        """(n,) float64, NaN for cells that are not numbers."""
        ...

    def texts(self) -> Sequence[str | None]:
        """The cells as strings, None for gaps."""
        ...

    def distinct(self) -> set[str]:
        """The strings that occur, without gaps."""
        ...


class CellError(ValueError):
    """The cell at `index` of a chunk's column is invalid; the message says why."""

    column = ""  # its name, if known

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


class Chunk(NamedTuple):
    """Some rows: `columns` in the order of the table's names; `places`, each row's number in the file."""

    columns: list[Cells]
    places: Sequence[int]


class Table(Protocol):
    """A file of rows."""

    path: str
    names: list[str]
    named: bool  # whether the file has these names: otherwise columns are told apart by their order
    place: str  # the unit of `Chunk.places`: "line" of a text, "row" of an array
    described: str  # the kind of file, in words

    def chunks(self) -> Iterator[Chunk]:
        """The rows, from the first one; each call reads the file again."""
        ...


class Reading(NamedTuple):
    """The conversion of text to numbers and gaps."""

    gaps: frozenset[str] = GAPS  # in lower case
    decimal: str = "."

    @property
    def is_plain(self) -> bool:
        """Whether `float` parses numbers correctly: decimal points, and no number is a gap word."""
        return self.decimal == "." and not any(map(_NUMBER.fullmatch, self.gaps))

    def text(self, cell: str) -> str | None:
        """The cell without surrounding spaces; None for a gap."""
        cell = cell.strip()
        return None if cell.lower() in self.gaps else cell

    def number(self, cell: str) -> float:
        """The number in the cell; NaN for a gap and for other text."""
        text = self.text(cell)
        if text is None:
            return np.nan
        if self.decimal != ".":
            text = text.replace(self.decimal, ".")
        return float(text) if _NUMBER.fullmatch(text) else np.nan


class TextCells:
    """Cells of a text file; if `plain`, `float` accepts only those that are numbers here."""

    def __init__(self, cells: Sequence[str], reading: Reading, plain: bool) -> None:
        self._cells, self._reading, self._plain = cells, reading, plain

    def __len__(self) -> int:
        return len(self._cells)

    def numbers(self) -> np.ndarray:
        if self._plain:
            try:
                return np.fromiter(map(float, self._cells), np.float64, len(self._cells))
            except ValueError:  # a gap, or text
                pass
        known = {cell: self._reading.number(cell) for cell in set(self._cells)}
        return np.fromiter(map(known.__getitem__, self._cells), np.float64, len(self._cells))

    def texts(self) -> list[str | None]:
        known = {cell: self._reading.text(cell) for cell in set(self._cells)}
        return list(map(known.__getitem__, self._cells))

    def distinct(self) -> set[str]:
        texts = map(self._reading.text, set(self._cells))
        return {text for text in texts if text is not None}


class NumberCells:
    """Cells of an array of numbers."""

    def __init__(self, values: np.ndarray, reading: Reading) -> None:
        self._values = values.astype(np.float64)
        if not reading.is_plain:
            gaps = [float(word) for word in reading.gaps if _NUMBER.fullmatch(word)]
            self._values[np.isin(self._values, gaps)] = np.nan

    def __len__(self) -> int:
        return len(self._values)

    def numbers(self) -> np.ndarray:
        return self._values.copy()

    def texts(self) -> list[str | None]:
        return [None if value != value else number_text(value) for value in self.numbers().tolist()]

    def distinct(self) -> set[str]:
        values = np.unique(self.numbers())
        return {number_text(value) for value in values.tolist() if value == value}


def finite_numbers(cells: Cells) -> np.ndarray:
    """`cells.numbers()`; a CellError for infinities and numbers beyond the range of float32."""
    values = cells.numbers()
    with np.errstate(invalid="ignore"):
        odd = np.abs(values) > LARGEST
    if odd.any():
        index = int(np.argmax(odd))
        what = "infinite" if np.isinf(values[index]) else "beyond float32's largest number, 3.4e38"
        raise CellError(index, f"{cells.texts()[index]!r} is {what}")
    return values


def first_text(cells: Cells, values: np.ndarray) -> int | None:
    """The index of the first cell that is text rather than a number or a gap; `values` are the numbers."""
    places = np.flatnonzero(np.isnan(values))
    if not len(places):
        return None
    texts = cells.texts()
    return next((place for place in places.tolist() if texts[place] is not None), None)


def number_text(value: float) -> str:
    """A number as a class name: 3 for 3.0."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def check_names(path: str, names: Sequence[str]) -> list[str]:
    """The names of a table's columns, empty ones replaced by their number; a ValueError for duplicates."""
    if len(names) > MAX_COLUMNS:
        raise ValueError(f"{path}: {len(names):,} columns; at most {MAX_COLUMNS:,} are allowed")
    stripped = (name.strip() for name in names)
    given = [name or f"column {i}" for i, name in enumerate(stripped, 1)]
    first: dict[str, int] = {}
    for place, name in enumerate(given, 1):
        if name in first:
            raise ValueError(f"{path}: columns {first[name]} and {place} are both named {name!r}")
        first[name] = place
    return given


def rows_per_chunk(n_columns: int) -> int:
    """The number of rows of a chunk."""
    return max(1, CELLS // max(n_columns, 1))


def shortened(cells: Iterable[str], longest: int = 60) -> str:
    """Names for a message, truncated if there are many."""
    text = ", ".join(cells)
    return text if len(text) <= longest else text[: longest - 3] + "..."
