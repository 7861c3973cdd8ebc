"""Where every random number of nnc begins: one global seed, and generators that are functions of their key.

Nothing here or elsewhere touches NumPy's or Python's global generators. The global seed is 0 when nnc is
imported, so a script gives the same weights, shuffles and dropout masks every time it runs, with no call to
make it so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import numpy as np

from nnc import _config

if TYPE_CHECKING:
    from numpy.random import Generator

_WORD = 2**64 - 1


class _Sequence:
    """A seed and how many seeds have been drawn from it."""

    def __init__(self, seed: int) -> None:
        self.seed, self.drawn = seed, 0


_global = _Sequence(0)
_here: ContextVar[_Sequence | None] = ContextVar("nnc_seeds", default=None)


def set_random_seed(seed: int | None) -> None:
    """Set the global seed, from which models and initializers take theirs, and start its sequence again.

    Parameters
    ----------
    seed : int or None
        From 0 to 2**64 - 1; None draws one from the operating system, so that every run differs.

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
    """The next seed of the global sequence, 64 bits: a function of the global seed and the calls so far."""
    sequence = _here.get() or _global
    sequence.drawn += 1
    return derived_seed(sequence.seed, sequence.drawn)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside ``with``, and in this thread alone, the sequence of `next_seed` is that of `seed`.

    So models that are made in several threads at once have seeds that do not depend on who came first.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.

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


def derived_seed(*key: int) -> int:
    """A seed of 64 bits that is a function of `key` alone; each part is from 0 to 2**64 - 1."""
    return int(_sequence(*key).generate_state(1, np.uint64)[0])


def generator(*key: int) -> Generator:
    """A NumPy generator (Philox) that is a function of `key` alone.

    Parameters
    ----------
    *key : int
        Each from 0 to 2**64 - 1: a seed, then what the numbers are for, an epoch, ...

    Examples
    --------
    >>> from nnc import random
    >>> int(random.generator(0, 1).integers(1000)) == int(random.generator(0, 1).integers(1000))
    True

    References
    ----------
    Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    return np.random.Generator(np.random.Philox(_sequence(*key)))


class Streams:
    """Streams of numbers that are told apart by a number, such as an epoch's: `at` begins one.

    Parameters
    ----------
    *key : int
        As `generator` has it; each stream is a function of `key` and its number alone. Moving to one costs a
        microsecond, where a new generator takes twenty.

    Examples
    --------
    >>> from nnc import random
    >>> orders = random.Streams(0, 1)
    >>> first = orders.at(3).permutation(5)
    >>> bool((orders.at(4).permutation(5) == first).all()), bool((orders.at(3).permutation(5) == first).all())
    (False, True)
    """

    def __init__(self, *key: int) -> None:
        self._bits = np.random.Philox(_sequence(*key))
        self._state = self._bits.state
        self._generator = np.random.Generator(self._bits)

    def at(self, number: int) -> Generator:
        """The generator, moved to the beginning of stream `number`, 0 to 2**64 - 1."""
        # No stream is 2^192 blocks long, so none runs into another.
        self._state["state"]["counter"][3] = number
        self._bits.state = self._state
        return self._generator


def _sequence(*key: int) -> np.random.SeedSequence:
    # SeedSequence pads with zeros and splits long integers, so (1,) and (1, 0) would be one key: give it the
    # length and two words for each.
    words = [len(key)]
    for part in key:
        part = _config.integer("key", part, 0, _WORD)
        words += [part & 0xFFFFFFFF, part >> 32]
    return np.random.SeedSequence(words)
