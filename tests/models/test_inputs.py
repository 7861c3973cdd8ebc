"""Every array-like gives the same bits as its contiguous float32 copy, or an error that explains why not."""

import array

import numpy as np
import pytest

from nnc import Sequential, _arrays, layers
from nnc.models import inputs

N, F = 12, 6
INTEGERS = np.arange(N * F).reshape(N, F) * 7 % 256


def _broken_alignment(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    assert a.itemsize == 1 or not view.flags.aligned
    return view


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


class _Frame:
    """A data frame, as NumPy sees it."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)

    def __iter__(self):  # data frames give their columns' names
        return iter("abcdef")


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "reversed rows": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "reversed columns": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "every other column": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "part of wider rows": lambda a: np.hstack([a, a])[:, :F],
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "unaligned": _broken_alignment,
    "read-only": _read_only,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "list": lambda a: a.tolist(),
    "tuple of arrays": tuple,
    "frame": _Frame,
    "mask of nothing": np.ma.masked_invalid,
    "objects": lambda a: a.astype(object),
}
DTYPES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "longdouble",
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_as_contiguous_float32(layout, dtype, backend):
    given = (INTEGERS % 128).astype(dtype)
    x = LAYOUTS[layout](given)
    before = np.array(x, copy=True)
    y = np.arange(N) % 3
    results = []
    for rows in (x, given.astype(np.float32)):
        model = Sequential([layers.Rescaling(0.01), layers.Dense(3)], seed=3)
        model.compile("sgd", "mse", backend=backend)
        model.fit(rows, np.eye(3)[y], batch_size=5, verbose=0)
        results.append([model.predict(rows), *model.get_weights()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.array(x), before)


def test_zero_strides(backend):
    row = np.arange(F, dtype=np.float32)
    model = Sequential([layers.Dense(2)], seed=0)
    model.compile("sgd", "mse", backend=backend)
    same = model.predict(np.broadcast_to(row, (5, F)))
    np.testing.assert_array_equal(same, model.predict(np.tile(row, (5, 1))))


def test_array_module_is_an_array_like():
    np.testing.assert_array_equal(
        inputs.features(array.array("d", [1.0, 2.0]), "x", (1,)), np.float32([[1], [2]])
    )


def test_not_copied(tmp_path):
    for dtype in (np.uint8, np.float32):
        mapped = np.memmap(tmp_path / np.dtype(dtype).name, dtype, "w+", shape=(N, 2, 3))
        rows = inputs.features(mapped, "x", (2, 3))
        assert rows.dtype == dtype and rows.shape == (N, F)
        assert np.shares_memory(rows, mapped)
        assert np.shares_memory(inputs.features(mapped[::2], "x", (2, 3)), mapped)
    assert np.shares_memory(inputs.features(INTEGERS.astype(bool), "x", (F,)), rows) is False
    flags = INTEGERS > 9
    assert np.shares_memory(inputs.features(flags, "x", (F,)), flags)


def test_training_reads_a_memory_map(tmp_path, backend):
    np.save(tmp_path / "x.npy", INTEGERS.astype(np.uint8))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    results = []
    for x in (mapped, np.array(mapped)):
        model = Sequential([layers.Dense(1)], seed=0)
        model.compile("sgd", "mse", backend=backend)
        model.fit(x, np.zeros(N), verbose=0)
        results.append(model.get_weights())
    np.testing.assert_array_equal(results[0][0], results[1][0])


class _Sparse:
    nnz, shape = 3, (4, 4)

    def toarray(self):
        raise AssertionError("a large matrix must not be made dense unasked")


BAD_X = {
    "sparse": (_Sparse(), TypeError, r"x is a sparse matrix.*\(4, 4\).*toarray"),
    "masked": (np.ma.masked_equal(INTEGERS, 7), ValueError, "x has 1 masked values"),
    "strings": (np.full((N, F), "a"), TypeError, "x must hold real numbers, got dtype <U1"),
    "complex": (INTEGERS + 1j, TypeError, "x must hold real numbers, got dtype complex"),
    "dates": (np.zeros((N, F), "M8[s]"), TypeError, "x must hold real numbers, got dtype datetime64"),
    "records": (np.zeros(N, "f4,i4"), TypeError, "x must hold real numbers"),
    "None": ([[None] * F], ValueError, "x holds None"),
    "words": ([["a"] * F, [1] * F], TypeError, "x must hold real numbers"),
    "a dict": ([{}] * N, TypeError, "x must hold numbers, got an array of objects"),
    "ragged": ([[1.0, 2.0], [3.0]], ValueError, "x cannot be turned into an array"),
    "too few features": (np.zeros((N, F - 1)), ValueError, r"x must have shape \(n, 6\), got \(12, 5\)"),
    "one row": (np.zeros(F), ValueError, r"got \(6,\); for a single row pass x\[None\]"),
    "images": (np.zeros((N, 2, 3)), ValueError, r"got \(12, 2, 3\); x.reshape\(\(-1, 6\)\) would do"),
    "a number": (3.0, ValueError, r"x must have shape \(n, 6\), got \(\)"),
    "overflow": (
        np.where(INTEGERS == 21, 1e39, 0.0),
        ValueError,
        r"x\[0, 3\] is 1e\+39, too large for float32",
    ),
    "no rows": (np.zeros((0, F)), ValueError, "x has no rows"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_x(case):
    x, error, message = BAD_X[case]
    model = Sequential([layers.Input((F,)), layers.Dense(2)], seed=0)
    model.compile("sgd", "mse")
    before = model.get_weights()
    y = np.zeros((len(x) if hasattr(x, "__len__") else 1, 2))
    with pytest.raises(error, match=message):
        model.fit(x, y, verbose=0)
    with pytest.raises(error, match=message):
        model.evaluate(x, y)
    if case != "no rows":
        with pytest.raises(error, match=message):
            model.predict(x)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_infinities_are_not_overflow():
    x = np.array([[np.inf, -np.inf, np.nan]])
    np.testing.assert_array_equal(inputs.features(x, "x", (3,)), x.astype(np.float32))


IDS = ("sparse_categorical_crossentropy", 3)
BAD_Y = {
    "missing": (IDS, None, ValueError, "y is missing"),
    "id too large": (
        IDS,
        [0, 1, 3, 5],
        ValueError,
        "y has the value 3 in row 2; .* 0 to 2 for a model with 3",
    ),
    "id negative": (IDS, [0, -1, 0, 0], ValueError, "y has the value -1 in row 1"),
    "id far too large": (IDS, [0, 2**32, 0, 0], ValueError, "y has the value 4294967296 in row 1"),
    "id of 64 bits": (
        IDS,
        np.array([0, 0, 0, 2**64 - 1], np.uint64),
        ValueError,
        "18446744073709551615 in row 3",
    ),
    "id no integer": (IDS, [0.0, 1.5, 0, 0], ValueError, "y has the value 1.5 in row 1"),
    "id NaN": (IDS, [0.0, np.nan, 0, 0], ValueError, "y has the value nan in row 1"),
    "one-hot for ids": (
        IDS,
        np.eye(4)[:, :3],
        ValueError,
        r"got \(4, 3\); for one-hot rows use the loss or",
    ),
    "ids as strings": (IDS, ["a", "b", "c", "d"], TypeError, "y must hold real numbers, got dtype <U1"),
    "masked ids": (IDS, np.ma.masked_equal([0, 1, 2, 1], 2), ValueError, "y has 1 masked values"),
    "too many": (IDS, [0, 1, 2, 0, 1], ValueError, "x has 4 rows but y has 5"),
    "one id for all": (IDS, 1, ValueError, "y must have one entry per row, got the single number 1"),
    "class of one output": (
        ("sparse_categorical_crossentropy", 1),
        [0, 1, 0, 0],
        ValueError,
        "needs a loss on rows",
    ),
    "ids for one-hot": (("categorical_crossentropy", 3), [0, 1, 2, 0], ValueError, "to_categorical"),
    "wrong width": (("mse", 3), np.zeros((4, 2)), ValueError, r"y must have shape \(n, 3\).*got \(4, 2\)"),
    "NaN target": (
        ("mse", 1),
        [0, np.nan, 0, 0],
        ValueError,
        "y has the value nan in row 1; .* must be finite",
    ),
    "infinite target": (("mse", 1), [0, 0, np.inf, 0], ValueError, "y has the value inf in row 2"),
    "target too large": (
        ("mse", 1),
        [0, 0, 1e40, 0],
        ValueError,
        r"y\[2, 0\] is 1e\+40, too large for float32",
    ),
    "label not in [0, 1]": (
        ("bce", 1),
        [0, 1, -1, 1],
        ValueError,
        "y has the value -1.0 in row 2; .* 0 and 1",
    ),
    "broadcast": (("mse", 1), np.zeros((4, 4)), ValueError, r"y must have shape \(n, 1\)"),
}


@pytest.mark.parametrize("case", BAD_Y)
def test_bad_y(case):
    (loss, n_outputs), y, error, message = BAD_Y[case]
    ends = "sigmoid" if "crossentropy" in loss or loss == "bce" else "linear"
    model = Sequential([layers.Input((F,)), layers.Dense(n_outputs, ends)], seed=0)
    model.compile("sgd", loss)
    x = np.zeros((4, F))
    with pytest.raises(error, match=message):
        model.fit(x, y, verbose=0)
    with pytest.raises(error, match=message):
        model.train_on_batch(x, y)
    if y is not None:
        fine = [0] * 4 if loss == IDS[0] else np.zeros((4, n_outputs))
        with pytest.raises(error, match=r"^.*validation_data\[1\]"):
            model.fit(x, fine, validation_data=(x, y), verbose=0)


@pytest.mark.parametrize(
    "y", [[0, 1, 2, 1], [[0], [1], [2], [1]], [0.0, 1.0, 2.0, 1.0], np.uint8([0, 1, 2, 1])]
)
def test_class_ids(y):
    ids = _arrays.targets(y, "y", "ids", (3,))
    assert ids.dtype == np.int32 and ids.tolist() == [0, 1, 2, 1]


def test_targets_of_either_kind():
    for y in ([2, 0], [[2], [0]], np.array([2.0, 0.0])):
        assert _arrays.targets(y, "y", "any", (3,)).tolist() == [2, 0]
    rows = _arrays.targets([[0, 0, 1], [1, 0, 0]], "y", "any", (3,))
    assert rows.dtype == np.float32 and rows.shape == (2, 3)
    assert _arrays.targets([2.5, 0], "y", "any", (1,)).tolist() == [[2.5], [0.0]]


def test_column_and_vector_are_aligned(backend):
    """(n,) and (n, 1) must not broadcast to (n, n)."""
    x, y = np.arange(8.0)[:, None], np.arange(8.0)
    model = Sequential([layers.Dense(1)], seed=0)
    model.compile("sgd", "mse", metrics=["mae"], backend=backend)
    expected = float(np.mean((model.predict(x)[:, 0] - y) ** 2))
    for target in (y, y[:, None]):
        np.testing.assert_allclose(model.evaluate(x, target)[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(y), model.predict(x))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2, 3], "x has 4 rows but sample_weight has 3"),
        (np.ones((4, 2)), r"sample_weight must hold one number per row, shape \(n,\), got \(4, 2\)"),
        ([1, np.nan, 1, 1], "sample_weight has the value nan in row 1"),
        ([1, 1, 1, 1e40], r"sample_weight\[3\] is 1e\+40, too large"),
        (1.0, "one number per row"),
    ],
)
def test_bad_sample_weight(weights, message):
    model = Sequential([layers.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        model.fit(np.zeros((4, F)), np.zeros(4), sample_weight=weights, verbose=0)


@pytest.mark.parametrize(
    ("class_weight", "error", "message"),
    [
        ([1, 2, 3], TypeError, "class_weight must be a dict"),
        ({3: 1.0}, ValueError, "class_weight names class 3, but the model has the classes 0 to 2"),
        ({-1: 1.0}, ValueError, "a class id in class_weight must be an integer of at least 0, got -1"),
        ({"a": 1.0}, TypeError, "a class id in class_weight must be an integer of at least 0, got 'a'"),
        ({1: "heavy"}, TypeError, r"class_weight\[1\] must be a number, got 'heavy'"),
        ({1: 10**400}, ValueError, r"class_weight\[1\] must fit into a float, got an integer of 1329 bits"),
        ({1: np.inf}, ValueError, r"class_weight\[1\] must be finite, got inf"),
    ],
)
def test_bad_class_weight(class_weight, error, message):
    model = Sequential([layers.Dense(3)], seed=0)
    model.compile("sgd", IDS[0])
    with pytest.raises(error, match=message):
        model.fit(np.zeros((4, F)), [0, 1, 2, 0], class_weight=class_weight, verbose=0)


def test_class_weights_table():
    weights = {0: 2.0, 2: 0.5}
    expected = [2.0, 1.0, 0.5, 2.0]
    ids = np.int32([0, 1, 2, 0])
    for y in (ids, np.eye(3, dtype=np.float32)[ids]):
        assert inputs.class_weights(weights, y, 3).tolist() == expected
    binary = np.float32([[0], [1], [1]])
    assert inputs.class_weights({1: 3.0}, binary, 1).tolist() == [1.0, 3.0, 3.0]
    with pytest.raises(ValueError, match="needs y to be 0 or 1"):
        inputs.class_weights({1: 3.0}, np.float32([[0.5]]), 1)


def test_split():
    x, y = np.arange(10), np.arange(10) * 2
    train, held_out = inputs.split(0.25, (x, y, None))
    assert train[0].tolist() == list(range(7)) and held_out[0].tolist() == [7, 8, 9]
    assert held_out[1].tolist() == [14, 16, 18] and held_out[2] is None
    assert np.shares_memory(train[0], x)
    for fraction in (0.0, 1.0, -0.1, np.nan, True, "half"):
        with pytest.raises(ValueError, match="validation_split must be between 0 and 1"):
            inputs.split(fraction, (x,))
    with pytest.raises(ValueError, match="leaves one of the two parts empty"):
        inputs.split(0.999, (x,))


@pytest.mark.parametrize(
    ("value", "error"),
    [(0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError), ("8", TypeError)],
)
@pytest.mark.parametrize("name", ["batch_size", "steps_per_epoch"])
def test_bad_counts(name, value, error):
    model = Sequential([layers.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(error, match=f"{name} must be .*, got {value!r}"):
        model.fit(np.zeros((4, F)), np.zeros(4), verbose=0, **{name: value})
