"""Counter-based random numbers: a function of where they are used, so they need not be drawn in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Noise = tuple[int, int, int]  # seed, epoch, step


def philox4x32(counter: tuple, key: tuple[int, int]) -> tuple[NDArray[np.uint64], ...]:
    """Philox4x32-10: four 32-bit words of random bits, a function of counter and key alone.

    Parameters
    ----------
    counter : sequence of 4 array_like of int
        The words of the counter, broadcast against each other.
    key : sequence of 2 int
        The words of the key.

    Returns
    -------
    tuple of 4 ndarray of uint64
        Words below 2^32.

    References
    ----------
    Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".

    Examples
    --------
    >>> [hex(word) for word in philox4x32((0, 0, 0, 0), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    low, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in counter)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2  # 32-bit words: 64 bits suffice
        c0, c2 = (p1 >> bits) ^ c1 ^ np.uint64(k0), (p0 >> bits) ^ c3 ^ np.uint64(k1)
        c1, c3 = p1 & low, p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def random_words(n: int, index: int, noise: Noise) -> NDArray[np.uint64]:
    """Return the first n words (below 2^32) of a layer's stream in one training step.

    Word i is word i mod 4 of Philox block i div 4. The key is the seed; the counter is (block, index, step,
    epoch), so no two layers, steps or epochs share a number, and the words do not depend on the order in
    which they are computed.

    Parameters
    ----------
    n : int
    index : int
        The layer's position in the plan.
    noise : Noise
        The seed, epoch and step.

    Returns
    -------
    ndarray of uint64 (n,)

    Examples
    --------
    >>> from nnc import reference
    >>> [hex(word) for word in reference.random_words(4, index=0, noise=(0, 0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    seed, epoch, step = noise
    blocks = np.arange((n + 3) // 4)
    key = (seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF)
    words = philox4x32((blocks, index, step & 0xFFFFFFFF, epoch & 0xFFFFFFFF), key)
    return np.stack(words, axis=1).reshape(-1)[:n]
