"""The weights after every epoch, kept in memory for plots of how they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nnc._config import integer
from nnc.callbacks.base import Callback, Logs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Recorder(Callback):
    """Keeps the weights before training and after its epochs, and optionally their gradients on some rows.

    Parameters
    ----------
    x, y : array-like, optional
        A few hundred rows in the form that `fit` takes: the gradients of the loss over them are kept, too.
    every : int
        The number of epochs between records.

    Raises
    ------
    ValueError
        If only one of x and y is given, or `every` is not a positive integer.

    Attributes
    ----------
    epochs : list of int
        The number of epochs done at each record: 0, every, 2 every, ...
    weights, gradients : dict of str to list of ndarray
        Keyed by layer and weight, such as "dense kernel", with an array for each record; `gradients` is empty
        without x and y.
    input_shape : tuple of int
        The shape of a sample in the model's first layer.

    Notes
    -----
    A record is a copy of all weights: 4 bytes for each, twice that with gradients.

    Examples
    --------
    >>> import nnc
    >>> x, y = nnc.datasets.load_iris()
    >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, "softmax")])
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> recorder = nnc.callbacks.Recorder(x, y, every=2)
    >>> history = model.fit(x, y, epochs=4, callbacks=[recorder], verbose=0)
    >>> recorder.epochs, list(recorder.weights), recorder.gradients["dense kernel"][0].shape
    ([0, 2, 4], ['dense kernel', 'dense bias'], (4, 3))
    """

    def __init__(self, x: ArrayLike | None = None, y: ArrayLike | None = None, every: int = 1) -> None:
        if (x is None) != (y is None):
            raise ValueError("x and y must be given both or not at all")
        self.x, self.y, self.every = x, y, integer("every", every, 1)
        self.epochs: list[int] = []
        self.weights: dict[str, list[np.ndarray]] = {}
        self.gradients: dict[str, list[np.ndarray]] = {}
        self.input_shape: tuple[int, ...] = ()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epochs, self.weights, self.gradients = [], {}, {}
        self.input_shape = tuple(self.model.layers[0].input_shape or ())
        self._record(self.params.get("initial_epoch", 0))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if (epoch + 1) % self.every == 0:
            self._record(epoch + 1)

    def _record(self, epochs: int) -> None:
        names = [f"{layer.name} {name}" for layer in self.model.layers for name in layer.weight_names]
        self.epochs.append(epochs)
        kept = [(self.weights, self.model.get_weights())]
        if self.x is not None and self.y is not None:
            model: Any = self.model  # only an nnc.Sequential has gradients
            kept.append((self.gradients, model.gradients(self.x, self.y)))
        for arrays, now in kept:
            for name, array in zip(names, now, strict=True):
                arrays.setdefault(name, []).append(array)
