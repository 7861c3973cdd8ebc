"""Saving the model during training."""

from __future__ import annotations

import os
from typing import Any

from nnc._config import boolean, number, refusal
from nnc._files import path_of
from nnc.callbacks.base import Logs
from nnc.callbacks.monitor import Monitor, verbosity


class ModelCheckpoint(Monitor):
    """Saves the model during training.

    It saves the complete state of the run (unless `save_weights_only`), from which `Sequential.fit` continues
    with `resume_from`, also within an epoch.

    Parameters
    ----------
    filepath : str, bytes or path
        May contain "{epoch}" (from 1) and keys of the logs, as in
        "best-{epoch:02d}-{val_loss:.4f}.safetensors".
    monitor : str
        The key of the logs used by `save_best_only`.
    verbose : int
        1 prints a line at every save.
    save_best_only : bool
        Whether to save only after an epoch that is better than all earlier ones.
    save_weights_only : bool
        Whether to leave out the optimizer and the history (`Sequential.save_weights`).
    mode : {"auto", "min", "max"}
        As in `EarlyStopping`.
    save_freq : "epoch" or int
        Save after every epoch, or every that many steps; training then returns from the core after every
        step.
    initial_value_threshold : float, optional
        The value that the first epoch must improve on.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> best = nnc.callbacks.ModelCheckpoint("best.safetensors", monitor="loss", save_best_only=True)
    >>> _ = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=3, verbose=0, callbacks=[best])
    >>> nnc.load_model("best.safetensors").output_shape
    (None, 1)
    """

    saves = True
    state = ("best", "steps")

    def __init__(
        self,
        filepath: str | bytes | os.PathLike[Any],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = path_of("filepath", filepath)
        self.verbose, threshold = verbosity(verbose), initial_value_threshold
        self.best = None if threshold is None else number("initial_value_threshold", threshold)
        self.save_best_only = boolean("save_best_only", save_best_only)
        self.save_weights_only = boolean("save_weights_only", save_weights_only)
        self.save_freq = save_freq
        self.epoch = self.steps = 0
        if isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq >= 1:
            self._every = save_freq
            # A hook of this object only: without save_freq, training need not return after every step.
            vars(self)["on_train_batch_end"] = self._after_step
        elif not isinstance(save_freq, str) or save_freq != "epoch":
            raise refusal("save_freq", "'epoch' or a number of steps", save_freq)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _after_step(self, batch: int, logs: Logs | None = None) -> None:
        self.steps += 1
        if self.steps % self._every == 0:
            self._save(self.epoch, logs)

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
        self.model.checkpoint(path, self.save_weights_only)
        if self.verbose:
            print(f"Epoch {epoch + 1}: saved to {path}")
