"""Additive and multiplicative Gaussian noise, in training only."""

from __future__ import annotations

import numpy as np

from .base import Layer
from .formulas import Array
from .noise import Noise, random_words


def normal_numbers(n: int, index: int, noise: Noise) -> Array:
    """Return the first n standard normal numbers of a layer's stream in one training step.

    Box and Muller 1958, "A note on the generation of random normal deviates".

    Number e is sqrt(-2 ln u) cos(2 pi v), u = (w_{2e} + 1) / 2^32, v = w_{2e+1} / 2^32, with w the words of
    `random_words`.

    Examples
    --------
    >>> z = normal_numbers(10000, index=0, noise=(1, 0, 0))
    >>> z.shape, bool(abs(z.mean()) < 0.03), bool(abs(z.std() - 1) < 0.03)
    ((10000,), True, True)
    """
    u, v = random_words(2 * n, index, noise).astype(np.float64).reshape(-1, 2).T * 2.0**-32
    return np.sqrt(-2.0 * np.log(u + 2.0**-32)) * np.cos(2.0 * np.pi * v)


class GaussianNoise(Layer):
    """a = x + s z in training, a = x in inference; with s the row's stddev, z standard normal."""

    kind = "gaussian_noise"

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        if not 0.0 <= row["stddev"] < np.inf:
            raise ValueError(f"layer {index}: stddev {row['stddev']} must be at least 0")
        self.stddev = float(np.float32(row["stddev"]))  # rounded as in the compiled plan

    def draw(self, shape, noise):
        return self.stddev * normal_numbers(shape[0] * shape[1], self.index, noise).reshape(shape)

    def forward(self, x, parameters, noise):
        return (x if noise is None else x + self.draw(x.shape, noise)), None

    def backward(self, dy, parameters, kept):
        return dy, []


class GaussianDropout(GaussianNoise):
    """a = x (1 + s z) in training, a = x in inference (Srivastava et al. 2014, section 10)."""

    kind = "gaussian_dropout"

    def forward(self, x, parameters, noise):
        factor = np.ones(x.shape) if noise is None else 1.0 + self.draw(x.shape, noise)
        return x * factor, factor

    def backward(self, dy, parameters, factor):
        return dy * factor, []
