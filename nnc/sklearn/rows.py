"""Rows for the core: dense float32, sparse matrices converted in parts; equal rows merged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from nnc.models.inputs import Arrays

# The number of floats of a sparse matrix converted to dense at a time.
_MOST_DENSE = 2**26


class Rows(NamedTuple):
    """Training data: x (n, F) float32 or CSR, y int32 ids (n,) or float32 (n, O), weights float32 (n,)."""

    x: Any
    y: np.ndarray
    sample_weight: np.ndarray | None

    @classmethod
    def of(cls, x: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> Rows:
        """The arrays in the core's format; sparse matrices stay sparse only if they are large."""
        if sparse.issparse(x):
            small = x.shape[0] * x.shape[1] <= _MOST_DENSE
            x = x.toarray() if small else x.tocsr()
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, and so does the loss
            x = x.astype(np.float32) if sparse.issparse(x) else np.ascontiguousarray(x, np.float32)
            if y.ndim == 2:
                y = np.ascontiguousarray(y, dtype=np.float32)
            if sample_weight is not None:
                sample_weight = np.ascontiguousarray(sample_weight, dtype=np.float32)
        return cls(x, y, sample_weight)

    @property
    def n(self) -> int:
        return self.x.shape[0]

    def parts(self, order: np.ndarray | None, batch_size: int) -> Iterator[tuple[Arrays, np.ndarray | None]]:
        """Dense arrays, each with the order of its rows; each part contains complete batches of `order`."""
        if not sparse.issparse(self.x):
            yield Arrays(self.x, self.y, self.sample_weight), order
            return
        size = max(1, _MOST_DENSE // self.x.shape[1] // batch_size) * batch_size
        order = np.arange(self.n) if order is None else order
        for start in range(0, self.n, size):
            rows = order[start : start + size]
            weight = None if self.sample_weight is None else self.sample_weight[rows]
            yield Arrays(self.x[rows].toarray(), self.y[rows], weight), None

    def merged(self) -> Rows:
        """Merge equal rows of x and y into one with the sum of their weights, ordered by value.

        The loss over all rows and its gradient are the same; and they are bitwise identical for any order of
        the rows, and whether a row occurs k times or once with weight k.
        """
        if sparse.issparse(self.x) or not self.n:
            return self
        weights = np.ones(self.n, np.float32) if self.sample_weight is None else self.sample_weight
        kept = np.flatnonzero(weights)
        if not len(kept):
            return self
        x, y, weights = self.x[kept], self.y[kept], weights[kept]
        # + 0 makes -0 and 0 the same bytes
        columns = [(x + np.float32(0)).view(np.uint8), y.reshape(len(y), -1).view(np.uint8)]
        keys = np.hstack(columns)
        packed = keys.view(np.dtype((np.void, keys.shape[1]))).ravel()
        order = np.argsort(packed, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]).any(axis=1)])
        if len(first) == self.n and self.sample_weight is None:
            return Rows(x[order], y[order], None)
        sums = np.add.reduceat(weights[order].astype(np.float64), first).astype(np.float32)
        at = order[first]
        return Rows(x[at], y[at], sums)
