"""The axes of a sample in another order."""

from __future__ import annotations

import math

import numpy as np

from .base import Layer


class Permute(Layer):
    """Axis i of the output is axis order[i] - 1 of the input, an array with the sizes `axes`."""

    kind = "permute"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        self.axes, self.order = list(row["axes"]), [axis - 1 for axis in row["order"]]
        if math.prod(self.axes) != n_inputs:
            raise ValueError(f"layer {index}: the product of axes {self.axes} is not {n_inputs}")
        if sorted(self.order) != list(range(len(self.axes))):
            raise ValueError(f"layer {index}: order {row['order']} does not have each of the axes once")

    def forward(self, x, parameters, noise):
        return _permuted(x, self.axes, self.order), None

    def backward(self, dy, parameters, kept):
        sizes = [self.axes[axis] for axis in self.order]
        return _permuted(dy, sizes, [int(axis) for axis in np.argsort(self.order)]), []


def _permuted(x, axes, order):
    return x.reshape(len(x), *axes).transpose(0, *(axis + 1 for axis in order)).reshape(x.shape)
