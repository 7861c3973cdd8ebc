"""Callbacks made of plain functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnc._config import did_you_mean, refusal
from nnc.callbacks.base import HOOKS, Callback


class LambdaCallback(Callback):
    """A callback made of functions, each called with the arguments of the hook it is named after.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable, optional
        Called with (epoch, logs).
    on_train_begin, on_train_end : callable, optional
        Called with (logs).
    on_train_batch_begin, on_train_batch_end : callable, optional
        Called with (batch, logs); training then returns from the core after every step.
    **hooks : callable, optional
        Any other hook of `Callback`, by name, called with the arguments of that hook.

    Raises
    ------
    TypeError
        If a keyword is not a hook, or a value is not a function.

    Examples
    --------
    >>> from nnc import callbacks
    >>> report = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **hooks: Callable[..., Any] | None,
    ) -> None:
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            if name not in HOOKS:
                meant = did_you_mean(name, HOOKS)
                raise TypeError(f"LambdaCallback has no hook {name!r}; it has {', '.join(HOOKS)}{meant}")
            if function is not None:
                if not callable(function):
                    raise refusal(name, "a function", function, TypeError)
                setattr(self, name, function)
