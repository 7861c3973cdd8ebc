"""The losses and metrics of every epoch: what `fit` returns."""

from __future__ import annotations

from nnc.callbacks.base import Callback, Logs, Model


class History(Callback):
    """What `fit` returns: the losses and metrics of every epoch.

    Attributes
    ----------
    history : dict of str to list of float
        "loss", the metrics, "val_loss", ...: one number per epoch.
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
        self.history: dict[str, list[float]] = {}
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

    def __repr__(self) -> str:
        return f"History({len(self.epoch)} epochs of {', '.join(self.history) or 'nothing'})"

    def _repr_html_(self) -> str:
        """The curves for notebooks: one chart for each name, with training and validation."""
        from nnc import _html

        epochs = [epoch + 1 for epoch in self.epoch]
        names = [name for name in self.history if not name.startswith("val_")]
        charts = []
        for name in names:
            curves = {name: self.history[name], "validation": self.history.get("val_" + name, [])}
            given = {label: curve for label, curve in curves.items() if len(curve)}
            if epochs and given:
                charts.append(_html.chart(name, epochs, given))
        return _html.block(_html.line(repr(self)), *charts)
