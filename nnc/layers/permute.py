"""The axes of a sample in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nnc import _config
from nnc.layers.base import Layer, LayerOptions, Shape
from nnc.layers.geometry import permutation


class Permute(Layer):
    """The axes of a sample in another order: axis i of the output is axis dims[i - 1] of the input.

    Input (n, ...), output (n, ...).

    Parameters
    ----------
    dims : tuple of int
        The axes of a sample, counted from 1 (the batch axis is 0), each once: (2, 1) transposes.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if samples have another number of axes.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Permute((2, 1)).build((10, 64))
    (64, 10)
    >>> layers.Permute((2, 1))([[[1.0, 2.0], [3.0, 4.0]]])
    array([[[1., 3.],
            [2., 4.]]], dtype=float32)
    """

    def __init__(self, dims: Sequence[int], name: str | None = None, **options: Unpack[LayerOptions]) -> None:
        super().__init__(name, **options)
        must = "a tuple of the axes of a sample, each once, such as (2, 1); the batch axis is 0"
        self.dims = tuple(_config.integer("dims", axis, 1, 64) for axis in _config.items("dims", dims, must))
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)) or not self.dims:
            raise _config.refusal("dims", must, dims)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        if len(self.dims) != len(input_shape):
            axes = tuple(range(1, len(input_shape) + 1))
            raise _config.refusal(
                "dims", f"an order of the axes {axes} of input_shape {input_shape}", self.dims
            )
        permutation(input_shape, self._order())
        return tuple(input_shape[axis] for axis in self._order())

    def _order(self) -> list[int]:
        return [axis - 1 for axis in self.dims]

    def rows(self) -> list[dict[str, Any]]:
        return permutation(self._shapes()[0], self._order())
