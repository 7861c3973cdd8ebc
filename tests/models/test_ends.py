"""Runs that end early, by divergence or Ctrl-C: the model keeps its last complete step."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from model_helpers import IDS, ROWS, X, classifier, half_square, same

from nnc import DivergenceError, Sequential, callbacks, layers, optimizers


@pytest.mark.parametrize("rate", [1e30, 3e38])
def test_divergence(rate, backend):
    model = Sequential([layers.Dense(3)], seed=0)
    model.compile(optimizers.SGD(rate), "mse", backend=backend)
    ended = []
    with pytest.raises(
        DivergenceError, match=r"not finite in epoch \d+, batch \d+, at learning rate \de\+3\d"
    ):
        model.fit(
            X * 1e4, ROWS, epochs=50, verbose=0, callbacks=callbacks.LambdaCallback(on_train_end=ended.append)
        )
    assert ended == [{name: values[-1] for name, values in model.history.history.items()}]
    assert model.history.epoch == list(range(len(model.history.epoch)))
    with pytest.raises(DivergenceError, match="not finite in train_on_batch"):
        model.train_on_batch(np.full((1, 4), np.nan), ROWS[:1])


def test_divergence_keeps_the_last_complete_step(backend):
    x = X.copy()
    x[30:] = np.inf
    model, twin = classifier(backend, optimizer="adam"), classifier(backend, optimizer="adam")
    with pytest.raises(DivergenceError, match="epoch 1, batch 4"):
        model.fit(x, IDS, batch_size=10, shuffle=False, verbose=0)
    twin.fit(x[:30], IDS[:30], batch_size=10, shuffle=False, verbose=0)
    assert same(model, twin) and model.optimizer.iterations == 3


def test_interrupt_in_a_callback(backend):
    """Ctrl-C while a callback runs: complete steps and epochs, best weights; the exception is re-raised."""
    events, weights = [], []

    def interrupt(epoch, logs):
        weights.append(model.get_weights())
        if epoch == 2:
            signal.raise_signal(signal.SIGINT)

    model = classifier(backend)
    # With mode="max" the first epoch is the best.
    best = callbacks.EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True)
    watch = callbacks.LambdaCallback(on_epoch_end=interrupt, on_train_end=lambda logs: events.append("end"))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, IDS, epochs=9, verbose=0, callbacks=[best, watch])
    assert events == ["end"] and model.history.epoch == [0, 1]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights[0], strict=True))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert model.optimizer.iterations == 9
    model.fit(X, IDS, verbose=0)


def test_interrupt_in_a_step_waits_for_its_end(backend):
    def loss(y_true, y_pred):
        if model.optimizer.iterations == 5:
            signal.raise_signal(signal.SIGINT)
            reached.append(True)
        return half_square(y_true, y_pred)

    reached = []
    model, twin = (Sequential([layers.Dense(3)], seed=0) for _ in range(2))
    model.compile("sgd", loss, backend=backend)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, ROWS, batch_size=4, shuffle=False, verbose=0)
    assert reached == [True] and model.optimizer.iterations == 6
    twin.compile("sgd", half_square, backend=backend)
    twin.fit(X[:24], ROWS[:24], batch_size=4, shuffle=False, verbose=0)
    assert same(model, twin)


def test_own_signal_handler_is_used_and_left(backend):
    came = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        handler = signal.getsignal(signal.SIGINT)
        model = classifier(backend)
        model.fit(
            X,
            IDS,
            verbose=0,
            callbacks=callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: signal.raise_signal(signal.SIGINT)
            ),
        )
        assert came == [signal.SIGINT] and signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_fit_in_a_thread(backend):
    model, other = classifier(backend), classifier(backend)
    thread = threading.Thread(target=model.fit, args=(X, IDS), kwargs={"verbose": 0})
    thread.start()
    thread.join()
    other.fit(X, IDS, verbose=0)
    assert same(model, other)


@pytest.mark.skipif(os.name != "posix", reason="requires POSIX signals")
def test_interrupt_from_outside(backend):
    """A real SIGINT in the middle of an epoch: fit ends immediately, after a complete step."""
    script = textwrap.dedent(f"""
        import time
        import numpy as np
        from nnc import Sequential, callbacks, layers, optimizers
        x = np.random.default_rng(0).normal(size=(20000, 64)).astype(np.float32)
        def make():
            model = Sequential([layers.Dense(96, "relu"), layers.Dense(64)], seed=1)
            model.compile(optimizers.Adam(1e-4), "mse", backend={backend!r})
            return model
        model = make()
        model.predict(x[:1])
        began = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: print("ready", flush=True))
        try:
            model.fit(x, x, batch_size=16, epochs=100000, verbose=0, shuffle=False, callbacks=began)
        except KeyboardInterrupt:
            print("interrupted", time.time(), flush=True)
        steps = model.optimizer.iterations
        epochs, rest = divmod(steps, 1250)
        # After an epoch's last step, Ctrl-C may come before its line in the history.
        assert len(model.history.epoch) in ((epochs,) if rest else (epochs - 1, epochs))
        twin = make()
        if epochs:
            twin.fit(x, x, batch_size=16, epochs=epochs, verbose=0, shuffle=False)
        if rest:
            twin.fit(x, x, batch_size=16, epochs=epochs + 1, initial_epoch=epochs, steps_per_epoch=rest,
                     verbose=0, shuffle=False)
        assert twin.optimizer.iterations == steps > 0
        print("same", all(np.array_equal(a, b) for a, b in zip(model.get_weights(), twin.get_weights())))
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.15)
    sent = time.time()
    process.send_signal(signal.SIGINT)
    lines = [line for line in process.communicate(timeout=60)[0].splitlines() if line != "ready"]
    word, when = lines[0].split()
    assert word == "interrupted" and float(when) - sent < 1.0  # 0.2 s on an idle machine
    assert lines[1] == "same True" and process.returncode == 0
