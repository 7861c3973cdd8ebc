"""A Sequential as a layer of another: shared weights, training of both, files, copies, exports, refusals."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest

import nnc
from nnc import Sequential, layers, models

RNG = np.random.default_rng(8)
X = RNG.standard_normal((45, 6)).astype(np.float32)
T = RNG.standard_normal((45, 6)).astype(np.float32)


def encoder_of(**options):
    deep = Sequential([layers.Dense(5, "tanh"), layers.BatchNormalization()], name="deep")
    first = layers.Dense(8, "relu")
    return Sequential([nnc.Input((6,)), first, deep, layers.Dense(2)], name="encoder", **options)


def autoencoder():
    encoder = encoder_of(seed=1)
    decoder = Sequential([layers.Dense(8, "relu"), layers.Dense(6)], name="decoder")
    return Sequential([encoder, decoder], seed=3), encoder, decoder


def fit(model, y, backend="compiled", epochs=2):
    model.compile(nnc.optimizers.Adam(0.01), "mse", backend=backend)
    return model.fit(X, y, epochs=epochs, batch_size=16, verbose=0)


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_are_shared(backend):
    encoder = encoder_of(seed=1)
    before = encoder.get_weights()
    decoder = Sequential([layers.Dense(8, "relu"), layers.Dense(6)], name="decoder")
    model = Sequential([encoder, decoder], seed=3)
    assert model.layers == [encoder, decoder] and model.layers[0] is encoder
    assert model.layers[0].layers[1] is encoder.get_layer("deep")
    assert_same(before, model.get_weights()[: len(before)])
    fit(model, T, backend)
    assert_same(encoder.get_weights() + decoder.get_weights(), model.get_weights())
    assert not np.array_equal(before[0], encoder.get_weights()[0])
    codes = encoder.predict(X)
    np.testing.assert_allclose(model.layer_output(X, encoder), codes, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(decoder.predict(codes), model.predict(X), rtol=1e-5, atol=1e-6)
    encoder.set_weights(before)
    assert_same(before, model.get_weights()[: len(before)])
    encoder.layers[1].layers[0].kernel.assign(np.zeros((8, 5)))
    assert not model.get_weights()[2].any()


def test_it_is_the_net_of_its_layers():
    """Bit for bit, including dropout masks: a plan does not depend on nesting."""
    inner = Sequential([layers.Dense(8, "relu"), layers.Dropout(0.5)], name="inner")
    nested = Sequential([nnc.Input((6,)), inner, layers.Dense(6)], seed=4)
    parts = [nnc.Input((6,)), layers.Dense(8, "relu"), layers.Dropout(0.5), layers.Dense(6)]
    flat = Sequential(parts, seed=4)
    assert_same(nested.get_weights(), flat.get_weights())
    assert fit(nested, T).history == fit(flat, T).history
    assert_same(nested.get_weights(), flat.get_weights())


def test_both_are_trained_in_turn(backend):
    model, encoder, _ = autoencoder()
    fit(model, T, backend)
    between = encoder.get_weights()
    fit(encoder, T[:, :2], backend)
    assert_same(encoder.get_weights(), model.get_weights()[: len(between)])
    assert not np.array_equal(between[0], encoder.get_weights()[0])
    encoder.train_on_batch(X, T[:, :2])
    deep = encoder.get_layer("deep")
    deep.set_weights([w + 1 for w in deep.get_weights()])
    np.testing.assert_array_equal(model.layer_output(X, encoder), encoder.predict(X))
    model.fit(X, T, epochs=1, verbose=0)
    np.testing.assert_array_equal(model.layer_output(X, encoder), encoder.predict(X))


def test_a_trained_model_is_added():
    encoder = encoder_of()
    fit(encoder, T[:, :2])
    codes, weights = encoder.predict(X), encoder.get_weights()
    model = Sequential([encoder, layers.Dense(3)])
    np.testing.assert_array_equal(encoder.predict(X), codes)
    assert_same(model.get_weights()[: len(weights)], weights)
    encoder.fit(X, T[:, :2], epochs=1, verbose=0)  # its optimizer continues
    assert encoder.optimizer.iterations == 8


@pytest.mark.parametrize("frozen", [True, False])
def test_trainable(frozen):
    encoder = encoder_of()
    encoder.trainable = not frozen
    model = Sequential([encoder, layers.Dense(6)])
    before = encoder.get_weights()
    fit(model, T)
    assert np.array_equal(before[0], encoder.get_weights()[0]) == frozen
    assert len(model.trainable_weights) == (2 if frozen else 10)
    model.trainable = False
    assert not encoder.trainable and not encoder.layers[1].layers[0].trainable


def test_each_goes_by_trainable_as_it_was_compiled():
    """As with a generator and its discriminator."""
    first, second = Sequential([layers.Dense(6)], name="a"), Sequential([layers.Dense(1)], name="b")
    second.build((None, 6))
    second.compile("sgd", "mse")
    both = Sequential([nnc.Input((6,)), first, second])
    second.trainable = False
    both.compile("sgd", "mse")
    start = both.get_weights()
    with pytest.warns(UserWarning, match="trainable of dense was changed"):
        second.fit(X, T[:, :1], epochs=1, verbose=0)
    middle = both.get_weights()
    assert_same(start[:2], middle[:2])
    assert not np.array_equal(start[2], middle[2])
    both.fit(X, T[:, :1], epochs=1, verbose=0)
    assert_same(middle[2:], both.get_weights()[2:])
    assert not np.array_equal(middle[0], both.get_weights()[0])


def test_files(tmp_path):
    model, encoder, _ = autoencoder()
    fit(model, T)
    model.save(tmp_path / "model.safetensors")
    loaded = nnc.load_model(tmp_path / "model.safetensors")
    assert [layer.name for layer in loaded.layers] == ["encoder", "decoder"]
    assert loaded.layers[0] is loaded.layers[0]
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.layers[0].predict(X), encoder.predict(X))
    for each in (model, loaded):
        each.fit(X, T, epochs=1, verbose=0)
    assert_same(loaded.get_weights(), model.get_weights())
    encoder.save(tmp_path / "encoder.safetensors")
    alone = nnc.load_model(tmp_path / "encoder.safetensors")
    np.testing.assert_array_equal(alone.predict(X), encoder.predict(X))
    other, _, _ = autoencoder()
    other.load_weights(tmp_path / "model.safetensors")


def test_copies_and_clones():
    model, encoder, _ = autoencoder()
    fit(model, T)
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(same.predict(X), model.predict(X))
        assert same.layers[0] is not encoder
        fit(same, T)
        assert_same(same.get_weights(), same.layers[0].get_weights() + same.layers[1].get_weights())
    alone = copy.deepcopy(encoder)
    np.testing.assert_array_equal(alone.predict(X), encoder.predict(X))
    assert len(pickle.dumps(encoder)) < len(pickle.dumps(model))
    clones = [
        models.clone_model(model),
        models.clone_model(model, lambda layer: type(layer).from_config(layer.get_config())),
        Sequential.from_config(model.get_config()),
        models.model_from_json(model.to_json()),
    ]
    for clone in clones:
        assert clone.get_config() == model.get_config()
        assert not set(clone.flattened_layers.values()) & set(model.flattened_layers.values())
        clone.set_weights(model.get_weights())
        np.testing.assert_array_equal(clone.predict(X), model.predict(X))


def test_the_inner_model_keeps_the_outer_one():
    model, encoder, _ = autoencoder()
    weights = encoder.get_weights()
    del model
    gc.collect()
    assert_same(weights, encoder.get_weights())


def test_pop():
    model, encoder, decoder = autoencoder()
    fit(model, T)
    codes, decoded = encoder.predict(X), model.predict(X)
    assert model.pop() is decoder
    np.testing.assert_allclose(decoder.predict(codes), decoded, rtol=1e-6, atol=1e-7)
    decoder.add(layers.Dense(1))
    np.testing.assert_array_equal(model.predict(X), codes)
    dense = Sequential([nnc.Input((6,)), layers.Dense(3)])
    kernel = dense.get_weights()[0]
    np.testing.assert_array_equal(dense.pop().get_weights()[0], kernel)


def test_summary_and_paths(capsys):
    model, _, _ = autoencoder()
    model.summary()
    text = capsys.readouterr().out
    assert "encoder (Sequential)" in text and "deep" not in text and "Total params: 211" in text
    model.summary(expand_nested=True, show_trainable=True)
    assert "      dense (Dense)" in capsys.readouterr().out
    assert list(model.flattened_layers)[:3] == [
        "encoder/dense",
        "encoder/deep/dense",
        "encoder/deep/batch_normalization",
    ]
    assert "Sequential 'deep'" in repr(model)
    two = Sequential([Sequential([layers.Dense(2)]), Sequential([layers.Dense(2)])])
    assert [layer.name for layer in two.layers] == ["sequential", "sequential_1"]
    two.build((None, 3))
    assert two.count_params() == 14 and two.compute_output_shape((None, 3)) == (None, 2)


def test_refusals():
    model, encoder, _ = autoencoder()
    with pytest.raises(ValueError, match="'encoder' is a layer of another"):
        encoder.add(layers.Dense(2))
    with pytest.raises(ValueError, match="pop: the model 'encoder' is a layer of another"):
        encoder.pop()
    with pytest.raises(ValueError, match="already a layer of a model: use a clone"):
        Sequential([encoder])
    with pytest.raises(ValueError, match="a layer of itself"):
        model.add(model)
    with pytest.raises(ValueError, match="has no layers"):
        Sequential([Sequential()])
    with pytest.raises(
        ValueError, match=r"takes samples of shape \(6,\), but the layers before it produce \(5,\)"
    ):
        Sequential([nnc.Input((3,)), layers.Dense(5), encoder_of()])
    with pytest.raises(ValueError, match="must come before every layer with weights"):
        augmented = Sequential([layers.RandomZoom(0.1)])
        Sequential([nnc.Input((8, 8, 3)), layers.Conv2D(2, 1), augmented])
    unbuilt = Sequential([layers.Dense(2)], name="inside")
    Sequential([unbuilt, layers.Dense(1)])
    with pytest.raises(ValueError, match="'inside' is a layer of another that is not built yet"):
        unbuilt.predict(X)
    with pytest.raises(ValueError, match="is in another model, 'sequential'"):
        Sequential([encoder.layers[0]])
