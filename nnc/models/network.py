"""What a model is made of: its layers, weights, loss and optimizer, and the plan that computes.

`Sequential` (nnc.models) adds what one does with it. A plan is made when it is first needed: compiled
(nnc._core) or in NumPy (nnc.reference). It does not change: another loss, or a larger batch than it has room
for, makes a new one, which gets the old one's weights.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nnc import _arrays, layers, losses, metrics, optimizers, random
from nnc.models import loops

if TYPE_CHECKING:
    from nnc.callbacks import History
    from nnc.callbacks.run import CallbackList

# Room of a plan: rows that go through the network together when nobody asked for more.
_BATCH_SIZE = 128
_MAX_LAYERS = 4096

_owners: weakref.WeakKeyDictionary[layers.Layer, weakref.ref[Network]] = weakref.WeakKeyDictionary()


class Network:
    """Layers one after the other, with weights, a loss and an optimizer; see `nnc.Sequential`."""

    def __init__(
        self,
        layers: Sequence[layers.Layer] | None = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        if trainable is not True:
            raise ValueError(
                f"trainable must be True (nnc trains every weight of a model), got {trainable!r}"
            )
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string, got {name!r}")
        if seed is not None and _arrays.check_count(seed, "seed", 0) >= 2**64:
            raise ValueError(f"seed must be below 2**64, got {seed!r}")
        self.name = name or "sequential"
        self.seed: int = random.next_seed() if seed is None else int(seed)
        self.layers: list[layers.Layer] = []
        self.input_shape: tuple[int, ...] | None = None
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.backend = "compiled"
        self.history: History | None = None
        self.stop_training = False
        self._input: layers.InputLayer | None = None
        self._values: list[list[np.ndarray]] = []  # weights of the first layers, while there is no plan
        self._slots: list[list[np.ndarray]] | None = None  # the optimizer's memory, while there is no plan
        self._plan: Any = None
        self._loss_spec: dict[str, Any] | None = None
        self._metric_names: list[Any] = []
        self._metrics: list[metrics.Metric] | None = None  # found by their names once the outputs are known
        self._epoch = 0  # epochs done, for a run that is continued
        self._callbacks: CallbackList | None = None  # those of the fit that is running
        self._callback_state: dict[str, dict[str, Any]] = {}
        for layer in layers or ():
            self.add(layer)

    # ------------------------------------------------------------------------------------------------- layers

    def add(self, layer: layers.Layer) -> None:
        """Put a layer behind the last one. Weights that are there stay; a compiled model stays compiled.

        Raises
        ------
        ValueError
            If the layer cannot follow, or its name or itself is in the model already.
        """
        if not isinstance(layer, layers.Layer):
            raise TypeError(f"add takes a layer of nnc.layers, got {layer!r}")
        if isinstance(layer, layers.InputLayer):
            if self.layers or self._input is not None:
                raise ValueError(
                    f"an Input comes first and once, but the model has {self.layers or [self._input]}"
                )
            self._input, self.input_shape = layer, layer.shape
            layer.name = layer.name or "input"
            return
        if len(self.layers) == _MAX_LAYERS:
            raise ValueError(f"a model has at most {_MAX_LAYERS} layers")
        if layer in self.layers:
            raise ValueError(f"{layer} is in the model already; make a new layer")
        owner = _owners.get(layer, lambda: None)()
        if owner is not None:
            raise ValueError(
                f"{layer} is in another model, {owner.name!r}. Weights belong to models: make a new layer, "
                "type(layer).from_config(layer.get_config()), and carry weights over with set_weights"
            )
        names = {other.name for other in self.layers}
        if layer.name in names:
            raise ValueError(f"the model has a layer named {layer.name!r} already; names must differ")
        shape = self.output_shape if self.built else self.input_shape
        if shape is None and not self.layers:
            shape = layer.input_shape
        if shape is not None:
            _build(layer, shape, self.layers)
            self.input_shape = self.input_shape or shape
        self._forget_optimizer()
        if layer.name is None:
            layer.name = next(n for n in _names(layer.auto_name) if n not in names)
        self.layers.append(layer)
        self._metrics = None
        _owners[layer] = weakref.ref(self)

    def pop(self, rebuild: bool = True) -> layers.Layer:
        """Take the last layer away and return it."""
        if not self.layers:
            raise ValueError("pop: the model has no layers")
        self._forget_optimizer()
        layer = self.layers.pop()
        del self._values[len(self.layers) :]
        self._metrics = None
        if not self.layers and self._input is None:
            self.input_shape = None
        del _owners[layer]
        return layer

    def get_layer(self, name: str | None = None, index: int | None = None) -> layers.Layer:
        """The layer of that name or place."""
        if (name is None) == (index is None):
            raise ValueError(f"get_layer takes name or index, got name={name!r}, index={index!r}")
        if index is not None:
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"the model has no layer {name!r}; it has {', '.join(other.name for other in self.layers)}"
        )

    @property
    def built(self) -> bool:
        """Whether the shapes are known."""
        return bool(self.layers) and self.layers[-1].built

    @property
    def output_shape(self) -> tuple[int, ...] | None:
        """The shape of one output, without the batch axis."""
        return self.layers[-1].output_shape if self.built else None

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Settle the shapes.

        Parameters
        ----------
        input_shape : tuple
            With the batch axis, as in Keras: (None, 784). None where the model has an `Input`.
        """
        if input_shape is not None:
            if len(input_shape) < 2:
                raise ValueError(
                    f"input_shape must begin with the batch axis, as (None, 784) does, got {input_shape!r}"
                )
            input_shape = tuple(input_shape[1:])
        elif self.input_shape is None:
            raise ValueError("input_shape is missing, and the model has no Input")
        self._build(input_shape or self.input_shape)

    def _build(self, shape: tuple[int, ...]) -> None:
        if not self.layers:
            raise ValueError("the model has no layers: add some first")
        if self.input_shape not in (None, shape):
            raise ValueError(f"the model takes samples of shape {self.input_shape}, got {shape}")
        if not self.built:
            self.input_shape, output = shape, shape
            for index, layer in enumerate(self.layers):
                output = _build(layer, output, self.layers[:index])

    # ------------------------------------------------------------------------------------------------ weights

    def _all_values(self) -> list[list[np.ndarray]]:
        """The weights of every layer while there is no plan; those not given yet are drawn now."""
        if not self.built:
            raise ValueError(
                "the model is not built: it has no weights before it knows its input's shape "
                "(an Input layer, build((None, ...)) or the first data)"
            )
        for index in range(len(self._values), len(self.layers)):
            drawn = self.layers[index].initialize(random.generator(self.seed, index))
            self._values.append([_as(self.backend, w) for w in drawn])
        return self._values

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights in layer order: kernel (I, O) and bias (O,) of a Dense, alpha of a PReLU, ...

        The docstring of each layer says which it has.
        """
        if self._plan is not None:
            return self._plan.get_parameters()
        return [w.copy() for values in self._all_values() for w in values]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Take weights as `get_weights` gives them.

        Raises
        ------
        ValueError
            If their number or a shape is another; the message names the layer.
        """
        slots = [(layer.name, *spec[:2]) for layer in self._built_layers() for spec in layer.weights_spec()]
        if len(weights) != len(slots):
            raise ValueError(f"set_weights takes {len(slots)} arrays for this model, got {len(weights)}")
        dtype = np.float32 if self.backend == "compiled" else np.float64
        arrays = []
        for (layer, name, shape), value in zip(slots, weights, strict=True):
            array = _arrays.as_numbers(value, f"{layer}/{name}")
            if array.shape != shape:
                raise ValueError(
                    f"{name} of layer {layer!r} has shape {shape}, got an array of shape {array.shape}"
                )
            array = _arrays.to_float32(array, f"{layer}/{name}") if dtype is np.float32 else array
            arrays.append(np.array(array, dtype))
        if self._plan is not None:
            self._plan.set_parameters(arrays)
        else:
            self._values = self._by_layer(arrays)

    def _by_layer(self, arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        taken = iter(arrays)
        return [[next(taken) for _ in layer.weights_spec()] for layer in self.layers]

    def _built_layers(self) -> list[layers.Layer]:
        if not self.built:
            self._all_values()
        return self.layers

    def count_params(self) -> int:
        """The number of weights."""
        return sum(layer.count_params() for layer in self._built_layers())

    # ------------------------------------------------------------------------------------------------- plans

    def compile(
        self,
        optimizer: str | optimizers.Optimizer | Mapping[str, Any] = "rmsprop",
        loss: str | losses.Loss | Callable[..., Any] | Mapping[str, Any] | None = None,
        loss_weights: None = None,
        metrics: Any = None,
        weighted_metrics: None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        *,
        backend: str = "compiled",
    ) -> None:
        """Say how to train. Weights stay; the optimizer starts afresh, unless it is the one that was there.

        Parameters
        ----------
        optimizer : str, Optimizer
            A name ("sgd", "adam", "adamw", "rmsprop") or an object of `nnc.optimizers`.
        loss : str, Loss or callable
            A name, an object of `nnc.losses`, or a function f(y_true, y_pred) -> (value, gradient).
        metrics : list of str or Metric, optional
            Such as ["accuracy"]; they do not see sample weights.
        loss_weights, weighted_metrics : None
            nnc has neither.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
            Taken for the sake of scripts written for Keras; nnc has nothing to choose here.
        backend : {"compiled", "reference"}
            The C core in float32, or NumPy in float64.
        """
        if loss_weights is not None or weighted_metrics is not None:
            raise ValueError("nnc has no loss_weights and no weighted_metrics; use sample_weight in fit")
        if backend not in ("compiled", "reference"):
            raise ValueError(f"backend must be 'compiled' or 'reference', got {backend!r}")
        optimizer = optimizers.get(optimizer)
        loss = None if loss is None else losses.get(loss)
        names = [] if metrics is None else list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]
        found = self._find_metrics(loss, names)
        self._drop_plan()
        self.loss, self._loss_spec = loss, loss.spec() if loss is not None else None
        self._metric_names, self._metrics = names, found
        if optimizer is not self.optimizer:
            self._slots, optimizer.iterations = None, 0
        if backend != self.backend:
            self.backend = backend
            self._values = [[_as(backend, w) for w in values] for values in self._values]
            self._slots = self._slots and [[_as(backend, s) for s in slots] for slots in self._slots]
        self.optimizer = optimizer

    def _find_metrics(self, loss: losses.Loss | None, names: list[Any]) -> list[metrics.Metric] | None:
        """The metrics of these names, if they and the loss fit the outputs; None while those are unknown."""
        if loss is None or not self.built:
            return None
        shape = self.output_shape
        found = [metrics.get(name, loss=loss, n_outputs=math.prod(shape)) for name in names]
        keys = ["loss", *(m.name for m in found)]
        if len(set(keys)) < len(keys):
            raise ValueError(f"metrics must have names that differ, got {keys[1:]}")
        for rule in (loss.rule, *(m.rule for m in found)):
            if rule in _arrays.ONE_DISTRIBUTION and len(shape) > 1:
                raise ValueError(f"{rule} needs outputs of one axis, got {shape}: end with a Flatten layer")
        return found

    @property
    def metrics(self) -> list[metrics.Metric]:
        """The metrics beside the loss; none before the model is compiled and built."""
        if self._metrics is None:
            self._metrics = self._find_metrics(self.loss, self._metric_names)
        return self._metrics or []

    @property
    def metrics_names(self) -> list[str]:
        """The keys of the logs: "loss" and the metrics."""
        return ["loss", *(m.name for m in self.metrics)]

    def _plan_for(self, batch_size: int) -> Any:
        """The plan, with room for batches of `batch_size`."""
        plan = self._plan
        if plan is not None and plan.batch_size >= batch_size:
            return plan
        values = self.get_weights()
        slots = self._slots if plan is None else _slots_of(plan)
        plan = self._new_plan(self._loss_spec, max(batch_size, _BATCH_SIZE))
        plan.set_parameters(values)
        if slots:
            plan.set_slots(slots)
        self._plan, self._values, self._slots = plan, [], None
        self._flat = len(self.input_shape) == len(self.output_shape) == 1
        return plan

    def _new_plan(self, loss: dict[str, Any] | None, batch_size: int) -> Any:
        """A plan of these layers; its weights are zero."""
        return loops.backend(self.backend).Plan(
            math.prod(self.input_shape),
            [row for layer in self.layers for row in layer.rows()],
            loss=loss,
            metrics=[m.spec() for m in self.metrics] if loss else [],
            optimizer=self.optimizer.spec() if self.optimizer else None,
            batch_size=batch_size,
            seed=self.seed,
        )

    def layer_output(self, x: ArrayLike, layer: layers.Layer | str | int) -> np.ndarray:
        """What one of the layers gives for x, in inference mode.

        Parameters
        ----------
        x : array-like (n, *input_shape)
        layer : Layer, str or int
            The layer, its name or its place in `layers`.

        Returns
        -------
        ndarray (n, *layer.output_shape)
            After the layer's activation.

        Examples
        --------
        >>> import nnc
        >>> hidden = nnc.layers.Dense(2, "relu", kernel_initializer="ones")
        >>> model = nnc.Sequential([nnc.Input((3,)), hidden, nnc.layers.Dense(1)])
        >>> model.layer_output([[1.0, 2.0, 3.0]], hidden).tolist()
        [[6.0, 6.0]]
        """
        if isinstance(layer, str):
            layer = self.get_layer(layer)
        elif isinstance(layer, int):
            layer = self.get_layer(index=layer)
        elif layer not in self.layers:
            raise ValueError(f"layer must be one of the model, its name or its place, got {layer!r}")
        rows = self._features(x)
        first = self.layers[: self.layers.index(layer) + 1]
        plan = loops.backend(self.backend).Plan(
            math.prod(self.input_shape),
            [row for part in first for row in part.rows()],
            batch_size=max(1, min(len(rows), _BATCH_SIZE)),
        )
        plan.set_parameters(self.get_weights()[: sum(len(part.weights_spec()) for part in first)])
        return plan.forward(rows).reshape(len(rows), *layer.output_shape)

    def _drop_plan(self) -> None:
        """Take weights and the optimizer's memory out of the plan."""
        if self._plan is not None:
            plan, self._plan = self._plan, None
            self._values, self._slots = self._by_layer(plan.get_parameters()), _slots_of(plan)

    def _forget_optimizer(self) -> None:
        """Start the optimizer afresh: what it remembers is of other shapes now."""
        self._drop_plan()
        self._slots = None
        if self.optimizer is not None:
            self.optimizer.iterations = 0

    def _optimizer_slots(self) -> list[list[np.ndarray]] | None:
        """Copies of the optimizer's memory, None where it has none yet."""
        return self._slots if self._plan is None else _slots_of(self._plan)

    def __getstate__(self) -> dict[str, Any]:
        """What pickle and copy take: everything but the plan, whose contents become plain arrays."""
        state = self.__dict__ | {"_callbacks": None, "_plan": None}
        if self._plan is not None:
            state |= {"_values": self._by_layer(self.get_weights()), "_slots": self._optimizer_slots()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for layer in self.layers:
            _owners[layer] = weakref.ref(self)

    # ------------------------------------------------------------------------------------------------- inputs

    def _features(self, x: Any, name: str = "x") -> np.ndarray:
        """x as rows (n, n_inputs); an unbuilt model is built for it."""
        if not self.built:
            x = _arrays.as_numbers(x, name)
            self._build(self.input_shape or (x.shape[1:] if x.ndim > 1 else (1,)))
        return _arrays.features(x, name, self.input_shape)

    def _arrays(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Any = None,
        names: tuple[str, str] = ("x", "y"),
    ) -> _arrays.Arrays:
        """(x, y, sample_weight) as a plan takes them."""
        if self.loss is None:
            raise ValueError("the model has no loss: compile(optimizer, loss=...) first")
        x = self._features(x, names[0])
        if self._loss_spec:
            y = _arrays.targets(y, names[1], self.loss.rule, self.loss.targets, self.output_shape)
        else:
            y = _arrays.as_numbers(y, names[1])
        weights = _arrays.sample_weights(sample_weight)
        _arrays.same_rows(**{names[0]: x, names[1]: y, "sample_weight": weights})
        by_class = _arrays.class_weights(class_weight, y, math.prod(self.output_shape))
        return x, y, _arrays.product(weights, by_class)

    def _batches(
        self, source: Iterable[Any], name: str = "x", class_weight: Any = None
    ) -> Iterator[_arrays.Arrays]:
        for batch in source:
            yield self._arrays(*_arrays.unpack(batch, name), class_weight)


def _build(layer: layers.Layer, shape: tuple[int, ...], before: Sequence[layers.Layer]) -> tuple[int, ...]:
    """Build `layer` behind the layers `before`, which are built, and return its output's shape."""
    if layer.stops_gradient:
        first = next((other for other in before if other.weight_names), None)
        if first is not None:
            raise ValueError(
                f"{layer} must come before every layer with weights, since no gradient flows through it, but "
                f"{first} comes earlier"
            )
    return layer.build(shape)


def _names(stem: str) -> Iterator[str]:
    """dense, dense_1, dense_2, ..."""
    yield stem
    for number in count(1):
        yield f"{stem}_{number}"


def _as(backend: str, array: np.ndarray) -> np.ndarray:
    """`array` in the dtype the backend computes in."""
    return array.astype(np.float32 if backend == "compiled" else np.float64, copy=False)


def _slots_of(plan: Any) -> list[list[np.ndarray]] | None:
    return plan.get_slots() if plan.n_slots else None
