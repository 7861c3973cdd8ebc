"""Losses, the functions that training minimizes, with Keras's names; each is a mean over the batch.

    >>> from nnc import losses
    >>> losses.get("mse").get_config()
    {}

For row i with loss l_i and sample weight s_i (by default 1) the loss of a batch of B rows is
sum_i s_i l_i / B, Keras's "sum_over_batch_size". Targets are rows (n, n_outputs) or, if a class accepts them,
class ids (n,), which are equivalent to their one-hot rows. The formulas are implemented in the C core and, in
NumPy, in nnc.reference; a final softmax or sigmoid is fused with its cross-entropy there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

from nnc import _config
from nnc._absent import no_attribute
from nnc.losses.base import FunctionLoss, Loss, batch
from nnc.losses.hinges import (
    CategoricalHinge,
    Hinge,
    MarginHinge,
    SquaredHinge,
)
from nnc.losses.probabilistic import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
)
from nnc.losses.regression import (
    CosineSimilarity,
    EuclideanLoss,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "EuclideanLoss",
    "FunctionLoss",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MarginHinge",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "batch",
    "get",
    "registry",
]

registry = _config.close(Loss, globals())


LossLike = str | Loss | type[Loss] | Mapping[str, Any] | Callable[..., Any]


@overload
def get(identifier: None) -> None: ...
@overload
def get(identifier: LossLike) -> Loss: ...
def get(identifier: LossLike | None) -> Loss | None:
    """Return the loss for `identifier`; None is None.

    Parameters
    ----------
    identifier : str, Loss, dict, callable or None
        A name as in Keras ("mse", "sparse_categorical_crossentropy", ...), an object, its class or
        configuration, a function of this module such as `losses.mean_squared_error`, or a Python function
        that returns value and gradient (see `FunctionLoss`).

    Returns
    -------
    Loss or None

    Examples
    --------
    >>> from nnc import losses
    >>> losses.get("categorical_crossentropy")
    CategoricalCrossentropy()
    """
    if identifier is None:
        return None
    if isinstance(identifier, functools.partial) and identifier.func is _rows:
        found: Loss = identifier.args[0](**identifier.keywords)
        return found
    if callable(identifier) and not isinstance(identifier, Loss | type):
        return FunctionLoss(identifier)
    return Loss.get(identifier)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """f(y_true, y_pred, **options): the value of each row, under Keras's lower-case name of the loss."""
        found = Loss.in_lower_case(name)
        if found is None:
            raise no_attribute(__name__, name, globals())
        function = functools.partial(_rows, found)
        function.__name__ = name
        return function


def _rows(cls: type[Loss], y_true: ArrayLike, y_pred: ArrayLike, **options: Any) -> NDArray[np.float64]:
    """The value of each row, float64 (n,), or (n, ...) for outputs (n, ..., n_outputs)."""
    return cls(reduction="none", **options)(y_true, y_pred)
