"""Optimizers: how a step updates the parameters, with the names, arguments and defaults of Keras.

    >>> from nnc import optimizers
    >>> optimizers.SGD(0.25, momentum=0.9)
    SGD(learning_rate=0.25, momentum=0.9)

In every step, for each parameter w: g is the gradient of the loss plus the regularizers; it is clipped;
weight decay subtracts lr * weight_decay * w from w; then the class's own rule is applied. All of it runs in
the C core over flat vectors and, in NumPy, in nnc.reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypedDict, Unpack, overload

import numpy as np

from nnc import _config, schedules
from nnc._absent import no_attribute

if TYPE_CHECKING:
    from numpy.typing import NDArray

Slots = Mapping[str, str | None]


class _Weight(Protocol):
    """A weight of a layer, as the layer's attributes have it."""

    @property
    def path(self) -> str: ...


class _OptimizerOptions(TypedDict, total=False):
    """The keyword arguments that every optimizer takes in addition to its own."""

    name: str | None
    without_weight_decay: Sequence[str]


class LearningRate(float):
    """A constant learning rate: a float with the methods of Keras's variable.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizer = optimizers.SGD(0.5)
    >>> optimizer.learning_rate.assign(0.25)
    >>> optimizer.learning_rate, optimizer.learning_rate.value, optimizer.learning_rate.numpy()
    (0.25, 0.25, array(0.25, dtype=float32))
    """

    _optimizer: Optimizer

    @property
    def value(self) -> float:
        """The rate."""
        return float(self)

    def numpy(self) -> NDArray[np.float32]:
        """The rate as an array without axes.

        Returns
        -------
        ndarray, float32

        Examples
        --------
        >>> from nnc import optimizers
        >>> optimizers.SGD(0.5).learning_rate.numpy()
        array(0.5, dtype=float32)
        """
        return np.array(self, np.float32)

    def assign(self, value: float) -> None:
        """Set the rate of the optimizer.

        Parameters
        ----------
        value : float
            At least 0.

        Examples
        --------
        >>> from nnc import optimizers
        >>> optimizer = optimizers.SGD(0.5)
        >>> optimizer.learning_rate.assign(0.25)
        >>> optimizer.learning_rate
        0.25
        """
        self._optimizer.learning_rate = value

    def __reduce__(self) -> Any:
        """A copy is a plain float: it belongs to no optimizer."""
        return float, (float(self),)


class Optimizer(_config.Config):
    """Base class of the optimizers: learning rate, clipping, weight decay, step count.

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float or None
        As in `SGD`.
    name : str, optional
        Any name; nnc does not use it.
    without_weight_decay : list of str
        The weights without weight decay, by parts of their names, such as "bias", or their paths, such as
        "dense/kernel"; see `exclude_from_weight_decay`.

    Attributes
    ----------
    learning_rate : float or Schedule
        May be set during training, as ReduceLROnPlateau does.
    iterations : int
        The number of steps made; schedules and Adam's bias correction depend on it.
    rule : str
        Class attribute: the core's name of the update rule.
    slots : dict
        Class attribute: the slots that the rule keeps for each parameter, in the core's order: the name of
        each slot, and the option that requires it, or None if it is always kept.

    Examples
    --------
    >>> from nnc import optimizers, schedules
    >>> rate = schedules.ExponentialDecay(0.1, decay_steps=1000, decay_rate=0.9)
    >>> optimizer = optimizers.SGD(rate, clipnorm=1.0)
    >>> optimizer.learning_rates(step=0, count=2, epoch=0)
    array([0.1       , 0.09998947], dtype=float32)
    """

    kind = "optimizer"
    saved = False
    rule = ""
    slots: ClassVar[Slots] = {}
    added: ClassVar[Mapping[str, object]] = {"without_weight_decay": ()}

    def __init__(
        self,
        learning_rate: float | schedules.Schedule,
        weight_decay: float | None,
        clipnorm: float | None,
        clipvalue: float | None,
        global_clipnorm: float | None,
        *,
        name: str | None = None,
        without_weight_decay: Sequence[str] = (),
    ) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = _optional("weight_decay", weight_decay, "[0, inf)")
        self.clipnorm = _optional("clipnorm", clipnorm, "(0, inf)")
        self.clipvalue = _optional("clipvalue", clipvalue, "(0, inf)")
        self.global_clipnorm = _optional("global_clipnorm", global_clipnorm, "(0, inf)")
        given = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue and global_clipnorm may be given, got {given}")
        self.name = _config.optional_name(name) or self.identifier
        self.without_weight_decay = _words("without_weight_decay", without_weight_decay, r"\w+|.+/\w+")
        self.iterations = 0

    @property
    def iterations(self) -> int:
        return self._iterations

    @iterations.setter
    def iterations(self, value: int) -> None:
        self._iterations = _config.integer("iterations", value, 0, 2**63 - 1)

    @property
    def learning_rate(self) -> LearningRate | schedules.Schedule:
        given = self._learning_rate
        if isinstance(given, schedules.Schedule):
            return given
        rate = LearningRate(given)
        rate._optimizer = self
        return rate

    @learning_rate.setter
    def learning_rate(self, value: float | schedules.Schedule | Mapping[str, Any]) -> None:
        if isinstance(value, schedules.Schedule | Mapping):
            self._learning_rate: float | schedules.Schedule = schedules.get(value, "learning_rate")
        else:
            self._learning_rate = _config.number("learning_rate", value, "[0, inf)")

    def learning_rates(self, step: int, count: int, epoch: int) -> NDArray[np.float32]:
        """Return the rates of `count` steps starting at `step`, all in `epoch`; both count from 0.

        Parameters
        ----------
        step, count, epoch : int

        Returns
        -------
        ndarray, float32 (count,)

        Examples
        --------
        >>> from nnc import optimizers, schedules
        >>> optimizer = optimizers.SGD(schedules.ExponentialDecay(1.0, decay_steps=1, decay_rate=0.5))
        >>> optimizer.learning_rates(step=1, count=3, epoch=0).tolist()
        [0.5, 0.25, 0.125]
        """
        given = self._learning_rate
        if not isinstance(given, schedules.Schedule):
            return np.full(count, given, dtype=np.float32)
        rates = given(np.arange(step, step + count) if given.per == "step" else epoch)
        return np.full(count, rates, dtype=np.float32)

    def exclude_from_weight_decay(
        self, var_list: Sequence[_Weight] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Exclude weights from weight decay, before the first training step; replaces earlier exclusions.

        Parameters
        ----------
        var_list : list of Variable, optional
            Weights, such as ``layer.bias``.
        var_names : list of str, optional
            Words: every weight whose name contains one of them ("kernel", "bias", "gamma", "beta", "alpha").

        Raises
        ------
        ValueError
            If the optimizer has made a step.

        Examples
        --------
        >>> from nnc import optimizers
        >>> optimizer = optimizers.AdamW(1e-3, weight_decay=0.01)
        >>> optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        >>> optimizer.without_weight_decay
        ('bias', 'gamma', 'beta')
        """
        if self.iterations:
            raise ValueError(
                f"exclude_from_weight_decay must be called before the first step, got {self.iterations} steps"
            )
        paths = [variable.path for variable in var_list or ()]
        self.without_weight_decay = (*paths, *_words("var_names", var_names or (), r"\w+"))

    def decays(self, layer: str, weight: str) -> bool:
        """Whether weight decay applies to a weight of the layer with this name.

        Parameters
        ----------
        layer, weight : str
            Such as "dense" and "kernel".

        Returns
        -------
        bool

        Examples
        --------
        >>> from nnc import optimizers
        >>> optimizer = optimizers.SGD(weight_decay=0.01, without_weight_decay=["bias", "dense/kernel"])
        >>> [optimizer.decays("dense_1", weight) for weight in ("kernel", "bias")]
        [True, False]
        >>> optimizer.decays("dense", "kernel")
        False
        """
        return not any(word in weight or word == f"{layer}/{weight}" for word in self.without_weight_decay)

    def slot_names(self) -> list[str]:
        """Return the names of the slots that are kept for each parameter, in order.

        Returns
        -------
        list of str

        Examples
        --------
        >>> from nnc import optimizers
        >>> optimizers.SGD().slot_names(), optimizers.Adam(amsgrad=True).slot_names()
        ([], ['m', 'v', 'v_max'])
        """
        return [name for name, option in self.slots.items() if option is None or getattr(self, option)]

    def spec(self) -> dict[str, Any]:
        """Return the description of the optimizer for a plan; the learning rate is passed with each step.

        Returns
        -------
        dict
            "name", the rule; "slots", the names of the slots kept; every option of every optimizer, False or
            0 if this one does not have or set it.

        Examples
        --------
        >>> from nnc import optimizers
        >>> spec = optimizers.SGD(momentum=0.9).spec()
        >>> spec["name"], spec["slots"], spec["momentum"], spec["amsgrad"], spec["clipnorm"]
        ('sgd', ['v'], 0.9, False, 0.0)
        """
        spec: dict[str, Any] = {"name": self.rule, "slots": self.slot_names()}
        for cls in self.registry.values():
            for option, default in cls.arguments().items():
                if option == "initial_accumulator_value":  # Adagrad's, part of its epsilon
                    continue
                given = getattr(self, option, None)
                spec[option] = (False if isinstance(default, bool) else 0.0) if given is None else given
        del spec["learning_rate"]
        return spec

    def _argument(self, name: str) -> Any:
        return self._learning_rate if name == "learning_rate" else super()._argument(name)

    # An optimizer has state (its step count): two with the same arguments are not equal.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    Without momentum ``w -= lr * g``; with momentum ``v = momentum * v - lr * g; w += v``, and with nesterov
    ``w += momentum * v - lr * g`` instead.

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    momentum : float
        In [0, 1].
    nesterov : bool
        Whether to use Nesterov momentum; requires a momentum above 0.
    weight_decay : float, optional
        Decoupled, as in Keras: each step also subtracts lr * weight_decay * w from every parameter, including
        biases.
    clipnorm, clipvalue, global_clipnorm : float, optional
        At most one of them: the largest norm of each parameter's gradient, the largest absolute value of its
        elements, the largest norm of all gradients together.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.SGD(nesterov=True)
    Traceback (most recent call last):
    ...
    ValueError: nesterov must be False without momentum, got True

    References
    ----------
    Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep learning",
    ICML 2013. PyTorch's v is this one divided by -lr: the two differ when the learning rate changes.
    """

    rule = "sgd"
    slots: ClassVar[Slots] = {"v": "momentum"}

    def __init__(
        self,
        learning_rate: float | schedules.Schedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        **options: Unpack[_OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, **options)
        self.momentum = _config.number("momentum", momentum, "[0, 1]")
        self.nesterov = _config.boolean("nesterov", nesterov)
        if self.nesterov and self.momentum == 0.0:
            raise _config.refusal("nesterov", "False without momentum", nesterov)


class RMSprop(Optimizer):
    """Gradient descent with the gradient divided by a running mean of its magnitude.

    ``a = rho * a + (1 - rho) * g^2``; ``i = lr * g / sqrt(a + epsilon)``, where centered replaces a by
    a - c^2, with ``c = rho * c + (1 - rho) * g``; then ``w -= i``, or with momentum
    ``u = momentum * u + i; w -= u``.

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    rho : float
        In [0, 1).
    momentum : float
        In [0, 1].
    epsilon : float
        At least 0; inside the square root, as in Keras (outside in PyTorch).
    centered : bool
        Whether to subtract the squared mean of the gradient.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, optional
        As in `SGD`.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.RMSprop(1e-3, rho=0.95)
    RMSprop(rho=0.95)

    References
    ----------
    Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centered: Graves,
    "Generating sequences with recurrent neural networks", 2013.
    """

    identifier = "rmsprop"
    rule = "rmsprop"
    slots: ClassVar[Slots] = {"a": None, "u": "momentum", "c": "centered"}

    def __init__(
        self,
        learning_rate: float | schedules.Schedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        **options: Unpack[_OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, **options)
        self.rho = _config.number("rho", rho, "[0, 1)")
        self.momentum = _config.number("momentum", momentum, "[0, 1]")
        self.epsilon = _config.number("epsilon", epsilon, "[0, inf)")
        self.centered = _config.boolean("centered", centered)


class Adam(Optimizer):
    """Gradient descent with running means of the gradient and of its square.

    With t counting the steps from 1::

        m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
        w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)

    With amsgrad, the largest v so far replaces v in the last line.

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    beta_1, beta_2 : float
        In [0, 1).
    epsilon : float
        At least 0; added to sqrt(v) before the bias is corrected, as in Keras ("epsilon hat" in the paper;
        after it in PyTorch).
    amsgrad : bool
        Whether to use the largest v so far.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, optional
        As in `SGD`.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.Adam(1e-3, beta_2=0.99)
    Adam(beta_2=0.99)

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015; amsgrad: Reddi, Kale and Kumar,
    "On the convergence of Adam and beyond", ICLR 2018.
    """

    rule = "adam"
    slots: ClassVar[Slots] = {"m": None, "v": None, "v_max": "amsgrad"}

    def __init__(
        self,
        learning_rate: float | schedules.Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        **options: Unpack[_OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, **options)
        self.beta_1 = _config.number("beta_1", beta_1, "[0, 1)")
        self.beta_2 = _config.number("beta_2", beta_2, "[0, 1)")
        self.epsilon = _config.number("epsilon", epsilon, "[0, inf)")
        self.amsgrad = _config.boolean("amsgrad", amsgrad)


class AdamW(Adam):
    """`Adam` with decoupled weight decay: a step first subtracts lr * weight_decay * w from each parameter.

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    weight_decay : float
        At least 0.
    beta_1, beta_2, epsilon, amsgrad, clipnorm, clipvalue, global_clipnorm
        As in `Adam`.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.AdamW(1e-3, weight_decay=0.01)
    AdamW(weight_decay=0.01)

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """

    identifier = "adamw"

    def __init__(
        self,
        learning_rate: float | schedules.Schedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        **options: Unpack[_OptimizerOptions],
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
            _config.number("weight_decay", weight_decay, "[0, inf)"),
            clipnorm,
            clipvalue,
            global_clipnorm,
            **options,
        )


class Adagrad(Optimizer):
    """Gradient descent with the gradient divided by the root of the sum of its squares so far.

    ``s += g^2;  w -= lr * g / sqrt(initial_accumulator_value + s + epsilon)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    initial_accumulator_value : float
        At least 0.
    epsilon : float
        At least 0.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, optional
        As in `SGD`.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.Adagrad(0.01).slot_names()
    ['s']

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    JMLR 12, 2011.
    """

    rule = "adagrad"
    slots: ClassVar[Slots] = {"s": None}

    def __init__(
        self,
        learning_rate: float | schedules.Schedule = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        **options: Unpack[_OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, **options)
        self.initial_accumulator_value = _config.number(
            "initial_accumulator_value", initial_accumulator_value, "[0, inf)"
        )
        self.epsilon = _config.number("epsilon", epsilon, "[0, inf)")

    def spec(self) -> dict[str, Any]:
        """As for every optimizer; the sum starts at 0, and its initial value is added to epsilon instead."""
        return super().spec() | {"epsilon": self.initial_accumulator_value + self.epsilon}


class Adamax(Optimizer):
    """`Adam` with the largest absolute gradient instead of the mean of its square.

    ``m += (1 - beta_1) (g - m);  u = max(beta_2 u, |g|);  w -= lr / (1 - beta_1^t) * m / (u + epsilon)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    beta_1, beta_2 : float
        In [0, 1).
    epsilon : float
        At least 0.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, optional
        As in `SGD`.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.Adamax(0.002).slot_names()
    ['m', 'u']

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.
    """

    rule = "adamax"
    slots: ClassVar[Slots] = {"m": None, "u": None}

    def __init__(
        self,
        learning_rate: float | schedules.Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        **options: Unpack[_OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, **options)
        self.beta_1 = _config.number("beta_1", beta_1, "[0, 1)")
        self.beta_2 = _config.number("beta_2", beta_2, "[0, 1)")
        self.epsilon = _config.number("epsilon", epsilon, "[0, inf)")


class Nadam(Optimizer):
    """`Adam` with Nesterov's momentum.

    With c_t = beta_1 (1 - 0.96^t / 2) and C_t the product of c_1, ..., c_t::

        m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
        w -= lr (c_(t+1) m / (1 - C_(t+1)) + (1 - c_t) g / (1 - C_t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    beta_1, beta_2 : float
        In [0, 1).
    epsilon : float
        At least 0.
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, optional
        As in `SGD`.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.Nadam(0.002).slot_names()
    ['m', 'v']

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.
    """

    rule = "nadam"
    slots: ClassVar[Slots] = {"m": None, "v": None}

    def __init__(
        self,
        learning_rate: float | schedules.Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        **options: Unpack[_OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, **options)
        self.beta_1 = _config.number("beta_1", beta_1, "[0, 1)")
        self.beta_2 = _config.number("beta_2", beta_2, "[0, 1)")
        self.epsilon = _config.number("epsilon", epsilon, "[0, inf)")


class Lion(Optimizer):
    """Steps of size lr in the direction of the sign of a running mean of the gradient.

    ``w -= lr * sign(beta_1 m + (1 - beta_1) g);  m = beta_2 m + (1 - beta_2) g``.

    Parameters
    ----------
    learning_rate : float or Schedule
        At least 0.
    beta_1, beta_2 : float
        In [0, 1).
    weight_decay, clipnorm, clipvalue, global_clipnorm : float, optional
        As in `SGD`.

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.Lion(1e-4).slot_names()
    ['m']

    References
    ----------
    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023.
    """

    rule = "lion"
    slots: ClassVar[Slots] = {"m": None}

    def __init__(
        self,
        learning_rate: float | schedules.Schedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        **options: Unpack[_OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, **options)
        self.beta_1 = _config.number("beta_1", beta_1, "[0, 1)")
        self.beta_2 = _config.number("beta_2", beta_2, "[0, 1)")


registry = _config.close(Optimizer, globals())


@overload
def get(identifier: None) -> None: ...
@overload
def get(identifier: str | Optimizer | type[Optimizer] | Mapping[str, Any]) -> Optimizer: ...
def get(identifier: str | Optimizer | type[Optimizer] | Mapping[str, Any] | None) -> Optimizer | None:
    """Return the optimizer for `identifier`: a Keras name, an object, its class or configuration, or None.

    Parameters
    ----------
    identifier : str, Optimizer, type, dict or None

    Returns
    -------
    Optimizer or None

    Examples
    --------
    >>> from nnc import optimizers
    >>> optimizers.get("adam").learning_rate
    0.001
    """
    return None if identifier is None else Optimizer.get(identifier)


def _words(name: str, value: object, pattern: str) -> tuple[str, ...]:
    """`value`, a list of words of this pattern, as a tuple."""
    must = (
        "a list of parts of weights' names, such as ['bias', 'gamma']; regular expressions are not supported"
    )
    words = _config.items(name, value, must)
    for word in words:
        if not isinstance(word, str):
            raise _config.refusal(name, must, value, TypeError)
        if not re.fullmatch(pattern, word):
            raise _config.refusal(name, must, value)
    return words


def _optional(name: str, value: object, interval: str) -> float | None:
    return None if value is None else _config.number(name, value, interval)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "schedules":  # Keras's name for nnc.schedules
            return schedules
        raise no_attribute(__name__, name, globals())
