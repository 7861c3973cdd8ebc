"""A search on a cluster
=====================

A search on a cluster: the same code as on one machine, inside ``joblib.parallel_config``.

Without arguments it starts a Dask cluster of two worker processes on this machine and compares its table with
that of threads in this process. ``--scheduler tcp://host:8786`` uses an existing cluster (``dask scheduler``
on one machine, ``dask worker tcp://host:8786 --nthreads 1 --nworkers -1`` on every machine); nnc must be
installed on all of them.

::

    pip install "nnc[search]"
    python examples/search_cluster.py
    python examples/search_cluster.py --quick
    python examples/search_cluster.py --scheduler tcp://host:8786 --trials 200
"""

import argparse
import time
from pathlib import Path

import joblib
from dask.distributed import Client, LocalCluster

import nnc
from nnc import layers, search

DATA = Path(__file__).parent / "data" / "mnist"
SPACE = {
    "hidden": search.several(search.integers(32, 129), length=search.integers(1, 3)),
    "optimizer": search.branch({"sgd": {"momentum": search.uniform(0.0, 0.95)}, "adam": {}}),
    "learning_rate": search.loguniform(1e-3, 1e-1),
    "batch_size": [32, 64, 128],
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--scheduler", metavar="ADDRESS", help="of a Dask cluster; None: two processes on this machine")
    add("--trials", type=int, default=12, help="number of trials")
    add("--epochs", type=int, default=5, help="epochs of each trial")
    add("--images", type=int, default=12_000, help="number of training images")
    add("--output", type=Path, default="results/search_cluster", help="folder for the results")
    add("--quick", action="store_true", help="4 trials of 1 epoch on 2,000 images")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.epochs, options.images = 4, 1, 2_000
    return options


def build(params):
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255)])
    for units in params["hidden"]:
        model.add(layers.Dense(units, "relu"))
    model.add(layers.Dense(10, "softmax"))
    rate = params["learning_rate"]
    sgd = params["optimizer"] == "sgd"
    optimizer = nnc.optimizers.SGD(rate, params["momentum"]) if sgd else nnc.optimizers.Adam(rate / 10)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def timed(title, options, x, y):
    random_search = search.RandomSearch(
        build,
        SPACE,
        options.trials,
        metric="val_accuracy",
        validation_split=0.2,
        epochs=options.epochs,
        verbose=0,
    )
    start = time.perf_counter()
    result = random_search.run(x, y)
    print(f"{title}: {time.perf_counter() - start:.1f} s, {result}; {result.plan}")
    return result


def main():
    options = parse_arguments()
    (x, y), _ = nnc.datasets.load_mnist(DATA)
    x, y = x[: options.images], y[: options.images]
    here = None if options.scheduler else timed("threads", options, x, y)
    cluster = options.scheduler or LocalCluster(n_workers=2, threads_per_worker=1, processes=True)
    with Client(cluster), joblib.parallel_config("dask"):
        result = timed("cluster", options, x, y)
    if here is not None:
        cluster.close()
        print("the tables are the same" if here.table == result.table else "the tables DIFFER")
    options.output.mkdir(parents=True, exist_ok=True)
    result.to_csv(options.output / "trials.csv")
    nnc.plot.save(search.plots.parallel(result), options.output / "parallel")
    print(f"best: {result.best_params}\ntrials.csv and a figure are in {options.output}")


if __name__ == "__main__":
    main()
