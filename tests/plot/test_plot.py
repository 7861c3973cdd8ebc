"""Every plot: its labels and the data of its artists; files; Figures created without pyplot."""

from __future__ import annotations

import types

import matplotlib
import numpy as np
import pytest
from plot_helpers import CURVES, IMAGES, MAPS, SAMPLE, W1, W2

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

import nnc
from nnc import layers, plot


class Layer:
    def __init__(self, name, *weight_names):
        self.name, self.weight_names = name, list(weight_names)


class Model:
    """The part of Sequential's interface that plots use."""

    input_shape = (None, 14, 56)

    def __init__(self):
        self.history = types.SimpleNamespace(history=CURVES, epoch=[4, 5, 6, 7])
        layers = [Layer("flatten"), Layer("dense", "kernel", "bias"), Layer("dense_1", "kernel")]
        self.flattened_layers = {layer.name: layer for layer in layers}

    def get_weights(self):
        return [W1, np.zeros(12, np.float32), W2]


@pytest.fixture(autouse=True)
def leave_no_trace():
    settings = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == settings
    plt.close("all")


def draw(axes):
    """Render, as saving does: an artist that cannot be drawn fails here."""
    np.ravel(axes)[0].figure.canvas.draw()
    return axes


def labels(axes):
    return [(ax.get_xlabel(), ax.get_ylabel()) for ax in np.ravel(axes)]


def names_in(axes):
    """The visible names of lines: at their ends, in a legend, next to a row."""
    figure = np.ravel(axes)[0].figure
    legends = [ax.get_legend() for ax in np.ravel(axes)] + figure.legends
    found = {text.get_text() for legend in legends if legend for text in legend.get_texts()}
    found |= {text.get_text() for ax in np.ravel(axes) for text in ax.texts}
    return found | {text.get_text() for ax in np.ravel(axes) for text in ax.get_yticklabels()}


def texts(ax):
    return [(t.get_text(), t.get_color()) for t in ax.texts]


# ---- history


@pytest.mark.parametrize(
    "source, start",
    [(CURVES, 1), (Model().history, 5), (Model(), 5), ({k: np.array(v) for k, v in CURVES.items()}, 1)],
    ids=["dict", "History", "model", "arrays"],
)
@pytest.mark.parametrize("first", [0, 1, 2])
def test_history(source, start, first):
    axes = draw(plot.history(source, first=first))
    assert axes.shape == (2,) and all(isinstance(ax, Axes) for ax in axes)
    assert labels(axes) == [("epoch", "loss"), ("epoch", "accuracy")]
    for ax, name in zip(axes, ("loss", "accuracy"), strict=True):
        training, validation = ax.lines
        assert training.get_color() != validation.get_color()
        for line, key in ((training, name), (validation, "val_" + name)):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(start + first, start + 4))
            np.testing.assert_array_equal(line.get_ydata(), CURVES[key][first:])
        assert names_in(axes) >= {"training", "validation"}
    assert axes[0].get_title() == f"loss after epoch {start + 3}: training 0.3, validation 0.45"


def test_history_without_validation_of_one_epoch():
    (ax,) = draw(plot.history({"loss": [0.5]}))
    assert ax.lines[0].get_xdata().tolist() == [0.5] and len(ax.lines) == 1
    assert labels(ax) == [("loss", "")] and ax.get_title() == "loss after epoch 1: training 0.5"


@pytest.mark.parametrize("first", [0, 3])
def test_a_single_epoch_has_rows_and_no_fractions_of_epochs(first):
    curves = CURVES if first else {name: values[:1] for name, values in CURVES.items()}
    axes = draw(plot.history(curves, first, validation="test"))
    assert [ax.get_xlabel() for ax in axes] == ["loss", "accuracy"]
    for ax in axes:
        assert [t.get_text() for t in ax.get_yticklabels()] == ["training", "test"]
        assert [line.get_ydata().tolist() for line in ax.lines] == [[0.0], [1.0]]
    axes = draw(plot.compare({"a": curves, "b": curves}, ["val_loss"], first))
    assert names_in(axes) == {"a", "b"} and axes[0].get_title() == "validation loss"


@pytest.mark.parametrize("epochs", [2, 3, 5])
def test_ticks_are_whole_epochs(epochs):
    (ax,) = draw(plot.history({"loss": np.arange(epochs, 0, -1.0)}))
    assert all(float(tick) == int(tick) for tick in ax.get_xticks())


def test_history_with_validation_every_second_epoch():
    (ax,) = plot.history({"loss": [5.0, 4, 3, 2, 1], "val_loss": [4.5, 2.5]}, first=2)
    assert [line.get_xdata().tolist() for line in ax.lines] == [[3, 4, 5], [4]]
    assert ax.lines[1].get_ydata().tolist() == [2.5]


def test_compare():
    runs = {"a": CURVES, "b": {"loss": [3.0, 2.0], "extra": [1.0, 2.0]}}
    axes = draw(plot.compare(runs, first=1))
    assert [axis.get_title() for axis in axes] == [
        "loss", "accuracy", "validation loss", "validation accuracy"
    ]  # fmt: skip
    assert [len(axis.lines) for axis in axes] == [2, 1, 1, 1]
    assert axes[0].lines[0].get_color() != axes[0].lines[1].get_color()
    np.testing.assert_array_equal(axes[0].lines[0].get_xdata(), [2, 3, 4])
    np.testing.assert_array_equal(axes[0].lines[1].get_ydata(), [2.0])
    (axis,) = plot.compare(runs, {"extra": "a shared label"}, ax=plt.subplots()[1])
    assert [line.get_label() for line in axis.lines] == ["b"]
    assert axis.get_ylabel() == axis.get_title() == "a shared label"


def test_compare_refuses():
    with pytest.raises(ValueError, match="histories is empty"):
        plot.compare({})
    with pytest.raises(ValueError, match="'acc'"):
        plot.compare({"a": CURVES}, ["acc"])
    with pytest.raises(ValueError, match=r"first must be from 0 to 3.*got 4"):
        plot.compare({"a": CURVES}, first=4)


@pytest.mark.parametrize("first", [-1, 4])
def test_history_refuses_to_leave_out_everything(first):
    with pytest.raises(ValueError, match=f"first must be from 0 to 3.*got {first}"):
        plot.history(CURVES, first=first)


def test_history_refuses_nothing_to_draw():
    with pytest.raises(ValueError, match=r"such as 'loss', got \['val_loss'\]"):
        plot.history({"val_loss": [1.0]})
    model = Model()
    model.history = None
    for untrained in (model, model.history):
        with pytest.raises(ValueError, match="has not been trained"):
            plot.history(untrained)


# ---- weights


@pytest.mark.parametrize(
    "source, names",
    [
        (Model(), ["dense", "dense_1"]),
        ({"W1": W1, "b": np.zeros(12), "W2": W2}, ["W1", "W2"]),
        ([W1, np.zeros(12), W2], ["W1", "W2"]),
    ],
    ids=["model", "dict", "list"],
)
def test_weights(source, names):
    axes = draw(plot.weights(source))
    assert labels(axes) == [("output", "input")] * 2
    for ax, name, w in zip(axes, names, (W1, W2), strict=True):
        assert ax.get_title() == f"{name} {w.shape}"
        (image,) = ax.images
        low, high = image.get_clim()
        assert low == -high and np.isclose(high, np.percentile(np.abs(w), 99.5))
        assert list(image.get_extent()) == [-0.5, w.shape[1] - 0.5, w.shape[0] - 0.5, -0.5]
        assert image.colorbar.extend == "both" and image.colorbar.ax.get_ylabel() == "weight"
        drawn = image.get_array()
        np.testing.assert_array_equal(drawn[:: len(drawn) // len(w), :: drawn.shape[1] // w.shape[1]], w)


def test_weights_in_colours():
    (ax,) = draw(plot.weights(np.array([[-2.0, 0.0, 2.0]])))
    (image,) = ax.images
    below, zero, above = image.cmap(image.norm(image.get_array()[0]))[:, :3]
    assert below[2] > below[0] and above[0] > above[2] and zero.min() > 0.95  # blue, red, white
    assert image.colorbar.extend == "neither"


@pytest.mark.parametrize("w", [[[0.0, 0], [0, 0]], [[np.nan, 1]], [[np.nan, -np.inf]], [[1.0]]])
def test_weights_and_filters_of_odd_values(w):
    draw(plot.weights(np.array(w)))
    draw(plot.filters(np.array(w), shape=(len(w), 1)))


def test_weights_of_a_convolution():
    kernel = np.arange(3 * 3 * 2 * 4.0).reshape(3, 3, 2, 4)
    (ax,) = draw(plot.weights([kernel]))
    assert ax.get_title() == "W1 (18, 4)"
    np.testing.assert_array_equal(ax.images[0].get_array(), kernel.reshape(18, 4))


def test_singular_values():
    ax = draw(plot.singular_values([W1, W2]))
    assert labels(ax) == [("k (logarithmic)", "k-th singular value")] and ax.get_xscale() == "log"
    for line, w in zip(ax.lines, (W1, W2), strict=True):
        np.testing.assert_allclose(line.get_ydata(), np.linalg.svd(w.astype(float))[1], rtol=1e-10)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, min(w.shape) + 1))
    assert names_in(ax) >= {"W1 (784, 12)", "W2 (12, 3)"}


@pytest.mark.parametrize("source", [[], [np.zeros(3)], {}, np.zeros(3)])
@pytest.mark.parametrize("function", [plot.weights, plot.singular_values])
def test_no_matrix_to_draw(function, source):
    with pytest.raises(ValueError, match="source must have an array with two or more axes"):
        function(source)


def test_filters():
    ax = draw(plot.filters([W1, W2]))
    assert ax.get_title() == "W1: 12 units, 28 x 28 weights each"
    mosaic = np.asarray(ax.images[0].get_array().filled(np.nan))
    for k in range(12):  # four columns, three rows, gaps of two
        row, column = 2 + 30 * (k // 4), 2 + 30 * (k % 4)
        np.testing.assert_array_equal(mosaic[row : row + 28, column : column + 28], W1[:, k].reshape(28, 28))
    assert np.isnan(mosaic).sum() == mosaic.size - W1.size
    assert len(ax.get_xticks()) == 0 and ax.images[0].colorbar.ax.get_ylabel() == "weight"


def test_filters_take_their_shape_from_the_model_and_their_number():
    assert "dense: 12 units, 14 x 56" in plot.filters(Model()).get_title()
    assert plot.filters(W1, n=5).get_title() == "W: the first 5 of 12 units, 28 x 28 weights each"
    assert "7 x 112" in plot.filters(W1, shape=(7, 112)).get_title()
    with pytest.raises(ValueError, match=r"12 values for each image: give shape=\(height, width\)"):
        plot.filters(W2)
    with pytest.raises(ValueError, match=r"784 values for each image.*shape=\(3, 3\)"):
        plot.filters(W1, shape=(3, 3))
    with pytest.raises(ValueError, match="n must be at least 1 or None, got 0"):
        plot.filters(W1, n=0)


@pytest.mark.parametrize("inputs", [1, 3])
def test_filters_of_a_convolution(inputs):
    kernel = np.random.default_rng(0).standard_normal((3, 5, inputs, 4))
    ax = draw(plot.filters([kernel, W2]))
    assert ax.get_title() == f"W1: 4 units, 3 x 5 x {inputs} weights each"
    mosaic = np.asarray(ax.images[0].get_array().filled(np.nan))
    columns = 2 if inputs == 1 else 1  # of 5 or 17 by 3 pixels
    wide, gap = 6 * inputs - 1, 1 if inputs == 1 else 2
    for k in range(4):
        row, column = 1 + 4 * (k // columns), gap + (wide + gap) * (k % columns)
        unit = mosaic[row : row + 3, column : column + wide]
        for i in range(inputs):
            np.testing.assert_array_equal(unit[:, 6 * i : 6 * i + 5], kernel[:, :, i, k])
    assert np.isnan(mosaic).sum() == mosaic.size - kernel.size
    assert plot.filters(kernel, n=3).get_title().startswith("W: the first 3 of 4 units, 3 x 5 x ")
    with pytest.raises(ValueError, match=r"shape must be None or \(3, 5\) for W .*got \(5, 3\)"):
        plot.filters(kernel, shape=(5, 3))
    with pytest.raises(ValueError, match=r"filters need weights of shape .*, W has \(3, 5, 4\)"):
        plot.filters(np.ones((3, 5, 4)))


# ---- feature maps


@pytest.mark.parametrize("layer", ["reshape", 2, -1, MAPS.layers[2]])
@pytest.mark.parametrize("x", [SAMPLE, SAMPLE[None], SAMPLE.tolist()], ids=["sample", "batch", "list"])
def test_feature_maps(layer, x):
    ax = draw(plot.feature_maps(MAPS, x, layer))
    assert ax.get_title() == "reshape: 3 maps, 5 x 4" and ax.images[0].colorbar.ax.get_ylabel() == "output"
    mosaic = np.asarray(ax.images[0].get_array().filled(np.nan))
    maps = MAPS.predict(SAMPLE[None], verbose=0)[0]
    for k in range(3):  # two columns, gaps of one
        row, column = 1 + 6 * (k // 2), 1 + 5 * (k % 2)
        np.testing.assert_array_equal(mosaic[row : row + 5, column : column + 4], maps[:, :, k])
    assert plot.feature_maps(MAPS, x, layer, n=2).get_title() == "reshape: the first 2 of 3 maps, 5 x 4"


def test_feature_maps_are_those_of_the_first_convolution(monkeypatch):
    model = nnc.Sequential([nnc.Input((6, 4, 1)), layers.ZeroPadding2D(), layers.Conv2D(2, 3, name="first")])
    monkeypatch.setattr(model, "layer_output", lambda x, layer: np.ones((1, *layer.output_shape)))
    assert plot.feature_maps(model, SAMPLE[:, :, None]).get_title() == "first: 2 maps, 6 x 4"


def test_feature_maps_refuses():
    with pytest.raises(
        ValueError, match=r"layer is None, but no layer with weights returns maps: \[Dense\(60, "
    ):
        plot.feature_maps(MAPS, SAMPLE)
    with pytest.raises(ValueError, match=r"layer must be one that returns maps .*, hidden returns \(60,\)"):
        plot.feature_maps(MAPS, SAMPLE, "hidden")
    with pytest.raises(ValueError, match=r"x must be one sample of shape \(6, 4\), got \(2, 6, 4\)"):
        plot.feature_maps(MAPS, [SAMPLE, SAMPLE], "reshape")
    with pytest.raises(ValueError, match="no layer 'conv2d'; it has flatten, hidden, reshape"):
        plot.feature_maps(MAPS, SAMPLE, "conv2d")
    with pytest.raises(ValueError, match=r"layer must be a layer of the model, .*got Dense\(2\)"):
        plot.feature_maps(MAPS, SAMPLE, layers.Dense(2))


# ---- confusion matrix


@pytest.mark.parametrize("rows", [False, True])
def test_confusion_matrix(rows):
    y_true, y_pred = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    ax = draw(plot.confusion_matrix(y_true, np.eye(3)[y_pred] * 2 - 5 if rows else y_pred.tolist(), "abc"))
    assert labels(ax) == [("predicted class", "true class")]
    assert ax.get_title() == "4 of 6 correct (66.67 %)"
    cells = {tuple(t.get_position()): t.get_text() for t in ax.texts}  # (x, y): predicted, true
    assert cells == {(0, 0): "2", (1, 0): "1", (1, 1): "2", (0, 2): "1"}
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]
    right, wrong = (np.asarray(image.get_array().filled(np.nan)) for image in ax.images)
    np.testing.assert_array_equal(~np.isnan(right), np.eye(3, dtype=bool))
    np.testing.assert_array_equal(np.argwhere(~np.isnan(wrong)), [[0, 1], [2, 0]])
    assert right[1, 1] > right[0, 0] > right[2, 2]


@pytest.mark.parametrize("classes", [1, 2, 10, 40])
def test_confusion_matrix_of_many_classes(classes):
    y = np.arange(classes).repeat(2)
    ax = draw(plot.confusion_matrix(y, y))
    assert "(100.00 %)" in ax.get_title() and len(ax.texts) == (classes if classes <= 30 else 0)


@pytest.mark.parametrize(
    "y_true, y_pred, names, message",
    [
        ([], [], None, "y_true is empty"),
        ([0, 1], [0], None, "equal lengths, got 2 and 1"),
        ([0, -1], [0, 0], None, "y_true must be class ids"),
        ([0, 1], [0, 0.5], None, "y_pred must be class ids"),
        ([0, 1], ["a", "b"], None, "y_pred must be class ids"),
        ([0, 3], [0, 1], ["a", "b"], "2 names, but the ids go to 3"),
    ],
)
def test_confusion_matrix_refuses(y_true, y_pred, names, message):
    with pytest.raises(ValueError, match=message):
        plot.confusion_matrix(y_true, y_pred, names)


# ---- digits


@pytest.mark.parametrize("shape", [(13, 5, 4), (13, 5, 4, 1), (13, 20)])
def test_digits(shape):
    ax = draw(plot.digits(IMAGES.reshape(shape), shape=(5, 4) if len(shape) == 2 else None))
    assert ax.get_title() == "13 images" and not ax.texts
    mosaic = np.asarray(ax.images[0].get_array().filled(np.nan))
    for k in range(13):  # ten columns, gaps of two
        row, column = 2 + 7 * (k // 10), 2 + 6 * (k % 10)
        np.testing.assert_array_equal(mosaic[row : row + 5, column : column + 4], IMAGES[k])
    assert np.isnan(mosaic).sum() == mosaic.size - IMAGES.size


def test_digits_with_predictions():
    true = np.arange(13) % 3
    pred = np.where(np.arange(13) == 4, 2, true)
    ax = draw(plot.digits(IMAGES, true, np.eye(3)[pred], n=6))
    assert ax.get_title() == "the first 6 of 13 images, 1 of them misclassified (red)"
    assert texts(ax) == [
        ("0", plot.RIGHT), ("1", plot.RIGHT), ("2", plot.RIGHT),
        ("0", plot.RIGHT), ("2, not 1", plot.WRONG), ("2", plot.RIGHT),
    ]  # fmt: skip
    mistakes = plot.digits(IMAGES, true, true + 1, n=12)
    assert mistakes.get_title() == "the first 12 of 13 mistakes: the predicted class, not the true one"
    assert plot.digits(IMAGES[:1], [1], [0]).get_title().startswith("1 mistake: ")
    named = plot.digits(IMAGES, y_pred=pred, n=2, class_names=["cat", "dog", "owl"])
    assert [text for text, _ in texts(named)] == ["cat", "dog"]


def test_labels_of_digits_do_not_overlap():
    names = ["T-shirt/top", "Trouser", "Pullover"]
    ax = draw(plot.digits(np.zeros((12, 28, 28), np.uint8), [0] * 12, [2] * 12, class_names=names))
    boxes = [t.get_window_extent() for t in ax.texts] + [ax.title.get_window_extent()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_digits_refuses():
    with pytest.raises(ValueError, match=r"x must be images.*got \(3,\)"):
        plot.digits([1, 2, 3])
    with pytest.raises(ValueError, match=r"x must be images.*got \(0, 28, 28\)"):
        plot.digits(np.zeros((0, 28, 28)))
    with pytest.raises(ValueError, match="13 rows, as x has, got 2"):
        plot.digits(IMAGES, [1, 2])


# ---- files


def test_save(tmp_path):
    axes = plot.history(CURVES)
    path = tmp_path / "new" / "run.0.5"
    assert plot.save(axes, path) == [f"{path}.png", f"{path}.svg"]
    png, svg = (tmp_path / "new" / f"run.0.5.{s}" for s in ("png", "svg"))
    assert png.read_bytes().startswith(b"\x89PNG") and b"<svg" in svg.read_bytes()
    assert plt.imread(png).shape[:2] == tuple(np.round(axes[0].figure.get_size_inches()[::-1] * 150))
    for figure in (axes[0], axes[0].figure):
        assert plot.save(figure, str(tmp_path / "again"), formats="svg") == [str(tmp_path / "again.svg")]
        assert (tmp_path / "again.svg").read_bytes() == svg.read_bytes()
