"""Accuracy of nets trained in bfloat16 and in float32, with the same data, initial weights and shuffles.

    python benchmarks/precision_accuracy.py C            # both precisions, seeds 0, 1, 2, then the table
    python benchmarks/precision_accuracy.py B --epochs 4 --seeds 1 --precision bfloat16 --minutes 4
    python benchmarks/precision_accuracy.py --table      # of all that was trained

C is the final run of examples/search_mnist.py (784-292-10, 50 epochs), B the net of examples/mnist_cnn.py
with its shifts and rotations, E the best net of the report on Fashion-MNIST (784-512-256-10, 10 epochs;
54,000 images) and E-own the better recipe of examples/fashion_mnist.py. A run is saved in the output folder
after each epoch; a run that was interrupted or ended by --minutes is resumed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import nnc

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
import fashion_mnist
import mnist_cnn
import search_mnist

PRECISIONS = ("float32", "bfloat16")
C_FOUND = {"hidden": 292, "learning_rate": 0.24752, "l2": 2.5466e-7}
E_FOUND = {"rate": 0.001, "decay": 0.0}


@dataclasses.dataclass(frozen=True)
class Net:
    build: Callable[[int, int], nnc.Sequential]  # of epochs and images
    load: Callable[[], tuple]
    batch: int
    epochs: int
    mirrored: bool = False


def mnist():
    return nnc.datasets.load_mnist(search_mnist.DATA)


def fashion():
    (x, y), test = nnc.datasets.load_fashion_mnist()
    return (x[:54_000], y[:54_000]), test


def cnn(epochs: int, images: int) -> nnc.Sequential:
    recipe = {"plain": False, "turn": 0.03, "shift": 0.08, "dropout": 0.2, "learning_rate": 0.003}
    options = SimpleNamespace(**recipe, batch=64, epochs=epochs, train=images, precision="float32")
    return mnist_cnn.build(options)


def own_recipe(epochs: int, images: int) -> nnc.Sequential:
    return fashion_mnist.ours(SimpleNamespace(our_epochs=epochs), images)


NETS = {
    "C": Net(lambda epochs, images: search_mnist.build(C_FOUND), mnist, search_mnist.BATCH, 50),
    "B": Net(cnn, mnist, 64, 12),
    "E": Net(lambda epochs, images: fashion_mnist.theirs(E_FOUND), fashion, fashion_mnist.BATCH, 10),
    "E-own": Net(own_recipe, fashion, fashion_mnist.OUR_BATCH, 40, mirrored=True),
}


class Deadline(nnc.callbacks.Callback):
    """Ends this process before an epoch that would exceed the given time; the previous one is saved."""

    def __init__(self, seconds: float, start: float) -> None:
        super().__init__()
        self.end, self.before = start + seconds, None

    def on_epoch_begin(self, epoch, logs=None) -> None:
        now = time.perf_counter()
        if self.before is not None and 2 * now - self.before > self.end:
            sys.exit(f"{epoch} epochs are done; start it again to continue")
        self.before = now


def path_of(options, name: str, precision: str, seed: int) -> Path:
    epochs = options.epochs or NETS[name].epochs
    return options.output / f"{name}-{epochs}-{precision}-{seed}.safetensors"


def train(options, name: str, precision: str, seed: int, start: float) -> None:
    net, file = NETS[name], path_of(options, name, precision, seed)
    epochs = options.epochs or net.epochs
    nnc.set_random_seed(seed)
    (x, y), test = net.load()
    if net.mirrored:
        x, y = np.concatenate([x, x[:, :, ::-1]]), np.concatenate([y, y])
    model = net.build(epochs, len(x))
    model.compile(model.optimizer, model.loss, metrics=["accuracy"], precision=precision)
    callbacks = [nnc.callbacks.ModelCheckpoint(file), Deadline(60 * options.minutes, start)]
    resume = file if file.exists() else None
    known = {"validation_data": test, "verbose": 0, "callbacks": callbacks}
    model.fit(x, y, net.batch, epochs, resume_from=resume, **known)


def row(options, name: str) -> dict | None:
    """Mean test accuracies in percent after the last epoch, over the seeds done in both precisions."""
    epochs, found = options.epochs or NETS[name].epochs, {}
    for precision in PRECISIONS:
        for seed in options.seeds:
            file = path_of(options, name, precision, seed)
            curve = nnc.load_model(file).history.history["val_accuracy"] if file.exists() else []
            if len(curve) == epochs:
                found[precision, seed] = 100 * curve[-1]
    seeds = [seed for seed in options.seeds if all((p, seed) in found for p in PRECISIONS)]
    if not seeds:
        return None
    result = {"net": name, "epochs": epochs, "seeds": len(seeds)}
    of = {p: [found[p, seed] for seed in seeds] for p in PRECISIONS}
    result |= {p: f"{np.mean(values):.3f}" for p, values in of.items()}
    result |= {f"{p}, each": " ".join(f"{value:.2f}" for value in values) for p, values in of.items()}
    return result | {"difference": f"{np.mean(of['bfloat16']) - np.mean(of['float32']):+.3f}"}


def main() -> None:
    start = time.perf_counter()
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("nets", nargs="*", choices=[[], *NETS], default=[], help="to train")
    parser.add_argument("--table", action="store_true", help="print the table of all nets, without training")
    parser.add_argument("--precision", choices=PRECISIONS, nargs="*", default=PRECISIONS)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, help="by default, the epochs of each net")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="time limit of this process")
    parser.add_argument("--output", type=Path, default="results/precision_accuracy", help="runs' folder")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    nnc.set_num_threads(options.threads)
    for name in options.nets:
        for seed in options.seeds:
            for precision in options.precision:
                train(options, name, precision, seed, start)
    rows = [found for name in (NETS if options.table else options.nets) if (found := row(options, name))]
    print(nnc.tables.markdown(rows) if rows else "no seed is done in both precisions")


if __name__ == "__main__":
    main()
