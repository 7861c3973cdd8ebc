"""Rescaling of samples."""

from __future__ import annotations

from typing import Any, Unpack

from nnc import _config
from nnc.layers.base import Layer, LayerOptions


class Rescaling(Layer):
    """a = scale x + offset, such as scale = 1 / 255 for images of bytes.

    Input and output (n, ...), of any shape. As a model's first layer it costs nothing: it is applied as the
    samples are read, and bytes stay bytes in memory.

    Parameters
    ----------
    scale, offset : float
        Any finite numbers.
    name : str, optional

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Rescaling(0.25, offset=-1.0)])
    >>> model.predict([[0.0, 8.0]], verbose=0)
    array([[-1.,  1.]], dtype=float32)
    """

    elementwise = True

    def __init__(
        self, scale: float, offset: float = 0.0, name: str | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(name, **options)
        self.scale = _config.number("scale", scale)
        self.offset = _config.number("offset", offset)

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "rescaling", "scale": self.scale, "offset": self.offset}]
