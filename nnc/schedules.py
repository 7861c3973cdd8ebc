"""Schedules: the learning rate as a function of the time t, in optimizer steps or in epochs.

    >>> from nnc import schedules
    >>> rate = schedules.InverseTimeDecay(0.001, decay_steps=1, decay_rate=0.001, per="epoch")
    >>> rate(0), rate(1000)
    (0.001, 0.0005)

Both kinds of t count from 0. Keras's schedules are per step; a schedule per epoch is the same formula, with a
constant rate within an epoch. Everything is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Schedule(_config.Config):
    """Base class of the schedules: a formula for `rate` and the unit of time.

    Attributes
    ----------
    per : {"step", "epoch"}
        What t counts.
    name : str
        Defaults to the name of the class; nnc does not use it.

    Examples
    --------
    >>> from nnc import schedules
    >>> rate = schedules.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)
    >>> rate([0, 10, 20])
    array([0.1  , 0.05 , 0.025])
    """

    kind = "schedule"
    saved = False
    per = "step"

    def __call__(self, t: ArrayLike) -> float | NDArray[np.float64]:
        """Return the learning rate at time t: a float for a number, an array of its shape for an array."""
        rates = np.asarray(self.rate(np.asarray(t, dtype=np.float64)), dtype=np.float64)
        return float(rates) if rates.ndim == 0 else rates

    def rate(self, t: NDArray[np.float64]) -> ArrayLike:
        """The formula, for an array of times at least 0.

        Parameters
        ----------
        t : ndarray, float64

        Returns
        -------
        array-like of t's shape

        Examples
        --------
        >>> import numpy as np
        >>> from nnc import schedules
        >>> schedules.ExponentialDecay(1.0, decay_steps=10, decay_rate=0.5).rate(np.array([0, 10])).tolist()
        [1.0, 0.5]
        """
        raise NotImplementedError(f"{type(self).__name__} has no rate(t)")


class ExponentialDecay(Schedule):
    """initial_learning_rate * decay_rate ** (t / decay_steps).

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    decay_steps : float
        Above 0; the time in which the rate is multiplied by `decay_rate`.
    decay_rate : float
        Above 0.
    staircase : bool
        Whether t / decay_steps is rounded down.
    per : {"step", "epoch"}
        What t counts.
    name : str, optional
        Any name; nnc does not use it.

    Examples
    --------
    >>> from nnc import schedules
    >>> schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)(200)
    0.025
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        per: str = "step",
        *,
        name: str | None = None,
    ) -> None:
        self.name = _named(self, name)
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _config.number("decay_steps", decay_steps, "(0, inf)")
        self.decay_rate = _config.number("decay_rate", decay_rate, "(0, inf)")
        self.staircase = _config.boolean("staircase", staircase)
        self.per = _per(per)

    def rate(self, t: NDArray[np.float64]) -> ArrayLike:
        return self.initial_learning_rate * self.decay_rate ** self._periods(t)

    def _periods(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        periods = t / self.decay_steps
        return np.floor(periods) if self.staircase else periods


class InverseTimeDecay(ExponentialDecay):
    """initial_learning_rate / (1 + decay_rate * t / decay_steps).

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    decay_steps : float
        Above 0.
    decay_rate : float
        Above 0.
    staircase : bool
        Whether t / decay_steps is rounded down.
    per : {"step", "epoch"}
        What t counts.
    name : str, optional
        Any name; nnc does not use it.

    Examples
    --------
    >>> from nnc import schedules
    >>> schedules.InverseTimeDecay(0.1, decay_steps=100, decay_rate=0.5)(200)
    0.05
    """

    def rate(self, t: NDArray[np.float64]) -> ArrayLike:
        return self.initial_learning_rate / (1.0 + self.decay_rate * self._periods(t))


class PiecewiseConstantDecay(Schedule):
    """values[0] while t <= boundaries[0], values[1] while t <= boundaries[1], ..., values[-1] after the last.

    Parameters
    ----------
    boundaries : sequence of float
        Times at least 0, strictly increasing.
    values : sequence of float
        Rates at least 0, one more than boundaries.
    per : {"step", "epoch"}
        What t counts.
    name : str, optional
        Any name; nnc does not use it.

    Examples
    --------
    >>> from nnc import schedules
    >>> rate = schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001])
    >>> rate([0, 10, 11, 20, 21])
    array([0.1  , 0.1  , 0.01 , 0.01 , 0.001])
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        per: str = "step",
        *,
        name: str | None = None,
    ) -> None:
        self.name = _named(self, name)
        self.boundaries = _numbers("boundaries", boundaries)
        self.values = _numbers("values", values)
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise _config.refusal("boundaries", "strictly increasing", boundaries)
        if len(self.values) != len(self.boundaries) + 1:
            must = f"{len(self.boundaries) + 1} numbers, one more than boundaries"
            raise _config.refusal("values", must, values)
        self.per = _per(per)

    def rate(self, t: NDArray[np.float64]) -> ArrayLike:
        return np.asarray(self.values)[np.searchsorted(self.boundaries, t, side="left")]


class PolynomialDecay(Schedule):
    """end_learning_rate + (initial_learning_rate - end_learning_rate) * (1 - p)^power.

    p = min(t / decay_steps, 1). With cycle, the decay is repeated: instead of decay_steps, p has its smallest
    multiple that is at least t.

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    decay_steps : float
        Above 0.
    end_learning_rate : float
        At least 0.
    power : float
        Above 0; 1 is a linear decay.
    cycle : bool
        Whether the rate rises again after decay_steps.
    per : {"step", "epoch"}
        What t counts.
    name : str, optional
        Any name; nnc does not use it.

    Examples
    --------
    >>> from nnc import schedules
    >>> schedules.PolynomialDecay(0.5, decay_steps=10, end_learning_rate=0.25)([0, 5, 10, 20])
    array([0.5  , 0.375, 0.25 , 0.25 ])
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        per: str = "step",
        *,
        name: str | None = None,
    ) -> None:
        self.name = _named(self, name)
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _config.number("decay_steps", decay_steps, "(0, inf)")
        self.end_learning_rate = _rate("end_learning_rate", end_learning_rate)
        self.power = _config.number("power", power, "(0, inf)")
        self.cycle = _config.boolean("cycle", cycle)
        self.per = _per(per)

    def rate(self, t: NDArray[np.float64]) -> ArrayLike:
        periods = t / self.decay_steps
        p = periods / np.maximum(np.ceil(periods), 1.0) if self.cycle else np.minimum(periods, 1.0)
        last = self.end_learning_rate
        return (self.initial_learning_rate - last) * (1.0 - p) ** self.power + last


class CosineDecay(Schedule):
    """Half a cosine from the initial rate down to alpha times it, optionally after a linear warm-up.

    Without warm-up, with p = min(t / decay_steps, 1)::

        rate = initial_learning_rate * ((1 - alpha) * (1 + cos(pi p)) / 2 + alpha)

    With warm-up the rate goes linearly from initial_learning_rate to warmup_target over warmup_steps, then
    down from warmup_target by the formula above, with t counted from the end of the warm-up.

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    decay_steps : float
        Above 0; the duration of the decay.
    alpha : float
        The final rate as a fraction of the highest, in [0, 1].
    warmup_target : float, optional
        The rate at the end of the warm-up, at least 0.
    warmup_steps : float
        The duration of the warm-up, at least 0; above 0 requires a warmup_target.
    per : {"step", "epoch"}
        What t counts.
    name : str, optional
        Any name; nnc does not use it.

    Examples
    --------
    >>> from nnc import schedules
    >>> rate = schedules.CosineDecay(0.0, decay_steps=100, warmup_target=0.5, warmup_steps=10)
    >>> rate([0, 5, 10, 60, 110, 1000])
    array([0.  , 0.25, 0.5 , 0.25, 0.  , 0.  ])

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: float = 0,
        per: str = "step",
        *,
        name: str | None = None,
    ) -> None:
        self.name = _named(self, name)
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _config.number("decay_steps", decay_steps, "(0, inf)")
        self.alpha = _config.number("alpha", alpha, "[0, 1]")
        self.warmup_target = None if warmup_target is None else _rate("warmup_target", warmup_target)
        self.warmup_steps = _config.number("warmup_steps", warmup_steps, "[0, inf)")
        if self.warmup_steps > 0.0 and self.warmup_target is None:
            must = f"a number when warmup_steps = {warmup_steps}"
            raise _config.refusal("warmup_target", must, warmup_target)
        self.per = _per(per)

    def rate(self, t: NDArray[np.float64]) -> ArrayLike:
        start = self.initial_learning_rate
        top = start if self.warmup_target is None else self.warmup_target
        p = np.clip((t - self.warmup_steps) / self.decay_steps, 0.0, 1.0)
        down = top * ((1.0 - self.alpha) * _half_cosine(p) + self.alpha)
        up = start + (top - start) * _progress(t, 0.0, self.warmup_steps)
        return np.where(t < self.warmup_steps, up, down)


class CosineDecayRestarts(Schedule):
    """Half a cosine from the initial rate down to alpha times it, repeated in longer periods.

    Period i = 0, 1, ... takes first_decay_steps t_mul^i. With p, the part of it that has passed::

        rate = initial_learning_rate * ((1 - alpha) * m_mul^i * (1 + cos(pi p)) / 2 + alpha)

    Parameters
    ----------
    initial_learning_rate : float
        At least 0.
    first_decay_steps : float
        Above 0; the duration of the first period.
    t_mul : float
        At least 1; the duration of a period, divided by that of the one before.
    m_mul : float
        At least 0; the same for the first rate of a period (of its part above alpha).
    alpha : float
        The lowest rate as a fraction of the initial one, in [0, 1].
    per : {"step", "epoch"}
        What t counts.
    name : str, optional
        Any name; nnc does not use it.

    Examples
    --------
    >>> from nnc import schedules
    >>> schedules.CosineDecayRestarts(0.5, first_decay_steps=10)([0, 5, 10, 20, 30])
    array([0.5 , 0.25, 0.5 , 0.25, 0.5 ])

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        per: str = "step",
        *,
        name: str | None = None,
    ) -> None:
        self.name = _named(self, name)
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = _config.number("first_decay_steps", first_decay_steps, "(0, inf)")
        self.t_mul = _config.number("t_mul", t_mul, "[1, inf)")
        self.m_mul = _config.number("m_mul", m_mul, "[0, inf)")
        self.alpha = _config.number("alpha", alpha, "[0, 1]")
        self.per = _per(per)

    def rate(self, t: NDArray[np.float64]) -> ArrayLike:
        passed = t / self.first_decay_steps
        period = np.floor(passed)
        if self.t_mul > 1.0:
            period = np.floor(np.log1p(passed * (self.t_mul - 1.0)) / math.log(self.t_mul))
            period += self._begin(period + 1.0) <= passed  # the logarithms are rounded
            period -= self._begin(period) > passed
        p = (passed - self._begin(period)) / self.t_mul**period
        factor = (1.0 - self.alpha) * self.m_mul**period * _half_cosine(p) + self.alpha
        return self.initial_learning_rate * factor

    def _begin(self, period: NDArray[np.float64]) -> NDArray[np.float64]:
        """When a period begins, in units of the first one."""
        return period if self.t_mul == 1.0 else (self.t_mul**period - 1.0) / (self.t_mul - 1.0)


class OneCycle(Schedule):
    """Half a cosine up to the maximum, then half a cosine down to almost 0.

    The first rate is max_learning_rate / div_factor, the last is that / final_div_factor.
    The maximum is reached at t = pct_start * total_steps - 1 and the end at t = total_steps - 1, after which
    the rate stays constant; as PyTorch's OneCycleLR with anneal_strategy="cos" (which raises after the end).

    Parameters
    ----------
    max_learning_rate : float
        At least 0.
    total_steps : float
        The duration of the cycle, at least 1.
    pct_start : float
        The fraction of the cycle in which the rate rises, in [0, 1].
    div_factor : float
        max_learning_rate divided by the first rate, at least 1.
    final_div_factor : float
        The first rate divided by the last, above 0.
    per : {"step", "epoch"}
        What t counts.
    name : str, optional
        Any name; nnc does not use it.

    Examples
    --------
    >>> from nnc import schedules
    >>> rate = schedules.OneCycle(1.0, total_steps=11, pct_start=5 / 11, div_factor=10, final_div_factor=10)
    >>> rate([0, 2, 4, 7, 10, 11])
    array([0.1  , 0.55 , 1.   , 0.505, 0.01 , 0.01 ])

    References
    ----------
    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    2018.
    """

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: float,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        per: str = "step",
        *,
        name: str | None = None,
    ) -> None:
        self.name = _named(self, name)
        self.max_learning_rate = _rate("max_learning_rate", max_learning_rate)
        self.total_steps = _config.number("total_steps", total_steps, "[1, inf)")
        self.pct_start = _config.number("pct_start", pct_start, "[0, 1]")
        self.div_factor = _config.number("div_factor", div_factor, "[1, inf)")
        self.final_div_factor = _config.number("final_div_factor", final_div_factor, "(0, inf)")
        self.per = _per(per)

    def rate(self, t: NDArray[np.float64]) -> ArrayLike:
        first = self.max_learning_rate / self.div_factor
        last = first / self.final_div_factor
        top, end = self.pct_start * self.total_steps - 1.0, self.total_steps - 1.0
        up = self.max_learning_rate + (first - self.max_learning_rate) * _half_cosine(_progress(t, 0.0, top))
        down = last + (self.max_learning_rate - last) * _half_cosine(_progress(t, max(top, 0.0), end))
        return np.where(t <= top, up, down)


registry = _config.close(Schedule, globals())


def get(identifier: Schedule | Mapping[str, Any], argument: str | None = None) -> Schedule:
    """Return the schedule for `identifier`: an object or its configuration; `argument` names it in messages.

    Parameters
    ----------
    identifier : Schedule or dict
    argument : str, optional

    Returns
    -------
    Schedule

    Examples
    --------
    >>> from nnc import schedules
    >>> config = {"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.0,
    ...           "warmup_target": None, "warmup_steps": 0, "per": "epoch"}
    >>> schedules.get({"class_name": "CosineDecay", "config": config})
    CosineDecay(0.1, 10.0, per='epoch')
    """
    return Schedule.get(identifier, argument)


def _per(per: object) -> str:
    return _config.choice("per", per, ("step", "epoch"))


def _named(schedule: Schedule, name: str | None) -> str:
    return _config.optional_name(name) or type(schedule).__name__


def _rate(name: str, value: object) -> float:
    return _config.number(name, value, "[0, inf)")


def _numbers(name: str, values: object) -> tuple[float, ...]:
    if not isinstance(values, Sequence | np.ndarray):
        raise _config.refusal(name, "a sequence of numbers", values, TypeError)
    return tuple(_rate(name, value) for value in _config.items(name, values, "a sequence of numbers"))


def _progress(t: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
    """The progress of t from start to stop, in [0, 1]; 1 if stop <= start."""
    return np.clip((t - start) / (stop - start), 0.0, 1.0) if stop > start else np.ones_like(t)


def _half_cosine(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 1 at p = 0 to 0 at p = 1."""
    return 0.5 * (1.0 + np.cos(math.pi * p))
