"""The layers of a model: their order, names and shapes; nothing of what is computed with them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from nnc._config import refusal
from nnc._locks import ModelLock
from nnc.layers import InputLayer, Layer
from nnc.layers.base import WeightStore

Shape: TypeAlias = tuple[int, ...]

_MAX_LAYERS = 4096

_owners: weakref.WeakKeyDictionary[Layer, weakref.ref[Stack]] = weakref.WeakKeyDictionary()


class Weight(NamedTuple):
    """A weight's place and shape; `trainable` says whether its gradient moves it."""

    layer: str
    name: str
    shape: Shape
    trainable: bool

    @property
    def path(self) -> str:
        """Its name in a model file and in messages."""
        return f"{self.layer}/{self.name}"


class Stack:
    """Layers one after the other, and the name of their model.

    Attributes
    ----------
    layers : list of Layer
        Without the `Input`.
    input : InputLayer or None
    input_shape : tuple of int or None
        Of one sample; None until it is known.
    lock : ModelLock
        Of the whole model: whoever changes it, or computes with it, has this lock.
    """

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise refusal("name", "a string", name, TypeError)
        self.name = name or "sequential"
        self.lock = ModelLock()
        self.layers: list[Layer] = []
        self.input: InputLayer | None = None
        self.input_shape: Shape | None = None
        self.store: weakref.ref[WeightStore] | None = None

    def keep_weights_in(self, store: WeightStore) -> None:
        """Tell the layers where their weights are."""
        self.store = weakref.ref(store)
        for layer in self.layers:
            layer._store = self.store

    def add(self, layer: Layer) -> None:
        """Put a layer behind the last one; see `Sequential.add`."""
        if not isinstance(layer, Layer):
            raise TypeError(f"add takes a layer of nnc.layers, got {layer!r}")
        if isinstance(layer, InputLayer):
            self._begin_with(layer)
            return
        names = {other.name for other in self.layers}
        self._check(layer, names)
        shape = self.output_shape if self.built else self.input_shape
        if shape is None and not self.layers:
            shape = layer.input_shape
        if shape is not None:
            _build(layer, shape, self.layers)
            self.input_shape = self.input_shape or shape
        if layer.name is None:
            layer.name = next(name for name in _names(layer.auto_name) if name not in names)
        layer.learns = layer.trainable
        self.layers.append(layer)
        _owners[layer], layer._store = weakref.ref(self), self.store

    def _begin_with(self, layer: InputLayer) -> None:
        if self.layers or self.input is not None:
            raise ValueError(
                f"an Input comes first and once, but the model has {self.layers or [self.input]}"
            )
        self.input, self.input_shape = layer, layer.shape
        layer.name = layer.name or "input"

    def _check(self, layer: Layer, names: set[str | None]) -> None:
        """Whether the layer is free and its name too."""
        if len(self.layers) == _MAX_LAYERS:
            raise ValueError(f"a model has at most {_MAX_LAYERS} layers")
        if layer in self.layers:
            raise ValueError(f"{layer} is in the model already; make a new layer")
        reference = _owners.get(layer)
        owner = reference() if reference is not None else None
        if owner is not None:
            raise ValueError(
                f"{layer} is in another model, {owner.name!r}. Weights belong to models: make a new layer, "
                "type(layer).from_config(layer.get_config()), and carry weights over with set_weights"
            )
        if layer.name in names:
            raise ValueError(f"the model has a layer named {layer.name!r} already; names must differ")

    def pop(self) -> Layer:
        """Take the last layer away and return it."""
        if not self.layers:
            raise ValueError("pop: the model has no layers")
        layer = self.layers.pop()
        if not self.layers and self.input is None:
            self.input_shape = None
        del _owners[layer]
        layer._store = None
        return layer

    def get(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name or place."""
        if (name is None) == (index is None):
            raise ValueError(f"get_layer takes name or index, got name={name!r}, index={index!r}")
        if index is not None:
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(str(other.name) for other in self.layers)
        raise ValueError(f"the model has no layer {name!r}; it has {known}")

    @property
    def built(self) -> bool:
        """Whether the shapes are known."""
        return bool(self.layers) and self.layers[-1].built

    @property
    def output_shape(self) -> Shape | None:
        """The shape of one output, None until it is known."""
        return self.layers[-1].output_shape if self.layers else None

    def build(self, shape: Shape | None) -> None:
        """Settle the shapes for samples of `shape`; None where the model has an `Input`."""
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
            self.input_shape, output = shape, shape
            for index, layer in enumerate(self.layers):
                output = _build(layer, output, self.layers[:index])

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
                "the model is not built: it has no weights before it knows its input's shape "
                "(an Input layer, build((None, ...)) or the first data)"
            )
        return self.input_shape, output

    def rows(self, n_layers: int | None = None) -> list[dict[str, Any]]:
        """The rows of a plan of all layers, or of the first `n_layers`."""
        return [row | _options(layer) for layer in self.layers[:n_layers] for row in layer.rows()]

    def weights(self, n_layers: int | None = None) -> list[Weight]:
        """Every weight of the layers, or of the first `n_layers`, in the order of a plan's parameters."""
        self.shapes()
        return [
            Weight(str(layer.name), name, shape, layer.learns and name not in layer.non_trainable)
            for layer in self.layers[:n_layers]
            for name, shape, _ in layer.weights_spec()
        ]

    def changed(self) -> list[Layer]:
        """The layers whose `trainable` was changed after the model was compiled."""
        return [layer for layer in self.layers if layer.learns != layer.trainable]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"store": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for layer in self.layers:
            _owners[layer] = weakref.ref(self)


def _options(layer: Layer) -> dict[str, Any]:
    """What every kind of row may say of its layer, where it is not the usual."""
    frozen = {} if layer.learns else {"trainable": False}
    return frozen if layer.seed is None else frozen | {"seed": layer.seed}


def _build(layer: Layer, shape: Shape, before: Sequence[Layer]) -> Shape:
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
