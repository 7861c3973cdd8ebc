"""Hyperparameter search: many models at once, on one machine or wherever joblib runs them.

    from nnc import search

    space = {"units": search.integers(200, 300), "rate": search.uniform(0.15, 0.25)}
    randomly = search.RandomSearch(build, space, 50, metric="val_accuracy", validation_split=0.2, epochs=50)
    result = randomly.run(x, y)
    print(result.best_params)
    result.to_csv("trials.csv")

``build(params)`` returns a compiled `Sequential`. Trials run in threads of this process, which share the
data; inside ``joblib.parallel_config(...)`` they run on the backend chosen there. The table is the same for
any number of workers: a trial's parameters and seed depend only on the search's seed and the trial's number.

Modules: `space` defines parameter spaces, `searches` the kinds of search, `base` the loop that they share,
`trials` a single trial; `workers` runs trials, `planner` chooses how many at once, `journal` saves them,
`result` and `plots` present them, and `optuna` integrates with Optuna.
"""

from __future__ import annotations

from nnc._arguments import suggest_arguments
from nnc.search import plots
from nnc.search.optuna import OptunaCallback, suggest
from nnc.search.result import SearchResult, Trial
from nnc.search.searches import GridSearch, HalvingSearch, RandomSearch
from nnc.search.space import Space, branch, choice, integers, loguniform, several, uniform
from nnc.search.trials import SearchError

__all__ = [
    "GridSearch",
    "HalvingSearch",
    "OptunaCallback",
    "RandomSearch",
    "SearchError",
    "SearchResult",
    "Space",
    "Trial",
    "branch",
    "choice",
    "integers",
    "loguniform",
    "plots",
    "several",
    "suggest",
    "uniform",
]

suggest_arguments(globals())
