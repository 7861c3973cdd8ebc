"""scikit-learn's MLPClassifier: ReLU and softmax cross-entropy only, float32, no early stopping."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import RandomizedSearchCV
from sklearn.neural_network import MLPClassifier

from peers import NotSupported

warnings.simplefilter("ignore", ConvergenceWarning)


def classifier(x, y, weights, **options) -> MLPClassifier:
    """A fitted MLPClassifier with these weights, from which `fit` continues."""
    hidden = tuple(len(b) for b in weights[1:-1:2])
    model = MLPClassifier(hidden, solver="sgd", nesterovs_momentum=False, **options)
    model.partial_fit(x, y, classes=np.arange(len(weights[-1])))
    model.set_params(warm_start=True)
    model.coefs_ = [w.copy() for w in weights[::2]]
    model.intercepts_ = [b.copy() for b in weights[1::2]]
    return model


class Trainer:
    def __init__(self, task, weights, threads):
        self.task, w = task, task.workload
        outputs = len(weights[-1])
        if w.loss != "crossentropy" or w.activation != "relu" or not 3 <= outputs <= 100:
            raise NotSupported  # its fit needs every class among the rows of every call
        self.x, self.y = task.floats(), task.y
        self.model = classifier(
            self.x[: w.batch],
            self.y[: w.batch],
            weights,
            alpha=2 * w.l2 * w.batch,  # its penalty is divided by the batch
            batch_size=w.batch,
            learning_rate_init=w.rate,
            momentum=w.momentum,
            max_iter=1,
            n_iter_no_change=10**9,
        )

    def first_losses(self, steps: int) -> float:
        rows = self.task.batches(steps).ravel()
        self.model.set_params(shuffle=False)
        self.model.fit(self.x[rows], self.y[rows])
        return self.model.loss_

    def run(self, steps: int) -> None:
        batch = self.task.workload.batch
        per_epoch = min(steps, len(self.x) // batch)
        self.model.set_params(shuffle=True, max_iter=steps // per_epoch)
        self.model.fit(self.x[: per_epoch * batch], self.y[: per_epoch * batch])


class Predictor:
    def __init__(self, weights, threads):
        n = len(weights[-1])
        self.model = classifier(np.zeros((n, len(weights[0])), np.float32), np.arange(n), weights)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict_proba(x)


class Searcher:
    """RandomizedSearchCV over the given trials, each once; joblib's processes stay alive between rounds."""

    def __init__(self, sweep, params, threads):
        self.params = params
        x, y, x_held, y_held = sweep.floats()
        self.x, self.y = np.concatenate([x, x_held]), np.concatenate([y, y_held])
        cut = np.arange(len(x)), np.arange(len(x), len(self.x))
        model = MLPClassifier(
            solver="sgd",
            momentum=0.0,
            nesterovs_momentum=False,
            batch_size=sweep.batch,
            max_iter=sweep.epochs,
            n_iter_no_change=10**9,
            tol=0.0,
            random_state=0,
        )
        trials = [
            {
                "hidden_layer_sizes": [(p["hidden"],)],
                "learning_rate_init": [p["rate"]],
                "alpha": [p["l2"] * sweep.batch],  # its penalty is divided by the batch
            }
            for p in params
        ]
        self.search = RandomizedSearchCV(
            model, trials, n_iter=len(trials), cv=[cut], n_jobs=threads, refit=False, random_state=0
        )

    def run(self) -> list[float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return list(self.search.fit(self.x, self.y).cv_results_["mean_test_score"])

    def close(self) -> None:
        pass
