"""Normalizations along any axes of a sample: against NumPy, in training, exported shapes of weights."""

from __future__ import annotations

import numpy as np
import pytest

import nnc
from nnc import Sequential, layers

RNG = np.random.default_rng(8)
IMAGES = RNG.standard_normal((21, 4, 5, 3)).astype(np.float32)
AXES = [1, 2, 3, -2, [1, 2], [2, 1], [1, 3], [3, 1], [1, 2, 3]]


def along(axis):
    given = [axis] if isinstance(axis, int) else axis
    return tuple(sorted(each % IMAGES.ndim for each in given))


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_layer_normalization(isa, axis):
    """gamma and beta have the sizes of the axes as given, but the order of the sample's axes, as in Keras."""
    norm = layers.LayerNormalization(axis)
    norm.build(IMAGES.shape[1:])
    given = [axis] if isinstance(axis, int) else axis
    assert norm.gamma.shape == tuple(IMAGES.shape[each] for each in given)
    gamma, beta = (RNG.standard_normal(norm.gamma.shape).astype(np.float32) for _ in range(2))
    norm.set_weights([gamma, beta])
    over = along(axis)
    broadcast = [size if i in over else 1 for i, size in enumerate(IMAGES.shape)]
    mean, variance = (f(IMAGES, axis=over, keepdims=True, dtype=np.float64) for f in (np.mean, np.var))
    wanted = (IMAGES - mean) / np.sqrt(variance + 1e-3) * gamma.reshape(broadcast) + beta.reshape(broadcast)
    np.testing.assert_allclose(norm(IMAGES), wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_unit_normalization_and_softmax(isa, axis):
    over = along(axis)
    wanted = IMAGES / np.sqrt(np.sum(IMAGES.astype(np.float64) ** 2, axis=over, keepdims=True))
    np.testing.assert_allclose(layers.UnitNormalization(axis)(IMAGES), wanted, rtol=1e-5, atol=1e-6)
    e = np.exp(IMAGES.astype(np.float64))
    wanted = e / e.sum(axis=over, keepdims=True)
    np.testing.assert_allclose(layers.Softmax(axis)(IMAGES), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [1, 2, 3, -3])
def test_batch_normalization(isa, axis):
    norm = layers.BatchNormalization(axis, momentum=0.0)
    model = Sequential([nnc.Input(IMAGES.shape[1:]), norm, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(IMAGES, np.zeros(21), batch_size=21, verbose=0)
    over = tuple(i for i in range(4) if i != axis % 4)
    np.testing.assert_allclose(norm.moving_mean, IMAGES.mean(axis=over), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, IMAGES.var(axis=over), rtol=1e-5)


@pytest.mark.parametrize("axis", [1, 2, [1, 3]], ids=str)
def test_training_is_that_of_the_reference(axis):
    def trained(backend):
        stack = [layers.Conv2D(6, 2, activation="tanh"), layers.LayerNormalization(axis)]
        stack += [layers.BatchNormalization(2), layers.UnitNormalization(axis), layers.Permute((3, 1, 2))]
        model = Sequential([nnc.Input(IMAGES.shape[1:]), *stack, layers.Flatten(), layers.Dense(2)], seed=3)
        model.compile(nnc.optimizers.SGD(0.1, momentum=0.5), "mse", backend=backend)
        model.fit(IMAGES, IMAGES[:, 0, 0, :2], epochs=2, batch_size=8, verbose=0)
        return [*model.get_weights(), model.predict(IMAGES)]

    for mine, theirs in zip(trained("compiled"), trained("reference"), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)
