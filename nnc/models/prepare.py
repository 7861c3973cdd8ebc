"""Conversion of the caller's data for a model's plans, according to its shapes and its loss.

A model that is not built yet is built here, from the first data it sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from nnc._arrays import as_numbers, same_rows, sample_weights, targets
from nnc.models.batches import Batches, first_batches, is_stream, rows_of_a_batch, unpack
from nnc.models.engine import Engine
from nnc.models.inputs import Arrays, class_weights, features, product
from nnc.models.loops import Rows, Source, Stream
from nnc.models.stack import Stack

ClassWeight = Mapping[int, float] | None


def feature_rows(stack: Stack, x: Any, name: str = "x") -> np.ndarray:
    """x as rows (n, n_inputs)."""
    if not stack.built:
        x = as_numbers(x, name)
        stack.build(stack.input_shape or (x.shape[1:] if x.ndim > 1 else (1,)))
    return features(x, name, stack.shapes()[0])


def feature_parts(
    stack: Stack, x: Any, batch_size: int | None, steps: int | None
) -> tuple[Iterable[np.ndarray], int | None]:
    """The rows of an array or of batches, up to `steps` batches, and their number, None if unknown."""
    if is_stream(x):
        batches = islice(Batches(x, None), steps)
        return (feature_rows(stack, b[0] if isinstance(b, tuple) else b) for b in batches), None
    rows = feature_rows(stack, x)
    rows = rows if steps is None else rows[: steps * rows_of_a_batch(len(rows), batch_size, steps)]
    return [rows], len(rows)


def rows_of(
    engine: Engine,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: ClassWeight = None,
    names: tuple[str, str] = ("x", "y"),
) -> Arrays:
    """(x, y, sample_weight) for the engine's loss; `names` are the names of x and y in messages."""
    loss = engine.compiled.for_evaluation()
    rows = feature_rows(engine.stack, x, names[0])
    shape = engine.stack.output_shape or ()  # known: feature_rows has built the model
    if engine.compiled.loss_spec is None:  # a Python function, which receives y unchanged
        y = as_numbers(y, names[1])
    else:
        y = targets(y, names[1], loss.targets, shape, loss.target_range)
    weights = sample_weights(sample_weight)
    same_rows(**{names[0]: rows, names[1]: y, "sample_weight": weights})
    return weighted(engine, Arrays(rows, y, weights), class_weight)


def weighted(engine: Engine, arrays: Arrays, class_weight: ClassWeight) -> Arrays:
    """The rows, with their sample weights multiplied by the class weights."""
    by_class = class_weights(class_weight, arrays.y, math.prod(engine.stack.output_shape or ()))
    return arrays._replace(sample_weight=product(arrays.sample_weight, by_class))


def batches_of(
    engine: Engine, source: Iterable[Any], name: str = "x", class_weight: ClassWeight = None
) -> Iterator[Arrays]:
    """Each batch of `source`, as `rows_of` returns it."""
    for batch in source:
        yield rows_of(engine, *unpack(batch, name), class_weight)


def training_rows(arrays: Arrays, batch_size: int | None, steps: int | None, shuffle: bool) -> Rows:
    """Training data from arrays: batches of `batch_size` rows, the first `steps` of them."""
    size = min(rows_of_a_batch(len(arrays.x), batch_size, steps), len(arrays.x))
    n_steps = -(-len(arrays.x) // size)
    return Rows(arrays, size, min(n_steps, steps or n_steps), shuffle)


def training_stream(engine: Engine, x: Any, steps: int | None, class_weight: ClassWeight) -> Stream:
    """Training data from an iterable of batches, `steps` of them per epoch."""
    batches = Batches(x, steps)
    n_steps = steps or (len(x) if hasattr(x, "__len__") else None)
    return Stream(lambda: batches_of(engine, batches, "x", class_weight), n_steps, batches.skip)


def validation_source(engine: Engine, data: Any, steps: int | None, batch_size: int | None) -> Source:
    """`validation_data`, or the first `steps` batches of it."""
    if isinstance(data, tuple) or (isinstance(data, list) and not all(isinstance(b, tuple) for b in data)):
        names = ("validation_data[0]", "validation_data[1]")
        x, y, weight = unpack(data, "validation_data")
        return first_batches(rows_of(engine, x, y, weight, names=names), steps, batch_size)
    batches = Batches(data, steps, "validation_data")
    return lambda: batches_of(engine, batches, "validation_data")
