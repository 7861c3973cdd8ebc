"""Callbacks that set the learning rate between epochs."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real

import numpy as np

from nnc._config import integer, number, refusal
from nnc.callbacks.base import Callback, Logs
from nnc.callbacks.monitor import Monitor, verbosity
from nnc.optimizers import Optimizer


def _optimizer_of(callback: Callback) -> tuple[Optimizer, float]:
    """The optimizer of the model in training, and its learning rate, which must be a number."""
    optimizer = callback.model.optimizer
    rate = None if optimizer is None else optimizer.learning_rate
    if optimizer is None or not isinstance(rate, float):
        raise ValueError(
            f"{type(callback).__name__} needs an optimizer whose learning_rate is a number, got {rate!r}"
        )
    return optimizer, float(rate)


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch to ``schedule(epoch, learning_rate)``.

    Parameters
    ----------
    schedule : callable
        Takes the epoch (from 0) and the current learning rate (or only the epoch), returns the new rate.
    verbose : int
        1 prints the rate before every epoch.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.layers.Dense(1)])
    >>> model.compile(nnc.optimizers.SGD(0.1), "mse")
    >>> halve = nnc.callbacks.LearningRateScheduler(lambda epoch, rate: rate if epoch == 0 else rate / 2)
    >>> _ = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=3, verbose=0, callbacks=[halve])
    >>> model.optimizer.learning_rate
    0.025
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise refusal("schedule", "a function of epoch and learning rate", schedule, TypeError)
        self.schedule, self.verbose = schedule, verbosity(verbose)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer, present = _optimizer_of(self)
        try:
            rate = self.schedule(epoch, present)
        except TypeError:  # a function of the epoch alone
            rate = self.schedule(epoch)
        if isinstance(rate, bool) or not isinstance(rate, (int, float, np.floating, np.integer)):
            raise TypeError(f"the schedule of LearningRateScheduler must return a number, got {rate!r}")
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {float(rate):g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = _optimizer_of(self)[1]


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by `factor` when a value in the logs has not improved for `patience`
    epochs.

    Parameters
    ----------
    monitor : str
        The key of the logs to monitor.
    factor : float
        At least 0 and below 1.
    patience : int
        Epochs without improvement before the rate is reduced.
    verbose : int
        1 prints a line at each reduction.
    mode : {"auto", "min", "max"}
        As in `EarlyStopping`.
    min_delta : float
        Minimum change that counts as an improvement; it must be more than this.
    cooldown : int
        Number of epochs after a reduction that are not counted.
    min_lr : float
        Lower bound of the learning rate.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.layers.Dense(1)])
    >>> model.compile(nnc.optimizers.SGD(0.1), "mse")
    >>> reduce = nnc.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    >>> _ = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=3, verbose=0, callbacks=[reduce])
    >>> model.optimizer.learning_rate
    0.025
    """

    state = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if isinstance(factor, Real) and not isinstance(factor, bool) and not 0 <= factor < 1:
            raise refusal("factor", "at least 0 and below 1", factor)
        self.factor = number("factor", factor, "[0, 1)")
        self.patience, self.verbose = integer("patience", patience, 0), verbosity(verbose)
        self.cooldown, self.min_lr = integer("cooldown", cooldown, 0), number("min_lr", min_lr, "[0, inf)")
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer, rate = _optimizer_of(self)
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.value(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.improves(value, self.best, self.min_delta):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                optimizer.learning_rate = reduced = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate reduced to {reduced:g}")
