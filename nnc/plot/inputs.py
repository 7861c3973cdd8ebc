"""Conversion of the inputs of nnc.plot, models, histories and plain arrays, to what is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from nnc.callbacks.history import curves
from nnc.layers import Layer
from nnc.models import Sequential

Curve: TypeAlias = Sequence[float] | np.ndarray


@runtime_checkable
class Recorded(Protocol):
    """The part of a History that a plot needs: curves by name, the epochs from 0."""

    @property
    def history(self) -> Mapping[str, Any]: ...
    @property
    def epoch(self) -> Sequence[int]: ...


@runtime_checkable
class Model(Protocol):
    """The part of a model that a plot needs."""

    @property
    def flattened_layers(self) -> Mapping[str, Layer]: ...
    @property
    def input_shape(self) -> Sequence[int | None] | None: ...
    @property
    def history(self) -> Recorded | None: ...
    def get_weights(self) -> list[np.ndarray]: ...


Run: TypeAlias = Recorded | Model | Mapping[str, Curve] | None  # None: Sequential.history before fit, refused
Weights: TypeAlias = Model | Mapping[str, ArrayLike] | Sequence[ArrayLike] | np.ndarray


def curves_of(history: Run) -> tuple[Mapping[str, Curve], np.ndarray]:
    """(curves by name, numbers of the epochs from 1) of a model, a History or a dict."""
    recorded = history.history if isinstance(history, Model) else history
    if recorded is None:
        raise ValueError("history is from a model that has not been trained")
    logs, epochs = (recorded.history, recorded.epoch) if isinstance(recorded, Recorded) else (recorded, ())
    found = curves(logs)
    longest = max(map(len, found.values()), default=0)
    return found, np.asarray(epochs or range(longest)) + 1


def matrices_of(source: Weights) -> dict[str, np.ndarray]:
    """Weight arrays with at least two axes, by name."""
    if isinstance(source, Model):
        names = [
            (path, name) for path, layer in source.flattened_layers.items() for name in layer.weight_names
        ]
        arrays = {
            layer if name == "kernel" else f"{layer} {name}": w
            for (layer, name), w in zip(names, source.get_weights(), strict=True)
        }
    elif isinstance(source, Mapping):
        arrays = {str(name): np.asarray(w) for name, w in source.items()}
    elif isinstance(source, np.ndarray):
        arrays = {"W": source}
    else:
        matrices = [w for w in map(np.asarray, source) if w.ndim > 1]
        arrays = {f"W{i}": w for i, w in enumerate(matrices, 1)}
    arrays = {name: w for name, w in arrays.items() if w.ndim > 1 and w.size}
    if not arrays:
        raise ValueError(f"source must have an array with two or more axes, got {type(source).__name__}")
    return arrays


def units_of(
    name: str, w: np.ndarray, shape: tuple[int, int] | None, known: Sequence[int | None] | None
) -> np.ndarray:
    """The weights of each unit as an image (units, height, width).

    For a kernel (height, width, inputs, units), an image shows the inputs side by side, separated by NaN.
    """
    if w.ndim == 4:
        height, width, inputs, units = w.shape
        if shape is not None and tuple(shape) != (height, width):
            raise ValueError(f"shape must be None or {(height, width)} for {name} {w.shape}, got {shape}")
        images = np.full((units, height, inputs, width + 1), np.nan)
        images[..., :width] = w.transpose(3, 0, 2, 1)
        return images.reshape(units, height, -1)[:, :, :-1]
    if w.ndim == 2:
        height, width = image_shape(w.shape[0], shape, known, "source")
        return w.T.reshape(-1, height, width)
    must = "(height width, units) or (height, width, inputs, units)"
    raise ValueError(f"filters need weights of shape {must}, {name} has {w.shape}")


def maps_of(model: Sequential, x: ArrayLike, layer: Layer | str | int | None) -> tuple[str, np.ndarray]:
    """(name of the layer, its maps (channels, height, width) for the sample x)."""
    x = np.asarray(x)
    if model.input_shape is not None and x.shape == model.input_shape[1:]:
        x = x[np.newaxis]
    if x.ndim < 2 or len(x) != 1:
        raise ValueError(f"x must be one sample of shape {(model.input_shape or ())[1:]}, got {x.shape}")
    if layer is None:
        known = [part for part in model.flattened_layers.values() if part.built and part.weight_names]
        layer = next((part for part in known if len(part.output_shape or ()) == 3), None)
        if layer is None:
            raise ValueError(f"layer is None, but no layer with weights returns maps: {known}")
    elif isinstance(layer, str | int):
        layer = model.get_layer(layer) if isinstance(layer, str) else model.get_layer(index=layer)
    shown: Any = layer
    maps = model.layer_output(x, shown)[0]
    if maps.ndim != 3:
        must = "layer must be one that returns maps (height, width, channels)"
        raise ValueError(f"{must}, {shown.name} returns {maps.shape}")
    return str(shown.name), maps.transpose(2, 0, 1)


def ids_of(
    y_true: ArrayLike, y_pred: ArrayLike, class_names: Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Class ids of both, and the number of classes."""
    classes, ids = 0 if class_names is None else len(class_names), []
    for name, y in (("y_true", np.asarray(y_true)), ("y_pred", np.asarray(y_pred))):
        if y.ndim == 2 and y.shape[1] > 1:
            classes = max(classes, y.shape[1])
            y = y.argmax(axis=1)
        y = y.reshape(-1)
        if y.size and (y.dtype.kind not in "biuf" or np.any(y != np.floor(y)) or y.min() < 0):
            raise ValueError(f"{name} must be class ids or rows of one value per class, got {y[:5]}")
        ids.append(y.astype(np.int64))
    if len(ids[0]) != len(ids[1]):
        raise ValueError(f"y_true and y_pred must have equal lengths, got {len(ids[0])} and {len(ids[1])}")
    needed = 1 + max((int(y.max()) for y in ids if y.size), default=0)
    if class_names is not None and needed > len(class_names):
        raise ValueError(f"class_names has {len(class_names)} names, but the ids go to {needed - 1}")
    return ids[0], ids[1], max(classes, needed)


def image_shape(
    features: int, shape: Sequence[int] | None, known: Sequence[int | None] | None, argument: str
) -> tuple[int, int]:
    """(height, width) of `features` values: as requested, as known from the input shape, or square."""
    if shape is None and known is not None:
        shape = tuple(d for d in known if d is not None)
        shape = shape[:2] if len(shape) == 3 and shape[2] == 1 else shape
        shape = shape if len(shape) == 2 and math.prod(shape) == features else None
    if shape is None and math.isqrt(features) ** 2 == features:
        shape = (math.isqrt(features),) * 2
    if shape is None or len(shape) != 2 or math.prod(shape) != features:
        must = "give shape=(height, width)"
        raise ValueError(f"{argument} has {features} values for each image: {must}, got shape={shape}")
    height, width = shape
    return int(height), int(width)


def count(n: int | None, available: int) -> int:
    """How many of `available`: `n`, or all for None."""
    if n is not None and n < 1:
        raise ValueError(f"n must be at least 1 or None, got {n}")
    return available if n is None else min(int(n), available)
