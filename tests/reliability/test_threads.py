"""Threads, the caller's and nnc's: changing labels, models in several threads, Ctrl-C."""

import hashlib
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from programs import run

import nnc
from nnc import callbacks, layers

rng = np.random.default_rng(0)
X = rng.normal(size=(512, 20)).astype(np.float32)
Y = rng.integers(0, 5, 512).astype(np.int32)


def make_model(seed=3, **compiled):
    model = nnc.Sequential(
        [nnc.Input((20,)), layers.Dense(30, "relu"), layers.Dense(5, "softmax")], seed=seed
    )
    model.compile(
        **{"optimizer": nnc.optimizers.SGD(0.1, momentum=0.9), "loss": "sparse_categorical_crossentropy"}
        | compiled
    )
    return model


def sha(model):
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()


# ------------------------------------------------------------------------- labels that change during training


@pytest.mark.parametrize("wrong", [-1, 5, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", nnc.losses.MarginHinge()])
def test_labels_changed_by_a_callback(wrong, loss):
    """The step that would read them is not executed; the steps before it are complete."""
    y = Y.copy()
    model, expected = make_model(loss=loss), make_model(loss=loss)

    class Spoil(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                y[200] = wrong

    with pytest.raises(ValueError, match=rf"y\[200\] is class {wrong}, there are 5 outputs"):
        model.fit(X, y, batch_size=32, verbose=0, shuffle=False, callbacks=[Spoil()])
    assert model.optimizer.iterations == 6  # row 200 is in the seventh batch
    expected.fit(X, Y, batch_size=32, verbose=0, shuffle=False, steps_per_epoch=6)
    assert sha(model) == sha(expected)
    y[200] = 0
    model.fit(X, y, verbose=0)


def test_labels_changed_between_slices():
    y, rates = Y.copy(), np.full(8, 0.1, np.float32)
    plan = make_model()._engine.plan_for(64)
    plan.train(X, y, None, None, 0, rates, 64, 0, 0, 0.0)
    y[70] = 17
    with pytest.raises(ValueError, match=r"y\[70\] is class 17, there are 5 outputs"):
        plan.train(X, y, None, None, 64, rates, 64, 0, 1, 1.0)
    before = [w.tobytes() for w in plan.get_parameters()]
    assert plan.train(X, y, None, None, 128, rates[:1], 64, 0, 1, 1.0)[0] == 1  # valid rows
    with pytest.raises(ValueError, match=r"y\[70\] is class 17"):
        plan.evaluate(X, y, None, 0, 512)
    assert [w.tobytes() for w in plan.get_parameters()] != before


def test_orders_changed_between_slices():
    order, rates = np.arange(512)[::-1].copy(), np.full(8, 0.1, np.float32)
    plan = make_model()._engine.plan_for(64)
    plan.train(X, Y, None, order, 0, rates, 64, 0, 0, 0.0)
    before = [w.tobytes() for w in plan.get_parameters()]
    for wrong in (512, -1, 2**62):
        order[100] = wrong
        with pytest.raises(ValueError, match=rf"order\[100\] is {wrong}, which is not a row of x"):
            plan.train(X, Y, None, order, 64, rates, 64, 0, 1, 1.0)
    assert [w.tobytes() for w in plan.get_parameters()] == before


def test_epochs_that_run_ahead_keep_whole_steps():
    """A label becomes invalid while the core trains several epochs in one call."""
    y = Y.copy()
    model = make_model()
    model.fit(X, y, epochs=3, verbose=0)
    plan = model._engine.plan_for(32)
    orders = np.stack([np.arange(512), np.arange(512)[::-1]])
    done, broken, sums, error = plan.train_epochs(
        X, y, None, None, orders, np.full((2, 16), 0.1, np.float32), 32, 0, 0, 9.0
    )
    assert (done, broken, error) == (2, -1, None) and sums.shape[0] == 2


SCRIBBLE = """
import threading, time, numpy as np, nnc
rng = np.random.default_rng(0)
x, y = rng.normal(size=(4096, 20)).astype(np.float32), rng.integers(0, 5, 4096).astype(np.int32)
layers = nnc.layers
model = nnc.Sequential([nnc.Input((20,)), layers.Dense(30, "relu"), layers.Dense(5, "softmax")], seed=3)
model.compile("sgd", {loss}, metrics=["accuracy"])
stop = False
def scribble():
    while not stop:
        for wrong in (2**31 - 1, -2**31, 5, -1, 10**6):
            y[rng.integers(0, 4096, 40)] = wrong
        y[:] = 1
thread = threading.Thread(target=scribble, daemon=True)
thread.start()
caught = 0
end = time.perf_counter() + 3
while time.perf_counter() < end:
    try:
        {call}
        assert {sound}
    except ValueError as error:
        assert "y" in str(error), error
        caught += 1
stop = True
thread.join()
print("caught", caught > 0, all(np.isfinite(w).all() for w in model.get_weights()))
"""


@pytest.mark.parametrize(
    ("call", "sound"),
    [
        ("history = model.fit(x, y, batch_size=512, epochs=3, verbose=0)", "history.history['loss'][-1] > 0"),
        ("loss = model.evaluate(x, y)", "loss[0] > 0"),
        ("found = model.gradients(x[:100], y[:100])", "len(found) == 4"),
        ("found = nnc.functional.loss(model.loss.spec(), y, np.full((4096, 5), 0.2))", "found[0] > 0"),
    ],
)
def test_labels_changed_by_another_thread(call, sound):
    code = SCRIBBLE.format(loss="'sparse_categorical_crossentropy'", call=call, sound=sound)
    assert run(code) == ["caught True True"]


# ------------------------------------------------------------------------- one model in several threads


def together(functions):
    """Call all functions at the same time, each in a thread; return their results or exceptions."""
    start, found = threading.Barrier(len(functions)), [None] * len(functions)

    def call(i):
        start.wait()
        try:
            found[i] = functions[i]()
        except Exception as error:
            found[i] = error

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=call, args=(i,)) for i in range(len(functions))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(switch)
    return found


def unbuilt(seed):
    model = nnc.Sequential(
        [layers.Dense(30, "relu"), layers.Dense(30), layers.PReLU(), layers.Dense(5)], seed=seed
    )
    model.compile("sgd", nnc.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def uses_of(model):
    """Seven first calls, of which the first five return its outputs."""
    predicting = [lambda: model.predict(X)] * 3 + [lambda: model.predict_on_batch(X)] * 2
    others = [lambda: np.array(model.evaluate(X, Y)), lambda: model.gradients(X, Y)[0]]
    return predicting + others


def test_first_use_by_several_threads(trials):
    for seed in range(trials(25, 200)):
        model, expected = unbuilt(seed), unbuilt(seed).predict(X)
        found = together(uses_of(model))
        assert all(isinstance(each, np.ndarray) for each in found), found
        for each in found[:5]:
            assert np.array_equal(each, expected)
        assert np.array_equal(model.predict(X), expected)


def test_no_step_is_lost_when_the_plan_changes():
    """Larger batches in another thread create new plans while fit runs."""
    expected = make_model()
    expected.fit(X, Y, batch_size=16, epochs=60, verbose=0)
    for _ in range(3):
        model = make_model()
        wide = np.repeat(X, 20, axis=0), np.repeat(Y, 20)

        def grow(model=model, wide=wide):
            for n in range(150, 10000, 150):
                model.gradients(wide[0][:n], wide[1][:n])

        found = together([lambda model=model: model.fit(X, Y, batch_size=16, epochs=60, verbose=0), grow])
        assert not any(isinstance(each, Exception) for each in found), found
        assert model.optimizer.iterations == expected.optimizer.iterations
        assert sha(model) == sha(expected)


def test_files_saved_by_another_thread_agree_in_themselves(tmp_path):
    """The weights, the optimizer's state and step count, and the position are those of one step."""

    def make():
        return make_model(optimizer=nnc.optimizers.Adam(0.01))

    arguments = {"batch_size": 8, "epochs": 20, "verbose": 0}
    expected, model, over, paths = make(), make(), threading.Event(), []
    expected.fit(X, Y, **arguments)

    def train():
        hooks = [callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(1e-4))]
        try:
            model.fit(X, Y, callbacks=hooks, **arguments)
        finally:
            over.set()

    def save():
        while not over.is_set():
            model.save(tmp_path / str(len(paths)))
            paths.append(tmp_path / str(len(paths)))

    found = together([train, save])
    assert found == [None, None] and sha(model) == sha(expected) and len(paths) > 3
    for path in paths[:: len(paths) // 12 + 1]:
        other = make()
        other.fit(X, Y, resume_from=path, **arguments)
        assert sha(other) == sha(expected)


def test_a_file_has_one_state_of_trainable(tmp_path, monkeypatch):
    """`trainable` of a layer is set without the model's lock, at any time while another thread saves."""
    model = make_model(optimizer="adam")
    model.fit(X, Y, verbose=0)
    state = type(model._engine).state

    def set_afterwards(engine, *arguments):
        found = state(engine, *arguments)
        model.layers[0].trainable = False
        return found

    monkeypatch.setattr(type(model._engine), "state", set_afterwards)
    model.save(tmp_path / "model")
    assert sha(nnc.load_model(tmp_path / "model")) == sha(model)


def test_copies_while_another_thread_compiles_and_trains(trials):
    import copy
    import pickle

    model, over = unbuilt(0), threading.Event()

    def train():
        try:
            for i in range(trials(60, 600)):
                metrics = ["accuracy"] if i % 2 else []
                model.compile(
                    "adam", nnc.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=metrics
                )
                model.fit(X, Y, epochs=2, validation_split=0.2 * (i % 2), verbose=0)
        finally:
            over.set()

    def copies():
        while not over.is_set():
            for twin in copy.deepcopy(model), pickle.loads(pickle.dumps(model)), copy.copy(model):
                assert twin.predict(X).shape == (512, 5)

    assert together([train, copies, copies]) == [None] * 3


@pytest.mark.parametrize("metrics", [[], ["accuracy"], ["mse", "accuracy"]])
@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_test_batch_end"])
def test_compiled_within_an_epoch(hook, metrics):
    """The means of the epoch are of the old loss and metrics; between epochs it is allowed."""
    model = make_model(metrics=["accuracy"])

    def compile_again(*_):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics)

    watch = callbacks.LambdaCallback(**{hook: compile_again})
    data = {"validation_data": (X, Y), "verbose": 0, "callbacks": [watch]}
    with pytest.raises(RuntimeError, match="was compiled, or its layers changed, within an epoch of fit"):
        model.fit(X, Y, **data)
    between = callbacks.LambdaCallback(on_epoch_begin=compile_again, on_epoch_end=compile_again)
    history = model.fit(X, Y, epochs=2, **data | {"callbacks": [between]})
    assert len(history.history["val_loss"]) == 2 and model.optimizer.iterations == 0


def test_saving_while_another_thread_builds(tmp_path):
    for seed in range(20):
        model = unbuilt(seed)
        saving = [lambda i=i, model=model: model.save(tmp_path / str(i)) for i in range(4)]
        found = together([*saving, lambda model=model: model.predict(X), *saving])
        assert [each for each in found if each is not None and not isinstance(each, np.ndarray)] == []
        for i in range(4):
            loaded = nnc.load_model(tmp_path / str(i))
            assert not loaded.built or np.array_equal(loaded.predict(X), model.predict(X))


def test_a_model_is_copied_with_a_lock_of_its_own():
    import copy
    import pickle

    model = make_model()
    with model._stack.lock:
        others = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
        found = together([lambda other=other: other.predict(X) for other in others])
    for each in found:
        assert np.array_equal(each, model.predict(X))


# ------------------------------------------------------------------------- Ctrl-C


def interrupt_after(seconds, function):
    """Call `function`, send SIGINT during the call; return the seconds from the signal to its end."""
    sent = []

    def send():
        time.sleep(seconds)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            function()
            time.sleep(60)  # until the signal arrives
        return time.perf_counter() - sent[0]
    finally:
        sender.join()


def big(loss="sparse_categorical_crossentropy", optimizer=None):
    """A model whose step on 3,000 rows takes one thread seconds."""
    stack = [nnc.Input((20,)), *(layers.Dense(2048, "relu") for _ in range(4)), layers.Dense(5, "softmax")]
    model = nnc.Sequential(stack, seed=3)
    model.compile(optimizer or nnc.optimizers.SGD(0.01, momentum=0.9), loss)
    model.fit(X[:4], Y[:4], verbose=0)
    return model


def mean_of_squares(y, outputs):
    one_hot = np.eye(5)[y]
    return float(((outputs - one_hot) ** 2).sum() / len(y)), 2 * (outputs - one_hot) / len(y)


@pytest.mark.parametrize(
    "loss", ["sparse_categorical_crossentropy", mean_of_squares], ids=["own", "function"]
)
def test_a_long_step_is_given_up(loss, threads, trials):
    threads(1)
    x, y = np.repeat(X, 6, axis=0), np.repeat(Y, 6)
    model = big(loss)
    for seconds in (0.3, 1.0, 2.0)[: trials(2, 3)]:
        before, done = sha(model), model.optimizer.iterations
        late = interrupt_after(seconds, lambda: model.fit(x, y, batch_size=len(x), epochs=50, verbose=0))
        made = model.optimizer.iterations - done
        assert made < 40  # it ended before the last step
        assert (sha(model) == before) == (made == 0)
        assert late < 1.0 or not trials.long
    before = sha(model)
    interrupt_after(0.2, lambda: [model.predict(x) for _ in range(1000)])
    interrupt_after(0.2, lambda: [model.gradients(x, y) for _ in range(1000)])
    interrupt_after(0.2, lambda: [model.train_on_batch(x, y) for _ in range(1000)])
    assert np.isfinite(model.train_on_batch(x[:32], y[:32]))
    assert before


def test_steps_given_up_leave_no_trace(threads):
    """Interrupted repeatedly, then trained: bitwise equal to a run without interruptions."""
    threads(1)
    x, y = np.repeat(X, 2, axis=0), np.repeat(Y, 2)
    model, expected = big(optimizer="adam"), big(optimizer="adam")
    stopped = 0
    for i in range(6):
        done = model.optimizer.iterations
        interrupt_after(
            0.1 + 0.12 * i, lambda: model.fit(x, y, batch_size=len(x), epochs=50, shuffle=False, verbose=0)
        )
        stopped += model.optimizer.iterations - done
    for _ in range(stopped):
        expected.train_on_batch(x, y)
    assert sha(model) == sha(expected)


def test_a_handler_that_lets_training_go_on(threads):
    threads(1)
    came = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(1))
    try:
        x, y = np.repeat(X, 2, axis=0), np.repeat(Y, 2)
        model, expected = big(), big()
        timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        model.fit(x, y, batch_size=len(x), epochs=2, verbose=0)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    expected.fit(x, y, batch_size=len(x), epochs=2, verbose=0)
    assert came and sha(model) == sha(expected)


def test_another_signals_handler_may_raise(threads):
    """A handler runs at once while the core computes, and an exception that it raises ends the call."""
    threads(1)

    class Alarm(Exception):
        pass

    def ring(*_):
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        x = np.repeat(X, 300, axis=0)
        model = big()
        model.predict(X[:1])
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Alarm):
            model._engine.plan_for(1).forward(x)  # in one call
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert np.isfinite(model.predict(X)).all()


class OfBatches:
    """An estimator that trains batch by batch."""

    def fit(self, x, y):
        self.model = big()
        for _ in range(20):
            self.model.train_on_batch(x, y)

    def score(self, x, y):
        return 0.0


@pytest.mark.parametrize("target", [lambda params: big(), OfBatches()], ids=["models", "estimator"])
def test_a_search_gives_up_long_steps(target):
    """They run in other threads than the one that Ctrl-C interrupts."""
    x, y = np.repeat(X, 8, axis=0), np.repeat(Y, 8)
    fitting = {} if isinstance(target, OfBatches) else {"epochs": 9, "batch_size": len(x)}
    options = {"validation_split": 0.2, "n_jobs": 1, "threads_per_job": 1, "verbose": 0}
    grid = nnc.search.GridSearch(target, {"rate": [1, 2]}, **fitting, **options)

    def run():
        if grid.run(x, y).interrupted:
            raise KeyboardInterrupt

    assert interrupt_after(1.5, run) < 2.0  # a step takes longer


def test_an_estimator_gives_up_long_steps(threads):
    threads(1)
    x, y = np.repeat(X, 8, axis=0), np.repeat(Y, 8)
    pytest.importorskip("sklearn")
    from nnc.sklearn import MLPClassifier

    estimator = MLPClassifier((2048,) * 4, batch_size=len(x), solver="sgd", max_iter=9)

    def fit():
        with pytest.warns(UserWarning, match="interrupted by user"):
            estimator.fit(x, y)
        raise KeyboardInterrupt

    assert interrupt_after(1.5, fit) < 2.0


def test_no_python_code_runs_when_a_model_is_deleted():
    """If a signal arrives in such code, the exception of its handler, as of Ctrl-C, is lost."""
    model, calls = make_model(metrics=["accuracy"]), []
    model.fit(X, Y, validation_split=0.2, verbose=0)
    sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        del model
    finally:
        sys.setprofile(None)
    assert calls == []


def test_weights_are_drawn_in_parts():
    """The same numbers for any parts; drawing one part takes a few milliseconds."""
    from nnc import initializers, random

    shape = (3, initializers._PART + 5)
    for name in ("glorot_uniform", "random_normal", "he_normal", "truncated_normal"):
        drawn = initializers.get(name)(shape, random.generator(1, random.Purpose.WEIGHTS))
        part, initializers._PART = initializers._PART, 2**40
        try:
            whole = initializers.get(name)(shape, random.generator(1, random.Purpose.WEIGHTS))
        finally:
            initializers._PART = part
        assert np.array_equal(drawn, whole) and drawn.dtype == np.float32


def test_conversions_and_first_weights_hear_ctrl_c(trials):
    """They run in parts, each of which takes much less time than all together."""
    wide = layers.Dense(trials(4000, 20000), kernel_initializer="truncated_normal")
    model = nnc.Sequential([nnc.Input((10000,)), wide])
    late = interrupt_after(0.1, lambda: [model.get_weights(), time.sleep(60)])
    assert not trials.long or late < 0.2
    assert not model._engine._values
    x = np.zeros((trials(100_000, 400_000), 784))
    model = make_model()
    model = nnc.Sequential([nnc.Input((784,)), layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    late = interrupt_after(0.05, lambda: [model.fit(x, np.zeros(len(x), int), verbose=0, epochs=99)])
    assert not trials.long or late < 0.2
