"""From a model to its operations: one function for each kind of row that describes a layer in a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from nnc.export import operations as ops
from nnc.layers import Layer
from nnc.losses import Loss

Arrays = dict[str, np.ndarray]


class Model(Protocol):
    """The part of `Sequential` that exports use."""

    @property
    def name(self) -> str: ...
    @property
    def flattened_layers(self) -> dict[str, Layer]: ...
    @property
    def input_shape(self) -> tuple[int, ...] | None: ...
    @property
    def output_shape(self) -> tuple[int, ...] | None: ...
    @property
    def loss(self) -> Loss | None: ...
    def get_weights(self) -> list[np.ndarray]: ...
    def predict(self, x: Any) -> np.ndarray: ...


Place = tuple[str, ops.Shape, ops.Shape]  # a layer's name, the shapes of one sample before and after it


def _dense(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.Dense(*at, arrays["kernel"], arrays.get("bias"))
    yield from _activation((at[0], at[2], at[2]), row, arrays)


def _convolution(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.Convolution(*at, _window(row), arrays["kernel"], arrays.get("bias"), row.get("groups", 1))
    yield from _activation((at[0], at[2], at[2]), row, arrays)


def _activation(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    if row["activation"] != "linear":
        yield ops.Activation(*at, row["activation"], row["alpha"], row["group"])


def _prelu(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.PReLU(*at, _along(arrays["alpha"], row))


def _thresholded_relu(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.ThresholdedReLU(*at, row["slope"], row["threshold"], row["most"])


def _along(array: np.ndarray, row: dict[str, Any]) -> np.ndarray:
    """The parameters of a row as values along the flat sample, the shortest whose repetitions fill it."""
    axes = row.get("axes", [array.size])
    kept = array.reshape([size if i % 2 == 0 else 1 for i, size in enumerate(axes)])
    if axes[0] == 1 and len(axes) <= 3:  # only the last axes are kept
        return kept.reshape(-1)
    return np.broadcast_to(kept, axes).reshape(-1)


def _pooling(kind: str) -> Lowering:
    def lower(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
        name, before, after = at
        map_shape = row["out_height"], row["out_width"], row["channels"]
        yield ops.Pooling(name, before, map_shape, _window(row), kind)
        if map_shape != after:
            yield ops.Reshape(name, map_shape, after)

    return lower


def _zero_padding(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.ZeroPadding(*at, (row["pad_top"], row["pad_left"]))


def _permute(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    name, before, after = at
    axes, order = tuple(row["axes"]), tuple(axis - 1 for axis in row["order"])
    permuted = tuple(axes[axis] for axis in order)
    if axes != before:
        yield ops.Reshape(name, before, axes)
    yield ops.Permute(name, axes, permuted, order)
    if permuted != after:
        yield ops.Reshape(name, permuted, after)


def _rescaling(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.Affine(*at, np.array([row["scale"]]), np.array([row["offset"]]), np.zeros(1))


def _gamma_beta(row: dict[str, Any], arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    gamma, beta = arrays.get("gamma", np.ones(row["group"])), arrays.get("beta", np.zeros(row["group"]))
    return gamma.reshape(-1), beta.reshape(-1)


def _batch_normalization(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    moving, has = (arrays["moving_mean"], arrays["moving_variance"]), (row["scale"], row["center"])
    yield ops.BatchNormalization(
        *at, *_gamma_beta(row, arrays), *moving, row["epsilon"], row["momentum"], *has
    )


def _standardization(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    mean = _along(arrays["mean"], row)
    deviation = np.maximum(np.sqrt(_along(arrays["variance"], row)), 1e-7)
    zero = np.zeros(len(mean))
    yield (
        ops.Affine(*at, deviation, mean, zero)
        if row["inverse"]
        else ops.Affine(*at, 1 / deviation, zero, mean)
    )


def _layer_normalization(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.LayerNormalization(*at, *_gamma_beta(row, arrays), row["epsilon"], row["scale"], row["center"])


def _unit_normalization(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.UnitNormalization(*at, row["group"])


def _dropout(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.Dropout(*at, row["rate"], row["kind"] == "spatial_dropout", "axes" in row)


def _augmentation(at: Place, row: dict[str, Any], arrays: Arrays) -> Iterator[ops.Operation]:
    yield ops.Augmentation(*at)


def _window(row: dict[str, Any]) -> ops.Window:
    def pair(name: str) -> ops.Pair:
        return row[f"{name}_height"], row[f"{name}_width"]

    return ops.Window(pair("kernel"), pair("stride"), pair("dilation"), (row["pad_top"], row["pad_left"]))


Lowering = Callable[[Place, dict[str, Any], Arrays], Iterator[ops.Operation]]

KINDS: dict[str, Lowering] = {
    "dense": _dense,
    "conv2d": _convolution,
    "activation": _activation,
    "prelu": _prelu,
    "thresholded_relu": _thresholded_relu,
    "max_pooling": _pooling("max"),
    "average_pooling": _pooling("average"),
    "zero_padding": _zero_padding,
    "permute": _permute,
    "rescaling": _rescaling,
    "batch_normalization": _batch_normalization,
    "layer_normalization": _layer_normalization,
    "standardization": _standardization,
    "unit_normalization": _unit_normalization,
    "dropout": _dropout,
    "spatial_dropout": _dropout,
    "gaussian_noise": _augmentation,
    "gaussian_dropout": _augmentation,
    "random_affine": _augmentation,
}


def operations(model: Model) -> list[ops.Operation]:
    """The operations of a model, including those of training, with its weights as float64.

    Raises
    ------
    ValueError
        If the model is not built, a weight is not finite, or no export supports the kind of a layer.
    """
    if model.input_shape is None or model.output_shape is None:
        raise ValueError(
            "the model is not built, so it has no weights to export: begin it with an Input, call "
            "build((None, ...)) or train it first"
        )
    weights, found = iter(model.get_weights()), list[ops.Operation]()
    for layer in model.flattened_layers.values():
        arrays = {name: next(weights).astype(np.float64) for name in layer.weight_names}
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(
                    f"{name} of layer {layer.name!r} has NaN or infinite values: train again from finite "
                    "weights, or call set_weights, before exporting the model"
                )
        found += _of_layer(layer, arrays)
    return found


def _of_layer(layer: Layer, arrays: Arrays) -> Sequence[ops.Operation]:
    before, after = layer.input_shape or (), layer.output_shape or ()
    at, rows = (str(layer.name), before, after), layer.rows()
    if not rows:
        return [ops.Reshape(*at)] if before != after else []
    if any(row["kind"] not in KINDS for row in rows):
        kinds, known = ", ".join(str(row["kind"]) for row in rows), ", ".join(KINDS)
        raise ValueError(f"layer {layer.name!r} ({kinds}) cannot be exported; the kinds are {known}")
    if len(rows) > 1:
        return [*_between_permutations(at, rows, arrays)]
    row = rows[0]
    if row["kind"] == "conv2d":  # also of a layer over sequences, or a Dense over several positions
        window = row["kernel_height"], row["kernel_width"], -1, row["filters"]
        arrays = arrays | {"kernel": arrays["kernel"].reshape(window)}
    if "out_height" not in row or len(before) == 3:
        return list(KINDS[row["kind"]](at, row, arrays))
    first = row["height"], row["width"], row["channels"]
    last = row["out_height"], row["out_width"], row.get("filters", row["channels"])
    inner = KINDS[row["kind"]]((at[0], first, last), row, arrays)
    return [ops.Reshape(at[0], before, first), *inner, ops.Reshape(at[0], last, after)]


def _between_permutations(
    at: Place, rows: Sequence[dict[str, Any]], arrays: Arrays
) -> Iterator[ops.Operation]:
    """The operations of a layer that acts along other axes than the last ones."""
    name, before, after = at
    first, row, last = rows
    moved = tuple(last["axes"])
    yield from _permute((name, before, moved), first, {})
    yield from KINDS[row["kind"]]((name, moved, moved), row, arrays)
    yield from _permute((name, moved, after), last, {})
