"""Gaussian noise: layers that are active in training only, against overfitting."""

from __future__ import annotations

import math
from typing import Any

from nnc import _config
from nnc.layers.base import Layer, layer_seed


class GaussianNoise(Layer):
    """While training, a = x + stddev z, with z drawn from the standard normal distribution.

    Input and output (n, ...), of any shape. The noise is a function of the model's seed, the epoch and the
    step, like the masks of `Dropout`.

    Parameters
    ----------
    stddev : float
        At least 0.
    seed : int, optional
        Seed of this layer's noise, in place of the model's.
    name : str, optional

    References
    ----------
    Bishop, "Training with noise is equivalent to Tikhonov regularization", Neural Computation 7, 1995.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((3,)), nnc.layers.GaussianNoise(0.5)])
    >>> model.predict([[1.0, 2.0, 3.0]], verbose=0)  # not training
    array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(
        self, stddev: float, seed: int | None = None, name: str | None = None, **options: Any
    ) -> None:
        super().__init__(name, **options)
        self.stddev = _config.number("stddev", stddev, "[0, inf)")
        self.seed = layer_seed(seed)

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "gaussian_noise", "stddev": self.stddev}]


class GaussianDropout(Layer):
    """While training, a = x (1 + sqrt(rate / (1 - rate)) z), with z from the standard normal distribution.

    The factors have the same mean and variance as those of `Dropout`. Input and output (n, ...), of any
    shape.

    Parameters
    ----------
    rate : float
        In [0, 1).
    seed : int, optional
        Seed of this layer's noise, in place of the model's.
    name : str, optional

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 15, 2014, section 10.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.GaussianDropout(0.5).rows()
    [{'kind': 'gaussian_dropout', 'stddev': 1.0}]
    """

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.rate = _config.number("rate", rate, "[0, 1)")
        self.seed = layer_seed(seed)

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "gaussian_dropout", "stddev": math.sqrt(self.rate / (1.0 - self.rate))}]
