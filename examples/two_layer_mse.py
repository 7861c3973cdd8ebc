"""MNIST with the squared error: two nets, two rules of the learning rate, a grid, and what was learned.

784-784-100-10 and 784-784-10, LeakyReLU and a linear output, half the squared distance to the one-hot label;
SGD with momentum, batches of 16, an L2 penalty. Each net is trained on all training images for a given
number of epochs and tested after the last. The grid is trained on 5,000 training images and compared by 5,000
others.

    python examples/two_layer_mse.py
    python examples/two_layer_mse.py --quick
"""

import argparse
import time
import warnings
from pathlib import Path

import nnc
from nnc import layers, schedules

DATA = Path(__file__).parent / "data" / "mnist"
MODELS = {"Model1": [784, 100], "Model2": [784]}
RULES = {  # of the learning rate in epoch i, from 0
    "0.001 / (1 + 0.001 i)": schedules.InverseTimeDecay(0.001, 1, 0.001, per="epoch"),
    "0.001 * 0.98^i": schedules.ExponentialDecay(0.001, 1, 0.98, per="epoch"),
}
REPORT = {"Model1": (0.032, 0.976), "Model2": (0.055, 0.960)}  # test loss and accuracy
GRID = {
    "batch_size": nnc.search.choice(64, 32, 16, 8, 4),
    "rate": nnc.search.choice(1e-2, 5e-3, 1e-3, 3e-4),
    "decay": nnc.search.choice(0.001, 0.009),
    "l2": nnc.search.choice(0.01, 0.005, 0.001),
}


def parse_arguments():
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--epochs", type=int, default=100, help="times through the training set")
    add("--train", type=int, default=60_000, help="images of the training set to use")
    add("--search-epochs", type=int, default=10, help="of each trial")
    add("--seed", type=int, default=0, help="of the first weights and the shuffles")
    add("--threads", type=int, help="None: as many as the process may use")
    add("--quick", action="store_true", help="2 epochs on 6,000 images; a trial 1 on 500")
    add("--output", type=Path, default="results/two_layer_mse", help="folder for what is written")
    options = parser.parse_args()
    if options.quick:
        options.epochs, options.train, options.search_epochs = 2, 6_000, 1
    return options


def build(hidden, rate, l2):
    he = nnc.initializers.VarianceScaling(2 / (1 + 0.01**2), "fan_in", "untruncated_normal")
    shared = {"kernel_initializer": he, "kernel_regularizer": nnc.regularizers.L2(l2 / 2)}
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255)])
    for units in hidden:
        model.add(layers.Dense(units, nnc.activations.Activation("leaky_relu", 0.01), **shared))
    model.add(layers.Dense(10, **shared))
    # The loss has the penalty in it; the squared error beside it has not.
    model.compile(nnc.optimizers.SGD(rate, 0.9), nnc.losses.EuclideanLoss(), metrics=["accuracy", "mse"])
    return model


def keep(model, test, curves, path):
    """Save the net and draw it; test the net that was saved."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(f"{path}.safetensors")
    if nnc.load_model(f"{path}.safetensors").evaluate(*test) != model.evaluate(*test):
        raise SystemExit("the loaded model is not the one that was saved")
    nnc.plot.save(nnc.plot.history(curves), f"{path}_curves")
    nnc.plot.save(nnc.plot.weights(model), f"{path}_weights")
    nnc.plot.save(nnc.plot.singular_values(model), f"{path}_singular_values")


def train_all(options, x, y, test):
    rows, runs = [], {}
    for name, hidden in MODELS.items():
        for rule, rate in RULES.items():
            print(f"\n{name}, learning rate {rule}")
            nnc.set_random_seed(options.seed)
            model, start = build(hidden, rate, 0.001), time.perf_counter()
            run = model.fit(x, y, 16, options.epochs, validation_data=test).history
            seconds = time.perf_counter() - start
            for part in ("", "val_"):  # without the penalty; of ten outputs, half the sum is 5 times the mean
                run[f"{part}loss"] = [5 * value for value in run.pop(f"{part}mse")]
            row = {"net": name, "learning rate": rule, "epochs": options.epochs, "seconds": seconds}
            row |= {"test loss": run["val_loss"][-1], "test accuracy": run["val_accuracy"][-1]}
            row["best epoch's accuracy"] = max(run["val_accuracy"])
            if rule == next(iter(RULES)):
                keep(model, test, run, options.output / name)
                row |= {"report's loss": REPORT[name][0], "report's accuracy": REPORT[name][1]}
            rows.append(row)
            runs[f"{name}, {rule}"] = run
    axes = nnc.plot.compare(runs, ["val_loss", "val_accuracy"], first=min(1, options.epochs - 1))
    nnc.plot.save(axes, options.output / "rules")
    return rows


def search(options, x, y):
    def trial(params):
        rate = schedules.InverseTimeDecay(params["rate"], 1, params["decay"], per="epoch")
        return build(MODELS["Model1"], rate, params["l2"])

    grid = nnc.search.GridSearch(
        trial, GRID, metric="val_accuracy", epochs=options.search_epochs, seed=options.seed
    )
    n = 500 if options.quick else 5_000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that trials failed: the table has the reason of each
        found = grid.run(x[:n], y[:n], validation_data=(x[-n:], y[-n:]))
    found.to_csv(options.output / "search.csv")
    nnc.plot.save(nnc.search.plots.parameters(found), options.output / "search_parameters")
    nnc.plot.save(nnc.search.plots.heat_map(found, "rate", "batch_size"), options.output / "search_rates")
    return found.table


def main():
    options = parse_arguments()
    nnc.set_num_threads(options.threads)
    (x, labels), (x_test, labels_test) = nnc.datasets.load_mnist(DATA)
    y, y_test = nnc.utils.to_categorical(labels), nnc.utils.to_categorical(labels_test)
    rows = train_all(options, x[: options.train], y[: options.train], (x_test, y_test))
    nnc.tables.save(rows, options.output / "models")
    trials = search(options, x, y)
    nnc.tables.save(trials[:10], options.output / "search_best")
    print(f"\n{nnc.tables.markdown(rows)}\n\n{nnc.tables.markdown(trials[:10])}")
    print(f"\nTables, models and figures are in {options.output}")


if __name__ == "__main__":
    main()
