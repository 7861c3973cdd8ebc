"""MNIST with the squared error
============================

MNIST with the squared error: two nets, two learning rate schedules, a grid search, and plots of the nets.

784-784-100-10 and 784-784-10, LeakyReLU and a linear output, half the squared distance to the one-hot label;
SGD with momentum, batches of 16, an L2 penalty. Each net is trained on all training images and tested after
the last epoch. The trials of the grid are trained on 5,000 training images and compared on 5,000 others, as
are larger learning rates, up to where the loss explodes.

::

    python examples/two_layer_mse.py
    python examples/two_layer_mse.py --quick
"""

import argparse
import itertools
import time
from pathlib import Path

import nnc
from nnc import layers, schedules

DATA = Path(__file__).parent / "data" / "mnist"
MODELS = {"Model1": ([784, 100], 0.032, 0.976), "Model2": ([784], 0.055, 0.960)}  # report's loss, accuracy
RULES = {  # the learning rate in epoch i, from 0
    "0.001 / (1 + 0.001 i)": schedules.InverseTimeDecay(0.001, 1, 0.001, per="epoch"),
    "0.001 * 0.98^i": schedules.ExponentialDecay(0.001, 1, 0.98, per="epoch"),
}
GRID = {
    "batch_size": nnc.search.choice(64, 32, 16, 8, 4),
    "rate": nnc.search.choice(1e-2, 5e-3, 1e-3, 3e-4),
    "decay": nnc.search.choice(0.001, 0.009),
    "l2": nnc.search.choice(0.01, 0.005, 0.001),
}
LARGE = GRID | {"batch_size": [16], "rate": [0.01, 0.02, 0.04, 0.08, 0.16], "decay": [0.001], "l2": [0.001]}


def build(hidden, rate, l2):
    he = nnc.initializers.VarianceScaling(2 / (1 + 0.01**2), "fan_in", "untruncated_normal")
    shared = {"kernel_initializer": he, "kernel_regularizer": nnc.regularizers.L2(l2 / 2)}
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255)])
    for units in hidden:
        model.add(layers.Dense(units, nnc.activations.Activation("leaky_relu", 0.01), **shared))
    model.add(layers.Dense(10, **shared))
    # The loss includes the penalty; the metric, the squared error, does not.
    model.compile(nnc.optimizers.SGD(rate, 0.9), nnc.losses.EuclideanLoss(), metrics=["accuracy", "mse"])
    return model


def keep(model, test, curves, path):
    """Save the net and plot it; test the saved net."""
    nnc.plot.save(nnc.plot.history(curves, validation="test"), f"{path}_curves")
    nnc.plot.save(nnc.plot.weights(model), f"{path}_weights")
    nnc.plot.save(nnc.plot.singular_values(model), f"{path}_singular_values")
    model.save(f"{path}.safetensors")
    if nnc.load_model(f"{path}.safetensors").evaluate(*test) != model.evaluate(*test):
        raise SystemExit("the loaded model is not the one that was saved")


def train(name, rule, options, train, test):
    """(a row of the table, the curves) of one net with one learning rate schedule."""
    nnc.set_random_seed(options.seed)
    hidden, loss, accuracy = MODELS[name]
    model, start = build(hidden, RULES[rule], 0.001), time.perf_counter()
    run = model.fit(*train, 16, options.epochs, validation_data=test).history
    row = {"net": name, "learning rate": rule, "epochs": options.epochs}
    row["seconds"] = time.perf_counter() - start
    for part in ("", "val_"):  # without the penalty; with ten outputs, half the sum is 5 times the mean
        run[f"{part}loss"] = [5 * value for value in run.pop(f"{part}mse")]
    row |= {"test loss": run["val_loss"][-1], "test accuracy": run["val_accuracy"][-1]}
    row["best epoch's accuracy"] = max(run["val_accuracy"])
    if rule == next(iter(RULES)):
        keep(model, test, run, options.output / name)
        row |= {"report's loss": loss, "report's accuracy": accuracy}
    return row, run


def search(grid, options, part, held_out):
    def trial(params):
        rate = schedules.InverseTimeDecay(params["rate"], 1, params["decay"], per="epoch")
        return build(MODELS["Model1"][0], rate, params["l2"])

    settings = {"metric": "val_accuracy", "epochs": options.search_epochs, "seed": options.seed}
    return nnc.search.GridSearch(trial, grid, **settings).run(*part, validation_data=held_out)


def main():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=100, help="epochs of training")
    parser.add_argument("--search-epochs", type=int, default=10, help="epochs of each trial")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial weights and the shuffles")
    parser.add_argument("--quick", action="store_true", help="one epoch of 12,000 images, 500 for a trial")
    parser.add_argument("--output", type=Path, default="results/two_layer_mse", help="folder to write to")
    options = parser.parse_args()
    few = 500 if options.quick else 5_000
    if options.quick:
        options.epochs = options.search_epochs = 1

    (x, labels), (x_test, labels_test) = nnc.datasets.load_mnist(DATA)
    if options.quick:
        x, labels = x[:12_000], labels[:12_000]
    y, test = nnc.utils.to_categorical(labels), (x_test, nnc.utils.to_categorical(labels_test))
    rows, runs = [], {}
    for name, rule in itertools.product(MODELS, RULES):
        row, runs[f"{name}, {rule}"] = train(name, rule, options, (x, y), test)
        rows.append(row)
    names = {"val_loss": "test loss", "val_accuracy": "test accuracy"}
    axes = nnc.plot.compare(runs, names, first=int(options.epochs > 2))
    nnc.plot.save(axes, options.output / "rules")
    found, large = (search(g, options, (x[:few], y[:few]), (x[-few:], y[-few:])) for g in (GRID, LARGE))
    found.to_csv(options.output / "search.csv")
    nnc.plot.save(nnc.search.plots.parameters(found), options.output / "search_parameters")
    nnc.plot.save(nnc.search.plots.heat_map(found, "rate", "batch_size"), options.output / "search_rates")
    for name, table in {"models": rows, "search_best": found.table[:10], "large": large.table}.items():
        nnc.tables.save(table, options.output / name)
        print(f"\n{nnc.tables.markdown(table)}")
    print(f"\nTables, models and figures are in {options.output}")


if __name__ == "__main__":
    main()
