"""Callbacks: what happens beside training, by the names of Keras.

    >>> import nnc
    >>> from nnc import callbacks
    >>> stop = callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)

`fit` calls the hooks of each callback in the order of the list. The hooks for single batches are dear,
because training then comes back from the core after every step: they are called only where a callback
overrides them. `on_steps` (not in Keras) is called a few times a second instead and costs next to nothing.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import IO, TYPE_CHECKING

import numpy as np

from nnc.callbacks.base import HOOKS, Callback, Logs

if TYPE_CHECKING:
    from nnc.models import Sequential


class History(Callback):
    """What `fit` returns: the losses and metrics of every epoch.

    Attributes
    ----------
    history : dict of str to list of float
        "loss", the metrics, "val_loss", ...: one number per epoch.
    epoch : list of int
        The epochs, from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.params = {}

    def set_model(self, model: Sequential) -> None:
        """Take no hold of the model.

        The model holds its history; a circle would keep a dropped model's memory until the garbage collector
        comes by.
        """

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)

    def __repr__(self) -> str:
        return f"History({len(self.epoch)} epochs of {', '.join(self.history) or 'nothing'})"


class LambdaCallback(Callback):
    """A callback from functions, each with the arguments of the hook it is named after.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end, on_train_begin, on_train_end, on_train_batch_begin, on_train_batch_end :
    callable, optional **hooks : callable
        Any other hook of `Callback`.

    Examples
    --------
    >>> from nnc import callbacks
    >>> report = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable | None = None,
        on_epoch_end: Callable | None = None,
        on_train_begin: Callable | None = None,
        on_train_end: Callable | None = None,
        on_train_batch_begin: Callable | None = None,
        on_train_batch_end: Callable | None = None,
        **hooks: Callable,
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
                raise TypeError(f"LambdaCallback has no hook {name!r}; it has {', '.join(HOOKS)}")
            if function is not None:
                if not callable(function):
                    raise TypeError(f"{name} must be a function, got {function!r}")
                setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Ends the run with a printed note, in place of `nnc.errors.DivergenceError`, when the loss is NaN or
    infinite.

    The model keeps the weights of its last whole step.
    """

    def on_divergence(self, epoch: int, batch: int) -> None:
        print(f"Epoch {epoch + 1}, batch {batch + 1}: the loss is not finite, training ends")
        self.model.stop_training = True


class _Monitor(Callback):
    """A callback that watches one number of the logs and remembers the best."""

    state = ("best",)

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be a key of the logs such as 'val_loss', got {monitor!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(float(min_delta))
        # "auto" in Keras asks the metric; of ours the accuracies are the ones to be large.
        self.sign = -1.0 if mode == "max" or (mode == "auto" and "acc" in monitor) else 1.0
        self.best: float | None = None

    def value(self, logs: Logs | None) -> float | None:
        """The watched number, or None with a warning when the logs have none."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            known = ", ".join(logs or ()) or "nothing"
            message = f"{type(self).__name__} watches {self.monitor!r}, but the logs have {known}"
            warnings.warn(message, UserWarning, stacklevel=5)
        return value

    def improves(self, value: float, best: float | None, min_delta: float = 0.0) -> bool:
        """Whether `value` is better than `best` by more than `min_delta`; NaN never is."""
        if best is None or math.isnan(best):
            return not math.isnan(value)
        return self.sign * value < self.sign * best - min_delta


class EarlyStopping(_Monitor):
    """Ends the run when a number of the logs has not become better for `patience` epochs.

    Parameters
    ----------
    monitor : str
        Key of the logs.
    min_delta : float
        Only more than this counts as better.
    patience : int
        Epochs without improvement after which training ends.
    verbose : int
        1 prints a line when it ends the run or restores weights.
    mode : {"auto", "min", "max"}
        Whether small or large is good; "auto" takes large for names with "acc".
    baseline : float, optional
        The patience also runs out while the number is not better than this.
    restore_best_weights : bool
        Whether the model gets the weights of its best epoch at the end, whatever ended the run: this
        callback, the last epoch, Ctrl-C or an error.
    start_from_epoch : int
        Epochs before this one are not looked at.

    Attributes
    ----------
    best, best_epoch, wait, stopped_epoch
        The best number and its epoch, the epochs since, the epoch that ended the run (0 if none did).
    """

    state = ("best", "best_epoch", "wait", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.best_epoch = self.wait = self.stopped_epoch = 0
        self.best_weights: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.improves(value, self.best, self.min_delta):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(value, self.baseline, self.min_delta):
                self.wait = 0
                return
        self.wait += 1
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.verbose and self.stopped_epoch:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of epoch {self.best_epoch + 1}, the best")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(_Monitor):
    """Saves the model while it trains.

    Parameters
    ----------
    filepath : str or path
        May hold "{epoch}" (from 1) and names of the logs, as in
        "best-{epoch:02d}-{val_loss:.4f}.safetensors".
    monitor : str
        Key of the logs, for `save_best_only`.
    verbose : int
        1 prints a line at every save.
    save_best_only : bool
        Whether only an epoch that is better than all before is saved.
    save_weights_only : bool
        Whether to leave out the optimizer and the history (`Sequential.save_weights`).
    mode : {"auto", "min", "max"}
        As in `EarlyStopping`.
    save_freq : "epoch" or int
        Or after so many steps; this makes training come back from the core after every step.
    initial_value_threshold : float, optional
        What the first epoch must beat.
    """

    saves = True

    def __init__(
        self,
        filepath: str | os.PathLike,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        if save_freq != "epoch" and (
            isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1
        ):
            raise ValueError(f"save_freq must be 'epoch' or a number of steps, got {save_freq!r}")
        self.filepath, self.verbose, self.best = os.fspath(filepath), verbose, initial_value_threshold
        self.save_best_only, self.save_weights_only, self.save_freq = (
            save_best_only,
            save_weights_only,
            save_freq,
        )
        self._epoch = self._steps = 0
        if save_freq != "epoch":
            self.on_train_batch_end = self._after_step

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _after_step(self, batch: int, logs: Logs | None = None) -> None:
        self._steps += 1
        if self._steps % self.save_freq == 0:
            self._save(self._epoch, logs)

    def _save(self, epoch: int, logs: Logs | None) -> None:
        if self.save_best_only:
            value = self.value(logs)
            if value is None or not self.improves(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        except KeyError as error:
            known = ", ".join(logs or ())
            raise KeyError(f"filepath {self.filepath!r} names {error}, but the logs have {known}") from None
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved to {path}")


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch to ``schedule(epoch, learning_rate)``.

    Parameters
    ----------
    schedule : callable
        Takes the epoch (from 0) and the present learning rate (or the epoch alone), returns the new rate.
    verbose : int
        1 prints the rate before every epoch.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be a function of epoch and learning rate, got {schedule!r}")
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        present = _learning_rate(self)
        try:
            rate = self.schedule(epoch, present)
        except TypeError:  # a function of the epoch alone
            rate = self.schedule(epoch)
        if isinstance(rate, bool) or not isinstance(rate, (int, float, np.floating, np.integer)):
            raise TypeError(f"the schedule of LearningRateScheduler must return a number, got {rate!r}")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {float(rate):g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = _learning_rate(self)


class ReduceLROnPlateau(_Monitor):
    """Multiplies the learning rate by `factor` when a number of the logs has not become better for `patience`
    epochs.

    Parameters
    ----------
    monitor : str
        Key of the logs.
    factor : float
        Below 1.
    patience : int
        Epochs without improvement before the rate is reduced.
    verbose : int
        1 prints a line at each reduction.
    mode : {"auto", "min", "max"}
        As in `EarlyStopping`.
    min_delta : float
        Only more than this counts as better.
    cooldown : int
        Epochs after a reduction that are not counted.
    min_lr : float
        The rate does not go below this.
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
        if not 0 <= factor < 1:
            raise ValueError(f"factor must be at least 0 and below 1, got {factor!r}")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        rate = _learning_rate(self)
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
                self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(
                        f"Epoch {epoch + 1}: learning rate reduced to {self.model.optimizer.learning_rate:g}"
                    )


def _learning_rate(callback: Callback) -> float:
    rate = callback.model.optimizer.learning_rate
    if not isinstance(rate, float):
        raise ValueError(
            f"{type(callback).__name__} needs an optimizer whose learning_rate is a number, got {rate!r}"
        )
    return rate


class CSVLogger(Callback):
    """Writes the logs of every epoch as a line of a CSV file, at once.

    Parameters
    ----------
    filename : str or path
    separator : str
    append : bool
        Whether to go on writing a file that is there (a resumed run) instead of starting it anew.
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._keys: Sequence[str] | None = None
        self._file: IO[str] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._keys = None
        if self.append and os.path.exists(self.filename):
            with open(self.filename, encoding="utf-8") as file:
                header = file.readline().rstrip("\n")
            self._keys = header.split(self.separator)[1:] if header else None
        self._file = open(self.filename, "a" if self.append else "w", encoding="utf-8")  # noqa: SIM115

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self._keys is None:
            self._keys = list(logs)
            self._write(["epoch", *self._keys])
        # A number that an epoch does not have (validation_freq) is left empty.
        self._write([str(epoch), *(repr(logs[key]) if key in logs else "" for key in self._keys)])

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, cells: Iterable[str]) -> None:
        self._file.write(self.separator.join(cells) + "\n")
        self._file.flush()
