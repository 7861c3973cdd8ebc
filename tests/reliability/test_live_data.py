"""The caller's arrays are read while a model trains, and a callback or another thread changes them."""

import math
import threading
import time
from functools import partial

import numpy as np
import pytest
from model_helpers import half_square, same

import nnc
from nnc import callbacks, layers

rng = np.random.default_rng(0)
X = rng.normal(size=(512, 20)).astype(np.float32)
Y = rng.integers(0, 2, (512, 5)).astype(np.float32)
WEIGHTS = rng.random(512).astype(np.float32) + 0.5

BOUNDED = [cls() for cls in nnc.losses.registry.values() if cls.target_range != (-math.inf, math.inf)]
WRONG = [(loss, value) for loss in BOUNDED for value in (-0.25, 1.25, math.nan, -math.inf)]
WRONG += [("mse", value) for value in (math.nan, math.inf, -math.inf)]


def make_model(loss, backend="compiled"):
    model = nnc.Sequential([nnc.Input((20,)), layers.Dense(30, "relu"), layers.Dense(5, "sigmoid")], seed=3)
    model.compile(nnc.optimizers.SGD(0.1, momentum=0.9), loss, backend=backend)
    return model


class AfterBatch(callbacks.Callback):
    """Calls `change` after one batch."""

    def __init__(self, batch, change):
        super().__init__()
        self.batch, self.change = batch, change

    def on_train_batch_end(self, batch, logs=None):
        if batch == self.batch:
            self.change()


def assert_six_steps(model, loss, backend, y, weights):
    """Row 200 is in the seventh batch of 32: the steps before it are complete, and training can go on."""
    assert model.optimizer.iterations == 6
    expected = make_model(loss, backend)
    expected.fit(X, Y, sample_weight=weights, batch_size=32, verbose=0, shuffle=False, steps_per_epoch=6)
    assert same(model, expected)
    y[200] = Y[200]
    model.fit(X, y, sample_weight=weights, verbose=0)


@pytest.mark.parametrize(("loss", "value"), WRONG, ids=str)
def test_targets_changed_by_a_callback(loss, value, backend):
    y, model = Y.copy(), make_model(loss, backend)
    change = AfterBatch(2, lambda: y.__setitem__((200, 3), value))
    must = "finite" if loss == "mse" else "between 0 and 1"
    with pytest.raises(ValueError, match=f"y has the value {value} in row 200; targets must be {must}"):
        model.fit(X, y, batch_size=32, verbose=0, shuffle=False, callbacks=[change])
    assert_six_steps(model, loss, backend, y, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("loss", ["mse", half_square], ids=["mse", "function"])
def test_weights_changed_by_a_callback(loss, value, backend):
    weights, model = WEIGHTS.copy(), make_model(loss, backend)
    change = AfterBatch(2, lambda: weights.__setitem__(200, value))
    message = f"sample_weight has the value {value} in row 200; weights must be finite"
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, sample_weight=weights, batch_size=32, verbose=0, shuffle=False, callbacks=[change])
    with pytest.raises(ValueError, match=message):
        model.evaluate(X, Y, sample_weight=weights)
    assert_six_steps(model, loss, backend, Y.copy(), WEIGHTS)


def test_between_slices(backend):
    y, weights, rates = Y.copy(), WEIGHTS.copy(), np.full(8, 0.1, np.float32)
    plan = make_model("binary_crossentropy", backend)._engine.plan_for(64)
    order = np.arange(512)[::-1].copy()
    for array, place, value, message in (
        (y, (400, 4), 2.0, r"y has the value 2.0 in row 400; targets must be between 0 and 1"),
        (weights, 300, math.nan, "sample_weight has the value nan in row 300; weights must be finite"),
    ):
        plan.train(X, y, weights, order, 0, rates, 64, 0, 0, 0.0)
        kept, array[place] = array[place], value
        start = 64 if array is y else 192  # of the batch with the row
        assert plan.train(X, y, weights, order, 0, rates, 64, 0, 0, 9.0)[:2] == (start // 64, start)
        before = [w.copy() for w in plan.get_parameters()]
        for _ in range(2):
            with pytest.raises(ValueError, match=message):
                plan.train(X, y, weights, order, start, rates, 64, 0, 1, 1.0)
        with pytest.raises(ValueError, match=message):
            plan.evaluate(X, y, weights, 64, 512)
        with pytest.raises(
            ValueError, match=message.replace("row 400", "row 100").replace("row 300", "row 0")
        ):
            plan.gradients(X[300:420], y[300:420], weights[300:420])
        assert all(np.array_equal(*pair) for pair in zip(before, plan.get_parameters(), strict=True))
        array[place] = kept
    assert plan.evaluate(X, y, weights, 0, 512)[0] == 512


@pytest.mark.parametrize("what", ["y", "validation", "weights of the validation"])
def test_epochs_of_one_call(what, monkeypatch):
    """Several short epochs are trained in one call of the core; the steps before the bad row are counted."""
    model = make_model("binary_crossentropy")
    y, held_y, held_weights = Y.copy(), Y[:64].copy(), np.ones(64, np.float32)
    model.fit(X, y, epochs=3, verbose=0)
    found, before = model._engine.train_epochs, model.optimizer.iterations

    def late(*arguments):
        {"y": y, "validation": held_y}.get(what, held_weights)[33] = math.nan
        return found(*arguments)

    monkeypatch.setattr(model._engine, "train_epochs", late)
    with pytest.raises(ValueError, match="has the value nan in row 33") as caught:
        held_out = (X[:64], held_y, held_weights)
        model.fit(X, y, epochs=500, batch_size=64, shuffle=False, verbose=0, validation_data=held_out)
    assert hasattr(caught.value, "__notes__") == (what != "y")
    assert (model.optimizer.iterations - before) % 8 == 0  # the first batch of an epoch, or after its last


@pytest.mark.parametrize("by_batch", [False, True])
def test_validation_changed_by_a_callback(by_batch, backend):
    y, weights = Y.copy(), WEIGHTS.copy()
    for array, name in ((y, "y"), (weights, "sample_weight")):
        model = make_model("binary_crossentropy", backend)
        hooks = [
            callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs, a=array: a.__setitem__(7, math.nan))
        ]
        if by_batch:
            hooks.append(callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: None))
        with pytest.raises(ValueError, match=f"{name} has the value nan in row 7") as caught:
            model.fit(X, Y, validation_data=(X, y, weights), epochs=2, verbose=0, callbacks=hooks)
        assert caught.value.__notes__ == ["while validation_data were evaluated"]
        assert model.optimizer.iterations == 16
        array[7] = 1.0


@pytest.mark.parametrize("call", ["fit", "train", "evaluate", "gradients"])
def test_changed_by_another_thread(call):
    """Targets and weights change without end: a call has a sound result or an error that names them."""
    x = np.repeat(X, 8, axis=0)
    y, weights = np.repeat(Y, 8, axis=0), np.repeat(WEIGHTS, 8)
    model, stop = make_model("binary_crossentropy"), threading.Event()

    def scribble():
        random = np.random.default_rng(1)
        while not stop.is_set():
            for value in (2.0, -3.0, np.nan, np.inf):
                y[random.integers(0, len(y), 40), 2] = value
                time.sleep(random.random() * 1e-3)
                y[:, 2] = 1.0
            weights[random.integers(0, len(y), 40)] = np.nan
            time.sleep(random.random() * 1e-3)
            weights[:] = 1.0

    plan, rates = model._engine.plan_for(4096), np.full(8, 0.1, np.float32)
    arrays, fit = (x, y, weights), {"batch_size": 512, "epochs": 3, "verbose": 0}
    calls = {  # the losses; the plan reads the values without checking all of them first
        "fit": lambda: model.fit(x, y, sample_weight=weights, **fit).history["loss"],
        "train": lambda: [plan.train(*arrays, None, 0, rates, 512, 0, 0, 9.0)[2]],
        "evaluate": lambda: [plan.evaluate(*arrays, 0, 4096)[1]],
        "gradients": lambda: [plan.gradients(*arrays)[0]],
    }
    thread = threading.Thread(target=scribble, daemon=True)
    thread.start()
    caught, end = 0, time.perf_counter() + 60.0
    try:
        while caught < 30 and time.perf_counter() < end:
            try:
                assert all(0.0 < value < math.inf for value in calls[call]())
            except ValueError as error:
                assert "y has the value" in str(error) or "sample_weight has the value" in str(error)
                caught += 1
    finally:
        stop.set()
        thread.join()
    assert caught == 30
    assert all(np.isfinite(w).all() for w in model.get_weights())


GROWN, SHRUNK = 2**18, 3


@pytest.mark.parametrize("name", ["x", "y", "sample_weight"])
@pytest.mark.parametrize("rows", [GROWN, SHRUNK])
@pytest.mark.parametrize("what", ["training", "validation"])
def test_arrays_resized_by_a_callback(name, rows, what, backend):
    """NumPy moves or shrinks the memory although there are views of it."""
    arrays = {"x": X.copy(), "y": Y.copy(), "sample_weight": WEIGHTS.copy()}
    given = list(arrays.values())
    array, model = arrays[name], make_model("mse", backend)

    def resize():
        array.resize((rows, *array.shape[1:]), refcheck=False)

    data = {"x": given[0], "y": given[1], "sample_weight": given[2]}
    if what == "validation":
        data = {"x": X, "y": Y, "validation_data": tuple(given)}
    fit = partial(model.fit, **data, batch_size=32, epochs=2, verbose=0, callbacks=[AfterBatch(3, resize)])
    with pytest.raises(ValueError, match=f"{name} was resized in place"):
        fit()
    assert model.optimizer.iterations == (4 if what == "training" else 16)
    assert all(np.isfinite(w).all() for w in model.get_weights())
