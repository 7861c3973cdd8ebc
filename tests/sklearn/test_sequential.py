"""SequentialClassifier and SequentialRegressor: the models they take, the handling of labels and weights."""

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import nnc
from nnc import layers
from nnc.sklearn import SequentialClassifier, SequentialRegressor

IRIS, SPECIES = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[SPECIES]


def build(n_features, n_outputs, units=16):
    model = nnc.Sequential(
        [nnc.Input((n_features,)), layers.Dense(units, "tanh"), layers.Dense(n_outputs, "softmax")]
    )
    model.compile(nnc.optimizers.Adam(0.02), loss="sparse_categorical_crossentropy")
    return model


def with_params(params):
    return build(4, 3, params["units"])


@pytest.mark.parametrize("model", [build, with_params, None])
def test_functions(model):
    kwargs = None if model is None else {"units": 12}
    estimator = SequentialClassifier(model, epochs=40, model_kwargs=kwargs, random_state=0)
    again = clone(estimator).fit(IRIS, NAMES)
    assert estimator.fit(IRIS, NAMES).score(IRIS, NAMES) > 0.9
    for a, b in zip(estimator.model_.get_weights(), again.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if model is not None:
        assert estimator.model_.layers[0].units == 12
    assert list(estimator.classes_) == ["setosa", "versicolor", "virginica"]
    assert estimator.n_iter_ == 40 and len(estimator.history_["loss"]) == 40
    np.testing.assert_allclose(estimator.predict_proba(IRIS).sum(axis=1), 1, rtol=1e-5)
    other = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(other.predict_proba(IRIS), estimator.predict_proba(IRIS))


def test_a_model_is_copied():
    model = build(4, 3)
    before = model.get_weights()
    estimator = SequentialClassifier(model, epochs=30).fit(IRIS, SPECIES)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    first = estimator.model_.get_weights()
    for a, b in zip(first, estimator.fit(IRIS, SPECIES).model_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)  # again, from the same weights
    seeds = [SequentialClassifier(model, epochs=2, random_state=s).fit(IRIS, SPECIES) for s in (0, 0, 1)]
    weights = [estimator.model_.get_weights()[0] for estimator in seeds]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [
        (3, "softmax", "categorical_crossentropy"),
        (3, None, nnc.losses.SparseCategoricalCrossentropy(from_logits=True)),
        (3, "sigmoid", "binary_crossentropy"),
        (3, None, nnc.losses.MarginHinge()),
    ],
)
def test_losses(units, activation, loss):
    model = nnc.Sequential([layers.Dense(20, "relu"), layers.Dense(units, activation)])
    model.compile(nnc.optimizers.Adam(0.02), loss=loss)
    estimator = SequentialClassifier(model, epochs=60, random_state=0).fit(IRIS, NAMES)
    assert estimator.score(IRIS, NAMES) > 0.9
    if isinstance(loss, nnc.losses.MarginHinge):
        assert not hasattr(estimator, "predict_proba")
    else:
        probabilities = estimator.predict_proba(IRIS)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(
            estimator.classes_[probabilities.argmax(axis=1)], estimator.predict(IRIS)
        )


def test_two_classes_and_labels():
    y = np.where(SPECIES == 2, "yes", "no")
    for units, loss in ((1, "bce"), (2, "sparse_categorical_crossentropy")):
        model = nnc.Sequential([layers.Dense(units, "sigmoid" if units == 1 else "softmax")])
        model.compile(nnc.optimizers.Adam(0.1), loss=loss)
        estimator = SequentialClassifier(model, epochs=60, random_state=0).fit(IRIS, y)
        assert estimator.score(IRIS, y) > 0.9 and estimator.predict_proba(IRIS).shape == (150, 2)
    X, labels = make_multilabel_classification(200, random_state=0)
    estimator = SequentialClassifier(epochs=60, random_state=0).fit(X, labels)
    assert estimator.predict(X).shape == estimator.predict_proba(X).shape == labels.shape
    assert estimator.score(X, labels) > 0.5


def test_images_and_partial_fit():
    X, y = load_digits(return_X_y=True)
    model = nnc.Sequential([nnc.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(10)])
    model.compile("adam", loss=nnc.losses.SparseCategoricalCrossentropy(from_logits=True))
    estimator = SequentialClassifier(model, random_state=0)
    for _ in range(10):
        estimator.partial_fit(X / 16, y, classes=np.arange(10))
    assert estimator.n_iter_ == 10 and estimator.score(X / 16, y) > 0.85


def test_weights_and_validation():
    weight = np.where(SPECIES == 0, 0.0, 1.0)
    estimator = SequentialClassifier(build, epochs=30, random_state=0)
    estimator.fit(IRIS, SPECIES, sample_weight=weight, X_val=IRIS, y_val=SPECIES)
    assert len(estimator.history_["val_loss"]) == 30
    assert not (estimator.predict(IRIS[SPECIES == 0]) == 0).all()
    doubled = clone(estimator).fit(IRIS, SPECIES, sample_weight=2 * weight)
    np.testing.assert_array_equal(doubled.predict_proba(IRIS), estimator.predict_proba(IRIS))
    balanced = SequentialClassifier(build, epochs=5, class_weight="balanced", random_state=0)
    assert balanced.fit(IRIS[30:], SPECIES[30:]).score(IRIS, SPECIES) > 0.5


def test_what_is_refused():
    with pytest.raises(NotFittedError):
        SequentialClassifier().predict(IRIS)
    with pytest.raises(ValueError, match="must be a compiled"):
        SequentialClassifier(nnc.Sequential([layers.Dense(3)])).fit(IRIS, SPECIES)
    with pytest.raises(TypeError, match="must be a function that returns"):
        SequentialClassifier(lambda: 3).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="the model has 4 outputs, but y has 3 classes"):
        SequentialClassifier(build(4, 4)).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="'model' parameter"):
        SequentialClassifier(5).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="model_kwargs are for a function"):
        SequentialClassifier(build(4, 3), model_kwargs={"units": 3}).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="y must be numbers, got an array of dtype <U"):
        SequentialRegressor(epochs=1).fit(IRIS, SPECIES.astype(str))


def test_regression_and_searches():
    X = np.linspace(-1, 1, 120).reshape(-1, 1)
    y = np.column_stack([np.sin(3 * X[:, 0]), X[:, 0] ** 2])
    estimator = SequentialRegressor(epochs=200, random_state=0).fit(X, y)
    assert estimator.score(X, y) > 0.9 and estimator.predict(X).shape == (120, 2)
    assert estimator.fit(X, y[:, 0]).predict(X).shape == (120,)
    grid = {"epochs": [1, 60], "model_kwargs": [{"units": 4}, {"units": 16}]}
    found = GridSearchCV(SequentialClassifier(build, random_state=0), grid, cv=3).fit(IRIS, NAMES)
    assert found.best_params_["epochs"] == 60 and found.best_score_ > 0.85
    assert cross_val_score(SequentialClassifier(build, random_state=0), IRIS, NAMES, cv=3).min() > 0.7


def test_searches_of_nnc():
    """Pipelines, data frames, sparse rows and strings as labels; the table in scikit-learn's form."""
    pandas = pytest.importorskip("pandas")
    from scipy import sparse
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler

    from nnc.search import GridSearch
    from nnc.sklearn import MLPClassifier

    pipeline = make_pipeline(MaxAbsScaler(), MLPClassifier(16, max_iter=30, learning_rate_init=0.05))
    grid = {"mlpclassifier__alpha": [1e-4, 100.0], "mlpclassifier__activation": ["relu", "gelu"]}
    tables = []
    for X in (IRIS, pandas.DataFrame(IRIS, columns=list("abcd")), sparse.csr_array(IRIS)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search = GridSearch(pipeline, grid, folds=3, n_jobs=2, refit=True, verbose=0)
            result = search.run(X, NAMES, sample_weight=np.ones(150))
        tables.append(result.cv_results_)
        assert result.best_model.predict(X).dtype.kind == "U"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part = GridSearch(pipeline, grid, validation_split=0.3, n_jobs=1, verbose=0).run(X, NAMES)
        assert len(part.trials) == 4 and all(trial.status == "done" for trial in part.trials)
    for table in tables[1:]:
        np.testing.assert_allclose(table["mean_test_score"], tables[0]["mean_test_score"])
    table = tables[0]
    assert {"params", "mean_fit_time", "split0_test_score", "split2_test_score", "std_test_score"} <= set(
        table
    )
    assert sorted(table["rank_test_score"])[0] == 1
    assert table["params"][int(np.argmin(table["rank_test_score"]))] == result.best_params
    assert list(table["param_mlpclassifier__alpha"]) == [p["mlpclassifier__alpha"] for p in table["params"]]
    splits = np.stack([table[f"split{k}_test_score"] for k in range(3)])
    np.testing.assert_allclose(splits.mean(axis=0), table["mean_test_score"])
    np.testing.assert_allclose(splits.std(axis=0), table["std_test_score"])
