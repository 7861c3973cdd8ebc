"""The layers of a model: their order, names and shapes; no computation."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from nnc._config import optional_name, refusal
from nnc._locks import ModelLock
from nnc.layers import InputLayer, Layer
from nnc.layers.base import WeightStore
from nnc.optimizers import Optimizer

Shape: TypeAlias = tuple[int, ...]

_MAX_LAYERS = 4096


class Weight(NamedTuple):
    """The layer, name and shape of a weight; `trainable` tells whether its gradient updates it."""

    layer: str
    name: str
    shape: Shape
    trainable: bool

    @property
    def path(self) -> str:
        """Its name in a model file and in messages."""
        return f"{self.layer}/{self.name}"


class Store(WeightStore, Protocol):
    """The owner of the weights of a model, including those of nested models."""

    def weights_of_part(self, part: Stack) -> list[np.ndarray]: ...
    def give_part(self, part: Stack, weights: Sequence[np.ndarray]) -> None: ...


class Stack:
    """A sequence of layers, and the name of their model.

    A model may be a layer of another: its stack is then one of the `parts` of the outer stack, and its layers
    are included in the outer `layers`, the only ones used for computation.

    Attributes
    ----------
    parts : list of Layer or Stack
        What was added, without the `Input`.
    layers : list of Layer
        The same, with each nested model replaced by its layers.
    compiled_trainable : list of bool
        For each of `layers`: `trainable` at the time the model was last compiled, or the layer was added.
    input : InputLayer or None
    input_shape : tuple of int or None
        Of one sample; None until it is known.
    outer : Store or None
        The owner of the weights, if this is a part of another stack.
    model : object
        The model with these layers, if it exists already; see `Sequential.layers`.
    lock : ModelLock
        The lock of the model: it is held to change it or compute with it.
    """

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise refusal("name", "a string", name, TypeError)
        self.name = name or "sequential"
        self.lock = ModelLock()
        self.parts: list[Layer | Stack] = []
        self.layers: list[Layer] = []
        self.compiled_trainable: list[bool] = []
        self.input: InputLayer | None = None
        self.input_shape: Shape | None = None
        self.store: weakref.ref[Store] | None = None
        self.outer: Store | None = None
        self.model: Any = None

    def keep_weights_in(self, store: Store) -> None:
        """Set the owner of the layers' weights, unless it is an outer model."""
        self.store = weakref.ref(store)
        if self.outer is None:
            for layer in self.layers:
                layer._store = self.store
        for part in self.parts:
            if isinstance(part, Stack):
                part.outer = store

    def add(self, part: Layer | Stack) -> None:
        """Append a layer or another stack; see `Sequential.add`."""
        if isinstance(part, InputLayer):
            self._begin_with(part)
            return
        if not isinstance(part, Layer | Stack):
            raise TypeError(f"add takes a layer of nnc.layers or a Sequential, got {part!r}")
        self._check(part)
        shape = self.output_shape if self.built else self.input_shape
        if shape is None and not self.layers:
            shape = part.input_shape
        if shape is not None:
            _build(part, shape, self.layers)
            self.input_shape = self.input_shape or shape
        self._name(part)
        found = layers_of(part)
        for layer in found:
            layer._owner, layer._store = weakref.ref(self), self.store
        self.parts.append(part)
        self.layers += found
        self.compiled_trainable += [layer.trainable for layer in found]
        if isinstance(part, Stack):
            part.outer = None if self.store is None else self.store()

    def _name(self, part: Layer | Stack) -> None:
        """Give a part without a name one that no other part has."""
        names = {other.name for other in self.parts}
        if isinstance(part, Layer) and part.name is None:
            part.name = next(name for name in _names(part.auto_name) if name not in names)
        elif isinstance(part, Stack) and part.name in names:
            part.name = next(name for name in _names(part.name) if name not in names)

    def _begin_with(self, layer: InputLayer) -> None:
        if self.parts or self.input is not None:
            raise ValueError(
                f"an Input must come first and only once, but the model has {self.parts or [self.input]}"
            )
        self.input, self.input_shape = layer, layer.shape
        layer.name = layer.name or "input"

    def _check(self, part: Layer | Stack) -> None:
        """Raise a ValueError if a part cannot be added, or its name is already used."""
        found = layers_of(part)
        if self.outer is not None:
            raise ValueError(f"the model {self.name!r} is a layer of another: no layers can be added to it")
        if len(self.layers) + len(found) > _MAX_LAYERS:
            raise ValueError(f"a model has at most {_MAX_LAYERS} layers")
        if isinstance(part, Stack):
            _check_nested(part, self)
            return
        if part in self.layers:
            raise ValueError(f"{part} is already in the model; create a new layer")
        owner = part._owner() if part._owner is not None else None
        if owner is not None:
            raise ValueError(
                f"{part} is in another model, {owner.name!r}. Weights belong to models: create a new layer, "
                "type(layer).from_config(layer.get_config()), and copy the weights with set_weights"
            )
        if part.name in {other.name for other in self.parts}:
            raise ValueError(f"the model already has a layer named {part.name!r}; names must differ")

    def pop(self) -> Layer | Stack:
        """Remove the last layer or stack and return it."""
        if self.outer is not None:
            raise ValueError(f"pop: the model {self.name!r} is a layer of another")
        if not self.parts:
            raise ValueError("pop: the model has no layers")
        part = self.parts.pop()
        found = layers_of(part)
        kept = len(self.layers) - len(found)
        del self.layers[kept:], self.compiled_trainable[kept:]
        if not self.layers and self.input is None:
            self.input_shape = None
        for layer in found:
            if isinstance(part, Layer):
                layer._owner = layer._store = None
            else:
                layer._owner, layer._store = weakref.ref(part), part.store
        if isinstance(part, Stack):
            part.outer = None
        return part

    def get(self, name: str | None = None, index: int | None = None) -> Layer | Stack:
        """The layer or stack with that name or index."""
        if (name is None) == (index is None):
            raise ValueError(f"get_layer takes name or index, got name={name!r}, index={index!r}")
        if index is not None:
            return self.parts[index]
        for part in self.parts:
            if part.name == name:
                return part
        known = ", ".join(str(other.name) for other in self.parts)
        raise ValueError(f"the model has no layer {name!r}; it has {known}")

    def paths(self) -> list[str]:
        """For each of `layers`: its name, prefixed by those of the models around it: "encoder/dense"."""
        return [
            path
            for part in self.parts
            for path in (
                [str(part.name)]
                if isinstance(part, Layer)
                else [f"{part.name}/{path}" for path in part.paths()]
            )
        ]

    @property
    def built(self) -> bool:
        """Whether the shapes are known."""
        return bool(self.layers) and self.layers[-1].built and self.input_shape is not None

    @property
    def output_shape(self) -> Shape | None:
        """The shape of one output, None until it is known."""
        return self.layers[-1].output_shape if self.layers else None

    def build(self, shape: Shape | None) -> None:
        """Fix the shapes for samples of `shape`; None if the model has an `Input`."""
        with self.lock:
            self._build(shape)

    def _build(self, shape: Shape | None) -> None:
        shape = shape or self.input_shape
        if shape is None:
            raise ValueError("input_shape is missing, and the model has no Input")
        if not self.layers:
            raise ValueError("the model has no layers: add some first")
        if self.input_shape not in (None, shape):
            raise ValueError(f"the model takes samples of shape {self.input_shape}, got {shape}")
        if not self.built:
            if self.outer is not None:
                raise ValueError(
                    f"the model {self.name!r} is a layer of another that is not built yet: build that one"
                )
            self.build_behind([], shape)

    def build_behind(self, before: Sequence[Layer], shape: Shape) -> Shape:
        """Fix the shapes after the layers `before`, which are built, and return the output shape."""
        if self.input_shape not in (None, shape):
            raise ValueError(
                f"the model {self.name!r} takes samples of shape {self.input_shape}, but the layers before "
                f"it produce {shape}"
            )
        output, done = shape, [*before]
        for part in self.parts:
            output = _build(part, output, done)
            done += layers_of(part)
        self.input_shape = shape
        return output

    def shapes(self) -> tuple[Shape, Shape]:
        """The shapes of one sample and of one output.

        Raises
        ------
        ValueError
            If they are not known yet.
        """
        output = self.output_shape
        if self.input_shape is None or output is None:
            raise ValueError(
                "the model is not built: it has no weights until its input shape is known "
                "(from an Input layer, build((None, ...)) or the first data)"
            )
        return self.input_shape, output

    def rows(self, n_layers: int | None = None, optimizer: Optimizer | None = None) -> list[dict[str, Any]]:
        """The rows of a plan of all layers, or of the first `n_layers`; the optimizer excludes some weights
        from weight decay.

        Raises
        ------
        ValueError
            If the optimizer excludes a weight by a path that two layers have.
        """
        self._check_excluded(optimizer)
        pairs = zip(self.layers[:n_layers], self.compiled_trainable, strict=False)
        return [
            row | _options(layer, trainable) | _undecayed(layer, row, optimizer)
            for layer, trainable in pairs
            for row in layer.rows()
        ]

    def _check_excluded(self, optimizer: Optimizer | None) -> None:
        words = () if optimizer is None else optimizer.without_weight_decay
        for path in (word for word in words if "/" in word):
            name, _, weight = path.rpartition("/")
            same = [layer for layer in self.layers if layer.name == name and weight in layer.weight_names]
            if len(same) > 1:
                raise ValueError(
                    f"the optimizer excludes {path!r} from weight decay, but {len(same)} layers are named so"
                )

    def weights(self, n_layers: int | None = None) -> list[Weight]:
        """Every weight of the layers, or of the first `n_layers`, in the order of a plan's parameters."""
        self.shapes()
        found = zip(self.layers[:n_layers], self.paths(), self.compiled_trainable, strict=False)
        return [
            Weight(path, name, shape, trainable and name not in layer.non_trainable)
            for layer, path, trainable in found
            for name, shape, _ in layer.weights_spec()
        ]

    def changed(self) -> list[Layer]:
        """The layers whose `trainable` was changed after the model was compiled."""
        pairs = zip(self.layers, self.compiled_trainable, strict=True)
        return [layer for layer, trainable in pairs if trainable != layer.trainable]

    def take_changes(self) -> None:
        """Use the current `trainable` of the layers."""
        self.compiled_trainable = [layer.trainable for layer in self.layers]

    def snapshot(self) -> Stack:
        """A copy that later changes do not reach; it shares the arrays that are the first weights."""
        first = [layer._own for layer in self.layers if layer._own is not None]
        return copy.deepcopy(self, {id(arrays): arrays for arrays in first})

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"store": None, "outer": None, "model": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for layer in self.layers:
            layer._owner = weakref.ref(self)


def layers_of(part: Layer | Stack) -> list[Layer]:
    """The layer itself, or the layers of a stack."""
    return [part] if isinstance(part, Layer) else part.layers


def _check_nested(part: Stack, outer: Stack) -> None:
    """Raise a ValueError if a stack cannot be a part of another."""
    if part is outer:
        raise ValueError("a model cannot be a layer of itself")
    if part.outer is not None:
        raise ValueError(f"the model {part.name!r} is already a layer of a model: use a clone (clone_model)")
    if not part.layers:
        raise ValueError(f"the model {part.name!r} has no layers: add some first")
    optional_name(part.name)


def _options(layer: Layer, trainable: bool) -> dict[str, Any]:
    """The options that every kind of row has, if they are not the defaults."""
    frozen = {} if trainable else {"trainable": False}
    return frozen if layer.seed is None else frozen | {"seed": layer.seed}


def _undecayed(layer: Layer, row: Mapping[str, Any], optimizer: Optimizer | None) -> dict[str, Any]:
    """The settings that exclude weights in this row from weight decay."""
    if optimizer is None or not optimizer.without_weight_decay:
        return {}
    name = str(layer.name)
    names = [weight for weight in layer.weight_names if f"{weight}_l1" in row]
    return {f"{weight}_undecayed": True for weight in names if not optimizer.decays(name, weight)}


def _build(layer: Layer | Stack, shape: Shape, before: Sequence[Layer]) -> Shape:
    """Build a part after the layers `before`, which are built, and return its output shape."""
    if isinstance(layer, Stack):
        return layer.build_behind(before, shape)
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
