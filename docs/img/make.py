"""Draws the pictures of README.md and of the guide: small PNG files next to this script.

    python docs/img/make.py

784-64-10 is trained on MNIST for ten epochs, and a small search runs over Iris; half a minute.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from PIL import Image

import nnc
from nnc import layers, plot, search

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "examples" / "data" / "mnist"


def save(axes, name, dpi=72):
    """Save as a PNG with 256 colours, half the size."""
    (file,) = plot.save(axes, HERE / name, "png", dpi)
    Image.open(file).convert("RGB").quantize(256).save(file, optimize=True)
    matplotlib.pyplot.close("all")


def network():
    (x, y), (x_test, y_test) = nnc.datasets.load_mnist(DATA)
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten()], seed=0)
    l2 = nnc.regularizers.L2(1e-4)
    model.add(layers.Dense(64, "relu", kernel_regularizer=l2, kernel_initializer="he_normal"))
    model.add(layers.Dense(10, "softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = nnc.callbacks.Recorder(x[:500], y[:500])
    model.fit(x, y, 128, 10, validation_data=(x_test, y_test), callbacks=[recorder], verbose=0)
    probabilities = model.predict(x_test, verbose=0)
    wrong = probabilities.argmax(axis=1) != y_test
    save(plot.history(model, validation="test"), "history")
    save(plot.confusion_matrix(y_test, probabilities), "confusion_matrix")
    save(plot.digits(x_test[wrong], y_test[wrong], probabilities[wrong], n=20), "digits")
    save(plot.weights(model), "weights")
    save(plot.singular_values(model), "singular_values")
    save(plot.filters(model), "filters")
    save(plot.filters_by_class(model, n=8), "filters_by_class")
    save(plot.filters_over_epochs(recorder, n=6, columns=6), "filters_over_epochs")
    save(plot.histograms(recorder), "histograms_weights")
    save(plot.histograms(recorder, "gradients"), "histograms_gradients")
    save(plot.embedding(model, x_test[:2000], y_test[:2000]), "embedding")
    save(plot.calibration(y_test, probabilities), "calibration")


def activations():
    x, y = nnc.datasets.load_iris()
    order = np.random.default_rng(0).permutation(len(x))
    runs = {}
    for name in ("relu", "tanh", "sigmoid", "gelu"):
        model = nnc.Sequential([nnc.Input((4,)), layers.Dense(16, name), layers.Dense(3, "softmax")], seed=0)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        runs[name] = model.fit(x[order], y[order], 16, 60, validation_split=0.3, verbose=0)
    save(plot.compare(runs, ["loss", "val_accuracy"]), "compare")


def build(params):
    model = nnc.Sequential([nnc.Input((4,)), layers.Dense(params["units"], "relu"), layers.Dense(3)])
    sgd = params["optimizer"] == "sgd"
    optimizer = nnc.optimizers.SGD(params["rate"], params["momentum"]) if sgd else "adam"
    loss = nnc.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def searches():
    x, y = nnc.datasets.load_iris()
    space = {
        "units": search.integers(4, 64),
        "optimizer": search.branch({"sgd": {"momentum": search.uniform(0.0, 0.95)}, "adam": {}}),
        "rate": search.loguniform(1e-3, 1e-1),
        "batch_size": [8, 16, 32],
    }
    arguments = {"metric": "val_loss", "folds": 3, "epochs": 20, "verbose": 0}
    found = search.RandomSearch(build, space, 40, **arguments).run(x, y)
    save(search.plots.parameters(found), "search_parameters", 60)
    save(search.plots.parallel(found), "search_parallel")
    save(search.plots.curves(found), "search_curves")
    grid = {"units": [4, 16, 64], "rate": [1e-3, 1e-2, 1e-1], "optimizer": "sgd", "momentum": 0.9}
    found = search.GridSearch(build, grid, **arguments).run(x, y)
    save(search.plots.heat_map(found, "rate", "units"), "search_heat_map")


if __name__ == "__main__":
    network()
    activations()
    searches()
