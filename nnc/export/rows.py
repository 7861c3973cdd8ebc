"""Random rows on which an export is compared with the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnc.export import operations as ops


def random_rows(operations: Sequence[ops.Operation], n: int, shape: ops.Shape, seed: int = 0) -> np.ndarray:
    """Rows (n, *shape), float32, like those that the operations were trained on: a first rescaling maps them
    to (0, 1), as it does images; a first standardization maps them to N(0, 1), as are those of other models.
    """
    # NumPy guarantees the stream of this generator, so the rows are the same with every version of NumPy.
    random = np.random.RandomState(seed)
    inference = (each for each in operations if not (each.training_only or isinstance(each, ops.Reshape)))
    first = next(inference, None)
    if not isinstance(first, ops.Affine) or not first.scale.all():
        return random.standard_normal((n, *shape)).astype(np.float32)
    rows = random.uniform(size=(n, *shape)) if first.is_rescaling else random.standard_normal((n, *shape))
    along = rows.reshape(-1, len(first.scale))
    return ((along - first.offset) / first.scale + first.center).reshape(rows.shape).astype(np.float32)
