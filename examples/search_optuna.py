"""A search with Optuna
====================

Search with Optuna: a TPE sampler learns from previous trials, and a Hyperband pruner ends poor ones.

With --storage, several processes, or machines that share a file system or a database, work on the same study:
start this script once for each worker, with the same --storage.

::

    pip install "nnc[search]"
    python examples/search_optuna.py
    python examples/search_optuna.py --quick
    python examples/search_optuna.py --storage sqlite:///study.db --trials 100
"""

import argparse
from pathlib import Path

import optuna

import nnc
from nnc import layers, search

DATA = Path(__file__).parent / "data" / "mnist"
SPACE = {
    "hidden": search.several(search.integers(32, 257), length=search.integers(1, 3)),
    "activation": ["relu", "tanh", "gelu"],
    "learning_rate": search.loguniform(1e-3, 1.0),
    "momentum": search.uniform(0.0, 0.95),
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--trials", type=int, default=20, help="number of trials of this process")
    add("--epochs", type=int, default=9, help="epochs of a trial that is not pruned")
    add("--images", type=int, default=12_000, help="number of training images")
    add("--storage", metavar="URL", help="database for Optuna, such as sqlite:///study.db; None: memory")
    add("--study", default="nnc-mnist", help="name of the study in the storage")
    add("--seed", type=int, help="seed of the sampler, different for each worker; None: random")
    add("--quick", action="store_true", help="3 trials of at most 2 epochs on 3,000 images")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.epochs, options.images = 3, 2, 3_000
    return options


def build(params):
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255)])
    for units in params["hidden"]:
        model.add(layers.Dense(units, params["activation"]))
    model.add(layers.Dense(10, "softmax"))
    optimizer = nnc.optimizers.SGD(params["learning_rate"], params["momentum"])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main():
    options = parse_arguments()
    (x, y), _ = nnc.datasets.load_mnist(DATA)
    x, y = x[: options.images], y[: options.images]

    def objective(trial):
        report = search.OptunaCallback(trial, "val_accuracy")
        model = build(search.suggest(trial, SPACE))
        run = model.fit(x, y, 64, options.epochs, validation_split=0.2, callbacks=[report], verbose=0)
        return run.history["val_accuracy"][-1]

    study = optuna.create_study(
        storage=options.storage,
        study_name=options.study,
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=options.seed),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=options.epochs),
    )
    study.optimize(objective, n_trials=options.trials, catch=(nnc.DivergenceError,))
    states = [trial.state.name.lower() for trial in study.trials]
    print(", ".join(f"{states.count(state)} {state}" for state in sorted(set(states))))
    print(f"best: val_accuracy {study.best_value:.4f} with {study.best_params}")


if __name__ == "__main__":
    main()
