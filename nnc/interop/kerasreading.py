"""From a .keras file to an nnc model: its layers, its weights, and the arguments of `compile`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

from nnc import _config, layers, random
from nnc._absent import no_attribute
from nnc._files import open_nonblocking, path_of
from nnc.errors import FormatError, warn
from nnc.interop import kerasconfig
from nnc.interop.kerasfile import DAMAGED, KerasFile
from nnc.models import Sequential, modelfile
from nnc.models.backends import BACKENDS, PRECISIONS
from nnc.models.compiled import Compiled
from nnc.models.engine import EngineState
from nnc.models.stack import Stack, layers_of
from nnc.models.state import ModelState


def read(path: modelfile.Path, compile: bool) -> Sequential:
    """See `nnc.load_keras`."""
    path = path_of("filepath", path)
    with open_nonblocking(path) as opened:
        try:
            return _read(opened, path, compile)
        except (ValueError, TypeError, RecursionError) as error:
            raise FormatError(f"{path}: {error}") from error
        except DAMAGED as error:
            raise FormatError(f"{path}: damaged: {error}") from error


def _read(opened: IO[bytes], path: str, compile: bool) -> Sequential:
    file = KerasFile(opened)
    stack = _stack(file.config)
    arrays = _weights(file, stack) if stack.built else None
    compiled = _compiled(file.config.get("compile_config"), stack) if compile else Compiled()
    if arrays is not None:
        modelfile.warn_of_nan(stack.weights(), arrays, "a model is loaded", path)
    backend = next(iter(BACKENDS.values()))
    engine = EngineState(random.next_seed(), backend, compiled, arrays, None, PRECISIONS[0])
    return Sequential.from_state(ModelState(stack, engine, 0, {}, None))


def _stack(data: Mapping[str, Any]) -> Stack:
    """The layers of a Sequential, with their shapes if the file contains them."""
    name, config = kerasconfig.class_and_config(data)
    if name != "Sequential":
        raise FormatError(f"the model is not a Sequential: {no_attribute('nnc', name, ('Sequential',))}")
    described = config.get("layers")
    if not isinstance(described, list):
        raise _config.refusal("'layers'", "a list", described)
    trainable = _config.boolean("'trainable'", config.get("trainable", True))
    stack = Stack(config.get("name"))
    for each in described:
        part = _stack(each) if kerasconfig.is_sequential(each) else kerasconfig.layer(each)
        for layer in () if trainable else layers_of(part):
            layer.trainable = False
        stack.add(part)
    shape = config.get("build_input_shape")
    if shape is not None and stack.layers:
        stack.build(kerasconfig.sample_shape("build_input_shape", shape))
    return stack


def _weights(file: KerasFile, stack: Stack) -> list[np.ndarray]:
    """The weights in the order of a plan's parameters; the size of the file is checked first."""
    shapes = {layer: kerasconfig.shapes(layer) for layer in stack.layers}
    needed = 4 * sum(math.prod(shape) for each in shapes.values() for shape in each)
    if needed > file.size:
        raise FormatError(f"its layers have weights of {needed} bytes, its HDF5 file only {file.size}")
    found: list[np.ndarray] = []
    with file:
        for layer, path in _places(stack):
            try:
                arrays = file.arrays(path, shapes[layer], kerasconfig.counts(layer))
            except FormatError as error:
                raise FormatError(f"layer {layer.name!r} ({type(layer).__name__}): {error}") from error
            specified = layer.weights_spec()
            if specified and not arrays:
                arrays = layer.get_weights()
            found += [a.reshape(shape) for a, (_, shape, _) in zip(arrays, specified, strict=True)]
    return found


def _places(stack: Stack, path: tuple[str, ...] = ()) -> Iterator[tuple[layers.Layer, tuple[str, ...]]]:
    """Each layer with the path of its group, which is named by class: dense, dense_1, ..."""
    counts: Counter[str] = Counter()
    for part in stack.parts:
        stem = "sequential" if isinstance(part, Stack) else _config.snake_case(type(part).__name__)
        place = (*path, "layers", f"{stem}_{counts[stem]}" if counts[stem] else stem)
        counts[stem] += 1
        if isinstance(part, Stack):
            yield from _places(part, place)
        else:
            yield part, place


def _compiled(config: Any, stack: Stack) -> Compiled:
    """The arguments of `compile`; not compiled, with a warning, if nnc does not support one of them."""
    if config is None:
        return Compiled()
    try:
        if not isinstance(config, dict):
            raise _config.refusal("'compile_config'", "a table", config)
        if config.get("loss_weights"):
            raise _config.refusal("loss_weights", "None: nnc has none", config["loss_weights"])
        if config.get("optimizer") is None or config.get("loss") is None:
            raise ValueError("it has an optimizer or a loss that Keras could not write")
        compiled = Compiled.of(
            kerasconfig.optimizer(config["optimizer"]),
            kerasconfig.loss(config["loss"]),
            kerasconfig.metric_list(config.get("metrics")),
            kerasconfig.metric_list(config.get("weighted_metrics")),
        )
        if stack.built:
            compiled.metrics_for(stack.shapes()[1])
        return compiled
    except (ValueError, TypeError) as error:
        warn(f"the model is loaded, but not compiled: {error}")
        return Compiled()
