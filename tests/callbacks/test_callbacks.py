"""Callbacks: their arguments, their effect on the run, and that counters continue in a resumed run."""

import csv
import math
import types

import numpy as np
import pytest

from nnc import DivergenceError, Sequential, callbacks, layers, load_model, optimizers, schedules

X = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)
Y = X @ np.float32([[1], [-2], [0.5]])


def model_for(backend="compiled", optimizer=None, dropout=False):
    model = Sequential(
        [layers.Dense(4, "tanh")] + [layers.Dropout(0.3)] * dropout + [layers.Dense(1)], seed=3
    )
    model.compile(optimizer or optimizers.SGD(0.05, momentum=0.5), "mse", metrics=["mae"], backend=backend)
    return model


class Scripted(callbacks.Callback):
    """Puts given numbers into the logs, as if they were those of an epoch."""

    def __init__(self, key, values):
        self.key, self.values = key, values

    def on_epoch_end(self, epoch, logs=None):
        logs[self.key] = self.values[epoch]


def run(values, *others, epochs=None, key="val_loss", **arguments):
    model = model_for()
    watched = []
    weights = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: watched.append(model.get_weights()))
    given = [Scripted(key, values), weights, *others]
    model.fit(X, Y, epochs=epochs or len(values), verbose=0, callbacks=given, **arguments)
    return model, watched


def has_weights(model, weights):
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))


# ------------------------------------------------------------------------------------- hooks


class Recorder(callbacks.Callback):
    def __init__(self):
        self.calls = []


def _record(hook):
    def method(self, *arguments):
        self.calls.append((hook, *(dict(a) if isinstance(a, dict) else a for a in arguments)))

    return method


EPOCH_HOOKS = [
    "on_train_begin",
    "on_train_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_test_begin",
    "on_test_end",
]
STEP_HOOKS = ["on_train_batch_begin", "on_train_batch_end"]


def recorder(hooks):
    return type("Recorded", (Recorder,), {hook: _record(hook) for hook in hooks})()


def test_order_and_logs(backend):
    recorded = recorder(EPOCH_HOOKS + STEP_HOOKS)
    model = model_for(backend)
    history = model.fit(
        X, Y, batch_size=10, epochs=2, verbose=0, validation_data=(X, Y), callbacks=recorded
    ).history
    names = [call[0] for call in recorded.calls]
    epoch = ["on_epoch_begin", *STEP_HOOKS * 3, "on_test_begin", "on_test_end", "on_epoch_end"]
    assert names == ["on_train_begin", *epoch, *epoch, "on_train_end"]
    assert [c[1] for c in recorded.calls if c[0] == "on_train_batch_end"] == [0, 1, 2] * 2
    ends = [c for c in recorded.calls if c[0] == "on_epoch_end"]
    assert [c[1] for c in ends] == [0, 1]
    assert all(c[2] == {key: values[c[1]] for key, values in history.items()} for c in ends)
    last = [c for c in recorded.calls if c[0] == "on_train_batch_end"][-1]
    assert last[2] == {
        key: history[key][-1] for key in ("loss", "mae")
    }  # running mean: at the end the epoch's mean
    assert recorded.model is model and recorded.params["steps"] == 3


def test_batch_hooks_do_not_change_the_result(backend):
    plain, watched, by_old_name = (model_for(backend, dropout=True) for _ in range(3))
    plain.fit(X, Y, batch_size=4, epochs=3, verbose=0)
    watched.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[recorder(STEP_HOOKS)])
    old = recorder(["on_batch_end"])
    by_old_name.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[old])
    assert has_weights(watched, plain.get_weights()) and has_weights(by_old_name, plain.get_weights())
    assert len(old.calls) == 18
    np.testing.assert_allclose(watched.history.history["loss"], plain.history.history["loss"], rtol=1e-12)


def test_on_steps(backend):
    recorded = recorder(["on_steps"])
    model_for(backend).fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=recorded)
    assert recorded.calls[-1][1] == 6 and {"loss", "mae"} == recorded.calls[-1][2].keys()


def test_evaluate_and_predict_hooks(backend):
    recorded = recorder(["on_test_begin", "on_test_end", "on_predict_begin", "on_predict_end"])
    model = model_for(backend)
    loss, mae = model.evaluate(X, Y, callbacks=[recorded])
    model.predict(X, callbacks=[recorded])
    assert [call[0][3:] for call in recorded.calls] == [
        "test_begin",
        "test_end",
        "predict_begin",
        "predict_end",
    ]
    assert recorded.calls[1][1] == {"loss": loss, "mae": mae}


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end", "on_train_batch_begin", "on_steps"])
def test_stop_training(hook, backend):
    def stop(number, logs):
        model.stop_training = True

    model = model_for(backend)
    callback = callbacks.LambdaCallback(**{hook: stop})
    history = model.fit(X, Y, batch_size=10, epochs=5, verbose=0, callbacks=[callback])
    assert history.epoch == [0] and model.optimizer.iterations == (1 if "batch" in hook else 3)
    batches = [(X[:10], Y[:10])] * 3
    model.fit(batches, epochs=5, verbose=0, callbacks=[callback])
    assert model.history.epoch == [0]
    model.fit(X, Y, epochs=2, verbose=0)
    assert model.history.epoch == [0, 1]  # a new run starts


def test_an_error_in_a_callback_ends_the_run(backend):
    def fail(epoch, logs):
        raise RuntimeError("no more")

    ended = recorder(["on_train_end"])
    model = model_for(backend)
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(X, Y, epochs=3, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_begin=fail), ended])
    assert len(ended.calls) == 1 and model.optimizer.iterations == 0


def test_callback_may_use_the_model(backend):
    found = []

    def use(epoch, logs):
        found.append(model.evaluate(X, Y)[0])
        model.predict(np.tile(X, (20, 1)))
        model.train_on_batch(np.tile(X, (9, 1)), np.tile(Y, (9, 1)))  # a larger batch: another plan

    model = model_for(backend)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks.LambdaCallback(on_epoch_end=use))
    assert len(found) == 3 and model.optimizer.iterations == 6


def test_wrong_callbacks():
    with pytest.raises(TypeError, match=r"callbacks must be nnc\.callbacks\.Callback objects, got 'history'"):
        model_for().fit(X, Y, callbacks=["history"])
    with pytest.raises(TypeError, match="no hook 'on_epoch_done'; it has on_train_begin"):
        callbacks.LambdaCallback(on_epoch_done=print)
    with pytest.raises(TypeError, match="on_epoch_end must be a function, got 3"):
        callbacks.LambdaCallback(on_epoch_end=3)


def test_own_history_is_used(backend):
    own = callbacks.History()
    assert model_for(backend).fit(X, Y, epochs=2, verbose=0, callbacks=[own]) is own
    assert own.epoch == [0, 1] and "2 epochs of loss, mae" in repr(own)


# ------------------------------------------------------------------------------ EarlyStopping


@pytest.mark.parametrize(
    ("values", "arguments", "stopped", "best"),
    [
        ([3, 2, 1, 2, 2, 2], {"patience": 2}, 4, 2),
        ([3, 2, 1, 2, 2, 2], {"patience": 0}, 3, 2),
        ([3, 2, 1.95, 1.85, 1.8, 1.79], {"patience": 2, "min_delta": 0.1}, 5, 3),
        ([1, 2, 3, 2, 1], {"patience": 1, "mode": "max"}, 3, 2),
        ([1, 2, 3, 4], {"patience": 1, "mode": "min"}, 1, 0),
        ([3, 2, 1, 0.9, 0.8], {"patience": 2, "baseline": 0.5}, 0, 4),
        ([3, 2, 2.5, 0.4], {"patience": 2, "baseline": 0.5}, 2, 1),
        ([3, 0.4, 2.5, 0.3, 1, 1], {"patience": 2, "baseline": 0.5}, 5, 3),
        ([0, 5, 4, 3, 4, 4], {"patience": 2, "start_from_epoch": 1}, 5, 3),
        ([math.nan, 2, 1, math.nan, math.nan, 0], {"patience": 2}, 4, 2),
        ([3, 2, 1, 0.5], {"patience": 2}, 0, 3),
    ],
)
def test_early_stopping(values, arguments, stopped, best):
    stop = callbacks.EarlyStopping(restore_best_weights=True, **arguments)
    model, weights = run(values, stop)
    assert (stop.stopped_epoch, stop.best_epoch, stop.best) == (stopped, best, values[best])
    assert model.history.epoch[-1] == (stopped or len(values) - 1)
    assert has_weights(model, weights[best])


def test_early_stopping_by_accuracy_is_for_the_largest():
    stop = callbacks.EarlyStopping("val_accuracy", patience=1)
    model, weights = run([0.1, 0.5, 0.4, 0.9], stop, key="val_accuracy")
    assert stop.stopped_epoch == 2 and has_weights(model, weights[-1])  # not restored by default


def test_early_stopping_words(capsys):
    run([1, 2, 3], callbacks.EarlyStopping(patience=1, verbose=1, restore_best_weights=True))
    assert capsys.readouterr().out == "Epoch 2: early stopping\nRestoring the weights of epoch 1, the best\n"


@pytest.mark.parametrize("end", ["error", "divergence", "nan"])
def test_best_weights_whatever_ends_the_run(end, backend):
    weights = []

    def watch(epoch, logs):
        weights.append(model.get_weights())
        if epoch == 2:
            if end == "error":
                raise RuntimeError("broken")
            model.set_weights([np.full_like(w, np.nan) for w in model.get_weights()])

    model = model_for(backend)
    best = callbacks.EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True)
    given = [best, callbacks.LambdaCallback(on_epoch_end=watch)] + [callbacks.TerminateOnNaN()] * (
        end == "nan"
    )
    try:
        model.fit(X, Y, epochs=9, verbose=0, callbacks=given)
        assert end == "nan"
    except RuntimeError:
        assert end == "error"
    except DivergenceError:
        assert end == "divergence"
    assert best.best_epoch == 0 and has_weights(model, weights[0])


def test_missing_number_ends_the_run():
    with pytest.raises(ValueError, match="EarlyStopping monitors 'val_loss', but the logs have loss, mae"):
        model_for().fit(X, Y, verbose=0, callbacks=callbacks.EarlyStopping())


def test_a_model_without_metrics_is_enough():
    """As with Keras's EarlyStopping in a custom training loop: only the name determines what is better."""
    for monitor, logs in (("val_accuracy", [0.5, 0.7, 0.6]), ("loss", [0.5, 0.3, 0.4])):
        stop, model = callbacks.EarlyStopping(monitor), types.SimpleNamespace(stop_training=False)
        stop.set_model(model)
        stop.on_train_begin()
        for epoch, value in enumerate(logs):
            assert not model.stop_training
            stop.on_epoch_end(epoch, {monitor: value})
        assert model.stop_training and stop.best == logs[1]


@pytest.mark.parametrize("callback", [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau])
def test_wrong_monitor_arguments(callback):
    with pytest.raises(ValueError, match="mode must be 'auto', 'min' or 'max', got 'least'"):
        callback(mode="least")
    with pytest.raises(TypeError, match="monitor must be a key of the logs"):
        callback(monitor=3)


# ---------------------------------------------------------------------------- ModelCheckpoint


def test_checkpoint_of_every_epoch(tmp_path, backend, capsys):
    save = callbacks.ModelCheckpoint(tmp_path / "at-{epoch:02d}-{loss:.3f}.safetensors", verbose=1)
    model = model_for(backend)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[save])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"at-{i + 1:02d}-{loss:.3f}.safetensors" for i, loss in enumerate(history.history["loss"])
    ]
    assert "Epoch 3: saved to" in capsys.readouterr().out
    loaded = load_model(tmp_path / names[-1])
    assert has_weights(loaded, model.get_weights())
    assert loaded.history.history == history.history  # the epoch that ended is in it


def test_checkpoint_of_the_best(tmp_path):
    path = tmp_path / "best.safetensors"
    save = callbacks.ModelCheckpoint(path, save_best_only=True)
    _, weights = run([3, 1, 2, math.nan, 1], save)
    assert save.best == 1 and has_weights(load_model(path), weights[1])
    save = callbacks.ModelCheckpoint(tmp_path / "none", save_best_only=True, initial_value_threshold=0.5)
    run([3, 1], save)
    assert not (tmp_path / "none").exists()


def test_checkpoint_of_weights_and_by_steps(tmp_path, backend):
    save = callbacks.ModelCheckpoint(tmp_path / "w-{epoch}", save_weights_only=True, save_freq=4)
    model = model_for(backend)
    model.fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=save)  # 9 steps, the 4th and 8th saved
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w-2", "w-3"]
    loaded = load_model(tmp_path / "w-3")
    assert loaded.loss is None and loaded.history is None
    with pytest.raises(ValueError, match="save_freq must be 'epoch' or a number of steps, got 0"):
        callbacks.ModelCheckpoint("x", save_freq=0)


def test_checkpoint_that_names_what_is_not_there(tmp_path):
    with pytest.raises(KeyError, match=r"names 'val_los', but the logs have loss, mae"):
        model_for().fit(X, Y, verbose=0, callbacks=callbacks.ModelCheckpoint(tmp_path / "{val_los}"))


# ------------------------------------------------------------------------------- learning rates


def test_scheduler(backend, capsys):
    rates = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch else rate, verbose=1)
    model, other = model_for(backend), model_for(backend)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[rates]).history
    assert history["learning_rate"] == [0.05, 0.025, 0.0125] and list(history)[-1] == "learning_rate"
    assert capsys.readouterr().out.splitlines()[-1] == "Epoch 3: learning rate 0.0125"
    decay = schedules.ExponentialDecay(0.05, 1, 0.5, per="epoch")
    other.compile(optimizers.SGD(decay, momentum=0.5), "mse", backend=backend)
    other.fit(X, Y, epochs=3, verbose=0)
    assert has_weights(model, other.get_weights())
    by_epoch = callbacks.LearningRateScheduler([0.3, 0.2].__getitem__)
    assert model.fit(X, Y, epochs=2, verbose=0, callbacks=by_epoch).history["learning_rate"] == [0.3, 0.2]


def test_scheduler_errors():
    with pytest.raises(TypeError, match="must be a function"):
        callbacks.LearningRateScheduler(0.1)
    with pytest.raises(TypeError, match="must return a number, got None"):
        model_for().fit(X, Y, verbose=0, callbacks=callbacks.LearningRateScheduler(lambda epoch, rate: None))
    with pytest.raises(ValueError, match=r"learning_rate must be .* got nan"):
        model_for().fit(
            X, Y, verbose=0, callbacks=callbacks.LearningRateScheduler(lambda epoch, rate: math.nan)
        )
    model = model_for(optimizer=optimizers.SGD(schedules.ExponentialDecay(0.1, 1, 0.5)))
    for callback in (callbacks.LearningRateScheduler(lambda e, r: r), callbacks.ReduceLROnPlateau("loss")):
        with pytest.raises(
            ValueError, match=f"{type(callback).__name__} needs an optimizer whose learning_rate"
        ):
            model.fit(X, Y, verbose=0, callbacks=callback)


@pytest.mark.parametrize(
    ("values", "arguments", "rates"),
    [
        ([1, 1, 1, 1, 1], {"patience": 2}, [1, 1, 1, 0.5, 0.5]),
        ([1, 1, 1, 1, 1], {"patience": 1, "cooldown": 2}, [1, 1, 0.5, 0.5, 0.25]),
        ([1, 1, 1, 1, 1], {"patience": 1, "min_lr": 0.03}, [1, 1, 0.6, 0.6, 0.6]),
        ([1, 0.9, 0.8, 0.8, 0.8], {"patience": 1}, [1, 1, 1, 1, 0.5]),
        ([1, 0.99, 0.98, 0.97, 0.96], {"patience": 1, "min_delta": 0.5}, [1, 1, 0.5, 0.25, 0.125]),
        ([0, 1, 2, 1, 1], {"patience": 1, "mode": "max"}, [1, 1, 1, 1, 0.5]),
    ],
)
def test_reduce_on_plateau(values, arguments, rates):
    plateau = callbacks.ReduceLROnPlateau(factor=0.5, **arguments)
    model, _ = run(values, plateau)
    np.testing.assert_allclose(model.history.history["learning_rate"], [0.05 * rate for rate in rates])


def test_reduce_on_plateau_words(capsys):
    run([1, 1, 1], callbacks.ReduceLROnPlateau(factor=0.5, patience=1, verbose=1))
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 2: learning rate reduced to 0.025",
        "Epoch 3: learning rate reduced to 0.0125",
    ]
    with pytest.raises(ValueError, match=r"factor must be at least 0 and below 1, got 1\.0"):
        callbacks.ReduceLROnPlateau(factor=1.0)


# ------------------------------------------------------------------------- CSVLogger, TerminateOnNaN


def test_csv(tmp_path, backend):
    path = tmp_path / "log.csv"
    model = model_for(backend)
    run_ = dict(verbose=0, validation_data=(X, Y), validation_freq=[2, 3, 4])
    model.fit(X, Y, epochs=3, callbacks=[callbacks.LambdaCallback(), callbacks.CSVLogger(path)], **run_)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [r["epoch"] for r in rows] == ["0", "1", "2"]
    assert [r["val_mae"] == "NA" for r in rows] == [True, False, False]
    assert [float(r["loss"]) for r in rows] == model.history.history["loss"]
    model.fit(X, Y, initial_epoch=3, epochs=4, callbacks=callbacks.CSVLogger(path, append=True), **run_)
    lines = path.read_text().splitlines()
    assert len(lines) == 5 and lines[4].startswith("3,")
    model.fit(
        X, Y, epochs=1, callbacks=callbacks.CSVLogger(path, separator=";"), **(run_ | {"validation_freq": 1})
    )
    assert path.read_text().splitlines()[0] == "epoch;loss;mae;val_loss;val_mae"


def test_terminate_on_nan(backend, capsys):
    x = X.copy()
    x[12] = np.nan
    model, twin = model_for(backend), model_for(backend)
    history = model.fit(
        x, Y, batch_size=5, epochs=3, shuffle=False, verbose=0, callbacks=callbacks.TerminateOnNaN()
    )
    assert capsys.readouterr().out == "Epoch 1, batch 3: the loss is not finite, training ends\n"
    assert history.epoch == [0] and math.isnan(history.history["loss"][0])
    twin.fit(X[:10], Y[:10], batch_size=5, shuffle=False, verbose=0)
    assert has_weights(model, twin.get_weights()) and model.optimizer.iterations == 2
    model.fit([(x, Y)] * 3, verbose=0, callbacks=callbacks.TerminateOnNaN())
    assert model.optimizer.iterations == 2


# ---------------------------------------------------------------------------------------- resume


def watchers():
    return [
        callbacks.EarlyStopping("loss", patience=4, min_delta=0.02, restore_best_weights=True),
        callbacks.ReduceLROnPlateau("loss", factor=0.3, patience=1, min_delta=0.02, cooldown=1),
    ]


@pytest.mark.parametrize("at", [1, 2, 4, 6])
def test_resumed_callbacks_go_on_counting(at, tmp_path, backend):
    """A run that ends at an epoch and is continued from its file is the uninterrupted run, bit for bit."""
    whole = model_for(backend, dropout=True)
    history = whole.fit(X, Y, batch_size=4, epochs=30, verbose=0, callbacks=watchers()).history
    assert 7 < len(history["loss"]) < 30 and len(set(history["learning_rate"])) > 1

    class Killed(Exception):
        pass

    def kill(epoch, logs):
        if epoch == at:
            raise Killed

    first = model_for(backend, dropout=True)
    save = callbacks.ModelCheckpoint(tmp_path / "run")
    given = [save, callbacks.LambdaCallback(on_epoch_begin=kill), *watchers()]
    with pytest.raises(Killed):
        first.fit(X, Y, batch_size=4, epochs=30, verbose=0, callbacks=given)
    resumed = load_model(tmp_path / "run")
    assert resumed.history.epoch == list(range(at))
    resumed.fit(X, Y, batch_size=4, epochs=30, initial_epoch=at, verbose=0, callbacks=watchers())
    assert has_weights(resumed, whole.get_weights())
    for key, values in resumed.history.history.items():
        assert values == history[key][at:]


def test_a_new_run_resets_the_callbacks(backend):
    """Counters are kept only for a run that continues where the last one ended."""
    stop = callbacks.EarlyStopping("loss", patience=9)
    model = model_for(backend)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=stop)
    for arguments, kept in (
        ({"initial_epoch": 3, "epochs": 4}, True),
        ({"initial_epoch": 9, "epochs": 10}, False),
    ):
        begun = []
        fresh = callbacks.EarlyStopping("loss", patience=9)
        look = callbacks.LambdaCallback(on_epoch_begin=lambda e, logs, f=fresh, b=begun: b.append(f.best))
        model.fit(X, Y, verbose=0, callbacks=[fresh, look], **arguments)
        assert (begun[0] is not None) == kept


def test_every_callback_has_the_base():
    members = [c for name in callbacks.__all__ if isinstance(c := getattr(callbacks, name), type)]
    names = {c.__name__ for c in members if issubclass(c, callbacks.Callback)}
    assert names == {
        "Callback",
        "CSVLogger",
        "EarlyStopping",
        "History",
        "LambdaCallback",
        "LearningRateScheduler",
        "ModelCheckpoint",
        "Recorder",
        "ReduceLROnPlateau",
        "TerminateOnNaN",
    }


def test_terminate_on_nan_raises():
    model = Sequential([layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizers.SGD(1e30), "mse")
    with pytest.raises(RuntimeError, match="NaN or Inf loss encountered in epoch 3"):
        model.fit([[1.0]], [2.0], epochs=9, verbose=0, callbacks=callbacks.TerminateOnNaN(raise_error=True))
    with pytest.raises(TypeError, match="raise_error must be True or False"):
        callbacks.TerminateOnNaN(1)
