"""The space of a search: the values that each parameter may take, drawn at random or listed as a grid.

A space is a dict of names. A value is a distribution of this module, a list (any one of its items), another
dict (nested parameters), or anything else, which is a constant.

>>> from nnc import random, search
>>> space = Space({"units": search.integers(9, 30), "rate": search.uniform(0.1, 0.2), "batch": [32, 64]})
>>> sorted(space.draw(random.generator(0, random.Purpose.DRAWS)))
['batch', 'rate', 'units']
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nnc import _config, random
from nnc._config import refusal

Params = dict[str, Any]


class Distribution:
    """The values of a parameter; `choice`, `uniform` and the other functions of this module create one."""

    def draw(self, rng: np.random.Generator) -> Any:
        """One value at random."""
        raise NotImplementedError

    def values(self) -> Iterator[Any]:
        """Every value in order, for a grid."""
        raise ValueError(f"a grid needs lists, choices or integers, but {self} has infinitely many values")

    def suggest(self, trial: Any, name: str) -> Any:
        """A value that Optuna's `trial` chooses for parameter `name`."""
        raise NotImplementedError


class _Choice(Distribution):
    def __init__(self, options: Sequence[Any]) -> None:
        self.options = tuple(options)
        if not self.options:
            raise refusal("choice", "at least one value", options)

    def draw(self, rng: np.random.Generator) -> Any:
        return self.options[int(rng.integers(len(self.options)))]

    def values(self) -> Iterator[Any]:
        return iter(self.options)

    def suggest(self, trial: Any, name: str) -> Any:
        if all(option is None or isinstance(option, (bool, int, float, str)) for option in self.options):
            return trial.suggest_categorical(name, self.options)
        return self.options[trial.suggest_categorical(name, range(len(self.options)))]

    def __repr__(self) -> str:
        return f"choice({', '.join(map(repr, self.options))})"


class _Uniform(Distribution):
    def __init__(self, low: float, high: float, log: bool) -> None:
        interval = "(0, inf)" if log else "(-inf, inf)"
        self.low, self.high = _config.number("low", low, interval), _config.number("high", high, interval)
        self.log = log
        if not self.low < self.high:
            raise refusal("high", f"above low, which is {low!r}", high)

    def draw(self, rng: np.random.Generator) -> float:
        u = rng.random()
        if self.log:
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + u * (self.high - self.low)
        return min(max(value, self.low), self.high)  # rounding must not leave the interval

    def suggest(self, trial: Any, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def __repr__(self) -> str:
        return f"{'log' * self.log}uniform({self.low!r}, {self.high!r})"


class _Integers(Distribution):
    def __init__(self, low: int, high: int) -> None:
        self.low = _config.integer("low", low, -(2**62), 2**62)
        self.high = _config.integer("high", high, self.low + 1, 2**62)

    def draw(self, rng: np.random.Generator) -> int:
        return int(rng.integers(self.low, self.high))

    def values(self) -> Iterator[int]:
        return iter(range(self.low, self.high))

    def suggest(self, trial: Any, name: str) -> int:
        return trial.suggest_int(name, self.low, self.high - 1)

    def __repr__(self) -> str:
        return f"integers({self.low}, {self.high})"


class _Several(Distribution):
    def __init__(self, of: Any, length: Any) -> None:
        self.of, self.length = distribution(of), distribution(length)

    def _checked(self, length: Any) -> int:
        return _config.integer("length", length, 0, 10_000)

    def draw(self, rng: np.random.Generator) -> list[Any]:
        return [self.of.draw(rng) for _ in range(self._checked(self.length.draw(rng)))]

    def values(self) -> Iterator[list[Any]]:
        for length in self.length.values():
            for items in itertools.product(tuple(self.of.values()), repeat=self._checked(length)):
                yield list(items)

    def suggest(self, trial: Any, name: str) -> list[Any]:
        length = self._checked(self.length.suggest(trial, f"{name}_length"))
        return [self.of.suggest(trial, f"{name}_{i}") for i in range(length)]

    def __repr__(self) -> str:
        return f"several({self.of!r}, {self.length!r})"


class _Branch(Distribution):
    def __init__(self, cases: Mapping[Any, Mapping[str, Any]]) -> None:
        if not isinstance(cases, Mapping) or not cases:
            raise refusal("branch", "a dict of values, each with its own space", cases, TypeError)
        self.cases = {value: Space(space) for value, space in cases.items()}

    def names(self) -> list[str]:
        """The names of the parameters of all cases."""
        return list(dict.fromkeys(name for case in self.cases.values() for name in case.names()))

    def draw(self, rng: np.random.Generator) -> tuple[Any, Params]:
        value = tuple(self.cases)[int(rng.integers(len(self.cases)))]
        return value, self.cases[value].draw(rng)

    def values(self) -> Iterator[tuple[Any, Params]]:
        return ((value, params) for value, space in self.cases.items() for params in space.values())

    def suggest(self, trial: Any, name: str) -> tuple[Any, Params]:
        value = _Choice(tuple(self.cases)).suggest(trial, name)
        return value, self.cases[value].suggest(trial, "")

    def __repr__(self) -> str:
        return f"branch({', '.join(f'{value!r}: {space!r}' for value, space in self.cases.items())})"


class _Fixed(Distribution):
    def __init__(self, value: Any) -> None:
        self.value = value

    def draw(self, rng: np.random.Generator) -> Any:
        return self.value

    def values(self) -> Iterator[Any]:
        yield self.value

    def suggest(self, trial: Any, name: str) -> Any:
        return self.value

    def __repr__(self) -> str:
        return repr(self.value)


class Space(Distribution):
    """Named parameters; a dict is converted to one wherever a space is expected.

    Parameters
    ----------
    parameters : dict of str to distribution, list, dict or constant

    Raises
    ------
    TypeError, ValueError
        If it is not a dict with string keys, or a name may occur twice (inside a `branch`).

    Examples
    --------
    >>> from nnc import search
    >>> space = search.Space({"units": search.choice(8, 16), "optimizer": {"rate": [0.1, 0.2]}})
    >>> space.names()
    ['units', 'optimizer']
    """

    def __init__(self, parameters: Mapping[str, Any] | Space) -> None:
        if isinstance(parameters, Space):
            parameters = parameters.parameters
        if not isinstance(parameters, Mapping) or not all(isinstance(name, str) for name in parameters):
            raise refusal("parameters: space", "a dict of names to their values", parameters, TypeError)
        self.parameters: dict[str, Distribution] = {
            name: distribution(value) for name, value in parameters.items()
        }
        taken = list(self.parameters)
        for name, value in self.parameters.items():
            inner = value.names() if isinstance(value, _Branch) else []
            if twice := set(taken) & set(inner):
                raise ValueError(
                    f"the branches of {name!r} have {sorted(twice)}, which the space has already"
                )
            taken += inner

    def names(self) -> list[str]:
        """The names that parameters drawn from this space may have.

        Returns
        -------
        list of str

        Examples
        --------
        >>> from nnc import search
        >>> optimizer = search.branch({"adam": {}, "sgd": {"momentum": search.uniform(0.5, 0.9)}})
        >>> search.Space({"units": [8, 16], "optimizer": optimizer}).names()
        ['units', 'optimizer', 'momentum']
        """
        found = []
        for name, value in self.parameters.items():
            found.append(name)
            if isinstance(value, _Branch):
                found += value.names()
        return found

    def draw(self, rng: np.random.Generator) -> Params:
        return _merged((name, value, value.draw(rng)) for name, value in self.parameters.items())

    def values(self) -> Iterator[Params]:
        named = self.parameters.items()
        for combination in itertools.product(*(tuple(value.values()) for value in self.parameters.values())):
            yield _merged((name, value, got) for (name, value), got in zip(named, combination, strict=True))

    def suggest(self, trial: Any, name: str = "") -> Params:
        prefix = f"{name}." if name else ""
        return _merged((n, value, value.suggest(trial, prefix + n)) for n, value in self.parameters.items())

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{name!r}: {value!r}' for name, value in self.parameters.items())}}}"


def _merged(drawn: Iterator[tuple[str, Distribution, Any]]) -> Params:
    """The drawn values as a dict; the parameters of a branch are on the same level as its name."""
    params: Params = {}
    for name, value, got in drawn:
        if isinstance(value, _Branch):
            params[name], inner = got
            params |= inner
        else:
            params[name] = got
    return params


def distribution(value: Any) -> Distribution:
    """`value` as a distribution: a list is a choice, a dict a nested space, all else a constant."""
    if isinstance(value, Distribution):
        return value
    if isinstance(value, Mapping):
        return Space(value)
    return _Choice(value) if isinstance(value, list) else _Fixed(value)


def choice(*options: Any) -> Distribution:
    """One of the options, all equally likely; a list in a space means the same.

    Parameters
    ----------
    *options
        Any values.

    Returns
    -------
    distribution

    Examples
    --------
    >>> from nnc import search
    >>> search.choice("relu", "tanh")
    choice('relu', 'tanh')
    """
    return _Choice(options)


def uniform(low: float, high: float) -> Distribution:
    """A float x in [low, high] with density 1 / (high - low).

    Parameters
    ----------
    low, high : float

    Returns
    -------
    distribution

    Examples
    --------
    >>> from nnc import search
    >>> search.uniform(0.15, 0.25)
    uniform(0.15, 0.25)
    """
    return _Uniform(low, high, False)


def loguniform(low: float, high: float) -> Distribution:
    """A float x in [low, high] whose logarithm is uniform: with density 1 / (x ln(high / low)).

    Parameters
    ----------
    low, high : float
        0 < low < high.

    Returns
    -------
    distribution

    Examples
    --------
    >>> from nnc import search
    >>> search.loguniform(1e-7, 1e-4)
    loguniform(1e-07, 0.0001)
    """
    return _Uniform(low, high, True)


def integers(low: int, high: int) -> Distribution:
    """An integer low <= n < high, as in Python's `range`.

    Parameters
    ----------
    low, high : int

    Returns
    -------
    distribution

    Examples
    --------
    >>> from nnc import search
    >>> search.integers(200, 300)
    integers(200, 300)
    """
    return _Integers(low, high)


def several(of: Any, length: Any) -> Distribution:
    """A list of independent values, such as the units of each hidden layer; its length may vary too.

    Parameters
    ----------
    of : distribution, list, dict or constant
        The values of each item.
    length : distribution, list or int
        The number of items.

    Returns
    -------
    distribution

    Examples
    --------
    >>> from nnc import random, search
    >>> hidden = search.several(search.integers(16, 129), length=search.integers(1, 4))
    >>> space = search.Space({"hidden": hidden})
    >>> len(space.draw(random.generator(0, random.Purpose.DRAWS))["hidden"]) in (1, 2, 3)
    True
    """
    return _Several(of, length)


def branch(cases: Mapping[Any, Mapping[str, Any]]) -> Distribution:
    """One of the keys of `cases`, together with the parameters that only this case has.

    Parameters
    ----------
    cases : dict of dict
        The space of each case.

    Returns
    -------
    distribution

    Examples
    --------
    >>> from nnc import search
    >>> space = search.Space({"optimizer": search.branch({"sgd": {"momentum": [0.0, 0.9]}, "adam": {}})})
    >>> list(space.values())
    [{'optimizer': 'sgd', 'momentum': 0.0}, {'optimizer': 'sgd', 'momentum': 0.9}, {'optimizer': 'adam'}]
    """
    return _Branch(cases)


def flattened(params: Mapping[str, Any], prefix: str = "") -> Params:
    """Nested parameters with their names joined by dots, for the columns of a table."""
    found: Params = {}
    for name, value in params.items():
        found |= (
            flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
        )
    return found


def drawn(space: Space, seed: int, number: int) -> Params:
    """The parameters of trial `number` of a search: determined by the space, the seed and the number."""
    return space.draw(random.generator(seed, random.Purpose.DRAWS, number))
