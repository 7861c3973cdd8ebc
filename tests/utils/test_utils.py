"""nnc.utils against what its docstrings promise."""

from __future__ import annotations

import numpy as np
import pytest

from nnc.utils import normalize, to_categorical


@pytest.mark.parametrize("shape", [(0,), (1,), (10,), (10, 1), (3, 4), (3, 1, 1), ()])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float32, bool])
def test_to_categorical_has_one_one_where_the_id_says(shape, dtype):
    ids = np.random.default_rng(0).integers(0, 2 if dtype is bool else 7, shape).astype(dtype)
    rows = to_categorical(ids, 7)
    kept = shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
    assert rows.shape == (*kept, 7) and rows.dtype == np.float32
    np.testing.assert_array_equal(rows.sum(axis=-1), np.ones(kept))
    np.testing.assert_array_equal(rows.argmax(axis=-1), ids.reshape(kept))


def test_to_categorical_counts_the_classes_and_takes_lists_and_strides():
    assert to_categorical([0, 4]).shape == (2, 5)
    ids = np.arange(12).reshape(3, 4)[:, ::-2]
    np.testing.assert_array_equal(to_categorical(ids).argmax(axis=-1), ids)


@pytest.mark.parametrize(
    "x, num_classes, error, message",
    [
        ([0, 1, -1], None, ValueError, "x holds -1"),
        ([0, 9, 3], 4, ValueError, "x holds 9.*0 to 3"),
        ([], None, ValueError, "give num_classes"),
        ([0.5], 3, TypeError, "float64"),
        ([np.nan], 3, TypeError, "float64"),
        (["cat"], 3, TypeError, "x must hold integers"),
    ],
)
def test_to_categorical_refuses(x, num_classes, error, message):
    with pytest.raises(error, match=message):
        to_categorical(x if len(x) else np.array(x, dtype=int), num_classes)


@pytest.mark.parametrize("order", [1, 2, np.inf])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_normalize_gives_vectors_of_length_one(axis, order):
    x = np.random.default_rng(0).standard_normal((5, 7))
    np.testing.assert_allclose(np.linalg.norm(normalize(x, axis, order), order, axis), 1.0, rtol=1e-12)
    x[:, 2] = 0
    assert np.all(normalize(x, 0, order)[:, 2] == 0)
    assert normalize(x.astype(np.float32)).dtype == np.float32 and normalize([[1, 2]]).dtype == np.float64
