"""Products of operands rounded to bfloat16, bit for bit: float32 sums in the order of AMX's TDPBF16PS.

A sum over k is computed in blocks of `BLOCK` terms from its start, the last one padded with zeros:

    even = fma(a[k], b[k], even) for k = 0, 2, 4, ... of the block, from 0
    odd = fma(a[k], b[k], odd) for k = 1, 3, 5, ... of the block, from 0
    sum = sum + (even + odd)

in float32 throughout, rounded to nearest even, with denormal operands and results replaced by 0. What the
product is added to (a bias) comes last. Any CPU with fused multiply-adds produces these bits, as does this
module.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

BLOCK = 32  # terms of a sum that one instruction adds

_LEAST = 2.0**-126  # the smallest normal float32
_TINY = _LEAST * (1 - 2.0**-25)  # smaller values become 0; from here up to _LEAST they are rounded to _LEAST


def round_bfloat16(x: ArrayLike) -> Floats:
    """x rounded to the nearest bfloat16, ties to even: a float32 whose lower 16 bits are 0.

    Parameters
    ----------
    x : array_like
        Rounded to float32 first.

    Returns
    -------
    ndarray of float32, of the shape of x

    Examples
    --------
    >>> round_bfloat16([1.0, 1.00390625, 1.01171875, -255.5])
    array([   1.      ,    1.      ,    1.015625, -256.      ], dtype=float32)
    """
    with np.errstate(over="ignore"):
        x = np.array(x, np.float32)
    bits = x.view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    bits[...] = np.where(np.isnan(x), bits | np.uint32(0x400000), rounded) & np.uint32(0xFFFF0000)
    return x


def _flush(x: NDArray) -> Floats:
    """x as float32; values too small for a normal number become 0 of the same sign."""
    return np.where(np.abs(x) < _TINY, np.copysign(0.0, x), x).astype(np.float32)


def _fma(a: Floats, b: Floats, c: Floats) -> Floats:
    """a b + c, rounded once. a b is exact in float64; the sum is rounded to odd there, which keeps what the
    second rounding needs (Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums").
    """
    product = a.astype(np.float64) * b
    total = product + c
    back = total - product
    error = (product - (total - back)) + (c - back)
    bits = np.atleast_1d(total).view(np.int64).reshape(total.shape)
    outward = np.where((error > 0) == (total > 0), 1, -1)
    odd = np.where(np.isfinite(total) & (error != 0) & (bits & 1 == 0), bits + outward, bits)
    return _flush(odd.view(np.float64))


def _block_sum(a: Floats, b: Floats) -> Floats:
    """even + odd of one block: a (..., M, K) and b (..., K, N) with K <= BLOCK."""
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    chains = [np.zeros(shape, np.float32), np.zeros(shape, np.float32)]
    for k in range(a.shape[-1]):
        chains[k % 2] = _fma(a[..., :, k, None], b[..., None, k, :], chains[k % 2])
    return _flush(chains[0] + chains[1])


@np.errstate(all="ignore")
def add_product(c: Floats, a: ArrayLike, b: ArrayLike) -> Floats:
    """c + a b, block by block; the operands are rounded here.

    Parameters
    ----------
    c : ndarray of float32, shape (M, N)
    a : array_like, shape (M, K)
    b : array_like, shape (K, N)

    Returns
    -------
    ndarray of float32, shape (M, N)
    """
    a, b = _flush(round_bfloat16(a)), _flush(round_bfloat16(b))
    for k in range(0, a.shape[-1], BLOCK):
        c = _flush(_flush(c) + _block_sum(a[:, k : k + BLOCK], b[k : k + BLOCK]))
    return c


def product(a: ArrayLike, b: ArrayLike) -> Floats:
    """a b of operands rounded to bfloat16.

    Parameters
    ----------
    a : array_like, shape (M, K)
    b : array_like, shape (K, N)

    Returns
    -------
    ndarray of float32, shape (M, N)

    Examples
    --------
    >>> product([[1.00390625, 3.0]], [[1.0], [1.0]])  # the first is rounded to 1
    array([[4.]], dtype=float32)
    """
    a, b = np.asarray(a), np.asarray(b)
    return add_product(np.zeros((len(a), b.shape[1]), np.float32), a, b)


@np.errstate(all="ignore")
def add_products(c: Floats, a: ArrayLike, b: ArrayLike) -> Floats:
    """c + a[0] b[0] + a[1] b[1] + ..., one sum after the other, each in its own blocks.

    Parameters
    ----------
    c : ndarray of float32, shape (M, N)
    a : array_like, shape (P, M, K)
    b : array_like, shape (P, K, N)

    Returns
    -------
    ndarray of float32, shape (M, N)
    """
    a, b = _flush(round_bfloat16(a)), _flush(round_bfloat16(b))
    starts = range(0, a.shape[-1], BLOCK)
    sums = [_block_sum(a[..., k : k + BLOCK], b[..., k : k + BLOCK, :]) for k in starts]
    for i in range(len(a)):
        for of_block in sums:
            c = _flush(_flush(c) + of_block[i])
    return c


def _float64_product(a: ArrayLike, b: ArrayLike) -> NDArray:
    return np.asarray(a, np.float64) @ np.asarray(b, np.float64)


# The products of a plan by its precision. "float32" is the compiled core's name; here it is float64.
PRODUCTS: dict[str, Callable[[ArrayLike, ArrayLike], NDArray]] = {
    "float32": _float64_product,
    "bfloat16": product,
}
