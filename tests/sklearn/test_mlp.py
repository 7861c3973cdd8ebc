# ruff: noqa: E402
"""nnc.sklearn's MLPs compared with scikit-learn's, and their extensions."""

import copy
import inspect
import io
import pickle
import warnings

import numpy as np
import pytest

neural_network = pytest.importorskip("sklearn.neural_network")
joblib = pytest.importorskip("joblib")

import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nnc
from nnc.sklearn import MLPClassifier, MLPRegressor, rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

DIGITS, TEN = load_digits(return_X_y=True)
DIGITS = DIGITS[:500] / 16
TEN = TEN[:500]
LABELLED, LABELS = make_multilabel_classification(200, random_state=0)
COUNTED = np.random.RandomState(1).normal(size=(300, 5))
THREE = np.stack([COUNTED @ np.arange(5.0), np.sin(COUNTED[:, 0]), COUNTED[:, 1] ** 2], axis=1)
COUNTS = np.random.RandomState(2).poisson(np.exp(COUNTED[:, :2] * 0.4))
DATA = {
    "multiclass": ("MLPClassifier", DIGITS, TEN),
    "binary": ("MLPClassifier", DIGITS, np.where(TEN > 4, "high", "low")),
    "multilabel": ("MLPClassifier", LABELLED, LABELS),
    "regression": ("MLPRegressor", COUNTED, THREE[:, 0]),
    "outputs": ("MLPRegressor", COUNTED, THREE),
    "poisson": ("MLPRegressor", COUNTED, COUNTS),
}
SETTINGS = [
    {},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.02, "batch_size": 64},
    {"solver": "sgd", "momentum": 0.0, "activation": "tanh", "alpha": 1.0},
    {"solver": "sgd", "nesterovs_momentum": False, "shuffle": False, "batch_size": 33},
    {"early_stopping": True, "hidden_layer_sizes": (20, 10), "activation": "logistic"},
    {"solver": "lbfgs", "activation": "logistic"},
    {"solver": "lbfgs", "activation": "identity", "hidden_layer_sizes": (7, 5)},
]


def pair(name, **settings):
    """scikit-learn's estimator, nnc's, and the data."""
    which, X, y = DATA[name]
    if name == "poisson":
        settings["loss"] = "poisson"
    settings = {"max_iter": 4, "random_state": 3} | settings
    return getattr(neural_network, which)(**settings), getattr(nnc.sklearn, which)(**settings), X, y


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(map(str, s.values())) or "defaults")
@pytest.mark.parametrize("name", DATA)
def test_as_scikit_learn(name, settings, weighted):
    """Losses, scores, counts and weights of the first epochs, to float32 accuracy; for lbfgs, to float64."""
    theirs, ours, X, y = pair(name, **settings)
    weight = np.random.RandomState(5).uniform(0.1, 3.0, len(X)) if weighted else None
    theirs.fit(X, y, sample_weight=weight)
    ours.fit(X, y, sample_weight=weight)
    exact = settings.get("solver") == "lbfgs"
    for attribute in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-10 if exact else 1e-6)
    for mine, other in zip(
        (*ours.coefs_, *ours.intercepts_), (*theirs.coefs_, *theirs.intercepts_), strict=True
    ):
        assert mine.dtype == other.dtype and mine.shape == other.shape
        np.testing.assert_allclose(mine, other, atol=1e-8 if exact else 2e-4)
    if not exact:
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
        assert (ours.best_loss_ is None) == (theirs.best_loss_ is None) == bool(ours.early_stopping)
        if ours.early_stopping:
            assert [type(s) for s in ours.validation_scores_] == [float] * 4
            np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, atol=1e-6)
        else:
            assert ours.validation_scores_ is ours.best_validation_score_ is None
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), abs=0.01)
    if hasattr(ours, "classes_"):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


def test_constructors_begin_as_theirs():
    for name in ("MLPClassifier", "MLPRegressor"):
        theirs = inspect.signature(getattr(neural_network, name)).parameters
        ours = inspect.signature(getattr(nnc.sklearn, name)).parameters
        shared = list(ours.values())[: len(theirs)]
        assert [(p.name, p.default, p.kind) for p in shared] == [
            (p.name, p.default, p.kind) for p in theirs.values()
        ]
        beyond = list(ours.values())[len(theirs) :]
        assert beyond and all(p.kind is p.KEYWORD_ONLY for p in beyond)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 500}, {"early_stopping": True}])
def test_a_random_state_goes_on_as_theirs(settings):
    theirs, ours, X, y = pair("multiclass", **settings)
    states = [np.random.RandomState(9), np.random.RandomState(9)]
    theirs.set_params(random_state=states[0]).fit(X, y)
    ours.set_params(random_state=states[1]).fit(X, y)
    assert states[0].randint(2**31) == states[1].randint(2**31)


@pytest.mark.parametrize("name", ["multiclass", "regression", "multilabel"])
def test_partial_fit_as_theirs(name):
    theirs, ours, X, y = pair(name, solver="sgd", learning_rate="invscaling", learning_rate_init=0.1)
    classes = np.arange(y.shape[1]) if name == "multilabel" else np.unique(y)
    more = {"classes": classes} if hasattr(ours, "predict_proba") else {}
    for part in (slice(0, 150), slice(100, 110), slice(0, 200)):
        theirs.partial_fit(X[part], y[part], **more)
        ours.partial_fit(X[part], y[part], **more)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
    assert ours.t_ == theirs.t_ == 360
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], atol=1e-5)


@pytest.mark.parametrize("setting", [{"alpha": 50.0}, {"activation": "tanh"}], ids=str)
def test_partial_fit_uses_parameters_that_were_set_since(setting):
    theirs, ours, X, y = pair("multiclass")
    for model in (theirs, ours):
        model.fit(X, y).set_params(**setting).partial_fit(X, y)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(ours.coefs_[0], theirs.coefs_[0], atol=1e-4)
    again = pickle.loads(pickle.dumps(ours)).set_params(dropout=0.5, l1=0.1).partial_fit(X, y)
    assert again.loss_ > ours.partial_fit(X, y).loss_


def test_stops_where_they_stop():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    for settings in (
        {"tol": 1e-2},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "learning_rate_init": 0.1},
        {"solver": "sgd", "tol": 0.02, "n_iter_no_change": 3, "batch_size": 20},
    ):
        fits = [
            cls(random_state=0, max_iter=500, **settings).fit(X, y)
            for cls in (neural_network.MLPClassifier, MLPClassifier)
        ]
        assert fits[0].n_iter_ == fits[1].n_iter_ < 500
        assert fits[1]._optimizer.learning_rate == pytest.approx(fits[0]._optimizer.learning_rate) or (
            "solver" not in settings
        )


def test_rows_that_are_repeated_are_rows_with_weights():
    """In one batch: the same bits, in any order."""
    rng = np.random.RandomState(0)
    weight = rng.randint(0, 4, 60)
    repeated = np.repeat(np.arange(60), weight)
    for cls, y in ((MLPClassifier, TEN[:60]), (MLPRegressor, DIGITS[:60, 20:22])):
        X = DIGITS[:60]
        one = cls(random_state=0, max_iter=20).fit(X, y, sample_weight=weight)
        other = cls(random_state=0, max_iter=20).fit(X[repeated][::-1], y[repeated][::-1])
        for a, b in zip(one.coefs_, other.coefs_, strict=True):
            np.testing.assert_array_equal(a, b)


def test_epochs_are_the_same_one_by_one():
    """Fits with many epochs in one call of the core, and fits that stop after each for a callback."""
    settings = {"random_state": 0, "max_iter": 30, "batch_size": 32}
    many = MLPClassifier(**settings).fit(DIGITS, TEN)
    single = MLPClassifier(callbacks=[nnc.callbacks.History()], **settings).fit(DIGITS, TEN)
    np.testing.assert_allclose(many.loss_curve_, single.loss_curve_, rtol=1e-14)  # sums over different slices
    np.testing.assert_array_equal(many.coefs_[0], single.coefs_[0])


def test_float32_stays():
    model = MLPRegressor(max_iter=3, random_state=0).fit(COUNTED.astype(np.float32), THREE)
    assert {w.dtype for w in (*model.coefs_, *model.intercepts_)} == {np.dtype(np.float32)}
    assert model.predict(COUNTED.astype(np.float32)).dtype == np.float32
    assert model.predict(COUNTED.astype(np.float32)).shape == (300, 3)
    model.set_params(warm_start=True).fit(COUNTED, THREE)  # the weights keep their dtype, as theirs do
    assert {w.dtype for w in (*model.coefs_, *model.intercepts_)} == {np.dtype(np.float32)}


# ----------------------------------------------------------------------------------------------------- input


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_is_as_dense(make, solver, monkeypatch):
    X = np.where(DIGITS > 0.5, DIGITS, 0.0)
    settings = {"random_state": 0, "max_iter": 5, "batch_size": 64, "solver": solver}
    dense = MLPClassifier(**settings).fit(X, TEN)
    for most in (2**26, 64 * X.shape[1] * 2):  # all of it, and two batches at a time
        monkeypatch.setattr(rows, "_MOST_DENSE", most)
        model = MLPClassifier(**settings).fit(make(X), TEN)
        for a, b in zip(model.coefs_, dense.coefs_, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)
        np.testing.assert_allclose(model.predict_proba(make(X)), dense.predict_proba(X), atol=1e-12)
    weighted = MLPClassifier(**settings | {"early_stopping": True} if solver == "adam" else settings)
    weighted.fit(make(X), TEN, sample_weight=np.linspace(1, 2, len(X)))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library):
    frames = pytest.importorskip(library)
    columns = [f"pixel{i}" for i in range(DIGITS.shape[1])]
    X = frames.DataFrame({name: DIGITS[:, i] for i, name in enumerate(columns)})
    y = frames.Series(TEN.astype(str))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        for early_stopping in (False, True):
            model = MLPClassifier(max_iter=5, random_state=0, early_stopping=early_stopping).fit(X, y)
            assert model.score(X, y) > 0.1
    assert list(model.feature_names_in_) == columns
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(DIGITS)


def test_what_is_refused():
    model = MLPClassifier(max_iter=3, random_state=0)
    with pytest.raises(NotFittedError):
        model.predict(DIGITS)
    bad = DIGITS.copy()
    bad[3, 3] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        model.fit(bad, TEN)
    model.fit(DIGITS, TEN)
    for wrong, message in ((bad, "contains NaN"), (DIGITS[:, 1:], "63 features"), (DIGITS[0], "2D array")):
        with pytest.raises(ValueError, match=message):
            model.predict(wrong)
    with pytest.raises(ValueError, match="minimum of 1 is required"):
        model.predict(DIGITS[:0])
    with pytest.raises(ValueError, match="'activation' parameter"):
        MLPClassifier(activation="rleu").fit(DIGITS, TEN)
    with pytest.raises(ValueError, match="one for each of the 1 hidden layers"):
        MLPClassifier(activation=["relu", "tanh"]).fit(DIGITS, TEN)
    for name, value in (("dropout", 0.5), ("batch_norm", True), ("l1", 0.1)):
        with pytest.raises(ValueError, match=f"{name} needs the solver 'sgd' or 'adam'"):
            MLPClassifier(solver="lbfgs", **{name: value}).fit(DIGITS, TEN)
    with pytest.raises(ValueError, match="y must be at least 0 with loss='poisson'"):
        MLPRegressor(loss="poisson").fit(COUNTED, THREE[:, 0])
    for solver in ("adam", "lbfgs"):
        with pytest.raises(ValueError, match="y must be numbers, got an array of dtype <U"):
            MLPRegressor(solver=solver).fit(COUNTED, THREE[:, 0].astype(str))
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        MLPRegressor(early_stopping=True).partial_fit(COUNTED, THREE)
    with pytest.raises(ValueError, match="The validation set is too small"):
        MLPRegressor(early_stopping=True).fit(COUNTED[:3], THREE[:3])
    with pytest.raises(ZeroDivisionError, match="Weights sum to zero"):
        MLPRegressor(batch_size=100, shuffle=False).fit(COUNTED, THREE, sample_weight=np.arange(300) >= 100)


def test_warnings():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached and the optimization"):
        MLPClassifier(max_iter=2).fit(DIGITS, TEN)
    with pytest.warns(UserWarning, match="larger than sample size. It is going to be clipped"):
        MLPClassifier(batch_size=1000, max_iter=2).fit(DIGITS, TEN)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        MLPClassifier(solver="lbfgs", max_iter=2).fit(DIGITS, TEN)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        MLPRegressor(solver="sgd", learning_rate_init=1e9, max_iter=3).fit(COUNTED, THREE)


def test_weights_that_are_set_by_hand():
    model = MLPClassifier(max_iter=3, random_state=0, solver="sgd").fit(DIGITS, TEN)
    model.coefs_ = [np.zeros_like(w) for w in model.coefs_]
    model.intercepts_[-1] = np.arange(10.0)
    assert set(model.predict(DIGITS)) == set(model.predict(DIGITS.astype(np.float32))) == {9}
    model.coefs_[0][:] = 1.0
    before = model.intercepts_[-1].copy()
    model.partial_fit(DIGITS, TEN)
    assert np.abs(model.coefs_[0] - 1).max() < 0.1
    assert 0 < np.abs(model.intercepts_[-1] - before).max() < 0.1


@pytest.mark.parametrize("how", ["pickle", "joblib", "deepcopy"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_copies_go_on_alike(how, solver):
    model = MLPClassifier(max_iter=3, random_state=0, solver=solver, batch_size=50).fit(DIGITS, TEN)
    if how == "joblib":
        file = io.BytesIO()
        joblib.dump(model, file)
        file.seek(0)
        other = joblib.load(file)
    else:
        other = pickle.loads(pickle.dumps(model)) if how == "pickle" else copy.deepcopy(model)
    for each in (model, other):
        each.partial_fit(DIGITS, TEN).partial_fit(DIGITS[:70], TEN[:70])
    for a, b in zip(model.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not hasattr(clone(model), "coefs_")


# ---------------------------------------------------------------------------------------------------- extras


def test_dropout():
    settings = {"random_state": 0, "max_iter": 30, "batch_size": 50}
    plain = MLPClassifier(**settings).fit(DIGITS, TEN)
    models = [MLPClassifier(dropout=0.5, **settings).fit(DIGITS, TEN) for _ in range(2)]
    np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
    assert models[0].loss_ > 2 * plain.loss_ and models[0].score(DIGITS, TEN) > 0.9
    other = MLPClassifier(dropout=0.5, **settings | {"random_state": 1}).fit(DIGITS, TEN)
    assert not np.array_equal(other.coefs_[0], models[0].coefs_[0])


def test_batch_norm():
    X = DIGITS * 50 + 100
    settings = {"random_state": 0, "max_iter": 30, "batch_size": 50}
    model = MLPClassifier((30, 20), batch_norm=True, **settings).fit(X, TEN)
    assert model.score(X, TEN) > 0.9
    outputs = model.to_sequential().predict(X)
    np.testing.assert_allclose(outputs, model.predict_proba(X), atol=1e-4)
    again = pickle.loads(pickle.dumps(model))
    again.partial_fit(X, TEN)
    model.partial_fit(X, TEN)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_l1():
    norms = []
    for l1 in (0.0, 1.0, 10.0):
        model = MLPClassifier(20, l1=l1, max_iter=60, random_state=0).fit(DIGITS, TEN)
        norms.append(sum(np.abs(w).sum() for w in model.coefs_))
    assert norms[0] > norms[1] > norms[2]
    one = MLPRegressor(hidden_layer_sizes=4, l1=3.0, alpha=2.0, max_iter=1, random_state=0).fit(
        COUNTED, THREE
    )
    assert (
        one.loss_
        > MLPRegressor(hidden_layer_sizes=4, alpha=2.0, max_iter=1, random_state=0).fit(COUNTED, THREE).loss_
    )


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weight(solver):
    settings = {"random_state": 0, "max_iter": 20, "solver": solver}
    y = np.where(TEN == 3, "three", "other")
    factor = {"three": 5.0, "other": 0.5}
    weight = np.vectorize(factor.get)(y)
    one = MLPClassifier(class_weight=factor, **settings).fit(DIGITS, y)
    other = MLPClassifier(**settings).fit(DIGITS, y, sample_weight=weight)
    np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])
    balanced = MLPClassifier(class_weight="balanced", **settings).fit(DIGITS, y)
    assert not np.array_equal(balanced.coefs_[0], MLPClassifier(**settings).fit(DIGITS, y).coefs_[0])
    if solver == "adam":
        with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
            balanced.partial_fit(DIGITS, y)


def test_activations_for_each_layer():
    names = ["gelu", "silu", "leaky_relu"]
    for solver in ("adam", "lbfgs"):
        model = MLPClassifier((20, 10, 10), names, solver=solver, max_iter=150, random_state=0)
        model.fit(DIGITS, TEN)
        assert model.score(DIGITS, TEN) > 0.5
        np.testing.assert_allclose(
            model.to_sequential().predict(DIGITS), model.predict_proba(DIGITS), atol=1e-4
        )


@pytest.mark.parametrize("name", nnc.activations.names)
def test_gradients_of_lbfgs(name):
    """Against central differences."""
    from nnc.sklearn.network import Objective

    rng = np.random.RandomState(0)
    y = np.eye(3)[rng.randint(0, 3, 7)]
    weight = rng.uniform(0.5, 2.0, 7)
    objective = Objective(
        rng.normal(size=(7, 4)), y, weight, [4, 5, 6, 3], [name, "tanh"], "log_loss", "softmax", 0.3
    )
    vector = rng.normal(size=sum(int(np.prod(shape)) for shape in objective.shapes))
    _, gradient = objective(vector)
    for i in rng.choice(len(vector), 20, replace=False):
        step = np.zeros_like(vector)
        step[i] = 1e-6
        slope = (objective(vector + step)[0] - objective(vector - step)[0]) / 2e-6
        assert gradient[i] == pytest.approx(slope, abs=2e-6)


def test_standardize():
    X = DIGITS * [1000.0] + 5000
    settings = {"random_state": 0, "max_iter": 20, "batch_size": 50}
    model = MLPClassifier(standardize=True, **settings).fit(X, TEN)
    scaled = StandardScaler().fit(X)
    other = MLPClassifier(**settings).fit(scaled.transform(X), TEN)
    np.testing.assert_allclose(model.predict_proba(X), other.predict_proba(scaled.transform(X)), atol=1e-4)
    np.testing.assert_allclose(model.to_sequential().predict(X), model.predict_proba(X), atol=1e-2)
    by_rows = MLPClassifier(standardize=True, **settings).fit(sparse.csr_array(DIGITS), TEN)
    assert by_rows.score(sparse.csr_array(DIGITS), TEN) > 0.9


def test_a_validation_set_of_ones_own():
    settings = {"random_state": 0, "max_iter": 8, "early_stopping": True}
    train, held_out = slice(0, 400), slice(400, 500)
    model = MLPClassifier(**settings)
    weight = np.linspace(1, 2, 100)
    model.fit(
        DIGITS[train], TEN[train], X_val=DIGITS[held_out], y_val=TEN[held_out], sample_weight_val=weight
    )
    assert model.t_ == 8 * 400
    best = model.best_validation_score_
    assert best == max(model.validation_scores_)
    assert model.score(DIGITS[held_out], TEN[held_out], weight) == pytest.approx(best)
    with pytest.raises(ValueError, match="need early_stopping=True"):
        MLPClassifier().fit(DIGITS, TEN, X_val=DIGITS, y_val=TEN)
    with pytest.raises(ValueError, match="X_val is provided, but y_val was not provided"):
        model.fit(DIGITS, TEN, X_val=DIGITS)
    with pytest.raises(ValueError, match=r"has classes not in `self.classes_`"):
        model.fit(DIGITS, TEN, X_val=DIGITS, y_val=TEN + 1)


def test_callbacks_of_nnc():
    seen = []

    class Recorder(nnc.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)

        def on_epoch_end(self, epoch, logs=None):
            seen.append(dict(logs))
            self.model.stop_training = epoch == 2

    model = MLPClassifier(batch_size=100, early_stopping=True, random_state=0, callbacks=Recorder())
    model.fit(DIGITS, TEN)
    assert model.n_iter_ == 3 and seen[:5] == [0, 1, 2, 3, 4]
    assert [each for each in seen if isinstance(each, dict)] == [
        {"loss": loss, "val_score": score}
        for loss, score in zip(model.loss_curve_, model.validation_scores_, strict=True)
    ]
    plateau = nnc.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.1, patience=1, min_delta=10.0)
    model = MLPClassifier(callbacks=[plateau], max_iter=4, random_state=0).fit(DIGITS, TEN)
    assert model._optimizer.learning_rate < 1e-3


def test_callbacks_of_scikit_learn():
    seen = []

    class Recorder:
        def setup(self, estimator, context):
            seen.append("setup")

        def teardown(self, estimator, context):
            seen.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            seen.append(f"{context.task_name} begins")

        def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
            assert len(X) == len(y) == 500
            seen.append((context.task_name, fitted_estimator.score(X, y)))
            return context.task_name == "epoch" and context.task_id == 1

    model = MLPClassifier(random_state=0).set_callbacks(Recorder())
    model.fit(DIGITS, TEN)
    assert model.n_iter_ == 2
    kinds = [each if isinstance(each, str) else each[0] for each in seen]
    inside = ["epoch begins", "epoch", "epoch begins", "epoch"]
    assert kinds == ["setup", "fit begins", *inside, "fit", "teardown"]
    assert seen[-2][1] == model.score(DIGITS, TEN)


def test_ctrl_c(monkeypatch):
    """The weights of completed steps are kept, with a warning."""

    class Impatient(nnc.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = MLPClassifier(callbacks=[Impatient()], random_state=0)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model.fit(DIGITS, TEN)
    assert model.n_iter_ == 2 and model.predict(DIGITS).shape == (500,)


def test_threads_of_its_own():
    one = MLPClassifier(n_threads=1, max_iter=3, random_state=0).fit(DIGITS, TEN)
    before = nnc.get_num_threads()
    two = MLPClassifier(n_threads=2, max_iter=3, random_state=0).fit(DIGITS, TEN)
    np.testing.assert_array_equal(one.coefs_[0], two.coefs_[0])
    assert nnc.get_num_threads() == before


def test_warm_start():
    theirs, ours, X, y = pair("multiclass", warm_start=True, max_iter=2)
    for max_iter in (2, 3):
        for model in (theirs, ours):
            model.set_params(max_iter=max_iter).fit(X, y)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-6)
    assert ours.n_iter_ == theirs.n_iter_ == 3 and ours.t_ == theirs.t_
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        ours.fit(X, y % 3)


# ------------------------------------------------------------------------------------ scikit-learn around it


def test_searches_do_not_oversubscribe():
    import os

    class Telling(MLPClassifier):  # local, so that it is pickled by value: workers cannot import the tests
        """Its score is the number of threads that the core may use in that process."""

        def score(self, X, y, sample_weight=None):
            return nnc.get_num_threads()

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    scores = cross_val_score(Telling(4, max_iter=2), DIGITS, TEN, cv=2, n_jobs=2)
    assert scores.max() <= max(1, cores // 2)


def test_grid_search_and_pipeline():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(max_iter=5, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-4, 10.0], "mlpclassifier__activation": ["relu", "gelu"]}
    tables = [
        GridSearchCV(pipeline, grid, cv=2, n_jobs=n).fit(DIGITS, TEN).cv_results_["mean_test_score"]
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(*tables)


def test_metadata_routing():
    weight = np.linspace(0, 1, len(TEN))
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(max_iter=3, random_state=0)
        model.set_fit_request(sample_weight=True, X_val=True, y_val=True).set_score_request(
            sample_weight=True
        )
        model.set_partial_fit_request(sample_weight=True, classes=True)
        scores = cross_val_score(
            model.set_fit_request(X_val=None, y_val=None), DIGITS, TEN, cv=2, params={"sample_weight": weight}
        )
        assert np.isfinite(scores).all()


def test_a_row_needs_few_checks():
    """One row: no function of scikit-learn is called."""
    model = MLPClassifier(max_iter=3, random_state=0).fit(DIGITS, TEN)
    called = []

    def profile(frame, event, argument):
        if event == "call" and "sklearn/utils" in frame.f_code.co_filename:
            called.append(frame.f_code.co_name)

    import sys

    sys.setprofile(profile)
    try:
        label = model.predict(DIGITS[:1])
        model.predict_proba(DIGITS[:1])
    finally:
        sys.setprofile(None)
    assert called == [] and label == model.predict(DIGITS)[:1]


def test_regression_without_a_hidden_layer():
    X, y = make_regression(100, 3, random_state=0)
    y = y / 50
    for solver in ("lbfgs", "adam"):
        model = MLPRegressor(hidden_layer_sizes=(), solver=solver, random_state=0, learning_rate_init=0.05)
        assert model.set_params(max_iter=400).fit(X, y).score(X, y) > 0.98
