"""Keras files, written without Keras: from configurations in Keras's format, or from a model of nnc."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnc._config import snake_case
from nnc.models import Sequential

METADATA = json.dumps({"keras_version": "3.15.0", "date_saved": "2026-01-01@00:00:00"}).encode()


def archive(members: Mapping[str, bytes], **options: Any) -> bytes:
    """A zip archive; options are those of zipfile.ZipFile."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", **options) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, options.get("compression"))
    return raw.getvalue()


def keras_file(config: Any, weights: bytes) -> bytes:
    """A .keras file with these parts."""
    raw = config if isinstance(config, bytes) else json.dumps(config).encode()
    return archive({"metadata.json": METADATA, "config.json": raw, "model.weights.h5": weights})


def weights_file(arrays: Mapping[str, Sequence[np.ndarray]]) -> bytes:
    """An HDF5 file of arrays, by the paths of their layers."""
    import h5py

    raw = io.BytesIO()
    with h5py.File(raw, "w") as file:
        for path, each in arrays.items():
            group = file.create_group(f"{path}/vars")
            for i, array in enumerate(each):
                group[str(i)] = array
    return raw.getvalue()


def described(name: str, module: str, /, **config: Any) -> dict[str, Any]:
    """An object as Keras describes it."""
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def config_of(model: Sequential, optimizer: Any = None) -> dict[str, Any]:
    """A built model as Keras describes it; its layers must not have options that Keras stores differently."""
    shape = list(model.input_shape or ())
    stack = [described("InputLayer", "keras.layers", batch_shape=shape, name="input_layer")]
    stack += [_in_keras(layer.get_config(), type(layer).__name__) for layer in model.layers]
    config = described("Sequential", "keras", name=model.name, layers=stack, build_input_shape=shape)
    loss = {"optimizer": optimizer, "loss": "mse", "metrics": ["mae"]}
    return config if optimizer is None else config | {"compile_config": loss}


def _in_keras(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    modules = {"initializer": "keras.initializers", "regularizer": "keras.regularizers"}

    def value(key: str, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        if key == "activation":
            return given["config"]["name"]
        return described(given["class_name"], modules[key.rpartition("_")[2]], **given["config"])

    plain = {key: value(key, given) for key, given in config.items()}
    return described(name, "keras.layers", **plain, dtype=described("DTypePolicy", "keras", name="float32"))


def arrays_of(model: Sequential) -> dict[str, list[np.ndarray]]:
    """The weights of a model by their paths in Keras's file."""
    found: dict[str, list[np.ndarray]] = {}
    for layer in model.layers:
        stem = f"layers/{snake_case(type(layer).__name__)}"
        path = next(p for p in (stem, *(f"{stem}_{i}" for i in range(1, 99))) if p not in found)
        found[path] = layer.get_weights()
    return found
