"""Descriptions of a model: the table of `summary`, the repr, and the repr for notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterator

from nnc.layers import Layer
from nnc.models.compiled import Compiled
from nnc.models.stack import Stack, layers_of

_HEAD = ("Layer (type)", "Output Shape", "Param #")


def _rows(stack: Stack, nested: bool = False) -> list[tuple[str, str, str]]:
    """(name and type, output shape, number of weights) of each layer."""
    rows = []
    for part, indent in _parts(stack, nested):
        shape, weights, kind = "?", "?", "Sequential" if isinstance(part, Stack) else type(part).__name__
        if part.output_shape is not None:
            count = sum(layer.count_params() for layer in layers_of(part))
            shape, weights = str((None, *part.output_shape)), f"{count:,}"
        rows.append((f"{indent}{part.name} ({kind})", shape, weights))
    return rows


def _parts(stack: Stack, nested: bool, indent: str = "") -> Iterator[tuple[Layer | Stack, str]]:
    """Each layer of a model, with `nested` also those of nested models, and its indentation."""
    for part in stack.parts:
        yield part, indent
        if nested and isinstance(part, Stack):
            yield from _parts(part, nested, indent + "  ")


def _totals(stack: Stack) -> list[str]:
    """The numbers of weights: total, trainable and non-trainable."""
    if not stack.built:
        return ["not built yet: the shape comes from an Input layer, build((None, ...)) or the first data"]
    counts = {"Total": 0, "Trainable": 0, "Non-trainable": 0}
    flags = [flag for layer in stack.layers for flag in layer.trainable_flags]
    for weight, trainable in zip(stack.weights(), flags, strict=True):
        for kind in ("Total", "Trainable" if trainable else "Non-trainable"):
            counts[kind] += math.prod(weight.shape)
    return [f"{name} params: {n:,} ({n * 4 / 1024:,.2f} KB)" for name, n in counts.items()]


def table(stack: Stack, width: int = 0, show_trainable: bool = False, nested: bool = False) -> str:
    """The table of `Sequential.summary`, at least `width` wide."""
    rows = [_HEAD, *_rows(stack, nested)]
    if show_trainable:
        marks = ["Trainable", *("yes" if _trains(part) else "no" for part, _ in _parts(stack, nested))]
        rows = [(a, b, f"{c}  {mark:<9}") for (a, b, c), mark in zip(rows, marks, strict=True)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    widths[0] += max(0, width - sum(widths) - 6)
    lines = [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]
    totals = [f"  {line}" for line in _totals(stack)]
    rule = "  " + "-" * (sum(widths) + 4)
    return "\n".join([f'Model: "{stack.name}"', lines[0], rule, *lines[1:], rule, *totals])


def _trains(part: Layer | Stack) -> bool:
    return any(layer.trainable for layer in layers_of(part))


def text(stack: Stack, compiled: Compiled) -> str:
    """The repr: a line for the model, one for each layer."""
    first = f"Sequential {stack.name!r}: "
    if stack.built:
        count = sum(layer.count_params() for layer in stack.layers)
        first += f"{stack.input_shape} -> {stack.output_shape}, {count:,} weights"
    else:
        first += f"{len(stack.parts)} layers, not built"
    if compiled.loss is not None:
        first += f", {compiled.optimizer!r}, {compiled.loss!r}"
    shown = (f"  {indent}{_shown(part)}" for part, indent in _parts(stack, True))
    return "\n".join([first, *shown])


def _shown(part: Layer | Stack) -> str:
    return f"Sequential {part.name!r}" if isinstance(part, Stack) else repr(part)


def html(stack: Stack) -> str:
    """The repr for notebooks: the same table as `table`."""
    from nnc import _html  # the entity tables of html take a millisecond to load

    name = f"Sequential {stack.name}"
    return _html.block(
        _html.line(name),
        _html.table(_HEAD, _rows(stack)),
        *(_html.line(total, "note") for total in _totals(stack)),
    )
