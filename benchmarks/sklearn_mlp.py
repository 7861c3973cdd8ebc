"""nnc.sklearn's MLPs beside scikit-learn's: the same parameters, fits in turn, scores on held-out rows.

    python benchmarks/sklearn_mlp.py                      # everything: some ten minutes
    python benchmarks/sklearn_mlp.py --only iris table10k --threads 1 2

Each line has the medians over the seeds: seconds of `fit` for both, how many times faster nnc's was (the
median of the quotients), and the mean scores (accuracy or R^2) with their deviation over the seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets, neural_network
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import nnc
import nnc.sklearn


class Case(NamedTuple):
    """A data set with the parameters of both estimators; `unscaled` leaves X as it is."""

    load: Callable[[], tuple[np.ndarray, np.ndarray]]
    estimator: str = "MLPClassifier"
    parameters: Mapping[str, Any] = MappingProxyType({})
    unscaled: bool = False


def table(rows: int, columns: int) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    return lambda: datasets.make_classification(rows, columns, n_informative=20, random_state=0)


def mnist() -> tuple[np.ndarray, np.ndarray]:
    (x, y), _ = nnc.datasets.mnist.load_data()
    return x.reshape(len(x), -1) / 255.0, y


def bundled(name: str) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    return lambda: getattr(datasets, f"load_{name}")(return_X_y=True)


CASES = {
    "iris": Case(bundled("iris")),
    "wine": Case(bundled("wine")),
    "breast_cancer": Case(bundled("breast_cancer")),
    "digits": Case(bundled("digits")),
    "diabetes": Case(bundled("diabetes"), "MLPRegressor"),
    "table10k": Case(table(10_000, 100)),
    "table100k": Case(table(100_000, 50), parameters={"max_iter": 5}),
    "mnist": Case(
        mnist, parameters={"hidden_layer_sizes": (292,), "batch_size": 128, "max_iter": 1}, unscaled=True
    ),
}


def measure(case: Case, seeds: int, n_threads: int) -> str:
    X, y = case.load()
    classes = {
        "scikit-learn": getattr(neural_network, case.estimator),
        "nnc": getattr(nnc.sklearn, case.estimator),
    }
    seconds: dict[str, list[float]] = {name: [] for name in classes}
    scores: dict[str, list[float]] = {name: [] for name in classes}
    for seed in range(seeds):
        split = {"random_state": seed, "stratify": y if case.estimator == "MLPClassifier" else None}
        train, test, y_train, y_test = train_test_split(X, y, **split)
        if not case.unscaled:
            scaler = StandardScaler().fit(train)
            train, test = scaler.transform(train), scaler.transform(test)
        for name, cls in classes.items():
            model = cls(random_state=seed, **case.parameters)
            with threadpool_limits(n_threads), nnc.threads(n_threads), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                began = time.perf_counter()
                model.fit(train, y_train)
                seconds[name].append(time.perf_counter() - began)
            scores[name].append(model.score(test, y_test))
    quotients = [a / b for a, b in zip(*seconds.values(), strict=True)]
    theirs, ours = (statistics.median(values) for values in seconds.values())
    shown = "   ".join(f"{np.mean(s):.4f} ({np.std(s):.4f})" for s in scores.values())
    return f"{theirs:9.4f} {ours:9.4f} {statistics.median(quotients):7.1f}   {shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="a file to which the lines are added, too")
    arguments = parser.parse_args()
    print(
        f"{'data':<14} threads  sklearn s     nnc s  faster   score: scikit-learn, nnc (deviation over seeds)"
    )
    for name in arguments.only:
        for n_threads in arguments.threads:
            found = measure(CASES[name], arguments.seeds, n_threads)
            line = f"{name:<14} {n_threads:>7} {found}"
            print(line, flush=True)
            if arguments.output:
                with arguments.output.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
