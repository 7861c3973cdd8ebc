"""Standardization of features by given statistics, and its inverse."""

from __future__ import annotations

import math

import numpy as np

from .base import Layer, kept_axes

LEAST = 1e-7  # deviation


class Standardization(Layer):
    """a = (x - mean) / deviation, deviation = max(sqrt(variance), 1e-7); if "inverse", x deviation + mean.

    There is a mean and a variance for each position along the kept axes, the same for all positions along the
    shared ones. Training changes neither.
    """

    kind = "standardization"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.axes = self.check_axes(n_inputs)
        self.kept = kept_axes(self.axes)
        self.shapes = dict.fromkeys(("mean", "variance"), (math.prod(self.kept),))

    @property
    def trainable(self):
        return [False, False]

    def scale(self, variance):
        deviation = np.maximum(np.sqrt(variance), LEAST).reshape(self.kept)
        return deviation if self.row["inverse"] else 1.0 / deviation

    def forward(self, x, parameters, noise):
        mean, variance = parameters
        z, mean, scale = x.reshape(len(x), *self.axes), mean.reshape(self.kept), self.scale(variance)
        a = z * scale + mean if self.row["inverse"] else (z - mean) * scale
        return a.reshape(x.shape), None

    def backward(self, dy, parameters, kept):
        dx = dy.reshape(len(dy), *self.axes) * self.scale(parameters[1])
        return dx.reshape(dy.shape), [np.zeros(shape) for shape in self.shapes.values()]

    def new_state(self, parameters, kept):
        return parameters
