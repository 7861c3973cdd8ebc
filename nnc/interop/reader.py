"""The state of reading a torch.nn.Sequential, and what the functions for its modules share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nnc import layers
from nnc.models import Sequential

Arrays = list[np.ndarray]
Found = Iterator[tuple[layers.Layer, Arrays]]


class Reader:
    """The model so far, and the layout of its samples in PyTorch.

    shape: that of nnc's samples. order: for a flat sample that was an image (C, H, W), nnc's value j is
    PyTorch's value order[j]; None if the order is the same. last: whether the image is (H, W, C) in PyTorch,
    too. over_steps: whether samples of two axes are sequences, (C, L) in PyTorch. rest: the modules after
    the one that is read.
    """

    def __init__(self, shape: tuple[int, ...], over_steps: bool) -> None:
        self.order: np.ndarray | None = None
        self.last, self.over_steps = False, over_steps
        self.rest: Sequence[Any] = ()
        self.shape: tuple[int, ...] = shape
        if self.channels_first:
            self.shape = (*shape[1:], shape[0])
        self.net = Sequential([layers.Input(self.shape)], seed=0)

    @property
    def channels_first(self) -> bool:
        """Whether the samples are (C, ...) in PyTorch and (..., C) in nnc."""
        return (len(self.shape) == 3 and not self.last) or (len(self.shape) == 2 and self.over_steps)

    def model(self, leaves: Sequence[tuple[str, Any]], readings: Mapping[str, Reading]) -> Sequential:
        """The model of these modules, with a function for each class."""
        weights: Arrays = []
        for at, (where, module) in enumerate(leaves, start=1):
            self.rest = [each for _, each in leaves[at:]]
            try:
                for layer, arrays in readings[type(module).__name__](self, module):
                    self.net.add(layer)
                    for array, (name, shape, _) in zip(arrays, layer.weights_spec(), strict=False):
                        if array.shape != shape:
                            found = f"its {name} has the shape {array.shape}, as nnc has it"
                            raise ValueError(f"{found}, but samples of shape {self.shape} need {shape}")
                    self.shape = layer.output_shape or ()
                    weights += arrays
            except (ValueError, TypeError) as error:
                raise ValueError(f"layer {where}, {module}: {error}") from error
        if self.order is not None:
            raise ValueError(
                "a Flatten of images or sequences must have a Linear after it: in nnc their channels are last"
            )
        if self.last:
            raise ValueError("the net ends with images (H, W, C), while its other images are (C, H, W)")
        if not self.net.layers:
            raise ValueError("the Sequential has no layers that do anything in nnc")
        self.net.set_weights(weights)
        return self.net

    def along(self, array: np.ndarray) -> np.ndarray:
        """An array along a flat sample in nnc's order."""
        return array if self.order is None else array[self.order]

    def sample(self, tensor: Any) -> np.ndarray:
        """An array of a sample's shape in nnc's order."""
        array = array_of(tensor)
        return np.moveaxis(array, 0, -1) if array.ndim > 1 and self.channels_first else array

    def lengths(self, n_axes: int) -> tuple[int, ...]:
        """The sizes of the samples along the axes that windows slide over: 2 of images, 1 of sequences."""
        if len(self.shape) != n_axes + 1:
            what = "images" if n_axes == 2 else "sequences"
            raise ValueError(f"it takes {what}, but the samples have the shape {self.shape}")
        if self.last:
            raise ValueError("its images are (H, W, C); nnc supports it for (C, H, W)")
        return self.shape[:-1]

    def padding(self, sides: Sequence[tuple[int, int]]) -> Found:
        """Zeros around the samples, (before, after) along each axis."""
        if len(sides) == 2:
            vertical, horizontal = sides
            yield layers.ZeroPadding2D((vertical, horizontal)), []
            return
        (steps, channels), ((before, after),) = self.shape, sides
        yield layers.Reshape((1, steps, channels)), []
        yield layers.ZeroPadding2D(((0, 0), (before, after))), []
        yield layers.Reshape((before + steps + after, channels)), []


def array_of(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().double().numpy().astype(np.float32)


def each(value: Any, n_axes: int) -> tuple[int, ...]:
    return (value,) * n_axes if isinstance(value, int) else tuple(value)


def refuse(module: Any, **wanted: Any) -> None:
    """Raise a ValueError for the first attribute of a module that does not have the wanted value."""
    for name, value in wanted.items():
        if getattr(module, name) != value:
            raise ValueError(f"nnc supports it with {name}={value!r} only, got {getattr(module, name)!r}")


Reading = Callable[[Reader, Any], Found]
