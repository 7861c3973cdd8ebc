"""Activations: one row for each, with Keras's names.

    >>> from nnc import activations
    >>> activations.get("leaky_relu").formula
    'max(z, 0) + alpha min(z, 0)'

The rows below define name, formula and parameter; the activations are implemented in the C core and, in
NumPy, in nnc.reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config
from nnc._absent import no_attribute

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Activation(_config.Config):
    """An activation a = f(z), chosen by name.

    Parameters
    ----------
    name : str
        One of `activations.names`: "linear", "relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh",
        "silu", "sigmoid", "tanh", "softplus", "mish", "softsign", "hard_sigmoid", "capped_relu",
        "exponential", "log_sigmoid", "hard_silu", "hard_tanh", "celu", "soft_shrink", "hard_shrink",
        "softmax" and "log_softmax".
    alpha : float, optional
        The parameter: the negative slope of leaky_relu (at least 0; by default 0.2, as in Keras), the scale
        of elu's and celu's negative part (above 0; by default 1), the upper limit of capped_relu (above 0; by
        default 6: Keras's relu6), the threshold of soft_shrink and hard_shrink (at least 0; by default 0.5).
        The others have none.

    Raises
    ------
    ValueError
        If there is no such activation, it has no parameter, or alpha is out of range.

    Attributes
    ----------
    formula : str
        f(z) in one line.
    elementwise : bool
        Whether f acts on single values; softmax and log_softmax act on complete rows.

    Notes
    -----
    "gelu" is the exact form, with erf. The approximate form, gelu(z, approximate=True) in Keras, has a
    separate name: "gelu_tanh".

    Examples
    --------
    >>> from nnc import activations
    >>> activations.Activation("leaky_relu", 0.01)
    Activation('leaky_relu', alpha=0.01)
    >>> activations.relu([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    """

    kind = "activation"

    def __init__(self, name: str, alpha: float | None = None) -> None:
        row = _table.get(_aliases.get(name, name)) if isinstance(name, str) else None
        if row is None:
            refused = _config.refusal("name", f"one of {', '.join(_table)}", name)
            raise ValueError(f"{refused}{_config.did_you_mean(name, _table)}")
        self.name, self.formula, default, interval = row
        self.identifier = self.name
        if interval is None:
            if alpha is not None and _config.number("alpha", alpha) != 0.0:
                raise _config.refusal("alpha", f"left out: {self.name} has no parameter", alpha)
            self.alpha = 0.0
        else:
            self.alpha = default if alpha is None else _config.number("alpha", alpha, interval)

    def __call__(self, z: ArrayLike, *arguments: Any, **keywords: Any) -> NDArray[np.float32]:
        """f(z) by the compiled kernel, elementwise or, if of rows, over the last axis; float32, of z's shape.

        Some take the further arguments of Keras's functions: relu(z, negative_slope=0.0, max_value=None,
        threshold=0.0), leaky_relu(z, negative_slope=0.2), elu and celu(z, alpha=1.0), soft_shrink and
        hard_shrink(z, threshold=0.5), gelu(z, approximate=False), softmax and log_softmax(z, axis=-1), where
        the axis may be a tuple.

        Examples
        --------
        >>> from nnc import activations
        >>> activations.relu([-1.0, 2.0, 9.0], negative_slope=0.5, max_value=6.0)
        array([-0.5,  2. ,  6. ], dtype=float32)
        >>> activations.softmax([[0.0, 1.0], [0.0, 1.0]], axis=0)
        array([[0.5, 0.5],
               [0.5, 0.5]], dtype=float32)
        """
        from nnc import _core

        x = np.asarray(z, dtype=np.float32, order="C")
        if not (arguments or keywords):
            return _core.activation(self.name, x, self.alpha)
        function = _with_options.get(self.name)
        if function is None:
            given = ", ".join([*map(repr, arguments), *(f"{k}={v!r}" for k, v in keywords.items())])
            raise TypeError(f"{self.name} takes no arguments but z, got {given}")
        try:
            return function(x, *arguments, **keywords)
        except TypeError as error:
            raise TypeError(str(error).replace(f"{function.__name__}()", self.name)) from None

    @classmethod
    def get(cls, identifier: Any, argument: str | None = None) -> Activation:
        """As `activations.get`."""
        if identifier is None:
            return linear
        if isinstance(identifier, str):
            name = _aliases.get(identifier, identifier)
            if name not in _table:
                refused = _config.refusal(argument or cls.kind, f"one of {', '.join(_table)}", identifier)
                raise ValueError(f"{refused}{_config.did_you_mean(identifier, _table)}")
            return cls(name)
        return super().get(identifier, argument)

    @property
    def elementwise(self) -> bool:
        """Whether f acts on single values, not on complete rows."""
        return self.name not in _ON_ROWS

    def _is_default(self, name: str, value: object, default: object) -> bool:
        return name == "alpha" and value == _table[self.name][2]


# name -> (name, formula, default alpha, interval of alpha)
_table: dict[str, tuple[str, str, float, str | None]] = {}
_ON_ROWS = frozenset(("softmax", "log_softmax"))
_aliases = {"swish": "silu", "relu6": "capped_relu", "hard_swish": "hard_silu"}


def _row(name: str, formula: str, alpha: float = 0.0, interval: str | None = None) -> Activation:
    _table[name] = (name, formula, alpha, interval)
    return Activation(name)


linear = _row("linear", "z")
relu = _row("relu", "max(z, 0)")
leaky_relu = _row("leaky_relu", "max(z, 0) + alpha min(z, 0)", alpha=0.2, interval="[0, inf)")
elu = _row("elu", "z if z > 0 else alpha (exp(z) - 1)", alpha=1.0, interval="(0, inf)")
selu = _row("selu", "1.05070098 (z if z > 0 else 1.67326324 (exp(z) - 1))")
gelu = _row("gelu", "z (1 + erf(z / sqrt(2))) / 2")
gelu_tanh = _row("gelu_tanh", "z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2")
silu = _row("silu", "z / (1 + exp(-z))")
sigmoid = _row("sigmoid", "1 / (1 + exp(-z))")
tanh = _row("tanh", "tanh(z)")
softplus = _row("softplus", "log(1 + exp(z))")
mish = _row("mish", "z tanh(log(1 + exp(z)))")
softsign = _row("softsign", "z / (1 + |z|)")
hard_sigmoid = _row("hard_sigmoid", "min(max(z / 6 + 1 / 2, 0), 1)")
capped_relu = _row("capped_relu", "min(max(z, 0), alpha)", alpha=6.0, interval="(0, inf)")
exponential = _row("exponential", "exp(z)")
log_sigmoid = _row("log_sigmoid", "-log(1 + exp(-z))")
hard_silu = _row("hard_silu", "z min(max(z / 6 + 1 / 2, 0), 1)")
hard_tanh = _row("hard_tanh", "min(max(z, -1), 1)")
celu = _row("celu", "z if z > 0 else alpha (exp(z / alpha) - 1)", alpha=1.0, interval="(0, inf)")
soft_shrink = _row("soft_shrink", "z - min(max(z, -alpha), alpha)", alpha=0.5, interval="[0, inf)")
hard_shrink = _row("hard_shrink", "z if |z| > alpha else 0", alpha=0.5, interval="[0, inf)")
softmax = _row("softmax", "exp(z_j) / sum_k exp(z_k)")
log_softmax = _row("log_softmax", "z_j - log sum_k exp(z_k)")

relu6, swish, hard_swish = capped_relu, silu, hard_silu  # Keras's other names


def _relu(
    z: NDArray[np.float32],
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> NDArray[np.float32]:
    from nnc.reference import thresholded_relu

    slope = _config.number("negative_slope", negative_slope)
    most = None if max_value is None else _config.number("max_value", max_value, "[0, inf)")
    least = _config.number("threshold", threshold, "[0, inf)")
    return thresholded_relu(z.astype(np.float64), slope, least, most).astype(np.float32)


def _leaky_relu(z: NDArray[np.float32], negative_slope: float = 0.2) -> NDArray[np.float32]:
    return Activation("leaky_relu", negative_slope)(z)


def _elu(z: NDArray[np.float32], alpha: float = 1.0) -> NDArray[np.float32]:
    return Activation("elu", alpha)(z)


def _celu(z: NDArray[np.float32], alpha: float = 1.0) -> NDArray[np.float32]:
    return Activation("celu", alpha)(z)


def _soft_shrink(z: NDArray[np.float32], threshold: float = 0.5) -> NDArray[np.float32]:
    return Activation("soft_shrink", threshold)(z)


def _hard_shrink(z: NDArray[np.float32], threshold: float = 0.5) -> NDArray[np.float32]:
    return Activation("hard_shrink", threshold)(z)


def _gelu(z: NDArray[np.float32], approximate: bool = False) -> NDArray[np.float32]:
    return (gelu_tanh if _config.boolean("approximate", approximate) else gelu)(z)


def _softmax(z: NDArray[np.float32], axis: int | Sequence[int] = -1) -> NDArray[np.float32]:
    return _along(softmax, z, axis)


def _log_softmax(z: NDArray[np.float32], axis: int | Sequence[int] = -1) -> NDArray[np.float32]:
    return _along(log_softmax, z, axis)


def _along(f: Activation, z: NDArray[np.float32], axis: int | Sequence[int]) -> NDArray[np.float32]:
    """f(z), f an activation of rows, over these axes."""
    axes = _config.axes("axis", axis)
    moved = axes if isinstance(axes, tuple) else (axes,)
    last = tuple(range(-len(moved), 0))
    there = np.moveaxis(z, moved, last)  # NumPy's AxisError names an axis that z does not have
    rows = there.reshape(*there.shape[: z.ndim - len(moved)], -1)
    return np.ascontiguousarray(np.moveaxis(f(rows).reshape(there.shape), last, moved))


_with_options: dict[str, Callable[..., NDArray[np.float32]]] = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "celu": _celu,
    "soft_shrink": _soft_shrink,
    "hard_shrink": _hard_shrink,
    "gelu": _gelu,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}

names = tuple(_table)
registry = _config.close(Activation, globals())

ActivationLike = str | Activation | Mapping[str, Any] | None


def get(identifier: ActivationLike) -> Activation:
    """Return the activation for `identifier`.

    Parameters
    ----------
    identifier : str, Activation, dict or None
        A name from `names` (or "swish", which is silu), an object, its configuration; None is linear.

    Returns
    -------
    Activation

    Raises
    ------
    ValueError
        If no activation has that name; the message lists the existing ones.

    Examples
    --------
    >>> from nnc import activations
    >>> activations.get("swish")
    Activation('silu')
    >>> activations.get("rleu")
    Traceback (most recent call last):
    ...
    ValueError: activation must be one of linear, relu, leaky_relu, elu, selu, gelu, gelu_tanh, silu, \
sigmoid, tanh, softplus, mish, softsign, hard_sigmoid, capped_relu, exponential, log_sigmoid, hard_silu, \
hard_tanh, celu, soft_shrink, hard_shrink, softmax, log_softmax, got 'rleu'; did you mean 'relu'?
    """
    return Activation.get(identifier)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise no_attribute(__name__, name, globals())
