"""Callbacks that end a run."""

from __future__ import annotations

import numpy as np

from nnc._config import boolean, integer, number
from nnc.callbacks.base import Callback, Logs
from nnc.callbacks.monitor import Monitor, verbosity


class TerminateOnNaN(Callback):
    """Ends the run with a printed message, instead of `nnc.errors.DivergenceError`, when the loss is NaN or
    infinite.

    The model keeps the weights of its last complete step.

    Parameters
    ----------
    raise_error : bool
        Whether to raise a RuntimeError instead.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(nnc.optimizers.SGD(1e30), "mse")
    >>> stop = nnc.callbacks.TerminateOnNaN()
    >>> _ = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=9, verbose=0, callbacks=[stop])
    Epoch 3, batch 1: the loss is not finite, training ends
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = boolean("raise_error", raise_error)

    def on_divergence(self, epoch: int, batch: int) -> None:
        if self.raise_error:
            raise RuntimeError(f"NaN or Inf loss encountered in epoch {epoch + 1}, batch {batch + 1}")
        print(f"Epoch {epoch + 1}, batch {batch + 1}: the loss is not finite, training ends")
        self.model.stop_training = True


class EarlyStopping(Monitor):
    """Ends the run when a value in the logs has not improved for `patience` epochs.

    Parameters
    ----------
    monitor : str
        The key of the logs to monitor.
    min_delta : float
        Minimum change that counts as an improvement; it must be more than this.
    patience : int
        Number of epochs without improvement after which training ends.
    verbose : int
        1 prints a line when it ends the run or restores weights.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" uses larger for names that contain "acc".
    baseline : float, optional
        Epochs also count as without improvement while the value is not better than this, but only an epoch
        that does not improve on the best value ends the run.
    restore_best_weights : bool
        Whether to restore the weights of the best epoch at the end, no matter how the run ended: by this
        callback, after the last epoch, by Ctrl-C or an error.
    start_from_epoch : int
        Epochs before this one are ignored.

    Attributes
    ----------
    best, best_epoch, wait, stopped_epoch
        The best value and its epoch, the number of epochs since, the epoch that ended the run (0 if none
        did).

    Examples
    --------
    >>> import nnc
    >>> x, y = nnc.datasets.load_iris()
    >>> model = nnc.Sequential([nnc.layers.Dense(3, "softmax")])
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> stop = nnc.callbacks.EarlyStopping("loss", min_delta=0.1, patience=2)
    >>> history = model.fit(x, y, epochs=1000, verbose=0, callbacks=[stop])
    >>> len(history.epoch) < 1000, stop.stopped_epoch == history.epoch[-1]
    (True, True)
    """

    state = ("best", "best_epoch", "wait", "stopped_epoch", "best_weights")

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
        self.patience, self.verbose = integer("patience", patience, 0), verbosity(verbose)
        self.baseline = None if baseline is None else number("baseline", baseline)
        self.restore_best_weights = boolean("restore_best_weights", restore_best_weights)
        self.start_from_epoch = integer("start_from_epoch", start_from_epoch, 0)
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
            better = self.baseline is None or self.improves(value, self.baseline, self.min_delta)
            self.wait = 0 if better else self.wait + 1
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
