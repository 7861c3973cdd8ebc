"""The logs of every epoch in a CSV file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import IO, Any

import numpy as np

from nnc._config import boolean, refusal
from nnc._files import path_of
from nnc.callbacks.base import Callback, Logs


class CSVLogger(Callback):
    """Writes the logs of every epoch as a line of a CSV file, flushed immediately.

    As in Keras, there are always columns for validation; a value missing in an epoch is written as NA, an
    array in quotation marks, which are doubled: three at each end.

    Parameters
    ----------
    filename : str, bytes or path
    separator : str
    append : bool
        Whether to append to an existing file (of a resumed run) instead of overwriting it.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> log = nnc.callbacks.CSVLogger("run.csv")
    >>> _ = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=2, verbose=0, callbacks=[log])
    >>> with open("run.csv") as file:
    ...     print(file.readline().strip())
    epoch,loss,val_loss
    """

    def __init__(
        self, filename: str | bytes | os.PathLike[Any], separator: str = ",", append: bool = False
    ) -> None:
        self.filename, self.append = path_of("filename", filename), boolean("append", append)
        if not isinstance(separator, str) or not separator:
            raise refusal("separator", "a string that is not empty", separator, TypeError)
        self.separator = separator
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
            self._keys = sorted(logs)  # Keras's order
            if not any(key.startswith("val_") for key in self._keys):  # validation_freq: they may follow
                self._keys = [*self._keys, *(f"val_{key}" for key in self._keys)]
            self._write(["epoch", *self._keys])
        self._write([str(epoch), *(_cell(logs[key]) if key in logs else "NA" for key in self._keys)])

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, cells: Iterable[str]) -> None:
        if self._file is not None:  # None outside a run
            self._file.write(self.separator.join(cells) + "\n")
            self._file.flush()


def _cell(value: Any) -> str:
    return f'"""{value.tolist()}"""' if isinstance(value, np.ndarray) else repr(value)
