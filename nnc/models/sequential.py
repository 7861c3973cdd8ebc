"""Sequential: layers one after the other, trained, evaluated, used and saved; by the names of Keras.

>>> import nnc
>>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, activation="softmax")])
>>> model.count_params()
15
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnc import _arrays
from nnc.callbacks import History, progress
from nnc.callbacks.base import Callback
from nnc.callbacks.run import CallbackList
from nnc.models import loops, summary
from nnc.models.network import Network

_FLOAT32 = np.dtype(np.float32)


class Sequential(Network):
    """Layers one after the other.

    Parameters
    ----------
    layers : list of Layer, optional
        The first may be an `Input`; without one the model is built by the first data it sees.
    trainable : bool
        Only True; Keras has it in this place.
    name : str, optional
        "sequential" unless given.
    seed : int, optional
        Of the first weights, the shuffles and dropout, 64 bits; the next of the global sequence unless given
        (`nnc.set_random_seed`).

    Attributes
    ----------
    layers : list of Layer
        Without the `Input`.
    input_shape, output_shape : tuple of int or None
        Of one sample, without the batch axis; None until the model is built.
    optimizer, loss : Optimizer, Loss or None
        As `compile` was told.
    history : History or None
        Of the last `fit`.
    stop_training : bool
        Set it to True in a callback to end `fit`.

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

    # ---------------------------------------------------------------------------------------------- training

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
    ) -> History:
        """Train.

        Parameters
        ----------
        x : array-like (n, *input_shape), or an iterable of batches (x, y) or (x, y, sample_weight)
            uint8 and float32 arrays are used where they lie, memory-mapped ones too; others become float32.
        y : array-like
            Class ids (n,) or rows (n, *output_shape), as the loss wants.
        batch_size : int, optional
            Rows of a step, 32 unless given; the last step of an epoch takes what is left.
        epochs : int
            The number of the last epoch: a run with ``initial_epoch=3, epochs=5`` makes two.
        verbose : {"auto", 0, 1, 2}
            Silent, a bar, or a line per epoch; "auto" is a bar on a terminal and lines elsewhere.
        callbacks : list of Callback, optional
            See `nnc.callbacks`.
        validation_split : float
            The last part of x and y, as they are given, to be kept out of training and evaluated after every
            epoch.
        validation_data : (x, y), (x, y, sample_weight) or iterable of batches, optional
            To be evaluated after every epoch.
        shuffle : bool
            Whether every epoch has an order of its own, a function of the model's seed and the epoch.
        class_weight : dict of class id to weight, optional
            Multiplies the weight of each row of that class.
        sample_weight : array-like (n,), optional
            The weight of each row's loss. The batch's loss is their weighted sum over the number of rows.
        initial_epoch : int
            Epochs done before, for a run that is continued: shuffles, dropout and the callbacks' counters go
            on as if it had not been interrupted.
        steps_per_epoch : int, optional
            Only so many batches an epoch. The next epoch of an iterable goes on behind them.
        validation_steps : int, optional
            Only so many batches of the validation data.
        validation_batch_size : int, optional
            Only counts for `validation_steps`.
        validation_freq : int or list of int
            Every how many epochs, or after which epochs (from 1), to evaluate.

        Returns
        -------
        History
            ``.history`` holds "loss", the metrics, "val_loss", ... with one number per epoch.

        Raises
        ------
        ValueError, TypeError
            When an argument does not fit; nothing has been trained then.
        DivergenceError
            When the loss becomes NaN or infinite (unless a `TerminateOnNaN` callback is there).

        Notes
        -----
        Ctrl-C, an error or a divergence leave the model after a whole step; the callbacks' `on_train_end` has
        been called and ``model.history`` holds the epochs that were finished.
        """
        epochs = _arrays.check_count(epochs, "epochs", 0)
        initial_epoch = _arrays.check_count(initial_epoch, "initial_epoch", 0)
        if steps_per_epoch is not None:
            steps_per_epoch = _arrays.check_count(steps_per_epoch, "steps_per_epoch")
        if not isinstance(shuffle, (bool, np.bool_)):
            raise TypeError(f"shuffle must be True or False, got {shuffle!r}")
        verbose = progress.resolve(verbose)
        self._needs_optimizer()

        train, held_out = None, None
        if _arrays.is_batches(x, y):
            _arrays.refuse_with_batches(
                batch_size=batch_size, sample_weight=sample_weight, validation_split=validation_split
            )
            batches = loops.Batches(x, steps_per_epoch)
            n_steps = steps_per_epoch or (len(x) if hasattr(x, "__len__") else None)
        else:
            batch_size = _arrays.check_count(32 if batch_size is None else batch_size, "batch_size")
            train = self._arrays(x, y, sample_weight, class_weight)
            if validation_split:
                train, held_out = _arrays.split(validation_split, train)
            batch_size = min(batch_size, len(train[0]))
            n_steps = -(-len(train[0]) // batch_size)
            n_steps = min(n_steps, steps_per_epoch or n_steps)
        if validation_data is None:
            validation = (lambda: [held_out]) if held_out else None
        else:
            validation = self._validation(
                validation_data, validation_steps, validation_batch_size or batch_size
            )
        _falls_on(validation_freq, 0)

        given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
        history = next((c for c in given if isinstance(c, History)), None) or History()
        printer = progress.PRINTERS[verbose]
        extra = [history] * (history not in given) + ([printer()] if printer else [])
        params = {"epochs": epochs, "initial_epoch": initial_epoch, "steps": n_steps, "verbose": verbose}
        self.history, self.stop_training = history, False
        run = self._callbacks = CallbackList(given + extra, self, params)

        with loops.Interrupts() as interrupts:
            loop = loops.Epochs(self, run, interrupts)
            try:
                run("on_train_begin", {})
                if 0 < initial_epoch == self._epoch:
                    run.restore(self._callback_state)
                parts = validation() if validation is not None else None
                ahead = train is not None and validation_freq == 1 and loop.may_run_ahead(parts)
                held = parts[0] if ahead and parts else None
                epoch = initial_epoch
                while epoch < epochs:
                    left = epochs - epoch
                    done = ahead and loop.run_ahead(
                        epoch, left, train, batch_size, n_steps, bool(shuffle), held
                    )
                    if not done:
                        run("on_epoch_begin", epoch, {})
                        if train is not None:
                            logs = loop.over_arrays(epoch, train, batch_size, n_steps, bool(shuffle))
                        else:
                            logs = loop.over_batches(epoch, self._batches(batches, "x", class_weight))
                            if loop.batch == 0 and not self.stop_training:
                                warnings.warn(
                                    f"x gave no batches in epoch {epoch + 1}: training ends", stacklevel=2
                                )
                                break
                        if validation is not None and _falls_on(validation_freq, epoch):
                            run("on_test_begin", {})
                            found = loops.evaluate(self, validation(), int)
                            logs |= {f"val_{name}": value for name, value in found.items()}
                            run("on_test_end", found)
                        self._epoch = epoch + 1
                        run("on_epoch_end", epoch, logs)
                        done = 1
                    epoch += done
                    if self.stop_training:
                        break
            finally:
                # A second Ctrl-C must not keep the best weights from being restored.
                interrupts.hold()
                self._callback_state = {} if self.stop_training else run.state()
                self._callbacks = None
                if self._plan is not None:
                    self._plan.release()
                run("on_train_end", {})
                interrupts.release()
        return history

    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Make one step on these rows; return their loss (before the step) and metrics as `evaluate` does."""
        self._needs_optimizer()
        arrays = self._arrays(x, y, sample_weight, class_weight)
        means = loops.Means(self.metrics_names)
        with loops.Interrupts() as interrupts:
            interrupts.hold()
            _, rows, loss_sum, metric_sums, rates = loops.train(self, *arrays, None, 0, 1, len(arrays[0]), 0)
        if math.isnan(loss_sum):
            raise loops.divergence("train_on_batch", rates[0])
        self._plan.release()
        means.add(rows, loss_sum, metric_sums)
        return _result(means.logs(), return_dict)

    def _needs_optimizer(self) -> None:
        if self.optimizer is None or self.loss is None:
            raise ValueError("the model is not ready to be trained: compile(optimizer, loss=...) first")

    def _validation(self, data: Any, steps: int | None, batch_size: int | None) -> Callable[[], Any]:
        """What gives the parts of the validation data anew for every epoch."""
        if isinstance(data, tuple) or (
            isinstance(data, list) and not all(isinstance(b, tuple) for b in data)
        ):
            names = ("validation_data[0]", "validation_data[1]")
            x, y, weight = _arrays.unpack(data, "validation_data")
            arrays = _arrays.first_batches(self._arrays(x, y, weight, names=names), steps, batch_size)
            return lambda: [arrays]
        batches = loops.Batches(data, steps, "validation_data")
        return lambda: self._batches(batches, "validation_data")

    # --------------------------------------------------------------------------------- evaluation, prediction

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """The loss (penalties included) and the metrics, in inference mode.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; x may be an iterable of batches.
        batch_size : int, optional
            Only counts for `steps`: the result is that of all rows at once.
        verbose : {0, 1, 2, "auto"}
            Silent, a bar, a line.
        steps : int, optional
            Only so many batches.
        callbacks : list of Callback, optional
            Their `on_test_begin` and `on_test_end` are called.
        return_dict : bool
            Whether to return {"loss": ..., ...} instead of [loss, ...] (a float without metrics).
        """
        verbose = progress.resolve(verbose)
        if batch_size is not None:
            batch_size = _arrays.check_count(batch_size, "batch_size")
        if steps is not None:
            steps = _arrays.check_count(steps, "steps")
        if _arrays.is_batches(x, y):
            _arrays.refuse_with_batches(batch_size=batch_size, sample_weight=sample_weight)
            parts, rows = self._batches(loops.Batches(x, steps)), None
        else:
            arrays = _arrays.first_batches(self._arrays(x, y, sample_weight), steps, batch_size)
            parts, rows = [arrays], len(arrays[0])
        run = self._side_run(callbacks)
        run("on_test_begin", {})
        with progress.RowsBar(rows, "evaluate", verbose) as tick:
            logs = loops.evaluate(self, parts, tick)
        run("on_test_end", logs)
        if verbose:
            print(progress.text(logs), flush=True)
        return _result(logs, return_dict)

    def test_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """The loss and the metrics of these rows, as `evaluate`."""
        return _result(loops.evaluate(self, [self._arrays(x, y, sample_weight)], int), return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> np.ndarray:
        """The outputs, in inference mode.

        Parameters
        ----------
        x : array-like (n, *input_shape), or an iterable of batches x
        batch_size : int, optional
            Only counts for `steps`; the outputs of a row are the same bits in any batch.
        verbose : {0, 1, 2, "auto"}
            1 shows a bar.
        steps : int, optional
            Only so many batches.
        callbacks : list of Callback, optional
            Their `on_predict_begin` and `on_predict_end` are called.

        Returns
        -------
        ndarray (n, *output_shape)
            float32 (float64 with backend="reference").
        """
        verbose = progress.resolve(verbose)
        if batch_size is not None:
            batch_size = _arrays.check_count(batch_size, "batch_size")
        if steps is not None:
            steps = _arrays.check_count(steps, "steps")
        run = self._side_run(callbacks)
        run("on_predict_begin", {})
        if _arrays.is_stream(x):
            parts = (
                batch[0] if isinstance(batch, tuple) else batch
                for batch in islice(loops.Batches(x, None), steps)
            )
            rows = None
        else:
            x = self._features(x)
            parts = [x if steps is None else x[: steps * (batch_size or 32)]]
            rows = len(parts[0])
        with progress.RowsBar(rows, "predict", verbose) as tick:
            found = [
                loops.predict(self, part if rows is not None else self._features(part), tick)
                for part in parts
            ]
        if not found:
            raise ValueError("x gave no batches")
        outputs = found[0] if len(found) == 1 else np.concatenate(found)
        run("on_predict_end", {})
        return outputs.reshape(len(outputs), *self.output_shape)

    def predict_on_batch(self, x: ArrayLike) -> np.ndarray:
        """The outputs for these rows, in inference mode; the quickest way for a few rows at a time."""
        plan = self._plan
        if plan is not None and type(x) is np.ndarray and x.dtype is _FLOAT32 and self._flat:
            flags = x.flags
            if x.ndim == 2 and x.shape[1] == plan.n_inputs and flags.c_contiguous and flags.aligned:
                return plan.forward(x)
        rows = self._features(x)
        return self._plan_for(1).forward(rows).reshape(len(rows), *self.output_shape)

    __call__ = predict_on_batch

    def gradients(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, training: bool = False
    ) -> list[np.ndarray]:
        """The gradient of the loss over these rows, penalties included, for every weight.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`, taken as one batch.
        training : bool
            Whether dropout acts, as it would in the next step.

        Returns
        -------
        list of ndarray
            In the order and the shapes of `get_weights`.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(loss="mse")
        >>> kernel, bias = model.gradients([[2.0]], [[0.0]])  # the loss is (2 w + b)^2, at w = 1, b = 0
        >>> float(kernel[0, 0]), float(bias[0])
        (8.0, 4.0)
        """
        x, y, weights = self._arrays(x, y, sample_weight)
        step = self.optimizer.iterations
        plan = self._plan_for(len(x))
        if self._loss_spec is None:
            outputs = plan.step_forward(x, 0, step) if training else plan.forward(x)
            _, d = self.loss.value_and_gradient(y, outputs, weights)
            # Half the squared distance to these rows has just the gradient d: (outputs - y) / n = d.
            y, weights = (outputs - len(x) * d).astype(np.float32), None
            squares = {"name": "euclidean", "from_logits": False, "label_smoothing": 0.0, "param": 0.0}
            plan = self._new_plan(squares, len(x))
            plan.set_parameters(self.get_weights())
        return plan.gradients(x, y, weights, bool(training), 0, step)[1]

    def _side_run(self, callbacks: Any) -> CallbackList:
        given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
        return CallbackList(given, self, {})

    # ---------------------------------------------------------------------------------------- saving, showing

    def save(self, filepath: str | os.PathLike, overwrite: bool = True) -> None:
        """Write the model to a file: layers, weights, how it was compiled, the optimizer's memory, the
        history.

        The file is one in the safetensors format, written beside `filepath` and then put in its place at
        once: whatever happens, there is the old file or the new one. `nnc.load_model` reads it.

        Parameters
        ----------
        filepath : str or path
        overwrite : bool
            Whether a file that is there may be replaced.
        """
        from nnc import saving

        saving.save_model(self, filepath, overwrite)

    def save_weights(self, filepath: str | os.PathLike, overwrite: bool = True) -> None:
        """Write layers and weights only."""
        from nnc import saving

        saving.save_model(self, filepath, overwrite, weights_only=True)

    def load_weights(self, filepath: str | os.PathLike) -> None:
        """Take the weights of a file of `save` or `save_weights`; their shapes must be the model's."""
        from nnc import saving

        saving.load_weights(self, filepath)

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print a table of the layers with their output shapes and numbers of weights."""
        (print_fn or print)(summary.table(self))

    def __repr__(self) -> str:
        return summary.text(self)

    def _repr_html_(self) -> str:
        return summary.html(self)


def _falls_on(frequency: int | Sequence[int], epoch: int) -> bool:
    """Whether validation falls on `epoch` (from 0) by `validation_freq`."""
    if isinstance(frequency, Sequence):
        return epoch + 1 in frequency
    return (epoch + 1) % _arrays.check_count(frequency, "validation_freq") == 0


def _result(logs: dict[str, float], return_dict: bool) -> float | list[float] | dict[str, float]:
    if return_dict:
        return logs
    return list(logs.values()) if len(logs) > 1 else logs["loss"]
