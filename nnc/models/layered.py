"""A model as layers with weights: adding layers, shapes, weights, and what describes them.

`Sequential` derives from the classes of this module and of `stored`; each method is documented there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import random
from nnc._config import boolean, integer, items, refusal, shape
from nnc.layers import Layer, Variable
from nnc.models import summary
from nnc.models.engine import Engine
from nnc.models.layout import config_of
from nnc.models.stack import Stack, layers_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class LayeredModel:
    """The part of `Sequential` that concerns layers and weights; it takes the constructor's arguments."""

    def __init__(
        self,
        layers: Sequence[Layer | LayeredModel] | None = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        stack = Stack(name)
        seed = random.next_seed() if seed is None else integer("seed", seed, 0, 2**64 - 1)
        self._stack, self._engine = stack, Engine(stack, seed)
        stack.keep_weights_in(self._engine)
        self._trainable = boolean("trainable", trainable)
        must = "a list of layers of nnc.layers"
        for layer in () if layers is None else items("layers", layers, must):
            if not isinstance(layer, Layer | LayeredModel):
                raise refusal("layers", must, layers, TypeError)
            self.add(layer)

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
            part.model = self._model_of(part)
        return part.model

    def _model_of(self, stack: Stack) -> Any:
        """A new model of a nested stack."""
        raise NotImplementedError(f"{type(self).__name__} has no _model_of(stack)")

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

        Parameters
        ----------
        input_shape : tuple of int or None
            With the batch axis: (None, 28, 28, 1).

        Returns
        -------
        tuple of int or None

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

    def add(self, layer: Layer | LayeredModel) -> None:
        """Append a layer. Existing weights are kept; a compiled model stays compiled.

        A model may be added, too. Its layers are then shared: training either model changes the weights of
        the other. The added model can still be used, trained and saved, but no more layers can be added to
        it.

        Parameters
        ----------
        layer : Layer or Sequential

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
            if not self._trainable and isinstance(layer, Layer | LayeredModel):
                layer.trainable = False
            if isinstance(layer, LayeredModel):
                layer._engine.hand_over()
                self._stack.add(layer._stack)
                layer._stack.model = layer
            else:
                self._stack.add(layer)
            self._engine.layers_changed()

    def pop(self, rebuild: bool = True) -> Any:
        """Remove the last layer and return it; it keeps its weights.

        Parameters
        ----------
        rebuild : bool
            As in Keras; nnc always keeps the shapes of the remaining layers.

        Returns
        -------
        Layer or Sequential

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

        Parameters
        ----------
        name : str, optional
        index : int, optional
            In `layers`. Give one of the two.

        Returns
        -------
        Layer or Sequential

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

        Raises
        ------
        ValueError
            If the layers do not accept the shape, or have another one.

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

        Returns
        -------
        list of ndarray
            float32 (float64 with backend="reference").

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

        Parameters
        ----------
        weights : list of array-like

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

        Returns
        -------
        int

        Examples
        --------
        >>> from nnc import Input, Sequential, layers
        >>> Sequential([Input((784,)), layers.Dense(10)]).count_params()
        7850
        """
        self._stack.shapes()
        return sum(layer.count_params() for layer in self._stack.layers)

    # --------------------------------------------------------------------------------------------- describing

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

        Raises
        ------
        ValueError
            If the model is not built, or an argument is invalid.

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

    def to_json(self, **options: Any) -> str:
        """Return `get_config` as JSON, for `nnc.models.model_from_json`; options are passed to `json.dumps`.

        Parameters
        ----------
        **options
            Arguments of `json.dumps`.

        Returns
        -------
        str

        Examples
        --------
        >>> import nnc
        >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3)])
        >>> model.to_json()[:50]
        '{"class_name": "Sequential", "config": {"name": "s'
        """
        import json  # here and in the modules of model files, since it takes a millisecond

        return json.dumps({"class_name": "Sequential", "config": self.get_config()}, **options)

    def __repr__(self) -> str:
        return summary.text(self._stack, self._engine.compiled)

    def _repr_html_(self) -> str:
        return summary.html(self._stack)
