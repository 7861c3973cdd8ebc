"""nnc.sklearn's MLPs compared with scikit-learn's: equal parameters, alternating fits, held-out scores.

    python benchmarks/sklearn_mlp.py                      # everything: a few minutes
    python benchmarks/sklearn_mlp.py --only iris table10k --threads 1 2 --doc
    python benchmarks/sklearn_mlp.py --one-row

Each line contains medians over the seeds: milliseconds of `fit` for both and the speed-up (the median of the
ratios), and the mean scores (accuracy or R^2) with their standard deviation over the seeds. --doc puts the
lines into the table of docs/sklearn.md. --one-row times predictions of one row instead: those of the
estimators and those of the network alone, as a Sequential.
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

DOCUMENT = Path(__file__).parents[1] / "docs" / "sklearn.md"
BEGIN, END = "<!-- written by benchmarks/sklearn_mlp.py --doc -->\n", "<!-- end of the table -->"


class Case(NamedTuple):
    """A data set with the parameters of both estimators; with `unscaled`, X is not standardized."""

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


def measure(case: Case, seeds: int, n_threads: int) -> list[str]:
    """The cells of a line after the names of the data and the threads."""
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
    shown = [f"{np.mean(values):.4f} ± {np.std(values):.4f}" for values in scores.values()]
    faster = statistics.median(quotients)
    return [f"{theirs * 1e3:.4g} ms", f"{ours * 1e3:.4g} ms", f"{faster:.1f}", *shown]


def one_row(repeats: int = 5000) -> None:
    """Print the microseconds of predicting one row, the minimum of three medians."""
    X, y = datasets.load_digits(return_X_y=True)
    row = X[:1].copy()
    with nnc.threads(1), threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = neural_network.MLPClassifier(max_iter=5, random_state=0).fit(X, y)
        ours = nnc.sklearn.MLPClassifier(max_iter=5, random_state=0).fit(X, y)
        model = ours.to_sequential()
        narrow = row.astype(np.float32)
        calls = {
            "scikit-learn's predict": lambda: theirs.predict(row),
            "nnc.sklearn's predict": lambda: ours.predict(row),
            "nnc.sklearn's predict_proba": lambda: ours.predict_proba(row),
            "the Sequential's predict_on_batch": lambda: model.predict_on_batch(narrow),
        }
        for name, call in calls.items():
            medians = []
            for _ in range(3):
                times = []
                for _ in range(repeats):
                    began = time.perf_counter()
                    call()
                    times.append(time.perf_counter() - began)
                medians.append(statistics.median(times))
            print(f"{name:<34} {min(medians) * 1e6:7.1f} us")


def limits(case: Case) -> str:
    """The parameters that differ from the defaults."""
    return ", ".join(f"{name}={value}" for name, value in case.parameters.items()) or "defaults"


def put_rows(document: str, rows: dict[tuple[str, str], str]) -> str:
    """`document` with these rows in its table, replacing those with the same (data, threads).

    >>> old = f"a\\n{BEGIN}| data | threads |\\n|---|--:|\\n| iris | 1 | x |\\n| wine | 1 | y |\\n{END}\\nb"
    >>> print(put_rows(old, {("wine", "1"): "| wine | 1 | new |"}).split(BEGIN)[1].split(END)[0])
    | data | threads |
    |---|--:|
    | iris | 1 | x |
    | wine | 1 | new |
    <BLANKLINE>
    """
    before, rest = document.split(BEGIN)
    table, after = rest.split(END)
    head, kept = table.splitlines()[:2], table.splitlines()[2:]
    found = {tuple(cell.strip() for cell in row.split("|")[1:3]): row for row in kept} | rows
    return before + BEGIN + "\n".join([*head, *found.values()]) + "\n" + END + after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--doc", action="store_true", help="put the lines into docs/sklearn.md")
    parser.add_argument("--one-row", action="store_true", help="time predictions of one row")
    arguments = parser.parse_args()
    if arguments.one_row:
        one_row()
        return
    print("| data | threads | parameters | scikit-learn | nnc | times faster | scores: scikit-learn | nnc |")
    print("|---|--:|---|--:|--:|--:|--:|--:|")
    rows = {}
    for name in arguments.only:
        for n_threads in arguments.threads:
            case = CASES[name]
            cells = [name, str(n_threads), limits(case), *measure(case, arguments.seeds, n_threads)]
            rows[name, str(n_threads)] = f"| {' | '.join(cells)} |"
            print(rows[name, str(n_threads)], flush=True)
    if arguments.doc:
        DOCUMENT.write_text(put_rows(DOCUMENT.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
