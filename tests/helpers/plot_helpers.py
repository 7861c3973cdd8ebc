"""Small inputs of plots: curves, weights, images, nets for them, a Recorder of training, a search."""

from __future__ import annotations

import numpy as np

import nnc
from nnc import layers
from nnc.search.planner import Plan

CURVES = {
    "loss": [2.0, 0.9, 0.4, 0.3],
    "accuracy": [0.1, 0.7, 0.9, 0.95],
    "val_loss": [1.5, 0.8, 0.5, 0.45],
    "val_accuracy": [0.3, 0.6, 0.8, 0.85],
    "learning_rate": [0.1, 0.1, 0.05, 0.05],
}
W1 = np.random.default_rng(0).standard_normal((784, 12)).astype(np.float32)
W2 = np.random.default_rng(1).standard_normal((12, 3)).astype(np.float32)
IMAGES = np.random.default_rng(0).integers(1, 256, (13, 5, 4), dtype=np.uint8)
IMAGES_NET = nnc.Sequential(
    [nnc.Input((5, 4)), layers.Flatten(), layers.Dense(6, "tanh", name="hidden"), layers.Dense(3, "softmax")],
    seed=0,
)
IMAGES_NET.compile("adam", "sparse_categorical_crossentropy")
MAPS = nnc.Sequential(
    [nnc.Input((6, 4)), layers.Flatten(), layers.Dense(60, "tanh", name="hidden"), layers.Reshape((5, 4, 3))],
    seed=0,
)
SAMPLE = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def recorder(epochs=3, every=1):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5, 4)).astype(np.float32), rng.integers(0, 3, 40)
    found = nnc.callbacks.Recorder(x[:7], y[:7], every)
    IMAGES_NET.fit(x, y, epochs=epochs, callbacks=[found], verbose=0)
    return found


def searched(direction="max", trials=12):
    """The result of a random search over one branch, numbers and names."""
    rng, made = np.random.default_rng(0), []
    for i in range(trials):
        params = {"optimizer": "sgd", "momentum": 0.1 * i} if i % 3 else {"optimizer": "adam"}
        params |= {"rate": 10.0 ** -(i % 4) * (1 + i / 50), "units": 8 << i % 3}
        curve = np.sort(rng.random(5)).tolist()[:: 1 if direction == "max" else -1]
        score, logs = curve[-1], [{"score": curve}]
        made.append(nnc.search.Trial(i, params, 0, "done", score, [score], 5, logs, "", 1.0))
    made.sort(key=lambda trial: trial.score, reverse=direction == "max")
    return nnc.search.SearchResult(made, "score", direction, Plan(1, 1, ""), False)
