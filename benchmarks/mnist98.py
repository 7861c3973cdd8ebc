"""MNIST to 98 %: import, read the gzip IDX files, train, and print the accuracy on the test set.

    python benchmarks/mnist98.py [--seed N] [--threads N] [--data FOLDER]
    python benchmarks/mnist98.py --validate

The settings were chosen by --validate, which trains on the first 50,000 images of the training set and prints
the accuracy on its last 10,000; the test set had no part in it.
"""

import argparse
from pathlib import Path

import nnc
from nnc import layers

DATA = Path(__file__).resolve().parents[1] / "examples" / "data" / "mnist"
HIDDEN, BATCH, EPOCHS, RATE, MOMENTUM, RISE = 292, 128, 3, 0.3, 0.9, 0.2


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--validate", action="store_true")
    options = parser.parse_args()
    nnc.set_num_threads(options.threads)

    (x, y), test = nnc.datasets.load_mnist(options.data)
    if options.validate:
        x, y, test = x[:50_000], y[:50_000], (x[50_000:], y[50_000:])
    dense = [layers.Dense(HIDDEN, "relu", kernel_initializer="he_normal"), layers.Dense(10)]
    model = nnc.Sequential(
        [nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255), *dense], seed=options.seed
    )
    rate = nnc.schedules.OneCycle(RATE, EPOCHS * -(-len(x) // BATCH), pct_start=RISE)
    loss = nnc.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(nnc.optimizers.SGD(rate, momentum=MOMENTUM), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    _, accuracy = model.evaluate(*test, verbose=0)
    print(f"{'validation' if options.validate else 'test'} accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
