"""A small net for images, and a Recorder of its training."""

from __future__ import annotations

import numpy as np

import nnc
from nnc import layers

IMAGES_NET = nnc.Sequential(
    [nnc.Input((5, 4)), layers.Flatten(), layers.Dense(6, "tanh", name="hidden"), layers.Dense(3, "softmax")],
    seed=0,
)
IMAGES_NET.compile("adam", "sparse_categorical_crossentropy")


def recorder(epochs=3, every=1):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5, 4)).astype(np.float32), rng.integers(0, 3, 40)
    found = nnc.callbacks.Recorder(x[:7], y[:7], every)
    IMAGES_NET.fit(x, y, epochs=epochs, callbacks=[found], verbose=0)
    return found
