"""Dropout: elements or complete channels set to 0 at random, in training only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .base import Layer, kept_axes
from .noise import Noise, random_words


def dropout_mask(shape: tuple[int, int], rate: float, index: int, noise: Noise) -> NDArray[np.bool_]:
    """Return the mask of the elements of a (B, F) batch that dropout keeps, each with probability 1 - rate.

    Element (r, f) is kept if word r F + f of the layer's stream (see `random_words`) is at least rate 2^32.

    Parameters
    ----------
    shape : (int, int)
    rate : float
        In [0, 1).
    index : int
        The layer's position in the plan.
    noise : Noise
        The seed, epoch and step.

    Returns
    -------
    ndarray of bool, of that shape

    Examples
    --------
    >>> from nnc import reference
    >>> mask = reference.dropout_mask((100, 100), rate=0.25, index=0, noise=(1, 0, 0))
    >>> mask.shape, round(float(mask.mean()), 2)
    ((100, 100), 0.75)
    """
    rows, features = shape
    return random_words(rows * features, index, noise).reshape(shape) >= np.uint64(rate * 2**32)


class Dropout(Layer):
    """a = x mask / (1 - rate) in training, a = x in inference (Srivastava et al. 2014, "inverted" form).

    There is a decision for each position along the kept axes, for all positions along the shared ones.
    """

    kind = "dropout"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        if not 0.0 <= row["rate"] < 1.0:
            raise ValueError(f"layer {index}: dropout rate {row['rate']} must be in [0, 1)")
        self.scale = float(np.float32(1.0 / (1.0 - row["rate"])))  # rounded as in the compiled plan
        self.axes = self.check_axes(n_inputs)

    def mask(self, shape, noise):
        kept = kept_axes(self.axes)
        mask = dropout_mask((shape[0], math.prod(kept)), self.row["rate"], self.index, noise)
        return np.broadcast_to(mask.reshape(-1, *kept), (shape[0], *self.axes)).reshape(shape)

    def forward(self, x, parameters, noise):
        if noise is None:
            return x, None
        keep = self.mask(x.shape, noise)
        return np.where(keep, x * self.scale, 0.0), keep

    def backward(self, dy, parameters, keep):
        return (dy if keep is None else np.where(keep, dy * self.scale, 0.0)), []


class SpatialDropout(Dropout):
    """Dropout of complete channels: one decision for each (row, channel), for all positions of the map.

    Tompson, Goroshin, Jain, LeCun and Bregler 2015, "Efficient object localization using convolutional
    networks": neighbors in a map are so similar that dropping them one by one hides little.
    """

    kind = "spatial_dropout"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        if row["channels"] < 1 or n_inputs % row["channels"]:
            message = f"channels {row['channels']} do not divide the {n_inputs} features"
            raise ValueError(f"layer {index}: {message}")

    def mask(self, shape, noise):
        channels = self.row["channels"]
        mask = dropout_mask((shape[0], channels), self.row["rate"], self.index, noise)
        return np.tile(mask, shape[1] // channels)
