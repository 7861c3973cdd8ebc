"""What is left out of scikit-learn's checks, and epochs that run ahead, change nothing."""

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.9")

from sklearn.datasets import load_iris
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import validate_data

import nnc
from nnc.sklearn import MLPClassifier, MLPRegressor
from nnc.sklearn.checking import FLOATS, SPARSE, checked_pair
from nnc.sklearn.estimators import Estimator, binarizer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
SCALED = (IRIS - IRIS.mean(axis=0)) / IRIS.std(axis=0)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float64, "U5", object])
@pytest.mark.parametrize("n_classes", [1, 2, 3, 12])
def test_binarizer(dtype, n_classes):
    y = (np.arange(12) % n_classes).astype(dtype)
    y = y.astype(str).astype(object) if dtype is object else y
    ours, theirs = binarizer(y), LabelBinarizer().fit(y)
    assert vars(ours).keys() == vars(theirs).keys()
    assert (ours.y_type_, ours.sparse_input_) == (theirs.y_type_, theirs.sparse_input_)
    assert ours.classes_.dtype == theirs.classes_.dtype
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)


def test_a_binarizer_of_nothing_is_refused():
    with pytest.raises(ValueError, match="y has 0 samples"):
        binarizer(np.empty(0, int))


@pytest.mark.parametrize("x_dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("y", [SPECIES, SPECIES.astype(np.float32), SPECIES > 0, SPECIES.astype("U2")])
def test_pairs(x_dtype, y):
    X = np.asfortranarray(IRIS).astype(x_dtype)
    ours, theirs = MLPClassifier(), MLPClassifier()
    for reset in (True, False):
        found = checked_pair(ours, X, y, reset)
        wanted = validate_data(
            theirs, X, y, accept_sparse=SPARSE, multi_output=True, dtype=FLOATS, reset=reset
        )
        assert vars(ours) == vars(theirs)
        for a, b in zip(found, wanted, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.where(IRIS[3, 1] == IRIS, np.nan, IRIS), SPECIES, "Input X contains NaN"),
        (np.where(IRIS[3, 1] == IRIS, np.inf, IRIS), SPECIES, "Input X contains infinity"),
        (IRIS, np.where(SPECIES == 1, np.nan, 2.0), "Input y contains NaN"),
        (IRIS, SPECIES[1:], "inconsistent numbers of samples"),
        (IRIS[:0], SPECIES[:0], "minimum of 1 is required"),
        (IRIS[:, :0], SPECIES, "minimum of 1 is required"),
        (IRIS[0], SPECIES, "Expected 2D array"),
    ],
)
def test_pairs_that_are_refused(X, y, message):
    for cls in (MLPClassifier, MLPRegressor):
        with pytest.raises(ValueError, match=message):
            cls(max_iter=2).fit(X, y)


def test_large_numbers_are_finite():
    """Their sum is not."""
    X = np.full((4, 2), 1e308)
    assert checked_pair(MLPRegressor(), X, np.arange(4.0), True)[0] is X


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_parameters(cls, monkeypatch):
    with monkeypatch.context() as patch:  # the defaults pass scikit-learn's own check
        patch.delattr(Estimator, "_validate_params")
        cls()._validate_params()
    for name, value in {"alpha": -1, "solver": "newton", "shuffle": None, "max_iter": 2.5}.items():
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {cls.__name__} must be"):
            cls(**{name: value}).fit(IRIS, SPECIES)


SETTINGS = [
    {"tol": 1e-2},
    {"tol": 1e-3, "n_iter_no_change": 3, "shuffle": False, "batch_size": 40},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "learning_rate_init": 0.1},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5, "tol": 1e-3},
    {"n_iter_no_change": np.inf},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_epochs_run_ahead_as_one_by_one(cls, settings):
    """The core ends them where the rule between single epochs does."""
    settings = {"random_state": 0, "max_iter": 150} | settings
    ahead = cls(**settings).fit(SCALED, SPECIES)
    single = cls(callbacks=[nnc.callbacks.History()], **settings).fit(SCALED, SPECIES)
    for name in ("n_iter_", "t_", "_no_improvement_count"):
        assert getattr(ahead, name) == getattr(single, name), name
    assert len(ahead.loss_curve_) == ahead.n_iter_
    np.testing.assert_allclose(ahead.loss_curve_, single.loss_curve_, rtol=1e-14)  # sums of other slices
    assert ahead._optimizer.iterations == single._optimizer.iterations
    for a, b in zip(ahead.coefs_, single.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_cores_patience():
    """Epochs end behind the one that is the third in a row without a better loss."""
    model = MLPClassifier(max_iter=1, random_state=0).fit(SCALED, SPECIES)
    plan = model._trainer.plan
    x, y = SCALED.astype(np.float32), SPECIES.astype(np.int32)
    orders, rates = np.empty((20, 0), np.int64), np.zeros((20, 1), np.float32)  # the loss stays as it is
    for patience, done in (((np.inf, 0.0, 0, 2.0), 20), ((0.0, 0.0, 0, 2.0), 3), ((0.0, 0.0, 2, 2.0), 1)):
        assert plan.train_epochs(x, y, None, None, orders, rates, 150, 0, 0, np.inf, patience)[0] == done
    assert plan.train_epochs(x, y, None, None, orders, rates, 150, 0, 0, np.inf)[0] == 20
