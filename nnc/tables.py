"""Tables of results: rows of named values, written as CSV (all digits) and Markdown (for reading).

>>> from nnc import tables
>>> rows = [{"net": "784-10", "loss": 0.26891, "epochs": 5}, {"net": "784-292-10", "loss": 0.0641}]
>>> print(tables.markdown(rows))
| net        |   loss | epochs |
|------------|-------:|-------:|
| 784-10     | 0.2689 |      5 |
| 784-292-10 | 0.0641 |        |
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from nnc._arguments import suggest_arguments


def markdown(rows: Sequence[Mapping[str, Any]], digits: int = 4) -> str:
    """Return the table in Markdown, readable as plain text too.

    Parameters
    ----------
    rows : sequence of dict
        A str, int, float, bool or None for each column; None and missing values are left blank. The columns
        are in the order in which they first appear in the rows.
    digits : int
        Significant digits of the largest fractional number of a column. The others have the same number of
        decimals; if that would hide the smallest or be too wide, each has that many significant digits.

    Returns
    -------
    str
        Without a newline at the end.

    Raises
    ------
    ValueError
        If there is no row with a column.

    Examples
    --------
    >>> from nnc import tables
    >>> print(tables.markdown([{"net": "784-10", "loss": 0.26891}, {"net": "784-292-10", "loss": 0.0641}]))
    | net        |   loss |
    |------------|-------:|
    | 784-10     | 0.2689 |
    | 784-292-10 | 0.0641 |
    """
    columns = _columns(rows)
    if not columns:
        raise ValueError("rows must have at least one with at least one column")
    cells, right = [], []
    for name in columns:
        values = [row.get(name) for row in rows]
        known = [value for value in values if value is not None]
        right.append(bool(known) and all(isinstance(v, Real) and not isinstance(v, bool) for v in known))
        column = [_escape(name), *_texts(values, digits)]
        width = max(3, *map(len, column))
        cells.append([text.rjust(width) if right[-1] else text.ljust(width) for text in column])
    rules = ["-" * (len(column[0]) + 1) + ("-:"[r]) for column, r in zip(cells, right, strict=True)]
    lines = [f"| {' | '.join(line)} |" for line in zip(*cells, strict=True)]
    return "\n".join([lines[0], f"|{'|'.join(rules)}|", *lines[1:]])


def save(
    rows: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    formats: tuple[str, ...] = ("csv", "md"),
    digits: int = 4,
) -> list[str]:
    """Write the table in each of the formats and return the file names.

    Parameters
    ----------
    rows : sequence of dict
        As for `markdown`.
    path : str or path
        Without a suffix, which is added for each format: "results/runs" becomes results/runs.csv and
        results/runs.md. Missing folders are created.
    formats : tuple of str
        Any of "csv", "md".
    digits : int
        As for `markdown`; a CSV file has all digits.

    Returns
    -------
    list of str
        The paths written.

    Raises
    ------
    ValueError
        If a format is unknown, or there is no row with a column.

    Examples
    --------
    >>> from nnc import tables
    >>> tables.save([{"net": "784-10", "loss": 0.26891}], "results/nets")
    ['results/nets.csv', 'results/nets.md']
    """
    formats = (formats,) if isinstance(formats, str) else formats
    if unknown := set(formats) - {"csv", "md"}:
        raise ValueError(f"formats must be any of 'csv', 'md', got {sorted(unknown)}")
    path = os.fspath(path)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    written = []
    for name in formats:
        written.append(f"{path}.{name}")
        with open(written[-1], "w", encoding="utf-8", newline="") as file:
            if name == "md":
                file.write(markdown(rows, digits) + "\n")
            else:
                writer = csv.DictWriter(file, _columns(rows), restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    return written


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _texts(values: list[Any], digits: int) -> list[str]:
    """The texts of the cells of a column."""
    fractions = [float(v) for v in values if isinstance(v, Real) and not isinstance(v, Integral)]
    fractions = [abs(v) for v in fractions if math.isfinite(v) and v != 0.0]
    style = ".1f"
    if fractions:
        decimals = max(0, digits - 1 - math.floor(math.log10(max(fractions))))
        while decimals > 1 and all(f"{v:.{decimals}f}".endswith("0") for v in fractions):
            decimals -= 1
        fixed = decimals <= digits + 2 and min(fractions) >= 0.5 * 10.0**-decimals
        style = f",.{decimals}f" if fixed else f".{digits}g"

    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, Integral):
            return f"{value:,}"
        return format(float(value), style) if isinstance(value, Real) else _escape(str(value))

    return [text(value) for value in values]


def _escape(text: str) -> str:
    return str(text).replace("|", r"\|").replace("\n", " ")


suggest_arguments(globals())
