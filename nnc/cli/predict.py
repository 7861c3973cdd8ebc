"""nnc predict: a model's predictions for the rows of a table, as CSV or a line of JSON each."""

from __future__ import annotations

import csv
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np

from nnc._config import did_you_mean
from nnc.cli import dataset, schema
from nnc.cli.chunks import CellError, Chunk, Table, finite_numbers, first_text, shortened
from nnc.cli.encoding import Counts, Schema
from nnc.cli.output import counted, note, say_json
from nnc.cli.problems import Problem
from nnc.cli.tables import open_table
from nnc.models import Sequential


def run(options: Namespace) -> int:
    """Print a row for each row of the table, which is read and printed in parts."""
    model, columns = schema.load(options.model)
    table = open_table(options.table, options)
    parts = _plain(model, table) if columns is None else _by_schema(columns, model, table)
    classes = columns.target.classes if columns is not None else None
    name = columns.target.name if columns is not None else "output"
    n_outputs = int(np.prod((model.output_shape or (None, 1))[1:]))
    if classes is not None:
        names = [name, *(f"p({each})" for each in classes)]
    else:
        names = [name] if n_outputs == 1 else [f"{name} {i}" for i in range(n_outputs)]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for i, outputs in enumerate(parts):
        if i == 0 and not options.json:  # after the table was checked
            writer.writerow(names)
        values = outputs.tolist()
        best = outputs.argmax(axis=1).tolist()
        if options.json:
            for row, index in zip(values, best, strict=True):
                say_json(_object(row, index, name, classes))
        elif classes is not None:
            writer.writerows(
                [classes[i], *(f"{p:.6g}" for p in row)] for row, i in zip(values, best, strict=True)
            )
        else:
            writer.writerows([f"{value:.8g}" for value in row] for row in values)
    return 0


def _object(row: list[float], index: int, name: str, classes: tuple[str, ...] | None) -> dict[str, Any]:
    finite = [value if np.isfinite(value) else None for value in row]
    if classes is not None:
        probabilities = "probabilities" if name != "probabilities" else "class probabilities"
        return {name: classes[index], probabilities: dict(zip(classes, finite, strict=True))}
    return {name: finite[0] if len(row) == 1 else finite}


def _by_schema(columns: Schema, model: Sequential, table: Table) -> Iterator[np.ndarray]:
    """The outputs for each part of a table with the columns that the model was trained on."""
    used = _places(columns, table)
    counts = [Counts()] * len(used)
    for chunk in table.chunks():
        try:
            rows, met = columns.encode([chunk.columns[at] for at in used])
        except CellError as error:
            raise dataset.refuse_cell(table, chunk.places, error, error.column) from None
        counts = [Counts(*map(sum, zip(a, b, strict=True))) for a, b in zip(counts, met, strict=True)]
        yield model.predict(rows, verbose=0)
    for column, (gaps, unknown) in zip(columns.columns, counts, strict=True):
        if gaps and not column.gaps:
            note(
                f"column {column.name!r} had no gaps in training, but has gaps in {counted(gaps, 'row')} here"
            )
        if unknown:
            where = counted(unknown, "row")
            note(f"column {column.name!r} has strings in {where} that did not occur in training")


def _places(columns: Schema, table: Table) -> list[int]:
    """The index of each of the model's columns in the table: by name, or by order if it has no names."""
    names = [column.name for column in columns.columns]
    if all(name in table.names for name in names):
        return [table.names.index(name) for name in names]
    if not table.named and len(table.names) == len(names):
        return list(range(len(names)))
    missing = [name for name in names if name not in table.names]
    meant = did_you_mean(missing[0], table.names) if len(missing) == 1 else ""
    lacks = f"columns of the model are missing: {shortened(map(repr, missing))}{meant}"
    if not table.named:
        lacks = f"{counted(len(table.names), 'column')} without names, but the model needs {len(names)}: "
        lacks += shortened(names)
    raise Problem(f"{table.path}: {lacks}")


def _plain(model: Sequential, table: Table) -> Iterator[np.ndarray]:
    """The outputs for each part of a table whose columns are the model's inputs, in order."""
    shape = (model.input_shape or (None, len(table.names)))[1:]
    if int(np.prod(shape)) != len(table.names):
        raise Problem(
            f"{table.path}: {counted(len(table.names), 'column')}, but the model has "
            f"{counted(int(np.prod(shape)), 'input')}"
        )
    for chunk in table.chunks():
        rows = np.stack([_numbers(table, chunk, at) for at in range(len(table.names))], axis=1)
        outputs = model.predict(rows.reshape(-1, *shape), verbose=0)
        yield outputs.reshape(len(outputs), -1)


def _numbers(table: Table, chunk: Chunk, at: int) -> np.ndarray:
    cells = chunk.columns[at]
    try:
        values = finite_numbers(cells)
        gap = np.isnan(values)
        if gap.any():
            index = first_text(cells, values)
            index, what = (
                (int(np.argmax(gap)), "a gap") if index is None else (index, repr(cells.texts()[index]))
            )
            raise CellError(index, f"{what} is not a number")
    except CellError as error:
        raise dataset.refuse_cell(table, chunk.places, error, table.names[at]) from None
    return values.astype(np.float32)
