"""The models of the tests of searches, in a module that other processes can import."""

import time

import numpy as np

import nnc
from nnc import layers, search

_rng = np.random.default_rng(0)
IDS = _rng.integers(0, 3, 240)
X = (_rng.normal(size=(240, 6)) + IDS[:, None] * [1, 0, -1, 0.5, 0, 1]).astype(np.float32)
SPACE = {"units": search.integers(3, 20), "rate": search.loguniform(1e-3, 0.5)}


def build(params):
    hidden = layers.Dense(params["units"], params.get("activation", "relu"))
    model = nnc.Sequential([hidden, layers.Dense(3, "softmax")])
    optimizer = nnc.optimizers.SGD(params.get("rate", 0.1), momentum=0.5)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def build_slowly(params):
    time.sleep(0.05)
    return build(params)
