"""A scikit-learn pipeline
=======================

A scikit-learn program with only its import changed: pipeline, grid search, calibration, feature importances.

::

    pip install ".[sklearn]"
    python examples/sklearn_pipeline.py
    python examples/sklearn_pipeline.py --theirs    # the same program with scikit-learn's own MLPClassifier

Without --theirs, the program runs with both classes, and prints whether they found the same parameters.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn import neural_network
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nnc.sklearn


def program(MLPClassifier, epochs, n_jobs):
    """The program; yields its output lines, the first with the parameters that it chose."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(random_state=0, max_iter=epochs))
    grid = {
        "mlpclassifier__hidden_layer_sizes": [(20,), (100,)],
        "mlpclassifier__alpha": [1e-4, 1.0],
    }
    search = GridSearchCV(pipeline, grid, cv=5, n_jobs=n_jobs).fit(X_train, y_train)
    yield f"best parameters {search.best_params_}"
    yield f"accuracy of the folds {search.best_score_:.4f}, of the test {search.score(X_test, y_test):.4f}"
    calibrated = CalibratedClassifierCV(search.best_estimator_, cv=3).fit(X_train, y_train)
    for name, model in (("as trained", search.best_estimator_), ("calibrated", calibrated)):
        yield f"Brier score {name} {brier_score_loss(y_test, model.predict_proba(X_test)[:, 1]):.4f}"
    importance = permutation_importance(search.best_estimator_, X_test, y_test, n_repeats=10, random_state=0)
    order = np.argsort(-importance.importances_mean)[:3]
    yield "most important: " + ", ".join(
        f"{X.columns[i]} {importance.importances_mean[i]:.4f}" for i in order
    )


def run(module, epochs, n_jobs):
    """Print the lines and the time; return the lines."""
    print(f"--- {module.__name__}")
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        lines = list(program(module.MLPClassifier, epochs, n_jobs))
    print(*lines, f"{time.perf_counter() - began:.2f} s", sep="\n")
    return lines


def main():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--theirs", action="store_true", help="run only with scikit-learn's own class")
    parser.add_argument("--jobs", type=int, default=1, help="n_jobs of the grid search")
    parser.add_argument("--quick", action="store_true", help="few epochs")
    arguments = parser.parse_args()
    epochs = 20 if arguments.quick else 200
    ours = [] if arguments.theirs else run(nnc.sklearn, epochs, arguments.jobs)
    theirs = run(neural_network, epochs, arguments.jobs)
    if ours:
        print("the same parameters" if ours[0] == theirs[0] else "other parameters")


if __name__ == "__main__":
    main()
