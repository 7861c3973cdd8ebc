"""Frozen layers: no update, no slots, no penalty, moving statistics in training."""

import numpy as np
import pytest

from nnc import Sequential, callbacks, layers, load_model, losses, optimizers

RNG = np.random.default_rng(0)
X = RNG.standard_normal((67, 5)).astype(np.float32)
Y = RNG.standard_normal((67, 3)).astype(np.float32)

OPTIMIZERS = [
    lambda: optimizers.SGD(0.1, momentum=0.9),
    lambda: optimizers.SGD(0.1),
    lambda: optimizers.Adam(0.01, clipnorm=0.1),
    lambda: optimizers.RMSprop(0.01, global_clipnorm=0.1),
]


def net(seed=0, **frozen):
    """Every kind of layer with weights; keywords freeze layers by position."""
    model = Sequential(
        [
            layers.Input((5,)),
            layers.Dense(16, "tanh", kernel_regularizer="l2"),
            layers.Reshape((2, 2, 4)),
            layers.Conv2D(6, 2, padding="same", use_bias=False, kernel_regularizer="l1"),
            layers.BatchNormalization(momentum=0.5, gamma_regularizer="l2"),
            layers.PReLU(),
            layers.LayerNormalization(),
            layers.Flatten(),
            layers.Dense(3),
        ],
        seed=seed,
    )
    for place in frozen.get("places", ()):
        model.layers[place].trainable = False
    return model


@pytest.mark.parametrize("backend", ["compiled", "reference"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("place", [0, 2, 3, 4, 5, 7])
def test_one_frozen_layer(place, optimizer, backend):
    model = net(places=[place])
    model.compile(optimizer(), "mse", backend=backend)
    before = model.get_weights()
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    at = 0
    for index, layer in enumerate(model.layers):
        for _ in layer.weight_names:
            same = np.array_equal(before[at], model.get_weights()[at])
            assert same == (index == place)
            at += 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("places", [[0], [0, 2, 3], [3], [2, 5], [7], [4, 5, 7]])
def test_compiled_is_the_reference(places, optimizer):
    models = [net(places=places) for _ in range(2)]
    for model, backend in zip(models, ("compiled", "reference"), strict=True):
        model.compile(optimizer(), "mse", backend=backend)
        model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    for a, b in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def test_no_penalty_and_no_gradient():
    model = net(places=[0, 2, 3])
    model.compile("sgd", "mse")
    plain = Sequential.from_state(model.state())
    assert model.evaluate(X, Y) == pytest.approx(losses.get("mse")(Y, model.predict(X)), rel=1e-5)
    assert plain.count_params() == model.count_params()
    gradients = model.gradients(X, Y, training=True)
    assert not any(g.any() for g in gradients[:7]) and all(g.any() for g in gradients[7:])


def test_frozen_before_and_after_saving(tmp_path):
    model = net(places=[2, 3])
    model.compile(optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(X, Y, batch_size=16, verbose=0)
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert [layer.trainable for layer in loaded.layers] == [layer.trainable for layer in model.layers]
    for each in (model, loaded):
        each.fit(X, Y, batch_size=16, epochs=2, initial_epoch=1, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_changed_after_compile_warns_and_counts_at_the_next(tmp_path):
    model = net()
    model.compile(optimizers.Adam(0.01), "mse")
    model.fit(X, Y, verbose=0)
    model.layers[0].trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match="trainable of dense was changed after compile"):
        model.fit(X, Y, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before[0])
    model.save(tmp_path / "model")  # without slots: they are those of the layers trained before
    assert not load_model(tmp_path / "model").layers[0].trainable
    model.compile(model.optimizer, "mse")
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert np.array_equal(model.get_weights()[0], before[0])


def test_summary_counts():
    lines: list[str] = []
    net(places=[0]).summary(lines.append)
    assert "Non-trainable params: 108 " in lines[0]  # 96 of the layer, 12 moving statistics


def test_a_frozen_model():
    model = net()
    model.trainable = False
    assert not model.trainable and not any(layer.trainable for layer in model.layers)
    model.add(layers.Dense(2))
    assert not model.layers[-1].trainable
    model.compile("adam", "mse")
    before = model.get_weights()
    with pytest.warns(UserWarning, match="no trainable weights"):
        model.fit(X, Y[:, :2], verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not Sequential([layers.Dense(3)], trainable=False).layers[0].trainable


def test_attributes_that_would_change_nothing_are_refused():
    model = net()
    for change, message in [
        (
            lambda: setattr(model.layers[0], "activation", "relu"),
            "cannot be changed after the layer is built",
        ),
        (lambda: setattr(model.layers[0], "trainble", False), "did you mean 'trainable'"),
        (lambda: setattr(model, "trainble", False), "did you mean 'trainable'"),
        (lambda: setattr(model, "loss", "mae"), r"use compile\(loss=...\)"),
    ]:
        with pytest.raises(AttributeError, match=message):
            change()
    with pytest.raises(TypeError, match="trainable must be True or False, got 1"):
        layers.Dense(3, trainable=1)
    dense = layers.Dense(3)
    dense.activation = "relu"
    assert dense.get_config() == layers.Dense(3, "relu").get_config()
    with pytest.raises(ValueError, match="units must be"):
        dense.units = 0
    with pytest.raises(TypeError, match="has no argument 'activaton'; did you mean 'activation'"):
        layers.Dense(3, activaton="relu")


def test_a_misspelt_hook_warns():
    class Misspelt(callbacks.Callback):
        def on_epoch_ende(self, epoch, logs=None):
            raise AssertionError

    model = net()
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="on_epoch_ende is not a hook .* did you mean 'on_epoch_end'"):
        model.fit(X, Y, verbose=0, callbacks=[Misspelt()])


def test_a_probability_loss_on_linear_outputs_warns_once():
    for model in (Sequential([layers.Input((5,)), layers.Dense(3)]), Sequential([layers.Dense(3)])):
        with pytest.warns(UserWarning, match="outputs are linear") as caught:
            model.compile("sgd", "categorical_crossentropy")
            model.fit(X, np.eye(3)[np.arange(67) % 3], verbose=0)
            model.fit(X, np.eye(3)[np.arange(67) % 3], verbose=0)
        assert len(caught) == 1
    model.compile("sgd", losses.CategoricalCrossentropy(from_logits=True))
    logits = Sequential([layers.Input((5,)), layers.Dense(3), layers.Softmax()])
    logits.compile("sgd", "categorical_crossentropy")


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5", "m.onnx", "m.KERAS"])
def test_names_of_other_formats_are_refused(name, tmp_path):
    for save in (net().save, net().save_weights):
        with pytest.raises(ValueError, match=r"filepath must not end in .*\.safetensors"):
            save(tmp_path / name)


def test_normalized_probabilities_have_their_gradient():
    y, a = np.eye(7)[[0, 3, 6]], RNG.uniform(0.1, 2.0, (3, 7)).astype(np.float32)
    for loss in (losses.CategoricalCrossentropy(label_smoothing=0.1), losses.CategoricalCrossentropy()):
        value, gradient = loss.value_and_gradient(y, a, [1.0, 2.0, 0.5])
        smooth = y * (1 - loss.label_smoothing) + loss.label_smoothing / 7

        def exact(a, smooth=smooth):
            rows = -(smooth * np.log(a / a.sum(1, keepdims=True))).sum(1)
            return (rows * [1.0, 2.0, 0.5]).sum() / 3

        assert value == pytest.approx(exact(a.astype(float)), rel=1e-5)
        for i, j in np.ndindex(a.shape):
            step = np.zeros(a.shape)
            step[i, j] = 1e-5
            slope = (exact(a + step) - exact(a - step)) / 2e-5
            assert gradient[i, j] == pytest.approx(slope, rel=1e-3, abs=1e-5)
