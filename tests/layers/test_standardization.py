"""Normalization: adapted and given statistics, in and outside models, files, errors."""

from __future__ import annotations

import numpy as np
import pytest

import nnc
from nnc import Sequential, layers

RNG = np.random.default_rng(1)
IMAGES = (3.0 * RNG.standard_normal((40, 5, 4, 3)) + 2.0).astype(np.float32)


@pytest.mark.parametrize(
    ("axis", "over", "shape"),
    [
        (-1, (0, 1, 2), (3,)),
        (3, (0, 1, 2), (3,)),
        ([2, 3], (0, 1), (4, 3)),
        ([-3, -2, -1], (0,), (5, 4, 3)),
        (None, None, ()),
        ((), None, ()),
        (1, (0, 2, 3), (5,)),
        (-2, (0, 1, 3), (4,)),
        ([3, 1], (0, 2), (5, 3)),
    ],
)
def test_adapt(isa, backend, axis, over, shape):
    norm = layers.Normalization(axis)
    norm.adapt(IMAGES)
    mean, variance = norm.get_weights()
    assert mean.shape == variance.shape == shape
    np.testing.assert_allclose(mean.ravel(), np.ravel(IMAGES.mean(axis=over, dtype=np.float64)), rtol=1e-6)
    wanted = (IMAGES - IMAGES.mean(axis=over, keepdims=True)) / IMAGES.std(axis=over, keepdims=True)
    np.testing.assert_allclose(norm(IMAGES), wanted, rtol=1e-5, atol=2e-6)
    model = Sequential([norm, layers.Flatten(), layers.Dense(2)])
    model.compile("sgd", "mse", backend=backend)
    model.fit(IMAGES, np.zeros((40, 2)), epochs=2, batch_size=16, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], mean)
    np.testing.assert_allclose(model.layer_output(IMAGES, norm), wanted, rtol=1e-5, atol=2e-6)
    assert not norm.trainable_weights and len(model.trainable_weights) == 2


def test_in_a_model():
    model = Sequential([nnc.Input((2,)), layers.Normalization(), layers.Dense(1, kernel_initializer="ones")])
    np.testing.assert_array_equal(model.predict([[3.0, 5.0]]), [[8.0]])
    model.layers[0].adapt([[1.0, 7.0], [3.0, 7.0]])
    np.testing.assert_allclose(model.predict([[3.0, 7.0]]), [[1.0]])
    np.testing.assert_allclose(model.layers[0].mean.numpy(), [[2.0, 7.0]])
    above = np.nextafter(np.float32(7.0), np.float32(8.0))  # of a feature that was constant
    np.testing.assert_allclose(model.predict([[2.0, above]]), [[(float(above) - 7.0) / 1e-7]], rtol=1e-5)


def test_gradients_flow_through(backend):
    norm = layers.Normalization(mean=1.0, variance=4.0)
    model = Sequential([nnc.Input((2,)), layers.Dense(3, kernel_initializer="ones"), norm])
    model.compile("sgd", "mse", backend=backend)
    kernel, bias, mean, variance = model.gradients([[1.0, 0.0]], [[0.0, 0.0, 0.0]])
    np.testing.assert_allclose(kernel, 0, atol=1e-7)
    kernel, *_ = model.gradients([[3.0, 0.0]], [[0.0, 0.0, 0.0]])  # (w x - 1) / 2 at 1: 2 / 3 times 3 / 2
    np.testing.assert_allclose(kernel, [[1.0] * 3, [0.0] * 3], rtol=1e-6)
    assert not mean.any() and not variance.any() and bias.shape == (3,)


def test_files_and_configurations(tmp_path):
    adapted = layers.Normalization()
    adapted.adapt(IMAGES)
    given = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=np.array([1.0, 4.0, 9.0]))
    model = Sequential([adapted, given, layers.Flatten(), layers.Dense(2)])
    model.save(tmp_path / "model.safetensors")
    loaded = nnc.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(IMAGES), model.predict(IMAGES))
    assert loaded.layers[1].get_config()["mean"] == [1.0, 2.0, 3.0]
    again = layers.Normalization.from_config(given.get_config())
    np.testing.assert_allclose(again([[3.0, 4.0, 9.0]]), [[2.0, 1.0, 2.0]])
    assert "mean=(1.0, 2.0, 3.0)" in repr(given)


def test_refusals():
    with pytest.raises(ValueError, match="variance must be given if mean is given"):
        layers.Normalization(mean=1.0)
    with pytest.raises(ValueError, match="variance must be at least 0"):
        layers.Normalization(mean=1.0, variance=-1.0)
    with pytest.raises(ValueError, match=r"mean must be a number or an array of shape \(3,\)"):
        layers.Normalization(mean=[1.0, 2.0], variance=1.0).build((3,))
    for axis in (0, 3, -3, [1, -2], [1, 1]):
        with pytest.raises(
            ValueError, match="axis must be None or different axes from 1 to 2, or -1 to -2, for"
        ):
            layers.Normalization(axis).build((4, 3))
    with pytest.raises(ValueError, match=r"adapt: mean and variance of Normalization.* were given"):
        layers.Normalization(mean=1.0, variance=1.0).adapt([[1.0]])
    norm = layers.Normalization()
    with pytest.raises(ValueError, match="data must have rows"):
        norm.adapt(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="NaN or infinite"):
        norm.adapt([[1.0, np.nan]])
    with pytest.raises(ValueError, match=r"data must have the shape \(n, 2\)"):
        norm.adapt([[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="mode must be 'horizontal_and_vertical' or"):
        layers.RandomFlip("diagonal")


def test_batches(tmp_path):
    class Rows(nnc.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return IMAGES[10 * index : 10 * index + 10], np.zeros(10)

    batches = [IMAGES[:7], IMAGES[7:8], IMAGES[8:]]
    for axis in (-1, [1, 3], [1, 2, 3], None):
        wanted = layers.Normalization(axis)
        wanted.adapt(IMAGES)
        for data in (batches, tuple(batches), iter(batches), [(x, 0) for x in batches], Rows()):
            norm = layers.Normalization(axis)
            norm.adapt(data)
            for found, value in zip(norm.get_weights(), wanted.get_weights(), strict=True):
                np.testing.assert_allclose(found, value, rtol=1e-6)
        assert norm.mean.shape == np.mean(IMAGES, wanted._reduced_axes(), keepdims=True).shape
        np.testing.assert_allclose((IMAGES - norm.mean) / np.sqrt(norm.variance), norm(IMAGES), atol=1e-5)
    norm.mean.assign(0 * norm.mean.numpy())
    assert not norm.get_weights()[0].any()
    for empty in ([], iter([])):
        with pytest.raises(ValueError, match="at least one batch, got the empty iterable"):
            layers.Normalization().adapt(empty)
    with pytest.raises(ValueError, match=r"data must have the shape \(n, 2\), got \(1, 3\)"):
        layers.Normalization().adapt([np.zeros((4, 2)), np.zeros((1, 3))])
    old = nnc.Sequential([nnc.Input((3,)), layers.Normalization(axis=None, invert=True)])
    old.layers[0].adapt([[1.0, 2.0, 6.0]])
    old.save(tmp_path / "model.safetensors")
    again = nnc.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict([[0.0, 1.0, 2.0]]), old.predict([[0.0, 1.0, 2.0]]))
    np.testing.assert_allclose(old.predict([[0.0, 0.0, 0.0]]), [[3.0, 3.0, 3.0]], rtol=1e-6)
