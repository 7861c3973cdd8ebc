"""What the caller passed -> what a plan takes: x as rows (n, F) of uint8 or float32, y as int32 ids or
float32 rows.

An array-like gives bit for bit what its contiguous float32 copy gives, or a TypeError or ValueError that
names the argument and repeats what it was given. The caller's array is never written to, and it is not copied
when a plan can read it where it lies (so a memory-mapped file is read a batch at a time).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # x, y, sample_weight as a plan takes them

_FLOAT32 = np.dtype(np.float32)
_UINT8 = np.dtype(np.uint8)

# Losses and metrics that compare one distribution over the classes with one class.
ONE_DISTRIBUTION = frozenset(
    {"categorical_crossentropy", "margin_hinge", "categorical_accuracy", "top_k_categorical_accuracy"}
)


def check_count(value: Any, name: str, minimum: int = 1) -> int:
    """`value` as an int >= minimum; bools and floats are refused, for they are nearly always a slip."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    return int(value)


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


def to_float32(array: np.ndarray, name: str) -> np.ndarray:
    """`array` as native float32; a finite number that float32 cannot hold is an error, not an infinity."""
    if array.dtype == _FLOAT32 and array.dtype.isnative:
        return array
    try:
        with np.errstate(over="raise", under="ignore"):
            return array.astype(np.float32)
    except FloatingPointError:
        with np.errstate(over="ignore", under="ignore"):
            bad = np.argwhere(np.isinf(array.astype(np.float32)) & np.isfinite(array))[0]
    where = ", ".join(map(str, bad))
    raise ValueError(f"{name}[{where}] is {array[tuple(bad)]}, too large for float32 (at most 3.4e38)")


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
        array = to_float32(array, name)
    rows = array.reshape(len(array), math.prod(shape))
    return rows if _readable(rows) else np.ascontiguousarray(rows)


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


def same_rows(**arrays: np.ndarray | None) -> None:
    """Whether all arrays have as many rows as the first, at least one; the keywords are their names."""
    (name, first), *others = arrays.items()
    for other, array in others:
        if array is not None and len(array) != len(first):
            raise ValueError(f"{name} has {len(first)} rows but {other} has {len(array)}")
    if len(first) == 0:
        raise ValueError(f"{name} has no rows")


def targets(y: Any, name: str, loss: str, wants: str, shape: tuple[int, ...]) -> np.ndarray:
    """`y` as class ids int32 (n,) or as rows float32 (n, O) for a model with outputs (n, *shape), O their
    product.

    Arguments:
        loss: name of the loss in its spec, for its own range of targets.
        wants: "ids", "rows", or "any" (ids when y is one integer a row and the model has several outputs).
    """
    if y is None:
        raise ValueError(f"{name} is missing: the model's loss compares its outputs with {name}")
    array = as_numbers(y, name)
    n_outputs = math.prod(shape)
    if array.ndim == 0:
        raise ValueError(f"{name} must have one entry a row, got the single number {array}")
    one_a_row = array.size == len(array)
    if wants == "ids" or (wants == "any" and one_a_row and n_outputs > 1):
        return _class_ids(array, name, n_outputs)
    if one_a_row and n_outputs == 1:
        array = array.reshape(
            len(array), 1
        )  # (n,) and (n, 1) mean the same; broadcasting them would make (n, n)
    elif array.shape[1:] != shape:
        hint = ""
        if one_a_row and loss == "categorical_crossentropy":
            hint = "; for class ids use SparseCategoricalCrossentropy or nnc.utils.to_categorical"
        expected = "(n, " + ", ".join(map(str, shape)) + ")"
        raise ValueError(
            f"{name} must have shape {expected} like the model's outputs, got {array.shape}{hint}"
        )
    rows = np.ascontiguousarray(to_float32(array, name).reshape(len(array), n_outputs))
    if not rows.flags.aligned:
        rows = rows.copy()
    low, high = (0.0, 1.0) if loss == "binary_crossentropy" else (-math.inf, math.inf)
    if rows.size and not (low <= rows.min() and rows.max() <= high and np.isfinite(rows).all()):
        i, j = np.argwhere(~((rows >= low) & (rows <= high) & np.isfinite(rows)))[0]
        wanted = "finite" if low < 0 else "between 0 and 1 for the binary cross-entropy"
        raise ValueError(f"{name} has the value {rows[i, j]} in row {i}; targets must be {wanted}")
    return rows


def _class_ids(array: np.ndarray, name: str, n_outputs: int) -> np.ndarray:
    """Integers in [0, n_outputs), one a row, as int32 (n,); integral floats are taken as well."""
    if array.size != len(array):
        hint = "; for one-hot rows use CategoricalCrossentropy" if array.shape[1:] == (n_outputs,) else ""
        raise ValueError(
            f"{name} must hold one class id a row, shape (n,) or (n, 1), got {array.shape}{hint}"
        )
    ids = array.reshape(-1)
    # Written so that NaN fails; a float that is no integer is as wrong as one out of range.
    good = (ids >= 0) & (ids < n_outputs)
    if ids.dtype.kind == "f":
        good &= ids == np.floor(ids)
    if not good.all():
        row = int(np.argmin(good))
        hint = "; a single output wants BinaryCrossentropy" if n_outputs == 1 else ""
        raise ValueError(
            f"{name} has the value {ids[row]} in row {row}; class ids are the integers 0 to {n_outputs - 1} "
            f"for a model with {n_outputs} outputs{hint}"
        )
    return np.ascontiguousarray(ids, dtype=np.int32)


def sample_weights(weights: Any, name: str = "sample_weight") -> np.ndarray | None:
    """One finite number a row, float32 (n,), or None."""
    if weights is None:
        return None
    array = as_numbers(weights, name)
    if array.ndim == 0 or array.size != len(array):
        raise ValueError(f"{name} must hold one number a row, shape (n,), got {array.shape}")
    result = np.ascontiguousarray(to_float32(array, name).reshape(-1))
    if not result.flags.aligned:
        result = result.copy()
    if not np.isfinite(result).all():
        row = int(np.argmin(np.isfinite(result)))
        raise ValueError(f"{name} has the value {result[row]} in row {row}; weights must be finite")
    return result


def class_weights(
    class_weight: Mapping[int, float] | None, y: np.ndarray, n_outputs: int
) -> np.ndarray | None:
    """The weight of each row's class, float32 (n,); classes that are not named weigh 1.

    The class of a row is its id, the largest entry of its one-hot row, or 0 or 1 for a single output.
    """
    if class_weight is None:
        return None
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be a dict of class id to weight, got {class_weight!r}")
    n_classes = max(n_outputs, 2)
    table = np.ones(n_classes, np.float32)
    for key, value in class_weight.items():
        label = check_count(key, "a class id in class_weight", 0)
        if label >= n_classes:
            raise ValueError(
                f"class_weight names class {label}, but the model has the classes 0 to {n_classes - 1}"
            )
        try:
            table[label] = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"class_weight[{label}] must be a number, got {value!r}") from None
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
    return table[labels]


def product(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    """a * b, either of which may be absent."""
    if a is None or b is None:
        return b if a is None else a
    return a * b


def split(fraction: float, arrays: Sequence[np.ndarray | None]) -> tuple[list, list]:
    """Views of the first rows of every array and of the last, a `fraction` of them; before any shuffling."""
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction < 1:
        raise ValueError(f"validation_split must be between 0 and 1, got {fraction!r}")
    n = len(arrays[0])
    at = math.floor(n * (1.0 - fraction))
    if at == 0 or at == n:
        raise ValueError(f"validation_split={fraction} of {n} rows leaves one side empty")
    return [a if a is None else a[:at] for a in arrays], [a if a is None else a[at:] for a in arrays]


def unpack(batch: Any, name: str) -> tuple[Any, Any, Any]:
    """A batch as (x, y, sample_weight)."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        got = type(batch).__name__
        raise TypeError(f"{name} must give batches (x, y) or (x, y, sample_weight), got one of type {got}")
    return (*batch, None) if len(batch) == 2 else tuple(batch)


def is_stream(x: Any) -> bool:
    """Whether x is an iterable of batches rather than an array-like."""
    if isinstance(x, Sequence) or hasattr(x, "__array__") or hasattr(x, "nnz"):
        return False
    return hasattr(x, "__iter__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def is_batches(x: Any, y: Any) -> bool:
    """Whether `fit` or `evaluate` was given batches (x, y) in place of arrays."""
    if y is None and not is_stream(x) and not isinstance(x, (list, tuple)):
        raise ValueError("y is missing: give x and y, or as x an iterable of batches (x, y)")
    return y is None


def refuse_with_batches(**arguments: Any) -> None:
    """Whether none of these arguments is given: None, or 0.0, validation_split's default."""
    for name, value in arguments.items():
        if value is not None and not (isinstance(value, float) and value == 0.0):
            raise ValueError(f"{name} goes with arrays, but x gives batches (x, y) or (x, y, sample_weight)")


def first_batches(arrays: Arrays, steps: int | None, batch_size: int | None) -> Arrays:
    """The first `steps` batches of the rows."""
    if steps is None:
        return arrays
    rows = check_count(steps, "steps") * (batch_size or 32)
    return tuple(a if a is None else a[:rows] for a in arrays)
