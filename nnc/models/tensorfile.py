"""Safetensors files, read defensively and written atomically.

Layout: 8 bytes, the length of the header, little-endian; the header, JSON: {"__metadata__": {str: str}, name:
{"dtype", "shape", "data_offsets": [begin, end]}, ...}; the tensors, one after the other. Whatever the bytes
are, reading takes at most the file's size plus 16 MiB of memory, and fails only with FormatError: no size in
the file is trusted before it is checked. The file is only accessed by read calls, since truncating a mapped
file in another process would kill this one; and neither reading nor writing makes a copy of the complete
file, as the safetensors library does.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NoReturn, Protocol, TypeAlias, cast

import numpy as np

from nnc._config import shown
from nnc._files import is_regular, open_nonblocking, write_parts
from nnc.errors import FormatError

MAX_HEADER = 8 * 2**20
MEMORY = 16 * 2**20  # in addition to the file's size
_PER_TOKEN = 128  # bytes of the Python object or entry that one of the characters [ { : , can create
_TOKENS_PER_TENSOR = 11  # number of these characters in a tensor's entry

DTYPES: dict[np.dtype, str] = {
    np.dtype(np.int64): "I64",
    np.dtype(np.float64): "F64",
    np.dtype(np.float32): "F32",
}
_BY_NAME = {name: dtype for dtype, name in DTYPES.items()}

# The first bytes of other programs' files, and what to do with them. As a length, they exceed any header's.
_OTHERS = {
    b"PK\3\4": "this is a zip archive, not an nnc model; if Keras wrote it (.keras), nnc.load_keras reads it",
    b"\x89HDF": "this is an HDF5 file, not an nnc model; nnc.load_keras reads Keras's .keras files",
}


class InParts(Protocol):
    """A tensor whose elements are made while they are written."""

    shape: tuple[int, ...]
    dtype: np.dtype
    nbytes: int

    def parts(self) -> Iterator[np.ndarray]:
        """The elements, in order."""
        ...


Tensor: TypeAlias = np.ndarray | InParts

Header = dict[str, tuple[str, tuple[int, ...]]]  # name: (dtype, shape)


# ------------------------------------------------------------------------------------------------------ JSON


def memory_of_parsing(text: str | bytes | bytearray) -> int:
    """Upper bound of the memory in bytes for the JSON `text`, bytes (UTF-8) or str, and its parsed objects.

    A str uses as many bytes for each character as its widest one needs, up to 4; an escape sequence, six
    ASCII characters, can produce such a character.
    """
    if isinstance(text, str):
        tokens, narrow = sum(map(text.count, "[{:,")), text.isascii() and "\\u" not in text
    else:
        tokens, narrow = sum(map(text.count, (b"[", b"{", b":", b","))), text.isascii() and b"\\u" not in text
    return 2 * len(text) * (1 if narrow else 4) + tokens * _PER_TOKEN


def parse_json(text: str) -> Any:
    """`text` as JSON (RFC 8259), without duplicate keys, NaN or infinities."""
    return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise FormatError("the JSON has a duplicate key")
    return result


def _constant(name: str) -> NoReturn:
    raise FormatError(f"the JSON has {name}, which is not a number")


def is_size(value: Any) -> bool:
    """Whether a value of the JSON is an integer that can be a size or an offset."""
    return type(value) is int and 0 <= value < 2**63


# --------------------------------------------------------------------------------------------------- reading


class TensorFile:
    """A safetensors file, open for reading: `with TensorFile(path) as file`.

    Attributes
    ----------
    path : str
    metadata : dict of str to str
    header : dict of str to (dtype, shape)
        All entries are consistent with the file's size.

    Raises
    ------
    FormatError, another ValueError or RecursionError
        If it is not such a file.
    OSError
        If it cannot be opened or read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = cast("io.FileIO", open_nonblocking(path, buffering=0))
        try:
            self._stat = os.fstat(self._file.fileno())
            if not is_regular(self._file.fileno()):
                raise FormatError("this is not a regular file")
            self.metadata, self.header, self._places = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def parse_json(self, text: str) -> Any:
        """Parse JSON in the metadata, refused if it would take more memory than the header has left."""
        if memory_of_parsing(text) + len(self.header) * _TOKENS_PER_TENSOR * _PER_TOKEN > self._room:
            raise FormatError("the metadata have too many items")
        return parse_json(text)

    def read(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Read the tensors with these names."""
        tensors = {name: self._tensor(name) for name in names}
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise FormatError("the file was changed while it was read")
        return tensors

    def _tensor(self, name: str) -> np.ndarray:
        dtype, shape = self.header[name]
        array = np.empty(shape, _BY_NAME[dtype].newbyteorder("<"))
        self._file.seek(self._places[name])
        self._fill(array.reshape(-1).view(np.uint8).data)
        return array.astype(_BY_NAME[dtype], copy=False)

    def _fill(self, buffer: memoryview) -> None:
        while buffer:
            count = self._file.readinto(buffer)
            if not count:
                raise FormatError("the file was truncated while it was read")
            buffer = buffer[count:]

    def _read_header(self) -> tuple[dict[str, str], Header, dict[str, int]]:
        size = self._stat.st_size
        if size < 8:
            raise FormatError(f"{size} bytes are too few for a safetensors file")
        first = bytearray(8)
        self._fill(memoryview(first))
        for start, meant in _OTHERS.items():
            if first.startswith(start):
                raise FormatError(meant)
        length = int.from_bytes(first, "little")
        if length > size - 8:
            raise FormatError(f"{size} bytes are too few for a safetensors file with this header")
        if length > MAX_HEADER:
            raise FormatError(f"the header has {length} bytes, more than {MAX_HEADER}")
        header = parse_json(self._header_text(length))
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise FormatError("__metadata__ is not a dict of strings")
        tensors, spans = {}, []
        for name, entry in header.items():
            tensors[name], span = _entry(name, entry)
            spans.append((span, name))
        end, places = 0, {}
        for (begin, stop), name in sorted(spans):
            if begin != end:
                raise FormatError(f"the tensors leave a gap or overlap at byte {min(begin, end)}")
            end, places[name] = stop, 8 + length + begin
        if end != size - 8 - length:
            raise FormatError(f"the tensors take {end} bytes, the file has {size - 8 - length} for them")
        return metadata, tensors, places

    def _header_text(self, length: int) -> str:
        raw = bytearray(length)
        self._fill(memoryview(raw))
        if not raw.startswith(b"{"):
            raise FormatError("this is not a safetensors file: the header does not start with {")
        self._room = MEMORY + length
        if memory_of_parsing(raw) > self._room:
            raise FormatError("the header has too many items")
        return raw.decode()


def _entry(name: str, entry: Any) -> tuple[tuple[str, tuple[int, ...]], tuple[int, int]]:
    """(dtype, shape) and (begin, end) of a tensor."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"tensor {shown(name)} must have exactly dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BY_NAME:
        raise FormatError(f"tensor {shown(name)} has the dtype {shown(dtype)}, not one of F32, F64, I64")
    if not isinstance(shape, list) or not all(map(is_size, shape)) or len(shape) > 8:
        raise FormatError(f"tensor {shown(name)} does not have a shape of at most 8 axes")
    if not isinstance(offsets, list) or not all(map(is_size, offsets)) or len(offsets) != 2:
        raise FormatError(f"tensor {shown(name)} does not have two data_offsets")
    begin, end = offsets
    if end - begin != math.prod(shape) * _BY_NAME[dtype].itemsize:  # Python's integers do not overflow
        raise FormatError(f"tensor {shown(name)} of shape {shape} and dtype {dtype} has {end - begin} bytes")
    return (dtype, tuple(shape)), (begin, end)


# --------------------------------------------------------------------------------------------------- writing


def parts_of(tensor: Tensor) -> Iterable[np.ndarray]:
    """The elements of a tensor in one or more arrays."""
    return [tensor] if isinstance(tensor, np.ndarray) else tensor.parts()


def write(
    path: str,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
    read: Callable[[], None] = lambda: None,
) -> None:
    """Write a safetensors file atomically.

    The bytes are those that the safetensors library writes: tensors with the widest dtypes first, which
    aligns every tensor, then by name. `read` is called when all tensors have been read, before the file is
    on the disk.

    Raises
    ------
    ValueError
        If the header would be longer, or have more items, than can be read.
    OSError
        If it cannot be written.
    """
    rank = {dtype: place for place, dtype in enumerate(DTYPES)}
    names = sorted(tensors, key=lambda name: (rank[tensors[name].dtype], name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name in names:
        tensor, begin = tensors[name], end
        end += tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": tensor.shape, "data_offsets": [begin, end]}
    raw = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    if len(raw) > MAX_HEADER or memory_of_parsing(raw) > MEMORY + len(raw):
        raise ValueError(
            f"the model has too many layers for a file: its header would take {len(raw)} bytes, with "
            f"{len(tensors)} tensors"
        )
    arrays = (part for name in names for part in parts_of(tensors[name]))
    write_parts(path, chain([len(raw).to_bytes(8, "little"), raw], map(_little, arrays)), read)


def _little(tensor: np.ndarray) -> memoryview:
    """The bytes of an array, little-endian, in C order; copied only if necessary."""
    if sys.byteorder == "big":
        tensor = tensor.astype(tensor.dtype.newbyteorder("<"))
    return np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data
