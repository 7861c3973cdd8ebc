"""Columns of a table as inputs of a model, and outputs of a model as the column that is predicted.

A number goes in as it is, less an offset where float32 would lose its digits otherwise; a string takes an
input for each of its values, 1 where it is that one. A gap in a column that had some when the model was
trained has an input of its own, which is 1 there; the number is the mean then. What scales the numbers is
a layer of the model.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from nnc.cli.chunks import CellError, Cells, finite_numbers, first_text


class Counts(NamedTuple):
    """What was met beside known values: gaps, and strings that were not among those of the training."""

    gaps: int = 0
    unknown: int = 0


class Number(NamedTuple):
    """A column of numbers; `fill` is put in for gaps, `gaps` says if these have an input of their own."""

    name: str
    fill: float
    offset: float
    gaps: bool

    @property
    def inputs(self) -> list[str]:
        """The names of its inputs."""
        return [self.name, f"{self.name}: gap"][: 1 + self.gaps]

    @property
    def described(self) -> str:
        """In words."""
        words = "numbers" + f", less {self.offset:.10g}" * bool(self.offset)
        return words + f"; gaps are the mean {self.fill:.6g}, and an input of their own" * self.gaps

    def encode(self, cells: Cells, out: np.ndarray) -> Counts:
        """Write the cells (n,) into `out` (n, inputs); a CellError for text."""
        values = finite_numbers(cells)
        gaps = np.isnan(values)
        n_gaps = int(np.count_nonzero(gaps))
        if n_gaps:
            index = first_text(cells, values)
            if index is not None:
                raise CellError(index, f"{cells.texts()[index]!r} is no number")
            values[gaps] = self.fill
        out[:, 0] = values - self.offset
        if self.gaps:
            out[:, 1] = gaps
        return Counts(gaps=n_gaps)


class Category(NamedTuple):
    """A column of strings, one of `values` each; `gaps` says if a gap has an input of its own."""

    name: str
    values: tuple[str, ...]
    gaps: bool

    @property
    def inputs(self) -> list[str]:
        """The names of its inputs."""
        return [f"{self.name} = {value}" for value in self.values] + [f"{self.name}: gap"] * self.gaps

    @property
    def described(self) -> str:
        """In words."""
        shown, n = ", ".join(self.values[:6]) + ", ..." * (len(self.values) > 6), len(self.values)
        words = f"{n} strings, an input for each: {shown}" if n > 1 else f"one string: {shown}"
        return words + "; an input for gaps" * self.gaps

    def encode(self, cells: Cells, out: np.ndarray) -> Counts:
        """Write the cells (n,) into `out` (n, inputs); an unknown string is zeros."""
        code: dict[str | None, int] = {value: i for i, value in enumerate(self.values)}
        if self.gaps:
            code[None] = len(self.values)
        texts = cells.texts()
        codes = np.fromiter((code.get(text, -1) for text in texts), np.int64, len(texts))
        out[:] = codes[:, np.newaxis] == np.arange(out.shape[1])
        n_gaps = sum(text is None for text in texts)
        n_unknown = int(np.count_nonzero(codes < 0)) - (0 if self.gaps else n_gaps)
        return Counts(n_gaps, n_unknown)


Column: TypeAlias = Number | Category


class Target(NamedTuple):
    """The column that is predicted: its classes in the order of the outputs, None for a number."""

    name: str
    classes: tuple[str, ...] | None

    @property
    def width(self) -> int:
        """Outputs of the model."""
        return 1 if self.classes is None else len(self.classes)


class Schema(NamedTuple):
    """What a model was trained on: columns in the order of its inputs, and its target."""

    columns: tuple[Column, ...]
    target: Target

    @property
    def inputs(self) -> list[str]:
        """The names of the model's inputs."""
        return [name for column in self.columns for name in column.inputs]

    def encode(self, cells: list[Cells]) -> tuple[np.ndarray, list[Counts]]:
        """The inputs (n, inputs) for the cells of each column, and what was met in each.

        A CellError names its column, too: it has the attribute `column`.
        """
        out = np.empty((len(cells[0]), len(self.inputs)), np.float32)
        at, counts = 0, []
        for column, each in zip(self.columns, cells, strict=True):
            width = len(column.inputs)
            try:
                counts.append(column.encode(each, out[:, at : at + width]))
            except CellError as error:
                error.column = column.name
                raise
            at += width
        return out, counts
