"""nnc through its public API: uint8 images without a copy, whole epochs in one call of fit."""

from __future__ import annotations

import numpy as np

import nnc
from nnc import initializers, layers, losses, optimizers, regularizers, search

LOSSES = {
    "crossentropy": losses.SparseCategoricalCrossentropy(from_logits=True),
    "euclidean": losses.EuclideanLoss(),
    "mse": losses.MeanSquaredError(),
}


class Trainer:
    def __init__(self, task, weights=None, threads=1):
        nnc.set_num_threads(threads)
        self.task, self.workload = task, task.workload
        w = self.workload
        kernel = {
            "kernel_initializer": initializers.HeNormal(),
            "kernel_regularizer": regularizers.L2(w.l2) if w.l2 else None,
        }
        stack = [layers.Input((w.sizes[0],)), *([layers.Rescaling(1 / 255)] if w.images else [])]
        for units in w.sizes[1:-1]:
            leaky = w.activation == "leaky_relu"
            act = layers.LeakyReLU(0.01) if leaky else layers.Activation(w.activation)
            stack += [layers.Dense(units, **kernel), act]
        self.model = nnc.Sequential([*stack, layers.Dense(w.sizes[-1], **kernel)], seed=0)
        self.model.compile(optimizers.SGD(w.rate, momentum=w.momentum), LOSSES[w.loss])
        if weights is not None:
            self.model.set_weights(weights)

    def weights(self) -> list[np.ndarray]:
        return self.model.get_weights()

    def first_losses(self, steps: int) -> float:
        rows = self.task.batches(steps).ravel()
        penalty = self.workload.l2 * sum(float(np.sum(w**2)) for w in self.weights() if w.ndim == 2)
        x, y = self.task.x[rows], self.task.y[rows]
        history = self.model.fit(x, y, batch_size=self.workload.batch, shuffle=False, verbose=0)
        return history.history["loss"][0] - penalty

    def run(self, steps: int) -> None:
        per_epoch = min(steps, len(self.task.x) // self.workload.batch)
        self.model.fit(
            self.task.x,
            self.task.y,
            batch_size=self.workload.batch,
            epochs=steps // per_epoch,
            steps_per_epoch=per_epoch,
            verbose=0,
        )


class Predictor:
    def __init__(self, weights, threads):
        nnc.set_num_threads(threads)
        outputs = [b.shape[0] for b in weights[1::2]]
        stack = [layers.Dense(units, "relu") for units in outputs[:-1]]
        head = layers.Dense(outputs[-1], "softmax")
        self.model = nnc.Sequential([layers.Input((len(weights[0]),)), *stack, head])
        self.model.set_weights(weights)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict_on_batch(x)


class Searcher:
    def __init__(self, sweep, params, threads):
        nnc.set_num_threads(threads)
        self.sweep = sweep
        space = {
            "hidden": search.integers(*sweep.hidden),
            "rate": search.uniform(*sweep.rate),
            "l2": search.loguniform(1e-7, 1e-4),
        }
        self.search = search.RandomSearch(
            self.build,
            space,
            sweep.trials,
            metric="val_accuracy",
            epochs=sweep.epochs,
            batch_size=sweep.batch,
            verbose=0,
        )
        self.params = self.search.params()

    def build(self, params):
        kernel = {
            "kernel_initializer": initializers.HeNormal(),
            "kernel_regularizer": regularizers.L2(params["l2"] / 2),
        }
        x = self.sweep.data[0]
        model = nnc.Sequential([layers.Input(x.shape[1:])])
        if x.dtype == np.uint8:
            model.add(layers.Rescaling(1 / 255))
        model.add(layers.Dense(params["hidden"], "relu", **kernel))
        model.add(layers.Dense(self.sweep.outputs, **kernel))
        model.compile(optimizers.SGD(params["rate"]), LOSSES["crossentropy"], metrics=["accuracy"])
        return model

    def run(self) -> list[float]:
        x, y, *held = self.sweep.data
        return [trial.score for trial in self.search.run(x, y, validation_data=tuple(held)).trials]

    def close(self) -> None:
        pass
