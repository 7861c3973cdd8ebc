"""Conversion of array-likes to the arrays that the core takes: numbers, targets, one weight per row.

An array-like is converted to bitwise the same values as its contiguous float32 copy, or raises a TypeError or
ValueError that names the argument and repeats what was passed. The caller's array is never written to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

FLOAT32 = np.dtype(np.float32)
UNBOUNDED = (-math.inf, math.inf)
_PART = 2**22  # how many numbers are copied at once


def as_numbers(value: Any, name: str) -> np.ndarray:
    """`value` as a plain ndarray of bools, integers or floats; an array is not copied."""
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise TypeError(
            f"{name} is a sparse matrix ({type(value).__name__}, shape {value.shape}); pass {name}.toarray()"
        )
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise ValueError(f"{name} has {np.ma.count_masked(value)} masked values; fill or drop them first")
        value = value.data
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise type(error)(f"{name} cannot be turned into an array: {error}") from None
    if array.dtype.kind == "O":
        if any(item is None for item in array.flat):
            raise ValueError(f"{name} holds None; fill or drop the missing values first")
        try:
            array = array.astype(np.float64)
        except (ValueError, TypeError) as error:
            raise TypeError(f"{name} must hold numbers, got an array of objects: {error}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array


def copied(array: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Copy `array` to `out`, which has its shape, and return it; Ctrl-C is handled between parts."""
    if array.size <= _PART:
        out[...] = array
        return out
    axis = int(np.argmax(np.abs(array.strides)))  # slices along it are the most contiguous
    step = max(1, _PART * array.shape[axis] // array.size)
    for start in range(0, array.shape[axis], step):
        part = (slice(None),) * axis + (slice(start, start + step),)
        out[part] = array[part]
    return out


def to_float(array: np.ndarray, name: str, dtype: np.dtype = FLOAT32) -> np.ndarray:
    """`array` in a native float dtype; a finite number out of its range is an error, not an infinity."""
    if array.dtype == dtype:
        return array
    try:
        with np.errstate(over="raise", under="ignore"):
            return copied(array, np.empty_like(array, dtype, subok=False))
    except FloatingPointError:
        with np.errstate(over="ignore", under="ignore"):
            wrong = np.argwhere(np.isinf(array.astype(dtype)) & np.isfinite(array))
    if not len(wrong):  # another thread has changed them meanwhile
        return to_float(array, name, dtype)
    bad = wrong[0]
    where, largest = ", ".join(map(str, bad)), np.finfo(dtype).max
    raise ValueError(f"{name}[{where}] is {array[tuple(bad)]}, too large for {dtype} (at most {largest:.2g})")


def same_rows(**arrays: np.ndarray | None) -> None:
    """Check that all arrays have as many rows as the first, at least one; the keywords are their names."""
    (name, rows), *others = ((name, len(array)) for name, array in arrays.items() if array is not None)
    for other, n in others:
        if n != rows:
            raise ValueError(f"{name} has {rows} rows but {other} has {n}")
    if rows == 0:
        raise ValueError(f"{name} has no rows")


def targets(
    y: Any,
    name: str,
    wants: str,
    shape: tuple[int, ...],
    target_range: tuple[float, float] = UNBOUNDED,
) -> np.ndarray:
    """`y` as class ids int32 (n,) or as rows float32 (n, O) for a model with outputs (n, *shape), O their
    product.

    Arguments:
        wants: "ids", "rows", or "any" (ids if y has one integer per row and the model has several outputs).
        target_range: lowest and highest value that the loss allows in a row; values must always be finite.
    """
    if y is None:
        raise ValueError(f"{name} is missing: the model's loss compares its outputs with {name}")
    array = as_numbers(y, name)
    n_outputs = math.prod(shape)
    if array.ndim == 0:
        raise ValueError(f"{name} must have one entry per row, got the single number {array}")
    one_a_row = array.size == len(array)
    if wants == "ids" or (wants == "any" and one_a_row and n_outputs > 1):
        return _class_ids(array, name, n_outputs)
    if one_a_row and n_outputs == 1:
        array = array.reshape(
            len(array), 1
        )  # (n,) and (n, 1) mean the same; broadcasting them would result in (n, n)
    elif array.shape[1:] != shape:
        to_rows = "nnc.utils.to_categorical, or the loss or metric whose name begins with Sparse"
        hint = f"; for class ids use {to_rows}" if one_a_row else ""
        expected = "(n, " + ", ".join(map(str, shape)) + ")"
        raise ValueError(
            f"{name} must have shape {expected} like the model's outputs, got {array.shape}{hint}"
        )
    rows = np.ascontiguousarray(to_float(array, name).reshape(len(array), n_outputs))
    if not rows.flags.aligned:
        rows = rows.copy()
    low, high = target_range
    if rows.size and not (low <= rows.min() and rows.max() <= high and np.isfinite(rows).all()):
        wrong = np.argwhere(~((rows >= low) & (rows <= high) & np.isfinite(rows)))
        if len(wrong):  # else another thread has changed them meanwhile; the core checks what it reads
            i, j = wrong[0]
            raise bad_target(name, rows[i, j], i, target_range)
    return rows


def bad_target(name: str, value: Any, row: Any, target_range: tuple[float, float]) -> ValueError:
    """The error for a target that is not finite or not in the range."""
    low, high = target_range
    wanted = "finite" if target_range == UNBOUNDED else f"between {low:g} and {high:g}"
    return ValueError(f"{name} has the value {value} in row {row}; targets must be {wanted}")


def _class_ids(array: np.ndarray, name: str, n_outputs: int) -> np.ndarray:
    """Integers in [0, n_outputs), one per row, as int32 (n,); integral floats are accepted as well."""
    if array.size != len(array):
        one_hot = array.shape[1:] == (n_outputs,)
        hint = "; for one-hot rows use the loss or metric without Sparse in its name" if one_hot else ""
        raise ValueError(
            f"{name} must hold one class id per row, shape (n,) or (n, 1), got {array.shape}{hint}"
        )
    ids = array.reshape(-1)
    if ids.dtype != np.int32:  # the caller may change y between the check and the cast
        ids = ids.copy()
    # Written to make NaN fail; a float that is not integral is as wrong as one out of range.
    good = (ids >= 0) & (ids < n_outputs)
    if ids.dtype.kind == "f":
        good &= ids == np.floor(ids)
    if not good.all():
        row = int(np.argmin(good))
        hint = "; a single output needs a loss on rows, such as a binary one" if n_outputs == 1 else ""
        raise ValueError(
            f"{name} has the value {ids[row]} in row {row}; class ids are the integers 0 to {n_outputs - 1} "
            f"for a model with {n_outputs} outputs{hint}"
        )
    return np.ascontiguousarray(ids, dtype=np.int32)


def sample_weights(weights: Any, name: str = "sample_weight") -> np.ndarray | None:
    """One finite number per row, float32 (n,), or None."""
    if weights is None:
        return None
    array = as_numbers(weights, name)
    if array.ndim == 0 or array.size != len(array):
        raise ValueError(f"{name} must hold one number per row, shape (n,), got {array.shape}")
    result = np.ascontiguousarray(to_float(array, name).reshape(-1))
    if not result.flags.aligned:
        result = result.copy()
    check_weights(result, name=name)
    return result


def check_weights(
    weights: np.ndarray, numbers: Sequence[int] | np.ndarray | None = None, name: str = "sample_weight"
) -> None:
    """Raise a ValueError if a weight is not finite; `numbers` are those of its rows."""
    finite = np.isfinite(weights)
    if not finite.all():
        i = int(np.argmin(finite))
        raise bad_weight(name, weights[i], i if numbers is None else numbers[i])


def bad_weight(name: str, value: Any, row: Any) -> ValueError:
    """The error for a weight that is not finite."""
    return ValueError(f"{name} has the value {value} in row {row}; weights must be finite")
