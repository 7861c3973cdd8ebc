"""Tables of results: rows of named values, written as CSV (every digit) and Markdown (for reading).

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


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table in Markdown, readable as plain text too.

    Parameters
    ----------
    rows : sequence of dict
        Of str, int, float, bool or None by column; None and missing values are left blank. The columns come
        in the order in which the rows first name them.

    Returns
    -------
    str
        Without a newline at the end. The fractions of a column have one number of digits behind the point:
        four significant ones of the largest; where that would hide the smallest, each has four of its own.
    """
    columns = _columns(rows)
    if not columns:
        raise ValueError("rows must have at least one with at least one column")
    cells, right = [], []
    for name in columns:
        values = [row.get(name) for row in rows]
        known = [value for value in values if value is not None]
        right.append(bool(known) and all(isinstance(v, Real) and not isinstance(v, bool) for v in known))
        column = [_escape(name), *_texts(values)]
        width = max(3, *map(len, column))
        cells.append([text.rjust(width) if right[-1] else text.ljust(width) for text in column])
    rules = ["-" * (len(column[0]) + 1) + ("-:"[r]) for column, r in zip(cells, right, strict=True)]
    lines = [f"| {' | '.join(line)} |" for line in zip(*cells, strict=True)]
    return "\n".join([lines[0], f"|{'|'.join(rules)}|", *lines[1:]])


def save(
    rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], formats: tuple[str, ...] = ("csv", "md")
) -> list[str]:
    """Write the table in each of the formats, and name the files.

    Parameters
    ----------
    rows : sequence of dict
        As `markdown` takes them.
    path : str or path
        Without a suffix, which the formats give: "results/runs" becomes results/runs.csv and results/runs.md.
        Missing folders are made.
    formats : tuple of str
        Any of "csv", "md".

    Returns
    -------
    list of str
        The paths written.
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
                file.write(markdown(rows) + "\n")
            else:
                writer = csv.DictWriter(file, _columns(rows), restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
    return written


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _texts(values: list[Any]) -> list[str]:
    """What stands in the cells of a column."""
    fractions = [abs(v) for v in values if isinstance(v, Real) and not isinstance(v, Integral)]
    fractions = [float(v) for v in fractions if math.isfinite(v) and v != 0.0]
    largest, smallest = max(fractions, default=0.0), min(fractions, default=0.0)
    decimals = max(0, 4 - len(str(int(largest)))) if largest > 1.0 else 4
    style = f",.{decimals}f" if smallest >= 0.5 * 10.0**-decimals else ".4g"

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
