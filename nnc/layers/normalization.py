"""Normalization to mean 0 and variance 1, then scaling and shifting by trainable weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Unpack

from nnc import _config, constraints, initializers, regularizers
from nnc.layers.base import Layer, LayerOptions, Shape, Weight
from nnc.layers.geometry import along, sample_axes


class _Normalization(Layer):
    """Common to batch and layer normalization: gamma and beta, one of each for every feature of a group."""

    added: ClassVar[Mapping[str, object]] = {**Layer.added, "beta_constraint": None, "gamma_constraint": None}

    optional_weights = ("gamma", "beta")

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: initializers.InitializerLike,
        gamma_initializer: initializers.InitializerLike,
        beta_regularizer: regularizers.RegularizerLike,
        gamma_regularizer: regularizers.RegularizerLike,
        beta_constraint: constraints.ConstraintLike,
        gamma_constraint: constraints.ConstraintLike,
        name: str | None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(name, **options)
        self.epsilon = _config.number("epsilon", epsilon, "[0, inf)")
        self.center = _config.boolean("center", center)
        self.scale = _config.boolean("scale", scale)
        self.beta_initializer = initializers.Initializer.get(beta_initializer, "beta_initializer")
        self.gamma_initializer = initializers.Initializer.get(gamma_initializer, "gamma_initializer")
        self.beta_regularizer = regularizers.Regularizer.get(beta_regularizer, "beta_regularizer")
        self.gamma_regularizer = regularizers.Regularizer.get(gamma_regularizer, "gamma_regularizer")
        self.beta_constraint = constraints.Constraint.get(beta_constraint, "beta_constraint")
        self.gamma_constraint = constraints.Constraint.get(gamma_constraint, "gamma_constraint")

    axis: int | tuple[int, ...]

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        axes = sample_axes(self.axis, input_shape)
        along(axes, input_shape, {})
        return input_shape

    def _weight_shape(self) -> Shape:
        """The shape of gamma and beta: the sizes of the axes."""
        shape = self._shapes()[0]
        return tuple(shape[axis] for axis in sample_axes(self.axis, shape))

    def weights_spec(self) -> list[Weight]:
        shape = self._weight_shape()
        gamma, beta = ("gamma", shape, self.gamma_initializer), ("beta", shape, self.beta_initializer)
        return [gamma] * self.scale + [beta] * self.center

    def _rows(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        shape = self._shapes()[0]
        row = {
            "kind": kind,
            "group": math.prod(self._weight_shape()),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
        }
        return along(sample_axes(self.axis, shape), shape, row | fields | self._rules())


class BatchNormalization(_Normalization):
    """a = gamma (x - mean) / sqrt(variance + epsilon) + beta, for each channel by the batch's statistics.

    While training, mean and (biased) variance are those of the channel over all samples of the batch and all
    other axes, and moving averages are updated: moving = momentum moving + (1 - momentum) batch. In inference
    the moving averages are used instead.

    Input and output (n, ...), with C channels along the axis (or C features of samples of one axis). Weights:
    gamma (C,) and beta (C,), and the non-trainable moving_mean (C,) and moving_variance (C,).

    Parameters
    ----------
    axis : int
        The axis of the channels (the batch axis is 0). Any other than the last costs two passes more.
    momentum : float
        In [0, 1]. (PyTorch's momentum is 1 minus this.)
    epsilon : float
        At least 0.
    center, scale : bool
        Whether the layer has beta and gamma, respectively. No gamma is needed if a ReLU follows
        and then a layer with a kernel.
    beta_initializer, gamma_initializer : str or Initializer
        Initial values of beta and gamma.
    moving_mean_initializer, moving_variance_initializer : str or Initializer
        Initial values of the moving averages.
    beta_regularizer, gamma_regularizer : str, Regularizer or None
        Penalties on beta and gamma.
    name : str, optional
    beta_constraint, gamma_constraint : str, Constraint or None
        Applied to beta and gamma after each update: see `nnc.constraints`.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if a sample does not have the axis.

    Notes
    -----
    The moving variance follows the biased variance, as in Keras 3; PyTorch's follows the unbiased one.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", ICML 2015.

    Examples
    --------
    >>> from nnc import layers
    >>> norm = layers.BatchNormalization()
    >>> norm.build((28, 28, 32)), norm.count_params()
    ((28, 28, 32), 128)
    >>> dict(zip(norm.weight_names, norm.trainable_flags))
    {'gamma': True, 'beta': True, 'moving_mean': False, 'moving_variance': False}
    """

    non_trainable = ("moving_mean", "moving_variance")

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.InitializerLike = "zeros",
        gamma_initializer: initializers.InitializerLike = "ones",
        moving_mean_initializer: initializers.InitializerLike = "zeros",
        moving_variance_initializer: initializers.InitializerLike = "ones",
        beta_regularizer: regularizers.RegularizerLike = None,
        gamma_regularizer: regularizers.RegularizerLike = None,
        name: str | None = None,
        *,
        beta_constraint: constraints.ConstraintLike = None,
        gamma_constraint: constraints.ConstraintLike = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            name,
            **options,
        )
        self.axis = _config.integer("axis", axis, -64, 64)
        self.momentum = _config.number("momentum", momentum, "[0, 1]")
        get = initializers.Initializer.get
        self.moving_mean_initializer = get(moving_mean_initializer, "moving_mean_initializer")
        self.moving_variance_initializer = get(moving_variance_initializer, "moving_variance_initializer")

    def weights_spec(self) -> list[Weight]:
        shape = self._weight_shape()
        return [
            *super().weights_spec(),
            ("moving_mean", shape, self.moving_mean_initializer),
            ("moving_variance", shape, self.moving_variance_initializer),
        ]

    def rows(self) -> list[dict[str, Any]]:
        return self._rows("batch_normalization", momentum=self.momentum)


class LayerNormalization(_Normalization):
    """a = gamma (x - mean) / sqrt(variance + epsilon) + beta, for each sample by its own statistics.

    Mean and (biased) variance are taken over the normalized axes, in training and inference alike.

    Input and output (n, ...). Weights: gamma and beta, with the sizes of the normalized axes.

    Parameters
    ----------
    axis : int or list of int
        The normalized axes, such as -1, the last one, or [1, 2, 3] for a complete image (the batch axis is
        0). Any others than the last ones cost two passes more.
    epsilon : float
        At least 0.
    center, scale : bool
        Whether the layer has beta and gamma, respectively.
    beta_initializer, gamma_initializer : str or Initializer
        Initial values of beta and gamma.
    beta_regularizer, gamma_regularizer : str, Regularizer or None
        Penalties on beta and gamma.
    name : str, optional
    beta_constraint, gamma_constraint : str, Constraint or None
        Applied to beta and gamma after each update: see `nnc.constraints`.

    Raises
    ------
    TypeError, ValueError
        If an argument is invalid; by `build`, if a sample does not have the axes.

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", arXiv:1607.06450, 2016.

    Examples
    --------
    >>> from nnc import layers
    >>> pixelwise, whole = layers.LayerNormalization(), layers.LayerNormalization([1, 2, 3])
    >>> pixelwise.build((7, 7, 64)), pixelwise.count_params()
    ((7, 7, 64), 128)
    >>> whole.build((7, 7, 64)), whole.count_params()
    ((7, 7, 64), 6272)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.InitializerLike = "zeros",
        gamma_initializer: initializers.InitializerLike = "ones",
        beta_regularizer: regularizers.RegularizerLike = None,
        gamma_regularizer: regularizers.RegularizerLike = None,
        name: str | None = None,
        *,
        beta_constraint: constraints.ConstraintLike = None,
        gamma_constraint: constraints.ConstraintLike = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            name,
            **options,
        )
        self.axis = _config.axes("axis", axis)

    def rows(self) -> list[dict[str, Any]]:
        return self._rows("layer_normalization")


class UnitNormalization(Layer):
    """a = x / max(|x|, 1e-6), with |x| the Euclidean norm along the axes.

    Input and output (n, ...).

    Parameters
    ----------
    axis : int or list of int
        Such as -1, the last axis, or [1, 2, 3] for a complete image (the batch axis is 0). Any others than
        the last ones cost two passes more.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If axis is invalid; by `build`, if a sample does not have the axes.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.UnitNormalization()([[3.0, 4.0]]).round(3)
    array([[0.6, 0.8]], dtype=float32)
    """

    def __init__(self, axis: int | Sequence[int] = -1, name: str | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.axis = _config.axes("axis", axis)

    def sample_output_shape(self, input_shape: Shape) -> Shape:
        along(sample_axes(self.axis, input_shape), input_shape, {})
        return input_shape

    def rows(self) -> list[dict[str, Any]]:
        shape = self._shapes()[0]
        axes = sample_axes(self.axis, shape)
        group = math.prod(shape[axis] for axis in axes)
        return along(axes, shape, {"kind": "unit_normalization", "group": group})
