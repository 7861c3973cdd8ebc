"""The model file: one safetensors file, with the configuration as JSON in its metadata under "nnc"; all other
metadata belong to the user and are kept unchanged.

Tensors: "<layer>/<weight>"; "slots/<slot>/<layer>/<weight>", the optimizer's slots; "history/epoch" and
"history/logs/<key>"; "callbacks/<callback>/<layer>/<weight>", best weights so far. A file contains no code
and names only nnc's own classes: reading it imports nothing and executes nothing. All its contents are
validated, shapes before anything is allocated; any error is an `nnc.FormatError`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from nnc import layers, losses, metrics, optimizers
from nnc._config import choice, deserialize, integer, refusal, serialize, shown
from nnc._files import path_of
from nnc._version import __version__
from nnc.callbacks import History
from nnc.errors import FormatError, warn
from nnc.models import tensorfile
from nnc.models.backends import BACKENDS, PRECISIONS, Backend
from nnc.models.compiled import Compiled
from nnc.models.engine import EngineState
from nnc.models.layout import described, part_of
from nnc.models.stack import Stack, Weight
from nnc.models.state import FORMAT, NUMERICS, ModelState, Position
from nnc.models.tensorfile import Tensor, parts_of

Path: TypeAlias = str | bytes | os.PathLike[Any]

_CONFIG = "nnc"  # the configuration's key in the metadata

_KEYS = frozenset(
    {
        "format", "numerics", "version", "name", "seed", "backend", "input", "layers", "input_shape",
        "compile", "slots", "iterations", "epoch", "history", "callbacks",
    }
)  # fmt: skip
_RUN = "fit"  # the key of the run's own counters, stored with those of its callbacks
_SUM = "sum of "
_LOGS = "history/logs/"
_ONCE_FLAT = ("/alpha", "/mean", "/variance")
_NAMED = 5  # names listed in a message
_OPTIONAL: dict[str, Any] = {"precision": PRECISIONS[0]}  # optional keys of a file, with their defaults
_COMPILE_KEYS = frozenset(("optimizer", "loss", "metrics"))
_WEIGHTED = "weighted_metrics"  # optional key of 'compile'

_TO_KERAS = (
    "for Keras build the same layers there and give them get_weights() (nnc.load_keras reads its files)"
)

# Suffixes of the formats of other programs, and what to use for them.
_OTHERS = {
    ".keras": _TO_KERAS,
    ".h5": _TO_KERAS,
    ".hdf5": _TO_KERAS,
    ".onnx": "for ONNX see nnc.export",
}


def refuse_other_formats(path: Path) -> None:
    """Raise a ValueError if the file name has the suffix of another program's format."""
    name = path_of("filepath", path)
    stem, suffix = os.path.splitext(name)
    if suffix.lower() in _OTHERS:
        raise ValueError(
            f"filepath must not end in {suffix!r}, got {name!r}: nnc writes safetensors files, "
            f"such as {stem + '.safetensors'!r}; {_OTHERS[suffix.lower()]}"
        )


def write(
    state: ModelState, path: Path, overwrite: bool = True, read: Callable[[], None] = lambda: None
) -> None:
    """Write a model's state to a file, atomically; see `nnc.saving.save_model`.

    `read` is called when the state has been read, before the file is on the disk.
    """
    path = path_of("filepath", path)
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{path} already exists, and overwrite is False")
    compiled = _compiled_config(state.engine.compiled)
    if compiled is None:  # its training cannot be continued: the optimizer's slots are of no use
        state = state._replace(engine=state.engine.uncompiled())
    stack, engine = state.stack, state.engine
    built = engine.weights is not None  # another thread may build the stack meanwhile
    weights = stack.weights() if built else []
    optimizer = engine.compiled.optimizer
    slots = optimizer.slot_names() if engine.slots and optimizer is not None else None
    logs = _numeric_logs(state.history)
    kept, of_callbacks = _callback_parts(state.callbacks, weights)
    if state.stopped or state.position is not None:
        kept[_RUN] = _run_counters(state.stopped, state.position)
    config = {
        "format": FORMAT,
        "numerics": NUMERICS,
        "version": __version__,
        "name": stack.name,
        "seed": engine.seed,
        "backend": engine.backend.name,
        "input": serialize(stack.input) if stack.input is not None else None,
        "layers": [described(part) for part in stack.parts],
        "input_shape": list(stack.shapes()[0]) if built else None,
        "compile": compiled,
        "slots": slots,
        "iterations": optimizer.iterations if compiled and optimizer is not None else 0,
        "epoch": state.epoch,
        "history": None if state.history is None else list(logs),
        "callbacks": kept,
    }
    if engine.precision != _OPTIONAL["precision"]:
        config["precision"] = engine.precision
    warn_of_nan(weights, engine.weights, "the model is saved", path)
    tensors = _weight_tensors(engine, weights, slots) | of_callbacks
    if state.history is not None:
        tensors["history/epoch"] = np.array(state.history.epoch, np.int64)
        tensors |= {_LOGS + key: values for key, values in logs.items()}
    metadata = checked_metadata(state.metadata)
    tensorfile.write(path, tensors, metadata | {_CONFIG: json.dumps(config, allow_nan=False)}, read)


def checked_metadata(value: Any) -> dict[str, str]:
    """`value` as the user metadata of a file: a dict of str to str."""
    must = f"a dict of str to str without the key {_CONFIG!r}, which is used for the configuration"
    strings = isinstance(value, Mapping) and all(isinstance(s, str) for pair in value.items() for s in pair)
    if not strings:
        raise refusal("metadata", must, value, TypeError)
    if _CONFIG in value:
        raise refusal("metadata", must, value)
    return dict(value)


def _weight_tensors(
    engine: EngineState, weights: Sequence[Weight], slots: Sequence[str] | None
) -> dict[str, Tensor]:
    """The weights and the optimizer's slots by their names in the file."""
    tensors: dict[str, Tensor] = dict(
        zip((weight.path for weight in weights), engine.weights or (), strict=True)
    )
    for s, slot in enumerate(slots or ()):
        pairs = zip(weights, engine.slots or (), strict=True)
        tensors |= {f"slots/{slot}/{weight.path}": arrays[s] for weight, arrays in pairs if weight.trainable}
    return tensors


def warn_of_nan(weights: Sequence[Weight], arrays: Sequence[Tensor] | None, what: str, path: str) -> None:
    """Warn about the first weight that contains NaN or infinities; checked in parts to use little memory."""
    for weight, array in zip(weights, arrays or (), strict=False):
        flat = (part.reshape(-1) for part in parts_of(array))
        for part in (each[start : start + 2**16] for each in flat for start in range(0, each.size, 2**16)):
            if not np.isfinite(part).all():
                word = "NaN" if np.isnan(part).any() else "infinity"
                warn(f"{what} with {word} in {weight.name} of layer {weight.layer!r}: {path}")
                return


def _callback_parts(
    callbacks: Mapping[str, Mapping[str, Any]], weights: Sequence[Weight]
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """The state of the callbacks as JSON, with weights replaced by "tensors"; and those weights."""
    kept: dict[str, dict[str, Any]] = {}
    tensors: dict[str, np.ndarray] = {}
    for key, values in callbacks.items():
        kept[key] = {}
        for name, value in values.items():
            if isinstance(value, list):
                pairs = zip(weights, value, strict=True)
                tensors |= {f"callbacks/{key}/{weight.path}": array for weight, array in pairs}
            kept[key][name] = "tensors" if isinstance(value, list) else _plain(value)
    return kept, tensors


def _run_counters(stopped: bool, position: Position | None) -> dict[str, Any]:
    counters: dict[str, Any] = {"stopped": int(stopped)}
    if position is not None:
        counters |= {"batch": position.batch, "n_steps": position.n_steps, "rows": position.rows}
        counters |= {_SUM + name: _plain(value) for name, value in position.sums.items()}
    return counters


def _run_of(counters: Mapping[str, Any]) -> tuple[bool, Position | None]:
    """Whether the run was stopped, and its position within an epoch, from what `_run_counters` wrote."""
    given = dict(counters)
    stopped = integer("'stopped' of 'fit'", given.pop("stopped", 0), 0, 1)
    if not given:
        return bool(stopped), None
    batch, rows = (
        integer(f"{name!r} of 'fit'", given.pop(name, None), 0, 2**62) for name in ("batch", "rows")
    )
    steps = given.pop("n_steps", None)
    if steps is not None:
        steps = integer("'n_steps' of 'fit'", steps, batch, 2**62)
    if not all(name.startswith(_SUM) and value != "tensors" for name, value in given.items()):
        raise FormatError(f"'callbacks' has wrong values for {_RUN!r}")
    sums = {
        name.removeprefix(_SUM): math.nan if value is None else float(value) for name, value in given.items()
    }
    return bool(stopped), Position(batch, steps, rows, sums)


def _compiled_config(compiled: Compiled) -> dict[str, Any] | None:
    """The compile arguments, None if the model is not compiled or they cannot be saved."""
    if compiled.optimizer is None or compiled.loss is None:
        return None
    try:
        config: dict[str, Any] = {"loss": serialize(compiled.loss)}
        config["optimizer"] = serialize(compiled.optimizer)
    except ValueError as error:
        warn(f"the model is saved without its compile arguments: {error}")
        return None
    config |= {"metrics": _metrics_config(compiled.metrics)}
    if compiled.weighted:
        config |= {_WEIGHTED: _metrics_config(compiled.weighted)}
    return config


def _metrics_config(given: Sequence[Any]) -> list[Any]:
    """The metrics that a file can hold."""
    found: list[Any] = []
    for each in given:
        metric = each if isinstance(each, str) else metrics.get(each)
        if isinstance(metric, str):
            found.append(metric)
        elif metric.is_nncs:
            found.append(serialize(metric))
        else:
            warn(f"the model is saved without the metric {metric.name!r}: files contain no code")
    return found


def _numeric_logs(history: History | None) -> dict[str, np.ndarray]:
    """The logs as float64 (epochs, ...), without entries of callbacks that are not numbers."""
    found = {}
    for key, values in {} if history is None else dict(history.history).items():
        with contextlib.suppress(TypeError, ValueError):
            found[key] = np.array(values, np.float64)
    return found


def _plain(value: Any) -> float | int | None:
    """A counter as a JSON value; a best value that is not finite becomes None."""
    if value is None or isinstance(value, (int, np.integer)):
        return value if value is None else int(value)
    return float(value) if math.isfinite(value) else None


def read(path: Path, weights_only: bool = False) -> ModelState:
    """Read the state that `write` wrote; with `weights_only`, only layers and weights.

    Raises
    ------
    FormatError
        If the file is not one of nnc's, is damaged, or is inconsistent.
    OSError
        If it cannot be opened.
    """
    path = path_of("filepath", path)
    with _format_errors(path), tensorfile.TensorFile(path) as tensors:
        file = _File(tensors)
        return file.weights_only() if weights_only else file.state()


@contextlib.contextmanager
def _format_errors(path: str) -> Iterator[None]:
    """Convert errors inside, except those of the file system, to a FormatError that names the file."""
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error.__cause__
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise FormatError(f"{path}: not an nnc model, or damaged: {error}") from error


class _File:
    """A model file whose header and configuration have been read and are consistent."""

    def __init__(self, file: tensorfile.TensorFile) -> None:
        self.file = file
        self.config = _config(file)
        self.seed = integer("'seed'", self.config["seed"], 0, 2**64 - 1)
        self.stack = _stack(self.config)
        self.backend = BACKENDS[choice("'backend'", self.config["backend"], BACKENDS)]
        self.precision = choice("'precision'", self.config["precision"], PRECISIONS)
        self.compiled = _compiled(self.config)
        self.run = _run_of(self.config["callbacks"].pop(_RUN, {}))
        if self.stack.built:
            self.compiled.metrics_for(self.stack.shapes()[1])  # raises an error if they do not fit
        self.weights = self.stack.weights() if self.stack.built else []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._compare(_expected(self.config, self.backend, self.weights))

    def _compare(self, expected: Iterable[tuple[str, str, tuple[int, ...] | None]]) -> None:
        """Check that the tensors are exactly those that the configuration implies; shape None is any vector,
        and in the logs any array with an axis for the epochs.

        nnc 0.1.0 wrote PReLU's alpha as a vector of its elements, and one mean for all values as a vector of
        one element; both are accepted too.
        Stops at the fifth missing one: a configuration can imply the product of two long lists.
        """
        found, missing = dict(self.file.header), []
        for name, dtype, shape in expected:
            if name not in found:
                missing.append(name)
                if len(missing) == _NAMED:
                    break
                continue
            has = found.pop(name)
            fits = len(has[1]) == 1 if shape is None else has[1] == shape
            if shape is None and name.startswith(_LOGS):
                fits = len(has[1]) > 0
            if shape is not None and name.endswith(_ONCE_FLAT):
                fits = fits or has[1] == (math.prod(shape),)
            if has[0] != dtype or not fits:
                wanted = f"{dtype} {'vector' if shape is None else shape}"
                raise FormatError(f"tensor {shown(name)} is {has[0]} {has[1]}, not {wanted}")
            if shape is not None:
                self._shapes[name] = shape
        odd = sorted(missing or found)
        if odd:
            raise FormatError(f"tensors and configuration differ in {', '.join(map(shown, odd[:_NAMED]))}")

    def _read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """The tensors in the shapes that the configuration implies."""
        tensors = self.file.read(names)
        return {name: array.reshape(self._shapes.get(name, array.shape)) for name, array in tensors.items()}

    def weights_only(self) -> ModelState:
        """The layers and weights; no other tensor is read."""
        tensors = self._read(w.path for w in self.weights)
        return ModelState(self.stack, self._engine(tensors), 0, {}, None).weights_only()

    def state(self) -> ModelState:
        """The complete contents of the file."""
        tensors = self._read(self.file.header)
        engine = self._engine(tensors)
        if self.config["slots"] is not None:
            engine.slots = [
                [tensors[f"slots/{slot}/{w.path}"] for slot in self.config["slots"]] if w.trainable else []
                for w in self.weights
            ]
        callbacks = self._callbacks(tensors)
        history = self._history(tensors)
        metadata = {key: value for key, value in self.file.metadata.items() if key != _CONFIG}
        epoch = self.config["epoch"]
        return ModelState(self.stack, engine, epoch, callbacks, history, *self.run, metadata=metadata)

    def _engine(self, tensors: Mapping[str, np.ndarray]) -> EngineState:
        weights = [tensors[w.path] for w in self.weights] if self.stack.built else None
        warn_of_nan(self.weights, weights, "a model is loaded", self.file.path)
        return EngineState(self.seed, self.backend, self.compiled, weights, None, self.precision)

    def _history(self, tensors: Mapping[str, np.ndarray]) -> History | None:
        names = self.config["history"]
        if names is None:
            return None
        history = History()
        history.epoch = tensors["history/epoch"].tolist()
        logs = {name: tensors[_LOGS + name] for name in names}
        history.history = {name: log.tolist() if log.ndim == 1 else [*log] for name, log in logs.items()}
        return history

    def _callbacks(self, tensors: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
        def found(key: str, value: Any) -> Any:
            return (
                [tensors[f"callbacks/{key}/{w.path}"] for w in self.weights] if value == "tensors" else value
            )

        known = self.config["callbacks"]
        return {key: {name: found(key, v) for name, v in values.items()} for key, values in known.items()}


def _config(file: tensorfile.TensorFile) -> dict[str, Any]:
    """The configuration in the metadata, with its own values checked; layers and so on check theirs."""
    if _CONFIG not in file.metadata:
        raise FormatError('this is a safetensors file, but not an nnc model: its metadata have no key "nnc"')
    config = file.parse_json(file.metadata[_CONFIG])
    version = config.get("format") if isinstance(config, dict) else None
    if type(version) is not int or version < 1:
        raise FormatError("the configuration has no format version")
    if version > FORMAT:
        raise FormatError(
            f"the file has format {version}, this nnc ({__version__}) reads up to {FORMAT}: use a newer nnc"
        )
    config = _OPTIONAL | config
    known = _KEYS | _OPTIONAL.keys()
    if config.keys() != known:
        odd = ", ".join(shown(key).strip("'") for key in sorted(config.keys() ^ known)[:_NAMED])
        raise FormatError(f"the configuration has unknown or missing keys: {odd}")
    kinds = {"version": str, "name": str, "backend": str, "layers": list, "callbacks": dict}
    for key, kind in kinds.items():
        if not isinstance(config[key], kind):
            raise FormatError(f"{key!r} must be a {kind.__name__}, got {shown(config[key])}")
    for key in ("numerics", "iterations", "epoch"):
        if not tensorfile.is_size(config[key]):
            raise FormatError(f"{key!r} must be a count, got {shown(config[key])}")
    for key in ("slots", "history"):
        if config[key] is not None and not _are_names(config[key]):
            raise FormatError(f"{key!r} must be a list of names or null, got {shown(config[key])}")
        if config[key] is not None and len(set(config[key])) < len(config[key]):
            raise FormatError(f"{key!r} has duplicate names")
    for key, values in config["callbacks"].items():
        good = isinstance(values, dict) and all(
            value is None or type(value) in (int, float) or (name, value) == ("best_weights", "tensors")
            for name, value in values.items()
        )
        if not good:
            raise FormatError(f"'callbacks' has wrong values for {shown(key)}")
    return config


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _stack(config: Mapping[str, Any]) -> Stack:
    """The layers of a configuration, with their shapes."""
    stack = Stack(config["name"] or None)
    if config["input"] is not None:
        first = deserialize(config["input"], layers.registry)
        if not isinstance(first, layers.InputLayer):
            raise FormatError(f"'input' must be an InputLayer, got {shown(first)}")
        stack.add(first)
    for data in config["layers"]:
        part = part_of(data)
        if part.name is None or isinstance(part, layers.InputLayer):
            raise FormatError(f"'layers' must be layers with names, got {shown(part)}")
        stack.add(part)
    shape = config["input_shape"]
    if shape is not None:
        if not isinstance(shape, list) or not shape or not all(map(tensorfile.is_size, shape)):
            raise FormatError(f"'input_shape' must be a shape or null, got {shown(shape)}")
        stack.build(tuple(shape))
    elif stack.built:
        raise FormatError("'input_shape' is null, but the layers have shapes")
    return stack


def _compiled(config: Mapping[str, Any]) -> Compiled:
    """The compile arguments of a configuration."""
    compiled = config["compile"]
    if compiled is None:
        if config["slots"] is not None or config["iterations"]:
            raise FormatError("'slots' and 'iterations' need 'compile'")
        return Compiled()
    if (
        not isinstance(compiled, dict)
        or compiled.keys() - {_WEIGHTED} != _COMPILE_KEYS
        or not isinstance(compiled["metrics"], list)
        or not isinstance(compiled.get(_WEIGHTED, []), list)
    ):
        raise FormatError(f"'compile' must have {', '.join(sorted(_COMPILE_KEYS))}, got {shown(compiled)}")
    optimizer = deserialize(compiled["optimizer"], optimizers.registry)
    loss = deserialize(compiled["loss"], losses.registry)
    names, weighted = (
        [m if isinstance(m, str) else deserialize(m, metrics.registry) for m in compiled.get(key, [])]
        for key in ("metrics", _WEIGHTED)
    )
    optimizer.iterations = config["iterations"]
    if config["slots"] is not None and config["slots"] != optimizer.slot_names():
        raise FormatError(f"'slots' must be {optimizer.slot_names()}, got {shown(config['slots'])}")
    return Compiled(optimizer, loss, names, weighted)


def _expected(
    config: Mapping[str, Any], backend: Backend, weights: Sequence[Weight]
) -> Iterator[tuple[str, str, tuple[int, ...] | None]]:
    """The tensors that a configuration implies, (name, dtype, shape); only trainable weights have slots."""
    dtype = tensorfile.DTYPES[backend.dtype]
    yield from ((weight.path, dtype, weight.shape) for weight in weights)
    for key, values in config["callbacks"].items():
        if "tensors" in values.values():
            yield from ((f"callbacks/{key}/{weight.path}", dtype, weight.shape) for weight in weights)
    for slot in config["slots"] or ():
        yield from ((f"slots/{slot}/{w.path}", dtype, w.shape) for w in weights if w.trainable)
    if config["history"] is not None:
        yield "history/epoch", "I64", None
        yield from ((_LOGS + key, "F64", None) for key in config["history"])
