"""The losses and metrics of every epoch: what `fit` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnc.callbacks.base import Callback, Logs, Model


class History(Callback):
    """What `fit` returns: the losses and metrics of every epoch.

    Attributes
    ----------
    history : dict of str to list
        "loss", the metrics, "val_loss", ...: one number per epoch, or one array for a metric whose result is
        an array.
    epoch : list of int
        The epochs, from 0.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.layers.Dense(1)])
    >>> model.compile("sgd", "mse", metrics=["mae"])
    >>> history = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=3, verbose=0)
    >>> history.epoch, sorted(history.history)
    ([0, 1, 2], ['loss', 'mae'])
    """

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.params = {}

    def set_model(self, model: Model) -> None:
        """Do not keep a reference to the model.

        The model refers to its history; a reference cycle would keep the memory of a deleted model until the
        next garbage collection.
        """

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle and copy; another thread may be filling the lists."""
        logs = {name: list(values) for name, values in list(self.history.items())}
        return self.__dict__ | {"history": logs, "epoch": list(self.epoch)}

    def __repr__(self) -> str:
        return f"History({len(self.epoch)} epochs of {', '.join(self.history) or 'nothing'})"

    def _repr_html_(self) -> str:
        """The curves for notebooks: one chart for each name, with training and validation."""
        from nnc import _html

        epochs, known = [epoch + 1 for epoch in self.epoch], curves(self.history)
        charts = []
        for name in known:
            if name.startswith("val_"):
                continue
            both = {name: known[name], "validation": known.get("val_" + name, ())}
            given = {label: curve for label, curve in both.items() if len(curve)}
            if epochs and given:
                charts.append(_html.chart(name, epochs, given))
        return _html.block(_html.line(repr(self)), *charts)


def curves(history: Mapping[str, Any]) -> dict[str, Any]:
    """The curves of a history; arrays are divided into curves of their elements, such as "f1_score[0]"."""
    found: dict[str, Any] = {}
    for name, values in history.items():
        if len(values) and isinstance(values[0], np.ndarray):
            for at in np.ndindex(values[0].shape):
                found[f"{name}[{','.join(map(str, at))}]"] = [float(value[at]) for value in values]
        else:
            found[name] = values
    return found
