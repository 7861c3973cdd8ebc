"""Sequential: fit, single batches, Python losses, gradients and predictions; on both backends."""

import itertools

import numpy as np
import pytest
from model_helpers import IDS, RNG, ROWS, X, classifier, half_square, same, stream

from nnc import DivergenceError, Sequential, callbacks, layers, metrics, optimizers, schedules
from nnc.models import loops
from nnc.models.engine import Engine

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
    """With learning rate 0 an epoch's loss, over batches of 10 and a last one of 7, is that of all rows."""
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
    assert model._engine.plan_for(1).batch_size <= 128


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
    """fit(epochs=3) = fit(epochs=1) + fit(initial_epoch=1, epochs=3): shuffles, dropout, slots continue."""
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
        model._engine.plan_for(room)
        model.fit(X, IDS, batch_size=8, verbose=0)
        model.fit(np.tile(X, (3, 1)), np.tile(IDS, 3), batch_size=150, epochs=2, initial_epoch=1, verbose=0)
        runs.append(model)
    assert same(*runs)


def test_slices_do_not_change_the_result(backend, monkeypatch):
    runs = []
    for budget in (0.0, 10.0):
        monkeypatch.setattr(loops, "BUDGET", budget)
        model = classifier(backend, optimizer="adam", dropout=0.2)
        history = model.fit(X, IDS, batch_size=4, epochs=2, verbose=0)
        runs.append(model)
    assert same(*runs)
    np.testing.assert_allclose(history.history["loss"], runs[0].history.history["loss"], rtol=1e-12)


def test_evaluation_in_slices(backend, monkeypatch):
    model = classifier(backend)
    whole = model.evaluate(X, IDS), model.predict(X)
    monkeypatch.setattr(Engine, "slices", lambda engine, n: ((i, min(i + 9, n)) for i in range(0, n, 9)))
    np.testing.assert_allclose(model.evaluate(X, IDS), whole[0], rtol=1e-7)
    np.testing.assert_array_equal(model.predict(X), whole[1])


def test_slices_cover_the_rows():
    model = classifier()
    for n in (0, 1, 65536, 65537, 200000):
        parts = list(model._engine.slices(n))
        assert [a for a, _ in parts] == [0, *(b for _, b in parts)][: len(parts)] and (
            not n or parts[-1][1] == n
        )


def test_schedules(backend):
    """A schedule per step and per epoch has the same rates as the schedule written out step by step."""
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
    with pytest.raises(ValueError, match="validation_freq must be an integer of at least 1, got 0"):
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
    """Like Keras's PyDataset: batches by index, endless when iterated."""

    def __init__(self, size=20):
        self.size = size

    def __len__(self):
        return -(-67 // self.size)

    def __getitem__(self, i):
        return X[i * self.size :][: self.size], IDS[i * self.size :][: self.size]


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
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} needs arrays"):
            model.fit(list(stream()), verbose=0, **arguments)
    with pytest.raises(TypeError, match=r"x must yield batches \(x, y\).* type ndarray"):
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
    big = np.tile(X, (5, 1))  # more rows than the plan's batch size
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


@pytest.mark.parametrize(
    "hooks", [[], [callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)]]
)
def test_the_first_batch_builds_the_model_and_its_metrics(hooks):
    x = np.arange(48, dtype=np.float32).reshape(16, 3) / 48
    y = (x.sum(axis=1, keepdims=True) > 1.5).astype(np.float32)

    def batches():
        while True:
            yield x[:8], y[:8]
            yield x[8:], y[8:]

    def compiled():
        model = Sequential([layers.Dense(1, "sigmoid")], seed=0)
        model.compile("sgd", "binary_crossentropy", metrics=["accuracy", metrics.AUC(name="auc")])
        return model

    model = compiled()
    history = model.fit(batches(), steps_per_epoch=2, epochs=2, verbose=0, callbacks=hooks).history
    assert {name: len(values) for name, values in history.items()} == {"loss": 2, "accuracy": 2, "auc": 2}
    built = compiled()
    built.build((None, 3))
    expected = built.fit(x, y, batch_size=8, shuffle=False, epochs=2, verbose=0).history
    assert history == expected
    fresh, built = compiled(), compiled()
    built.build((None, 3))
    found = fresh.evaluate(batches(), steps=2, return_dict=True, verbose=0)
    assert found == built.evaluate(x, y, batch_size=8, return_dict=True, verbose=0)
    assert set(found) == {"loss", "accuracy", "auc"}
