"""MNIST: activations, losses and depth
====================================

MNIST with three activations, three losses and two depths; then the effect of four hyperparameters.

784-128-10 and 784-256-128-10 with sigmoid, ReLU and GELU, with half the squared distance, softmax
cross-entropy and the hinge loss with margin 5: 18 nets that differ in nothing else, except for the hinge's
learning rate. Then one hidden layer with GELU and cross-entropy, varying learning rate, batch size, momentum
and weight decay one at a time; and again without shuffling the images between epochs. Each net is trained on
all training images for a given number of epochs and tested after the last.

::

    python examples/activations_losses.py
    python examples/activations_losses.py --quick
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import nnc
from nnc import layers

DATA = Path(__file__).parent / "data" / "mnist"
BASE = {"learning rate": 0.01, "batch": 100, "momentum": 0.9, "weight decay": 2e-4}
LOSSES = {  # and settings that differ from BASE; the hinge's 1e-4 is for the sum over the batch, not the mean
    "euclidean": (nnc.losses.EuclideanLoss(), {"learning rate": 0.1}),
    "cross-entropy": (nnc.losses.SparseCategoricalCrossentropy(from_logits=True), {"learning rate": 0.1}),
    "hinge": (nnc.losses.MarginHinge(5.0), {"learning rate": 100 * 1e-4, "weight decay": 2e-4 / 100}),
}
REPORT = {  # test accuracy for the losses in their order
    ("128", "sigmoid"): (0.9602, 0.9778, 0.9625),
    ("128", "relu"): (0.9519, 0.9733, 0.9715),
    ("128", "gelu"): (0.9739, 0.9751, 0.9739),
    ("256 128", "sigmoid"): (0.9654, 0.9752, 0.9685),
    ("256 128", "relu"): (0.9804, 0.9758, 0.9783),
    ("256 128", "gelu"): (0.9815, 0.9678, 0.9802),
}
SWEEPS = {  # and the report's test accuracy
    "learning rate": {0.1: 0.9690, 0.01: 0.9760, 0.001: 0.9492, 0.0001: 0.8957},
    "batch": {10: 0.9731, 50: 0.9747, 100: 0.9760, 200: 0.9734},
    "momentum": {0.0: 0.9496, 0.5: 0.9655, 0.9: 0.9760, 0.99: 0.9583},
    "weight decay": {0.0: 0.9761, 2e-4: 0.9760, 2e-3: 0.9693, 2e-2: 0.9107},
}


def train(hidden, activation, loss, settings, epochs, data, shuffle=True):
    """(the curves, seconds per epoch including its test) of one net."""
    normal, l2 = nnc.initializers.RandomNormal(stddev=0.01), nnc.regularizers.L2(settings["weight decay"] / 2)
    shared = {"kernel_initializer": normal, "kernel_regularizer": l2}
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255)], seed=42)
    for units in map(int, hidden.split()):
        model.add(layers.Dense(units, activation, **shared))
    model.add(layers.Dense(10, **shared))
    sgd = nnc.optimizers.SGD(settings["learning rate"], settings["momentum"])
    model.compile(sgd, loss, metrics=["accuracy"])
    count = nnc.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: data["bar"].update())
    start, options = time.perf_counter(), {"validation_data": data["test"], "shuffle": shuffle}
    model.fit(*data["train"], settings["batch"], epochs, 0, count, **options)
    return model.history.history, (time.perf_counter() - start) / epochs


def draw(runs, names, axes, title):
    """Draw the curves without the first twentieth, where the accuracy rises from chance."""
    first = len(next(iter(runs.values()))["loss"]) // 20
    nnc.plot.compare(runs, names, first, axes)
    np.ravel(axes)[0].set_title(title, fontsize=10)


def combinations(options, data):
    rows = []
    for hidden in dict.fromkeys(hidden for hidden, _ in REPORT):
        figure, axes = plt.subplots(2, 3, figsize=(15, 7.3), layout="constrained")
        figure.suptitle(f"784-{hidden.replace(' ', '-')}-10 on MNIST with three losses")
        for place, (name, (loss, changed)) in enumerate(LOSSES.items()):
            runs = {}
            for activation in ("sigmoid", "relu", "gelu"):
                run, seconds = train(hidden, activation, loss, BASE | changed, options.epochs, data)
                test, report = run["val_accuracy"], REPORT[hidden, activation][place]
                row = {"hidden": hidden, "loss": name, "activation": activation, "test accuracy": test[-1]}
                row |= {"best epoch's": max(test), "spread of the last 10": float(np.std(test[-10:]))}
                row |= {"report": report, "difference": test[-1] - report, "seconds an epoch": seconds}
                rows, runs[activation] = [*rows, row], run
            names = {"val_accuracy": "test accuracy", "val_loss": "test loss, penalty included"}
            draw(runs, names, axes[:, place], f"{name}: test accuracy")
        nnc.plot.save(figure, options.output / f"hidden_{hidden.replace(' ', '_')}")
    return rows


def sweeps(options, data):
    figure, axes = plt.subplots(1, 4, figsize=(18, 4.1), layout="constrained")
    figure.suptitle("784-128-10 on MNIST with GELU and cross-entropy: one setting changed at a time")
    loss, rows = LOSSES["cross-entropy"][0], []
    for axis, (name, reports) in zip(axes, SWEEPS.items(), strict=True):
        runs = {}
        for value, report in reports.items():
            settings = ("128", "gelu", loss, BASE | {name: value}, options.sweep_epochs, data)
            (run, seconds), (fixed, _) = train(*settings), train(*settings, shuffle=False)
            row = {"sweep": name, "value": f"{value:g}", "test accuracy": run["val_accuracy"][-1]}
            row |= {"best epoch's": max(run["val_accuracy"]), "in one order": fixed["val_accuracy"][-1]}
            rows.append(row | {"report": report, "seconds an epoch": seconds})
            runs[f"{value:g}"] = run
        draw(runs, {"val_accuracy": "test accuracy"}, axis, f"test accuracy by {name}")
    nnc.plot.save(figure, options.output / "sweeps")
    return rows


def main():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=100, help="epochs of each of the 18 nets")
    parser.add_argument("--sweep-epochs", type=int, default=50, help="epochs of each net of the sweeps")
    parser.add_argument("--quick", action="store_true", help="2 epochs on 3,000 images")
    parser.add_argument("--output", type=Path, default="results/activations_losses", help="output folder")
    options, few = parser.parse_args(), slice(None)
    if options.quick:
        options.epochs, options.sweep_epochs, few = 2, 2, slice(3_000)

    (x, y), test = nnc.datasets.load_mnist(DATA)
    data = {"train": (x[few], y[few]), "test": test}
    data["bar"] = tqdm(total=18 * options.epochs + 32 * options.sweep_epochs, unit="epoch", disable=None)
    tables = {"combinations": combinations(options, data), "sweeps": sweeps(options, data)}
    data["bar"].close()
    for name, rows in tables.items():
        nnc.tables.save(rows, options.output / name)
        print(f"\n{nnc.tables.markdown(rows)}")
    print(f"\nTables and figures are in {options.output}")


if __name__ == "__main__":
    main()
