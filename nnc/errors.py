"""The exceptions defined by nnc (all others are a ValueError, TypeError or OSError), and its warnings."""

from __future__ import annotations

import sys
import warnings


class FormatError(ValueError):
    """A file is invalid: damaged, truncated, or of another kind.

    Raised by all file readers of nnc (model files, IDX, gz); the message names the file and what is wrong
    with it.

    Examples
    --------
    >>> import nnc
    >>> with open("notes.safetensors", "w") as file:
    ...     _ = file.write("not a model")
    >>> try:
    ...     nnc.load_model("notes.safetensors")
    ... except nnc.FormatError:
    ...     print("not a model file")
    not a model file
    """


class DivergenceError(ArithmeticError):
    """The training loss became NaN or infinite.

    The model is left in the state after the last complete step. The `TerminateOnNaN` callback stops the run
    without this error.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.layers.Dense(1)])
    >>> model.compile(nnc.optimizers.SGD(1e30), "mse")
    >>> try:
    ...     model.fit([[1.0], [2.0]], [1.0, 2.0], epochs=9, verbose=0)
    ... except nnc.DivergenceError:
    ...     print("a smaller learning rate is needed")
    a smaller learning rate is needed
    """


def warn(message: str) -> None:
    """Issue a UserWarning that points to the line outside nnc from which nnc was called, however deep."""
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "nnc":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
