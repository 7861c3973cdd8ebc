"""A table as arrays for training: rows split into parts, columns encoded.

The table is read twice: once to analyze its columns, once to fill arrays of the right size. Memory is
4 bytes for each input of each row, 16 for each row, and one chunk.
"""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nnc import random
from nnc._config import did_you_mean
from nnc.cli.chunks import CellError, Cells, Table, number_text, shortened
from nnc.cli.encoding import Category, Column, Number, Schema, Target
from nnc.cli.output import Progress, counted
from nnc.cli.problems import Problem
from nnc.cli.profiles import MOST_VALUES, Profile
from nnc.errors import FormatError

_FEW_CLASSES = 20  # at most this many different integers are classes
_FAR = 1e4  # mean in standard deviations beyond which float32 would lose digits
_SMALLEST = 1e-18  # standard deviation whose square is a normal number in float32
_BLOCK = 2**16  # rows


class Part(NamedTuple):
    """Rows: inputs (n, inputs) float32; targets (n,), int32 classes or float64 numbers."""

    x: np.ndarray
    y: np.ndarray


class Dataset(NamedTuple):
    """The data that a model is trained on.

    mean, variance: (inputs,) of the numeric inputs in the training rows, 0 and 1 for all others.
    left_out: columns that are not used, each with the reason. n_without_target: rows that are left out.
    """

    table: Table
    schema: Schema
    training: Part
    validation: Part
    test: Part
    mean: np.ndarray
    variance: np.ndarray
    left_out: dict[str, str]
    n_without_target: int

    @property
    def parts(self) -> dict[str, Part]:
        """The parts by name."""
        return {"training": self.training, "validation": self.validation, "test": self.test}


def load(table: Table, options: Namespace) -> Dataset:
    """Read a table; `options` has those of `parser.add_data_options`.

    Raises
    ------
    Problem
        If a column is missing, or the table is not suitable for training.
    FormatError
        If a cell is invalid; the message names its row and column.
    """
    if options.validation + options.test >= 1:
        raise Problem(
            f"--validation {options.validation:g} and --test {options.test:g} leave nothing to train on"
        )
    target_at = column_at(table, options.target)
    with Progress() as progress:
        profiles, rows = _profiles(table, target_at, progress)
        target, y = _target(table, profiles[target_at], rows, options.task)
        columns, left_out = _columns(table, profiles, target_at, options)
        with_target = rows.known if target.classes is None else y >= 0
        place, sizes = _shared_out(table, y, with_target, target.classes is not None, options)
        width = sum(len(column.inputs) for column in columns)
        x = np.empty((sum(sizes), width), np.float32)
        targets = np.empty(len(x), y.dtype)
        targets[place[with_target]] = y[with_target]
        schema = Schema(tuple(columns), target)
        _fill(table, schema, place, x, progress)
    schema, mean, variance = _measured(table, schema, x, sizes[0])
    training, validation, test = (
        Part(x[a:b], targets[a:b]) for a, b in itertools.pairwise([0, *itertools.accumulate(sizes)])
    )
    n_without = len(y) - len(x)
    return Dataset(table, schema, training, validation, test, mean, variance, left_out, n_without)


def column_at(table: Table, name: str) -> int:
    """The index of a column by its name, or else by its number: -1 is the last one."""
    if name in table.names:
        return table.names.index(name)
    try:
        number = int(name)
    except ValueError:
        number = 0
    n = len(table.names)
    if -n <= number <= n and number:
        return number - 1 if number > 0 else n + number
    meant = did_you_mean(name, table.names)
    there = shortened(table.names, 200)
    raise Problem(f"{table.path}: there is no column {name!r}{meant or '.'} The columns are: {there}")


def refuse_cell(table: Table, places: Sequence[int], error: CellError, name: str) -> FormatError:
    """The error for an invalid cell."""
    return FormatError(f"{table.path}, {table.place} {places[error.index]}, column {name!r}: {error}")


# --------------------------------------------------------------------------------------------- first pass


class _TargetRows:
    """The target of every row: its number, and a code for its string unless there are too many."""

    def __init__(self) -> None:
        self._numbers: list[np.ndarray] = []
        self._codes: list[np.ndarray] = []
        self.code: dict[str, int] | None = {}

    def add(self, cells: Cells) -> None:
        self._numbers.append(cells.numbers())
        if self.code is not None:
            for text in sorted(cells.distinct()):
                self.code.setdefault(text, len(self.code))
            code = self.code
            texts = cells.texts()
            self._codes.append(
                np.fromiter((-1 if t is None else code[t] for t in texts), np.int32, len(texts))
            )
            if len(code) > MOST_VALUES:
                self.code, self._codes = None, []

    @property
    def numbers(self) -> np.ndarray:
        """(n,) float64, NaN if there is no number."""
        return np.concatenate(self._numbers) if self._numbers else np.empty(0)

    @property
    def codes(self) -> np.ndarray:
        """(n,) int32, -1 for a gap."""
        return np.concatenate(self._codes)

    @property
    def known(self) -> np.ndarray:
        """(n,) whether there is a number."""
        return ~np.isnan(self.numbers)


def _profiles(table: Table, target_at: int, progress: Progress) -> tuple[list[Profile], _TargetRows]:
    profiles, rows, n = [Profile(name) for name in table.names], _TargetRows(), 0
    for columns, places in table.chunks():
        for profile, cells in zip(profiles, columns, strict=True):
            before = profile.first_text
            try:
                profile.add(cells, 0)
            except CellError as error:
                raise refuse_cell(table, places, error, profile.name) from None
            if profile.first_text is not before and profile.first_text is not None:
                index, text = profile.first_text
                profile.first_text = places[index], text
        rows.add(columns[target_at])
        n += len(places)
        progress.show(f"reading {table.path}: {n:,} rows")
    if not n:
        raise FormatError(f"{table.path}: there are no rows")
    return profiles, rows


def _refuse_text(table: Table, profile: Profile, how: str) -> FormatError:
    place, text = profile.first_text or (0, "")
    n = profile.n_numbers
    others = f"{counted(n, 'other cell')} {'is' if n == 1 else 'are'}"
    return FormatError(
        f"{table.path}, {table.place} {place}, column {profile.name!r}: {text!r} is not a number, but "
        f"{others}; use {how}"
    )


def _target(table: Table, profile: Profile, rows: _TargetRows, task: str) -> tuple[Target, np.ndarray]:
    """The target and its value in each row: (n,) int32, -1 for a gap, or float64, NaN for a gap."""
    name, where = profile.name, f"{table.path}, column {profile.name!r} (the target)"
    if not profile.n_numbers + profile.n_texts:
        raise Problem(f"{where}: all cells are gaps")
    if profile.n_texts:
        if task == "regression" and not profile.n_numbers:
            raise Problem(f"{where}: all cells are strings, but --task regression needs numbers")
        if profile.is_numeric or task == "regression":
            raise _refuse_text(
                table, profile, f"--gap {(profile.first_text or ('', 'X'))[1]} to treat it as a gap"
            )
        if rows.code is None:
            raise Problem(f"{where}: more than {MOST_VALUES:,} different strings, too many for classes")
        names = sorted(rows.code)
        order = np.array([names.index(text) for text in rows.code] + [-1], np.int32)
        y = order[rows.codes]  # the last element is for code -1
    else:
        numbers = rows.numbers
        known = np.unique(numbers[rows.known])
        few = profile.whole and len(known) <= _FEW_CLASSES
        if task == "regression" or (task == "auto" and not few):
            if len(known) == 1:
                raise Problem(f"{where}: all rows have the same value, {number_text(float(known[0]))}")
            return Target(name, None), numbers
        if len(known) > MOST_VALUES:
            raise Problem(f"{where}: more than {MOST_VALUES:,} different numbers, too many for classes")
        names = [number_text(value) for value in known.tolist()]
        y = np.where(rows.known, np.searchsorted(known, numbers), -1).astype(np.int32)
    if len(names) < 2:
        raise Problem(f"{where}: all rows are of one class, {names[0]!r}; at least two are needed")
    return Target(name, tuple(names)), y


def _columns(
    table: Table, profiles: list[Profile], target_at: int, options: Namespace
) -> tuple[list[Column], dict[str, str]]:
    """The encoding of each column; and the columns that are left out, with the reason."""
    dropped = {column_at(table, name) for name in options.drop}
    as_text = {column_at(table, name) for name in options.text}
    if target_at in dropped:
        raise Problem(f"{table.path}: --drop {profiles[target_at].name}: this column is the target")
    if target_at in as_text:
        raise Problem(
            f"{table.path}: --text {profiles[target_at].name}: this column is the target; for classes, use "
            "--task classification"
        )
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    for at, profile in enumerate(profiles):
        if at == target_at:
            continue
        found = "by --drop" if at in dropped else _column(table, profile, at in as_text, options.max_values)
        if isinstance(found, str):
            left_out[profile.name] = found
        else:
            columns.append(found)
    if not columns:
        why = shortened((f"{name!r} ({reason})" for name, reason in left_out.items()), 200)
        raise Problem(f"{table.path}: no column is left to learn from{': ' if why else ''}{why}")
    return columns, left_out


def _column(table: Table, profile: Profile, as_text: bool, max_values: int) -> Column | str:
    """The encoding of a column, or the reason why it is left out."""
    if not profile.n_numbers + profile.n_texts:
        return "only gaps"
    if profile.is_constant:
        return "the same in all rows"
    gaps = profile.n_gaps > 0
    if profile.is_numeric and not as_text:
        if profile.n_texts:
            word = (profile.first_text or ("", "X"))[1]
            raise _refuse_text(
                table,
                profile,
                f"--gap {word} to treat it as a gap, --text {profile.name} to treat all as strings",
            )
        far = abs(profile.mean) > _FAR * profile.deviation
        return Number(profile.name, np.nan, float(np.rint(profile.mean)) if far else 0.0, gaps)
    if profile.values is None or len(profile.values) > max_values:
        n = f"{len(profile.values)}" if profile.values is not None else f"more than {MOST_VALUES:,}"
        return f"{n} different strings, more than --max-values {max_values}"
    return Category(profile.name, tuple(sorted(profile.values)), gaps)


# ------------------------------------------------------------------------------------------------ splitting


def _shared_out(
    table: Table, y: np.ndarray, with_target: np.ndarray, by_class: bool, options: Namespace
) -> tuple[np.ndarray, list[int]]:
    """The position (n,) of each row in training, validation and test rows, -1 for none; and their sizes.

    The split is random, by the seed; each class is split in the same proportion, unless the classes are so
    small that this leaves nothing for one of the parts.
    """
    rows = np.flatnonzero(with_target)
    rows = rows[random.generator(options.seed, random.Purpose.PARTS).permutation(len(rows))]
    at = np.empty(len(rows))  # a row's position within its class, from 0 to 1
    classes = y[rows] if by_class else np.zeros(len(rows), np.int32)
    order = np.argsort(classes, kind="stable")
    counts = np.bincount(classes)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    at[order] = (np.arange(len(rows)) - starts + 0.5) / np.repeat(counts, counts)
    part = np.where(at < options.test, 2, np.where(at < options.test + options.validation, 1, 0))
    sizes = np.bincount(part, minlength=3).tolist()
    names, wanted = ("training", "validation", "test"), (1.0, options.validation, options.test)
    for name, size, share in zip(names, sizes, wanted, strict=True):
        if share and not size:
            if by_class:
                return _shared_out(table, y, with_target, False, options)
            rows_given = counted(len(rows), "row")
            raise Problem(f"{table.path}: {rows_given} with a target: too few, none is left for {name}")
    place = np.full(len(y), -1, np.int64)
    place[rows[np.argsort(part, kind="stable")]] = np.arange(len(rows))
    return place, sizes


# -------------------------------------------------------------------------------------------- second pass


def _fill(table: Table, schema: Schema, place: np.ndarray, x: np.ndarray, progress: Progress) -> None:
    """Write the encoded rows of the table to `x`, each at its position."""
    used = [table.names.index(column.name) for column in schema.columns]
    start = 0
    for columns, places in table.chunks():
        stop = start + len(places)
        if stop <= len(place):
            try:
                encoded, _ = schema.encode([columns[at] for at in used])
            except CellError as error:
                raise refuse_cell(table, places, error, error.column) from None
            to = place[start:stop]
            x[to[to >= 0]] = encoded[to >= 0]
        start = stop
        progress.show(f"encoding {table.path}: {start:,} of {len(place):,} rows")
    if start != len(place):
        raise FormatError(f"{table.path}: the file was changed while it was read")


def _measured(
    table: Table, schema: Schema, x: np.ndarray, n_training: int
) -> tuple[Schema, np.ndarray, np.ndarray]:
    """The schema with the values for gaps, and the mean and variance of the numbers in the training rows.

    Replaces the gaps among the numbers of x, which are NaN, by the mean.
    """
    numbers, at = [], 0
    for column in schema.columns:
        numbers += [at] * isinstance(column, Number)
        at += len(column.inputs)
    mean, variance = np.zeros(x.shape[1], np.float32), np.ones(x.shape[1], np.float32)
    count, total, squares = (np.zeros(len(numbers)) for _ in range(3))
    blocks = [slice(start, min(start + _BLOCK, n_training)) for start in range(0, n_training, _BLOCK)]
    for rows in blocks:
        values = x[rows, numbers].astype(np.float64)
        count += np.count_nonzero(~np.isnan(values), axis=0)
        total += np.nansum(values, axis=0)
    means = total / np.maximum(count, 1)
    for rows in blocks:
        squares += np.nansum(np.square(x[rows, numbers] - means), axis=0)
    mean[numbers], variances = means, squares / np.maximum(count, 1)
    for at, deviation in zip(numbers, np.sqrt(variances).tolist(), strict=True):
        if deviation and not _SMALLEST <= deviation <= 1 / _SMALLEST:
            raise Problem(
                f"{table.path}, column {schema.inputs[at]!r}: its standard deviation, {deviation:.3g}, must "
                f"be from {_SMALLEST:g} to {1 / _SMALLEST:g}; use another unit"
            )
    variance[numbers] = np.where(variances > 0, variances, 1)
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK]
        gaps = np.isnan(block)
        if gaps.any():
            np.copyto(block, mean, where=gaps)
    fills = iter(means.tolist())
    columns = [
        column._replace(fill=next(fills) + column.offset) if isinstance(column, Number) else column
        for column in schema.columns
    ]
    return schema._replace(columns=tuple(columns)), mean, variance
