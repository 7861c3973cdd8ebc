"""Fashion-MNIST: a better recipe for the same network
===================================================

Fashion-MNIST with three dense layers: a grid over the report's recipe, and a better recipe for the same net.

784-512-256-10, ReLU and softmax cross-entropy. The last 6,000 training images are held out for validation:
they select the best trial of the grid and its best epoch, whose net is saved during training, loaded again
and tested. The better recipe uses mirrored images, dropout, Adam and a one-cycle learning rate; its net is
tested from the saved file, too.

::

    python examples/fashion_mnist.py
    python examples/fashion_mnist.py --data folder/with/the/four/files --quick
"""

import argparse
import time
from pathlib import Path

import numpy as np

import nnc
from nnc import layers, search

REPORT = {"validation accuracy": 0.8950, "test accuracy": 0.8846}
BATCH = 32  # the report's batch size; its learning rates are for the sum over the batch, not the mean
OUR_BATCH = 256
GRID = {"rate": search.choice(0.00075, 0.001, 0.00125), "decay": search.choice(0.0, 0.2, 0.4)}


def net(optimizer, decay=0.0, dropout=0.0):
    he, l2 = nnc.initializers.HeNormal(truncated=False), nnc.regularizers.L2(decay / 2)
    model = nnc.Sequential([nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255)])
    for units in (512, 256):
        model.add(layers.Dense(units, "relu", kernel_initializer=he, kernel_regularizer=l2))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, kernel_initializer=he, kernel_regularizer=l2))
    loss = nnc.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def theirs(params):
    """The report's steps: for the mean over the batch the rate must be larger and the decay smaller."""
    rate = nnc.schedules.ExponentialDecay(params["rate"] * BATCH, 1, 0.9, per="epoch")
    return net(nnc.optimizers.SGD(rate), params["decay"] / BATCH)


def ours(options, images):
    rate = nnc.schedules.OneCycle(0.002, options.our_epochs * -(-images // OUR_BATCH))
    return net(nnc.optimizers.Adam(rate), dropout=0.3)


def train(model, name, train, held_out, test, batch, epochs, options):
    """Train, saving the net of the best epoch; plot; return a row about the saved net."""
    file, start = options.output / f"{name}.safetensors", time.perf_counter()
    best = nnc.callbacks.ModelCheckpoint(file, "val_accuracy", save_best_only=True)
    model.fit(*train, batch, epochs, validation_data=held_out, callbacks=[best])
    seconds = time.perf_counter() - start
    saved = nnc.load_model(file)
    nnc.plot.save(nnc.plot.history(model, int(epochs > 2)), options.output / f"{name}_curves")
    nnc.plot.save(nnc.plot.weights(saved), options.output / f"{name}_weights")
    names = nnc.datasets.fashion_mnist.CLASS_NAMES
    matrix = nnc.plot.confusion_matrix(test[1], saved.predict(test[0]), names)
    nnc.plot.save(matrix, options.output / f"{name}_confusion_matrix")
    run = model.history.history["val_accuracy"]
    row = {"recipe": name, "epochs": epochs, "best epoch": run.index(max(run)) + 1, "seconds": seconds}
    row["validation accuracy"] = saved.evaluate(*held_out)[1]
    return row | {"test accuracy": saved.evaluate(*test)[1], "last epoch's": model.evaluate(*test)[1]}


def main():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=10, help="epochs of the report's recipe")
    parser.add_argument("--our-epochs", type=int, default=40, help="epochs of the better recipe")
    parser.add_argument("--data", type=Path, help="folder with the files; None: found or downloaded")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial weights and the shuffles")
    parser.add_argument("--quick", action="store_true", help="1 and 3 epochs on 6,000 images")
    parser.add_argument("--output", type=Path, default="results/fashion_mnist", help="folder to write to")
    options, images = parser.parse_args(), 54_000
    if options.quick:
        options.epochs, options.our_epochs, images = 1, 3, 6_000

    nnc.set_random_seed(options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    (x, y), test = nnc.datasets.load_fashion_mnist(options.data)
    part, held_out = (x[:images], y[:images]), (x[54_000:], y[54_000:])

    settings = {"metric": "val_accuracy", "score": "best", "seed": options.seed}
    grid = search.GridSearch(theirs, GRID, batch_size=BATCH, epochs=options.epochs, **settings)
    found = grid.run(*part, validation_data=held_out)
    found.to_csv(options.output / "grid.csv")
    trials = sorted(found.trials, key=lambda trial: trial.number)
    histories = {f"rate {t.params['rate']}, decay {t.params['decay']}": t.history for t in trials}
    names = {"loss": "training loss, penalty included", "val_loss": "validation loss, penalty included"}
    axes = nnc.plot.compare(histories, names | {"val_accuracy": "validation accuracy"})
    nnc.plot.save(axes, options.output / "grid")
    trials = [{k: v for k, v in row.items() if k not in ("status", "reason")} for row in found.table]

    mirrored = np.concatenate([part[0], part[0][:, :, ::-1]]), np.concatenate([part[1], part[1]])
    best, mine = theirs(found.best_params), ours(options, len(mirrored[0]))
    rows = [
        train(best, "report", part, held_out, test, BATCH, options.epochs, options),
        train(mine, "ours", mirrored, held_out, test, OUR_BATCH, options.our_epochs, options),
    ]
    rows[0] |= {f"in the report: {name}": value for name, value in REPORT.items()}
    for name, table in {"grid_table": trials, "recipes": rows}.items():
        nnc.tables.save(table, options.output / name)
        print(f"\n{nnc.tables.markdown(table)}")
    print(f"\nTables, models and figures are in {options.output}")


if __name__ == "__main__":
    main()
