"""The network for a table: a layer that scales the numbers, then dense layers; and its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nnc import callbacks, layers, optimizers
from nnc.callbacks import Callback, EarlyStopping, History
from nnc.callbacks.base import Logs
from nnc.cli import schema
from nnc.cli.dataset import Dataset, Part
from nnc.cli.output import Progress
from nnc.models import Sequential

SCALING = "standardize"  # the name of the layer that scales the numbers
_BATCHES = ((10_000, 32), (100_000, 128))  # (maximum number of training rows, batch size); for more rows:
_LARGEST_BATCH = 512


class Settings(NamedTuple):
    """A network and how it is trained."""

    hidden: tuple[int, ...]
    activation: str
    dropout: float
    learning_rate: float
    batch_size: int
    epochs: int
    patience: int


class Targets(NamedTuple):
    """The outputs of the network itself: classes, or numbers with mean 0 and standard deviation 1."""

    mean: float
    deviation: float

    def of(self, part: Part) -> np.ndarray:
        """The targets of the rows, as used in training."""
        if part.y.dtype.kind == "i":
            return part.y
        return ((part.y - self.mean) / self.deviation).astype(np.float32)


class Trained(NamedTuple):
    """A model with its history; its outputs are class probabilities or numbers in the unit of the target."""

    model: Sequential
    history: dict[str, list[float]]
    best_epoch: int  # from 1


class Stopped(Exception):
    """Ctrl-C during training: `trained` has the best weights so far, None before the end of epoch 1."""

    def __init__(self, epoch: int, trained: Trained | None) -> None:
        super().__init__(epoch)
        self.epoch, self.trained = epoch, trained


def batch_size_for(rows: int) -> int:
    """The default batch size for this number of training rows."""
    return next((size for most, size in _BATCHES if rows <= most), _LARGEST_BATCH)


def targets_of(data: Dataset) -> Targets:
    """The target's mean and standard deviation in the training rows, by which it is scaled for training."""
    y = data.training.y
    if y.dtype.kind == "i":
        return Targets(0.0, 1.0)
    return Targets(float(y.mean()), float(y.std()) or 1.0)


def build(data: Dataset, settings: Settings, seed: int | None) -> Sequential:
    """A network for the table, compiled; `seed` None takes the next seed of the global sequence."""
    classes = data.schema.target.classes
    stack: list[layers.Layer] = [layers.Input((len(data.schema.inputs),))]
    # A frozen batch normalization computes (x - mean) / sqrt(variance) with the given numbers.
    scaling = layers.BatchNormalization(epsilon=0.0, center=False, scale=False, name=SCALING)
    scaling.trainable = False
    stack.append(scaling)
    for units in settings.hidden:
        stack.append(layers.Dense(units, settings.activation))
        if settings.dropout:
            stack.append(layers.Dropout(settings.dropout))
    stack.append(layers.Dense(1) if classes is None else layers.Dense(len(classes), "softmax"))
    model = Sequential(stack, name="table", seed=seed)
    model.set_weights([data.mean, data.variance, *model.get_weights()[2:]])
    loss = "mse" if classes is None else "sparse_categorical_crossentropy"
    metrics = ["mae"] if classes is None else ["accuracy"]
    model.compile(optimizers.Adam(settings.learning_rate), loss, metrics=metrics)
    return model


def early_stopping(patience: int) -> EarlyStopping:
    """Ends training after `patience` epochs without a better validation loss; restores the best weights."""
    return callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)


def train(data: Dataset, model: Sequential, settings: Settings) -> Trained:
    """Train a network from `build`; raises Stopped on Ctrl-C."""
    targets, stop = targets_of(data), early_stopping(settings.patience)
    history = History()
    with Progress() as progress:
        shown = _Shown(progress, settings.epochs, stop)
        try:
            model.fit(
                data.training.x,
                targets.of(data.training),
                batch_size=settings.batch_size,
                epochs=settings.epochs,
                verbose=0,
                callbacks=[history, stop, shown],
                validation_data=(data.validation.x, targets.of(data.validation)),
            )
        except KeyboardInterrupt:
            done = _finished(data, model, history, stop, targets) if stop.best_weights is not None else None
            raise Stopped(len(history.epoch) + 1, done) from None
    return _finished(data, model, history, stop, targets)


def _finished(
    data: Dataset, model: Sequential, history: History, stop: EarlyStopping, targets: Targets
) -> Trained:
    """The model as saved: with outputs in the unit of the target, and with the table's columns."""
    if data.schema.target.classes is None:
        model.add(layers.Rescaling(targets.deviation, targets.mean))
    model.metadata = {schema.KEY: schema.to_json(data.schema)}
    return Trained(model, dict(history.history), stop.best_epoch + 1)


class _Shown(Callback):
    """Epoch, losses and the best epoch, as a line of progress."""

    def __init__(self, progress: Progress, epochs: int, stop: EarlyStopping) -> None:
        super().__init__()
        self._progress, self._epochs, self._stop = progress, epochs, stop

    def on_steps(self, steps: int, logs: Logs | None = None) -> None:
        total = self.params["steps"]
        if total:
            self._progress.show(
                f"epoch {self._epoch}/{self._epochs}  {100 * steps // total} %  {_losses(logs or {})}"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch + 1

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        best = f"  best in epoch {self._stop.best_epoch + 1}" if self._stop.best is not None else ""
        self._progress.show(f"epoch {epoch + 1}/{self._epochs}  {_losses(logs or {})}{best}")


def _losses(logs: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {logs[name]:.4g}" for name in ("loss", "val_loss") if name in logs)
