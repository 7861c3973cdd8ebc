"""Searches by joblib, on Loky and on a real Dask cluster, and with Optuna, all of them optional packages."""

from __future__ import annotations

import os
import sys
import warnings

import numpy as np
import pytest
import search_helpers
from search_helpers import IDS, SPACE, X, build

from nnc import search
from nnc.search import workers
from nnc.search.data import Data

ARGUMENTS = {"metric": "val_accuracy", "validation_split": 0.25, "verbose": 0, "seed": 6}


def random_search(**arguments):
    return search.RandomSearch(build, SPACE, 10, epochs=3, **ARGUMENTS | arguments)


def halving_search(**arguments):
    return search.HalvingSearch(build, SPACE, 9, min_epochs=1, max_epochs=9, **ARGUMENTS | arguments)


@pytest.fixture
def joblib(monkeypatch):
    """joblib, with worker processes that can import the tests' modules."""
    path = os.pathsep.join([os.path.dirname(search_helpers.__file__), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    return pytest.importorskip("joblib")


@pytest.fixture
def dask(joblib):
    """joblib with a client of a cluster of two worker processes."""
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from other packages, and about ports in use
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield joblib, client


def test_threads_unless_joblib_is_told(joblib):
    assert not workers.joblib_is_chosen()
    with joblib.parallel_config("loky"):
        assert workers.joblib_is_chosen()
    with joblib.parallel_config(n_jobs=2):
        assert not workers.joblib_is_chosen()
    assert not workers.joblib_is_chosen()


@pytest.mark.parametrize("make", [random_search, halving_search])
def test_the_same_table_from_loky(make, joblib):
    expected = make().run(X, IDS)
    with joblib.parallel_config("loky", n_jobs=2):
        result = make().run(X, IDS)
    assert result.table == expected.table and result.histories == expected.histories
    assert result.plan.n_jobs == 2 and "joblib" in str(result.plan)
    assert make(backend="joblib", n_jobs=2).run(X, IDS).table == expected.table
    folds = {"folds": 3, "validation_split": 0.0}
    with joblib.parallel_config("loky", n_jobs=2):
        assert make(**folds).run(X, IDS).table == make(**folds, backend="threads").run(X, IDS).table


def test_a_backend_that_gives_all_at_once(joblib):
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        table = random_search().run(X, IDS).table
    assert table == random_search().run(X, IDS).table


@pytest.mark.parametrize("make", [random_search, halving_search])
def test_the_same_table_from_dask(make, dask):
    joblib, _ = dask
    expected = make().run(X, IDS)
    with joblib.parallel_config("dask"):
        result = make().run(X, IDS)
    assert result.table == expected.table and result.plan.n_jobs == 2


def places_of(monkeypatch, x):
    """(process, object, type) of the data of each trial."""

    def where(job, data, request, models, n_threads):  # local, so that workers receive it by value
        outcome, _ = job.run(data, request, models)
        outcome.reason = f"{os.getpid()} {id(data)} {type(data.arrays[0]).__name__}"
        return outcome, None

    monkeypatch.setattr(workers, "_run", where)
    result = search.RandomSearch(build, SPACE, 16, epochs=3, **ARGUMENTS).run(x, np.resize(IDS, len(x)))
    places = {tuple(trial.reason.split()) for trial in result.trials}
    assert str(os.getpid()) not in {pid for pid, _, _ in places}
    return places


def test_dask_is_sent_the_data_once(dask, monkeypatch):
    joblib, _ = dask
    with joblib.parallel_config("dask"):
        places = places_of(monkeypatch, np.tile(X, (50, 1)))
    assert len(places) == len({pid for pid, _, _ in places}) <= 2  # one object in each process


def test_loky_maps_one_file(joblib, monkeypatch):
    with joblib.parallel_config("loky", n_jobs=2):
        places = places_of(monkeypatch, np.tile(X, (50, 1)))
    assert {kind for _, _, kind in places} == {"memmap"}


def test_size_of_data():
    data = Data((X, IDS, None), None, 0.25, None, 0, True)
    assert sys.getsizeof(data) >= X.nbytes + 4 * len(IDS)


def test_a_wrong_search_ends_on_loky(joblib):
    with (
        joblib.parallel_config("loky", n_jobs=2),
        pytest.raises(search.SearchError, match="metric is 'val_acuracy', but the logs have"),
    ):
        random_search(metric="val_acuracy").run(X, IDS)


# ------------------------------------------------------------------------------------------- Optuna


@pytest.fixture
def optuna():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


SPACES = {
    "units": search.integers(3, 9),
    "rate": search.loguniform(1e-3, 0.5),
    "width": search.uniform(0, 1),
    "hidden": search.several([4, 8], length=search.integers(1, 3)),
    "rule": search.branch({"sgd": {"momentum": search.uniform(0, 1)}, "adam": {}}),
    "shape": [(1, 2), (3, 4)],
    "inner": {"a": [True, False]},
    "constant": "k",
}


def test_suggestions_are_of_the_space(optuna):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen = [search.suggest(study.ask(), SPACES) for _ in range(60)]
    for params in seen:
        assert 3 <= params["units"] < 9 and 1e-3 <= params["rate"] <= 0.5 and 0 <= params["width"] <= 1
        assert ("momentum" in params) == (params["rule"] == "sgd") and params["constant"] == "k"
        assert set(params["hidden"]) <= {4, 8} and params["shape"] in ((1, 2), (3, 4))
    assert {len(p["hidden"]) for p in seen} == {1, 2} and {p["inner"]["a"] for p in seen} == {True, False}
    assert "inner.a" in study.trials[0].params and "hidden_length" in study.trials[0].params


def test_report_and_prune(optuna):
    def objective(trial):
        model = build(search.suggest(trial, SPACE))
        report = search.OptunaCallback(trial, "val_accuracy")
        history = model.fit(X, IDS, epochs=6, validation_split=0.25, verbose=0, callbacks=[report])
        return history.history["val_accuracy"][-1]

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=1),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
    )
    study.optimize(objective, 12)
    states = {trial.state.name for trial in study.trials}
    assert states == {"COMPLETE", "PRUNED"}
    for trial in study.trials:
        assert sorted(trial.intermediate_values) == list(range(len(trial.intermediate_values)))
    with pytest.raises(KeyError, match="OptunaCallback reports 'val_acc', but the logs have loss"):
        build({"units": 3}).fit(X, IDS, verbose=0, callbacks=search.OptunaCallback(study.ask(), "val_acc"))


def test_importing_nnc_imports_none_of_them():
    import subprocess

    code = "import sys, nnc; nnc.search.RandomSearch; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"joblib", "dask", "distributed", "optuna", "pandas", "matplotlib"} & set(loaded.split())
