"""scikit-learn's input checks, skipped where they cannot have an effect.

They would not change arrays of finite numbers with the right shape, which need no feature names, but take
longer than predicting one row, or training many epochs on a small table.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import validate_data

_validate: Any = validate_data  # type checkers infer from its default that X is a string

FLOATS = (np.float64, np.float32)
SPARSE = ["csr", "csc"]


def checked(estimator: Any, X: Any) -> Any:
    """X (n, n_features_in_) after scikit-learn's checks."""
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
    """X and y of a fit after scikit-learn's checks; with `reset`, X defines the features."""
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


def check_numbers(y: np.ndarray) -> None:
    """Raise a ValueError unless y has the numbers of a regression."""
    if y.dtype.kind not in "biuf":
        raise ValueError(f"y must be numbers, got an array of dtype {y.dtype}")


def _is_plain(X: np.ndarray) -> bool:
    """Whether all values are known to be finite floats; False for some large ones, whose sum is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return X.dtype in FLOATS and len(X) > 0 and math.isfinite(np.add.reduce(X, axis=None))
