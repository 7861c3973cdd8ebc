"""Short epochs trained many at a time have the same results as the same epochs trained one by one."""

from __future__ import annotations

import signal
import threading

import numpy as np
import pytest

import nnc
from nnc import callbacks, layers, optimizers, schedules
from nnc.models import loops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 5)).astype(np.float32)
IDS = RNG.integers(0, 3, 75)


def make(optimizer=None, loss="sparse_categorical_crossentropy", **arguments):
    hidden = layers.Dense(7, "tanh", kernel_regularizer=nnc.regularizers.L2(1e-3))
    model = nnc.Sequential([hidden, layers.Dropout(0.2), layers.Dense(3, "softmax")], seed=5)
    model.compile(optimizer or optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"], **arguments)
    return model


@pytest.fixture
def calls(monkeypatch):
    """The number of epochs that each call of the core returned."""
    found, original = [], loops.Fit._run_ahead

    def counted(*arguments):
        found.append(original(*arguments))
        return found[-1]

    monkeypatch.setattr(loops.Fit, "_run_ahead", counted)
    return found


def one_by_one():
    return callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: None)


CASES = {
    "plain": {},
    "batch": {"batch_size": 10},
    "unshuffled": {"shuffle": False},
    "split": {"validation_split": 0.3},
    "validation": {"validation_data": (X[:20], IDS[:20])},
    "weighted": {
        "validation_data": (X[:20], IDS[:20], np.arange(20)),
        "sample_weight": np.linspace(0, 2, 75),
    },
    "classes": {"class_weight": {0: 2.0}},
    "steps": {"steps_per_epoch": 2, "batch_size": 16},
}
RULES = {
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: optimizers.Adam(0.01),
    "per step": lambda: optimizers.SGD(schedules.CosineDecay(0.2, 100)),
    "per epoch": lambda: optimizers.SGD(schedules.ExponentialDecay(0.2, 1, 0.9, per="epoch")),
    "clipped": lambda: optimizers.SGD(0.5, clipnorm=0.1),
}


@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES)
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_same(rule, arguments, calls, monkeypatch):
    monkeypatch.setattr(loops, "BUDGET", 1e6)  # seconds: time then never limits the epochs of a call
    ahead, slow = make(rule()), make(rule())
    first = ahead.fit(X, IDS, epochs=40, verbose=0, **arguments)
    assert sum(calls) == 39
    second = slow.fit(X, IDS, epochs=40, verbose=0, callbacks=one_by_one(), **arguments)
    assert sum(calls) == 39
    assert first.history == second.history and first.epoch == second.epoch
    assert (
        ahead.optimizer.iterations == slow.optimizer.iterations
        and ahead.state().epoch == slow.state().epoch == 40
    )
    for a, b in zip(ahead.get_weights(), slow.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_continued(calls):
    whole, parts = make(), make()
    whole.fit(X, IDS, epochs=30, verbose=0)
    parts.fit(X, IDS, epochs=11, verbose=0)
    parts.fit(X, IDS, initial_epoch=11, epochs=30, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True))
    assert max(calls) > 5


@pytest.mark.parametrize(
    "watching",
    [
        {"callbacks": callbacks.EarlyStopping("loss", patience=99)},
        {"verbose": 2},
        {"validation_data": (X, IDS), "validation_freq": 2},
        {"validation_data": [(X, IDS)]},
    ],
)
def test_only_where_nobody_watches(watching, calls, capsys):
    make().fit(X, IDS, epochs=9, **{"verbose": 0} | watching)
    assert not calls
    make(loss=lambda y, a: (0.0, np.zeros_like(a))).fit(X, IDS, epochs=9, verbose=0)
    make(backend="reference").fit(X, IDS, epochs=9, verbose=0)
    assert not calls


def test_long_epochs_are_not(calls):
    x = np.zeros((20_000, 300), np.float32)
    model = nnc.Sequential([layers.Dense(300, "relu"), layers.Dense(300)])
    model.compile("sgd", "mse")
    model.fit(x, x, epochs=2, verbose=0)
    assert calls[1:] == [0]


def test_divergence():
    rate = schedules.PiecewiseConstantDecay([200], [0.1, 1e30])
    errors, histories, models = [], [], []
    for given in (None, one_by_one()):
        models.append(model := make(optimizers.SGD(rate)))
        with pytest.raises(nnc.DivergenceError) as caught:
            model.fit(X, IDS, epochs=200, verbose=0, callbacks=given)
        errors.append(str(caught.value))
        histories.append(model.history.history)
    assert errors[0] == errors[1] and "not finite in epoch " in errors[0]
    assert histories[0] == histories[1] and len(histories[0]["loss"]) > 5
    assert models[0].optimizer.iterations == models[1].optimizer.iterations


def test_interrupt_and_stop():
    model = make()
    model.fit(X, IDS, epochs=3, verbose=0)
    timer = threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, IDS, epochs=10**7, verbose=0)
    assert model.state().epoch == len(model.history.epoch) > 10
    assert model.optimizer.iterations == 9 + 3 * model.state().epoch
    other = make()
    other.fit(X, IDS, epochs=model.state().epoch, verbose=0)
    threading.Timer(0.2, setattr, (model, "stop_training", True)).start()
    history = model.fit(X, IDS, epochs=10**7, verbose=0)
    assert model.stop_training and len(history.epoch) < 10**6


def test_core_refuses():
    model = make()
    model.fit(X, IDS, verbose=0)
    plan, ids = model._engine.flat_plan, IDS.astype(np.int32)
    rates = np.zeros((2, 3), np.float32)
    for orders, batch, message in (
        (np.zeros((3, 75), np.int64), 32, "orders are for 3 epochs, learning_rates for 2"),
        (np.full((2, 75), 75), 32, r"order\[0\] is 75, but x has 75 rows"),
        (np.zeros((2, 0), np.int64), 0, "batch_size must be from 1"),
    ):
        with pytest.raises(ValueError, match=message):
            plan.train_epochs(X, ids, None, None, orders, rates, batch, 0, 0, 1.0)
    assert (
        plan.train_epochs(X, ids, None, None, np.zeros((0, 75), np.int64), rates[:0], 32, 0, 0, 1.0)[0] == 0
    )
