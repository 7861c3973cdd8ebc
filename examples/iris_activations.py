"""Iris: activations, and a custom training loop
=============================================

Iris: four activations compared on twenty splits, and a net with the squared error and a custom training loop.

4-40-3 and softmax cross-entropy with ReLU, sigmoid, tanh and PReLU, everything else being equal; then 4-40-3
with a sigmoid and the sum of half the squared errors, its training loop written with nnc.functional. Each
random split has 120 flowers to train on and 30 to test on, and its own initial weights. Results are those of
the last epoch. The settings were chosen on thirty other splits, with seeds from 2000 on.

::

    python examples/iris_activations.py
    python examples/iris_activations.py --quick
"""

import argparse
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import nnc
from nnc import functional, layers

REPORT = {"relu": 1.0, "sigmoid": 1.0, "tanh": 1.0, "prelu": 1.0, "by hand": None}  # test accuracy, one split
REPORT_TRAINING = {"by hand": 0.975}  # others: 0.967 to 0.975
CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")


def split(seed):
    """(training, test) parts, in centimetres."""
    x, y = nnc.datasets.load_iris()
    order = np.random.default_rng(seed).permutation(len(x))
    return (x[order[:120]], y[order[:120]]), (x[order[120:]], y[order[120:]])


def train(activation, seed, options):
    l2, slope = nnc.regularizers.L2(0.001), nnc.initializers.Constant(0.25)
    between = layers.PReLU(slope) if activation == "prelu" else layers.Activation(activation)
    hidden, output = (layers.Dense(units, kernel_regularizer=l2) for units in (40, 3))
    model = nnc.Sequential([hidden, between, output], seed=seed)
    loss = nnc.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(nnc.optimizers.SGD(options.learning_rate, 0.9), loss, metrics=["accuracy"])
    (x, y), (x_test, y_test) = split(seed)
    test = x_test - x.mean(axis=0), y_test
    x = x - x.mean(axis=0)
    return model.fit(x, y, 16, options.epochs, validation_data=test, verbose=0).history


def train_by_hand(_, seed, options, rate=0.001, l2=0.001, batch=5):
    (x, labels), (x_test, labels_test) = split(seed)
    y, y_test = nnc.utils.to_categorical(labels), nnc.utils.to_categorical(labels_test)
    rng, weights = np.random.default_rng(seed), nnc.initializers.GlorotUniform()
    w1, b1, w2, b2 = weights((4, 40), rng), np.zeros(40, "f"), weights((40, 3), rng), np.zeros(3, "f")
    run = {name: [] for name in CURVES}
    for _ in range(options.hand_epochs):
        order = rng.permutation(len(x))
        for rows in order.reshape(-1, batch):
            z1 = functional.dense(x[rows], w1, b1)
            a1 = functional.activation("sigmoid", z1)
            da2 = functional.dense(a1, w2, b2) - y[rows]  # gradient of the sum of (a2 - y)^2 / 2
            da1, dw2, db2 = functional.dense_backward(a1, w2, da2)
            dz1 = functional.activation_backward("sigmoid", z1, da1)
            _, dw1, db1 = functional.dense_backward(x[rows], w1, dz1)
            for w, dw in ((w1, dw1 + l2 * w1), (b1, db1), (w2, dw2 + l2 * w2), (b2, db2)):
                w -= rate * dw
        for part, features, target in (("", x, y), ("val_", x_test, y_test)):
            a2 = functional.dense(functional.dense(features, w1, b1, "sigmoid"), w2, b2)
            run[f"{part}loss"].append(nnc.losses.EuclideanLoss()(target, a2))
            run[f"{part}accuracy"].append(nnc.metrics.CategoricalAccuracy()(target, a2))
    return run


def reached(curve, level):
    """The first epoch that reaches this training accuracy; the number of epochs if none does."""
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= level), len(curve))


def main():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=300, help="epochs of training")
    parser.add_argument("--hand-epochs", type=int, default=800, help="epochs of the custom loop")
    parser.add_argument("--splits", type=int, default=20, help="number of splits, each with its own seed")
    parser.add_argument("--learning-rate", type=float, default=0.01, help="of SGD with momentum 0.9")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first split")
    parser.add_argument("--quick", action="store_true", help="2 splits, 60 epochs")
    parser.add_argument("--output", type=Path, default="results/iris_activations", help="folder to write to")
    options = parser.parse_args()
    if options.quick:
        options.splits, options.epochs, options.hand_epochs = 2, 60, 60

    nnc.set_num_threads(1)  # the nets are too small for several threads
    rows, means = [], {}
    bar = tqdm(total=len(REPORT) * options.splits, unit="run", disable=None)
    for name, report in REPORT.items():
        start, runs = time.perf_counter(), []
        for seed in range(options.seed, options.seed + options.splits):
            runs.append((train_by_hand if name == "by hand" else train)(name, seed, options))
            bar.update()
        seconds = time.perf_counter() - start
        means[name] = {curve: np.mean([run[curve] for run in runs], axis=0).tolist() for curve in CURVES}
        training, test = (np.array([run[key][-1] for run in runs]) for key in ("accuracy", "val_accuracy"))
        row = {"activation": name, "training accuracy": training.mean(), "test accuracy": test.mean()}
        row |= {"test spread": test.std(), "test lowest": test.min(), "test highest": test.max()}
        row["splits without error"] = int((test == 1.0).sum())
        for level in (0.9, 0.95):
            row[f"epochs to {level:.0%}"] = np.mean([reached(run["accuracy"], level) for run in runs])
        row |= {"report's training": REPORT_TRAINING.get(name), "report's test": report}
        rows.append(row | {"seconds": seconds})
    bar.close()
    nnc.plot.save(nnc.plot.history(means.pop("by hand"), validation="test"), options.output / "by_hand")
    names = {"loss": "training loss", "accuracy": "training accuracy", "val_accuracy": "test accuracy"}
    axes = nnc.plot.compare(means, names)
    nnc.plot.save(axes, options.output / "activations")
    nnc.tables.save(rows, options.output / "activations")
    print(f"\n{nnc.tables.markdown(rows)}\n\nThe table and the figures are in {options.output}")


if __name__ == "__main__":
    main()
