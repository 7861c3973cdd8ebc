"""Tables stored as arrays: .npy (memory-mapped), .npz, and .parquet by pandas."""

from __future__ import annotations

import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nnc.cli.chunks import Chunk, NumberCells, Reading, TextCells, check_names, rows_per_chunk
from nnc.cli.problems import Problem
from nnc.errors import FormatError

_BY_POSITION = re.compile(r"arr_\d+")  # the names of arrays that np.savez is given without names
# What np.load raises for files that are damaged.
_DAMAGED = (
    *(ValueError, EOFError, SyntaxError, KeyError, IndexError, AttributeError, TypeError, OverflowError),
    *(RecursionError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


class ArrayTable:
    """Columns from arrays of equal length: numbers or text; if not `named`, the names are made up."""

    place = "row"

    def __init__(
        self,
        path: str,
        names: Sequence[str],
        named: bool,
        columns: Sequence[np.ndarray],
        described: str,
        gaps: frozenset[str],
    ) -> None:
        self.path, self.named, self.described = path, named, described
        if not columns:
            raise FormatError(f"{path}: there are no columns")
        if not len(columns[0]):
            raise FormatError(f"{path}: there are no rows")
        try:
            self.names = check_names(path, names)
        except ValueError as error:
            raise FormatError(str(error)) from None
        self._columns, self._reading = columns, Reading(gaps)

    def chunks(self) -> Iterator[Chunk]:
        n, size = len(self._columns[0]), rows_per_chunk(len(self.names))
        for start in range(0, n, size):
            stop = min(start + size, n)
            yield Chunk([self._cells(column[start:stop]) for column in self._columns], range(start, stop))

    def _cells(self, column: np.ndarray) -> NumberCells | TextCells:
        if column.dtype.kind in "biuf":
            return NumberCells(column, self._reading)
        return TextCells(
            ["" if cell is None else str(cell) for cell in column.tolist()], self._reading, False
        )


def read_npy(path: str, gaps: frozenset[str]) -> ArrayTable:
    """The array in a .npy file, memory-mapped: its rows are those of the table."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGED as error:
        raise FormatError(f"{path}: not a .npy file, or damaged: {_line(error)}") from None
    if not isinstance(array, np.ndarray):
        raise FormatError(f"{path}: an archive of arrays; its name must end in .npz")
    names, columns = _columns(path, "", array)
    described = f"an array {array.shape} of {array.dtype if array.dtype.names is None else 'records'}"
    return ArrayTable(path, names, array.dtype.names is not None, columns, described, gaps)


def read_npz(path: str, gaps: frozenset[str]) -> ArrayTable:
    """The arrays of a .npz file side by side."""
    names: list[str] = []
    columns: list[np.ndarray] = []
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("it contains files that are not arrays")
    except (*_DAMAGED, OSError, RuntimeError) as error:  # RuntimeError: encrypted, or an unknown method
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FormatError(f"{path}: not a .npz file, or damaged: {_line(error)}") from None
    lengths = {name: array.shape[:1] for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{name} {arrays[name].shape}" for name in lengths)
        raise FormatError(f"{path}: all arrays must have the same number of rows, got {given}")
    for name, array in arrays.items():
        more_names, more = _columns(path, name, array)
        names += more_names
        columns += more
    described = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    named = not all(_BY_POSITION.fullmatch(name) for name in arrays)
    return ArrayTable(path, names, named, columns, f"arrays {described}", gaps)


def read_parquet(path: str, gaps: frozenset[str]) -> ArrayTable:
    """A Parquet file, by pandas."""
    try:
        import pandas
    except ImportError:
        raise Problem(
            f"{path}: reading Parquet requires pandas, which is not installed (pip install pandas pyarrow)"
        ) from None
    try:
        frame: Any = pandas.read_parquet(path)
    except ImportError:
        raise Problem(f"{path}: reading Parquet requires pyarrow (pip install pyarrow)") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise FormatError(f"{path}: not a Parquet file, or damaged: {_line(error)}") from None
    except Exception as error:  # pyarrow has its own exception classes
        raise FormatError(f"{path}: not a Parquet file, or damaged: {_line(error)}") from None
    columns = []
    for i in range(frame.shape[1]):
        column = frame.iloc[:, i]
        if pandas.api.types.is_bool_dtype(column.dtype) or pandas.api.types.is_numeric_dtype(column.dtype):
            columns.append(column.to_numpy(dtype=np.float64, na_value=np.nan))
        else:
            columns.append(column.astype(object).where(column.notna(), None).to_numpy())
    return ArrayTable(path, [str(name) for name in frame.columns], True, columns, "Parquet", gaps)


def _columns(path: str, name: str, array: np.ndarray) -> tuple[list[str], list[np.ndarray]]:
    """The columns of an array (n,), (n, ...) or a structured array, and their names."""
    what = f"{path}, array {name!r}" if name else path
    if array.ndim == 0:
        raise FormatError(f"{what}: must have rows, got a single number")
    if array.dtype.names:
        if array.ndim != 1:
            raise FormatError(f"{what}: a structured array must have one axis, got {array.shape}")
        fields = {field: array[field] for field in array.dtype.names}
        for field, values in fields.items():
            if values.ndim != 1:
                raise FormatError(f"{what}: field {field!r} must be one column, got {values.shape[1:]}")
        return list(fields), [_checked(what, values) for values in fields.values()]
    array = _checked(what, array)
    if array.ndim == 1:
        return [name or "0"], [array]
    rows = array.reshape(len(array), -1) if len(array) else array.reshape(0, 1)
    prefix = f"{name}." if name else ""
    return [f"{prefix}{i}" for i in range(rows.shape[1])], [rows[:, i] for i in range(rows.shape[1])]


def _checked(what: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biufU":
        raise FormatError(f"{what}: a table must contain numbers or text, got dtype {array.dtype}")
    return array


def _line(error: BaseException) -> str:
    """An error's message in one line."""
    if "pickle" in str(error):  # what NumPy says of anything unknown, with advice to trust it
        return "neither numbers nor text"
    return " ".join(str(error).split())[:200] or type(error).__name__
