"""scikit-learn's checks of inputs, of which what cannot matter is left out.

They would change nothing in arrays of finite numbers of the right shape, which need no names of features, and
they take longer than the prediction of a row, or the training of many epochs of a small table.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import validate_data

_validate: Any = validate_data  # whose X a type checker takes for a string, as its default is

FLOATS = (np.float64, np.float32)
SPARSE = ["csr", "csc"]


def checked(estimator: Any, X: Any) -> Any:
    """X (n, n_features_in_) as scikit-learn's checks leave it."""
    known = estimator.__dict__
    if (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.shape[1] == known.get("n_features_in_")
        and "feature_names_in_" not in known
        and _is_plain(X)
    ):
        return X
    return _validate(estimator, X, accept_sparse=SPARSE, reset=False)


def checked_pair(estimator: Any, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
    """X and y of a fit as scikit-learn's checks leave them; with `reset` X says what the features are."""
    known = estimator.__dict__
    if (
        type(X) is type(y) is np.ndarray
        and X.ndim == 2
        and y.shape == X.shape[:1]
        and X.shape[1]
        and (reset or X.shape[1] == known.get("n_features_in_"))
        and "feature_names_in_" not in known
        and (y.dtype.kind in "iub" or _is_plain(y))
        and _is_plain(X)
    ):
        if reset:
            estimator.n_features_in_ = X.shape[1]
        return X, y
    return _validate(
        estimator,
        X,
        y,
        accept_sparse=SPARSE,
        multi_output=True,
        y_numeric=not is_classifier(estimator),
        dtype=FLOATS,
        reset=reset,
    )


def _is_plain(X: np.ndarray) -> bool:
    """Whether there are finite floats; large ones, of an infinite sum, may be, and are not here."""
    with np.errstate(over="ignore", invalid="ignore"):
        return X.dtype in FLOATS and len(X) > 0 and math.isfinite(np.add.reduce(X, axis=None))
