"""Searches: spaces, the same table with any workers, folds, halving, failures, results, plots."""

from __future__ import annotations

import csv
import math
import pickle
import threading
import warnings

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib.figure import Figure
from search_helpers import IDS, SPACE, X, build

import nnc
from nnc import callbacks, layers, random, search
from nnc.search.data import Data

ARGUMENTS = {"metric": "val_accuracy", "validation_split": 0.25, "epochs": 3, "verbose": 0}


@pytest.fixture(scope="module")
def found():
    return search.RandomSearch(build, SPACE, 8, seed=1, **ARGUMENTS).run(X, IDS)


# ------------------------------------------------------------------------------------------- spaces


def test_draws():
    space = search.Space(
        {
            "u": search.uniform(-1, 2),
            "l": search.loguniform(1e-4, 1),
            "n": search.integers(3, 5),
            "c": ["a", None, 2],
            "k": 7,
            "hidden": search.several(search.integers(1, 9), length=search.integers(0, 3)),
            "rule": search.branch({"sgd": {"momentum": search.uniform(0, 1)}, "adam": {}}),
            "inner": {"x": [1, 2]},
        }
    )
    draws = [space.draw(random.generator(3, random.Purpose.DRAWS, i)) for i in range(400)]
    values = {name: [d[name] for d in draws] for name in ("u", "l", "n", "c", "k", "rule")}
    assert all(-1 <= u <= 2 for u in values["u"]) and abs(np.mean(values["u"]) - 0.5) < 0.15
    logs = np.log10(values["l"])
    assert logs.min() >= -4 and logs.max() <= 0 and abs(logs.mean() + 2) < 0.25
    assert set(values["n"]) == {3, 4} and set(values["c"]) == {"a", None, 2} and set(values["k"]) == {7}
    assert {type(n) for n in values["n"]} == {int} and {type(u) for u in values["u"]} == {float}
    assert {len(d["hidden"]) for d in draws} == {0, 1, 2}
    assert all(("momentum" in d) == (d["rule"] == "sgd") for d in draws)
    assert {d["inner"]["x"] for d in draws} == {1, 2}


def test_a_trial_is_a_function_of_seed_and_number():
    few, many = (search.RandomSearch(build, SPACE, n, seed=5, **ARGUMENTS).params() for n in (3, 9))
    assert many[:3] == few and len({str(p) for p in many}) == 9
    assert search.RandomSearch(build, SPACE, 3, seed=6, **ARGUMENTS).params() != few


def test_grid():
    space = {
        "a": [1, 2],
        "b": search.integers(0, 2),
        "list": search.several(["x", "y"], length=[1, 2]),
        "rule": search.branch({"p": {"q": [5, 6]}, "r": {}}),
    }
    params = search.GridSearch(build, space, **ARGUMENTS).params()
    assert len(params) == 2 * 2 * (2 + 4) * 3 == len({str(p) for p in params})
    assert params[0] == {"a": 1, "b": 0, "list": ["x"], "rule": "p", "q": 5}
    assert params[2] == {"a": 1, "b": 0, "list": ["x"], "rule": "r"}
    assert {tuple(p["list"]) for p in params} == set(
        [("x",), ("y",), ("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")]
    )
    with pytest.raises(ValueError, match=r"a grid needs lists.*uniform\(0\.0, 1\.0\)"):
        search.GridSearch(build, {"a": search.uniform(0, 1)}, **ARGUMENTS)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: search.uniform(2, 1), ValueError, "high must be above low, which is 2, got 1"),
        (lambda: search.uniform(0, math.inf), ValueError, "high must be"),
        (lambda: search.loguniform(0, 1), ValueError, r"low must be a number in \(0, inf\), got 0"),
        (lambda: search.integers(3, 3), ValueError, "high must be an integer from 4"),
        (lambda: search.integers(0.5, 3), TypeError, "low must be an integer"),
        (lambda: search.choice(), ValueError, "at least one value"),
        (lambda: search.branch({}), TypeError, "branch must be a dict"),
        (lambda: search.Space([1]), TypeError, r"space must be a dict .* got \[1\]"),
        (lambda: search.Space({1: 2}), TypeError, "space must be a dict"),
        (
            lambda: search.Space({"a": search.branch({1: {"b": 1}}), "b": 2}),
            ValueError,
            r"branches of 'a' have \['b'\]",
        ),
    ],
)
def test_wrong_spaces(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---------------------------------------------------------------------------------- same table


@pytest.mark.parametrize("n_jobs", [1, 2, 3, -1])
def test_the_same_table_for_any_number_of_workers(n_jobs, found):
    result = search.RandomSearch(build, SPACE, 8, seed=1, n_jobs=n_jobs, **ARGUMENTS).run(X, IDS)
    assert result.table == found.table
    assert result.histories == found.histories
    assert n_jobs == -1 or result.plan.n_jobs == min(n_jobs, nnc.get_num_threads())
    assert str(result.plan).startswith(f"{result.plan.n_jobs} model")


def test_a_trial_is_the_model_trained_by_itself(found):
    trial = found.best_trial
    with random.seeded(trial.seed):
        model = build(trial.params)
    history = model.fit(X, IDS, 32, 3, verbose=0, validation_split=0.25)
    assert history.history == trial.history
    assert trial.score == history.history["val_accuracy"][-1] == found.best_score


def test_seeds_are_of_the_thread():
    def seeds(out, barrier):
        with random.seeded(9):
            for _ in range(50):
                barrier.wait()
                out.append(random.next_seed())

    nnc.set_random_seed(4)
    first = random.next_seed()
    nnc.set_random_seed(4)
    outs, barrier = ([], []), threading.Barrier(2)
    workers = [threading.Thread(target=seeds, args=(out, barrier)) for out in outs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert outs[0] == outs[1] and len(set(outs[0])) == 50
    assert random.next_seed() == first


def test_fit_arguments_are_searched():
    seen = []

    def own(params):
        rate = callbacks.LambdaCallback(on_train_begin=lambda logs: None)
        seen.append(params)
        return build({"units": 5, "rate": 0.1}), {"callbacks": [rate], "class_weight": {0: params["zero"]}}

    space = {"epochs": [1, 3], "batch_size": [8, 64], "zero": [1.0, 5.0]}
    result = search.GridSearch(own, space, **ARGUMENTS | {"epochs": 7}).run(X, IDS)
    assert sorted(t.epochs for t in result.trials) == [1] * 4 + [3] * 4
    assert result.param_names == ["epochs", "batch_size", "zero"] and len({str(p) for p in seen}) == 8
    assert len({t.score for t in result.trials}) > 3 and result.table[0]["param:epochs"] in (1, 3)
    losses = {tuple(t.history["loss"]) for t in result.trials}
    assert len(losses) == 8


def test_metric_direction_and_best_epoch():
    rates = {"units": 4, "rate": search.loguniform(1e-3, 1)}
    arguments = {"folds": 3, "epochs": 4, "verbose": 0}
    small = search.RandomSearch(build, rates, 4, **arguments).run(X, IDS)
    assert (small.metric, small.direction) == ("val_loss", "min")
    assert [t.score for t in small.trials] == sorted(t.score for t in small.trials)
    large = search.RandomSearch(build, rates, 4, direction="max", **arguments).run(X, IDS)
    assert [t.number for t in large.trials] == [t.number for t in small.trials][::-1]
    best = search.RandomSearch(build, rates, 4, metric="val_accuracy", score="best", **arguments).run(X, IDS)
    for trial in best.trials:
        assert trial.scores == [max(h["val_accuracy"]) for h in trial.histories]


# ---------------------------------------------------------------------------------------------- data


def test_folds():
    y = np.repeat([0, 1, 2], [30, 60, 30])
    x = np.arange(120, dtype=np.float32)[:, None]
    data = Data((x, y, None), None, 0.0, 4, 7, True)
    held = [set(part[1][0][:, 0].astype(int)) for part in data.parts()]
    assert set.union(*held) == set(range(120)) and sum(map(len, held)) == 120
    for (train, _, _), (out, labels, _) in data.parts():
        assert not set(train[:, 0]) & set(out[:, 0])
        assert all(abs(n - m) <= 1 for n, m in zip(np.bincount(labels), [7.5, 15, 7.5], strict=True))
    again = Data((x, y, None), None, 0.0, 4, 7, True)
    assert held == [set(part[1][0][:, 0].astype(int)) for part in again.parts()]
    assert data.parts() is data.parts(), "folds are copied once"
    sent = pickle.loads(whole := pickle.dumps(data))
    assert len(whole) < 2 * (x.nbytes + y.nbytes), "other processes are sent the arrays, not the folds"
    for part, other in zip(data.parts(), sent.parts(), strict=True):
        for rows, others in zip(part, other, strict=True):
            np.testing.assert_array_equal(rows[0], others[0])
            np.testing.assert_array_equal(rows[1], others[1])


def test_data_is_not_copied():
    x = np.zeros((100, 28, 28), np.uint8)
    data = Data((x, np.arange(100) % 3, None), None, 0.2, None, 0, True)
    ((train, _, _), (held, _, _)) = data.parts()[0]
    assert np.shares_memory(train, x) and np.shares_memory(held, x) and len(train) == 80
    assert data.parts() is data.parts()


def test_given_validation_data_and_weights():
    weight = np.ones(len(X), np.float32)
    weight[:50] = 3
    common = {"metric": "val_accuracy", "epochs": 2, "verbose": 0}
    result = search.GridSearch(build, {"units": [4], "rate": [0.1]}, **common).run(
        X, IDS, sample_weight=weight, validation_data=(X[:30], IDS[:30])
    )
    with random.seeded(result.trials[0].seed):
        model = build({"units": 4, "rate": 0.1})
    history = model.fit(X, IDS, epochs=2, sample_weight=weight, validation_data=(X[:30], IDS[:30]), verbose=0)
    assert history.history == result.trials[0].history


def test_ways_to_compare_are_one():
    for given in ({}, {"validation_split": 0.2, "folds": 3}):
        with pytest.raises(ValueError, match="needs exactly one of validation_data, folds, validation_split"):
            search.RandomSearch(build, SPACE, verbose=0, **given).run(X, IDS)
    with pytest.raises(ValueError, match=r"validation_split must be between 0 and 1, got 1\.5"):
        search.RandomSearch(build, SPACE, verbose=0, validation_split=1.5).run(X, IDS)
    with pytest.raises(ValueError, match="x has 100 rows but y has 99"):
        search.RandomSearch(build, SPACE, **ARGUMENTS).run(X[:100], IDS[:99])


# ------------------------------------------------------------------------------------------ halving


def halving(n_jobs, **arguments):
    common = {"metric": "val_accuracy", "validation_split": 0.25, "verbose": 0, "seed": 2}
    return search.HalvingSearch(
        build, SPACE, 9, min_epochs=1, max_epochs=9, n_jobs=n_jobs, **common | arguments
    ).run(X, IDS)


def test_halving_goes_on_where_models_are():
    result = halving(1)
    assert sorted(t.epochs for t in result.trials) == [1] * 6 + [3] * 2 + [9]
    assert [t.status for t in result.trials] == ["done"] + ["stopped"] * 8
    assert [t.epochs for t in result.trials] == sorted((t.epochs for t in result.trials), reverse=True)
    best = result.best_trial
    whole = search.RandomSearch(
        build, SPACE, 9, seed=2, epochs=9, **{k: v for k, v in ARGUMENTS.items() if k != "epochs"}
    )
    alone = next(t for t in whole.run(X, IDS).trials if t.number == best.number)
    assert alone.history == best.history  # trained in three stretches, the same bits
    assert halving(2).table == halving(3).table == result.table


def test_halving_with_callbacks_that_end_a_trial():
    stop = callbacks.EarlyStopping("val_accuracy", patience=1)
    results = [halving(n, callbacks=[stop], folds=2, validation_split=0.0) for n in (1, 2)]
    assert results[0].table == results[1].table
    assert results[0].best_trial.epochs < 9 and stop.best is None


def test_halving_refuses():
    with pytest.raises(ValueError, match="HalvingSearch chooses the epochs"):
        search.HalvingSearch(build, SPACE, 9, epochs=3)
    with pytest.raises(TypeError, match="an estimator cannot continue training"):
        search.HalvingSearch(Nearest(), {}, 9)


# ----------------------------------------------------------------------------------------- failures


def diverging(params):
    if params["rate"] == 0:
        raise ZeroDivisionError("no rate")
    return build(params)


def test_failed_trials_are_recorded_and_the_search_goes_on():
    space = {"units": [8], "rate": [0.1, 1e30, 0.0, 0.2]}
    search_ = search.GridSearch(
        diverging, space, metric="val_loss", validation_split=0.25, verbose=0, epochs=3
    )
    with pytest.warns(
        UserWarning, match="2 of 4 trials failed; trial 1 with DivergenceError: the loss is not"
    ):
        result = search_.run(X, IDS)
    assert [t.status for t in result.trials] == ["done", "done", "failed", "failed"]
    assert [t.number for t in result.trials[2:]] == [1, 2]
    assert result.trials[3].reason == "ZeroDivisionError: no rate" and math.isnan(result.trials[3].score)
    with pytest.warns(UserWarning, match="1 of 1 trials failed"):
        none = search.GridSearch(diverging, {"units": 3, "rate": 0}, **ARGUMENTS).run(X, IDS)
    with pytest.raises(ValueError, match="no trial has a score; the first failed with ZeroDivisionError: no"):
        _ = none.best_params
    assert "1 failed" in repr(none)
    with pytest.raises(ValueError, match="nothing to draw"):
        search.plots.parameters(none)


def test_a_failed_trial_keeps_its_finished_epochs():
    late = nnc.schedules.PiecewiseConstantDecay([1], [0.1, 1e30], per="epoch")
    well = search.GridSearch(build, {"units": 4}, **ARGUMENTS | {"epochs": 2}).run(X, IDS).trials[0]
    with pytest.warns(UserWarning, match="1 of 1 trials failed; trial 0 with DivergenceError"):
        found = search.GridSearch(build, {"units": 4, "rate": [late]}, **ARGUMENTS | {"epochs": 5})
        trial = found.run(X, IDS).trials[0]
    assert (trial.status, trial.epochs, trial.history) == ("failed", 2, well.history)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    ("build_", "metric", "message"),
    [
        (build, "val_acuracy", "metric is 'val_acuracy', but the logs have loss, accuracy, val_loss"),
        (lambda p: None, "val_loss", "build must return a compiled nnc.Sequential, got None"),
        (lambda p: nnc.Sequential([layers.Dense(3)]), "val_loss", "call model.compile"),
        (lambda p: (build(p), {"epoch": 3}), "val_loss", "arguments of fit .* got {'epoch': 3}"),
    ],
)
def test_a_search_that_is_wrong_ends(build_, metric, message, n_jobs):
    wrong = search.RandomSearch(build_, SPACE, 50, **ARGUMENTS | {"metric": metric}, n_jobs=n_jobs)
    with pytest.raises(search.SearchError, match=message):
        wrong.run(X, IDS)
    assert not [t for t in threading.enumerate() if t.name.startswith("nnc-search")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_jobs": 0}, "n_jobs"),
        ({"n_jobs": True}, "n_jobs"),
        ({"n_jobs": 1.5}, "n_jobs"),
        ({"seed": -1}, "seed must be an integer from 0"),
        ({"direction": "up"}, "direction must be 'auto' or 'min' or 'max', got 'up'"),
        ({"score": "mean"}, "score must be 'last' or 'best', got 'mean'"),
        ({"backend": "dask"}, "backend must be None or 'threads' or 'joblib', got 'dask'"),
        ({"verbose": 3}, "verbose must be"),
        ({"epoch": 3}, "RandomSearch has no argument epoch; for fit it takes batch_size, callbacks"),
        ({"n_trials": 0}, "n_trials must be an integer from 1"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        search.RandomSearch(build, SPACE, **arguments)
    with pytest.raises(TypeError, match="build must be a function"):
        search.RandomSearch(3, SPACE)


# --------------------------------------------------------------------------------------- estimators


class Nearest:
    """A k-nearest-rows classifier with scikit-learn's interface."""

    def __init__(self, k=1, random_state=None):
        self.k, self.random_state = k, random_state

    def get_params(self, deep=True):
        return {"k": self.k, "random_state": self.random_state}

    def set_params(self, **params):
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit(self, x, y):
        assert isinstance(self.random_state, int)
        self.x, self.y = x, y
        return self

    def predict(self, x):
        distances = ((x[:, None] - self.x[None]) ** 2).sum(2)
        near = self.y[np.argsort(distances, axis=1)[:, : self.k]]
        return np.array([np.bincount(row).argmax() for row in near])

    def score(self, x, y):
        return (self.predict(x) == y).mean()


def test_estimators():
    template = Nearest()
    grid = search.GridSearch(template, {"k": search.integers(1, 6)}, folds=3, refit=True, verbose=0)
    result = grid.run(X.astype(np.float64), IDS)
    assert (result.metric, result.direction, len(result.trials)) == ("score", "max", 5)
    assert result.best_model.k == result.best_params["k"] and result.best_model.x.dtype == np.float64
    assert not hasattr(template, "x") and template.random_state is None
    assert all(
        len(t.scores) == 3 and 0 <= row["std"] < 1 for t, row in zip(result.trials, result.table, strict=True)
    )
    again = search.GridSearch(template, {"k": search.integers(1, 6)}, folds=3, n_jobs=1, verbose=0)
    assert again.run(X.astype(np.float64), IDS).table == result.table
    with pytest.raises(ValueError, match="metric must be of a search that trained models"):
        search.plots.curves(result)


def test_scikit_learns_estimators():
    neural_network = pytest.importorskip("sklearn.neural_network")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier = neural_network.MLPClassifier(max_iter=30)
        space = {"hidden_layer_sizes": [(5,), (9,)], "alpha": search.loguniform(1e-5, 1e-2)}
        tables = [
            search.RandomSearch(classifier, space, 4, folds=3, n_jobs=n, verbose=0).run(X, IDS).table
            for n in (1, 2)
        ]
    assert tables[0] == tables[1] and tables[0][0]["score"] > 0.5


# ------------------------------------------------------------------------------------------- results


def test_table(found, tmp_path):
    found.to_csv(tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["trial", "val_accuracy", "status", "epochs", "units", "rate", "reason"]
    assert [float(r["val_accuracy"]) for r in rows] == [t.score for t in found.trials]
    assert [float(r["rate"]) for r in rows] == [t.params["rate"] for t in found.trials]
    assert found.best_params == found.trials[0].params and found.best_score == max(
        t.score for t in found.trials
    )
    assert repr(found).startswith("SearchResult(8 trials, 0 failed, best val_accuracy 0.")
    assert found.best_model is None


def test_dataframe(found):
    pandas = pytest.importorskip("pandas")
    frame = found.to_dataframe()
    assert isinstance(frame, pandas.DataFrame) and list(frame.trial) == [t.number for t in found.trials]


def test_refit():
    arguments = ARGUMENTS | {"refit": True}
    result = search.RandomSearch(build, SPACE, 3, seed=1, **arguments).run(X, IDS)
    with random.seeded(result.best_trial.seed):
        model = build(result.best_params)
    model.fit(X, IDS, epochs=3, verbose=0)
    for a, b in zip(model.get_weights(), result.best_model.get_weights(), strict=True):
        assert np.array_equal(a, b)
    best = halving(2, refit=True).best_model
    assert best.optimizer.iterations == 9 * math.ceil(len(X) / 32)


def test_verbose(capsys):
    search.RandomSearch(build, SPACE, 2, **ARGUMENTS | {"verbose": 2}).run(X, IDS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 trials, ") and "thread" in lines[0] and len(lines) == 2
    assert lines[1].startswith("2/2 - trial ") and "best val_accuracy 0." in lines[1]
    search.RandomSearch(build, SPACE, 2, **ARGUMENTS | {"verbose": 1}).run(X, IDS)
    assert "2/2" in capsys.readouterr().out


def test_lines_are_ten_seconds_apart(capsys, monkeypatch):
    from nnc.search import progress, trials

    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.Progress(100, "loss", "min", 2) as lines:
        for number in range(100):
            clock[0] += 0.7
            lines.add(trials.Outcome(number, 0, "done", 1.0, [1.0], 1, [], "", 0.7))
    shown = [int(line.partition("/")[0]) for line in capsys.readouterr().out.splitlines()]
    assert shown == [15, 30, 45, 60, 75, 90, 100]


# ------------------------------------------------------------------------------------------ planner


def test_planner(threads, tmp_path):
    from nnc.search import planner

    threads(2)
    room = planner.cache_of_a_core()
    for n_jobs, n_trials, size, expected in (
        (-1, 10, room // 2, (2, 1)),
        (-1, 10, room + 1, (1, 2)),
        (-1, 1, room // 2, (1, 2)),
        (-1, 10, None, (2, 1)),
        (1, 10, None, (1, 2)),
        (2, 10, None, (2, 1)),
        (5, 3, None, (2, 1)),
    ):
        plan = planner.choose(n_jobs, n_trials, size)
        assert (plan.n_jobs, plan.n_threads) == expected, (n_jobs, size)
        assert str(plan) and plan.n_jobs * plan.n_threads <= 2

    def cache(name, **content):
        (tmp_path / name).mkdir()
        for key, value in content.items():
            (tmp_path / name / key).write_text(f"{value}\n")

    cache("index0", level=1, type="Data", size="32K", shared_cpu_list="0")
    cache("index2", level=2, type="Unified", size="512K", shared_cpu_list="0-1")
    cache("index3", level=3, type="Unified", size="8M", shared_cpu_list="0-2,8")
    assert planner.cache_of_a_core(tmp_path) == 512 * 1024 + 2 * 2**20
    assert planner.cache_of_a_core(tmp_path / "none") == 2 * 2**20
    model = nnc.Sequential([layers.Dense(10)])
    model.compile(nnc.optimizers.SGD(0.1, momentum=0.9), "mse")
    assert planner.working_set_of(model, 16, (5,)) == 4 * (2 * 60 + 16 * (5 + 20))


# ------------------------------------------------------------------------------------------ plots


@pytest.fixture(scope="module")
def mixed():
    space = {"units": [3, 6], "rate": [1e-3, 1e-2, 0.1], "activation": ["relu", "tanh"], "constant": 5}
    return search.GridSearch(build, space, **ARGUMENTS).run(X, IDS)


def test_pictures(mixed):
    axes = search.plots.parameters(mixed)
    assert [a.get_xlabel() for a in axes] == ["units", "rate", "activation"]
    assert "12 trials, the best val_accuracy" in axes[0].figure.get_suptitle()
    assert len(axes[0].collections[0].get_offsets()) == 12
    assert [t.get_text() for t in axes[1].get_xticklabels()] == ["0.001", "0.01", "0.1"]  # a grid's
    assert [t.get_text() for t in axes[2].get_xticklabels()] == ["relu", "tanh"]
    parallel = search.plots.parallel(mixed)
    segments = np.stack(parallel.collections[0].get_segments())
    assert segments.shape == (12, 4, 2) and 0 <= segments[..., 1].min() <= segments[..., 1].max() <= 1
    assert all(len(np.unique(heights)) == 12 for heights in segments[:, :3, 1].T)  # none hides another
    ticks = [t.get_text() for t in parallel.get_xticklabels()]
    assert ticks == ["units", "rate", "activation", "val_accuracy"]
    heat = search.plots.heat_map(mixed, "rate", "units")
    cells = heat.images[0].get_array()
    assert cells.shape == (2, 3) and cells.max() == mixed.best_score
    assert [float(text.get_text()) for text in heat.texts] == pytest.approx(cells.ravel().tolist(), abs=1e-3)
    assert len({len(text.get_text()) for text in heat.texts}) == 1
    curves = search.plots.curves(mixed, "loss")
    assert len(curves.lines) == 12 and curves.get_ylabel() == "loss"
    assert curves.lines[-1].get_ydata().tolist() == mixed.best_trial.history["loss"]
    for trials, best in (
        ([1, 1, 1], 1),
        ([3, 1, 2], 1),
        ([2, 2], 0),
    ):  # of so many epochs; the best ends first
        made = [
            search.Trial(i, {}, 0, "done", float(i == best), [1.0], n, [{"loss": [1.0] * n}], "", 0.1)
            for i, n in enumerate(trials)
        ]
        found = search.plots.curves(search.SearchResult(made, "loss", "max", mixed.plan, False))
        found.figure.canvas.draw()
        left, right = found.get_xlim()
        for line in found.lines:
            assert left <= min(line.get_xdata()) and max(line.get_xdata()) <= right
    figure = Figure()
    given = figure.subplots()
    for draw in (search.plots.parallel, search.plots.curves):
        assert draw(mixed, ax=given) is given
    with pytest.raises(ValueError, match=r"name must be a parameter of the search: units, rate.*got 'unit'"):
        search.plots.heat_map(mixed, "unit", "rate")
    with pytest.raises(ValueError, match="metric must be one of accuracy, loss"):
        search.plots.curves(mixed, "val")
    figure.canvas.draw()
