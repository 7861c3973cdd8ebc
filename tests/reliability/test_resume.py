"""A run that is killed and resumed is bitwise equal to one that was not; a stopped run stays stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from model_helpers import IDS, ROWS, X, classifier, half_square, same, stream

from nnc import FormatError, Sequential, _core, callbacks, layers, load_model, optimizers

SCRIPT = Path(__file__).with_name("resumed_run.py")
KINDS = ["dense", "convolutional", "dropout", "early_stopping"]


def run(kind, frequency, path, kill_at):
    command = [sys.executable, "-W", "ignore", str(SCRIPT), kind, str(frequency), str(path), str(kill_at)]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == (0 if kill_at < 0 else -signal.SIGKILL), found.stderr
    return found.stdout.split()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed(kind, trials, tmp_path):
    """Kill the run, resume it from its checkpoint, kill it again, ...: the same weights and history."""
    *whole, steps = run(kind, "epoch", tmp_path / "whole", -1)
    assert int(steps) >= 25
    points = trials(4, 20)
    draw = np.random.default_rng(trials.seed)
    for frequency in ("epoch", 3):
        path = tmp_path / f"run-{frequency}"
        for step in sorted(draw.choice(np.arange(1, int(steps)), points, replace=False).tolist()):
            run(kind, frequency, path, step)
        assert run(kind, frequency, path, -1) == [*whole, steps]
        if kind == "early_stopping":  # after its end it trains no further
            assert run(kind, frequency, path, -1) == [*whole, steps]


# ------------------------------------------------------------------------------------- in one process


class Killed(Exception):
    pass


def kill_in_step(step):
    def check(batch, logs):
        if model_of(callback).optimizer.iterations == step:
            raise Killed

    def model_of(callback):
        return callback.model

    callback = callbacks.LambdaCallback(on_train_batch_end=check)
    return callback


ARGUMENTS = {"epochs": 4, "batch_size": 16, "verbose": 0}


@pytest.mark.parametrize("step", range(1, 20))
def test_every_step_is_a_point_to_go_on_from(step, backend, tmp_path):
    """Saved after an error in the middle of an epoch: weights and logs are those of a complete run."""
    data = X, IDS
    whole = classifier(backend, dropout=0.3)
    expected = whole.fit(*data, **ARGUMENTS).history
    first = classifier(backend, dropout=0.3)
    with pytest.raises(Killed):
        first.fit(*data, callbacks=[kill_in_step(step)], **ARGUMENTS)
    first.save(tmp_path / "model")
    other = classifier(backend, dropout=0.3, seed=99)  # seed, weights and optimizer state come from the file
    history = other.fit(*data, resume_from=tmp_path / "model", **ARGUMENTS)
    assert same(other, whole) and history.history == expected and history.epoch == [0, 1, 2, 3]
    assert other.optimizer.iterations == whole.optimizer.iterations and other.seed == whole.seed


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_interrupted_and_resumed(slices, backend, tmp_path):
    """Ctrl-C during a slice of two steps: the position that is saved is the one after them."""
    whole, first = classifier(backend, dropout=0.3), classifier(backend, dropout=0.3)
    expected = whole.fit(X, IDS, **ARGUMENTS).history
    train, done = first._engine.train, []

    def interrupted(arrays, order, start, n_steps, *more):
        done.append(train(arrays, order, start, min(n_steps, 2), *more))
        if len(done) == slices:
            signal.raise_signal(signal.SIGINT)
        return done[-1]

    first._engine.train = interrupted
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, IDS, **ARGUMENTS)
    assert first.optimizer.iterations == sum(each.steps for each in done)
    first.save(tmp_path / "model")
    other = classifier(backend, dropout=0.3)
    assert other.fit(X, IDS, resume_from=tmp_path / "model", **ARGUMENTS).history == expected
    assert same(other, whole)


@pytest.mark.parametrize("steps", [None, 3])
def test_streams_go_on(steps, tmp_path):
    batches = list(stream())
    arguments = {"epochs": 4, "verbose": 0, "steps_per_epoch": steps}
    whole = classifier(dropout=0.3)
    expected = whole.fit(batches, **arguments).history
    for step in (2, 5, 9):
        first = classifier(dropout=0.3)
        with pytest.raises(Killed):
            first.fit(batches, callbacks=[kill_in_step(step)], **arguments)
        first.save(tmp_path / "model")
        other = classifier(dropout=0.3)
        assert other.fit(batches, resume_from=tmp_path / "model", **arguments).history == expected
        assert same(other, whole)


def test_resuming_a_finished_run_trains_nothing(tmp_path):
    whole = classifier()
    whole.fit(X, IDS, **ARGUMENTS)
    whole.save(tmp_path / "model")
    other = classifier()
    history = other.fit(X, IDS, resume_from=tmp_path / "model", **ARGUMENTS)
    assert same(other, whole) and history.history == whole.history.history
    more = other.fit(X, IDS, resume_from=tmp_path / "model", **ARGUMENTS | {"epochs": 6})
    longer = classifier()
    longer.fit(X, IDS, **ARGUMENTS | {"epochs": 6})
    assert same(other, longer) and more.history == longer.history.history


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_the_precision_stays(backend, tmp_path):
    if backend == "compiled" and _core.cpu_info()["bfloat16"].startswith("none"):
        pytest.skip("no fused multiply-adds")
    whole, first, other = (classifier(backend, precision="bfloat16") for _ in range(3))
    whole.fit(X, IDS, **ARGUMENTS)
    first.fit(X, IDS, **ARGUMENTS | {"epochs": 2})
    first.save(tmp_path / "model")
    other.fit(X, IDS, resume_from=tmp_path / "model", **ARGUMENTS)
    assert other.precision == "bfloat16" and same(other, whole)


def test_two_callbacks_of_one_kind_keep_their_own_counters(tmp_path):
    def pair():
        return [callbacks.EarlyStopping("loss", patience=p, min_delta=d) for p, d in ((50, 0.0), (50, 9.0))]

    model = classifier()
    saved = callbacks.ModelCheckpoint(tmp_path / "model")
    model.fit(X, IDS, callbacks=[*pair(), saved], **ARGUMENTS)
    again = pair()
    load_model(tmp_path / "model").fit(
        X, IDS, initial_epoch=4, callbacks=again, verbose=0, epochs=4, batch_size=16
    )
    assert [stop.wait for stop in again] == [0, 3]


def layers_of(*units):
    model = Sequential([layers.Input((4,)), *(layers.Dense(n, "softmax") for n in units)])
    model.compile(optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers_of(3), "its number of layers is 2, this model's 1"),
        (lambda: layers_of(8, 3), r"its layer 0 is Dense\(7, .* this model's Dense\(8, "),
        (lambda: classifier(optimizer="adam"), "its optimizer is .*SGD.* this model's .*Adam"),
        (lambda: classifier(optimizer=optimizers.SGD(0.1)), "its optimizer is .*momentum=0.9"),
        (lambda: classifier("reference"), "its backend is 'compiled', this model's 'reference'"),
        (lambda: classifier(precision="bfloat16"), "its precision is 'float32', this model's 'bfloat16'"),
        (lambda: classifier(loss=half_square), "its loss is"),
    ],
)
def test_another_run_is_refused(make, message, tmp_path):
    classifier().save(tmp_path / "model")
    model = make()
    y = ROWS if "Function" in repr(model.loss) else IDS
    with pytest.raises(ValueError, match=f"resume_from=.* is from another run: {message}"):
        model.fit(X, y, resume_from=tmp_path / "model", **ARGUMENTS)
    assert model.optimizer.iterations == 0


def test_what_cannot_be_resumed(tmp_path):
    model = classifier()
    with pytest.raises(FileNotFoundError):
        model.fit(X, IDS, resume_from=tmp_path / "none", **ARGUMENTS)
    (tmp_path / "damaged").write_bytes(b"no model")
    with pytest.raises(FormatError, match="damaged"):
        model.fit(X, IDS, resume_from=tmp_path / "damaged", **ARGUMENTS)
    model.save_weights(tmp_path / "weights")
    with pytest.raises(ValueError, match="holds weights, but no training"):
        model.fit(X, IDS, resume_from=tmp_path / "weights", **ARGUMENTS)
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="initial_epoch is in the file of resume_from; got 2"):
        model.fit(X, IDS, resume_from=tmp_path / "model", initial_epoch=2, **ARGUMENTS)
    with pytest.raises(TypeError, match="path"):
        model.fit(X, IDS, resume_from=3, **ARGUMENTS)
    with pytest.raises(Killed):
        model.fit(X, IDS, callbacks=[kill_in_step(2)], **ARGUMENTS)
    model.save(tmp_path / "within")
    with pytest.raises(ValueError, match="after step 2 of an epoch of 5 steps, but an epoch has 3 here"):
        classifier().fit(X, IDS, resume_from=tmp_path / "within", **ARGUMENTS | {"batch_size": 30})
    assert model.optimizer.iterations == 2


# ---------------------------------------------------------------------------------- runs that were stopped


def stopping():
    return callbacks.EarlyStopping("loss", patience=1, min_delta=1.0, restore_best_weights=True)


@pytest.mark.parametrize("how", ["resume_from", "initial_epoch", "in_memory"])
def test_a_stopped_run_stays_stopped(how, backend, tmp_path):
    """The checkpoint of the epoch in which early stopping ended the run: resuming trains no further epoch."""
    whole = classifier(backend)
    saved = callbacks.ModelCheckpoint(tmp_path / "model")
    whole.fit(X, IDS, callbacks=[stopping(), saved], **ARGUMENTS | {"epochs": 30})
    done = len(whole.history.epoch)
    assert 1 < done < 30 and whole.stop_training
    loaded = load_model(tmp_path / "model")
    assert loaded.stop_training
    arguments = ARGUMENTS | {"epochs": 30, "callbacks": [stopping()]}
    message = f"was stopped after epoch {done} by a callback and is not continued"
    with pytest.warns(UserWarning, match=message):
        if how == "resume_from":
            loaded = classifier(backend)
            history = loaded.fit(X, IDS, resume_from=tmp_path / "model", **arguments)
            assert history.history == whole.history.history
        elif how == "initial_epoch":
            loaded.fit(X, IDS, initial_epoch=done, **arguments)
        else:
            loaded = whole
            loaded.fit(X, IDS, initial_epoch=done, **arguments)
    assert same(loaded, whole) and loaded.optimizer.iterations == whole.optimizer.iterations
    loaded.save(tmp_path / "again")
    assert load_model(tmp_path / "again").stop_training


def test_a_stopped_run_goes_on_where_it_is_told_to(tmp_path):
    model = classifier()
    model.fit(X, IDS, callbacks=stopping(), **ARGUMENTS | {"epochs": 30})
    done = len(model.history.epoch)
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    for each in (model, loaded):
        each.stop_training = False
        assert each.fit(X, IDS, initial_epoch=done, verbose=0, epochs=done + 2).epoch == [done, done + 1]
        assert not each.stop_training
    with warnings.catch_warnings():  # a run from the start is a new one
        warnings.simplefilter("error")
        assert load_model(tmp_path / "model").fit(X, IDS, epochs=2, verbose=0).epoch == [0, 1]


@pytest.mark.parametrize(
    "counters",
    [
        {"stopped": 2}, {"stopped": None}, {"stopped": 0, "batch": 1}, {"batch": -1, "rows": 0},
        {"batch": 1, "rows": 1, "more": 1}, {"batch": 5, "rows": 1, "n_steps": 3}, {"batch": 1.5, "rows": 1},
    ],
)  # fmt: skip
def test_wrong_counters_of_a_run(counters, tmp_path):
    import json

    from safetensors.numpy import load_file, save

    path = tmp_path / "model"
    classifier().save(path)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    config = json.loads(header["__metadata__"]["nnc"])
    config["callbacks"]["fit"] = counters
    path.write_bytes(save(load_file(path), {"nnc": json.dumps(config)}))
    with pytest.raises(FormatError, match="'fit'"):
        load_model(path)
