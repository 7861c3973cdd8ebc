"""The arrays of a plan, copied in parts: a file of them is written without a copy of all."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nnc.models.backends import Plan

_PART = 2**18  # elements that are copied at once


class PlanArray:
    """A parameter of a plan, or one of its slots, in the model's shape; read it under the model's lock."""

    def __init__(self, plan: Plan, i: int, slot: int | None, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._plan, self._i, self._slot = plan, i, slot
        self.shape, self.dtype = shape, dtype
        self.size = math.prod(shape)
        self.nbytes = self.size * dtype.itemsize

    def parts(self) -> Iterator[np.ndarray]:
        """Copies of its elements, part by part."""
        for first in range(0, self.size, _PART):
            yield self._plan.read_part(self._i, self._slot, first, min(_PART, self.size - first))
