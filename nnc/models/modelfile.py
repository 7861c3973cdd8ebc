"""The model file: one safetensors file, with the configuration as JSON in its metadata under "nnc".

    >>> import os, tempfile, nnc, nnc.saving
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nnc.saving.save_model(model, os.path.join(folder, "model.safetensors"))
    ...     loaded = nnc.load_model(os.path.join(folder, "model.safetensors"))
    >>> bool((loaded.get_weights()[0] == model.get_weights()[0]).all())
    True

Tensors: "<layer>/<weight>"; "slots/<slot>/<layer>/<weight>", the optimizer's memory; "history/epoch" and
"history/logs/<key>"; "callbacks/<callback>/<layer>/<weight>", best weights so far. A file holds no code and
names no classes but nnc's own: reading it imports nothing and executes nothing. Everything that it says is
checked, shapes before anything is allocated; whatever is wrong is an `nnc.FormatError`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np

from nnc import layers, losses, metrics, optimizers
from nnc._config import deserialize, serialize
from nnc._version import __version__
from nnc.callbacks import History
from nnc.errors import FormatError
from nnc.models import tensorfile
from nnc.models.sequential import Sequential

FORMAT = 1  # of the file
NUMERICS = 1  # of the arithmetic: the bits that a seed gives

_KEYS = frozenset(
    {
        "format", "numerics", "version", "name", "seed", "backend", "input", "layers", "input_shape",
        "compile", "slots", "iterations", "epoch", "history", "callbacks",
    }
)  # fmt: skip
_COMPILE_KEYS = frozenset(("optimizer", "loss", "metrics"))


def save_model(
    model: Sequential, filepath: str | os.PathLike, overwrite: bool = True, *, weights_only: bool = False
) -> None:
    """Write a model to a file; as `Sequential.save`.

    Parameters
    ----------
    model : Sequential
    filepath : str or path
    overwrite : bool
        Whether a file that is there may be replaced.
    weights_only : bool
        Whether to leave out how it was compiled, the optimizer's memory and the history.

    Raises
    ------
    FileExistsError
        If the file is there and may not be replaced.
    OSError
        If it cannot be written; a file that was there is as it was.

    Warns
    -----
    UserWarning
        If the loss is a Python function, which a file cannot hold: the model is then saved as one not
        compiled.
    """
    if not overwrite and os.path.exists(filepath):
        raise FileExistsError(f"{os.fspath(filepath)} is there already, and overwrite is False")
    compiled = None if weights_only or model.loss is None else _compiled(model)
    slots = model._optimizer_slots() if compiled else None
    history = model.history if model.history is not None and not weights_only else None
    running = model._callbacks
    state = {} if weights_only else running.state() if running is not None else model._callback_state
    built = model.layers if model.built else []
    names = [f"{layer.name}/{weight}" for layer in built for weight in layer.weight_names]
    trained = [flag for layer in built for flag in layer.trainable_flags]
    tensors = dict(zip(names, model.get_weights() if model.built else [], strict=True))
    slot_names = _slot_names(model.optimizer) if slots else None
    for s, slot in enumerate(slot_names or ()):
        tensors |= {f"slots/{slot}/{name}": slots[i][s] for i, name in enumerate(names) if trained[i]}
    logs = (
        {}
        if history is None
        else {k: a for k, v in history.history.items() if (a := _numbers(v)) is not None}
    )
    if history is not None:
        tensors["history/epoch"] = np.array(history.epoch, np.int64)
        tensors |= {f"history/logs/{key}": values for key, values in logs.items()}
    kept = {}
    for key, values in state.items():
        kept[key] = {name: _plain(value) for name, value in values.items() if not isinstance(value, list)}
        for name, arrays in values.items():
            if isinstance(arrays, list):
                kept[key][name] = "tensors"
                tensors |= {f"callbacks/{key}/{n}": a for n, a in zip(names, arrays, strict=True)}
    config = {
        "format": FORMAT,
        "numerics": NUMERICS,
        "version": __version__,
        "name": model.name,
        "seed": model.seed,
        "backend": model.backend,
        "input": serialize(model._input) if model._input is not None else None,
        "layers": [serialize(layer) for layer in model.layers],
        "input_shape": list(model.input_shape) if model.built else None,
        "compile": compiled,
        "slots": slot_names,
        "iterations": model.optimizer.iterations if compiled else 0,
        "epoch": 0 if weights_only else model._epoch,
        "history": None if history is None else list(logs),
        "callbacks": kept,
    }
    tensorfile.write(filepath, tensors, {"nnc": json.dumps(config, allow_nan=False)})


def _compiled(model: Sequential) -> dict[str, Any] | None:
    """How the model was compiled, None where that cannot be saved."""
    named = model.metrics if model.built else model._metric_names
    try:
        return {
            "optimizer": serialize(model.optimizer),
            "loss": serialize(model.loss),
            "metrics": [m if isinstance(m, str) else serialize(metrics.get(m)) for m in named],
        }
    except ValueError as error:
        warnings.warn(f"the model is saved as one that is not compiled: {error}", stacklevel=4)
        return None


def _slot_names(optimizer: optimizers.Optimizer) -> list[str]:
    from nnc.reference import slot_names

    return slot_names(optimizer.spec())


def _numbers(values: list[Any]) -> np.ndarray | None:
    """Logs as float64; None for what a callback put there that is no number."""
    try:
        return np.array(values, np.float64).reshape(len(values))
    except (TypeError, ValueError):
        return None


def _plain(value: Any) -> float | int | None:
    """A counter as JSON can hold it; an infinite best is as good as none."""
    if value is None or isinstance(value, (int, np.integer)):
        return value if value is None else int(value)
    return float(value) if math.isfinite(value) else None


def load_model(filepath: str | os.PathLike, compile: bool = True) -> Sequential:
    """Read a model that `Sequential.save` wrote: compiled, with the optimizer's memory and the history.

    Parameters
    ----------
    filepath : str or path
    compile : bool
        Whether it is to be ready for training; without it the optimizer is left out.

    Raises
    ------
    FormatError
        If the file is not one of nnc's, damaged, or does not fit together.
    OSError
        If it cannot be opened.
    """
    with _format_errors(filepath):
        file = _File(filepath)
        model = file.model
        tensors = file.tensors()
        if model.built:
            model._values = model._by_layer([tensors[name] for name in file.weights])
        config = file.config
        if config["history"] is not None:
            model.history = history = History()
            history.model = model
            history.epoch = tensors["history/epoch"].tolist()
            history.history = {key: tensors[f"history/logs/{key}"].tolist() for key in config["history"]}
        if compile and model.optimizer is not None:
            model._slots = config["slots"] and [
                [tensors[f"slots/{slot}/{name}"] for slot in config["slots"]] if name in file.trained else []
                for name in file.weights
            ]
            model._epoch, model._callback_state = config["epoch"], config["callbacks"]
            for key, values in model._callback_state.items():
                for name, value in values.items():
                    if value == "tensors":
                        values[name] = [tensors[f"callbacks/{key}/{n}"] for n in file.weights]
        else:
            model.optimizer = model.loss = model._loss_spec = None
            model._metrics, model._metric_names = None, []
    return model


def load_weights(model: Sequential, filepath: str | os.PathLike) -> None:
    """Give a model the weights of a file; as `Sequential.load_weights`."""
    with _format_errors(filepath):
        file = _File(filepath)
        tensors = file.tensors(file.weights)
        shape = file.model.input_shape
    if not model.built and shape is not None:
        model._build(shape)
    try:
        model.set_weights([tensors[name] for name in file.weights])
    except ValueError as error:
        raise ValueError(f"the weights of {os.fspath(filepath)} are not this model's: {error}") from None


@contextlib.contextmanager
def _format_errors(path: str | os.PathLike) -> Iterator[None]:
    """What goes wrong inside, but for the file system, is a FormatError that names the file."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{os.fspath(path)}: {error}") from error.__cause__
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise FormatError(f"{os.fspath(path)}: not a model of nnc, or damaged: {error}") from error


class _File:
    """A model file whose header and configuration were read and agree."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = path
        metadata, self.header = tensorfile.read_header(path)
        self.config = _config(metadata)
        self.model = _model(self.config)
        built = self.model.layers if self.model.built else []
        shapes = {f"{layer.name}/{name}": shape for layer in built for name, shape, _ in layer.weights_spec()}
        self.weights = list(shapes)
        flags = [flag for layer in built for flag in layer.trainable_flags]
        self.trained = {name for name, flag in zip(shapes, flags, strict=True) if flag}
        self._compare(_expected(self.config, shapes, self.trained))

    def _compare(self, expected: Mapping[str, tuple[str, tuple[int, ...] | None]]) -> None:
        """Whether the tensors are just those that the configuration implies; shape None is any vector."""
        if self.header.keys() != expected.keys():
            odd = sorted(self.header.keys() ^ expected.keys())
            raise FormatError(f"tensors and configuration differ in {', '.join(map(repr, odd[:5]))}")
        for name, (dtype, shape) in expected.items():
            found = self.header[name]
            if found[0] != dtype or (found[1] != shape if shape is not None else len(found[1]) != 1):
                wanted = f"{dtype} {'vector' if shape is None else shape}"
                raise FormatError(f"tensor {name!r} is {found[0]} {found[1]}, not {wanted}")

    def tensors(self, names: list[str] | None = None) -> dict[str, np.ndarray]:
        """The tensors, or those of these names."""
        return tensorfile.read_tensors(self.path, self.header if names is None else names, self.header)


def _config(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The configuration in the metadata, its own values checked; layers and the like check theirs."""
    if "nnc" not in metadata:
        raise FormatError('this is a safetensors file, but not of a model of nnc: its metadata have no "nnc"')
    config = tensorfile.parse_json(metadata["nnc"])
    version = config.get("format") if isinstance(config, dict) else None
    if type(version) is not int or version < 1:
        raise FormatError("the configuration has no format version")
    if version > FORMAT:
        raise FormatError(
            f"the file has format {version}, this nnc ({__version__}) reads up to {FORMAT}: use a newer nnc"
        )
    if config.keys() != _KEYS:
        odd = ", ".join(sorted(config.keys() ^ _KEYS))
        raise FormatError(f"the configuration has a key too many or lacks one: {odd}")
    kinds = {"version": str, "name": str, "backend": str, "layers": list, "callbacks": dict}
    for key, kind in kinds.items():
        if not isinstance(config[key], kind):
            raise FormatError(f"{key!r} must be a {kind.__name__}, got {config[key]!r:.100}")
    for key in ("numerics", "iterations", "epoch"):
        if not tensorfile.is_size(config[key]):
            raise FormatError(f"{key!r} must be a count, got {config[key]!r:.100}")
    for key in ("slots", "history"):
        if config[key] is not None and not _all(config[key], list, str):
            raise FormatError(f"{key!r} must be a list of names or null, got {config[key]!r:.100}")
        if config[key] is not None and len(set(config[key])) < len(config[key]):
            raise FormatError(f"{key!r} has a name twice")
    for key, values in config["callbacks"].items():
        good = isinstance(values, dict) and all(
            value is None or type(value) in (int, float) or (name, value) == ("best_weights", "tensors")
            for name, value in values.items()
        )
        if not good:
            raise FormatError(f"'callbacks' has wrong values for {key!r:.100}")
    return config


def _all(value: Any, container: type, kind: type) -> bool:
    return isinstance(value, container) and all(isinstance(item, kind) for item in value)


def _model(config: Mapping[str, Any]) -> Sequential:
    """The model of a configuration: layers with their shapes, compiled, but without weights."""
    if config["seed"] is None:
        raise FormatError("'seed' must be a number")
    model = Sequential(name=config["name"] or None, seed=config["seed"])
    if config["backend"] not in ("compiled", "reference"):
        raise FormatError(f"'backend' must be compiled or reference, got {config['backend']!r:.100}")
    model.backend = config["backend"]
    if config["input"] is not None:
        first = deserialize(config["input"], layers.registry)
        if not isinstance(first, layers.InputLayer):
            raise FormatError(f"'input' must be an InputLayer, got {first!r:.100}")
        model.add(first)
    for data in config["layers"]:
        layer = deserialize(data, layers.registry)
        if layer.name is None or isinstance(layer, layers.InputLayer):
            raise FormatError(f"'layers' must be layers with names, got {layer!r:.100}")
        model.add(layer)
    shape = config["input_shape"]
    if shape is not None:
        if not isinstance(shape, list) or not shape or not all(map(tensorfile.is_size, shape)):
            raise FormatError(f"'input_shape' must be a shape or null, got {shape!r:.100}")
        model._build(tuple(shape))
    elif model.built:
        raise FormatError("'input_shape' is null, but the layers have shapes")
    if config["compile"] is None:
        if config["slots"] is not None or config["iterations"]:
            raise FormatError("'slots' and 'iterations' need 'compile'")
        return model
    compiled = config["compile"]
    if (
        not isinstance(compiled, dict)
        or compiled.keys() != _COMPILE_KEYS
        or not isinstance(compiled["metrics"], list)
    ):
        raise FormatError(f"'compile' must have {', '.join(sorted(_COMPILE_KEYS))}, got {compiled!r:.100}")
    model.compile(
        deserialize(compiled["optimizer"], optimizers.registry),
        deserialize(compiled["loss"], losses.registry),
        metrics=[m if isinstance(m, str) else deserialize(m, metrics.registry) for m in compiled["metrics"]],
        backend=config["backend"],
    )
    model.optimizer.iterations = config["iterations"]
    if config["slots"] is not None and config["slots"] != _slot_names(model.optimizer):
        raise FormatError(f"'slots' must be {_slot_names(model.optimizer)}, got {config['slots']!r:.100}")
    return model


def _expected(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], trained: Set[str]
) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """The tensors that a configuration implies: name: (dtype, shape); no slots for weights not `trained`."""
    dtype = "F32" if config["backend"] == "compiled" else "F64"
    prefixes = [""]
    for key, values in config["callbacks"].items():
        prefixes += [f"callbacks/{key}/" for value in values.values() if value == "tensors"]
    expected: dict[str, tuple[str, tuple[int, ...] | None]] = {}
    for prefix in prefixes:
        expected |= {prefix + name: (dtype, shape) for name, shape in shapes.items()}
    for slot in config["slots"] or ():
        expected |= {f"slots/{slot}/{name}": (dtype, shapes[name]) for name in shapes if name in trained}
    if config["history"] is not None:
        expected["history/epoch"] = ("I64", None)
        expected |= {f"history/logs/{key}": ("F64", None) for key in config["history"]}
    return expected
