"""Safetensors files, read with suspicion and written at once.

Layout: 8 bytes, the header's length, little-endian; the header, JSON: {"__metadata__": {str: str}, name:
{"dtype", "shape", "data_offsets": [begin, end]}, ...}; the tensors, one behind the other. The safetensors
library reads and writes the tensors. The header is checked here before the library sees the file, so that no
size in it is believed: whatever the bytes are, reading takes at most the file's size and 16 MiB of memory,
and fails with FormatError only.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from typing import IO, Any, NoReturn

import numpy as np

from nnc._files import write_bytes
from nnc.errors import FormatError

MAX_HEADER = 8 * 2**20
_MEMORY = 16 * 2**20
_PER_TOKEN = 128  # bytes of a Python object or entry that one of the characters [ { : , can stand for

DTYPES: dict[np.dtype, str] = {
    np.dtype(np.float32): "F32",
    np.dtype(np.float64): "F64",
    np.dtype(np.int64): "I64",
}
_ITEMSIZE = {name: dtype.itemsize for dtype, name in DTYPES.items()}

Header = dict[str, tuple[str, tuple[int, ...]]]  # name: (dtype, shape)


def parse_json(text: str) -> Any:
    """`text` as JSON (RFC 8259), without duplicate keys, NaN or infinities."""
    return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise FormatError("the JSON has a key twice")
    return result


def _constant(name: str) -> NoReturn:
    raise FormatError(f"the JSON has {name}, which is no number")


def is_size(value: Any) -> bool:
    """Whether a value of the JSON is an integer that can be a size or a place."""
    return type(value) is int and 0 <= value < 2**63


def read_header(path: str | os.PathLike) -> tuple[dict[str, str], Header]:
    """The metadata of a file, and every tensor's dtype and shape; all of it consistent with the file's size.

    Raises FormatError, or another ValueError or RecursionError where the header is no JSON.
    """
    with open(path, "rb") as file:
        return _header(file)


def _header(file: IO[bytes]) -> tuple[dict[str, str], Header]:
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise FormatError(f"{size} bytes are too few for a safetensors file with this header")
    if length > MAX_HEADER:
        raise FormatError(f"the header has {length} bytes, more than {MAX_HEADER}")
    raw = file.read(length)
    if not raw.startswith(b"{"):
        raise FormatError("this is no safetensors file: the header does not start with {")
    if sum(map(raw.count, (b"[", b"{", b":", b","))) * _PER_TOKEN > _MEMORY - length:
        raise FormatError("the header has too many items")
    text = raw.decode()
    del raw
    header = parse_json(text)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError("__metadata__ is no table of strings")
    tensors, spans = {}, []
    for name, entry in header.items():
        tensors[name], span = _entry(name, entry)
        spans.append(span)
    end = 0
    for begin, stop in sorted(spans):
        if begin != end:
            raise FormatError(f"the tensors leave a hole or overlap at byte {min(begin, end)}")
        end = stop
    if end != size - 8 - length:
        raise FormatError(f"the tensors take {end} bytes, the file has {size - 8 - length} for them")
    return metadata, tensors


def _entry(name: str, entry: Any) -> tuple[tuple[str, tuple[int, ...]], tuple[int, int]]:
    """(dtype, shape) and (begin, end) of a tensor."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"tensor {name!r} needs dtype, shape and data_offsets, no more")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ITEMSIZE:
        raise FormatError(f"tensor {name!r} has the dtype {dtype!r}, not one of {', '.join(_ITEMSIZE)}")
    if not isinstance(shape, list) or not all(map(is_size, shape)) or len(shape) > 8:
        raise FormatError(f"tensor {name!r} has no shape of at most 8 axes")
    if not isinstance(offsets, list) or not all(map(is_size, offsets)) or len(offsets) != 2:
        raise FormatError(f"tensor {name!r} has no data_offsets of two places")
    begin, end = offsets
    if end - begin != math.prod(shape) * _ITEMSIZE[dtype]:  # Python's integers do not overflow
        raise FormatError(f"tensor {name!r} of shape {shape} and dtype {dtype} has {end - begin} bytes")
    return (dtype, tuple(shape)), (begin, end)


def read_tensors(path: str | os.PathLike, names: Iterable[str], header: Header) -> dict[str, np.ndarray]:
    """The tensors of these names, of a file whose header was read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise FormatError(str(error)) from None
    for name, tensor in tensors.items():
        if tensor.shape != header[name][1]:
            raise FormatError("the file changed while it was read")
    return tensors


def write(path: str | os.PathLike, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file by `write_bytes`."""
    from safetensors.numpy import save

    write_bytes(path, save({name: np.ascontiguousarray(t) for name, t in tensors.items()}, dict(metadata)))
