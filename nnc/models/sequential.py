"""Sequential: a linear stack of layers that can be trained, evaluated, used and saved, with Keras's names.

>>> import nnc
>>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, activation="softmax")])
>>> model.count_params()
15
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np

from nnc import losses, optimizers
from nnc._config import choice, did_you_mean, integer
from nnc.callbacks import Callback, History
from nnc.callbacks.progress import printer, resolve
from nnc.callbacks.run import CallbackList
from nnc.layers import Layer
from nnc.models import prepare
from nnc.models.backends import BACKENDS, PRECISIONS
from nnc.models.batches import (
    BATCH_SIZE,
    is_batches,
    refuse_with_batches,
)
from nnc.models.compiled import Compiled
from nnc.models.inputs import Arrays, split
from nnc.models.interrupts import Interrupts
from nnc.models.loops import Fit, Rows, Source, Stream, TrainingState, Validation, divergence
from nnc.models.predicting import PredictingModel, Result, listed, result_of
from nnc.models.resuming import resume
from nnc.models.stack import Stack

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from nnc.models import modelfile


_MOST_EPOCHS = 2**32 - 1  # the epoch is a 32-bit word in the counter of the random number generator

_ATTRIBUTES = frozenset(("history", "stop_training"))  # public attributes that are not properties


class Sequential(PredictingModel):
    """A linear stack of layers.

    Parameters
    ----------
    layers : list of Layer or Sequential, optional
        The first may be an `Input`; without one, the model is built from the first data it sees.
    trainable : bool
        Whether training updates the weights of the layers; see `trainable`.
    name : str, optional
        Defaults to "sequential".
    seed : int, optional
        64-bit seed of the initial weights, the shuffling and dropout. Defaults to the next seed of the global
        sequence (`nnc.set_random_seed`).

    Attributes
    ----------
    layers : list of Layer or Sequential
        The layers, without the `Input`.
    flattened_layers : dict of str to Layer
        The layers, with nested models expanded, keyed by path, such as "encoder/dense".
    input_shape, output_shape : tuple or None
        With the batch axis, as in Keras: (None, 784). None until the model is built.
    optimizer, loss : Optimizer, Loss or None
        As passed to `compile`.
    history : History or None
        The history of the last `fit`.
    stop_training : bool
        Set it to True in a callback to end `fit`. It is True after a run that a callback has stopped, and in
        a model that was loaded from a file of such a run.

    Examples
    --------
    >>> import numpy as np
    >>> import nnc
    >>> model = nnc.Sequential([nnc.layers.Dense(1)], seed=0)
    >>> model.compile(nnc.optimizers.SGD(0.3), loss="mse")
    >>> x = np.arange(8.0).reshape(8, 1) / 8
    >>> history = model.fit(x, 3 * x, epochs=100, batch_size=1, verbose=0)
    >>> round(float(model.predict([[2.0]])[0, 0]), 1)
    6.0
    """

    def __init__(
        self,
        layers: Sequence[Layer | Sequential] | None = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        super().__init__(layers, trainable, name, seed=seed)

    def _model_of(self, stack: Stack) -> Sequential:
        model = Sequential(seed=self.seed)
        model._take(stack)
        return model

    def __setattr__(self, name: str, value: Any) -> None:
        found = getattr(type(self), name, None)
        if isinstance(found, property) and found.fset is None:
            how = (
                f"compile({name}=...)"
                if name in ("optimizer", "loss", "metrics", "backend")
                else "a new model"
            )
            raise AttributeError(f"{name} of a model cannot be set, got {value!r}: use {how}")
        if type(self) is Sequential and found is None and name[0] != "_" and name not in _ATTRIBUTES:
            meant = did_you_mean(name, (known for known in dir(self) if known[0] != "_"))
            raise AttributeError(f"Sequential has no attribute {name!r}{meant}")
        super().__setattr__(name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Raise the error for an unknown attribute, suggesting the closest known name."""
            meant = did_you_mean(name, (known for known in dir(type(self)) if known[0] != "_"))
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{meant}")

    # ---------------------------------------------------------------------------------------------- compiling

    def compile(
        self,
        optimizer: str | optimizers.Optimizer | Mapping[str, Any] = "rmsprop",
        loss: str | losses.Loss | Callable[..., Any] | Mapping[str, Any] | None = None,
        loss_weights: None = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        *,
        backend: str = "compiled",
        precision: str = "float32",
    ) -> None:
        """Configure the model for training.

        The weights are kept. The state of the optimizer is reset, unless `optimizer` is the object with which
        the model is already compiled.

        Parameters
        ----------
        optimizer : str, Optimizer
            A name ("sgd", "adam", "adamw", "rmsprop") or an object of `nnc.optimizers`.
        loss : str, Loss or callable
            A name, an object of `nnc.losses`, or a function f(y_true, y_pred) -> (value, gradient).
        metrics : list of str, Metric or callable, optional
            Names such as "accuracy", objects of `nnc.metrics`, functions f(y_true, y_pred), or objects of a
            user-defined subclass of `nnc.metrics.Metric`. They ignore sample weights. Repeated names
            are numbered in the logs: precision, precision_1.
        weighted_metrics : list, optional
            The same, but weighted by the sample weights and class weights. The name of one of `metrics` gets
            the prefix "weighted_".
        loss_weights : None
            Not supported: a model has one loss.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
            Accepted for compatibility with scripts written for Keras; they have no effect in nnc.
        backend : {"compiled", "reference"}
            The C core in float32, or NumPy in float64.
        precision : {"float32", "bfloat16"}
            Precision of the products of dense and convolutional layers, in the forward and backward pass.
            "bfloat16" rounds the factors (inputs, weights, gradients of outputs) to bfloat16 and accumulates
            in float32; weights, the optimizer and everything else stay float32. It is much faster on a CPU
            with AMX. Other CPUs return the same bits, slower than in float32; `nnc.show_config` reports which
            products are used.

        Raises
        ------
        ValueError
            If an argument is invalid. The first call that needs bfloat16 products raises it if the CPU has
            none: without AMX they require fused multiply-adds.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((784,)), nnc.layers.Dense(10)])
        >>> loss = nnc.losses.SparseCategoricalCrossentropy(from_logits=True)
        >>> model.compile(nnc.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
        >>> model.metrics_names
        ['loss', 'accuracy']
        """
        if loss_weights is not None:
            raise ValueError(f"loss_weights must be None: a model has one loss, got {loss_weights!r}")
        row = BACKENDS[choice("backend", backend, BACKENDS)]
        precision = choice("precision", precision, PRECISIONS)
        self._engine.compile(Compiled.of(optimizer, loss, metrics, weighted_metrics), row, precision)

    # ----------------------------------------------------------------------------------------------- training

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Callback | Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        *,
        resume_from: modelfile.Path | None = None,
    ) -> History:
        """Train the model.

        Parameters
        ----------
        x : array-like (n, *input_shape), or an iterable of batches (x, y) or (x, y, sample_weight)
            uint8 and float32 arrays, memory-mapped ones included, are used without a copy; others are
            converted to float32.
        y : array-like
            Class ids (n,) or rows (n, *output_shape), depending on the loss.
        batch_size : int, optional
            Rows per step, by default 32; the last step of an epoch uses the remaining rows.
        epochs : int
            The number of the last epoch: a run with ``initial_epoch=3, epochs=5`` trains for two.
        verbose : {"auto", 0, 1, 2}
            Silent, a progress bar, or a line per epoch; "auto" is a bar on a terminal and lines elsewhere.
        callbacks : list of Callback, optional
            See `nnc.callbacks`.
        validation_split : float
            Fraction of x and y, taken from the end in the order given, that is held out of training and
            evaluated after every epoch.
        validation_data : (x, y), (x, y, sample_weight) or iterable of batches, optional
            Evaluated after every epoch.
        shuffle : bool
            Whether to shuffle the rows in every epoch; the order is a function of the model's seed and the
            epoch.
        class_weight : dict of class id to weight, optional
            Multiplies the weight of each row of that class.
        sample_weight : array-like (n,), optional
            The weight of each row's loss. The batch's loss is the weighted sum divided by the number of rows.
        initial_epoch : int
            Number of epochs already trained, to continue a run: shuffling, dropout and the callbacks'
            counters continue as if it had not been interrupted.
        steps_per_epoch : int, optional
            Number of batches per epoch; without a batch_size, arrays are divided into that many. With an
            iterable, the next epoch continues after them.
        validation_steps : int, optional
            Number of batches of the validation data to use.
        validation_batch_size : int, optional
            Rows per batch of the validation data, by default batch_size; it only matters for
            `validation_steps` and for the callbacks' hooks.
        validation_freq : int or list of int
            Evaluate every that many epochs, or after the listed epochs (counted from 1).
        resume_from : str, bytes or path, optional
            A file written by `save` or `ModelCheckpoint` in a run of the same script that was killed or
            interrupted. The run continues from there, also from the middle of an epoch, and ends with the
            same bits as a run that was never interrupted. The weights, the optimizer's slots, step count and
            learning rate, the seed, the callbacks' counters, the epochs done and their history come from the
            file; `epochs` is still the number of the last epoch. Data, layers and arguments must be those of
            that run.

        Returns
        -------
        History
            ``.history`` holds "loss", the metrics, "val_loss", ... with one number per epoch (one array for a
            metric whose result is an array); with `resume_from`, including the earlier epochs.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid; nothing has been trained then.
        DivergenceError
            If the loss becomes NaN or infinite (unless there is a `TerminateOnNaN` callback).
        FormatError, OSError
            If `resume_from` is not a model file, or cannot be read.

        Notes
        -----
        After Ctrl-C, an error or a divergence, the model is in the state after the last complete step; the
        callbacks' `on_train_end` has been called and ``model.history`` holds the completed epochs.

        If a callback has stopped a run, the model and its file record it: continuing that run by
        `resume_from` or `initial_epoch` trains no further epoch and issues a warning, unless
        ``model.stop_training = False`` was set.

        Examples
        --------
        A script that may be killed at any time and restarted:

        >>> import os, tempfile, nnc
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = os.path.join(folder.name, "run.safetensors")
        >>> for epochs in (2, 5):  # as if it had been killed after epoch 2
        ...     model = nnc.Sequential([nnc.layers.Dense(1)])
        ...     model.compile("adam", "mse")
        ...     resume_from = path if os.path.exists(path) else None
        ...     save = nnc.callbacks.ModelCheckpoint(path)
        ...     history = model.fit([[1.0], [2.0]], [2.0, 4.0], epochs=epochs, verbose=0, callbacks=[save],
        ...                         resume_from=resume_from)
        >>> history.epoch
        [0, 1, 2, 3, 4]
        >>> folder.cleanup()
        """
        epochs = integer("epochs", epochs, 0, _MOST_EPOCHS)
        initial_epoch = integer("initial_epoch", initial_epoch, 0, _MOST_EPOCHS)
        if steps_per_epoch is not None:
            steps_per_epoch = integer("steps_per_epoch", steps_per_epoch, 1)
        resumed = None
        if resume_from is not None:
            if initial_epoch:
                raise ValueError(f"initial_epoch is in the file of resume_from; got {initial_epoch} as well")
            from nnc.models.modelfile import read

            resumed = read(resume_from)
        if not isinstance(shuffle, (bool, np.bool_)):
            raise TypeError(f"shuffle must be True or False, got {shuffle!r}")
        verbose = resolve(verbose)
        engine = self._engine
        engine.compiled.for_training()
        data: Rows | Stream
        held_out = None
        if is_batches(x, y):
            refuse_with_batches(
                batch_size=batch_size, sample_weight=sample_weight, validation_split=validation_split
            )
            data = prepare.training_stream(engine, x, steps_per_epoch, class_weight)
        else:
            arrays = prepare.rows_of(engine, x, y, sample_weight)
            if validation_split:
                arrays, held_out = (Arrays(*part) for part in split(validation_split, arrays))
            arrays = prepare.weighted(engine, arrays, class_weight)
            data = prepare.training_rows(arrays, batch_size, steps_per_epoch, bool(shuffle))
        if not isinstance(validation_freq, Sequence):
            validation_freq = integer("validation_freq", validation_freq, 1)
        source: Source | None = held_out
        if validation_data is not None:
            source = prepare.validation_source(
                engine, validation_data, validation_steps, validation_batch_size or batch_size
            )
        batch_rows = validation_batch_size or data.batch_size or BATCH_SIZE
        validation = None if source is None else Validation(source, validation_freq, batch_rows)
        engine.warn_of_changes()

        training = self._training
        stopped = self.stop_training and 0 < initial_epoch == training.epoch
        if resumed is not None:
            resume(self._stack, engine, data.n_steps, resumed, os.fsdecode(cast("str", resume_from)))
            training = self._training = TrainingState(resumed.epoch, resumed.callbacks, resumed.position)
            initial_epoch, stopped = resumed.epoch, resumed.stopped
            if isinstance(data, Stream):
                data.skip(initial_epoch)
        params = {"epochs": epochs, "initial_epoch": initial_epoch, "steps": data.n_steps, "verbose": verbose}
        history, run = self._callbacks_of_fit(callbacks, params, validation is not None)
        self.stop_training = stopped
        before = None if resumed is None else resumed.history
        Fit(self, engine, training, run, data, validation).run(
            initial_epoch, epochs, before, resumed is not None
        )
        return history

    def _callbacks_of_fit(
        self, callbacks: Callback | Sequence[Callback] | None, params: dict[str, Any], validates: bool
    ) -> tuple[History, CallbackList]:
        """The History, which the model keeps, and the list of it, the caller's callbacks and the printer."""
        given = listed(callbacks)
        history = next((each for each in given if isinstance(each, History)), None)
        if history is None:
            history = History()
            given.append(history)
        prints = printer(params["verbose"])
        if prints is not None:
            given.append(prints)
        self.history = history
        return history, CallbackList(given, self, params, validates)

    @overload
    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: Literal[False] = False,
    ) -> Result: ...
    @overload
    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, Any]: ...
    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Result:
        """Make one step on this batch; return its loss (before the step) and metrics as `evaluate` does.

        Parameters
        ----------
        x, y, sample_weight, class_weight
            As in `fit`, for the rows of one batch.
        return_dict : bool
            Whether to return {"loss": ..., ...} instead of [loss, ...] (a float if there are no metrics).

        Returns
        -------
        float, list of float or dict

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(nnc.optimizers.SGD(0.1), "mse")
        >>> model.train_on_batch([[1.0], [2.0]], [2.0, 4.0])
        2.5
        >>> model.train_on_batch([[1.0], [2.0]], [2.0, 4.0]) < 2.5
        True
        """
        self._engine.compiled.for_training()
        arrays = prepare.rows_of(self._engine, x, y, sample_weight, class_weight)
        means, done = self._engine.means(), None
        try:
            outputs = means.outputs_array(len(arrays.x), self._engine.backend.dtype)
            while done is None or not (done.steps or math.isnan(done.loss_sum)):
                with Interrupts() as interrupts:
                    interrupts.hold(stops=True)
                    done = self._engine.train(
                        arrays, None, 0, 1, len(arrays.x), epoch=0, budget=0.0, outputs=outputs
                    )
            if math.isnan(done.loss_sum):
                raise divergence("train_on_batch", done.learning_rates[0], arrays.x, slice(None))
            self._engine.release()
            means.add(done.rows, done.loss_sum, done.metric_sums)
            means.feed(arrays, slice(None), outputs, None)
            return result_of(means.logs(), return_dict)
        finally:
            means.close()
