"""A model in words: the table of `summary`, the repr, and the repr for notebooks."""

from __future__ import annotations

import math

from nnc.models.compiled import Compiled
from nnc.models.stack import Stack

_HEAD = ("Layer (type)", "Output Shape", "Param #")


def _rows(stack: Stack) -> list[tuple[str, str, str]]:
    """(name and type, output shape, number of weights) of each layer."""
    rows = []
    for layer in stack.layers:
        shape, weights = "?", "?"
        if layer.output_shape is not None:
            shape, weights = str((None, *layer.output_shape)), f"{layer.count_params():,}"
        rows.append((f"{layer.name} ({type(layer).__name__})", shape, weights))
    return rows


def _totals(stack: Stack) -> list[str]:
    """The numbers of weights: all of them, those that training moves, the others."""
    if not stack.built:
        return ["not built yet: it takes its shape from an Input layer, build((None, ...)) or the first data"]
    counts = {"Total": 0, "Trainable": 0, "Non-trainable": 0}
    flags = [flag for layer in stack.layers for flag in layer.trainable_flags]
    for weight, trainable in zip(stack.weights(), flags, strict=True):
        for kind in ("Total", "Trainable" if trainable else "Non-trainable"):
            counts[kind] += math.prod(weight.shape)
    return [f"{name} params: {n:,} ({n * 4 / 1024:,.2f} KB)" for name, n in counts.items()]


def table(stack: Stack, width: int = 0, show_trainable: bool = False) -> str:
    """The table of `Sequential.summary`, at least `width` wide."""
    rows = [_HEAD, *_rows(stack)]
    if show_trainable:
        marks = ["Trainable", *("yes" if layer.trainable else "no" for layer in stack.layers)]
        rows = [(a, b, f"{c}  {mark:<9}") for (a, b, c), mark in zip(rows, marks, strict=True)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    widths[0] += max(0, width - sum(widths) - 6)
    lines = [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]
    totals = [f"  {line}" for line in _totals(stack)]
    rule = "  " + "-" * (sum(widths) + 4)
    return "\n".join([f'Model: "{stack.name}"', lines[0], rule, *lines[1:], rule, *totals])


def text(stack: Stack, compiled: Compiled) -> str:
    """The repr: a line for the model, one for each layer."""
    first = f"Sequential {stack.name!r}: "
    if stack.built:
        count = sum(layer.count_params() for layer in stack.layers)
        first += f"{stack.input_shape} -> {stack.output_shape}, {count:,} weights"
    else:
        first += f"{len(stack.layers)} layers, not built"
    if compiled.loss is not None:
        first += f", {compiled.optimizer!r}, {compiled.loss!r}"
    return "\n".join([first, *(f"  {layer!r}" for layer in stack.layers)])


def html(stack: Stack) -> str:
    """The repr for notebooks: the same table as `table`."""
    from nnc import _html  # its tables of entities take a millisecond to load

    name = f"Sequential {stack.name}"
    return _html.block(
        _html.line(name),
        _html.table(_HEAD, _rows(stack)),
        *(_html.line(total, "note") for total in _totals(stack)),
    )
