"""The base class of the callbacks: the hooks that a run calls, and the interface of the model they see."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from nnc.layers import Layer
from nnc.metrics import Metric
from nnc.optimizers import Optimizer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Numbers, and arrays of metrics with several results; callbacks may add entries to the logs of an epoch.
Logs: TypeAlias = MutableMapping[str, Any]


class Model(Protocol):
    """The part of the model in training, an `nnc.Sequential`, that a callback may use."""

    stop_training: bool

    @property
    def layers(self) -> list[Layer]: ...
    @property
    def optimizer(self) -> Optimizer | None: ...
    @property
    def metrics(self) -> list[Metric]: ...
    @property
    def metrics_names(self) -> list[str]: ...
    def get_weights(self) -> list[np.ndarray]: ...
    def set_weights(self, weights: Sequence[ArrayLike]) -> None: ...
    def predict(self, x: Any) -> np.ndarray: ...
    def evaluate(self, x: Any, y: Any) -> Any: ...
    def checkpoint(self, filepath: str | os.PathLike[str], weights_only: bool = False) -> None: ...


class Callback:
    """Base class of the callbacks; a subclass overrides the hooks it needs.

    Attributes
    ----------
    model : Sequential
        The model in training; set ``self.model.stop_training = True`` to end the run.
    params : dict
        "epochs", "initial_epoch", "steps" (per epoch, or None if unknown) and "verbose" of this run.
    validates : bool
        Whether this run has validation data.

    Notes
    -----
    ``logs`` contains "loss", the metrics, and at the end of an epoch also "val_loss" and so on. In the batch
    hooks and in `on_steps` the values are means over the epoch so far. `on_train_end` is called no matter how
    the run ended.

    Examples
    --------
    >>> import nnc
    >>> class Threshold(nnc.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         if logs["loss"] < 0.01:
    ...             print("good enough")
    ...             self.model.stop_training = True
    >>> model = nnc.Sequential([nnc.layers.Dense(1)])
    >>> model.compile(nnc.optimizers.SGD(0.1), "mse")
    >>> _ = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=1000, verbose=0, callbacks=[Threshold()])
    good enough
    """

    model: Model
    params: dict[str, Any]
    validates = False

    # Attributes that are stored in a model file and restored when a run is continued from it.
    state: tuple[str, ...] = ()
    saves = False

    def set_model(self, model: Model) -> None:
        """Set the model of the callback.

        Parameters
        ----------
        model : Sequential

        Examples
        --------
        >>> import nnc
        >>> callback = nnc.callbacks.Callback()
        >>> callback.set_model(nnc.Sequential([nnc.layers.Dense(1)]))
        >>> callback.model.layers
        [Dense(1)]
        """
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Set the parameters of the run.

        Parameters
        ----------
        params : dict
            Of `fit`: "epochs", "steps" and "verbose"; otherwise empty.

        Examples
        --------
        >>> import nnc
        >>> callback = nnc.callbacks.Callback()
        >>> callback.set_params({"epochs": 3})
        >>> callback.params
        {'epochs': 3}
        """
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch.

        Parameters
        ----------
        logs : dict
            Empty.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_train_begin=lambda logs: print("begin"))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], verbose=0, callbacks=[hook])
        begin
        """

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the last epoch, or after the error or Ctrl-C that ended the run.

        Parameters
        ----------
        logs : dict
            Those of the last complete epoch.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_train_end=lambda logs: print("end"))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], verbose=0, callbacks=[hook])
        end
        """

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before an epoch; `epoch` counts from 0.

        Parameters
        ----------
        epoch : int
            From 0.
        logs : dict
            Empty.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: print(epoch))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], epochs=2, verbose=0, callbacks=[hook])
        0
        1
        """

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after an epoch and its validation.

        Parameters
        ----------
        epoch : int
            From 0.
        logs : dict
            "loss", the metrics, and those of the validation data with "val_" in front.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, *logs))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], epochs=2, verbose=0, callbacks=[hook])
        0 loss
        1 loss
        """

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a step; `batch` counts from 0 in each epoch.

        Parameters
        ----------
        batch : int
            The number of the step in its epoch, from 0.
        logs : dict
            Empty.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: print(batch))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], batch_size=1, verbose=0, callbacks=[hook])
        0
        1
        """

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a step.

        Parameters
        ----------
        batch : int
            The number of the step in its epoch, from 0.
        logs : dict
            "loss" and the metrics, means over the epoch so far.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: print(batch, *logs))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], batch_size=1, verbose=0, callbacks=[hook])
        0 loss
        1 loss
        """

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Older name of `on_train_batch_begin`.

        Parameters
        ----------
        batch, logs
            As in `on_train_batch_begin`.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_batch_begin=lambda batch, logs: print(batch))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], batch_size=1, verbose=0, callbacks=[hook])
        0
        1
        """

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Older name of `on_train_batch_end`.

        Parameters
        ----------
        batch, logs
            As in `on_train_batch_end`.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: print(batch, *logs))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], batch_size=1, verbose=0, callbacks=[hook])
        0 loss
        1 loss
        """

    def on_steps(self, steps: int, logs: Logs | None = None) -> None:
        """Called a few times a second during an epoch; `steps` is the number of its steps done so far.

        Parameters
        ----------
        steps : int
            The number of steps of the epoch done so far.
        logs : dict
            "loss" and the metrics, means over the epoch so far.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_steps=lambda steps, logs: print(steps, *logs))
        >>> _ = model.fit([[1.0], [2.0]], [1.0, 2.0], batch_size=1, verbose=0, callbacks=[hook])
        2 loss
        """

    def on_divergence(self, epoch: int, batch: int) -> None:
        """Called if the loss of a batch is NaN or infinite; by default `DivergenceError` is raised.

        Parameters
        ----------
        epoch, batch : int
            Where the loss is not finite, both from 0.

        Examples
        --------
        >>> import nnc
        >>> class Report(nnc.callbacks.Callback):
        ...     def on_divergence(self, epoch, batch):
        ...         print(f"epoch {epoch}, batch {batch}")
        ...         self.model.stop_training = True
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> _ = model.fit([[float("nan")]], [0.0], verbose=0, callbacks=[Report()])
        epoch 0, batch 0
        """

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before an evaluation or validation.

        Parameters
        ----------
        logs : dict
            Empty.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_test_begin=lambda logs: print("begin"))
        >>> _ = model.evaluate([[1.0], [2.0]], [1.0, 2.0], callbacks=[hook])
        begin
        """

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after an evaluation or validation.

        Parameters
        ----------
        logs : dict
            "loss" and the metrics.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_test_end=lambda logs: print(*logs))
        >>> _ = model.evaluate([[1.0], [2.0]], [1.0, 2.0], callbacks=[hook])
        loss
        """

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of an evaluation or validation, which then runs batch by batch.

        Parameters
        ----------
        batch : int
            From 0.
        logs : dict
            Empty.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_test_batch_begin=lambda batch, logs: print(batch))
        >>> _ = model.evaluate([[1.0], [2.0]], [1.0, 2.0], batch_size=1, callbacks=[hook])
        0
        1
        """

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of an evaluation or validation; `logs` are the means so far.

        Parameters
        ----------
        batch : int
            From 0.
        logs : dict
            "loss" and the metrics, means over the batches so far.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: print(batch, *logs))
        >>> _ = model.evaluate([[1.0], [2.0]], [1.0, 2.0], batch_size=1, callbacks=[hook])
        0 loss
        1 loss
        """

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called before `predict`.

        Parameters
        ----------
        logs : dict
            Empty.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_predict_begin=lambda logs: print("begin"))
        >>> _ = model.predict([[1.0], [2.0]], callbacks=[hook])
        begin
        """

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called after `predict`.

        Parameters
        ----------
        logs : dict
            Empty.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_predict_end=lambda logs: print("end"))
        >>> _ = model.predict([[1.0], [2.0]], callbacks=[hook])
        end
        """

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of `predict`, which then runs batch by batch.

        Parameters
        ----------
        batch : int
            From 0.
        logs : dict
            Empty.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_predict_batch_begin=lambda batch, logs: print(batch))
        >>> _ = model.predict([[1.0], [2.0]], batch_size=1, callbacks=[hook])
        0
        1
        """

    def on_predict_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Called after a batch of `predict`; `logs` has its "outputs".

        Parameters
        ----------
        batch : int
            From 0.
        logs : dict
            "outputs": the outputs of the batch.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> hook = nnc.callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: print(batch, *logs))
        >>> _ = model.predict([[1.0], [2.0]], batch_size=1, callbacks=[hook])
        0 outputs
        1 outputs
        """


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
