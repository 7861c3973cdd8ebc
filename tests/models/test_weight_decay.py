"""Weights without weight decay: both backends, files, when they may be chosen, errors."""

from __future__ import annotations

import numpy as np
import pytest

import nnc
from nnc import Sequential, layers, optimizers

RNG = np.random.default_rng(4)
X = RNG.standard_normal((45, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 45)

# The gemm that also updates (SGD), tiles, stored gradients that are clipped.
OPTIMIZERS = [
    optimizers.SGD(0.1, weight_decay=0.5),
    optimizers.AdamW(0.02, weight_decay=0.5),
    optimizers.SGD(0.1, momentum=0.9, weight_decay=0.5, global_clipnorm=0.3),
    optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.5, clipnorm=0.3),
]


def network():
    stack = [nnc.Input((6,)), layers.Dense(70, "tanh"), layers.BatchNormalization(), layers.PReLU("ones")]
    return Sequential([*stack, layers.Dense(3, "softmax")], seed=1)


def trained(optimizer, words=(), epochs=3, **options):
    model, own = network(), type(optimizer).from_config(optimizer.get_config())
    model.set_weights([w + 0.5 for w in model.get_weights()])
    own.exclude_from_weight_decay(var_names=words)
    model.compile(own, "sparse_categorical_crossentropy", **options)
    model.fit(X, Y, epochs=epochs, batch_size=16, verbose=0)
    return model


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_both_backends(optimizer):
    words = ["bias", "gamma", "alpha"]
    core, reference = (trained(optimizer, words, 1, backend=name) for name in ("compiled", "reference"))
    for mine, theirs in zip(core.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=3e-4, atol=3e-5)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_all_or_none(optimizer):
    every = ["kernel", "bias", "gamma", "beta", "alpha"]
    none = type(optimizer).from_config(optimizer.get_config() | {"weight_decay": 0.0})
    for mine, theirs in zip(
        trained(optimizer, every).get_weights(), trained(none).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert not np.array_equal(trained(optimizer).get_weights()[1], trained(none).get_weights()[1])


def test_one_weight_by_itself_after_the_model_was_used():
    model, optimizer = network(), optimizers.SGD(0.1, weight_decay=0.5)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.evaluate(X, Y)
    optimizer.exclude_from_weight_decay([model.layers[3].bias])
    assert optimizer.without_weight_decay == ("dense_1/bias",)
    model.set_weights([w + 0.5 for w in model.get_weights()])
    gradients, before = model.gradients(X, Y, training=True), model.get_weights()
    model.train_on_batch(X, Y)
    flags = [flag for layer in model.layers for flag in layer.trainable_flags]
    names = [f"{layer.name}/{name}" for layer in model.layers for name in layer.weight_names]
    for name, flag, g, old, new in zip(names, flags, gradients, before, model.get_weights(), strict=True):
        decay = 0.05 * (name != "dense_1/bias")
        if flag:
            np.testing.assert_allclose(new, old * (1 - decay) - 0.1 * g, rtol=1e-4, atol=1e-6, err_msg=name)
    with pytest.raises(ValueError, match=r"before the first step, got 1 steps"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_files_keep_the_exclusions(tmp_path):
    words, path = ["bias", "gamma"], tmp_path / "model.safetensors"
    whole, half = trained(OPTIMIZERS[1], words, 4), trained(OPTIMIZERS[1], words, 2)
    half.save(path)
    loaded = nnc.load_model(path)
    assert loaded.optimizer.without_weight_decay == ("bias", "gamma")
    loaded.fit(X, Y, initial_epoch=2, epochs=4, batch_size=16, verbose=0)
    for mine, theirs in zip(loaded.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    other = network()
    other.compile(optimizers.AdamW(0.02, weight_decay=0.5), "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="from another run: its optimizer is"):
        other.fit(X, Y, epochs=4, batch_size=16, verbose=0, resume_from=path)


def test_refused():
    optimizer = optimizers.AdamW()
    for odd in ("bias", [3], 5):
        with pytest.raises(TypeError, match="var_names must be a list of parts of weights' names"):
            optimizer.exclude_from_weight_decay(var_names=odd)
    for odd in (["^bias$"], [""], ["dense/bias"]):
        with pytest.raises(ValueError, match="regular expressions are not supported"):
            optimizer.exclude_from_weight_decay(var_names=odd)
    with pytest.raises(ValueError, match="without_weight_decay must be"):
        optimizers.SGD(without_weight_decay=["a b"])
    parts = [Sequential([layers.Dense(4, name="same")], name=name) for name in ("a", "b")]
    model = Sequential([nnc.Input((6,)), *parts])
    optimizer.exclude_from_weight_decay([parts[0].layers[0].kernel])
    model.compile(optimizer, "mse")
    with pytest.raises(
        ValueError, match="excludes 'same/kernel' from weight decay, but 2 layers are named so"
    ):
        model.fit(X, X[:, :4], verbose=0)
