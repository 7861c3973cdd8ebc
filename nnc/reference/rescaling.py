"""Rescaling of samples."""

from __future__ import annotations

from .base import Layer


class Rescaling(Layer):
    """a = x scale + offset."""

    kind = "rescaling"

    def forward(self, x, parameters, noise):
        return x * self.row["scale"] + self.row["offset"], None

    def backward(self, dy, parameters, kept):
        return dy * self.row["scale"], []
