"""Sequential: building, compiling, printed output, compatibility with Keras."""

import copy
import gc
import pickle
import sys
import weakref

import numpy as np
import pytest
from model_helpers import IDS, RNG, ROWS, X, classifier, same, stream

from nnc import Sequential, layers, losses, metrics, optimizers, random, regularizers
from nnc.models import prepare

# ------------------------------------------------------------------------------------------ building


def test_names_and_shapes():
    model = Sequential(name="small")
    assert not model.built and model.output_shape is None
    model.add(layers.Input((4, 2)))
    for layer in (layers.Flatten(), layers.Dense(5), layers.Dense(4, name="middle"), layers.Dense(3)):
        model.add(layer)
    assert [layer.name for layer in model.layers] == ["flatten", "dense", "middle", "dense_1"]
    assert model.built and (model.input_shape, model.output_shape) == ((None, 4, 2), (None, 3))
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
        (lambda m: m.add(layers.Dense(3, name="dense")), ValueError, "already has a layer named 'dense'"),
        (lambda m: m.add(m.layers[0]), ValueError, "is already in the model"),
        (lambda m: m.add(layers.Input((4,))), ValueError, "an Input must come first and only once"),
        (lambda m: m.add("dense"), TypeError, "add takes a layer of nnc.layers or a Sequential, got 'dense'"),
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
    for arguments in ({"seed": -1}, {"seed": 2**64}):
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
    assert popped.name == "dense_1" and model.output_shape == (None, 7)
    assert model.optimizer.iterations == 0
    model.add(layers.Dense(3, "softmax"))
    after = model.get_weights()
    for a, b in zip(before[:2], after[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(model.fit(X, IDS, verbose=0).history["loss"][0])
    model.pop(), model.pop()
    assert model.input_shape == (None, 4)  # the Input remains
    with pytest.raises(ValueError, match="no layers"):
        model.pop()


def test_set_weights():
    model = classifier()
    weights = [w + 1 for w in model.get_weights()]
    for _ in range(2):  # before and after the plan exists
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
    Sequential(gone)  # the first has been deleted


@pytest.mark.parametrize("take", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_independent_and_go_on(take, backend):
    model = classifier(backend, optimizer="adam", dropout=0.2)
    for _ in range(2):  # before and after the plan exists
        twin = take(model)
        assert same(model, twin)
        for m in (model, twin):
            epoch = m.state().epoch
            m.fit(X, IDS, initial_epoch=epoch, epochs=epoch + 2, verbose=0)
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


def test_layers_added_after_compile(backend):
    """Loss and metrics need to match only the finished model."""
    model = Sequential(seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], backend=backend)
    for layer in (layers.Input((4,)), layers.Reshape((2, 2)), layers.Flatten(), layers.Dense(3, "softmax")):
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
    message = r"categorical_crossentropy needs outputs with one axis, got \(4, 3\)"
    with pytest.raises(ValueError, match=message):
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


# --------------------------------------------------------------------------------------- output


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
    from nnc.callbacks import progress

    for stream_ in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream_, "isatty", lambda: True, raising=False)
    assert progress.resolve("auto") == 1
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert progress.resolve("auto") == 2


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
    with pytest.raises(ValueError, match=r"layer must be a layer of the model, .* got Dense\(6\)"):
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
    model.fit(x_train, y_train, batch_size=16, epochs=40, validation_split=0.15, callbacks=stop, verbose=0)
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
    rows = prepare.feature_rows(model._stack, images)
    assert rows.dtype == np.uint8 and np.shares_memory(rows, images)
    twin = Sequential([layers.Flatten(), layers.Dense(2)], seed=0)
    twin.compile("sgd", "mse", backend=backend)
    twin.build((None, 3, 3))
    twin.set_weights(model.get_weights())
    model.fit(images, np.zeros((40, 2)), verbose=0)
    twin.fit(images.astype(np.float32) / 255, np.zeros((40, 2)), verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], twin.get_weights()[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [100.0, 1e4])
def test_gradients_of_a_python_loss_at_large_outputs(size, backend):
    """The loss is 1e-4 times the mean output, so its gradient is 1e-4 for the bias, however large that is."""

    def small(y_true, y_pred):
        return 1e-4 * float(y_pred.mean()), np.full(y_pred.shape, 1e-4 / y_pred.size)

    x = np.linspace(0.5, 1.5, 33, dtype=np.float32)[:, None]
    model = Sequential([layers.Dense(1, kernel_regularizer=regularizers.L2(1e-6))], seed=0)
    model.compile("sgd", small, backend=backend)
    model.build((None, 1))
    model.set_weights([[[0.25]], [size]])
    for training in (False, True):
        kernel, bias = model.gradients(x, np.zeros(33), training=training)
        np.testing.assert_allclose(kernel, [[1e-4 * x.mean() + 2e-6 * 0.25]], rtol=1e-5)
        np.testing.assert_allclose(bias, [1e-4], rtol=1e-5)


def test_gradients_of_a_python_loss_change_nothing(backend):
    def mean(y_true, y_pred):
        return float(y_pred.mean()), np.full(y_pred.shape, 1 / y_pred.size)

    model = Sequential([layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)], seed=0)
    model.compile("sgd", mean, backend=backend)
    model.build((None, X.shape[1]))
    before = model.get_weights()
    rows = np.tile(X, (5, 1))  # more rows than the plan's batch size
    for training in (False, True):
        gradients = model.gradients(rows, np.zeros(len(rows)), training=training)
        assert [g.shape for g in gradients] == [w.shape for w in before]
        np.testing.assert_allclose(gradients[-1], [0.5, 0.5], rtol=1e-5)
    assert model.optimizer.iterations == 0
    for p, q in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(p, q)


def test_a_model_goes_on_from_its_state(backend):
    model = classifier(backend, optimizer="adam", dropout=0.2)
    model.fit(X, IDS, epochs=2, verbose=0)
    state = copy.deepcopy(model.state())
    twin = Sequential.from_state(state)
    assert same(model, twin) and twin.backend == backend and twin.metrics_names == model.metrics_names
    for m in (model, twin):
        m.fit(X, IDS, initial_epoch=2, epochs=4, verbose=0)
    assert same(model, twin) and twin.history.history == model.history.history
    bare = Sequential.from_state(model.state().weights_only())
    assert bare.loss is None and bare.optimizer is None and bare.history is None
    np.testing.assert_array_equal(bare.predict(X), model.predict(X))


def test_a_state_is_of_its_time():
    """Neither the model nor a model made from its state changes the other."""
    model = classifier()
    model.fit(X, IDS, epochs=2, verbose=0)
    state, kernel = model.state(), model.get_weights()[0]
    model.fit(X, IDS, initial_epoch=2, epochs=3, verbose=0)
    model.layers[0].trainable = False
    assert state.stack.layers[0].trainable and state.history.epoch == [0, 1]
    twin = Sequential.from_state(state)
    assert np.array_equal(twin.layers[0].get_weights()[0], kernel)
    assert np.array_equal(model.layers[0].get_weights()[0], model.get_weights()[0])
    del twin
    gc.collect()
    assert np.array_equal(model.layers[0].get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("before", ["unbuilt", "undrawn", "trained"])
def test_shallow_copies_compute_for_themselves(before, backend):
    model = Sequential([layers.Dense(3)], seed=4)
    model.compile("adam", "mse", backend=backend)
    if before != "unbuilt":
        model.build((None, X.shape[1]))
    if before == "trained":
        model.fit(X, ROWS, verbose=0)
    twin = copy.copy(model)
    weights = model.predict(X)
    twin.fit(X, ROWS, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.predict(X), weights)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], model.get_weights()[0])
    twin.add(layers.Dense(5))
    del twin
    gc.collect()
    model.layers[0].set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert len(model.layers) == 1 and not model.predict(X).any()
