"""Callbacks: hooks that run during training, with Keras's names.

    >>> import nnc
    >>> from nnc import callbacks
    >>> stop = callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)

`fit` calls the hooks of each callback in the order of the list. The batch hooks are expensive, because
training then returns from the core after every step: they are called only if a callback overrides them.
`on_steps` (not in Keras) is called a few times a second instead and costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nnc._absent import no_attribute
from nnc._arguments import suggest_for_methods
from nnc.callbacks.base import Callback, Logs
from nnc.callbacks.history import History

if TYPE_CHECKING:
    from nnc.callbacks.checkpoint import ModelCheckpoint
    from nnc.callbacks.csv_logger import CSVLogger
    from nnc.callbacks.functions import LambdaCallback
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

# Modules that `fit` does not need are imported on first use, to keep `import nnc` fast.
_LATER = {
    "CSVLogger": "csv_logger",
    "EarlyStopping": "stopping",
    "LambdaCallback": "functions",
    "LearningRateScheduler": "learning_rate",
    "ModelCheckpoint": "checkpoint",
    "Recorder": "recorder",
    "ReduceLROnPlateau": "learning_rate",
    "TerminateOnNaN": "stopping",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise no_attribute(__name__, name, __all__)
        found = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        suggest_for_methods(found)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted(_LATER.keys() | globals().keys())
