"""Skipping some of scikit-learn's checks, and running epochs ahead, change no result."""

import itertools

import numpy as np
import pytest

pytest.importorskip("sklearn", "1.9")

from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.validation import validate_data

import nnc
from nnc.sklearn import MLPClassifier, MLPRegressor, rows, stochastic
from nnc.sklearn.checking import FLOATS, SPARSE, checked_pair
from nnc.sklearn.estimators import Estimator, binarizer
from nnc.sklearn.stochastic import Trainer

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


def assert_same(a, b):
    """The losses are compared as they are: an epoch's are added step by step, whoever asks for the steps."""
    for name in ("loss_curve_", "best_loss_", "loss_", "n_iter_", "t_", "_no_improvement_count"):
        assert getattr(a, name) == getattr(b, name), name
    assert a._optimizer.iterations == b._optimizer.iterations
    for of_a, of_b in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        np.testing.assert_array_equal(of_a, of_b)


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_epochs_run_ahead_as_one_by_one(cls, settings):
    """The core ends them where the rule between single epochs does."""
    settings = {"random_state": 0, "max_iter": 150} | settings
    ahead = cls(**settings).fit(SCALED, SPECIES)
    single = cls(callbacks=[nnc.callbacks.History()], **settings).fit(SCALED, SPECIES)
    assert len(ahead.loss_curve_) == ahead.n_iter_
    assert_same(ahead, single)


@pytest.mark.parametrize(("rate", "finite"), [(0.001, 3), (0.0015, 2), (0.03, 1)])
def test_divergence_run_ahead_is_as_one_by_one(rate, finite):
    """The loss is finite for so many epochs."""
    settings = {"solver": "sgd", "activation": "identity", "learning_rate_init": rate, "random_state": 0}
    settings |= {"batch_size": 40, "shuffle": False, "max_iter": 30}
    models = [MLPRegressor(**settings), MLPRegressor(callbacks=[nnc.callbacks.History()], **settings)]
    for model in models:
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            model.fit(3 * IRIS, SPECIES)
    ahead, single = models
    assert ahead.n_iter_ == 30
    assert np.isfinite(ahead.loss_curve_).tolist() == [True] * finite + [False] * (30 - finite)
    np.testing.assert_array_equal(ahead.loss_curve_, single.loss_curve_)
    for name in ("best_loss_", "n_iter_", "t_", "_no_improvement_count"):
        assert getattr(ahead, name) == getattr(single, name), name
    assert ahead._optimizer.iterations == single._optimizer.iterations


class CutPlan:
    """A plan whose calls of `train` make these numbers of steps in turn, again and again."""

    def __init__(self, plan, lengths):
        self.plan, self.lengths = plan, lengths

    def __getattr__(self, name):
        return getattr(self.plan, name)

    def train(self, x, y, sample_weight, order, start, rates, *more):
        return self.plan.train(x, y, sample_weight, order, start, rates[: next(self.lengths)], *more)


def cuts(n_steps):
    """Every way to cut so many steps into slices."""
    for ends in itertools.product([False, True], repeat=n_steps - 1):
        places = [0, *(i for i, end in enumerate(ends, 1) if end), n_steps]
        yield [stop - start for start, stop in itertools.pairwise(places)]


@pytest.mark.parametrize("lengths", list(cuts(4)), ids=lambda lengths: "+".join(map(str, lengths)))
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_nothing_depends_on_the_slices(cls, shuffle, lengths, monkeypatch):
    """Where a slice of time ends within an epoch, be it run ahead or not."""
    settings = {"random_state": 0, "max_iter": 12, "batch_size": 40, "shuffle": shuffle, "alpha": 0.1}
    weight = 0.5 + SPECIES
    whole = cls(**settings).fit(SCALED, SPECIES, weight)
    plan, turn = Trainer.plan, itertools.cycle(lengths)
    cut = plan.getter(lambda trainer: CutPlan(plan.__get__(trainer), turn))
    monkeypatch.setattr(Trainer, "plan", cut)
    monkeypatch.setattr(Trainer, "ahead", lambda *arguments: 1)
    assert_same(cls(**settings).fit(SCALED, SPECIES, weight), whole)


@pytest.mark.parametrize("budget", [0.0, 1e-9, 1e-5, 1e6])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_nothing_depends_on_the_budget(cls, budget, monkeypatch):
    """With no time a call makes one step; with much time all epochs after the first are run ahead."""
    settings = {"random_state": 0, "max_iter": 20, "batch_size": 7, "shuffle": False, "tol": 1e-3}
    whole = cls(**settings).fit(SCALED, SPECIES)
    monkeypatch.setattr(stochastic, "BUDGET", budget)
    assert_same(cls(**settings).fit(SCALED, SPECIES), whole)


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_nothing_depends_on_the_parts_of_sparse_rows(cls, monkeypatch):
    settings = {"random_state": 0, "max_iter": 12, "batch_size": 7}
    X = np.where(SCALED > 0.5, SCALED, 0)
    dense = cls(**settings).fit(X, SPECIES)
    monkeypatch.setattr(rows, "_MOST_DENSE", 4 * 7 * 2)
    assert_same(cls(**settings).fit(sparse.csr_matrix(X), SPECIES), dense)


def test_the_cores_patience():
    """Training ends after the third consecutive epoch without a better loss."""
    model = MLPClassifier(max_iter=1, random_state=0).fit(SCALED, SPECIES)
    plan = model._trainer.plan
    x, y = SCALED.astype(np.float32), SPECIES.astype(np.int32)
    orders, rates = np.empty((20, 0), np.int64), np.zeros((20, 1), np.float32)  # the loss does not change
    for patience, done in (((np.inf, 0.0, 0, 2.0), 20), ((0.0, 0.0, 0, 2.0), 3), ((0.0, 0.0, 2, 2.0), 1)):
        assert plan.train_epochs(x, y, None, None, orders, rates, 150, 0, 0, np.inf, patience)[0] == done
    assert plan.train_epochs(x, y, None, None, orders, rates, 150, 0, 0, np.inf)[0] == 20
