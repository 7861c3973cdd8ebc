"""Grid searches on MNIST and Fashion-MNIST
========================================

The grid searches on MNIST and Fashion-MNIST of experiments A and E of the course.

A: 784-100-10, LeakyReLU, half squared distance, SGD with momentum 0.9, on 5,000 images of MNIST; the grid is
over batch size, learning rate, its decay and L2. The report: above a learning rate of 0.005 gradients
explode, and strong L2 hurts. E: 784-512-256-10, ReLU, softmax cross-entropy, Fashion-MNIST, 10 epochs; the
grid is over learning rate and weight decay. The report: learning rate 0.001 without decay is best, with a
validation accuracy of 0.8950. The tables and figures are written to the output folder.

::

    python examples/search_grid.py
    python examples/search_grid.py A --epochs 5
    python examples/search_grid.py --quick
"""

import argparse
import time
from pathlib import Path

import nnc
from nnc import layers, search

DATA = Path(__file__).parent / "data" / "mnist"
GRID_A = {
    "batch_size": [64, 32, 16, 8, 4],
    "learning_rate": [1e-2, 5e-3, 1e-3, 3e-4],
    "decay": [0.001, 0.009],
    "l2": [0.01, 0.005, 0.001],
}
GRID_E = {"learning_rate": [0.00075, 0.001, 0.00125], "hidden": [512], "weight_decay": [0.0, 0.2, 0.4]}


def parse_arguments():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("grids", nargs="*", metavar="GRID", default=["A", "E"], help="A, E or both")
    add("--epochs", type=int, help="epochs of each trial; None: 20 for A, 10 for E")
    add("--quick", action="store_true", help="one epoch with few images, as a smoke test")
    add("--fashion", metavar="FOLDER", help="folder of Fashion-MNIST; None: found or downloaded")
    add("--output", type=Path, default="results/search_grid", help="folder for the results")
    return parser.parse_args()


def build_a(params):
    he, l2 = nnc.initializers.HeNormal(truncated=False), nnc.regularizers.L2(params["l2"] / 2)
    rate = nnc.schedules.InverseTimeDecay(params["learning_rate"], 1, params["decay"], per="epoch")
    model = nnc.Sequential(
        [
            nnc.Input((28, 28)),
            layers.Flatten(),
            layers.Rescaling(1 / 255),
            layers.Dense(100, kernel_initializer=he, kernel_regularizer=l2),
            layers.LeakyReLU(0.01),
            layers.Dense(10, kernel_initializer=he, kernel_regularizer=l2),
        ]
    )
    model.compile(nnc.optimizers.SGD(rate, momentum=0.9), nnc.losses.EuclideanLoss(), metrics=["accuracy"])
    return model


def build_e(params):
    he, l2 = nnc.initializers.HeNormal(truncated=False), nnc.regularizers.L2(params["weight_decay"] / 2)
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255)])
    for units in (params["hidden"], params["hidden"] // 2):
        model.add(layers.Dense(units, "relu", kernel_initializer=he, kernel_regularizer=l2))
    model.add(layers.Dense(10, kernel_initializer=he, kernel_regularizer=l2))
    loss = nnc.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(nnc.optimizers.SGD(params["learning_rate"]), loss, metrics=["accuracy"])
    return model


def run(name, options, build, grid, data, epochs, pictures, **arguments):
    print(f"\ngrid {name}")
    (x, y), _ = data
    start = time.perf_counter()
    grid_search = search.GridSearch(
        build, grid, metric="val_accuracy", validation_split=0.2, epochs=epochs, **arguments
    )
    result = grid_search.run(x, y)
    print(f"{result} in {time.perf_counter() - start:.1f} s: {result.plan}")
    for trial in result.trials[:5] + result.trials[-3:]:
        score = f"{trial.score:.4f}" if trial.status == "done" else trial.reason
        print(f"  {trial.params}: {score}")
    folder = options.output / name
    folder.mkdir(parents=True, exist_ok=True)
    result.to_csv(folder / "trials.csv")
    nnc.plot.save(search.plots.curves(result), folder / "curves")
    nnc.plot.save(search.plots.parallel(result), folder / "parallel")
    for x_name, y_name in pictures:
        nnc.plot.save(search.plots.heat_map(result, x_name, y_name), folder / f"{x_name}-{y_name}")


def main():
    options = parse_arguments()
    if "A" in options.grids:
        (x, y), test = nnc.datasets.load_mnist(DATA)
        rows = 500 if options.quick else 5000
        train, grid = (x[:rows], nnc.utils.to_categorical(y[:rows], 10)), GRID_A
        if options.quick:
            grid = GRID_A | {"batch_size": [64, 32]}
        epochs = 1 if options.quick else options.epochs or 20
        pictures = [("learning_rate", "l2"), ("learning_rate", "batch_size"), ("decay", "l2")]
        run("A", options, build_a, grid, (train, test), epochs, pictures)
    if "E" in options.grids:
        (x, y), test = nnc.datasets.load_fashion_mnist(options.fashion)
        rows = 1000 if options.quick else 60_000
        epochs = 1 if options.quick else options.epochs or 10
        pictures = [("learning_rate", "weight_decay")]
        run("E", options, build_e, GRID_E, ((x[:rows], y[:rows]), test), epochs, pictures, batch_size=32)
    print(f"\nThe tables and figures are in {options.output}")


if __name__ == "__main__":
    main()
