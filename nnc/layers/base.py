"""The base class Layer, and the parts of a row that several kinds of layers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypedDict

import numpy as np

from nnc import _config, activations, constraints, initializers, random, regularizers
from nnc._arrays import as_numbers, to_float
from nnc.layers.variable import Variable

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import ArrayLike, NDArray

Shape = tuple[int, ...]
Weight = tuple[str, Shape, initializers.Initializer]  # name in the layer, shape, initial values


class WeightStore(Protocol):
    """Holds the weights of a model's layers."""

    def weights_of(self, layer: Layer) -> list[NDArray[Any]]: ...
    def give(self, layer: Layer, weights: Sequence[NDArray[Any]]) -> None: ...


# Keyword arguments of Keras's layers that nnc does not have: the values that change nothing, and the advice.
_ABSENT: dict[str, tuple[tuple[Any, ...], str]] = {
    "activity_regularizer": (
        (None,),
        "None (penalties are on weights: kernel_regularizer, bias_regularizer)",
    ),
    "dtype": ((None, "float32"), "None or 'float32' (nnc computes in float32)"),
    "data_format": ((None, "channels_last"), "None or 'channels_last' (move the axis of x)"),
    "renorm": ((False,), "False (nnc normalizes by the batch's own statistics)"),
    "rms_scaling": ((False,), "False (nnc normalizes by mean and variance)"),
    "synchronized": ((False,), "False (nnc trains in one process)"),
}


class LayerOptions(TypedDict, total=False):
    """The keyword arguments that every layer takes; they are described in `Layer`."""

    input_shape: Sequence[int] | None
    input_dim: int | None
    trainable: bool
    activity_regularizer: None
    dtype: str | None
    renorm: bool
    rms_scaling: bool
    synchronized: bool


class Layer(_config.Config):
    """Base class of the layers: a name, shapes, weights and the rows of a plan.

    Parameters
    ----------
    name : str, optional
        Unique in a model, which names layers without one after `auto_name`: dense, dense_1, ...
    input_shape : tuple of int, optional
        For a model's first layer, in place of an `Input`: the shape of one sample.
    input_dim : int, optional
        ``input_shape=(input_dim,)``.
    trainable : bool
        Whether training updates the weights. The weights of a frozen layer do not change and have no penalty,
        and a frozen BatchNormalization normalizes by its moving statistics.
    **absent
        Arguments of Keras that nnc does not support (activity_regularizer, dtype, ...): accepted with Keras's
        default, rejected with any other value.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid, or is one of Keras's that nnc does not support.

    Attributes
    ----------
    input_shape, output_shape : tuple of int or None
        Shapes of one sample. Until the layer is built, output_shape is None and input_shape is the
        constructor's argument.
    trainable : bool
        Can be set; takes effect at the next `Sequential.compile`.
    non_trainable : tuple of str
        Class attribute: the names of the weights that are not updated by gradients, such as moving averages;
        see `trainable_flags`.
    seed : int or None
        Seed of the layer's own random numbers; None: they are derived from the model's seed.
    elementwise : bool
        Class attribute: whether the layer applies one function to each value.
    optional_weights : tuple of str
        Class attribute: the names of weights that arguments can exclude; as attributes they are then None.
    stops_gradient : bool
        Class attribute: whether the layer passes no gradient back; no layer with weights may then come before
        it.

    Examples
    --------
    >>> from nnc import layers
    >>> hidden = layers.Dense(30, "relu", name="hidden")
    >>> hidden.build((784,))
    (30,)
    >>> hidden.name, hidden.output_shape, hidden.weight_names
    ('hidden', (30,), ['kernel', 'bias'])
    """

    kind = "layer"
    saved = False
    auto_name = "layer"
    non_trainable: tuple[str, ...] = ()
    stops_gradient = False
    elementwise = False
    optional_weights: tuple[str, ...] = ()
    seed: int | None = None
    added: ClassVar[Mapping[str, object]] = {"trainable": True}

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "call" in vars(cls):
            raise TypeError(
                f"{cls.__name__} has a method call, which nnc would not call: layers run in its C core. "
                "Transform the data beforehand, or train with gradients and set_weights"
            )
        cls.auto_name = cls.identifier

    def __init__(
        self,
        name: str | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        trainable: bool = True,
        **absent: Any,
    ) -> None:
        for argument, value in absent.items():
            if argument not in _ABSENT:
                meant = _config.did_you_mean(argument, (self.keywords() | _ABSENT.keys()) - {"self"})
                raise TypeError(f"{type(self).__name__} has no argument {argument!r}{meant}")
            same, must = _ABSENT[argument]
            if not any(value is known or (isinstance(known, str) and value == known) for known in same):
                raise _config.refusal(argument, must, value)
        if input_shape is not None and input_dim is not None:
            raise _config.refusal("input_dim", "None when input_shape is given", input_dim)
        if input_dim is not None:
            input_shape = (_config.integer("input_dim", input_dim, 1, _config.MAX_FEATURES),)
        self.name = _config.optional_name(name)
        self.trainable = _config.boolean("trainable", trainable)
        self.input_shape = None if input_shape is None else _config.shape("input_shape", input_shape)
        self.output_shape: Shape | None = None
        self._store: Callable[[], WeightStore | None] | None = None  # a weak reference
        self._owner: Callable[[], Any] | None = None  # a weak reference to the stack with this layer
        self._own: list[NDArray[np.float32]] | None = None

    @property
    def trainable(self) -> bool:
        """Whether training updates the weights; a change takes effect at the next `Sequential.compile`."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = _config.boolean("trainable", value)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_made" in self.__dict__ and not name.startswith("_"):
            if name in (self.arguments().keys() | self.added.keys()) - {"name", "trainable"}:
                self._set_argument(name, value)
                return
            if self.built and name in self.weight_names:
                raise AttributeError(f"{name} of {self} is a weight: use layer.{name}.assign(value)")
        super().__setattr__(name, value)

    def _set_argument(self, name: str, value: Any) -> None:
        """Change an argument, checked by the constructor, while the layer is not built."""
        if self.built:
            raise AttributeError(
                f"{name} of {self} cannot be changed after the layer is built: make a new layer, "
                f"{type(self).__name__}({name}=...), and copy the weights to it with set_weights"
            )
        added = self._given_added().keys()
        given = {each: self._argument(each) for each in (*self.arguments(), *added)} | {name: value}
        other = type(self)(**given, input_shape=self.input_shape)
        for attribute, known in vars(other).items():
            object.__setattr__(self, attribute, known)

    @property
    def built(self) -> bool:
        """Whether the layer's shapes are known."""
        return self.output_shape is not None

    def build(self, input_shape: Sequence[int]) -> Shape:
        """Fix `input_shape` as the shape of one sample and return `output_shape`.

        Parameters
        ----------
        input_shape : tuple of int
            Of one sample, without the batch axis.

        Returns
        -------
        tuple of int

        Raises
        ------
        ValueError
            If the layer cannot take that shape or already has a different one.

        Examples
        --------
        >>> from nnc import layers
        >>> layers.Conv2D(8, 3).build((28, 28, 1))
        (26, 26, 8)
        """
        input_shape = _config.shape("input_shape", input_shape)
        if self.input_shape is not None and input_shape != self.input_shape:
            given = f"input_shape is already {self.input_shape}, got {input_shape}"
            raise ValueError(f"{self}: {given}; make a new layer for another shape")
        output_shape = _config.shape("output_shape", self.sample_output_shape(input_shape))
        known = self.input_shape, self.output_shape
        self.input_shape, self.output_shape = input_shape, output_shape
        try:
            self._rules()
        except ValueError:
            vars(self).update(input_shape=known[0], output_shape=known[1])
            raise
        return output_shape

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        """The output shape for an input shape, both without the batch axis; by default the same.

        Parameters
        ----------
        input_shape : tuple of int

        Returns
        -------
        tuple of int

        Examples
        --------
        >>> from nnc import layers
        >>> layers.Flatten().sample_output_shape((28, 28))
        (784,)
        """
        return input_shape

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The output shape for an input shape, both with the batch axis, as in Keras, such as (None, 784).

        Parameters
        ----------
        input_shape : tuple of int or None

        Returns
        -------
        tuple of int or None

        Examples
        --------
        >>> from nnc import layers
        >>> layers.Dense(3).compute_output_shape((None, 784))
        (None, 3)
        """
        first, *rest = input_shape
        if self.elementwise and not rest:
            return (first,)
        return (first, *self.sample_output_shape(_config.shape("input_shape[1:]", rest)))

    # --------------------------------------------------------------------------------------------- weights

    def get_weights(self) -> list[NDArray[Any]]:
        """Copies of the layer's weights, in the order of `weight_names`, from its model if it is in one.

        A layer that is not in a model draws its initial weights when they are first requested; a model that
        it is later added to takes them over.

        Returns
        -------
        list of ndarray

        Examples
        --------
        >>> from nnc import layers
        >>> layer = layers.Dense(2, kernel_initializer="ones")
        >>> layer.build((1,))
        (2,)
        >>> layer.get_weights()
        [array([[1., 1.]], dtype=float32), array([0., 0.], dtype=float32)]
        """
        store = self._model()
        if store is not None:
            return store.weights_of(self)
        if self._own is None:
            self._own = self.initialize(random.generator(random.next_seed(), random.Purpose.WEIGHTS))
        return [w.copy() for w in self._own]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set the weights, in the order in which `get_weights` returns them.

        Parameters
        ----------
        weights : list of array-like

        Raises
        ------
        ValueError
            If their number or a shape does not match.

        Examples
        --------
        >>> import numpy as np
        >>> from nnc import layers
        >>> layer = layers.Dense(1)
        >>> layer.build((2,))
        (1,)
        >>> layer.set_weights([np.array([[1.0], [2.0]]), np.array([3.0])])
        >>> layer([[1.0, 1.0]])
        array([[6.]], dtype=float32)
        """
        known = self._weights()
        arrays = [as_numbers(w, f"weights[{i}]") for i, w in enumerate(weights)]
        shapes = [shape for _, shape, _ in known]
        if [a.shape for a in arrays] != shapes:
            raise ValueError(f"set_weights of {self} takes {shapes}, got {[a.shape for a in arrays]}")
        store = self._model()
        if store is not None:
            store.give(self, arrays)
        else:
            self._own = [np.array(to_float(a, "weights")) for a in arrays]

    def set_own(self, weights: Sequence[NDArray[Any]]) -> None:
        """Keep these as the initial weights in the next model.

        Parameters
        ----------
        weights : list of ndarray

        Examples
        --------
        >>> import nnc
        >>> import numpy as np
        >>> layer = nnc.layers.Dense(2)
        >>> layer.build((1,))
        (2,)
        >>> layer.set_own([np.ones((1, 2)), np.zeros(2)])
        >>> nnc.Sequential([nnc.Input((1,)), layer]).get_weights()[0].tolist()
        [[1.0, 1.0]]
        """
        self._own = [np.array(w, np.float32) for w in weights]

    def _model(self) -> WeightStore | None:
        if self._store is None:
            return None
        store = self._store()
        if store is None:
            raise RuntimeError(
                f"the model of {self} has been deleted, and the weights with it: keep a reference to it"
            )
        return store

    @property
    def weights(self) -> list[Variable]:
        """All weights."""
        return [Variable(self, i) for i in range(len(self.weight_names))]

    variables = weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training updates by their gradient."""
        return [w for w in self.weights if w.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other weights: moving averages, and all weights of a frozen layer."""
        return [w for w in self.weights if not w.trainable]

    non_trainable_variables = non_trainable_weights

    def __call__(self, inputs: ArrayLike, training: bool = False) -> NDArray[np.float32]:
        """The layer's outputs for an array (n, ...), in inference mode; builds the layer if it is not built.

        Samples may have another shape than the layer is built for if the weights are the same for it, such as
        larger images for a convolution; an elementwise layer also takes arrays of one axis.

        Examples
        --------
        >>> from nnc import layers
        >>> layers.Dense(2, kernel_initializer="ones")([[1.0, 2.0]])
        array([[3., 3.]], dtype=float32)
        """
        if training:
            raise _config.refusal("training", "False: layers are trained by the fit of a model", training)
        x = as_numbers(inputs, "inputs")
        if self.elementwise and x.ndim < 2:
            return self._unbuilt()(x.reshape(-1, 1)).reshape(x.shape)
        if not self.built:
            self.build(x.shape[1:])
        shape, output_shape = self._shapes()
        if x.shape[1:] != shape:
            other = self._unbuilt()
            other.build(x.shape[1:])
            mine, theirs = ([spec[1] for spec in layer.weights_spec()] for layer in (self, other))
            if mine == theirs:
                other.set_own(self.get_weights())
                return other(x)
            known = ", ".join(map(str, shape))
            raise ValueError(f"{self} takes inputs of shape (n, {known}), got {x.shape}")
        rows = self.rows()
        if not rows:
            return np.array(to_float(x, "inputs")).reshape(len(x), *output_shape)
        from nnc import _core

        plan = _core.Plan(math.prod(shape), rows, batch_size=max(1, len(x)))
        shapes = plan.parameter_shapes
        plan.set_parameters([w.reshape(s) for w, s in zip(self.get_weights(), shapes, strict=True)])
        flat = np.ascontiguousarray(to_float(x, "inputs").reshape(len(x), math.prod(shape)))
        return plan.forward(flat).reshape(len(x), *output_shape)

    def _unbuilt(self) -> Self:
        """A layer with the same arguments that is not built."""
        return type(self).from_config(self.get_config())

    def _repr_html_(self) -> str:
        """HTML for notebooks: the repr, shapes and weights."""
        from nnc import _html

        parts = [_html.line(repr(self))]
        if self.built:
            before, after = ((None, *shape) for shape in self._shapes())
            shapes = f"{before} to {after}, {self.count_params():,} weights"
            flags = ("trained" if flag else "not trained" for flag in self.trainable_flags)
            rows = [(n, str(s), flag) for (n, s, _), flag in zip(self._weights(), flags, strict=True)]
            parts += [_html.line(shapes, "note"), _html.table(("weight", "shape", ""), rows) if rows else ""]
        else:
            parts.append(_html.line("not built yet: its input shape is set by the layer before it", "note"))
        return _html.block(*parts)

    def __getattr__(self, name: str) -> Any:
        if name[0] != "_" and "output_shape" in self.__dict__ and self.built:
            if name in self.weight_names:
                return Variable(self, self.weight_names.index(name))
            if name in self.optional_weights:
                return None
        known = [] if name[0] == "_" else [each for each in dir(type(self)) if each[0] != "_"]
        raise AttributeError(
            f"{type(self).__name__} has no attribute {name!r}{_config.did_you_mean(name, known)}"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Without the references to its model: a copy does not share weights with the original."""
        return self.__dict__ | {"_store": None, "_owner": None}

    # ----------------------------------------------------------------------------------------------- shapes

    def weights_spec(self) -> list[Weight]:
        """(name, shape, initializer) of each weight, in the order of a plan's parameters; by default none.

        Returns
        -------
        list of (str, tuple of int, Initializer)

        Examples
        --------
        >>> from nnc import layers
        >>> layer = layers.Dense(2)
        >>> layer.build((3,))
        (2,)
        >>> [(name, shape) for name, shape, initializer in layer.weights_spec()]
        [('kernel', (3, 2)), ('bias', (2,))]
        """
        return []

    def rows(self) -> list[dict[str, Any]]:
        """The layer's rows in a plan; none by default, as for layers that only reshape: a plan's samples are
        flat.

        Returns
        -------
        list of dict

        Examples
        --------
        >>> from nnc import layers
        >>> layer = layers.Dropout(0.5)
        >>> layer.build((3,))
        (3,)
        >>> layer.rows()
        [{'kind': 'dropout', 'rate': 0.5}]
        """
        return []

    def _rules(self) -> dict[str, float]:
        """The penalties (0 if there is none) and constraints of the weights, as fields of a row."""
        fields: dict[str, float] = {}
        for weight, shape, _ in self.weights_spec():
            if weight in self.non_trainable:
                continue
            penalty = getattr(self, f"{weight}_regularizer", None) or regularizers.L1L2()
            fields |= {f"{weight}_l1": penalty.l1, f"{weight}_l2": penalty.l2}
            constraint: constraints.Constraint | None = getattr(self, f"{weight}_constraint", None)
            if constraint is None:
                continue
            try:
                fields |= {f"{weight}_{name}": value for name, value in constraint.fields(shape).items()}
            except ValueError as error:
                raise ValueError(f"{weight}_constraint of {self}: {error}") from error
        return fields

    @property
    def weight_names(self) -> list[str]:
        """The names of the weights."""
        return [name for name, _, _ in self._weights()]

    @property
    def trainable_flags(self) -> list[bool]:
        """Whether training updates each weight by its gradient, in the order of `weight_names`."""
        return [self.trainable and name not in self.non_trainable for name in self.weight_names]

    def initialize(self, rng: Generator) -> list[NDArray[np.float32]]:
        """Initial values of the weights: those that were set, or else drawn from `rng` in order.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        list of ndarray, float32

        Examples
        --------
        >>> import numpy as np
        >>> from nnc import layers
        >>> layer = layers.Dense(2, kernel_initializer="ones")
        >>> layer.build((1,))
        (2,)
        >>> [w.tolist() for w in layer.initialize(np.random.default_rng(0))]
        [[[1.0, 1.0]], [0.0, 0.0]]
        """
        if self._own is not None:
            return [w.copy() for w in self._own]
        return [initializer(shape, rng) for _, shape, initializer in self._weights()]

    def count_params(self) -> int:
        """The number of weights.

        Returns
        -------
        int

        Examples
        --------
        >>> from nnc import layers
        >>> layer = layers.Dense(10)
        >>> layer.build((784,))
        (10,)
        >>> layer.count_params()
        7850
        """
        return sum(math.prod(shape) for _, shape, _ in self._weights())

    def _weights(self) -> list[Weight]:
        self._shapes()
        return self.weights_spec()

    def _shapes(self) -> tuple[Shape, Shape]:
        """The shapes of one sample before and after the layer.

        Raises
        ------
        RuntimeError
            If the layer is not built.
        """
        if self.input_shape is None or self.output_shape is None:
            raise RuntimeError(f"{self} is not built: call build(input_shape) first")
        return self.input_shape, self.output_shape

    # Layers are compared by identity: two with the same arguments are different layers of a model.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def activation_fields(activation: activations.Activation) -> dict[str, Any]:
    """The fields of a row that specify the activation."""
    return {"activation": activation.name, "alpha": activation.alpha}


def layer_seed(value: int | None) -> int | None:
    """`value` as a layer's own seed; None: its random numbers are derived from the model's seed."""
    return None if value is None else _config.integer("seed", value, 0, 2**48)
