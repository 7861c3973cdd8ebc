"""The rows of a search: training and validation parts, the same arrays for every trial and every thread.

The parts are views of the caller's arrays where possible (a validation split, given validation data). Folds
are copied, once for each `Data`; only the arrays are pickled for another process.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from nnc import _arrays, _config, random
from nnc.models.batches import unpack
from nnc.models.inputs import split

# x, y, sample_weight; for an estimator, anything that it accepts: data frames, sparse matrices
Rows = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
Part = tuple[Rows, Rows]  # training rows, validation rows


class Data:
    """The data on which the trials of a search are trained and compared.

    Parameters
    ----------
    arrays : (x, y, sample_weight)
    validation_data : (x, y) or (x, y, sample_weight), optional
    validation_split : float
        The fraction of the rows, taken from the end without shuffling, to validate on.
    folds : int, optional
        The number of folds. Every row is held out once; the folds are stratified by class.
    seed : int
        The seed of the folds.
    convert : bool
        Whether to convert the arrays to the dtypes of a plan once, instead of in every trial. If not, they
        are left as they are.
    """

    def __init__(
        self,
        arrays: tuple[Any, Any, Any],
        validation_data: Any,
        validation_split: float,
        folds: int | None,
        seed: int,
        convert: bool,
    ) -> None:
        ways = {"validation_data": validation_data is not None, "folds": folds is not None}
        ways["validation_split"] = bool(validation_split)
        if sum(ways.values()) != 1:
            given = [name for name, there in ways.items() if there] or "none"
            raise ValueError(f"comparing trials needs exactly one of {', '.join(ways)}, got {given}")
        self.arrays = _prepared(arrays, ("x", "y", "sample_weight"), convert)
        self.validation: Rows | None = None
        if validation_data is not None:
            names = ("validation_data[0]", "validation_data[1]", "validation_data[2]")
            self.validation = _prepared(unpack(validation_data, "validation_data"), names, convert)
        self.validation_split = validation_split
        self.folds = None if folds is None else _config.integer("folds", folds, 2, _length(self.arrays[0]))
        self.seed = seed
        self._parts: list[Part] | None = None

    def parts(self) -> list[Part]:
        """(training, validation) rows: one pair, or one for each fold."""
        if self._parts is None:
            self._parts = self._cut()
        return self._parts

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_parts": None}

    def _cut(self) -> list[Part]:
        if self.validation is not None:
            return [(self.arrays, self.validation)]
        if self.folds is None:
            kept, others = split(self.validation_split, [np.arange(_length(self.arrays[0]))])
            ends = [slice(rows[0][0], rows[0][-1] + 1) for rows in (kept, others)]
            train, held_out = (_rows(_taken(a, end) for a in self.arrays) for end in ends)
            return [(train, held_out)]
        fold = _fold_of_row(_length(self.arrays[0]), self.arrays[1], self.folds, self.seed)

        def copied(rows: np.ndarray) -> Rows:
            return _rows(_taken(a, np.flatnonzero(rows)) for a in self.arrays)

        return [(copied(fold != k), copied(fold == k)) for k in range(self.folds)]

    def fingerprint(self) -> list[Any]:
        """What distinguishes these rows from others: shapes, dtypes, a checksum, how they are split."""
        found: list[Any] = []
        for a in (*self.arrays, *(self.validation or ())):
            if a is not None:
                plain = _plain(a)
                checksum = zlib.crc32(plain.view(np.uint8).reshape(-1).data if plain.size else b"")
                found.append([list(a.shape), getattr(plain, "dtype", np.dtype(object)).str, checksum])
        return [*found, self.validation_split, self.folds]

    def __sizeof__(self) -> int:
        """Bytes of the arrays: Dask uses it to send a large argument once, not with each task."""
        return sum(getattr(a, "nbytes", 0) for a in (*self.arrays, *(self.validation or ())) if a is not None)


def _rows(arrays: Iterable[np.ndarray | None]) -> Rows:
    """x, y and sample_weight as a tuple."""
    return cast(Rows, tuple(arrays))


def _prepared(arrays: Any, names: tuple[str, ...], convert: bool) -> Rows:
    """Arrays with equal numbers of rows. With `convert`, in the dtypes that `fit` does not copy; without, as
    an estimator takes them: lists become ndarrays, anything with a shape is left alone.
    """
    if not convert:
        kept = [a if a is None or hasattr(a, "shape") else np.asarray(a) for a in arrays]
        given = {name: a for name, a in zip(names, kept, strict=True) if a is not None}
        lengths = {name: _length(a) for name, a in given.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{', '.join(lengths)} must have equal numbers of rows, got {lengths}")
        return _rows(kept)
    x = _arrays.as_numbers(arrays[0], names[0])
    y, weight = (
        None if a is None else _arrays.as_numbers(a, n) for a, n in zip(arrays[1:], names[1:], strict=True)
    )
    if x.dtype != np.uint8:
        x = np.ascontiguousarray(_arrays.to_float(x, names[0]))
    if y is not None and y.dtype.kind in "iu" and y.size and y.min() >= 0 and y.max() < 2**31:
        y = np.ascontiguousarray(y, np.int32)
    elif y is not None and y.dtype.kind == "f":
        y = np.ascontiguousarray(_arrays.to_float(y, names[1]))
    _arrays.same_rows(**dict(zip(names, (x, y, weight), strict=True)))
    return x, y, weight


def _fold_of_row(n: int, y: Any, folds: int, seed: int) -> np.ndarray:
    """The fold (n,) of each row: determined by the seed, with every class spread evenly over the folds."""
    order = random.generator(seed, random.Purpose.FOLDS).permutation(n)
    labels = None if y is None else np.asarray(y)
    if labels is not None and labels.ndim == 1 and labels.dtype.kind in "iubOUS":
        order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % folds
    return fold


def _length(rows: Any) -> int:
    """How many rows there are; a sparse matrix has no len."""
    return int(rows.shape[0])


def _taken(a: Any, rows: slice | np.ndarray) -> Any:
    """Some rows of an array, a data frame or a sparse matrix; views of arrays where possible."""
    if a is None:
        return None
    if hasattr(a, "iloc"):
        return a.iloc[rows]
    if isinstance(a, np.ndarray):
        return a[rows] if isinstance(rows, slice) else np.ascontiguousarray(a[rows])
    return (a.tocsr() if hasattr(a, "tocsr") else a)[rows]


def _plain(a: Any) -> np.ndarray:
    """The contents of an array, a data frame or a sparse matrix, to take a checksum of."""
    if hasattr(a, "tocsr"):
        csr = a.tocsr()
        parts = (csr.data, csr.indices.astype(np.int64), csr.indptr.astype(np.int64))
        return np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in parts])
    plain = np.ascontiguousarray(a)
    return np.frombuffer(repr(plain.tolist()).encode(), np.uint8) if plain.dtype.hasobject else plain
