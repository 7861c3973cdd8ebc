"""A small classifier, its data and a loss, for the tests of Sequential."""

import numpy as np

from nnc import Sequential, layers, optimizers

RNG = np.random.default_rng(5)
X = RNG.normal(size=(67, 4)).astype(np.float32)
IDS = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)
ROWS = np.eye(3, dtype=np.float32)[IDS]


def classifier(
    backend="compiled", seed=1, optimizer=None, loss="sparse_categorical_crossentropy", dropout=0.0, **more
):
    model = Sequential([layers.Input((4,)), layers.Dense(7, "relu")], seed=seed)
    if dropout:
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(3, "softmax"))
    model.compile(
        optimizer or optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"], backend=backend, **more
    )
    return model


def same(a, b):
    """Whether the weights of two models are bitwise equal."""
    return all(np.array_equal(p, q) for p, q in zip(a.get_weights(), b.get_weights(), strict=True))


def stream(times=1, weights=False, size=20):
    """The data in batches, repeated `times` times."""
    for _ in range(times):
        for i in range(0, 67, size):
            batch = X[i : i + size], IDS[i : i + size]
            yield (*batch, np.ones(len(batch[0]))) if weights else batch


def half_square(y_true, y_pred):
    """EuclideanLoss as a Python function."""
    error = y_pred - y_true
    return 0.5 * np.sum(error**2, axis=1), error
