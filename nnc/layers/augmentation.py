"""Random image augmentation, active in training only."""

from __future__ import annotations

from numbers import Real
from typing import Any, Unpack

from nnc import _config
from nnc.layers import geometry
from nnc.layers.base import Layer, LayerOptions, Shape, layer_seed

_FILLS = ("reflect", "wrap", "constant", "nearest")


class _RandomAffine(Layer):
    """A random affine map of the image's plane, chosen by the subclass.

    The map rotates, zooms and shifts, in this order; a subclass passes `_row` the ranges of those it uses.
    """

    stops_gradient = True

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        data_format: str | None,
        name: str | None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.fill_mode = _config.choice("fill_mode", fill_mode, _FILLS)
        self.interpolation = _config.choice("interpolation", interpolation, ("bilinear", "nearest"))
        self.seed = layer_seed(seed)
        self.fill_value = _config.number("fill_value", fill_value)
        self.data_format = geometry.channels_last(data_format)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        return geometry.image(self, input_shape)

    def _row(
        self, flips: tuple[bool, bool] = (False, False), **ranges: list[float] | None
    ) -> list[dict[str, Any]]:
        height, width, channels = self._shapes()[0]
        row: dict[str, Any] = {
            "kind": "random_affine",
            "height": height,
            "width": width,
            "channels": channels,
            "fill": self.fill_mode,
            "fill_value": self.fill_value,
            "interpolation": self.interpolation,
        }
        for name in ("rotation", "zoom_height", "zoom_width", "shift_height", "shift_width"):
            row[name] = ranges.get(name, [0.0, 0.0])
        row |= {name: True for name, acts in zip(("flip_height", "flip_width"), flips, strict=True) if acts}
        return [row]


class RandomFlip(_RandomAffine):
    """While training, each image is flipped with probability 1/2.

    Input and output (n, height, width, channels). The layer is active in training only. No gradient flows
    through it, so it must come before every layer with weights. The random numbers are a function of the
    model's seed, the epoch and the step, like the masks of `Dropout`.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}
        Whether left and right ("horizontal"), top and bottom ("vertical"), or both are exchanged, each
        independently of the other.
    seed : int, optional
        Seed of this layer's random numbers, in place of the model's.
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.RandomFlip("horizontal").build((28, 28, 1))
    (28, 28, 1)
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__("nearest", "nearest", seed, 0.0, data_format, name, **options)
        self.mode = _config.choice("mode", mode, ("horizontal_and_vertical", "horizontal", "vertical"))

    def rows(self) -> list[dict[str, Any]]:
        return self._row((self.mode != "horizontal", self.mode != "vertical"))


class RandomTranslation(_RandomAffine):
    """While training, each image is shifted by a random fraction of its height and width.

    in[y, x] -> out[y + u height, x + v width], with u and v uniform within the factors; `interpolation`
    determines the values between pixels.

    Input and output (n, height, width, channels). The layer is active in training only. No gradient flows
    through it, so it must come before every layer with weights. The random numbers are a function of the
    model's seed, the epoch and the step, like the masks of `Dropout`.

    Parameters
    ----------
    height_factor, width_factor : float or (float, float)
        Fractions of the image's height and width in [-1, 1]: the lowest and highest shift, or f for (-f, f).
        Positive shifts are down and to the right.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}
        Values outside the image a b c d: d c b a | a b c d | d c b a, or a b c d | a b c d | a b c d, or
        k k k k | a b c d | k k k k, or a a a a | a b c d | d d d d.
    interpolation : {"bilinear", "nearest"}
        Values between pixels: the weighted mean of the four neighbors, or the nearest pixel.
    seed : int, optional
        Seed of this layer's random numbers, in place of the model's.
    fill_value : float
        The k of fill_mode="constant".
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not images; by the model, if a layer
        with weights comes before this one.

    References
    ----------
    Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
    analysis", ICDAR 2003.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.RandomTranslation(0.1, (0.0, 0.2), fill_mode="constant").build((28, 28, 1))
    (28, 28, 1)
    """

    def __init__(
        self,
        height_factor: float | tuple[float, float],
        width_factor: float | tuple[float, float],
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, name, **options)
        self.height_factor = _factor("height_factor", height_factor)
        self.width_factor = _factor("width_factor", width_factor)

    def rows(self) -> list[dict[str, Any]]:
        height, width = _interval(self.height_factor), _interval(self.width_factor)
        return self._row(shift_height=height, shift_width=width)


class RandomRotation(_RandomAffine):
    """While training, each image is rotated about its center by a random angle.

    The angle is 2 pi u, with u uniform within the factor.

    Input and output (n, height, width, channels). The layer is active in training only. No gradient flows
    through it, so it must come before every layer with weights. The random numbers are a function of the
    model's seed, the epoch and the step, like the masks of `Dropout`.

    Parameters
    ----------
    factor : float or (float, float)
        Fractions of a full turn in [-1, 1]: the lowest and highest, or f for (-f, f). 0.25 is 90 degrees;
        positive rotations are counter-clockwise.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}
        Values outside the image a b c d: d c b a | a b c d | d c b a, or a b c d | a b c d | a b c d, or
        k k k k | a b c d | k k k k, or a a a a | a b c d | d d d d.
    interpolation : {"bilinear", "nearest"}
        Values between pixels: the weighted mean of the four neighbors, or the nearest pixel.
    seed : int, optional
        Seed of this layer's random numbers, in place of the model's.
    fill_value : float
        The k of fill_mode="constant".
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not images; by the model, if a layer
        with weights comes before this one.

    References
    ----------
    Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
    analysis", ICDAR 2003.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.RandomRotation(15 / 360).build((28, 28, 1))  # up to 15 degrees in either direction
    (28, 28, 1)
    """

    def __init__(
        self,
        factor: float | tuple[float, float],
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, name, **options)
        self.factor = _factor("factor", factor)

    def rows(self) -> list[dict[str, Any]]:
        return self._row(rotation=_interval(self.factor))


class RandomZoom(_RandomAffine):
    """While training, each image is zoomed about its center by random factors.

    out[y, x] = in[(1 + u) y, (1 + v) x], in coordinates relative to the center, with u and v uniform within
    the factors: 0.5 shows half as much again in each direction, -0.5 half as much.

    Input and output (n, height, width, channels). The layer is active in training only. No gradient flows
    through it, so it must come before every layer with weights. The random numbers are a function of the
    model's seed, the epoch and the step, like the masks of `Dropout`.

    Parameters
    ----------
    height_factor : float or (float, float)
        u in [-1, 1]: the lowest and highest, or f for (-f, f). Positive zooms out, negative zooms in.
    width_factor : float, (float, float) or None
        v, as height_factor; None: the same number as u, which keeps the aspect ratio.
    fill_mode : {"reflect", "wrap", "constant", "nearest"}
        Values outside the image a b c d: d c b a | a b c d | d c b a, or a b c d | a b c d | a b c d, or
        k k k k | a b c d | k k k k, or a a a a | a b c d | d d d d.
    interpolation : {"bilinear", "nearest"}
        Values between pixels: the weighted mean of the four neighbors, or the nearest pixel.
    seed : int, optional
        Seed of this layer's random numbers, in place of the model's.
    fill_value : float
        The k of fill_mode="constant".
    data_format : {None, "channels_last"}
        nnc's images are (height, width, channels).
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if the samples are not images; by the model, if a layer
        with weights comes before this one.

    References
    ----------
    Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
    analysis", ICDAR 2003.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.RandomZoom((-0.2, 0.1)).build((28, 28, 1))
    (28, 28, 1)
    """

    def __init__(
        self,
        height_factor: float | tuple[float, float],
        width_factor: float | tuple[float, float] | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        name: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, name, **options)
        self.height_factor = _factor("height_factor", height_factor)
        self.width_factor = None if width_factor is None else _factor("width_factor", width_factor)

    def rows(self) -> list[dict[str, Any]]:
        width = None if self.width_factor is None else _interval(self.width_factor)
        return self._row(zoom_height=_interval(self.height_factor), zoom_width=width)


def _factor(name: str, value: Any) -> float | tuple[float, float]:
    """`value` as a number in [-1, 1] or two in ascending order; as in Keras -f is f and pairs are sorted."""
    must = "a number in [-1, 1] or two of them"
    pair = isinstance(value, (list, tuple))
    if not pair and (isinstance(value, bool) or not isinstance(value, Real)):
        raise _config.refusal(name, must, value, TypeError)
    try:
        if not pair:
            return abs(_config.number(name, value, "[-1, 1]"))
        low, high = sorted(_config.number(name, item, "[-1, 1]") for item in value)
    except (TypeError, ValueError) as error:
        raise _config.refusal(name, must, value, type(error)) from None
    return low, high


def _interval(factor: float | tuple[float, float]) -> list[float]:
    """[lowest, highest] of a factor as returned by `_factor`."""
    return list(factor) if isinstance(factor, tuple) else [-factor, factor]
