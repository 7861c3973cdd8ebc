"""The shape of a model's samples."""

from __future__ import annotations

from collections.abc import Sequence

from nnc import _config
from nnc.layers.base import Layer


class InputLayer(Layer):
    """The shape of a model's samples.

    Parameters
    ----------
    shape : tuple of int
        Of one sample, without the batch axis.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Input((28, 28))
    InputLayer((28, 28))
    """

    def __init__(self, shape: Sequence[int], name: str | None = None) -> None:
        self.shape = _config.shape("shape", shape)
        super().__init__(name, input_shape=self.shape)


Input = InputLayer
