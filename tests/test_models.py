"""Sequential: building, training, evaluating, predicting; on both backends where it computes."""

import copy
import gc
import itertools
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import numpy as np
import pytest

from nnc import (
    DivergenceError,
    Sequential,
    _loops,
    callbacks,
    layers,
    losses,
    metrics,
    optimizers,
    random,
    schedules,
)

RNG = np.random.default_rng(5)
X = RNG.normal(size=(67, 4)).astype(np.float32)
IDS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)
ROWS = np.eye(3, dtype=np.float32)[IDS]


def classifier(
    backend="compiled", seed=1, optimizer=None, loss="sparse_categorical_crossentropy", dropout=0.0, **more
):
    model = Sequential([layers.Input((4,)), layers.Dense(7, "relu")], seed=seed)
    if dropout:
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(3, "softmax"))
    model.compile(
        optimizer or optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"], backend=backend, **more
    )
    return model


def same(a, b):
    """Whether the weights of two models have the same bits."""
    return all(np.array_equal(p, q) for p, q in zip(a.get_weights(), b.get_weights(), strict=True))


# ------------------------------------------------------------------------------------------ building


def test_names_and_shapes():
    model = Sequential(name="small")
    assert not model.built and model.output_shape is None
    model.add(layers.Input((4, 2)))
    for layer in (layers.Flatten(), layers.Dense(5), layers.Dense(4, name="middle"), layers.Dense(3)):
        model.add(layer)
    assert [layer.name for layer in model.layers] == ["flatten", "dense", "middle", "dense_1"]
    assert model.built and (model.input_shape, model.output_shape) == ((4, 2), (3,))
    assert model.count_params() == 8 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3
    assert [w.shape for w in model.get_weights()] == [(8, 5), (5,), (5, 4), (4,), (4, 3), (3,)]
    assert model.get_layer("middle") is model.layers[2] is model.get_layer(index=2)
    with pytest.raises(ValueError, match="no layer 'x'; it has flatten, dense, middle, dense_1"):
        model.get_layer("x")
    with pytest.raises(ValueError, match="name or index"):
        model.get_layer()


def test_taken_name_is_passed_over():
    model = Sequential([layers.Dense(2, name="dense_1", input_shape=(3,)), layers.Dense(2), layers.Dense(2)])
    assert [layer.name for layer in model.layers] == ["dense_1", "dense", "dense_2"]


@pytest.mark.parametrize(
    ("add", "error", "message"),
    [
        (lambda m: m.add(layers.Dense(3, name="dense")), ValueError, "has a layer named 'dense' already"),
        (lambda m: m.add(m.layers[0]), ValueError, "is in the model already"),
        (lambda m: m.add(layers.Input((4,))), ValueError, "an Input comes first and once"),
        (lambda m: m.add("dense"), TypeError, "add takes a layer of nnc.layers, got 'dense'"),
        (lambda m: m.add(layers.Reshape((2, 2))), ValueError, "3 features do not fit"),
        (lambda m: m.build((None, 5)), ValueError, r"takes samples of shape \(4,\), got \(5,\)"),
        (lambda m: m.build((4,)), ValueError, r"begin with the batch axis"),
    ],
)
def test_wrong_layers(add, error, message):
    model = Sequential([layers.Dense(3, input_dim=4)])
    with pytest.raises(error, match=message):
        add(model)
    assert len(model.layers) == 1 and model.predict(X).shape == (67, 3)


def test_wrong_constructor_arguments():
    for arguments in ({"trainable": False}, {"seed": -1}, {"seed": 2**64}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            Sequential(**arguments)
    for arguments in ({"name": 3}, {"seed": 1.5}):
        with pytest.raises(TypeError, match=next(iter(arguments))):
            Sequential(**arguments)


def test_three_ways_to_build_give_the_same_weights():
    models = [Sequential([layers.Dense(5), layers.Dense(3)], seed=9) for _ in range(2)]
    models[0].build((None, 4))
    models[1].compile("sgd", "mse")
    models[1].predict(X)
    models.append(Sequential([layers.Input((4,)), layers.Dense(5), layers.Dense(3)], seed=9))
    models.append(Sequential([layers.Dense(5, input_shape=(4,)), layers.Dense(3)], seed=9))
    assert all(same(models[0], other) for other in models)
    assert not same(models[0], Sequential([layers.Dense(5, input_dim=4), layers.Dense(3)], seed=8))


def test_weights_need_a_built_model():
    model = Sequential([layers.Dense(5)])
    for use in (model.get_weights, model.count_params, lambda: model.set_weights([])):
        with pytest.raises(ValueError, match="the model is not built"):
            use()
    with pytest.raises(ValueError, match="no Input"):
        model.build()
    with pytest.raises(ValueError, match="has no layers"):
        Sequential().predict(X)


def test_seed_comes_from_the_global_sequence():
    random.set_random_seed(4)
    a, b = classifier(seed=None), classifier(seed=None)
    assert not same(a, b)
    random.set_random_seed(4)
    assert same(a, classifier(seed=None))
    random.set_random_seed(0)


def test_add_and_pop_keep_weights(backend):
    model = classifier(backend)
    model.fit(X, IDS, verbose=0)
    before = model.get_weights()
    popped = model.pop()
    assert popped.name == "dense_1" and model.output_shape == (7,)
    assert model.optimizer.iterations == 0
    model.add(layers.Dense(3, "softmax"))
    after = model.get_weights()
    for a, b in zip(before[:2], after[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(model.fit(X, IDS, verbose=0).history["loss"][0])
    model.pop(), model.pop()
    assert model.input_shape == (4,)  # its Input is still there
    with pytest.raises(ValueError, match="no layers"):
        model.pop()


def test_set_weights():
    model = classifier()
    weights = [w + 1 for w in model.get_weights()]
    for _ in range(2):  # before there is a plan, and after
        model.set_weights([w.tolist() for w in weights])
        for a, b in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)
        model.predict(X)
    with pytest.raises(ValueError, match="takes 4 arrays for this model, got 3"):
        model.set_weights(weights[:3])
    with pytest.raises(ValueError, match=r"kernel of layer 'dense_1' has shape \(7, 3\), got .* \(3, 7\)"):
        model.set_weights([*weights[:2], weights[2].T, weights[3]])
    with pytest.raises(ValueError, match=r"dense/kernel\[0, 0\] is 1e\+300, too large for float32"):
        model.set_weights([np.full((4, 7), 1e300), *weights[1:]])
    given = model.get_weights()
    given[0][:] = 0  # copies
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_a_layer_belongs_to_one_model():
    model = Sequential([layers.Dense(3, input_dim=4)], name="first")
    layer = model.layers[0]
    with pytest.raises(ValueError, match=r"is in another model, 'first'.*set_weights"):
        Sequential([layer])
    assert model.pop() is layer and model.input_shape is None
    Sequential([layer])
    gone = [layers.Dense(3)]
    Sequential(gone)
    Sequential(gone)  # the first is gone


@pytest.mark.parametrize("take", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_independent_and_go_on(take, backend):
    model = classifier(backend, optimizer="adam", dropout=0.2)
    for _ in range(2):  # before there is a plan, and after
        twin = take(model)
        assert same(model, twin)
        for m in (model, twin):
            m.fit(X, IDS, initial_epoch=m._epoch, epochs=m._epoch + 2, verbose=0)
        assert same(model, twin)
        assert twin.history.history == model.history.history and twin.history is not model.history
    twin.fit(X, IDS, verbose=0)
    assert not same(model, twin)


# ------------------------------------------------------------------------------------------ compiling


def test_compile_errors_leave_the_model_as_it_was(backend):
    model = classifier(backend)
    model.fit(X, IDS, verbose=0)
    before = model.evaluate(X, IDS)
    for arguments in (
        {"optimizer": "sgdd"},
        {"loss": "nse"},
        {"loss": "mse", "metrics": ["acuracy"]},
        {"loss": "mse", "metrics": ["mae", "mae"]},
        {"loss": "mse", "loss_weights": [1.0]},
        {"loss": "mse", "backend": "jax"},
    ):
        with pytest.raises(ValueError, match=r"must be|must have|has no"):
            model.compile(**arguments)
        assert model.evaluate(X, IDS) == before


def test_not_compiled():
    model = Sequential([layers.Dense(3)])
    with pytest.raises(ValueError, match=r"compile\(optimizer, loss"):
        model.fit(X, IDS)
    with pytest.raises(ValueError, match=r"compile\(optimizer, loss"):
        model.evaluate(X, IDS)
    assert model.predict(X).shape == (67, 3)
    model.compile("sgd")
    with pytest.raises(ValueError, match=r"compile\(optimizer, loss"):
        model.fit(X, IDS)


def test_layers_behind_compile(backend):
    """Loss and metrics need to fit the finished model only."""
    model = Sequential(seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], backend=backend)
    for layer in (layers.Input((4,)), layers.Reshape((2, 2)), layers.Flatten(), layers.Dense(3)):
        model.add(layer)
    assert model.metrics_names == ["loss", "accuracy"] and isinstance(
        model.metrics[0], metrics.SparseCategoricalAccuracy
    )
    model.pop()
    model.add(layers.Dense(1))
    assert isinstance(model.metrics[0], metrics.BinaryAccuracy)


def test_arrays_are_let_go(backend):
    model = classifier(backend)
    for use in (model.fit, model.evaluate, model.train_on_batch):
        x, y = X.copy(), IDS.astype(np.int32)
        alive = weakref.ref(x), weakref.ref(y)
        use(x, y, **({"verbose": 0} if use == model.fit else {}))
        del x, y
        gc.collect()
        assert alive[0]() is None and alive[1]() is None


def test_one_distribution_needs_one_axis():
    model = Sequential([layers.Input((12,)), layers.Reshape((4, 3)), layers.Softmax()])
    with pytest.raises(ValueError, match=r"categorical_crossentropy needs outputs of one axis, got \(4, 3\)"):
        model.compile("sgd", "categorical_crossentropy")
    model.compile("sgd", "mse")
    assert model.predict(np.zeros((2, 12))).shape == (2, 4, 3)
    np.testing.assert_allclose(model.predict(np.zeros((2, 12))), 1 / 3, rtol=1e-6)
    assert model.evaluate(np.zeros((2, 12)), np.full((2, 4, 3), 1 / 3)) < 1e-12


def test_recompiling_keeps_weights_and_a_kept_optimizer(backend):
    model, twin = classifier(backend), classifier(backend)
    for m in (model, twin):
        m.fit(X, IDS, epochs=2, verbose=0)
    model.compile(model.optimizer, model.loss, metrics=["mae"], backend=backend)
    for m in (model, twin):
        m.fit(X, IDS, epochs=4, initial_epoch=2, verbose=0)
    assert same(model, twin) and model.optimizer.iterations == 12
    model.compile(optimizers.SGD(0.1, momentum=0.9), model.loss, backend=backend)
    assert model.optimizer.iterations == 0 and same(model, twin)


def test_backends_agree_and_can_be_exchanged():
    a, b = classifier("compiled", dropout=0.3), classifier("reference", dropout=0.3)
    for model in (a, b):
        model.fit(X, IDS, epochs=4, batch_size=5, verbose=0)
    for p, q in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(p, q, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(a.evaluate(X, IDS), b.evaluate(X, IDS), rtol=1e-4)
    assert a.predict(X).dtype == np.float32 and b.predict(X).dtype == np.float64
    a.compile(a.optimizer, a.loss, backend="reference")
    assert a.predict(X).dtype == np.float64
    a.fit(X, IDS, verbose=0)
    a.compile(a.optimizer, a.loss, backend="compiled")
    assert a.predict(X).dtype == np.float32


# ------------------------------------------------------------------------------------------ training


def test_history(backend):
    model = classifier(backend)
    history = model.fit(X, IDS, batch_size=10, epochs=3, verbose=0, validation_data=(X, ROWS.argmax(1)))
    assert history is model.history and history.epoch == [0, 1, 2]
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(
        len(values) == 3 and all(type(v) is float for v in values) for values in history.history.values()
    )
    assert history.history["val_loss"][-1] == model.evaluate(X, IDS)[0]
    assert history.params == {"epochs": 3, "initial_epoch": 0, "steps": 7, "verbose": 0}
    assert model.optimizer.iterations == 21


def test_epoch_loss_is_the_mean_over_rows(backend):
    """With no learning the epoch's loss, over batches of 10 and a last one of 7, is that of all rows."""
    model = classifier(backend, optimizer=optimizers.SGD(0.0))
    loss, accuracy = model.evaluate(X, IDS)
    history = model.fit(X, IDS, batch_size=10, verbose=0).history
    np.testing.assert_allclose(history["loss"], [loss], rtol=1e-6)
    np.testing.assert_allclose(history["accuracy"], [accuracy], rtol=1e-12)
    expected = -np.log(np.asarray(model.predict(X), np.float64)[np.arange(67), IDS]).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert accuracy == np.mean(model.predict(X).argmax(1) == IDS)


def test_one_epoch_by_hand(backend):
    """The first step of a linear model: w -= rate * dL/dw, rows in the order given."""
    model = Sequential([layers.Dense(1, use_bias=False, kernel_initializer="zeros")], seed=0)
    model.compile(optimizers.SGD(0.5), "mse", backend=backend)
    history = model.fit([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], batch_size=2, shuffle=False, verbose=0)
    w, total = 0.0, 0.0
    for x in ([1.0, 2.0], [3.0]):
        x = np.array(x)
        total += np.sum((w * x - x) ** 2)
        w -= 0.5 * np.mean(2 * (w * x - x) * x)
    np.testing.assert_allclose(model.get_weights()[0], [[w]], rtol=1e-6)
    np.testing.assert_allclose(history.history["loss"], [total / 3], rtol=1e-6)


def test_penalties_are_in_the_losses(backend):
    model = Sequential([layers.Dense(3, kernel_regularizer="l2")], seed=0)
    model.compile(optimizers.SGD(0.0), "mse", backend=backend)
    y = model.predict(X)
    penalty = 0.01 * float(np.sum(np.asarray(model.get_weights()[0], np.float64) ** 2))
    history = model.fit(X, y, verbose=0, validation_data=(X, y)).history
    np.testing.assert_allclose([history["loss"], history["val_loss"]], [[penalty]] * 2, rtol=1e-5)


@pytest.mark.parametrize("n", [1, 10])
@pytest.mark.parametrize("batch_size", [1, 3, 32, 10**9])
def test_few_rows(n, batch_size, backend):
    model = classifier(backend)
    history = model.fit(X[:n], IDS[:n], batch_size=batch_size, verbose=0)
    assert model.optimizer.iterations == -(-n // batch_size) and np.isfinite(history.history["loss"][0])
    assert model._plan.batch_size <= 128


def test_every_row_is_used_once_an_epoch_in_a_new_order(backend):
    seen = []

    def loss(y_true, y_pred):
        seen.append(y_true.tolist())
        return 0.0, np.zeros_like(y_pred)

    model = Sequential([layers.Dense(1)], seed=3)
    model.compile("sgd", loss, backend=backend)
    model.fit(np.arange(10.0), np.arange(10), batch_size=4, epochs=2, verbose=0)
    assert [len(rows) for rows in seen] == [4, 4, 2] * 2
    first, second = (list(itertools.chain(*part)) for part in (seen[:3], seen[3:]))
    assert sorted(first) == sorted(second) == list(range(10)) and first != second != list(range(10))
    seen.clear()
    model.fit(np.arange(10.0), np.arange(10), batch_size=4, shuffle=False, verbose=0)
    assert list(itertools.chain(*seen)) == list(range(10))


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_two_runs_are_one(name, backend):
    """fit(epochs=3) = fit(epochs=1) + fit(initial_epoch=1, epochs=3): shuffles, dropout, slots go on."""
    runs = []
    for ends in ([3], [1, 3], [1, 2, 3]):
        model = classifier(backend, optimizer=name, dropout=0.4)
        for begin, end in itertools.pairwise([0, *ends]):
            model.fit(X, IDS, batch_size=8, initial_epoch=begin, epochs=end, verbose=0)
        runs.append(model)
    assert same(runs[0], runs[1]) and same(runs[0], runs[2])
    assert runs[2].history.epoch == [2]
    assert runs[0].history.history["loss"][2] == runs[2].history.history["loss"][0]


def test_a_larger_batch_carries_everything_over(backend):
    runs = []
    for room in (1, 300):
        model = classifier(backend, optimizer="adam")
        model._plan_for(room)
        model.fit(X, IDS, batch_size=8, verbose=0)
        model.fit(np.tile(X, (3, 1)), np.tile(IDS, 3), batch_size=150, epochs=2, initial_epoch=1, verbose=0)
        runs.append(model)
    assert same(*runs)


def test_slices_do_not_change_the_result(backend, monkeypatch):
    runs = []
    for budget in (0.0, 10.0):
        monkeypatch.setattr(_loops, "BUDGET", budget)
        model = classifier(backend, optimizer="adam", dropout=0.2)
        history = model.fit(X, IDS, batch_size=4, epochs=2, verbose=0)
        runs.append(model)
    assert same(*runs)
    np.testing.assert_allclose(history.history["loss"], runs[0].history.history["loss"], rtol=1e-12)


def test_evaluation_in_slices(backend, monkeypatch):
    model = classifier(backend)
    whole = model.evaluate(X, IDS), model.predict(X)
    monkeypatch.setattr(_loops, "_slices", lambda model, n: ((i, min(i + 9, n)) for i in range(0, n, 9)))
    np.testing.assert_allclose(model.evaluate(X, IDS), whole[0], rtol=1e-7)
    np.testing.assert_array_equal(model.predict(X), whole[1])


def test_slices_cover_the_rows():
    model = classifier()
    for n in (0, 1, 65536, 65537, 200000):
        parts = list(_loops._slices(model, n))
        assert [a for a, _ in parts] == [0, *(b for _, b in parts)][: len(parts)] and (
            not n or parts[-1][1] == n
        )


def test_schedules(backend):
    """A schedule per step and per epoch gives the rates of the same schedule written out step by step."""
    decay = schedules.InverseTimeDecay(0.5, 1, 0.5)
    per_epoch = schedules.InverseTimeDecay(0.5, 1, 0.5, per="epoch")
    for schedule, rate_of in (
        (decay, lambda epoch, step: decay(step)),
        (per_epoch, lambda epoch, step: per_epoch(epoch)),
    ):
        model, other = (classifier(backend, optimizer=optimizers.SGD(schedule)) for _ in range(2))
        model.fit(X, IDS, batch_size=20, epochs=3, shuffle=False, verbose=0)
        other.compile(optimizers.SGD(1.0), other.loss, backend=backend)
        for step in range(12):
            rows = slice(step % 4 * 20, step % 4 * 20 + 20)
            other.optimizer.learning_rate = rate_of(step // 4, step)
            other.train_on_batch(X[rows], IDS[rows])
        assert same(model, other)


def test_class_weight_is_sample_weight(backend):
    table = {0: 3.0, 2: 0.25}
    weights = np.array([table.get(int(i), 1.0) for i in IDS])
    extra = RNG.uniform(0, 2, 67)
    for loss, y in (("sparse_categorical_crossentropy", IDS), ("categorical_crossentropy", ROWS)):
        runs = []
        for arguments in (
            {"class_weight": table, "sample_weight": extra},
            {"sample_weight": weights * extra},
        ):
            model = classifier(backend, loss=loss)
            model.fit(X, y, epochs=2, verbose=0, **arguments)
            runs.append(model)
        for p, q in zip(*(m.get_weights() for m in runs), strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-6)


def test_sample_weights_scale_the_loss_over_all_rows(backend):
    model = classifier(backend)
    weights = RNG.uniform(0, 2, 67)
    rows = -np.log(np.asarray(model.predict(X), np.float64)[np.arange(67), IDS])
    expected = np.sum(rows * weights) / 67
    np.testing.assert_allclose(model.evaluate(X, IDS, sample_weight=weights)[0], expected, rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(X, IDS, weights)[0], expected, rtol=1e-5)
    np.testing.assert_allclose(model.train_on_batch(X, IDS, weights)[0], expected, rtol=1e-5)


def test_validation_split_is_the_last_part(backend):
    runs = []
    for arguments in (
        {"x": X, "y": IDS, "validation_split": 0.3},
        {"x": X[:46], "y": IDS[:46], "validation_data": (X[46:], IDS[46:])},
    ):
        model = classifier(backend)
        runs.append((model, model.fit(epochs=2, verbose=0, **arguments).history))
    assert same(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]


def test_validation_options(backend):
    model = classifier(backend)
    run = dict(epochs=4, verbose=0, validation_data=(X, IDS))
    assert len(model.fit(X, IDS, validation_freq=2, **run).history["val_loss"]) == 2
    assert len(model.fit(X, IDS, validation_freq=[1, 3, 4], **run).history["val_loss"]) == 3
    model.compile(optimizers.SGD(0.0), model.loss, backend=backend)
    history = model.fit(X, IDS, validation_steps=2, validation_batch_size=5, **run).history
    assert (
        history["val_loss"][0]
        == model.evaluate(X[:10], IDS[:10])
        == model.evaluate(X, IDS, batch_size=5, steps=2)
    )
    with pytest.raises(ValueError, match="validation_freq must be at least 1, got 0"):
        model.fit(X, IDS, validation_freq=0, **run)


def test_steps_per_epoch(backend):
    model = classifier(backend)
    assert model.fit(X, IDS, batch_size=5, steps_per_epoch=3, epochs=2, verbose=0).params["steps"] == 3
    assert model.optimizer.iterations == 6


@pytest.mark.parametrize("epochs", [0, 2])
def test_no_epochs_to_do(epochs, backend):
    model = classifier(backend)
    history = model.fit(X, IDS, epochs=epochs, initial_epoch=2, verbose=0)
    assert history.history == {} and model.optimizer.iterations == 0


def test_train_on_batch(backend):
    model, twin = classifier(backend), classifier(backend)
    results = [model.train_on_batch(X, IDS, return_dict=True) for _ in range(3)]
    history = twin.fit(X, IDS, batch_size=67, epochs=3, shuffle=False, verbose=0).history
    assert same(model, twin) and model.optimizer.iterations == 3
    assert [r["loss"] for r in results] == history["loss"] and [r["accuracy"] for r in results] == history[
        "accuracy"
    ]
    assert (
        model.test_on_batch(X, IDS)
        == model.evaluate(X, IDS)
        == list(model.evaluate(X, IDS, return_dict=True).values())
    )
    model.compile("sgd", "mse", backend=backend)
    assert type(model.evaluate(X, ROWS)) is float


# ------------------------------------------------------------------------------------------ batches


class Folder:
    """Like Keras's PyDataset: batches by number, and no end when iterated."""

    def __init__(self, size=20):
        self.size = size

    def __len__(self):
        return -(-67 // self.size)

    def __getitem__(self, i):
        return X[i * self.size :][: self.size], IDS[i * self.size :][: self.size]


def stream(times=1, weights=False, size=20):
    for _ in range(times):
        for i in range(0, 67, size):
            batch = X[i : i + size], IDS[i : i + size]
            yield (*batch, np.ones(len(batch[0]))) if weights else batch


@pytest.mark.parametrize(
    "make",
    [lambda: list(stream()), lambda: [list(b) for b in stream()], Folder, lambda: list(stream(weights=True))],
    ids=["list of tuples", "list of lists", "by number", "with weights"],
)
def test_batches_are_arrays(make, backend):
    model, twin, held_out = classifier(backend), classifier(backend), make()
    if isinstance(held_out, list):  # of lists would be [x, y]
        held_out = [tuple(batch) for batch in held_out]
    history = model.fit(make(), epochs=2, verbose=0, validation_data=held_out)
    other = twin.fit(X, IDS, batch_size=20, epochs=2, shuffle=False, verbose=0, validation_data=(X, IDS))
    assert same(model, twin)
    for key, values in other.history.items():
        np.testing.assert_allclose(history.history[key], values, rtol=1e-6)
    assert history.params["steps"] == 4
    np.testing.assert_allclose(model.evaluate(make()), twin.evaluate(X, IDS), rtol=1e-6)


def test_generators(backend):
    model, twin = classifier(backend), classifier(backend)
    endless = itertools.cycle(list(stream()))
    history = model.fit(endless, steps_per_epoch=4, epochs=2, verbose=0)
    twin.fit(X, IDS, batch_size=20, epochs=2, shuffle=False, verbose=0)
    assert same(model, twin) and history.params["steps"] == 4
    assert np.isfinite(model.evaluate(itertools.cycle(list(stream())), steps=2)[0])
    found = model.predict(x for x, _ in stream())
    np.testing.assert_array_equal(found, model.predict(X))
    np.testing.assert_array_equal(model.predict(iter([X[:5], X[5:9], X]), steps=2), model.predict(X[:9]))


def test_steps_go_on_through_an_iterable(backend):
    model, twin = classifier(backend), classifier(backend)
    model.fit(
        list(stream()), steps_per_epoch=3, epochs=4, verbose=0
    )  # 12 steps: three times all four batches
    twin.fit(X, IDS, batch_size=20, epochs=3, shuffle=False, verbose=0)
    assert same(model, twin)


def test_generator_that_ends(backend):
    model = classifier(backend)
    with pytest.warns(UserWarning, match="no batches in epoch 2"):
        history = model.fit(stream(), epochs=3, verbose=0)
    assert history.epoch == [0] and model.optimizer.iterations == 4
    with pytest.warns(UserWarning) as warned:
        history = model.fit(stream(), steps_per_epoch=3, epochs=3, verbose=0)
    assert history.epoch == [0, 1] and "ran out of batches" in str(warned[0].message)
    for empty in ([], iter(())):
        with pytest.raises(ValueError, match="no batches"):
            model.evaluate(empty)
    with pytest.raises(ValueError, match="no batches"):
        model.predict(iter(()))


def test_batches_wrongly_given():
    model = classifier()
    for arguments in ({"batch_size": 5}, {"validation_split": 0.5}, {"sample_weight": IDS}):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} goes with arrays"):
            model.fit(list(stream()), verbose=0, **arguments)
    with pytest.raises(TypeError, match=r"x must give batches \(x, y\).* type ndarray"):
        model.fit([X, IDS], verbose=0)
    with pytest.raises(ValueError, match="y is missing"):
        model.fit(X, verbose=0)
    with pytest.raises(ValueError, match="y is missing"):
        model.evaluate()
    with pytest.raises(TypeError, match="array of objects"):
        model.fit(stream(), IDS, verbose=0)
    with pytest.raises(ValueError, match="y has the value 7 in row 0"):
        model.fit([(X[:1], [7])], verbose=0)


# ------------------------------------------------------------------------------------- Python losses


def half_square(y_true, y_pred):
    error = y_pred - y_true
    return 0.5 * np.sum(error**2, axis=1), error


def test_python_loss_is_the_same_as_ours(backend):
    runs = []
    for loss in (half_square, "euclidean"):
        model = Sequential(
            [layers.Dense(6, "tanh", kernel_regularizer="l2"), layers.Dropout(0.2), layers.Dense(3)], seed=2
        )
        model.compile(optimizers.Adam(0.01), loss, metrics=["accuracy", "mae"], backend=backend)
        history = model.fit(
            X, ROWS, batch_size=9, epochs=3, sample_weight=IDS + 0.5, validation_data=(X, ROWS), verbose=0
        )
        runs.append((model, history.history))
    (a, ours), (b, theirs) = runs
    for p, q in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-5)
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-4)
    b.set_weights(a.get_weights())
    for training in (False, True):
        for p, q in zip(*(m.gradients(X, ROWS, IDS, training) for m in (a, b)), strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-6)


def test_python_loss_of_one_number(backend):
    model = Sequential([layers.Dense(3)], seed=2)
    model.compile("sgd", lambda y, a: (float(np.mean((a - y) ** 2)), 2 * (a - y) / a.size), backend=backend)
    other = Sequential([layers.Dense(3)], seed=2)
    other.compile("sgd", "mse", backend=backend)
    for m in (model, other):
        m.fit(X, ROWS, epochs=2, verbose=0)
    for p, q in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="needs each row's loss"):
        model.fit(X, ROWS, sample_weight=IDS, verbose=0)
    with pytest.raises(DivergenceError, match=r"epoch 1, batch 1, at learning rate 0\.01"):
        model.compile("sgd", lambda y, a: (float("inf"), a), backend=backend)
        model.fit(X, ROWS, verbose=0)


# ---------------------------------------------------------------------------- gradients, predictions


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "euclidean"])
def test_gradients_are_central_differences(loss):
    model = Sequential([layers.Dense(3, "tanh", kernel_regularizer="l2"), layers.Dense(3, "softmax")], seed=1)
    model.compile(loss=loss, backend="reference")
    model.build((None, 4))
    weights = model.get_weights()
    gradients = model.gradients(X, IDS, sample_weight=IDS + 1)
    assert [g.shape for g in gradients] == [w.shape for w in weights]
    for k, index in ((0, (1, 2)), (1, (0,)), (2, (2, 1)), (3, (2,))):
        values = []
        for step in (1e-5, -1e-5):
            moved = [w.copy() for w in weights]
            moved[k][index] += step
            model.set_weights(moved)
            values.append(model.evaluate(X, IDS, sample_weight=IDS + 1))
        np.testing.assert_allclose(gradients[k][index], (values[0] - values[1]) / 2e-5, rtol=5e-6, atol=1e-10)


def test_gradients_change_nothing(backend):
    model = classifier(backend)
    before = model.get_weights()
    big = np.tile(X, (5, 1))  # more rows than the plan has room for
    a = model.gradients(big, np.tile(IDS, 5))
    for p, q in zip(a, model.gradients(X, IDS), strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-6)
    assert model.optimizer.iterations == 0
    for p, q in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(p, q)


def test_predictions_do_not_depend_on_the_batch(backend):
    model = classifier(backend)
    whole = model.predict(X)
    for rows in ([0], [66], [5, 3, 5], range(0, 67, 2)):
        part = X[list(rows)]
        if backend == "compiled":
            np.testing.assert_array_equal(model.predict(part), whole[list(rows)])
        np.testing.assert_allclose(model.predict_on_batch(part), whole[list(rows)], rtol=1e-6)
        np.testing.assert_array_equal(model(part), model.predict(part, batch_size=1))
    assert model.predict(X[:0]).shape == model.predict_on_batch(X[:0]).shape == (0, 3)
    assert model.predict(X, steps=2, batch_size=3).shape == (6, 3)


def test_predict_on_batch_takes_what_predict_takes(backend):
    model = Sequential(
        [layers.Input((2, 2)), layers.Flatten(), layers.Dense(4), layers.Reshape((2, 2))], seed=0
    )
    model.compile("sgd", "mse", backend=backend)
    x = X.reshape(67, 2, 2)
    for rows in (x, x.astype(float), x[::2], x.tolist(), np.asfortranarray(x)):
        np.testing.assert_array_equal(model.predict_on_batch(rows), model.predict(rows))
    with pytest.raises(ValueError, match=r"x must have shape \(n, 2, 2\), got \(67, 4\)"):
        model.predict_on_batch(X)
    flat = classifier(backend)
    for rows in (X[::2], X[::-1], X[:, ::-1], np.asfortranarray(X), X.astype(">f4")):
        np.testing.assert_array_equal(flat.predict_on_batch(rows), flat.predict(rows))
    flat.predict(X)
    with pytest.raises(ValueError, match="must have shape"):
        flat.predict_on_batch(X[:, :3])
    uint8 = np.arange(8, dtype=np.uint8).reshape(2, 4)
    np.testing.assert_array_equal(flat.predict_on_batch(uint8), flat.predict(uint8.astype(np.float32)))


# --------------------------------------------------------------------------------- ends of a run


@pytest.mark.parametrize("rate", [1e30, 3e38])
def test_divergence(rate, backend):
    model = Sequential([layers.Dense(3)], seed=0)
    model.compile(optimizers.SGD(rate), "mse", backend="compiled")
    ended = []
    with pytest.raises(
        DivergenceError, match=r"not finite in epoch \d+, batch \d+, at learning rate \de\+3\d"
    ):
        model.fit(
            X * 1e4, ROWS, epochs=50, verbose=0, callbacks=callbacks.LambdaCallback(on_train_end=ended.append)
        )
    assert ended == [{}] and model.history.epoch == list(range(len(model.history.epoch)))
    with pytest.raises(DivergenceError, match="not finite in train_on_batch"):
        model.train_on_batch(np.full((1, 4), np.nan), ROWS[:1])


def test_divergence_keeps_the_last_whole_step(backend):
    x = X.copy()
    x[30:] = np.inf
    model, twin = classifier(backend, optimizer="adam"), classifier(backend, optimizer="adam")
    with pytest.raises(DivergenceError, match="epoch 1, batch 4"):
        model.fit(x, IDS, batch_size=10, shuffle=False, verbose=0)
    twin.fit(x[:30], IDS[:30], batch_size=10, shuffle=False, verbose=0)
    assert same(model, twin) and model.optimizer.iterations == 3


def test_interrupt_in_a_callback(backend):
    """Ctrl-C while a callback runs: whole steps, whole epochs, best weights; the error goes on."""
    events, weights = [], []

    def interrupt(epoch, logs):
        weights.append(model.get_weights())
        if epoch == 2:
            signal.raise_signal(signal.SIGINT)

    model = classifier(backend)
    best = callbacks.EarlyStopping(
        "loss", mode="max", patience=9, restore_best_weights=True
    )  # the best is the first
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


@pytest.mark.skipif(os.name != "posix", reason="signals to a process are sent the posix way")
def test_interrupt_from_outside(backend):
    """A real SIGINT in the middle of an epoch: fit ends at once, at a whole step."""
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
    assert word == "interrupted" and float(when) - sent < 1.0  # 0.2 s on a quiet machine
    assert lines[1] == "same True" and process.returncode == 0


# --------------------------------------------------------------------------------------- words


def test_verbose_lines(backend, capsys):
    model = classifier(backend)
    model.fit(X, IDS, epochs=2, verbose="auto", validation_split=0.2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("Epoch 2/2 - ")
    for word in ("steps/s", "loss: ", "accuracy: ", "val_loss: ", "val_accuracy: "):
        assert word in lines[1]
    model.fit(X, IDS, verbose=0)
    model.evaluate(X, IDS), model.predict(X)
    assert capsys.readouterr() == ("", "")
    model.evaluate(X, IDS, verbose=2)
    assert capsys.readouterr().out.startswith("loss: ")
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="verbose must be 'auto', 0, 1 or 2, got 3"):
            method(X, IDS, verbose=3)


def test_verbose_bar(backend, capsys):
    model = classifier(backend)
    model.fit(X, IDS, epochs=2, verbose=1)
    model.fit(stream(), verbose=1)
    model.predict(X, verbose=1), model.evaluate(X, IDS, verbose=1)
    out, err = capsys.readouterr()
    assert err == ""
    for word in (
        "Epoch 1/2: 100%",
        "Epoch 2/2: 100%",
        "3/3 [",
        "step/s",
        "accuracy: ",
        "predict: 100%",
        "67/67 [",
    ):
        assert word in out


def test_auto_is_a_bar_on_a_terminal(monkeypatch):
    from nnc import _progress

    for stream_ in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream_, "isatty", lambda: True, raising=False)
    assert _progress.resolve("auto") == 1
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert _progress.resolve("auto") == 2


def test_layer_output(backend):
    model = Sequential([layers.Dense(6, "relu"), layers.Dropout(0.5), layers.Reshape((2, 3))], seed=0)
    model.compile(backend=backend)
    x = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    model.build((None, 4))
    kernel, bias = model.get_weights()
    hidden = np.maximum(x @ kernel + bias, 0)
    for layer in ("dense", 0, model.layers[0], "dropout", -2):
        found = model.layer_output(x, layer)
        np.testing.assert_allclose(found, hidden, rtol=1e-5, atol=1e-6)
    assert found.dtype == (np.float32 if backend == "compiled" else np.float64)
    np.testing.assert_array_equal(model.layer_output(x, "reshape"), model.predict(x, verbose=0))
    np.testing.assert_array_equal(model.layer_output(x[:1], 0)[0], model.layer_output(x, 0)[0])
    with pytest.raises(ValueError, match=r"layer must be one of the model, .* got Dense\(6\)"):
        model.layer_output(x, layers.Dense(6))
    with pytest.raises(ValueError, match="no layer 'dense_1'"):
        model.layer_output(x, "dense_1")


def test_summary_and_reprs():
    model = Sequential([layers.Dense(3), layers.Dense(2, name="<out>")], name="tiny")
    assert "not built" in repr(model) and "not built" in model._repr_html_()
    model.build((None, 4))
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for words in ('Model: "tiny"', "dense (Dense)", "(None, 3)", "15", "<out> (Dense)", "Total params: 23"):
        assert words in text
    assert repr(model).splitlines()[0] == "Sequential 'tiny': (4,) -> (2,), 23 weights"
    assert "&lt;out&gt; (Dense)" in model._repr_html_() and "<out>" not in model._repr_html_()


# ---------------------------------------------------------------------------------- as in Keras


def test_a_keras_script(backend, tmp_path):
    """The shape of keras.io's MNIST script, with the import changed."""
    import nnc
    from nnc.callbacks import EarlyStopping, ModelCheckpoint

    nnc.set_random_seed(812)
    images = RNG.integers(0, 256, (300, 5, 5)).astype("float32") / 255
    images[:100, :2] += 1
    images[100:200, 3:] += 1
    labels = np.repeat([0, 1, 2], 100)
    mixed = RNG.permutation(300)
    x_train, y_train = images[mixed], nnc.utils.to_categorical(labels[mixed], 3)
    model = nnc.Sequential(
        [
            nnc.Input(shape=(5, 5)),
            nnc.layers.Flatten(),
            nnc.layers.Dense(16, activation="relu", kernel_initializer="he_normal"),
            nnc.layers.Dropout(0.1),
            nnc.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"], backend=backend)
    path = tmp_path / "model_at_epoch_{epoch}.keras"
    stop = [ModelCheckpoint(filepath=path), EarlyStopping(monitor="val_loss", patience=2)]
    model.fit(x_train, y_train, batch_size=16, epochs=12, validation_split=0.15, callbacks=stop, verbose=0)
    score = model.evaluate(x_train, y_train, verbose=0)
    assert score[1] > 0.95
    assert (tmp_path / "model_at_epoch_1.keras").exists()
    assert model.predict(x_train[:2]).shape == (2, 3)
    nnc.set_random_seed(0)


def test_metric_objects_and_names(backend):
    model = classifier(backend)
    model.compile(
        "sgd",
        losses.CategoricalCrossentropy(),
        metrics=["acc", metrics.TopKCategoricalAccuracy(k=2, name="top2"), "mse"],
        backend=backend,
    )
    assert model.metrics_names == ["loss", "acc", "top2", "mse"]
    found = model.evaluate(X, ROWS, return_dict=True)
    p = model.predict(X)
    np.testing.assert_allclose(found["acc"], np.mean(p.argmax(1) == IDS))
    np.testing.assert_allclose(found["top2"], np.mean([IDS[i] in np.argsort(p[i])[-2:] for i in range(67)]))
    np.testing.assert_allclose(found["mse"], np.mean((p - ROWS) ** 2), rtol=1e-5)


def test_uint8_stays_uint8(backend):
    images = RNG.integers(0, 256, (40, 3, 3), dtype=np.uint8)
    model = Sequential([layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)], seed=0)
    model.compile("sgd", "mse", backend=backend)
    rows = model._features(images)
    assert rows.dtype == np.uint8 and np.shares_memory(rows, images)
    twin = Sequential([layers.Flatten(), layers.Dense(2)], seed=0)
    twin.compile("sgd", "mse", backend=backend)
    twin.build((None, 3, 3))
    twin.set_weights(model.get_weights())
    model.fit(images, np.zeros((40, 2)), verbose=0)
    twin.fit(images.astype(np.float32) / 255, np.zeros((40, 2)), verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], twin.get_weights()[0], rtol=1e-4, atol=1e-6)
