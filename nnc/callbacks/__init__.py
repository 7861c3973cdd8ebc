"""Callbacks: hooks that run during training, with Keras's names.

    >>> import nnc
    >>> from nnc import callbacks
    >>> stop = callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)

`fit` calls the hooks of each callback in the order of the list. The batch hooks are expensive, because
training then returns from the core after every step: they are called only if a callback overrides them.
`on_steps` (not in Keras) is called a few times a second instead and costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnc._absent import no_attribute
from nnc.callbacks.base import Callback, Logs
from nnc.callbacks.checkpoint import ModelCheckpoint
from nnc.callbacks.csv_logger import CSVLogger
from nnc.callbacks.functions import LambdaCallback
from nnc.callbacks.history import History
from nnc.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from nnc.callbacks.recorder import Recorder
from nnc.callbacks.stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "Recorder",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise no_attribute(__name__, name, globals())
