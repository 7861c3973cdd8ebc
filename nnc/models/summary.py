"""A model in words: the table of `summary`, the repr, and the repr for notebooks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnc.models.sequential import Sequential

_HEAD = ("Layer (type)", "Output Shape", "Param #")


def _rows(model: Sequential) -> list[tuple[str, str, str]]:
    """(name and type, output shape, number of weights) of each layer."""
    rows = []
    for layer in model.layers:
        shape, weights = "?", "?"
        if layer.built:
            shape, weights = str((None, *layer.output_shape)), f"{layer.count_params():,}"
        rows.append((f"{layer.name} ({type(layer).__name__})", shape, weights))
    return rows


def _totals(model: Sequential) -> list[str]:
    """The numbers of weights: all of them, those that training moves, the others."""
    if not model.built:
        return ["not built yet: it takes its shape from an Input layer, build((None, ...)) or the first data"]
    counts = {"Total": model.count_params(), "Trainable": 0, "Non-trainable": 0}
    for layer in model.layers:
        for (_, shape, _), trainable in zip(layer.weights_spec(), layer.trainable_flags, strict=True):
            counts["Trainable" if trainable else "Non-trainable"] += math.prod(shape)
    return [f"{name} params: {n:,} ({n * 4 / 1024:,.2f} KB)" for name, n in counts.items()]


def table(model: Sequential) -> str:
    """The table of `Sequential.summary`."""
    rows = [_HEAD, *_rows(model)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]
    totals = [f"  {line}" for line in _totals(model)]
    rule = "  " + "-" * (sum(widths) + 4)
    return "\n".join([f'Model: "{model.name}"', lines[0], rule, *lines[1:], rule, *totals])


def text(model: Sequential) -> str:
    """The repr: a line for the model, one for each layer."""
    first = f"Sequential {model.name!r}: "
    if model.built:
        first += f"{model.input_shape} -> {model.output_shape}, {model.count_params():,} weights"
    else:
        first += f"{len(model.layers)} layers, not built"
    if model.loss is not None:
        first += f", {model.optimizer!r}, {model.loss!r}"
    return "\n".join([first, *(f"  {layer!r}" for layer in model.layers)])


def html(model: Sequential) -> str:
    """The repr for notebooks: the same table as `table`."""
    from html import escape  # its tables of entities take a millisecond to load

    def row(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in _rows(model))
    caption = (
        f"<caption>Sequential <b>{escape(model.name)}</b> - {escape('; '.join(_totals(model)))}</caption>"
    )
    return f"<table>{caption}<thead>{row(_HEAD, 'th')}</thead><tbody>{body}</tbody></table>"
