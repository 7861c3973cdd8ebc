"""The exceptions that belong to nnc; everything else is a ValueError, TypeError or OSError."""

from __future__ import annotations


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
