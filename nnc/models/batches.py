"""Data in batches: iterables of batches, how they form epochs, and the first batches of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nnc._config import integer
from nnc.errors import warn
from nnc.models.inputs import Arrays

BATCH_SIZE = 32  # rows of a batch by default


def unpack(batch: Any, name: str) -> tuple[Any, Any, Any]:
    """A batch as (x, y, sample_weight)."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        got = type(batch).__name__
        raise TypeError(f"{name} must yield batches (x, y) or (x, y, sample_weight), got one of type {got}")
    x, y, *weight = batch
    return x, y, weight[0] if weight else None


def is_stream(x: Any) -> bool:
    """Whether x is an iterable of batches rather than an array-like."""
    if isinstance(x, Sequence) or hasattr(x, "__array__") or hasattr(x, "nnz"):
        return False
    return hasattr(x, "__iter__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


def is_batches(x: Any, y: Any) -> bool:
    """Whether `fit` or `evaluate` was passed batches (x, y) instead of arrays."""
    if y is None and not is_stream(x) and not isinstance(x, (list, tuple)):
        raise ValueError("y is missing: give x and y, or an iterable of batches (x, y) as x")
    return y is None


def refuse_with_batches(**arguments: Any) -> None:
    """Raise a ValueError if one of these arguments is given: not None or 0.0 (validation_split's default)."""
    for name, value in arguments.items():
        if value is not None and not (isinstance(value, float) and value == 0.0):
            raise ValueError(f"{name} needs arrays, but x yields batches (x, y) or (x, y, sample_weight)")


def first_batches(arrays: Arrays, steps: int | None, batch_size: int | None) -> Arrays:
    """The first `steps` batches of the rows."""
    if steps is None:
        return arrays
    return arrays.first(integer("steps", steps, 1) * rows_of_a_batch(len(arrays.x), batch_size, steps))


def rows_of_a_batch(n: int, batch_size: int | None, steps: int | None) -> int:
    """`batch_size`; if None, the size that divides n rows into `steps` batches, else 32; as in Keras."""
    if batch_size is not None:
        return integer("batch_size", batch_size, 1)
    return BATCH_SIZE if steps is None else max(1, -(-n // steps))


class Batches:
    """An iterable of batches for several epochs.

    Without `steps` an epoch is one pass. With `steps` it takes that many batches, and the next epoch
    continues after them; at its end an iterable is restarted, but a generator cannot be.
    """

    def __init__(self, source: Any, steps: int | None, name: str = "x") -> None:
        self.source, self.steps, self.name = source, steps, name
        self._iterator: Iterator | None = None
        if not hasattr(source, "__iter__") and not (
            hasattr(source, "__getitem__") and hasattr(source, "__len__")
        ):
            raise TypeError(
                f"{name} must be an array with y, or an iterable of batches (x, y), got {source!r}"
            )

    def _begin(self) -> Iterator:
        if hasattr(self.source, "__iter__"):
            return iter(self.source)
        return (self.source[i] for i in range(len(self.source)))

    def skip(self, epochs: int) -> None:
        """Skip the batches of that many epochs if epochs continue one another, that is, with `steps`."""
        for _ in range(epochs if self.steps is not None else 0):
            for _ in self:
                pass

    def __iter__(self) -> Iterator[Any]:
        """The batches of the next epoch."""
        once = hasattr(self.source, "__next__")
        if self.steps is None:
            yield from self.source if once else self._begin()
            return
        for _ in range(self.steps):
            if self._iterator is None:
                self._iterator = self._begin()
            batch = next(self._iterator, self)
            if batch is self and not once:
                self._iterator = self._begin()
                batch = next(self._iterator, self)
            if batch is self:
                warn(f"{self.name} ran out of batches: steps={self.steps} per epoch")
                return
            yield batch
