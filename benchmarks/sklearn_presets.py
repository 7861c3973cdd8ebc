"""Settings for tabular data compared with the defaults of nnc.sklearn's MLPs, on standardized features.

    python benchmarks/sklearn_presets.py                  # every candidate, every data set
    python benchmarks/sklearn_presets.py --candidates wide --seeds 5 6 7 8 9

A candidate is chosen with some seeds and evaluated with others: a seed determines the split of the rows, the
initial weights and the shuffles. Each line contains, for one data set, the mean score (accuracy or R^2) on
the held-out quarter and the median seconds of a fit, for the defaults and for every candidate.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn_mlp import CASES

import nnc
import nnc.sklearn

CANDIDATES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "rate": {"learning_rate_init": 0.01},
    "batch": {"learning_rate_init": 0.005, "batch_size": 64},
    "penalty": {"learning_rate_init": 0.005, "batch_size": 64, "alpha": 0.1},
    "dropout": {"learning_rate_init": 0.003, "dropout": 0.2, "alpha": 0.1},
    "early": {"learning_rate_init": 0.003, "early_stopping": True, "n_iter_no_change": 20},
    "deep": {"hidden_layer_sizes": (64, 64), "activation": "silu", "learning_rate_init": 0.003, "alpha": 0.1},
    "wide": {"hidden_layer_sizes": (256,), "activation": "gelu", "learning_rate_init": 0.002, "alpha": 1.0},
    "batch_norm": {"batch_norm": True, "learning_rate_init": 0.005, "alpha": 0.1, "dropout": 0.1},
}
TABLES = ("iris", "wine", "breast_cancer", "digits", "diabetes", "table10k", "table100k")


def measure(name: str, parameters: dict[str, Any], seeds: list[int]) -> tuple[float, float]:
    """The mean score and the median seconds of a fit."""
    case = CASES[name]
    X, y = case.load()
    scores, seconds = [], []
    for seed in seeds:
        split = {"random_state": seed, "stratify": y if case.estimator == "MLPClassifier" else None}
        train, test, y_train, y_test = train_test_split(X, y, **split)
        model = getattr(nnc.sklearn, case.estimator)(
            random_state=seed, standardize=True, **{**case.parameters, **parameters}
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # max_iter may end the training
            began = time.perf_counter()
            model.fit(train, y_train)
        seconds.append(time.perf_counter() - began)
        scores.append(model.score(test, y_test))
    return float(np.mean(scores)), statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    print("| data | " + " | ".join(arguments.candidates) + " |")
    print("|---|" + "--:|" * len(arguments.candidates))
    with nnc.threads(1):
        for name in arguments.only:
            cells = []
            for candidate in arguments.candidates:
                score, seconds = measure(name, CANDIDATES[candidate], arguments.seeds)
                cells.append(f"{score:.4f} ({seconds:.2g} s)")
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
