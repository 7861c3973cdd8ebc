"""Columns of a table as inputs of a model, and outputs of a model as the predicted column.

A number is used unscaled, minus an offset if float32 would lose digits otherwise; a column of strings is
one-hot encoded. A column that had gaps in training has a separate input, which is 1 for a gap; a missing
number is replaced by the mean. The numbers are scaled by a layer of the model.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from nnc.cli.chunks import CellError, Cells, finite_numbers, first_text


class Counts(NamedTuple):
    """Counts of cells without a known value: gaps, and strings that did not occur in training."""

    gaps: int = 0
    unknown: int = 0


class Number(NamedTuple):
    """A column of numbers; `fill` replaces gaps, `gaps` is whether they have a separate input."""

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
        words = "numbers" + f", minus {self.offset:.10g}" * bool(self.offset)
        return (
            words + f"; gaps are replaced by the mean {self.fill:.6g} and have a separate input" * self.gaps
        )

    def encode(self, cells: Cells, out: np.ndarray) -> Counts:
        """Write the cells (n,) into `out` (n, inputs); a CellError for text."""
        values = finite_numbers(cells)
        gaps = np.isnan(values)
        n_gaps = int(np.count_nonzero(gaps))
        if n_gaps:
            index = first_text(cells, values)
            if index is not None:
                raise CellError(index, f"{cells.texts()[index]!r} is not a number")
            values[gaps] = self.fill
        out[:, 0] = values - self.offset
        if self.gaps:
            out[:, 1] = gaps
        return Counts(gaps=n_gaps)


class Category(NamedTuple):
    """A column of strings, each one of `values`; `gaps` is whether gaps have a separate input."""

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
        words = f"{n} strings, one input each: {shown}" if n > 1 else f"one string: {shown}"
        return words + "; one input for gaps" * self.gaps

    def encode(self, cells: Cells, out: np.ndarray) -> Counts:
        """Write the cells (n,) into `out` (n, inputs); an unknown string becomes zeros."""
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
    """The predicted column: its classes in the order of the outputs, None for numbers."""

    name: str
    classes: tuple[str, ...] | None

    @property
    def width(self) -> int:
        """The number of the model's outputs."""
        return 1 if self.classes is None else len(self.classes)


class Schema(NamedTuple):
    """The columns that a model was trained on, in the order of its inputs, and its target."""

    columns: tuple[Column, ...]
    target: Target

    @property
    def inputs(self) -> list[str]:
        """The names of the model's inputs."""
        return [name for column in self.columns for name in column.inputs]

    def encode(self, cells: list[Cells]) -> tuple[np.ndarray, list[Counts]]:
        """The inputs (n, inputs) for the cells of each column, and the counts of each.

        The `column` attribute of a CellError is the name of its column.
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
