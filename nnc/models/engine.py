"""The computing part of a model: its weights, the optimizer's slots, and the plan that operates on them.

A plan is created by the backend's module when it is first needed. It is immutable: another loss, or a batch
larger than its capacity, requires a new plan, which takes over the weights of the old one. While there is no
plan, weights and slots are plain arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

import numpy as np

from nnc import _arrays, random
from nnc.errors import warn
from nnc.layers import Layer
from nnc.metrics import Metric
from nnc.models.backends import BACKENDS, PRECISIONS, Backend, EpochsPlan, Plan
from nnc.models.compiled import Compiled
from nnc.models.function_loss import FunctionLossSteps
from nnc.models.inputs import Arrays
from nnc.models.planarrays import PlanArray
from nnc.models.stack import Stack
from nnc.models.watched import Means, Watched

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Minimum batch size of a plan: the rows that pass through the network together unless more are requested.
_MIN_BATCH_SIZE = 128

_UNKNOWN = Watched()  # the metrics of a model that is not built


class EngineState:
    """Everything that the results of an engine depend on, except its layers.

    weights: None before the layers are built; arrays, or `PlanArray`s in the state of a plan that is to be
    written to a file. slots: the optimizer's slots for each weight, an empty list if
    it is not trainable; None if there are none yet.
    """

    def __init__(
        self,
        seed: int,
        backend: Backend,
        compiled: Compiled,
        weights: list[Any] | None,
        slots: list[list[Any]] | None,
        precision: str,
    ) -> None:
        self.seed, self.backend, self.compiled, self.precision = seed, backend, compiled, precision
        self.weights, self.slots = weights, slots

    def uncompiled(self) -> EngineState:
        """The state without the parts used for training."""
        return EngineState(self.seed, self.backend, Compiled(), self.weights, None, self.precision)


class Steps(NamedTuple):
    """The result of a slice of training, with the sums of the epoch so far; loss_sum is NaN if the loss of
    the step after the `steps` done was not finite.
    """

    steps: int
    rows: int
    loss_sum: float
    metric_sums: np.ndarray  # (n_metrics,)
    learning_rates: np.ndarray


_P = ParamSpec("_P")
_R = TypeVar("_R")


def _locked(method: Callable[Concatenate[Engine, _P], _R]) -> Callable[Concatenate[Engine, _P], _R]:
    """Make a method hold the model's lock while it runs."""

    @wraps(method)
    def call(self: Engine, *args: _P.args, **keywords: _P.kwargs) -> _R:
        with self.stack.lock:
            return method(self, *args, **keywords)

    return call


class Engine:
    """Computes a model: `train`, `evaluate`, `predict`, `gradients`; its contents are `state`.

    It may be called by several threads at once: plans are created and used under the model's lock.

    Attributes
    ----------
    stack : Stack
        The layers; call `drop_plan` before they change and `layers_changed` after.
    seed : int
        The seed of the initial weights, the shuffling and dropout.
    backend : Backend
    precision : str
        The precision of the products: a name in `PRECISIONS`.
    compiled : Compiled
    flat_plan : Plan or None
        The current plan if samples and outputs have one axis, which makes its arrays those of the caller.
    """

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack, self.seed = stack, seed
        self.backend, self.precision = BACKENDS["compiled"], PRECISIONS[0]
        self.compiled = Compiled()
        self.flat_plan: Plan | None = None
        self._plan: Plan | None = None
        self._values: list[list[np.ndarray]] = []  # weights of the first layers, while there is no plan
        self._slots: list[list[np.ndarray]] | None = None  # the optimizer's slots, while there is no plan
        self._metrics: Watched | None = None  # resolved from their names once the outputs are known
        self._unchecked = False  # compiled before it was built
        self._excluded: tuple[str, ...] | None = None  # from weight decay, in the plan
        self._slice_rows: int | None = None  # a function of the layers, once they are built

    # ---------------------------------------------------------------------------------------- configuration

    @_locked
    def compile(self, compiled: Compiled, backend: Backend, precision: str) -> None:
        """Compute with these from now on. A new optimizer object starts with reset state."""
        found = compiled.metrics_for(self.stack.shapes()[1]) if self.stack.built else None
        if self.stack.built:
            compiled.check_outputs(self.stack.rows())
        self._unchecked = not self.stack.built
        self.drop_plan()
        changed = self.stack.changed()
        self.stack.take_changes()
        if changed or compiled.optimizer is not self.compiled.optimizer:
            self._forget_optimizer(compiled)
        if backend != self.backend:
            self._values = [_cast(values, backend) for values in self._values]
            self._slots = self._slots and [_cast(slots, backend) for slots in self._slots]
        self.compiled, self.backend, self.precision, self._metrics = compiled, backend, precision, found

    def warn_of_changes(self) -> None:
        """Warn if `trainable` of a layer has changed since `compile`, or if no weight is trainable."""
        changed = [str(layer.name) for layer in self.stack.changed()]
        if changed:
            warn(
                f"trainable of {', '.join(changed)} was changed after compile, which has no effect until the "
                "model is compiled again"
            )
        if self.stack.built and not any(weight.trainable for weight in self.stack.weights()):
            warn("the model has no trainable weights: training changes nothing")

    @_locked
    def layers_changed(self) -> None:
        """Keep the weights of the remaining layers; the optimizer's slots no longer fit and are dropped."""
        del self._values[len(self.stack.layers) :]
        self._metrics = self._slice_rows = None
        self._forget_optimizer(self.compiled)

    def _forget_optimizer(self, compiled: Compiled) -> None:
        self._slots = None
        if compiled.optimizer is not None:
            compiled.optimizer.iterations = 0

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, without the loss; empty until the model is compiled and built."""
        return self.watched.all

    @property
    def watched(self) -> Watched:
        """The metrics, together with what computes them."""
        if self._metrics is None:
            if not self.stack.built:
                return _UNKNOWN
            self._metrics = self.compiled.metrics_for(self.stack.shapes()[1])
            if self._unchecked:
                self.compiled.check_outputs(self.stack.rows())
            self._unchecked = False
        return self._metrics

    @property
    def metrics_names(self) -> list[str]:
        """The keys of the logs: "loss" and the names of the metrics."""
        return self.watched.names

    @_locked
    def means(self) -> Means:
        """New means of the loss and the metrics; the caller must close them."""
        return Means(self.watched)

    @_locked
    def current(self, means: Means) -> Means:
        """Return `means`, or new ones if the model has been built since, by its first batch.

        Raises
        ------
        RuntimeError
            If the metrics are no longer those of `means`.
        """
        if means.watched is self.watched:
            return means
        if means.watched is not _UNKNOWN:
            raise RuntimeError(
                "the model was compiled, or its layers changed, within an epoch of fit or an evaluation, "
                "whose means are of one loss; do so between epochs, as in on_epoch_begin"
            )
        means.close()
        return self.means()

    # ----------------------------------------------------------------------------------------------- contents

    @_locked
    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights in layer order; weights that are not set yet are drawn."""
        if self._plan is None:
            return [weight.copy() for weight in self._weights()]
        return self._weights()

    def _weights(self) -> list[np.ndarray]:
        """All weights, not to be written to; weights that are not set yet are drawn."""
        plan = self._plan
        if self.stack.outer is not None:
            return self.stack.outer.weights_of_part(self.stack)
        if plan is not None:
            return self._shaped(plan.get_parameters())
        return [weight for values in self._all_values() for weight in values]

    @_locked
    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all weights, in the order of `get_weights`."""
        known = self.stack.weights()
        if len(weights) != len(known):
            raise ValueError(f"set_weights takes {len(known)} arrays for this model, got {len(weights)}")
        arrays = []
        for weight, value in zip(known, weights, strict=True):
            array = _arrays.as_numbers(value, weight.path)
            if array.shape != weight.shape:
                raise ValueError(
                    f"{weight.name} of layer {weight.layer!r} has shape {weight.shape}, "
                    f"got an array of shape {array.shape}"
                )
            arrays.append(np.array(_arrays.to_float(array, weight.path, self.backend.dtype)))
        plan = self._plan
        if self.stack.outer is not None:
            self.stack.outer.give_part(self.stack, arrays)
        elif plan is not None:
            _write(plan, arrays)
        else:
            self._values = self._by_layer(arrays)

    @_locked
    def hand_over(self) -> None:
        """Store the weights in the layers, before their model becomes a layer of another."""
        if self.stack.built:
            for layer, weights in zip(self.stack.layers, self._by_layer(self.get_weights()), strict=True):
                layer.set_own(weights)
        self.drop_plan()
        self._values = []

    @_locked
    def weights_of_part(self, part: Stack) -> list[np.ndarray]:
        """Copies of the weights of a nested model."""
        self.stack.shapes()
        return self.get_weights()[self._places(part.layers)]

    @_locked
    def give_part(self, part: Stack, weights: Sequence[np.ndarray]) -> None:
        """Set the weights of a nested model."""
        all_weights = self.get_weights()
        all_weights[self._places(part.layers)] = weights
        self.set_weights(all_weights)

    @_locked
    def weights_of(self, layer: Layer) -> list[np.ndarray]:
        """Copies of the weights of one layer."""
        self.stack.shapes()
        return self.get_weights()[self._places([layer])]

    @_locked
    def give(self, layer: Layer, weights: Sequence[np.ndarray]) -> None:
        """Set the weights of one layer."""
        self.stack.shapes()
        all_weights = self.get_weights()
        all_weights[self._places([layer])] = weights
        self.set_weights(all_weights)

    def _places(self, part: Sequence[Layer]) -> slice:
        """The slice of `get_weights` with the weights of consecutive layers."""
        layers = self.stack.layers
        first = layers.index(part[0])
        start = sum(len(other.weight_names) for other in layers[:first])
        return slice(start, start + sum(len(layer.weight_names) for layer in part))

    @_locked
    def state(self, in_plan: bool = False) -> EngineState:
        """The contents of the engine; its arrays are not to be written to.

        in_plan: arrays in a plan are not copied, they are `PlanArray`s for use under the model's lock.
        """
        plan = self._plan
        weights: list[Any] | None
        slots: list[list[Any]] | None
        if in_plan and plan is not None and self.stack.outer is None:
            weights, slots = self._arrays_in(plan)
        else:
            weights = self._weights() if self.stack.built else None
            slots = self._slots if plan is None else self._slots_of(plan)
        if self.stack.changed():  # a file only has the new `trainable`, which the slots do not fit
            slots = None
        return EngineState(self.seed, self.backend, self.compiled, weights, slots, self.precision)

    @_locked
    def restore(self, state: EngineState) -> None:
        """Take over the contents of `state`, whose arrays fit the stack's weights."""
        self.seed, self.backend, self.compiled = state.seed, state.backend, state.compiled
        self.precision = state.precision
        self._plan = self.flat_plan = self._metrics = None
        self._values = []
        if state.weights is not None and self.stack.outer is not None:
            self.stack.outer.give_part(self.stack, state.weights)
        elif state.weights is not None:
            self._values = self._by_layer(_cast(state.weights, state.backend))
        self._slots = state.slots and [_cast(slots, state.backend) for slots in state.slots]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy use plain arrays instead of the plan."""
        return restored, (self.stack, self.state())

    def _all_values(self) -> list[list[np.ndarray]]:
        """The weights of every layer while there is no plan; weights that are not set yet are drawn."""
        self.stack.shapes()
        for index in range(len(self._values), len(self.stack.layers)):
            rng = random.generator(self.seed, random.Purpose.WEIGHTS, index)
            drawn = self.stack.layers[index].initialize(rng)
            self._values.append(_cast(drawn, self.backend))
        return self._values

    def _by_layer(self, arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        taken = iter(self._shaped(arrays))
        return [[next(taken) for _ in layer.weights_spec()] for layer in self.stack.layers]

    def _shaped(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The parameters of a plan in the shapes that the layers define."""
        return [array.reshape(w.shape) for array, w in zip(arrays, self.stack.weights(), strict=True)]

    def _slots_of(self, plan: Plan) -> list[list[np.ndarray]] | None:
        if not plan.n_slots:
            return None
        weights = self.stack.weights()
        found = zip(plan.get_slots(), weights, strict=True)
        return [[slot.reshape(w.shape) for slot in slots] for slots, w in found]

    def _arrays_in(self, plan: Plan) -> tuple[list[PlanArray], list[list[PlanArray]] | None]:
        """The weights, and the slots of each if the optimizer has any."""
        dtype, shapes = self.backend.dtype, [w.shape for w in self.stack.weights()]
        weights = [PlanArray(plan, i, None, shape, dtype) for i, shape in enumerate(shapes)]
        if not plan.n_slots:
            return weights, None
        counts = [plan.n_slots if trainable else 0 for trainable in plan.parameter_trainable]
        slots = [[PlanArray(plan, i, s, shapes[i], dtype) for s in range(n)] for i, n in enumerate(counts)]
        return weights, slots

    # --------------------------------------------------------------------------------------------------- plan

    @_locked
    def plan_for(self, batch_size: int) -> Plan:
        """The plan, created again if it is too small for batches of `batch_size`."""
        plan, optimizer = self._plan, self.compiled.optimizer
        excluded = None if optimizer is None else optimizer.without_weight_decay
        if plan is not None and plan.batch_size >= batch_size and excluded == self._excluded:
            if self.stack.outer is not None:
                _write(plan, self._weights())
            return plan
        weights = self._weights()
        spec = self.compiled.loss_spec
        made = self._new_plan(
            self.stack.rows(optimizer=optimizer),
            max(batch_size, _MIN_BATCH_SIZE),
            loss=spec,
            metrics=[metric.spec() for metric in self.watched.in_core] if spec else [],
            optimizer=optimizer.spec() if optimizer is not None else None,
        )
        _write(made, weights)
        slots = self._slots if plan is None else self._slots_of(plan)
        if slots:
            shapes = made.parameter_shapes
            made.set_slots([[s.reshape(shape) for s in of] for of, shape in zip(slots, shapes, strict=True)])
        flat = all(len(shape) == 1 for shape in self.stack.shapes())
        self._plan, self.flat_plan = made, made if flat and self.stack.outer is None else None
        self._values, self._slots, self._excluded = [], None, excluded
        return made

    def _new_plan(self, rows: list[dict[str, Any]], batch_size: int, **specs: Any) -> Plan:
        """A new plan of these rows, with all weights zero."""
        n_inputs = math.prod(self.stack.shapes()[0])
        return self.backend.load().Plan(
            n_inputs, rows, batch_size=batch_size, seed=self.seed, precision=self.precision, **specs
        )

    @_locked
    def drop_plan(self) -> None:
        """Copy the weights and the optimizer's slots out of the plan and drop it."""
        plan = self._plan
        if plan is not None:
            self._values, self._slots = self._by_layer(plan.get_parameters()), self._slots_of(plan)
            if self.stack.outer is not None:
                self._values = []
            self._plan = self.flat_plan = None

    @_locked
    def release(self) -> None:
        """Make the plan release the arrays of the last `train` or `evaluate`."""
        plan = self._plan
        if plan is not None:
            plan.release()

    def _steps(self, plan: Plan) -> Plan | FunctionLossSteps:
        """The object that trains and evaluates: the plan, or its wrapper for a loss written in Python."""
        if self.compiled.loss_spec is not None:
            return plan
        loss = self.compiled.for_evaluation()
        metric, shape = self.backend.load().metric, self.stack.shapes()[1]
        return FunctionLossSteps(plan, loss, self.watched.in_core, metric, shape)

    # ---------------------------------------------------------------------------------------------- computing

    @_locked
    def train(
        self,
        arrays: Arrays,
        order: np.ndarray | None,
        start: int,
        n_steps: int,
        batch_size: int,
        epoch: int,
        budget: float,
        sums: np.ndarray | None = None,
        outputs: np.ndarray | None = None,
    ) -> Steps:
        """Make at most `n_steps` steps from index `start` of `order`, as many as fit in `budget` seconds.

        `sums` are those of the loss and the metrics in the epoch so far. The outputs of every row are written
        to `outputs`.
        """
        optimizer, _ = self.compiled.for_training()
        plan, step = self.plan_for(batch_size), optimizer.iterations
        rates = optimizer.learning_rates(step, n_steps, epoch)
        try:
            done, rows, loss_sum, metric_sums = self._steps(plan).train(
                *arrays, order, start, rates, batch_size, epoch, step, budget, sums, outputs=outputs
            )
        finally:
            self._update_outer(plan)
        optimizer.iterations = step + done
        return Steps(done, rows, loss_sum, metric_sums, rates)

    def _update_outer(self, plan: Plan) -> None:
        """Copy the weights of the plan to the outer model, if this one is a layer of another."""
        if self.stack.outer is not None:
            self.stack.outer.give_part(self.stack, self._shaped(plan.get_parameters()))

    @property
    def trains_epochs(self) -> bool:
        """Whether `train_epochs` is available: if the backend has it and the core has loss and metrics."""
        alone = self.compiled.loss_spec is not None and not self.watched.fed
        return alone and hasattr(self.backend.load().Plan, "train_epochs")

    @_locked
    def train_epochs(
        self,
        arrays: Arrays,
        held_out: Arrays | None,
        orders: np.ndarray,
        learning_rates: np.ndarray,
        batch_size: int,
        epoch: int,
        budget: float,
    ) -> tuple[int, int, np.ndarray, ValueError | None]:
        """Train epochs from `epoch` on, with their validation, as many as fit in `budget` seconds.

        Parameters
        ----------
        orders : ndarray (E, n) or (E, 0)
            The order of the rows in each epoch; (E, 0): as stored.
        learning_rates : ndarray (E, steps)

        Returns
        -------
        done : int
            Complete epochs.
        broken : int
            Steps done in an epoch that was aborted, by a loss that is not finite or by `error`; or -1.
        means : ndarray (done, 2, 1 + metrics)
            The loss and the metrics of training and of `held_out`.
        error : ValueError or None
            The error for a label that was out of range when it was read.
        """
        optimizer, _ = self.compiled.for_training()
        plan, step = cast(EpochsPlan, self.plan_for(batch_size)), optimizer.iterations
        try:
            done, broken, sums, error = plan.train_epochs(
                *arrays, held_out, orders, learning_rates, batch_size, epoch, step, budget
            )
        finally:
            self._update_outer(plan)
        optimizer.iterations = step + done * learning_rates.shape[1] + max(broken, 0)
        return done, broken, sums[:done, :, 1:] / np.maximum(sums[:done, :, :1], 1), error

    def evaluate(
        self,
        parts: Iterable[Arrays],
        tick: Callable[[int], Any],
        watch: Callable[..., Any] | None = None,
        batch_size: int | None = None,
    ) -> dict[str, Any]:
        """The loss (with penalties, as Keras reports it) and the metrics over parts (x, y, sample_weight).

        `watch` is called for each batch hook; batches then have `batch_size` rows, or a complete part.
        """
        means, batch = self.means(), 0
        try:
            for arrays in parts:
                means = self.current(means)
                cuts = batch_size is not None and (watch is not None or means.watched.by_batch)
                n = len(arrays.x)
                for start, stop in cut(n, batch_size) if cuts or watch else self.slices(n):
                    if watch is not None:
                        watch("on_test_batch_begin", batch, {})
                    arrays.check_memory()
                    outputs = means.outputs_array(stop - start, self.backend.dtype)
                    with self.stack.lock:
                        self.current(means)
                        steps = self._steps(self.plan_for(1))
                        means.add(*steps.evaluate(*arrays, start, stop, outputs))
                    means.feed(arrays, slice(start, stop), outputs, None)
                    tick(stop - start)
                    if watch is not None:
                        logs = means.logs()
                        watch("on_test_batch_end", batch, logs | {"loss": logs["loss"] + self._penalty()})
                    batch += 1
            if means.rows == 0:
                raise ValueError("there is nothing to evaluate: the data contain no batches")
            self.release()
            means.sums[0] += self._penalty() * means.rows
            return means.logs()
        finally:
            means.close()

    @_locked
    def _penalty(self) -> float:
        return self.plan_for(1).penalty()

    def predict(self, x: np.ndarray, tick: Callable[[int], Any]) -> np.ndarray:
        """The outputs (n, n_outputs) of rows x (n, n_inputs)."""
        outputs = None
        for start, stop in self.slices(len(x)):
            part = self.forward(x[start:stop])
            tick(stop - start)
            if len(part) == len(x):
                return part
            if outputs is None:
                outputs = np.empty((len(x), part.shape[1]), part.dtype)
            outputs[start:stop] = part
        return self.forward(x) if outputs is None else outputs

    @_locked
    def forward(self, x: np.ndarray) -> np.ndarray:
        """The outputs, as `predict`, in one call of the plan."""
        return self.plan_for(1).forward(x)

    @_locked
    def layer_output(self, x: np.ndarray, n_layers: int) -> np.ndarray:
        """The outputs of the first `n_layers` layers for rows x (n, n_inputs)."""
        plan = self._new_plan(self.stack.rows(n_layers), max(1, min(len(x), _MIN_BATCH_SIZE)))
        _write(plan, self.get_weights()[: len(self.stack.weights(n_layers))])
        return plan.forward(x)

    @_locked
    def gradients(self, arrays: Arrays, training: bool) -> list[np.ndarray]:
        """The gradient of the loss of one batch for every weight, penalties included."""
        optimizer, _ = self.compiled.for_training()
        plan = self.plan_for(len(arrays[0]))
        return self._shaped(self._steps(plan).gradients(*arrays, training, 0, optimizer.iterations)[1])

    def slice_rows(self) -> int:
        """Rows for about a gigaflop; a weight is used once for each position of its layer's output."""
        known = self._slice_rows
        if known is None:
            layers = self.stack.layers
            work = sum(layer.count_params() * math.prod((layer.output_shape or ())[:-1]) for layer in layers)
            size = 2 ** round(math.log2(5e8 / (work + 1000)))
            self._slice_rows = known = min(max(size, 256), 65536)
        return known

    def slices(self, n: int) -> Iterator[tuple[int, int]]:
        """(start, stop) of parts of n rows, about a gigaflop each; a function of the model and n only."""
        return cut(n, self.slice_rows())


def cut(n: int, size: int | None) -> Iterator[tuple[int, int]]:
    """(start, stop) of parts of `size` rows of n rows; None: all rows in one part."""
    for start in range(0, n, size or n or 1):
        yield start, min(start + (size or n), n)


def restored(stack: Stack, state: EngineState) -> Engine:
    """An engine of the stack with the contents of `state`."""
    engine = Engine(stack, state.seed)
    engine.restore(state)
    return engine


def _cast(arrays: Sequence[np.ndarray], backend: Backend) -> list[np.ndarray]:
    """The arrays in the dtype that the backend computes in."""
    return [array.astype(backend.dtype, copy=False) for array in arrays]


def _write(plan: Plan, weights: Sequence[np.ndarray]) -> None:
    """Set the weights of the plan, which may have more axes than its parameters."""
    plan.set_parameters([w.reshape(shape) for w, shape in zip(weights, plan.parameter_shapes, strict=True)])
