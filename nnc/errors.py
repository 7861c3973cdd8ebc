"""The exceptions that belong to nnc (all others are a ValueError, TypeError or OSError), and its warnings."""

from __future__ import annotations

import sys
import warnings


class FormatError(ValueError):
    """A file is not what it claims to be: damaged, cut short, or of another kind.

    Raised by every reader of nnc (model files, IDX, gz); the message names the file and what is wrong with
    it.
    """


class DivergenceError(ArithmeticError):
    """The training loss became NaN or infinite.

    The model is left after its last whole step. The `TerminateOnNaN` callback stops the run without this
    error.
    """


def warn(message: str) -> None:
    """Give a UserWarning that points at the line outside nnc from which nnc was called, however deep."""
    level = 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "nnc":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
