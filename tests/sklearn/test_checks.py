"""scikit-learn's checks of estimators, all of them, on three settings of each class."""

import pytest

pytest.importorskip("sklearn", "1.9")

from sklearn.utils.estimator_checks import parametrize_with_checks

import nnc
from nnc.sklearn import MLPClassifier, MLPRegressor, SequentialClassifier, SequentialRegressor

pytestmark = pytest.mark.filterwarnings("ignore")


def classifier(n_features, n_outputs):
    last = nnc.layers.Dense(n_outputs, "softmax" if n_outputs > 1 else "sigmoid")
    model = nnc.Sequential([nnc.Input((n_features,)), nnc.layers.Dense(30, "tanh"), last])
    loss = "categorical_crossentropy" if n_outputs > 1 else "binary_crossentropy"
    model.compile(nnc.optimizers.Adam(0.01), loss=loss)
    return model


def linear():
    model = nnc.Sequential([nnc.layers.Dense(1)])
    model.compile(nnc.optimizers.Adam(0.05), loss="mse")
    return model


def regressor(n_features, n_outputs, units):
    layers = [nnc.layers.Dense(units, "tanh"), nnc.layers.Dense(n_outputs)]
    model = nnc.Sequential([nnc.Input((n_features,)), *layers])
    model.compile(nnc.optimizers.Adam(0.03), loss="huber")
    return model


ESTIMATORS = [
    MLPClassifier(),
    MLPClassifier(solver="sgd", activation="tanh", learning_rate="adaptive", learning_rate_init=0.05),
    MLPClassifier(solver="lbfgs", activation="logistic", max_iter=100),
    MLPRegressor(),
    MLPRegressor(
        hidden_layer_sizes=(20, 10), solver="sgd", learning_rate_init=0.05, activation=["gelu", "tanh"]
    ),
    MLPRegressor(solver="lbfgs", activation="logistic", max_iter=100),
    SequentialClassifier(),
    SequentialClassifier(classifier, epochs=120, batch_size=64),
    SequentialClassifier(epochs=80, batch_size=64, n_threads=1),
    SequentialRegressor(),
    SequentialRegressor(linear(), epochs=100),
    SequentialRegressor(regressor, model_kwargs={"units": 12}),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
