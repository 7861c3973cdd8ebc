"""MNIST to 98 % accuracy: import, read the gzip IDX files, train, and print the accuracy on the test set.

    python benchmarks/mnist98.py [--seed N] [--threads N] [--data FOLDER]
    python benchmarks/mnist98.py --validate

The settings were chosen by --validate, which trains on the first 50,000 images of the training set and prints
the accuracy on its last 10,000.
"""

import mnist98_settings as settings
import numpy as np

import nnc
from nnc import layers


class RiseAndFall(nnc.schedules.Schedule):
    """The schedule of mnist98_settings for a run of `steps` steps."""

    def __init__(self, steps):
        self.steps = steps

    def rate(self, t):
        parts = [settings.rate(step, self.steps) for step in np.atleast_1d(t).tolist()]
        return settings.RATE * np.asarray(parts).reshape(np.shape(t))


def main():
    parser = settings.parser(__doc__)
    parser.add_argument("--validate", action="store_true")
    options = parser.parse_args()
    nnc.set_num_threads(options.threads)

    (x, y), test = nnc.datasets.load_mnist(options.data)
    if options.validate:
        x, y, test = x[:50_000], y[:50_000], (x[50_000:], y[50_000:])
    dense = [layers.Dense(settings.HIDDEN, "relu", kernel_initializer="he_normal"), layers.Dense(10)]
    model = nnc.Sequential(
        [nnc.Input((28, 28)), layers.Flatten(), layers.Rescaling(1 / 255), *dense], seed=options.seed
    )
    rate = RiseAndFall(settings.EPOCHS * -(-len(x) // settings.BATCH))
    loss = nnc.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(nnc.optimizers.SGD(rate, momentum=settings.MOMENTUM), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=settings.BATCH, epochs=settings.EPOCHS, verbose=0)
    _, accuracy = model.evaluate(*test, verbose=0)
    print(f"{'validation' if options.validate else 'test'} accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
