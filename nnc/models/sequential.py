"""Sequential: a linear stack of layers that can be trained, evaluated, used and saved, with Keras's names.

>>> import nnc
>>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, activation="softmax")])
>>> model.count_params()
15
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, overload

import numpy as np

from nnc import losses, optimizers, random
from nnc._config import boolean, choice, did_you_mean, integer, items, refusal, shape, suggests_argument
from nnc.callbacks import Callback, History
from nnc.callbacks.progress import RowsBar, printer, resolve, text
from nnc.callbacks.run import CallbackList
from nnc.layers import Layer, Variable
from nnc.metrics import Metric
from nnc.models import modelfile, prepare, summary
from nnc.models.backends import BACKENDS, PRECISIONS
from nnc.models.batches import (
    BATCH_SIZE,
    Batches,
    first_batches,
    is_batches,
    refuse_with_batches,
    rows_of_a_batch,
)
from nnc.models.compiled import Compiled
from nnc.models.engine import Engine, cut
from nnc.models.inputs import Arrays, split
from nnc.models.interrupts import Interrupts
from nnc.models.layout import config_of, stack_of
from nnc.models.loops import Fit, Rows, Source, Stream, TrainingState, Validation, divergence
from nnc.models.resuming import resume
from nnc.models.stack import Stack, layers_of
from nnc.models.state import ModelState

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from nnc.export.c import Report
    from nnc.export.onnxmodel import OnnxReport

# The loss, or [loss, *metrics]: with a union, every caller that knows its metrics would have to narrow it.
Result: TypeAlias = Any

_FLOAT32 = np.dtype(np.float32)
_MOST_EPOCHS = 2**32 - 1  # the epoch is a 32-bit word in the counter of the random number generator

_ATTRIBUTES = frozenset(("history", "stop_training"))  # public attributes that are not properties


class Sequential:
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
        stack = Stack(name)
        seed = random.next_seed() if seed is None else integer("seed", seed, 0, 2**64 - 1)
        self.history: History | None = None
        self.stop_training = False
        self._stack, self._engine = stack, Engine(stack, seed)
        stack.keep_weights_in(self._engine)
        self._training = TrainingState(0, {})
        self._trainable = boolean("trainable", trainable)
        self._metadata: dict[str, str] = {}
        must = "a list of layers of nnc.layers"
        for layer in () if layers is None else items("layers", layers, must):
            if not isinstance(layer, Layer | Sequential):
                raise refusal("layers", must, layers, TypeError)
            self.add(layer)

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

    # ------------------------------------------------------------------------------------------------- layers

    @property
    def name(self) -> str:
        """The model's name."""
        return self._stack.name

    @name.setter
    def name(self, name: str) -> None:
        self._stack.name = name

    @property
    def seed(self) -> int:
        """The seed of the initial weights, the shuffling and dropout."""
        return self._engine.seed

    @property
    def metadata(self) -> dict[str, str]:
        """Named strings that `save` writes to the file along with the model and `nnc.load_model` restores.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.metadata = {"data": "measured in May"}
        >>> model.metadata["data"]
        'measured in May'
        """
        return self._metadata

    @metadata.setter
    def metadata(self, value: Mapping[str, str]) -> None:
        self._metadata = modelfile.checked_metadata(value)

    @property
    def trainable(self) -> bool:
        """Whether training updates the weights. Setting it sets it for every layer, effective at the next
        `compile`.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = boolean("trainable", value)
        for layer in self.layers:  # nested models included
            layer.trainable = value

    @property
    def layers(self) -> list[Any]:
        """The layers, without the `Input`; a nested model is one of them."""
        return [self._shown(part) for part in self._stack.parts]

    @property
    def flattened_layers(self) -> dict[str, Layer]:
        """Every layer, with nested models expanded in place, keyed by path, such as "encoder/dense"."""
        return dict(zip(self._stack.paths(), self._stack.layers, strict=True))

    def _shown(self, part: Layer | Stack) -> Any:
        """The part itself if it is a layer, or the model that owns it if it is a stack."""
        if isinstance(part, Layer):
            return part
        if part.model is None:
            model = Sequential(seed=self.seed)
            model._take(part)
            part.model = model
        return part.model

    def _take(self, stack: Stack) -> None:
        """Make this the model of `stack`, with the weights of its layers."""
        self._stack, self._engine = stack, Engine(stack, self.seed)
        stack.keep_weights_in(self._engine)
        self._trainable = any(layer.trainable for layer in stack.layers) or not stack.layers

    @property
    def input_shape(self) -> tuple[Any, ...] | None:
        """The shape of the inputs, with the batch axis: (None, 784)."""
        return self._stack.input_shape and (None, *self._stack.input_shape)

    @property
    def output_shape(self) -> tuple[Any, ...] | None:
        """The shape of the outputs, with the batch axis: (None, 10)."""
        return self._stack.output_shape and (None, *self._stack.output_shape)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Return the output shape for an input shape, both with the batch axis.

        Examples
        --------
        >>> from nnc import Sequential, layers
        >>> Sequential([layers.Conv2D(8, 3), layers.Flatten()]).compute_output_shape((None, 28, 28, 1))
        (None, 5408)
        """
        first, *rest = input_shape
        sample = shape("input_shape[1:]", rest)
        for layer in self._stack.layers:
            sample = layer.sample_output_shape(sample)
        return (first, *sample)

    @property
    def built(self) -> bool:
        """Whether the shapes are known."""
        return self._stack.built

    def add(self, layer: Layer | Sequential) -> None:
        """Append a layer. Existing weights are kept; a compiled model stays compiled.

        A model may be added, too. Its layers are then shared: training either model changes the weights of
        the other. The added model can still be used, trained and saved, but no more layers can be added to
        it.

        Raises
        ------
        ValueError
            If the layer does not accept the output shape so far, or if it or its name is already in the
            model.

        Examples
        --------
        >>> from nnc import Input, Sequential, layers
        >>> model = Sequential()
        >>> model.add(Input((784,)))
        >>> model.add(layers.Dense(10))
        >>> model.output_shape
        (None, 10)
        """
        with self._stack.lock:
            self._engine.drop_plan()
            if not self._trainable and isinstance(layer, Layer | Sequential):
                layer.trainable = False
            if isinstance(layer, Sequential):
                layer._engine.hand_over()
                self._stack.add(layer._stack)
                layer._stack.model = layer
            else:
                self._stack.add(layer)
            self._engine.layers_changed()

    def pop(self, rebuild: bool = True) -> Any:
        """Remove the last layer and return it; it keeps its weights.

        Examples
        --------
        >>> from nnc import Input, Sequential, layers
        >>> model = Sequential([Input((784,)), layers.Dense(30), layers.Dense(10)])
        >>> model.pop().units, model.output_shape
        (10, (None, 30))
        """
        with self._stack.lock:
            self._engine.drop_plan()
            for layer in [each for part in self._stack.parts[-1:] for each in layers_of(part)]:
                if self.built:
                    layer.set_own(layer.get_weights())
            part = self._stack.pop()
            self._engine.layers_changed()
        return self._shown(part)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Return the layer with that name or index.

        Examples
        --------
        >>> from nnc import Sequential, layers
        >>> model = Sequential([layers.Dense(30, name="hidden"), layers.Dense(10)])
        >>> model.get_layer("hidden").units, model.get_layer(index=1).units
        (30, 10)
        """
        return self._shown(self._stack.get(name, index))

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Fix the shapes of all layers.

        Parameters
        ----------
        input_shape : tuple
            With the batch axis, as in Keras: (None, 784). None if the model has an `Input`.

        Examples
        --------
        >>> from nnc import Sequential, layers
        >>> model = Sequential([layers.Dense(10)])
        >>> model.build((None, 784))
        >>> model.count_params()
        7850
        """
        if input_shape is None:
            self._stack.build(None)
            return
        if len(input_shape) < 2:
            raise ValueError(
                f"input_shape must begin with the batch axis, as (None, 784) does, got {input_shape!r}"
            )
        self._stack.build(shape("input_shape", input_shape[1:]))

    # ------------------------------------------------------------------------------------------------ weights

    def get_weights(self) -> list[np.ndarray]:
        """Return copies of all weights in layer order: kernel (I, O) and bias (O,) of a Dense, and so on.

        The docstring of each layer lists its weights.

        Examples
        --------
        >>> from nnc import Input, Sequential, layers
        >>> model = Sequential([Input((784,)), layers.Dense(30), layers.Dense(10)])
        >>> [w.shape for w in model.get_weights()]
        [(784, 30), (30,), (30, 10), (10,)]
        """
        return self._engine.get_weights()

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights, in the order in which `get_weights` returns them.

        Raises
        ------
        ValueError
            If the number of arrays or a shape does not match; the message names the layer.

        Examples
        --------
        >>> import numpy as np
        >>> from nnc import Input, Sequential, layers
        >>> model = Sequential([Input((2,)), layers.Dense(1)])
        >>> model.set_weights([np.array([[1.0], [2.0]]), np.array([0.5])])
        >>> model.predict([[1.0, 1.0]])
        array([[3.5]], dtype=float32)
        """
        self._engine.set_weights(weights)

    @property
    def weights(self) -> list[Variable]:
        """All weights, in the order of `get_weights`."""
        return [w for layer in self._stack.layers for w in layer.weights]

    variables = weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training updates by their gradient."""
        return [w for w in self.weights if w.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other weights: moving averages and the weights of frozen layers."""
        return [w for w in self.weights if not w.trainable]

    non_trainable_variables = non_trainable_weights

    def count_params(self) -> int:
        """Return the number of weights.

        Examples
        --------
        >>> from nnc import Input, Sequential, layers
        >>> Sequential([Input((784,)), layers.Dense(10)]).count_params()
        7850
        """
        self._stack.shapes()
        return sum(layer.count_params() for layer in self._stack.layers)

    def layer_output(self, x: ArrayLike, layer: Layer | Sequential | str | int) -> np.ndarray:
        """Return the outputs of one of the layers for x, in inference mode.

        Parameters
        ----------
        x : array-like (n, *input_shape)
        layer : Layer, Sequential, str or int
            The layer, its name or its index in `layers`.

        Returns
        -------
        ndarray (n, *layer.output_shape)
            The outputs, after the layer's activation.

        Examples
        --------
        >>> import nnc
        >>> hidden = nnc.layers.Dense(2, "relu", kernel_initializer="ones")
        >>> model = nnc.Sequential([nnc.Input((3,)), hidden, nnc.layers.Dense(1)])
        >>> model.layer_output([[1.0, 2.0, 3.0]], hidden).tolist()
        [[6.0, 6.0]]
        """
        part: Any = layer
        if isinstance(layer, str | int):
            part = self._stack.get(layer) if isinstance(layer, str) else self._stack.get(index=layer)
        elif isinstance(layer, Sequential):
            part = layer._stack
        last: Any = part.layers[-1] if isinstance(part, Stack) and part.layers else part
        if last not in self._stack.layers:
            raise ValueError(f"layer must be a layer of the model, its name or its index, got {layer!r}")
        rows = prepare.feature_rows(self._stack, x)
        outputs = self._engine.layer_output(rows, self._stack.layers.index(last) + 1)
        return outputs.reshape(len(rows), *(last.output_shape or ()))

    # ---------------------------------------------------------------------------------------------- compiling

    @suggests_argument
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
            user-defined subclass of `nnc.metrics.Metric`. They ignore sample weights.
        weighted_metrics : list, optional
            The same, but weighted by the sample weights and class weights.
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

    @property
    def optimizer(self) -> optimizers.Optimizer | None:
        """The optimizer passed to `compile`."""
        return self._engine.compiled.optimizer

    @property
    def loss(self) -> losses.Loss | None:
        """The loss passed to `compile`."""
        return self._engine.compiled.loss

    @property
    def backend(self) -> str:
        """The backend that computes: "compiled" or "reference"."""
        return self._engine.backend.name

    @property
    def precision(self) -> str:
        """The precision of the products: "float32" or "bfloat16"."""
        return self._engine.precision

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, without the loss; empty until the model is compiled and built."""
        return self._engine.metrics

    @property
    def metrics_by_weight(self) -> tuple[list[Metric], list[Metric]]:
        """The unweighted metrics and the weighted ones."""
        watched, plain = self._engine.watched, len(self._engine.compiled.metrics)
        return watched.all[:plain], watched.all[plain:]

    @property
    def metrics_names(self) -> list[str]:
        """The keys of the logs: "loss" and the names of the metrics."""
        return self._engine.metrics_names

    # ---------------------------------------------------------------------------------------------- training

    @suggests_argument
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
            ``.history`` holds "loss", the metrics, "val_loss", ... with one number per epoch; with
            `resume_from`, including the earlier epochs.

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
            resumed = modelfile.read(resume_from)
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
        given = _listed(callbacks)
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
    ) -> dict[str, float]: ...
    def train_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Result:
        """Make one step on this batch; return its loss (before the step) and metrics as `evaluate` does.

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
            return _result(means.logs(), return_dict)
        finally:
            means.close()

    # --------------------------------------------------------------------------------- evaluation, prediction

    @overload
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: Literal[False] = False,
    ) -> Result: ...
    @overload
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, float]: ...
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: ArrayLike | None = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> Result:
        """Return the loss (penalties included) and the metrics, in inference mode.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; x may be an iterable of batches.
        batch_size : int, optional
            Only matters with `steps`: the result is always that of all rows at once.
        verbose : {0, 1, 2, "auto"}
            Silent, a progress bar, or a line; "auto" is a bar on a terminal and silent elsewhere.
        steps : int, optional
            Number of batches to evaluate; by default all.
        callbacks : list of Callback, optional
            Their hooks `on_test_...` are called; for callbacks with batch hooks, batches have `batch_size`
            rows.
        return_dict : bool
            Whether to return {"loss": ..., ...} instead of [loss, ...] (a float if there are no metrics).

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> model.evaluate([[1.0], [2.0]], [2.0, 4.0])
        [2.5, 1.5]
        >>> model.evaluate([[1.0], [2.0]], [2.0, 4.0], return_dict=True)
        {'loss': 2.5, 'mae': 1.5}
        """
        verbose = resolve(verbose, elsewhere=0)
        if batch_size is not None:
            batch_size = integer("batch_size", batch_size, 1)
        if steps is not None:
            steps = integer("steps", steps, 1)
        batch_rows = batch_size
        parts: Iterable[Arrays]
        if is_batches(x, y):
            refuse_with_batches(batch_size=batch_size, sample_weight=sample_weight)
            parts, rows = prepare.batches_of(self._engine, Batches(x, steps)), None
        else:
            arrays = prepare.rows_of(self._engine, x, y, sample_weight)
            batch_rows = rows_of_a_batch(len(arrays.x), batch_size, steps)
            arrays = first_batches(arrays, steps, batch_rows)
            parts, rows = [arrays], len(arrays.x)
        run = self._side_run(callbacks)
        run("on_test_begin", {})
        with RowsBar(rows, "evaluate", verbose) as tick:
            logs = self._engine.evaluate(parts, tick, run.watching("test"), batch_rows)
        run("on_test_end", logs)
        if verbose:
            print(text(logs), flush=True)
        return _result(logs, return_dict)

    @overload
    def test_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        return_dict: Literal[False] = False,
    ) -> Result: ...
    @overload
    def test_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        return_dict: Literal[True],
    ) -> dict[str, float]: ...
    def test_on_batch(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        return_dict: bool = False,
    ) -> Result:
        """Return the loss and the metrics of one batch, as `evaluate` does.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd", "mse")
        >>> model.test_on_batch([[1.0], [2.0]], [2.0, 4.0])
        2.5
        """
        return _result(
            self._engine.evaluate([prepare.rows_of(self._engine, x, y, sample_weight)], int), return_dict
        )

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
    ) -> np.ndarray:
        """Return the outputs, in inference mode.

        Parameters
        ----------
        x : array-like (n, *input_shape), or an iterable of batches x
        batch_size : int, optional
            Only matters with `steps`; the outputs of a row are bitwise the same in any batch.
        verbose : {0, 1, 2, "auto"}
            1 shows a progress bar; "auto" does so on a terminal.
        steps : int, optional
            Number of batches to predict; by default all.
        callbacks : list of Callback, optional
            Their hooks `on_predict_...` are called.

        Returns
        -------
        ndarray (n, *output_shape)
            float32 (float64 with backend="reference").

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(2, kernel_initializer="ones")])
        >>> model.predict([[1.0, 2.0], [3.0, 4.0]])
        array([[3., 3.],
               [7., 7.]], dtype=float32)
        """
        verbose = resolve(verbose, elsewhere=0)
        if batch_size is not None:
            batch_size = integer("batch_size", batch_size, 1)
        if steps is not None:
            steps = integer("steps", steps, 1)
        run = self._side_run(callbacks)
        run("on_predict_begin", {})
        parts, rows = prepare.feature_parts(self._stack, x, batch_size, steps)
        with RowsBar(rows, "predict", verbose) as tick:
            watch = run.watching("predict")
            if watch is None:
                found = [self._engine.predict(part, tick) for part in parts]
            else:
                batch_rows = rows_of_a_batch(rows, batch_size, steps) if rows else None
                found = [*self._watched(parts, batch_rows, tick, watch)]
        if not found:
            raise ValueError("x yielded no batches")
        outputs = found[0] if len(found) == 1 else np.concatenate(found)
        run("on_predict_end", {})
        return outputs.reshape(len(outputs), *self._stack.shapes()[1])

    def _watched(
        self, parts: Iterable[np.ndarray], size: int | None, tick: Callable[[int], Any], watch: CallbackList
    ) -> Iterator[np.ndarray]:
        """Yield the outputs of the parts batch by batch, calling the callbacks' hooks around each."""
        shape, batches = self._stack.shapes()[1] if self.built else None, count()
        for part in parts:
            for start, stop in cut(len(part), size or len(part)):
                batch = next(batches)
                watch("on_predict_batch_begin", batch, {})
                outputs = self._engine.predict(part[start:stop], tick)
                shape = shape or self._stack.shapes()[1]
                watch("on_predict_batch_end", batch, {"outputs": outputs.reshape(len(outputs), *shape)})
                yield outputs

    def predict_on_batch(self, x: ArrayLike) -> np.ndarray:
        """Return the outputs for one batch, in inference mode; the fastest call for a few rows at a time.

        Examples
        --------
        >>> import numpy as np
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.predict_on_batch(np.array([[1.0, 2.0]], np.float32))
        array([[3.]], dtype=float32)
        """
        plan = self._engine.flat_plan
        if plan is not None and type(x) is np.ndarray and x.dtype is _FLOAT32:
            flags = x.flags
            if x.ndim == 2 and x.shape[1] == plan.n_inputs and flags.c_contiguous and flags.aligned:
                return plan.forward(x)
        rows = prepare.feature_rows(self._stack, x)
        return self._engine.forward(rows).reshape(len(rows), *self._stack.shapes()[1])

    def __call__(self, inputs: ArrayLike, training: bool = False) -> np.ndarray:
        """As `predict_on_batch`."""
        if training:
            raise ValueError(f"training must be False: models are trained by fit, got {training!r}")
        return self.predict_on_batch(inputs)

    def gradients(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, training: bool = False
    ) -> list[np.ndarray]:
        """Return the gradient of the loss over one batch, penalties included, for every weight.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`, taken as one batch.
        training : bool
            Whether dropout is active, as it would be in the next step.

        Returns
        -------
        list of ndarray
            In the order and with the shapes of `get_weights`.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(loss="mse")
        >>> kernel, bias = model.gradients([[2.0]], [[0.0]])  # the loss is (2 w + b)^2, at w = 1, b = 0
        >>> float(kernel[0, 0]), float(bias[0])
        (8.0, 4.0)
        """
        return self._engine.gradients(prepare.rows_of(self._engine, x, y, sample_weight), bool(training))

    def _side_run(self, callbacks: Callback | Sequence[Callback] | None) -> CallbackList:
        return CallbackList(_listed(callbacks), self, {})

    # ---------------------------------------------------------------------------------------- saving, showing

    def save(self, filepath: modelfile.Path, overwrite: bool = True) -> None:
        """Write the model to a file: layers, weights, compile arguments, optimizer state and history.

        The file is in the safetensors format. It is written to a temporary file next to `filepath` and then
        renamed atomically: whatever happens, there is either the old file or the new one. `nnc.load_model`
        reads it.

        Parameters
        ----------
        filepath : str or path
            Must not end in ".keras", ".h5" or ".onnx": other programs would take the file for one of theirs.
        overwrite : bool
            Whether an existing file may be replaced.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.save("flowers.safetensors")
        >>> same = nnc.load_model("flowers.safetensors")
        >>> all((a == b).all() for a, b in zip(model.get_weights(), same.get_weights()))
        True
        """
        modelfile.refuse_other_formats(filepath)
        modelfile.write(self.state(), filepath, overwrite)

    def save_weights(self, filepath: modelfile.Path, overwrite: bool = True) -> None:
        """Write only the layers and the weights to a file.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.save_weights("weights.safetensors")
        >>> other = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> other.load_weights("weights.safetensors")
        """
        modelfile.refuse_other_formats(filepath)
        modelfile.write(self.state().weights_only(), filepath, overwrite)

    def checkpoint(self, filepath: modelfile.Path, weights_only: bool = False) -> None:
        """Write the file of a `ModelCheckpoint`: as `save` or `save_weights`, but with any file name.

        (Keras's ModelCheckpoint requires a name ending in ".keras"; nnc reads its own files with that name.)

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.checkpoint("run.ckpt")
        >>> nnc.load_model("run.ckpt").output_shape
        (None, 3)
        """
        state = self.state()
        modelfile.write(state.weights_only() if weights_only else state, filepath)

    def load_weights(self, filepath: modelfile.Path) -> None:
        """Load the weights from a file written by `save` or `save_weights`; the shapes must match the model.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.save_weights("weights.safetensors")
        >>> other = nnc.Sequential([nnc.layers.Dense(3)])  # its input shape comes from the file
        >>> other.load_weights("weights.safetensors")
        >>> other.input_shape
        (None, 4)
        """
        state = modelfile.read(filepath, weights_only=True)
        if not self.built and state.stack.input_shape is not None:
            self._stack.build(state.stack.input_shape)
        try:
            self.set_weights(state.engine.weights or [])
        except ValueError as error:
            raise ValueError(
                f"the weights in {os.fsdecode(filepath)} do not fit this model: {error}"
            ) from None

    def state(self) -> ModelState:
        """Return everything that a model file holds; do not write to its arrays.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> same = nnc.Sequential.from_state(model.state())
        >>> same.count_params()
        15
        """
        stack, engine, training = self._stack, self._engine.state(), self._training
        if stack.built:  # metrics as resolved: "accuracy" depends on the outputs
            compiled = engine.compiled
            engine.compiled = Compiled(compiled.optimizer, compiled.loss, *self.metrics_by_weight)
        stopped = self.stop_training and training.epoch > 0
        return ModelState(
            stack,
            engine,
            training.epoch,
            training.callbacks(),
            self.history,
            stopped,
            training.position(),
            self._metadata,
        )

    @classmethod
    def from_state(cls, state: ModelState) -> Sequential:
        """Return the model that `state` describes; it takes over the state's layers.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> nnc.Sequential.from_state(model.state()).output_shape
        (None, 3)
        """
        model = cls(seed=state.engine.seed)
        model._take(state.stack)
        model._engine.restore(state.engine)
        model._training = TrainingState(state.epoch, state.callbacks, state.position)
        model.history, model.stop_training = state.history, state.stopped
        model._metadata = dict(state.metadata)
        return model

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle and copy: separate weights and optimizer state, and no run in progress."""
        known = self._training
        training = TrainingState(known.epoch, known.kept, known.last_position)
        return self.__dict__ | {"_engine": copy(self._engine), "_training": training}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._stack.keep_weights_in(self._engine)

    # ------------------------------------------------------------------------------------------------- export

    def export_c(
        self,
        path: str | os.PathLike[str],
        *,
        prefix: str | None = None,
        weights: str = "static",
        check: int | ArrayLike = 0,
        arduino: bool = False,
        int8: ArrayLike | None = None,
        test: tuple[ArrayLike, ArrayLike] | None = None,
        max_flash: int | None = None,
        max_ram: int | None = None,
    ) -> Report:
        """Write the model as C99: a .c and a .h file, without heap, input and output or global state.

        docs/export.md lists the functions and how each layer is exported. For "digits.c" they are
        ``digits_predict(x, y)``, ``digits_predict_scratch(x, y, scratch)`` and, for several outputs or a
        classifier with two classes, ``digits_classify(x)``. The same model always produces the same bytes.

        Parameters
        ----------
        path : str or path
            Must end in .c, in an existing folder. Existing files are replaced, all or none.
        prefix : str, optional
            Prefix of the names in C; by default the file's name.
        weights : {"static", "extern"}
            Stored in the file itself, or in a second one, <name>_weights.c.
        check : int or array-like (n, *input_shape)
            How many rows, or which, to store together with the model's outputs for them; ``main`` then
            compares.
        arduino : bool
            Whether to write a sketch: a folder named after the file, with an .ino that checks a row on the
            board.
        int8 : array-like (n, *input_shape), optional
            Calibration rows: weights and values then have 8 bits, sums 32, and the file contains no floats.
            x is then int8 and y int16, with the scales in the .h.
        test : (x, y), optional
            Rows and their classes to measure the accuracy before and after quantization; without it, the
            calibration rows are compared with the model's own predictions.
        max_flash, max_ram : int, optional
            Limits in bytes for weights and tables, and for scratch memory; beyond them nothing is written.

        Returns
        -------
        Report
            ``files``, ``flash``, ``ram``, ``multiply_adds``, ``digest``; with int8 ``accuracy``, which is
            (before, after), and ``difference``.

        Raises
        ------
        ValueError
            If the model is not built, its loss is a Python function, a limit is exceeded or an argument is
            invalid.
        FileNotFoundError
            If the folder does not exist.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, "softmax")], seed=0)
        >>> report = model.export_c("flowers.c", check=5)
        >>> report.files, report.flash, report.ram
        (('flowers.c', 'flowers.h'), 60, 0)
        """
        from nnc.export import c

        return c.export_c(
            self,
            path,
            prefix=prefix,
            weights=weights,
            check=check,
            arduino=arduino,
            int8=int8,
            test=test,
            max_flash=max_flash,
            max_ram=max_ram,
        )

    def export_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        outputs: str = "predict",
        label: bool | None = None,
        classes: Sequence[int] | Sequence[str] | None = None,
        zipmap: bool = False,
        input_name: str = "input",
        output_name: str | None = None,
    ) -> OnnxReport:
        """Write the model as an ONNX file of opset 18, for batches of any size.

        The input is that of `predict`, float32 (n, *input_shape). A classifier (a model that ends with a
        softmax or a single sigmoid or is compiled with a cross-entropy) has the outputs "label" (n,) and
        "probabilities" or "logits" (n, O); other models have "output". Before the file is written, it is
        validated with onnx's checker and, if onnxruntime is installed, must reproduce nnc's outputs there.
        (``pip install "nnc[onnx]"``)

        Parameters
        ----------
        path : str or path
        outputs : {"predict", "logits", "probabilities"}
            The outputs of `predict`, or the values before or after the last softmax or sigmoid.
        label : bool, optional
            Whether there is an output "label"; None: only for classifiers.
        classes : list of int or str, optional
            The names of the classes, used as labels; by default 0, 1, ...
        zipmap : bool
            Whether the probabilities are a list of dicts keyed by class, as some servers require.
        input_name, output_name : str, optional

        Returns
        -------
        OnnxReport
            ``file``, ``inputs``, ``outputs`` (names) and ``difference``, the largest difference between
            onnxruntime and nnc as a fraction of the largest output, or None without onnxruntime.

        Raises
        ------
        ImportError
            If the package onnx is not installed.
        ValueError
            If the model is not built, its loss is a Python function or an argument is invalid.
        FileNotFoundError
            If the folder does not exist.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, "softmax")])
        >>> model.compile(loss="sparse_categorical_crossentropy")
        >>> report = model.export_onnx("flowers.onnx")
        >>> report.inputs, report.outputs
        (('input',), ('label', 'probabilities'))
        """
        from nnc.export import onnxmodel

        return onnxmodel.export_onnx(
            self,
            path,
            outputs=outputs,
            label=label,
            classes=classes,
            zipmap=zipmap,
            input_name=input_name,
            output_name=output_name,
        )

    def summary(
        self,
        line_length: int | None = None,
        positions: None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: None = None,
    ) -> None:
        """Print a table of the layers with their output shapes and numbers of weights.

        Parameters
        ----------
        line_length : int, optional
            Minimum width of the table.
        print_fn : callable, optional
            Called with the table instead of `print`.
        show_trainable : bool
            Whether to show for each layer if it is trainable.
        positions, expand_nested, layer_range
            As in Keras; positions and layer_range must be None here.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((784,)), nnc.layers.Dense(30, "relu"), nnc.layers.Dense(10)])
        >>> model.summary()
        Model: "sequential"
          Layer (type)     Output Shape  Param #
          --------------------------------------
          dense (Dense)    (None, 30)     23,550
          dense_1 (Dense)  (None, 10)        310
          --------------------------------------
          Total params: 23,860 (93.20 KB)
          Trainable params: 23,860 (93.20 KB)
          Non-trainable params: 0 (0.00 KB)
        """
        if callable(line_length):  # print_fn was the first argument in earlier versions of nnc
            line_length, print_fn = None, line_length
        for argument, value in (("positions", positions), ("layer_range", layer_range)):
            if value is not None:
                raise ValueError(f"{argument} must be None, got {value!r}")
        if line_length is not None:
            line_length = integer("line_length", line_length, 1)
        (print_fn or print)(summary.table(self._stack, line_length or 0, show_trainable, expand_nested))

    def get_config(self) -> dict[str, Any]:
        """Return the layers and the model's name as JSON-compatible values, without weights.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> [layer["class_name"] for layer in model.get_config()["layers"]]
        ['InputLayer', 'Dense']
        """
        return config_of(self._stack)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, seed: int | None = None) -> Sequential:
        """Return a new model, with new weights, from a configuration returned by `get_config`.

        Parameters
        ----------
        config : dict
        seed : int, optional
            As in the constructor.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> nnc.Sequential.from_config(model.get_config()).count_params()
        15
        """
        model = cls(seed=seed)
        model._take(stack_of(config))
        return model

    def to_json(self, **options: Any) -> str:
        """Return `get_config` as JSON, for `nnc.models.model_from_json`; options are passed to `json.dumps`.

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.to_json()[:50]
        '{"class_name": "Sequential", "config": {"name": "s'
        """
        return json.dumps({"class_name": "Sequential", "config": self.get_config()}, **options)

    def __repr__(self) -> str:
        return summary.text(self._stack, self._engine.compiled)

    def _repr_html_(self) -> str:
        return summary.html(self._stack)


def _listed(callbacks: Callback | Sequence[Callback] | None) -> list[Callback]:
    return [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())


def _result(logs: dict[str, float], return_dict: bool) -> Result:
    if return_dict:
        return logs
    return list(logs.values()) if len(logs) > 1 else logs["loss"]
