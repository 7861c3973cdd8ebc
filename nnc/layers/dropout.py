"""Dropout: layers that are active in training only, against overfitting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nnc import _config
from nnc.layers import geometry
from nnc.layers.base import Layer, LayerOptions, Shape, layer_seed


class Dropout(Layer):
    """While training, each input is set to 0 with probability rate, otherwise multiplied by 1 / (1 - rate).

    Input and output (n, ...), of any shape. The masks are a function of the model's seed, the epoch and the
    step (see `nnc.set_random_seed`): a repeated or resumed run is bitwise reproducible.

    Parameters
    ----------
    rate : float
        In [0, 1).
    noise_shape : tuple of int and None, optional
        The shape of the mask of a batch, which is broadcast to the inputs: (None, 1, None) drops complete
        columns of samples of two axes. The first entry, for the batch axis, is None or the size of a batch:
        samples have independent masks. By default each input is drawn independently.
    seed : int, optional
        Seed of this layer's masks, in place of the model's.
    name : str, optional

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 15, 2014.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((3,)), nnc.layers.Dropout(0.5)])
    >>> model.predict([[1.0, 2.0, 3.0]], verbose=0)  # not training
    array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.rate = _config.number("rate", rate, "[0, 1)")
        self.noise_shape, self.seed = _noise_shape(noise_shape), layer_seed(seed)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        self._axes(input_shape)
        return input_shape

    def _axes(self, input_shape: Shape) -> dict[str, list[int]]:
        if self.noise_shape is None:
            return {}
        sizes = self.noise_shape[1:]
        fits = zip(sizes, input_shape, strict=False)
        if len(sizes) != len(input_shape) or any(size not in (None, 1, known) for size, known in fits):
            must = f"(None, ...) with None, 1 or the size of each axis of input_shape {input_shape}"
            raise _config.refusal("noise_shape", must, self.noise_shape)
        return geometry.sharing(input_shape, {axis for axis, size in enumerate(sizes) if size == 1})

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "dropout", "rate": self.rate} | self._axes(self._shapes()[0])]


def _noise_shape(value: Any) -> tuple[int | None, ...] | None:
    """`value` as the shape of a batch's mask."""
    if value is None:
        return None
    must = "None, or a shape of positive integers and None, such as (None, 1, None)"
    sizes = _config.items("noise_shape", value, must)
    try:
        shape = tuple(None if s is None else _config.integer("", s, 1, _config.MAX_FEATURES) for s in sizes)
    except (TypeError, ValueError) as error:
        raise _config.refusal("noise_shape", must, value, type(error)) from None
    if not shape or shape[0] == 1:
        raise _config.refusal(
            "noise_shape", "None or the batch size first: each sample has its own mask", value
        )
    return shape


class SpatialDropout2D(Layer):
    """While training, each channel of each sample is set to 0 with probability rate, otherwise multiplied by
    1 / (1 - rate).

    Neighboring pixels of a channel are similar: what `Dropout` removes, drawing each pixel independently, can
    be inferred from the pixels next to it. This layer removes the complete channel.

    Input and output (n, height, width, channels). The masks are a function of the model's seed, the epoch and
    the step, like those of `Dropout`.

    Parameters
    ----------
    rate : float
        In [0, 1).
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    seed : int, optional
        Seed of this layer's masks, in place of the model's.
    name : str, optional

    Raises
    ------
    ValueError
        If an argument is out of range; by `build`, if the samples are not images.

    References
    ----------
    Tompson, Goroshin, Jain, LeCun and Bregler, "Efficient object localization using convolutional networks",
    CVPR 2015.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.SpatialDropout2D(0.2).build((14, 14, 32))
    (14, 14, 32)
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.rate = _config.number("rate", rate, "[0, 1)")
        self.data_format = geometry.channels_last(data_format)
        self.seed = layer_seed(seed)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        return geometry.image(self, input_shape)

    def rows(self) -> list[dict[str, Any]]:
        _, _, channels = self._shapes()[0]
        return [{"kind": "spatial_dropout", "channels": channels, "rate": self.rate}]
