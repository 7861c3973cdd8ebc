"""Normalization of each position to length 1."""

from __future__ import annotations

import numpy as np

from .base import Layer

LEAST = 1e-12  # of |x|^2


class UnitNormalization(Layer):
    """a = x / max(|x|, 1e-6), with |x| the Euclidean norm of a group of `group` features."""

    kind = "unit_normalization"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.check_group(n_inputs)

    def forward(self, x, parameters, noise):
        runs = x.reshape(len(x), -1, self.row["group"])
        squares = np.sum(runs * runs, axis=2, keepdims=True)
        a = runs / np.sqrt(np.maximum(squares, LEAST))
        return a.reshape(x.shape), (a, squares)

    def backward(self, dy, parameters, kept):
        a, squares = kept
        dy_runs = dy.reshape(a.shape)
        dot = np.where(squares > LEAST, np.sum(a * dy_runs, axis=2, keepdims=True), 0.0)
        return ((dy_runs - a * dot) / np.sqrt(np.maximum(squares, LEAST))).reshape(dy.shape), []
