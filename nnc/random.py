"""The source of all random numbers in nnc: one global seed, and generators that are functions of their key.

nnc never uses NumPy's or Python's global generators. The global seed is 0 when nnc is imported: a script
produces the same weights, shuffles and dropout masks on every run, without setting a seed.

No two uses of a seed share a stream of numbers. Numbers drawn in Python have a key (seed, purpose, ...): a
`Purpose` and numbers that distinguish the streams of that purpose, such as the index of a layer. The key,
including its length, is hashed (NumPy's SeedSequence) to the key of a Philox4x64 generator. Dropout masks and
random image transformations are drawn in the C core (and in nnc.reference.noise) by another generator,
Philox4x32-10, whose key is the model's seed itself and whose counter is (block, row in the plan, step,
epoch): see `nnc.reference.random_words`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _config

if TYPE_CHECKING:
    from numpy.random import Generator

_WORD = 2**64 - 1


class Purpose(IntEnum):
    """The purpose of random numbers: the second part of every key.

    The number of a purpose never changes and is never reused: the bits that a seed produces depend on it.

    Examples
    --------
    >>> from nnc.random import Purpose, generator
    >>> generator(0, Purpose.WEIGHTS, 0).random() == generator(0, Purpose.WEIGHTS, 1).random()
    False
    """

    SHUFFLE = 1
    """The order of the rows in an epoch: stream `epoch` of `Streams(model's seed, SHUFFLE)`."""
    WEIGHTS = 2
    """Initial weights of a layer: (model's seed, WEIGHTS, the layer's index in the model)."""
    SEEDS = 3
    """`next_seed`: (global seed, SEEDS, seeds drawn so far)."""
    INITIALIZER = 4
    """An initializer called directly: (its own seed, INITIALIZER)."""
    DRAWS = 11
    """The parameters of a trial: (search's seed, DRAWS, the trial's number)."""
    FOLDS = 12
    """The order in which rows are assigned to folds: (search's seed, FOLDS)."""
    TRIALS = 13
    """The seed of a trial: (search's seed, TRIALS, the trial's number)."""
    PARTS = 21
    """Which rows of a table are for training, validation and test: (seed, PARTS)."""


class _Sequence:
    """A seed and how many seeds have been drawn from it."""

    def __init__(self, seed: int) -> None:
        self.seed, self.drawn = seed, 0


_global = _Sequence(0)
_here: ContextVar[_Sequence | None] = ContextVar("nnc_seeds", default=None)


def set_random_seed(seed: int | None) -> None:
    """Set the global seed, from which models and initializers derive theirs, and restart its sequence.

    Parameters
    ----------
    seed : int or None
        From 0 to 2**64 - 1; None draws one from the operating system, which makes every run different.

    Examples
    --------
    >>> from nnc import random
    >>> random.set_random_seed(7)
    >>> first = random.next_seed()
    >>> random.set_random_seed(7)
    >>> random.next_seed() == first
    True
    """
    if seed is None:
        seed = int.from_bytes(os.urandom(8), "little")
    _global.seed = _config.integer("seed", seed, 0, _WORD)
    _global.drawn = 0


def next_seed() -> int:
    """Return the next 64-bit seed of the global sequence: a function of the global seed and the calls so far.

    Returns
    -------
    int

    Examples
    --------
    >>> from nnc import random
    >>> random.set_random_seed(7)
    >>> random.next_seed() == random.next_seed()
    False
    """
    sequence = _here.get() or _global
    sequence.drawn += 1
    return derived_seed(sequence.seed, Purpose.SEEDS, sequence.drawn)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside ``with``, in this thread only, `next_seed` uses the sequence of `seed`.

    The seeds of models that are created in several threads at once then do not depend on their order.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.

    Returns
    -------
    context manager

    Examples
    --------
    >>> from nnc import random
    >>> with random.seeded(5):
    ...     first = random.next_seed()
    >>> with random.seeded(5):
    ...     random.next_seed() == first
    True
    """
    token = _here.set(_Sequence(_config.integer("seed", seed, 0, _WORD)))
    try:
        yield
    finally:
        _here.reset(token)


def derived_seed(seed: int, purpose: Purpose, *key: int) -> int:
    """Return a 64-bit seed that is a function of the arguments only, which are those of `generator`.

    Parameters
    ----------
    seed, purpose, *key
        As in `generator`.

    Returns
    -------
    int

    Examples
    --------
    >>> from nnc import random
    >>> seeds = [random.derived_seed(0, random.Purpose.TRIALS, number) for number in (0, 1, 0)]
    >>> seeds[0] == seeds[1], seeds[0] == seeds[2]
    (False, True)
    """
    return int(_sequence(seed, purpose, *key).generate_state(1, np.uint64)[0])


def generator(seed: int, purpose: Purpose, *key: int) -> Generator:
    """Return a NumPy generator (Philox4x64-10) that is a function of the arguments only.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.
    purpose : Purpose
        What the numbers are used for; another purpose has other numbers.
    *key : int
        Each from 0 to 2**64 - 1: distinguishes the streams of one seed and purpose.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    TypeError
        If the purpose is not a `Purpose`, or a number is not an integer.
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> from nnc import random
    >>> layers = [random.generator(0, random.Purpose.WEIGHTS, place) for place in (0, 1, 0)]
    >>> first, second, again = (int(rng.integers(1000000)) for rng in layers)
    >>> first == second, first == again
    (False, True)
    >>> random.generator(0, 1)
    Traceback (most recent call last):
    ...
    TypeError: purpose must be one of Purpose.SHUFFLE, Purpose.WEIGHTS, Purpose.SEEDS, Purpose.INITIALIZER, \
Purpose.DRAWS, Purpose.FOLDS, Purpose.TRIALS, Purpose.PARTS, got 1

    References
    ----------
    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    return np.random.Generator(np.random.Philox(_sequence(seed, purpose, *key)))


class Streams:
    """Streams of random numbers indexed by a number, such as the epoch: `at` starts one.

    Moving to a stream takes a microsecond, creating a new generator twenty.

    Parameters
    ----------
    seed, purpose, *key
        As for `generator`; each stream is a function of them and its number only. Stream 0 is that of
        `generator`: a purpose may be used with only one of the two.

    Examples
    --------
    >>> from nnc import random
    >>> orders = random.Streams(0, random.Purpose.SHUFFLE)
    >>> first = orders.at(3).permutation(5)
    >>> bool((orders.at(4).permutation(5) == first).all()), bool((orders.at(3).permutation(5) == first).all())
    (False, True)
    """

    def __init__(self, seed: int, purpose: Purpose, *key: int) -> None:
        self._bits = np.random.Philox(_sequence(seed, purpose, *key))
        self._state: Any = self._bits.state
        self._generator = np.random.Generator(self._bits)

    def at(self, number: int) -> Generator:
        """Return the generator, moved to the beginning of stream `number`, 0 to 2**64 - 1.

        Parameters
        ----------
        number : int

        Returns
        -------
        numpy.random.Generator

        Examples
        --------
        >>> from nnc import random
        >>> streams = random.Streams(0, random.Purpose.SHUFFLE)
        >>> first = streams.at(2).integers(1000, size=3)
        >>> bool((streams.at(2).integers(1000, size=3) == first).all())
        True
        """
        # No stream is 2^192 blocks long: streams do not overlap.
        self._state["state"]["counter"][3] = number
        self._bits.state = self._state
        return self._generator


def _sequence(seed: int, purpose: Purpose, *key: int) -> np.random.SeedSequence:
    if not isinstance(purpose, Purpose):
        must = f"one of {', '.join(f'Purpose.{name}' for name in Purpose.__members__)}"
        raise _config.refusal("purpose", must, purpose, TypeError)
    parts = [_config.integer("seed", seed, 0, _WORD), int(purpose)]
    parts += [_config.integer("key", part, 0, _WORD) for part in key]
    # SeedSequence pads with zeros and splits long integers, which would make (1,) and (1, 0) the same key:
    # pass it the length and two words for each part.
    words = [len(parts)]
    for part in parts:
        words += [part & 0xFFFFFFFF, part >> 32]
    return np.random.SeedSequence(words)
