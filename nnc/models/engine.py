"""What a model computes with: its weights, the optimizer's memory, and the plan that works on them.

A plan is made when it is first needed, by the backend's module. It does not change: another loss, or a larger
batch than it has room for, makes a new one, which gets the old one's weights. While there is no plan, weights
and memory are plain arrays.
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
from nnc.models.stack import Stack
from nnc.models.watched import Means, Watched

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Room of a plan: rows that go through the network together when nobody asked for more.
_ROOM = 128


class EngineState:
    """Everything that an engine's results depend on, its layers apart.

    weights: None before the layers are built. slots: the optimizer's memory for each weight, an empty list
    where it is not trainable; None where there is none yet.
    """

    def __init__(
        self,
        seed: int,
        backend: Backend,
        compiled: Compiled,
        weights: list[np.ndarray] | None,
        slots: list[list[np.ndarray]] | None,
        precision: str = "float32",
    ) -> None:
        self.seed, self.backend, self.compiled, self.precision = seed, backend, compiled, precision
        self.weights, self.slots = weights, slots

    def uncompiled(self) -> EngineState:
        """The state without what belongs to training."""
        return EngineState(self.seed, self.backend, Compiled(), self.weights, None, self.precision)


class Steps(NamedTuple):
    """What a slice of training did, with the sums of the epoch so far; loss_sum is NaN where a loss was not
    finite, behind the `steps` done.
    """

    steps: int
    rows: int
    loss_sum: float
    metric_sums: np.ndarray  # (n_metrics,)
    learning_rates: np.ndarray


_P = ParamSpec("_P")
_R = TypeVar("_R")


def _locked(method: Callable[Concatenate[Engine, _P], _R]) -> Callable[Concatenate[Engine, _P], _R]:
    """A method that has the model's lock while it runs."""

    @wraps(method)
    def call(self: Engine, *args: _P.args, **keywords: _P.kwargs) -> _R:
        with self.stack.lock:
            return method(self, *args, **keywords)

    return call


class Engine:
    """Computes a model: `train`, `evaluate`, `predict`, `gradients`; its contents are `state`.

    It may be called by several threads at once: plans are made and used under the model's lock.

    Attributes
    ----------
    stack : Stack
        The layers; `drop_plan` before they change, `layers_changed` after.
    seed : int
        Of the first weights, the shuffles and dropout.
    backend : Backend
    precision : str
        Of the products: a name in `PRECISIONS`.
    compiled : Compiled
    flat_plan : Plan or None
        The present plan if samples and outputs have one axis, so that its arrays are the caller's.
    """

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack, self.seed = stack, seed
        self.backend, self.precision = BACKENDS["compiled"], PRECISIONS[0]
        self.compiled = Compiled()
        self.flat_plan: Plan | None = None
        self._plan: Plan | None = None
        self._values: list[list[np.ndarray]] = []  # weights of the first layers, while there is no plan
        self._slots: list[list[np.ndarray]] | None = None  # the optimizer's memory, while there is no plan
        self._metrics: Watched | None = None  # found by their names once the outputs are known
        self._unchecked = False  # compiled before it was built
        self._slice_rows: int | None = None  # a function of the layers, once they are built

    # ------------------------------------------------------------------------------------- what it is made of

    @_locked
    def compile(self, compiled: Compiled, backend: Backend, precision: str) -> None:
        """Compute with these from now on. An optimizer that was not there before starts afresh."""
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
        """Warn if `trainable` of a layer is not what `compile` saw, or no weight is left to train."""
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
        """Keep the weights of the layers that are left; the optimizer's memory is of other shapes now."""
        del self._values[len(self.stack.layers) :]
        self._metrics = self._slice_rows = None
        self._forget_optimizer(self.compiled)

    def _forget_optimizer(self, compiled: Compiled) -> None:
        self._slots = None
        if compiled.optimizer is not None:
            compiled.optimizer.iterations = 0

    @property
    def metrics(self) -> list[Metric]:
        """The metrics beside the loss; none before the model is compiled and built."""
        return self.watched.all

    @property
    def watched(self) -> Watched:
        """The same, with what computes them."""
        if self._metrics is None:
            if not self.stack.built:
                return Watched()
            self._metrics = self.compiled.metrics_for(self.stack.shapes()[1])
            if self._unchecked:
                self.compiled.check_outputs(self.stack.rows())
            self._unchecked = False
        return self._metrics

    @property
    def metrics_names(self) -> list[str]:
        """The keys of the logs: "loss" and the metrics."""
        return self.watched.names

    @_locked
    def means(self) -> Means:
        """New means of the loss and the metrics; to be closed."""
        return Means(self.watched)

    # ----------------------------------------------------------------------------------------------- contents

    @_locked
    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights in layer order; those not given yet are drawn."""
        if self._plan is None:
            return [weight.copy() for weight in self._weights()]
        return self._weights()

    def _weights(self) -> list[np.ndarray]:
        """All weights, not to be written to; those not given yet are drawn."""
        plan = self._plan
        if self.stack.outer is not None:
            return self.stack.outer.weights_of_part(self.stack)
        if plan is not None:
            return self._shaped(plan.get_parameters())
        return [weight for values in self._all_values() for weight in values]

    @_locked
    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Take weights as `get_weights` gives them."""
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
        """Leave the weights to the layers, before their model becomes a layer of another."""
        if self.stack.built:
            for layer, weights in zip(self.stack.layers, self._by_layer(self.get_weights()), strict=True):
                layer.set_own(weights)
        self.drop_plan()
        self._values = []

    @_locked
    def weights_of_part(self, part: Stack) -> list[np.ndarray]:
        """Copies of the weights of a model that is a layer."""
        self.stack.shapes()
        return self.get_weights()[self._places(part.layers)]

    @_locked
    def give_part(self, part: Stack, weights: Sequence[np.ndarray]) -> None:
        """Take weights for a model that is a layer."""
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
        """Take weights for one layer."""
        self.stack.shapes()
        all_weights = self.get_weights()
        all_weights[self._places([layer])] = weights
        self.set_weights(all_weights)

    def _places(self, part: Sequence[Layer]) -> slice:
        """Where the weights of layers that follow one another are in `get_weights`."""
        layers = self.stack.layers
        first = layers.index(part[0])
        start = sum(len(other.weight_names) for other in layers[:first])
        return slice(start, start + sum(len(layer.weight_names) for layer in part))

    @_locked
    def state(self) -> EngineState:
        """What the engine holds; its arrays are not to be written to."""
        plan = self._plan
        weights = self._weights() if self.stack.built else None
        slots = self._slots if plan is None else self._slots_of(plan)
        if self.stack.changed():  # who reads a file knows `trainable` alone, and no slots fit it
            slots = None
        return EngineState(self.seed, self.backend, self.compiled, weights, slots, self.precision)

    @_locked
    def restore(self, state: EngineState) -> None:
        """Hold what `state` says; its arrays are of the stack's weights."""
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
        """Pickle and copy take plain arrays in place of the plan."""
        return _restored, (self.stack, self.state())

    def _all_values(self) -> list[list[np.ndarray]]:
        """The weights of every layer while there is no plan; those not given yet are drawn now."""
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
        """A plan's parameters in the shapes that the layers give them."""
        return [array.reshape(w.shape) for array, w in zip(arrays, self.stack.weights(), strict=True)]

    def _slots_of(self, plan: Plan) -> list[list[np.ndarray]] | None:
        if not plan.n_slots:
            return None
        weights = self.stack.weights()
        found = zip(plan.get_slots(), weights, strict=True)
        return [[slot.reshape(w.shape) for slot in slots] for slots, w in found]

    # --------------------------------------------------------------------------------------------------- plan

    @_locked
    def plan_for(self, batch_size: int) -> Plan:
        """The plan, with room for batches of `batch_size`."""
        plan = self._plan
        if plan is not None and plan.batch_size >= batch_size:
            if self.stack.outer is not None:
                _write(plan, self._weights())
            return plan
        weights = self._weights()
        optimizer, spec = self.compiled.optimizer, self.compiled.loss_spec
        made = self._new_plan(
            self.stack.rows(),
            max(batch_size, _ROOM),
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
        self._values, self._slots = [], None
        return made

    def _new_plan(self, rows: list[dict[str, Any]], batch_size: int, **specs: Any) -> Plan:
        """A plan of these rows; its weights are zero."""
        n_inputs = math.prod(self.stack.shapes()[0])
        return self.backend.load().Plan(
            n_inputs, rows, batch_size=batch_size, seed=self.seed, precision=self.precision, **specs
        )

    @_locked
    def drop_plan(self) -> None:
        """Take weights and the optimizer's memory out of the plan."""
        plan = self._plan
        if plan is not None:
            self._values, self._slots = self._by_layer(plan.get_parameters()), self._slots_of(plan)
            if self.stack.outer is not None:
                self._values = []
            self._plan = self.flat_plan = None

    @_locked
    def release(self) -> None:
        """Let the plan forget the arrays of the last `train` or `evaluate`."""
        plan = self._plan
        if plan is not None:
            plan.release()

    def _steps(self, plan: Plan) -> Plan | FunctionLossSteps:
        """What trains and evaluates by the loss: the plan, or what calls a Python function beside it."""
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
        """At most `n_steps` steps from place `start` of `order`, as many as fit in `budget` seconds.

        `sums` are those of the epoch so far: the loss's and the metrics'. `outputs` gets those of every row.
        """
        optimizer, _ = self.compiled.for_training()
        plan, step = self.plan_for(batch_size), optimizer.iterations
        rates = optimizer.learning_rates(step, n_steps, epoch)
        try:
            done, rows, loss_sum, metric_sums = self._steps(plan).train(
                *arrays, order, start, rates, batch_size, epoch, step, budget, sums, outputs=outputs
            )
        finally:
            self._hand_out(plan)
        optimizer.iterations = step + done
        return Steps(done, rows, loss_sum, metric_sums, rates)

    def _hand_out(self, plan: Plan) -> None:
        """Give the weights that the plan has now to the model whose layer this one is."""
        if self.stack.outer is not None:
            self.stack.outer.give_part(self.stack, self._shaped(plan.get_parameters()))

    @property
    def trains_epochs(self) -> bool:
        """Whether `train_epochs` is there: with a loss and metrics of the core's, and a backend that can."""
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
        """Epochs from `epoch` on, with their validation, as many as fit in `budget` seconds.

        Parameters
        ----------
        orders : ndarray (E, n) or (E, 0)
            The rows' order in each epoch, or as they lie.
        learning_rates : ndarray (E, steps)

        Returns
        -------
        done : int
            Whole epochs.
        broken : int
            Steps of an epoch that broke off, at a loss that is not finite or for `error`; or -1.
        means : ndarray (done, 2, 1 + metrics)
            Of training and of `held_out`: the loss and the metrics.
        error : ValueError or None
            That a label was found out of range where it was read.
        """
        optimizer, _ = self.compiled.for_training()
        plan, step = cast(EpochsPlan, self.plan_for(batch_size)), optimizer.iterations
        try:
            done, broken, sums, error = plan.train_epochs(
                *arrays, held_out, orders, learning_rates, batch_size, epoch, step, budget
            )
        finally:
            self._hand_out(plan)
        optimizer.iterations = step + done * learning_rates.shape[1] + max(broken, 0)
        return done, broken, sums[:done, :, 1:] / np.maximum(sums[:done, :, :1], 1), error

    def evaluate(
        self,
        parts: Iterable[Arrays],
        tick: Callable[[int], Any],
        watch: Callable[..., Any] | None = None,
        batch_size: int | None = None,
    ) -> dict[str, float]:
        """The loss (with penalties, as Keras reports it) and the metrics over parts (x, y, sample_weight).

        `watch` is called with each hook for single batches, which then have `batch_size` rows, or a part.
        """
        means, batch = self.means(), 0
        cuts = batch_size is not None and (watch is not None or means.watched.by_batch)
        try:
            for arrays in parts:
                n = len(arrays.x)
                for start, stop in cut(n, batch_size) if cuts or watch else self.slices(n):
                    if watch is not None:
                        watch("on_test_batch_begin", batch, {})
                    outputs = means.room(stop - start, self.backend.dtype)
                    with self.stack.lock:
                        steps = self._steps(self.plan_for(1))
                        means.add(*steps.evaluate(*arrays, start, stop, outputs))
                    means.feed(arrays, slice(start, stop), outputs, None)
                    tick(stop - start)
                    if watch is not None:
                        logs = means.logs()
                        watch("on_test_batch_end", batch, logs | {"loss": logs["loss"] + self._penalty()})
                    batch += 1
            if means.rows == 0:
                raise ValueError("there is nothing to evaluate: no batches came")
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
        """The same in one call of the plan."""
        return self.plan_for(1).forward(x)

    @_locked
    def layer_output(self, x: np.ndarray, n_layers: int) -> np.ndarray:
        """The outputs of the first `n_layers` layers for rows x (n, n_inputs)."""
        plan = self._new_plan(self.stack.rows(n_layers), max(1, min(len(x), _ROOM)))
        _write(plan, self.get_weights()[: len(self.stack.weights(n_layers))])
        return plan.forward(x)

    @_locked
    def gradients(self, arrays: Arrays, training: bool) -> list[np.ndarray]:
        """The gradient of the loss of one batch for every weight, penalties included."""
        optimizer, _ = self.compiled.for_training()
        plan = self.plan_for(len(arrays[0]))
        return self._shaped(self._steps(plan).gradients(*arrays, training, 0, optimizer.iterations)[1])

    def slice_rows(self) -> int:
        """Rows of about a gigaflop; a weight is used once for each place of its layer's output."""
        known = self._slice_rows
        if known is None:
            layers = self.stack.layers
            work = sum(layer.count_params() * math.prod((layer.output_shape or ())[:-1]) for layer in layers)
            size = 2 ** round(math.log2(5e8 / (work + 1000)))
            self._slice_rows = known = min(max(size, 256), 65536)
        return known

    def slices(self, n: int) -> Iterator[tuple[int, int]]:
        """(start, stop) of parts of n rows, about a gigaflop each; a function of the model and n alone."""
        return cut(n, self.slice_rows())


def cut(n: int, size: int | None) -> Iterator[tuple[int, int]]:
    """(start, stop) of parts of `size` rows, None: all, of n rows."""
    for start in range(0, n, size or n or 1):
        yield start, min(start + (size or n), n)


def _restored(stack: Stack, state: EngineState) -> Engine:
    engine = Engine(stack, state.seed)
    engine.restore(state)
    return engine


def _cast(arrays: Sequence[np.ndarray], backend: Backend) -> list[np.ndarray]:
    """The arrays in the dtype that the backend computes in."""
    return [array.astype(backend.dtype, copy=False) for array in arrays]


def _write(plan: Plan, weights: Sequence[np.ndarray]) -> None:
    """Give the plan these weights, which may have more axes than it knows of."""
    plan.set_parameters([w.reshape(shape) for w, shape in zip(weights, plan.parameter_shapes, strict=True)])
