"""Layers: configuration and shapes only; the arithmetic is in the C core and, in NumPy, in nnc.reference.

    >>> from nnc import layers
    >>> dense = layers.Dense(292, activation="relu")
    >>> dense.build((784,)), dense.count_params()
    ((292,), 229220)

Shapes are those of one sample, without the batch axis, channels last. A layer is told its input's shape once,
by `Layer.build`; then it knows its output's shape, its weights' shapes and the rows it takes in a plan. The
weights themselves belong to the model. A new layer is one class here: `Layer.compute_output_shape`,
`Layer.weights_spec` and `Layer.rows`, each of which has a default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config, activations, initializers, regularizers

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

Shape = tuple[int, ...]


class Layer(_config.Config):
    """Base of the layers: a name, shapes, weights, the rows of a plan.

    Parameters
    ----------
    name : str, optional
        Unique in a model, which names its layers after `auto_name` if they have none: dense, dense_1, ...
    input_shape : tuple of int, optional
        For a model's first layer, in place of an `Input`: the shape of one sample.
    input_dim : int, optional
        ``input_shape=(input_dim,)``.
    activity_regularizer : None
        nnc has no penalties on activations.

    Attributes
    ----------
    input_shape, output_shape : tuple of int or None
        Shapes of one sample. output_shape is None until the layer is built; input_shape until then is what
        the constructor was given.
    """

    kind = "layer"
    saved = False
    auto_name = "layer"

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.auto_name = cls.identifier

    def __init__(
        self,
        name: str | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        activity_regularizer: None = None,
    ) -> None:
        if input_shape is not None and input_dim is not None:
            raise _config.refusal("input_dim", "None beside input_shape", input_dim)
        if input_dim is not None:
            input_shape = (_config.integer("input_dim", input_dim, 1, _config.MAX_FEATURES),)
        if activity_regularizer is not None:
            must = "None (penalties are on weights: kernel_regularizer, bias_regularizer)"
            raise _config.refusal("activity_regularizer", must, activity_regularizer)
        self.name = _config.optional_name(name)
        self.input_shape = None if input_shape is None else _config.shape("input_shape", input_shape)
        self.output_shape: Shape | None = None

    @property
    def built(self) -> bool:
        """Whether the layer knows its shapes."""
        return self.output_shape is not None

    def build(self, input_shape: Sequence[int]) -> Shape:
        """Take `input_shape` as the shape of one sample, for good, and return `output_shape`.

        Raises
        ------
        ValueError
            If the layer cannot take that shape, or has another one already.
        """
        input_shape = _config.shape("input_shape", input_shape)
        if self.input_shape is not None and input_shape != self.input_shape:
            given = f"input_shape is {self.input_shape} already, got {input_shape}"
            raise ValueError(f"{self}: {given}; make a new layer for another shape")
        output_shape = _config.shape("output_shape", self.compute_output_shape(input_shape))
        self.input_shape, self.output_shape = input_shape, output_shape
        return output_shape

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The output's shape for an input's: the same, unless a class says otherwise."""
        return input_shape

    def weights_spec(self) -> list[tuple[str, Shape, initializers.Initializer]]:
        """(name, shape, initializer) of each weight, in the order of a plan's parameters; here none."""
        return []

    def rows(self) -> list[dict[str, Any]]:
        """The layer's rows in a plan, which works on flat samples; here, and for new shapes only, none."""
        return []

    @property
    def weight_names(self) -> list[str]:
        """The weights' names."""
        return [name for name, _, _ in self._built().weights_spec()]

    def initialize(self, rng: Generator) -> list[NDArray[np.float32]]:
        """First values for the weights, drawn from `rng` in their order."""
        return [initializer(shape, rng) for _, shape, initializer in self._built().weights_spec()]

    def count_params(self) -> int:
        """The number of weights."""
        return sum(math.prod(shape) for _, shape, _ in self._built().weights_spec())

    def _built(self) -> Layer:
        if not self.built:
            raise RuntimeError(f"{self} has no shapes yet: build(input_shape) first")
        return self

    # A layer has a place in a model: two with the same arguments are still two.
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class InputLayer(Layer):
    """The shape of a model's samples.

    Parameters
    ----------
    shape : tuple of int
        Of one sample, without the batch axis.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Input((28, 28))
    InputLayer((28, 28))
    """

    def __init__(self, shape: Sequence[int], name: str | None = None) -> None:
        self.shape = _config.shape("shape", shape)
        super().__init__(name, input_shape=self.shape)


Input = InputLayer


class Dense(Layer):
    """a = f(x W + b), every output from every input.

    Input (n, I), output (n, O); weights kernel W (I, O) and bias b (O,).

    Parameters
    ----------
    units : int
        O, at least 1.
    activation : str, Activation or None
        f, a name of `nnc.activations`; None is linear.
    use_bias : bool
        Whether there is a b.
    kernel_initializer, bias_initializer : str or Initializer
        First values of W and b.
    kernel_regularizer, bias_regularizer : str, Regularizer or None
        Penalties on W and b.
    name : str, optional
    **options
        input_shape or input_dim, for a model's first layer.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Dense(10, activation="softmax", kernel_initializer="he_normal")
    Dense(10, activation='softmax', kernel_initializer='he_normal')
    >>> layers.Dense(10).build((28, 28))
    Traceback (most recent call last):
    ...
    ValueError: Dense(10) takes samples of one axis, got input_shape (28, 28): put a Flatten layer before it
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.units = _config.integer("units", units, 1, _config.MAX_FEATURES)
        self.activation = activations.Activation.get(activation, "activation")
        self.use_bias = _config.boolean("use_bias", use_bias)
        self.kernel_initializer = initializers.Initializer.get(kernel_initializer, "kernel_initializer")
        self.bias_initializer = initializers.Initializer.get(bias_initializer, "bias_initializer")
        self.kernel_regularizer = regularizers.Regularizer.get(kernel_regularizer, "kernel_regularizer")
        self.bias_regularizer = regularizers.Regularizer.get(bias_regularizer, "bias_regularizer")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise ValueError(
                f"{self} takes samples of one axis, got input_shape {input_shape}: "
                "put a Flatten layer before it"
            )
        return (self.units,)

    def weights_spec(self) -> list[tuple[str, Shape, initializers.Initializer]]:
        kernel = ("kernel", (*self._built().input_shape, self.units), self.kernel_initializer)
        bias = ("bias", (self.units,), self.bias_initializer)
        return [kernel, bias] if self.use_bias else [kernel]

    def rows(self) -> list[dict[str, Any]]:
        row = {"kind": "dense", "units": self.units, "use_bias": self.use_bias, "group": self.units}
        penalties = _penalty("kernel", self.kernel_regularizer) | _penalty("bias", self.bias_regularizer)
        return [row | _activation(self.activation) | penalties]


class Activation(Layer):
    """a = f(z), element by element; softmax over the last axis.

    Parameters
    ----------
    activation : str or Activation
        f, a name of `nnc.activations`.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Activation("tanh")
    Activation('tanh')
    """

    def __init__(self, activation: Any, name: str | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.activation = activations.Activation.get(activation, "activation")

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "activation", "group": self._built().input_shape[-1]} | _activation(self.activation)]


class ReLU(Activation):
    """a = max(z, 0) + negative_slope min(z, 0).

    Parameters
    ----------
    max_value, threshold : None, 0
        nnc's ReLU has no upper limit and bends at 0.
    negative_slope : float
        At least 0.
    name : str, optional
    """

    def __init__(
        self,
        max_value: None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        name: str | None = None,
        **options: Any,
    ) -> None:
        if max_value is not None:
            raise _config.refusal("max_value", "None: nnc's ReLU has no upper limit", max_value)
        self.max_value = None
        self.negative_slope = _config.number("negative_slope", negative_slope, "[0, inf)")
        self.threshold = _config.number("threshold", threshold)
        if self.threshold != 0.0:
            raise _config.refusal("threshold", "0: nnc's ReLU bends at 0", threshold)
        leaky = activations.Activation("leaky_relu", self.negative_slope)
        super().__init__(leaky if self.negative_slope > 0.0 else activations.relu, name, **options)


class LeakyReLU(Activation):
    """a = max(z, 0) + negative_slope min(z, 0).

    Parameters
    ----------
    negative_slope : float
        At least 0. (0.3 unless given, as in Keras, whose activation "leaky_relu" has 0.2; in PyTorch 0.01.)
    name : str, optional

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
    """

    def __init__(self, negative_slope: float = 0.3, name: str | None = None, **options: Any) -> None:
        self.negative_slope = _config.number("negative_slope", negative_slope, "[0, inf)")
        super().__init__(activations.Activation("leaky_relu", self.negative_slope), name, **options)


class PReLU(Layer):
    """a = max(z, 0) + alpha min(z, 0), with a slope for each feature that is learned.

    Weights: alpha (F,), F the number of features of a sample.

    Parameters
    ----------
    alpha_initializer : str or Initializer
        First values of alpha. (PyTorch's PReLU has one slope for all, from 0.25.)
    alpha_regularizer : str, Regularizer or None
        Penalty on alpha.
    name : str, optional

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.alpha_initializer = initializers.Initializer.get(alpha_initializer, "alpha_initializer")
        self.alpha_regularizer = regularizers.Regularizer.get(alpha_regularizer, "alpha_regularizer")

    def weights_spec(self) -> list[tuple[str, Shape, initializers.Initializer]]:
        return [("alpha", (math.prod(self._built().input_shape),), self.alpha_initializer)]

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "prelu"} | _penalty("alpha", self.alpha_regularizer)]


class ELU(Activation):
    """a = z if z > 0 else alpha (exp(z) - 1).

    Parameters
    ----------
    alpha : float
        Above 0.
    name : str, optional

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear
    units", ICLR 2016.
    """

    def __init__(self, alpha: float = 1.0, name: str | None = None, **options: Any) -> None:
        self.alpha = _config.number("alpha", alpha, "(0, inf)")
        super().__init__(activations.Activation("elu", self.alpha), name, **options)


class Softmax(Activation):
    """a_j = exp(z_j) / sum_k exp(z_k) over the last axis.

    Parameters
    ----------
    axis : int
        -1, or the last axis by its number (the batch axis is 0).
    name : str, optional
    """

    def __init__(self, axis: int = -1, name: str | None = None, **options: Any) -> None:
        super().__init__(activations.softmax, name, **options)
        self.axis = _config.integer("axis", axis, -1, 64)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        _config.choice("axis", self.axis, (-1, len(input_shape)))
        return input_shape


class Dropout(Layer):
    """While training, each input is set to 0 with probability rate, or else multiplied by 1 / (1 - rate).

    The masks are a function of the model's seed, the epoch and the step (see `nnc.set_random_seed`), so that
    a run can be repeated and resumed bit for bit.

    Parameters
    ----------
    rate : float
        In [0, 1).
    noise_shape, seed : None
        nnc draws each input by itself, from the model's seed.
    name : str, optional

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 15, 2014.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: None = None,
        seed: None = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.rate = _config.number("rate", rate, "[0, 1)")
        if noise_shape is not None:
            raise _config.refusal("noise_shape", "None: nnc draws each input by itself", noise_shape)
        if seed is not None:
            raise _config.refusal("seed", "None: masks come from the model's seed, nnc.set_random_seed", seed)
        self.noise_shape = self.seed = None

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "dropout", "rate": self.rate}]


class Flatten(Layer):
    """The sample as one axis, the last of its axes running fastest.

    Parameters
    ----------
    name : str, optional
    **options
        input_shape, for a model's first layer.
    """

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)


class Reshape(Layer):
    """The sample with other axes, in the same order.

    Parameters
    ----------
    target_shape : tuple of int
        One size may be -1, for what is left.
    name : str, optional

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Reshape((7, -1)).build((28, 28))
    (7, 112)
    """

    def __init__(self, target_shape: Sequence[int], name: str | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.target_shape = _config.shape("target_shape", target_shape, wildcard=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        features, known = math.prod(input_shape), abs(math.prod(self.target_shape))
        left = features // known if -1 in self.target_shape else 1
        if known * left != features or left == 0:
            raise ValueError(f"{self} cannot take input_shape {input_shape}: {features} features do not fit")
        return tuple(left if size == -1 else size for size in self.target_shape)


class Rescaling(Layer):
    """a = scale x + offset, such as scale = 1 / 255 for images of bytes.

    As a model's first layer it costs nothing: it is done as the samples are read, and bytes stay bytes in
    memory.

    Parameters
    ----------
    scale, offset : float
        Any finite numbers.
    name : str, optional
    """

    def __init__(self, scale: float, offset: float = 0.0, name: str | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.scale = _config.number("scale", scale)
        self.offset = _config.number("offset", offset)

    def rows(self) -> list[dict[str, Any]]:
        return [{"kind": "rescaling", "scale": self.scale, "offset": self.offset}]


registry = _config.close(Layer, globals())


def get(identifier: Layer | Mapping[str, Any]) -> Layer:
    """The layer that `identifier` means: an object or its configuration."""
    return Layer.get(identifier)


def _activation(activation: activations.Activation) -> dict[str, Any]:
    return {"activation": activation.name, "alpha": activation.alpha}


def _penalty(weight: str, regularizer: regularizers.Regularizer | None) -> dict[str, float]:
    found = regularizer or regularizers.L1L2()
    return {f"{weight}_l1": found.l1, f"{weight}_l2": found.l2}
