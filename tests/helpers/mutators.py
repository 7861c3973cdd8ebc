"""Helpers for the tests of file readers: random changes of bytes, odd values inserted into JSON."""

from __future__ import annotations

import copy
import random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 1.5, -0.0, 1e300, 2**31, 2**63, 2**70, "", "x", "nan", "1", "\0", "\ud800",
    "é" * 300, [], [None], [[]], ["tensors"], {}, {"a": 1}, {"class_name": "Dense", "config": {}},
)  # fmt: skip

_TEXT = b'0123456789{}[]",:-.eE\\untf'


def mutated(data: bytes, draw: random.Random) -> bytes:
    """`data` with one to eight changes: bits, bytes of JSON, cuts, repetitions, insertions."""
    result = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        if not result:
            break
        place = draw.randrange(len(result))
        match draw.randrange(7):
            case 0:
                result[place] ^= 1 << draw.randrange(8)
            case 1:
                result[place] = draw.choice(_TEXT)
            case 2:
                del result[place:]
            case 3:
                del result[place : place + draw.randrange(1, 9)]
            case 4:
                result[place:place] = result[place : place + draw.randrange(1, 40)]
            case 5:
                result[place:place] = draw.randbytes(draw.randrange(1, 9))
            case 6:
                result[place : place + 4] = draw.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff")
                )
    return bytes(result)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of keys to all values of a JSON document, the document itself first."""
    found = [place]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        found += places(item, (*place, key))
    return found


def put(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """A copy of the document with `value` at `place`."""
    changed = copy.deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed
