"""Dropout: layers that act in training only, against overfitting."""

from __future__ import annotations

from typing import Any

from nnc import _config
from nnc.layers.base import Layer


class Dropout(Layer):
    """While training, each input is set to 0 with probability rate, or else multiplied by 1 / (1 - rate).

    The masks are a function of the model's seed, the epoch and the step (see `nnc.set_random_seed`), so that
    a run can be repeated and resumed bit for bit.

    Parameters
    ----------
    rate : float
        In [0, 1).
    noise_shape, seed : None
        nnc draws each input by itself, from the model's seed.
    name : str, optional

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 15, 2014.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: None = None,
        seed: None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.rate = _config.number("rate", rate, "[0, 1)")
        if noise_shape is not None:
            raise _config.refusal("noise_shape", "None: nnc draws each input by itself", noise_shape)
        if seed is not None:
            raise _config.refusal("seed", "None: masks come from the model's seed, nnc.set_random_seed", seed)
        self.noise_shape = self.seed = None

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "dropout", "rate": self.rate}]
