"""The threads of a search: how many, those that cannot be started, and Ctrl-C."""

import signal
import threading
import time

import pytest
from search_helpers import IDS, SPACE, X, build, build_slowly

import nnc
from nnc import search

ARGUMENTS = {"metric": "val_accuracy", "validation_split": 0.25, "epochs": 3, "verbose": 0}
HALVING = {name: value for name, value in ARGUMENTS.items() if name != "epochs"}


def test_threads_are_what_the_plan_says(threads):
    threads(2)
    seen = []

    def watching(params):
        seen.append(nnc.get_num_threads())
        return build(params)

    result = search.RandomSearch(watching, SPACE, 4, n_jobs=2, **ARGUMENTS).run(X, IDS)
    assert set(seen) == {result.plan.n_threads} == {1}
    seen.clear()
    search.RandomSearch(watching, SPACE, 2, n_jobs=1, threads_per_job=1, **ARGUMENTS).run(X, IDS)
    assert set(seen) == {1}


# ------------------------------------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_interrupt_gives_what_there_is(n_jobs):
    timer = threading.Timer(0.6, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    endless = search.RandomSearch(
        build_slowly,
        {"epochs": [2, 10**6], "units": 4},
        9,
        n_jobs=n_jobs,
        seed=3,
        **ARGUMENTS | {"epochs": 1},
    )
    assert endless.params()[0]["epochs"] == 2
    timer.start()
    began = time.perf_counter()
    result = endless.run(X, IDS)
    assert time.perf_counter() - began < 3
    assert result.interrupted and 1 <= len(result.trials) < 9 and "interrupted" in repr(result)
    assert all(t.epochs == 2 for t in result.trials)
    assert not [t for t in threading.enumerate() if t.name.startswith("nnc-search")]


# ----------------------------------------------------------------------------- threads that cannot be started


@pytest.fixture
def startable(monkeypatch):
    """`startable(n)`: from now on the system runs no more than n threads for trials."""
    start = threading.Thread.start

    def limit(n):
        def start_or_fail(thread):
            if sum(t.name.startswith("nnc-search") for t in threading.enumerate()) >= n:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_fail)

    return limit


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_threads_than_jobs(n, threads, startable):
    threads(3)
    searches = [
        search.RandomSearch(build_slowly, SPACE, 5, n_jobs=3, seed=1, **ARGUMENTS),
        search.HalvingSearch(build_slowly, SPACE, 4, min_epochs=1, max_epochs=3, n_jobs=3, **HALVING),
    ]
    expected = [each.run(X, IDS).table for each in searches]
    startable(n)
    where = "one at a time, in the calling thread" if n == 0 else f"{n} at a time"
    message = rf"{n} of 3 threads were started \(can't start new thread\): trials run {where}"
    for each, table in zip(searches, expected, strict=True):
        with pytest.warns(UserWarning, match=message):
            assert each.run(X, IDS).table == table


class Unimpressed:
    """An estimator that ends its training upon Ctrl-C without a word, as scikit-learn's do with a warning."""

    def fit(self, x, y):
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(60)
        except KeyboardInterrupt:
            pass

    def score(self, x, y):
        return 0.0


@pytest.mark.filterwarnings("ignore:0 of 1 threads")
def test_interrupt_in_the_calling_thread(startable):
    startable(0)
    result = search.GridSearch(Unimpressed(), {"k": [1, 2]}, n_jobs=1, folds=2, verbose=0).run(X, IDS)
    assert result.interrupted and not result.trials
