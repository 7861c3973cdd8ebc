"""nnc on the convolutional net of workloads.py, through its public API."""

from __future__ import annotations

import numpy as np
from workloads import BN_EPSILON, CONV_BATCH, CONV_MOMENTUM, CONV_RATE, CONVOLUTIONS, DENSE

import nnc
from nnc import layers, losses, optimizers


def build() -> nnc.Sequential:
    stack = [nnc.Input((28, 28, 1)), layers.Rescaling(1 / 255)]
    for filters, padding in CONVOLUTIONS:
        if filters:
            same = "same" if padding else "valid"
            conv = layers.Conv2D(filters, 3, padding=same, use_bias=False, kernel_initializer="he_normal")
            stack += [conv, layers.BatchNormalization(momentum=0.9, epsilon=BN_EPSILON), layers.ReLU()]
        else:
            stack.append(layers.MaxPooling2D())
    stack.append(layers.Flatten())
    stack += [layers.Dense(units, "relu", kernel_initializer="he_normal") for units in DENSE[:-1]]
    return nnc.Sequential([*stack, layers.Dense(DENSE[-1])], seed=0)


class Trainer:
    def __init__(self, x, y, weights, threads):
        nnc.set_num_threads(threads)
        self.x, self.y = x, y
        self.model = build()
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(optimizers.SGD(CONV_RATE, momentum=CONV_MOMENTUM), loss)

    def weights(self) -> list[np.ndarray]:
        return self.model.get_weights()

    def run(self, batches: np.ndarray) -> float:
        rows = batches.ravel()
        history = self.model.fit(self.x[rows], self.y[rows], CONV_BATCH, shuffle=False, verbose=0)
        return history.history["loss"][0]

    def phases(self, batches: np.ndarray) -> dict[str, float]:
        """Microseconds per step in the forward and backward pass of each layer, measured in the core."""
        rows, steps = batches.ravel(), len(batches)
        plan = self.model._engine.plan_for(CONV_BATCH)
        names = [layer.name for layer in self.model.layers for _ in layer.rows()]
        seconds = np.zeros((len(names) + 1, 2))
        rates = np.full(steps, CONV_RATE, np.float32)
        x = self.x[rows].reshape(len(rows), -1)
        plan.train(x, self.y[rows], None, None, 0, rates, CONV_BATCH, 0, 0, 100.0, seconds=seconds)
        plan.release()
        ways = [(f"{name}, {way}") for name in names for way in ("forward", "backward")]
        times = dict(zip([*ways, "gather", "loss"], 1e6 * seconds.ravel() / steps, strict=True))
        return {name: time for name, time in times.items() if time > 0}


class Predictor:
    def __init__(self, weights, threads):
        nnc.set_num_threads(threads)
        self.model = build()
        self.model.set_weights(weights)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict_on_batch(x)
