"""Conversion of the arrays passed to `fit`, `evaluate` and `predict` to the rows that a plan takes.

x becomes rows (n, F) of uint8 or float32, y int32 ids or float32 rows, sample and class weights one float32
vector. The caller's array is not copied if a plan can read it in place (a memory-mapped file is therefore
read one batch at a time).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nnc import _core
from nnc._arrays import as_numbers, copied, to_float
from nnc._config import integer, shown


class Arrays(NamedTuple):
    """Rows as a plan takes them: x (n, F) uint8 or float32, y int32 (n,) or float32 (n, O), weights (n,)."""

    x: np.ndarray
    y: np.ndarray
    sample_weight: np.ndarray | None

    def check_memory(self) -> None:
        """Raise a ValueError if the caller has resized an array in place, which may release its memory."""
        for name, array in zip(self._fields, self, strict=True):
            if array is not None and not _core.is_within_owner(array):
                raise ValueError(
                    f"{name} was resized in place while it was in use, and its rows are no longer in memory; "
                    "pass a copy, or resize it later"
                )

    def first(self, n: int) -> Arrays:
        """Views of the first n rows."""
        weight = self.sample_weight
        return Arrays(self.x[:n], self.y[:n], None if weight is None else weight[:n])


_UINT8 = np.dtype(np.uint8)


def features(x: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """`x` (n, *shape) as rows (n, F), uint8 or float32, each row contiguous; F is the product of `shape`."""
    array = as_numbers(x, name)
    if array.ndim == 1 and shape == (1,):
        array = array[:, np.newaxis]
    if array.ndim == 0 or array.shape[1:] != shape:
        hint = ""
        if array.shape == shape:
            hint = f"; for a single row pass {name}[None]"
        elif array.ndim > 1 and math.prod(array.shape[1:]) == math.prod(shape):
            hint = f"; {name}.reshape({(-1, *shape)}) would do"
        expected = "(n, " + ", ".join(map(str, shape)) + ")"
        raise ValueError(f"{name} must have shape {expected}, got {array.shape}{hint}")
    if array.dtype.kind == "b":
        array = array.view(np.uint8)
    if array.dtype != _UINT8:
        array = to_float(array, name)
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        array = copied(array, np.empty(array.shape, array.dtype))
    rows = array.reshape(len(array), math.prod(shape))
    return rows if _readable(rows) else copied(rows, np.empty(rows.shape, rows.dtype))


def _readable(rows: np.ndarray) -> bool:
    """Whether a plan can read `rows` in place: aligned, unit inner stride, rows at increasing addresses."""
    if rows.flags.c_contiguous:
        return rows.flags.aligned
    outer, inner = rows.strides
    return (
        rows.flags.aligned
        and inner == rows.itemsize
        and rows.shape[1] > 1
        and outer > 0
        and outer % inner == 0
    )


def class_weights(
    class_weight: Mapping[int, float] | None, y: np.ndarray, n_outputs: int
) -> np.ndarray | None:
    """The weight of each row's class, float32 (n,); classes that are not listed have weight 1.

    The class of a row is its id, the largest entry of its one-hot row, or 0 or 1 for a single output.
    """
    if class_weight is None:
        return None
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be a dict of class id to weight, got {class_weight!r}")
    n_classes = max(n_outputs, 2)
    table = np.ones(n_classes, np.float32)
    for key, value in class_weight.items():
        label = integer("a class id in class_weight", key, 0)
        if label >= n_classes:
            raise ValueError(
                f"class_weight names class {label}, but the model has the classes 0 to {n_classes - 1}"
            )
        try:
            table[label] = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"class_weight[{label}] must be a number, got {value!r}") from None
        except OverflowError:
            raise ValueError(f"class_weight[{label}] must fit into a float, got {shown(value)}") from None
        if not np.isfinite(table[label]):
            raise ValueError(f"class_weight[{label}] must be finite, got {value!r}")
    if y.ndim == 1:
        labels = y
    elif n_outputs > 1:
        labels = np.argmax(y, axis=1)
    else:
        labels = y[:, 0].astype(np.int64)
        if ((labels < 0) | (labels > 1)).any() or (labels != y[:, 0]).any():
            raise ValueError("class_weight needs y to be 0 or 1 for a model with one output")
    return table.take(labels, mode="clip")  # the core checks the labels again, which the caller may change


def product(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    """a * b, either of which may be None."""
    if a is None or b is None:
        return b if a is None else a
    return a * b


def split(fraction: float, arrays: Sequence[np.ndarray | None]) -> tuple[list[Any], list[Any]]:
    """Views of the first rows of every array and of the last `fraction` of them, before any shuffling.

    The first array must not be None.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction < 1:
        raise ValueError(f"validation_split must be between 0 and 1, got {fraction!r}")
    n = len(np.asarray(arrays[0]))
    at = math.floor(n * (1.0 - fraction))
    if at == 0 or at == n:
        raise ValueError(f"validation_split={fraction} of {n} rows leaves one of the two parts empty")
    return [a if a is None else a[:at] for a in arrays], [a if a is None else a[at:] for a in arrays]
