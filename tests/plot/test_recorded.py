"""Plots of weights during training, of units by class, and of a model's activations and predictions."""

from __future__ import annotations

import itertools

import matplotlib
import numpy as np
import pytest
from plot_helpers import IMAGES_NET, recorder

matplotlib.use("Agg")

import matplotlib.pyplot as plt

import nnc
from nnc import layers, plot

W1 = np.random.default_rng(0).standard_normal((784, 12)).astype(np.float32)
W2 = np.random.default_rng(1).standard_normal((12, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def draw(axes):
    """Render, as saving does: an artist that cannot be drawn fails here."""
    np.ravel(axes)[0].figure.canvas.draw()
    return axes


# ---- the first layer by class and by epoch


def test_filters_by_class():
    w2 = np.zeros((12, 3))
    w2[range(12), np.arange(12) % 3] = np.arange(1.0, 13)
    w2[:, 2] *= -1  # no unit is largest for class 2: zeros are larger
    ax = draw(plot.filters_by_class([W1, w2], n=3, class_names=["cat", "dog", "owl"]))
    assert ax.get_title() == "W1: 6 of 12 units by the class that they support most"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cat", "dog", "owl"]
    mosaic = np.asarray(ax.images[0].get_array().filled(np.nan))
    for row, units in enumerate([[9, 6, 3], [10, 7, 4], []]):
        for column in range(3):
            part = mosaic[2 + 30 * row :, 2 + 30 * column :][:28, :28]
            if column < len(units):
                np.testing.assert_array_equal(part, W1[:, units[column]].reshape(28, 28))
            else:
                assert np.isnan(part).all()


def test_filters_by_class_go_through_all_later_matrices():
    a, b = np.array([[1.0, 0], [0, 1], [0, 2]]), np.array([[0.0, 1], [1, 0]])  # a b: units 1 and 2 say 0
    first = np.arange(12.0).reshape(4, 3)
    ax = plot.filters_by_class([first, a, b])
    mosaic = np.asarray(ax.images[0].get_array().filled(np.nan))  # gaps of 1 and 2
    for (row, column), unit in {(0, 0): 2, (0, 1): 1, (1, 0): 0}.items():
        part = mosaic[1 + 3 * row :, 2 + 4 * column :][:2, :2]
        np.testing.assert_array_equal(part, first[:, unit].reshape(2, 2))
    assert np.isfinite(mosaic).sum() == 12
    two = plot.filters_by_class([np.ones((4, 3)), np.array([[1.0], [-1], [2]])])
    assert [t.get_text() for t in two.get_yticklabels()] == ["0", "1"]


def test_filters_by_class_refuses():
    with pytest.raises(ValueError, match="source must have a matrix after W1"):
        plot.filters_by_class([W1])
    with pytest.raises(ValueError, match=r"W2 must have 12 inputs.*\(5, 2\)"):
        plot.filters_by_class([W1, np.ones((5, 2))])
    with pytest.raises(ValueError, match="class_names must have 3 names, got 2"):
        plot.filters_by_class([W1, W2], class_names="ab")


def test_recorder():
    found = recorder(epochs=5, every=2)
    assert found.epochs == [0, 2, 4] and found.input_shape == (5, 4)
    assert list(found.weights) == ["hidden kernel", "hidden bias", "dense kernel", "dense bias"]
    for kept in (found.weights, found.gradients):
        for arrays, w in zip(kept.values(), IMAGES_NET.get_weights(), strict=True):
            assert len(arrays) == 3 and all(a.shape == w.shape for a in arrays)
    kernels = found.weights["hidden kernel"]
    assert not np.array_equal(kernels[0], kernels[1])  # copies, not one array
    with pytest.raises(ValueError, match="x and y must be given both"):
        nnc.callbacks.Recorder(np.ones((2, 2)))


def test_recording_changes_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 4)), rng.integers(0, 3, 40)
    weights = []
    for extra in ([], [nnc.callbacks.Recorder(x[:5], y[:5])]):
        model = nnc.Sequential(
            [nnc.Input((4,)), layers.Dense(5, "relu"), layers.Dropout(0.5), layers.Dense(3)], seed=1
        )
        model.compile("adam", nnc.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, 8, 3, callbacks=extra, verbose=0)
        weights.append(model.get_weights())
        if extra:
            for kept, now in zip(extra[0].weights.values(), weights[1], strict=True):
                np.testing.assert_array_equal(kept[-1], now)
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_filters_over_epochs():
    found = recorder(epochs=4)
    ax = draw(plot.filters_over_epochs(found, n=2, columns=3))
    assert ax.get_title() == "hidden kernel: the 2 of 6 units that changed most"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "2", "4"]
    kernels = found.weights["hidden kernel"]
    most = np.argsort(-((kernels[-1] - kernels[0]) ** 2).sum(axis=0))[:2]
    mosaic = np.asarray(ax.images[0].get_array().filled(np.nan))
    for row, unit in enumerate(most):
        for column, k in enumerate((0, 2, 4)):
            part = mosaic[1 + 6 * row :, 1 + 5 * column :][:5, :4]
            np.testing.assert_array_equal(part, kernels[k][:, unit].reshape(5, 4))
            assert ax.get_xticks()[column] == 1 + 5 * column + 1.5
    assert "all units" in plot.filters_over_epochs(found, n=None).get_title()
    with pytest.raises(ValueError, match="recorder has no weights of two axes"):
        plot.filters_over_epochs(nnc.callbacks.Recorder())
    with pytest.raises(ValueError, match="columns must be at least 2, got 1"):
        plot.filters_over_epochs(found, columns=1)


@pytest.mark.parametrize("of", ["weights", "gradients"])
def test_histograms(of):
    found = recorder(epochs=3)
    axes = draw(plot.histograms(found, of, bins=10))
    assert [ax.get_title() for ax in axes] == ["hidden kernel (20, 6)", "dense kernel (6, 3)"]
    for ax, name in zip(axes, ("hidden kernel", "dense kernel"), strict=True):
        arrays = getattr(found, of)[name]
        (mesh,) = ax.collections
        shares = np.asarray(mesh.get_array()).reshape(10, 4) ** 2
        edges = mesh.get_coordinates()[:, 0, 1]
        assert edges[0] == -edges[-1] and shares.mean() * 10 >= 0.98
        for share, array in zip(shares.T, arrays, strict=True):
            np.testing.assert_allclose(share * array.size, np.histogram(array, edges)[0], atol=1e-9)
        medians = ax.lines[1].get_ydata()
        np.testing.assert_allclose(medians, [np.median(array) for array in arrays], rtol=1e-6, atol=1e-9)
        assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "1", "2", "3"]


def test_histograms_refuse():
    with pytest.raises(ValueError, match="of must be 'weights' or 'gradients', got 'biases'"):
        plot.histograms(recorder(), "biases")
    with pytest.raises(ValueError, match=r"Recorder\(x, y\) keeps gradients"):
        plot.histograms(nnc.callbacks.Recorder(), "gradients")


# ---- activations and predictions


def test_embedding():
    x = np.random.default_rng(3).standard_normal((50, 5, 4)).astype(np.float32)
    y = np.arange(50) % 3
    ax = draw(plot.embedding(IMAGES_NET, x, y, class_names=["cat", "dog", "owl"]))
    assert [t.get_text() for t in ax.texts] == ["cat", "dog", "owl"] and len(ax.collections) == 3
    hidden = IMAGES_NET.layer_output(x, "hidden").astype(float)
    values, vectors = np.linalg.eigh(np.cov(hidden.T, bias=True))
    assert ax.get_title() == f"hidden (50, 6): {100 * values[-2:].sum() / values.sum():.0f} % of the variance"
    expected = (hidden - hidden.mean(axis=0)) @ vectors[:, [-1, -2]]
    points = np.empty((50, 2))
    for k, collection in enumerate(ax.collections):
        points[y == k] = collection.get_offsets()
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-6)
    assert len(draw(plot.embedding(IMAGES_NET, x, layer=-1)).texts) == 0
    one = nnc.Sequential([nnc.Input((3,)), layers.Dense(1), layers.Dense(2)], seed=0)
    draw(plot.embedding(one, np.zeros((4, 3))))


@pytest.mark.parametrize("names", [None, [f"class {k}" for k in range(12)]])
def test_names_in_an_embedding_do_not_cover_each_other(names):
    x = np.random.default_rng(3).standard_normal((60, 5, 4)).astype(np.float32)
    ax = draw(plot.embedding(IMAGES_NET, x, np.arange(60) % 12, class_names=names))
    boxes = [text.get_bbox_patch().get_window_extent() for text in ax.texts]
    assert len(boxes) == 12
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_embedding_refuses():
    x = np.zeros((5, 5, 4), np.float32)
    with pytest.raises(ValueError, match="x must have at least two rows, got 1"):
        plot.embedding(IMAGES_NET, x[:1])
    with pytest.raises(ValueError, match="y must have 5 rows, as x has, got 2"):
        plot.embedding(IMAGES_NET, x, [0, 1])
    with pytest.raises(ValueError, match="model has no layer before"):
        plot.embedding(nnc.Sequential([nnc.Input((3,)), layers.Dense(2)]), np.zeros((4, 3)))


@pytest.mark.parametrize("columns", [0, 1])
def test_calibration_is_that_of_scikit_learn(columns):
    curve = pytest.importorskip("sklearn.calibration").calibration_curve
    rng = np.random.default_rng(0)
    p = rng.random(500)
    y = (rng.random(500) < p**2).astype(int)
    ax = draw(plot.calibration(y, p.reshape(-1, 1) if columns else p, bins=7))
    right, said = curve(y, p, n_bins=7)
    np.testing.assert_allclose(ax.lines[1].get_xdata(), said, rtol=1e-12)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), right, rtol=1e-12)
    assert ax.get_xlabel() == "probability of class 1"


def test_calibration_of_classes():
    rows = [[0.9, 0.1, 0], [0.5, 0.3, 0.2], [0.5, 0.2, 0.3], [0, 0, 1]]
    ax = draw(plot.calibration([0, 0, 1, 2], rows, bins=4))
    assert ax.lines[1].get_xdata().tolist() == [0.5, 0.95] and ax.lines[1].get_ydata().tolist() == [0.5, 1.0]
    assert ax.get_title() == "expected calibration error 0.025 (larger: more rows)"


@pytest.mark.parametrize(
    "y, p, message",
    [
        ([0, 1], [0.5, 1.5], r"y_prob must be probabilities in \[0, 1\], got 0.5 to 1.5"),
        ([0, 1], [0.5, np.nan], "y_prob must be probabilities"),
        ([0, 2], [0.5, 0.5], "y_true must be 0 or 1 .* got 2"),
        ([], [], "y_prob must have shape"),
        ([0], [0.5, 0.5], "equal lengths, got 1 and 2"),
    ],
)
def test_calibration_refuses(y, p, message):
    with pytest.raises(ValueError, match=message):
        plot.calibration(y, p)
