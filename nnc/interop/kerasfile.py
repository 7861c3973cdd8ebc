"""Reading a .keras file, which is not trusted: a zip archive of JSON and one HDF5 file of arrays.

metadata.json contains the version of Keras, config.json the model's configuration, and model.weights.h5 the
weights of the layers by class: /layers/dense/vars/0, /layers/dense_1/vars/0. Keras stores the three
uncompressed, and nothing else is read: whatever sizes a file claims, reading it takes no more memory than a
few times the size of the file. An array is read only if it is stored contiguously in the file: no link to
other files, no virtual dataset, no filter.
"""

from __future__ import annotations

import importlib
import io
import os
import struct
import zipfile
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from nnc._config import shown
from nnc._files import is_regular
from nnc.errors import FormatError
from nnc.models import tensorfile

Shape = tuple[int, ...]

METADATA, CONFIG, WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
_HDF5, _HEAP = b"\x89HDF\r\n\x1a\n", b"HEAP\0\0\0\0"  # how a file and a local heap begin
_WORDS = struct.Struct("<3Q")  # of a heap: its size, the offset of its first free block, its address
_END_OF_FREE = 1
_END = 22  # bytes of the record that ends an archive without a comment
_LONGEST_DIRECTORY = 2**20
_KERAS = "3."  # the versions whose files are read

# What zipfile and h5py raise for damaged bytes, apart from a ValueError; an OSError comes from seeking to a
# negative offset.
DAMAGED = (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, OSError, OverflowError, RuntimeError)


class KerasFile:
    """The parts of a .keras file that is open for reading.

    Attributes
    ----------
    config : dict
        The model's configuration, unchecked.
    size : int
        The size of the HDF5 file in bytes.

    Raises
    ------
    FormatError, another ValueError, RecursionError or one of `DAMAGED`
        If it is not such a file.
    ImportError
        If h5py is not installed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._h5py = _h5py()
        metadata, config, weights = _members(file)
        version = _json(metadata, METADATA).get("keras_version")
        if not isinstance(version, str) or not version.startswith(_KERAS):
            raise FormatError(
                f"it was written by Keras {shown(version)}, not by Keras 3: load and save it there again"
            )
        self.config = _json(config, CONFIG)
        _check_heaps(weights)
        self._weights, self.size = weights, len(weights)

    def __enter__(self) -> KerasFile:
        self._file = self._h5py.File(io.BytesIO(self._weights), "r")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def arrays(self, path: Sequence[str], shapes: Sequence[Shape], more: int = 0) -> list[np.ndarray]:
        """The arrays of the layer whose group is at `path`; they must have these shapes.

        The group must have `more` arrays after them, which are not read.
        """
        group = self._file
        for name in (*path, "vars"):
            group = self._child(group, name, self._h5py.Group) if group is not None else None
        count = 0 if group is None else len(group)
        if count != len(shapes) + more:
            raise FormatError(
                f"it has {count} weights in the file, not {len(shapes)} of shapes {list(shapes)}"
            )
        return [self._array(group, i, shape) for i, shape in enumerate(shapes)]

    def _array(self, group: Any, index: int, shape: Shape) -> np.ndarray:
        found = self._child(group, str(index), self._h5py.Dataset)
        if found is None:
            raise FormatError(f"its weight {index} is missing from the file")
        if found.shape != shape or found.dtype != np.float32:
            raise FormatError(
                f"its weight {index} is {found.dtype} {found.shape} in the file, not float32 {shape}"
            )
        plain = not found.is_virtual and not found.external and found.chunks is None
        if not plain or found.id.get_create_plist().get_nfilters():
            raise FormatError(f"its weight {index} is not stored contiguously and unfiltered in the file")
        if found.id.get_storage_size() != found.size * 4:
            raise FormatError(f"the file has {found.id.get_storage_size()} bytes for its weight {index}")
        array = np.empty(shape, np.float32)
        found.read_direct(array)
        return array

    def _child(self, group: Any, name: str, kind: type[Any]) -> Any:
        """The member of a group with that name, or None."""
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, self._h5py.HardLink):
            raise FormatError(f"{name!r} in {WEIGHTS} is a {type(link).__name__}, which is not followed")
        child = group[name]
        if not isinstance(child, kind):
            raise FormatError(f"{name!r} in {WEIGHTS} is not a {kind.__name__}")
        return child


def _check_heaps(data: bytes) -> None:
    """Check that the HDF5 file has the layout that Keras writes, and that the free lists of its heaps end.

    The HDF5 library follows a cyclic one until no memory is left. (HDF5 File Format Specification, superblock
    of version 0, III.D local heaps.)
    """
    if data[:9] != _HDF5 + b"\0" or data[13:15] != b"\x08\x08" or any(data[24:32]):
        raise FormatError(f"{WEIGHTS} does not begin like an HDF5 file written by Keras")
    at = data.find(_HEAP)
    while at >= 0:
        size, free, address = _WORDS.unpack(data[at + 8 : at + 32].ljust(_WORDS.size, b"\0"))
        for _ in range(min(size, len(data)) // 16 + 1):  # a block takes 16 bytes or more
            if free == _END_OF_FREE or not address <= address + free <= len(data) - 8:
                break  # outside the file: the library refuses it
            free = int.from_bytes(data[address + free : address + free + 8], "little")
        else:
            raise FormatError(f"the free list of a heap of {WEIGHTS} has no end")
        at = data.find(_HEAP, at + 1)


def _h5py() -> Any:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise ImportError("load_keras needs h5py: pip install 'nnc[keras]'") from error


def _members(file: IO[bytes]) -> list[bytes]:
    """The three parts of the archive, in the order metadata, configuration, weights."""
    if not is_regular(file.fileno()):
        raise FormatError("this is not a regular file")
    size = os.fstat(file.fileno()).st_size
    _check_end(file, size)
    with zipfile.ZipFile(file) as archive:
        found = {entry.filename: entry for entry in archive.infolist()}
        if len(found) < len(archive.infolist()):
            raise FormatError("the archive contains a name twice")
        for name in (METADATA, CONFIG, WEIGHTS):
            if name not in found:
                raise FormatError(f"the archive has no {name}: nnc reads files written by Keras's model.save")
            entry = found[name]
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise FormatError(f"{name} is compressed; Keras stores it uncompressed")
            limit = size if name == WEIGHTS else tensorfile.MAX_HEADER
            if entry.file_size > limit:
                raise FormatError(f"{name} claims {entry.file_size} bytes, more than {limit}")
        return [archive.read(name) for name in (METADATA, CONFIG, WEIGHTS)]


def _check_end(file: IO[bytes], size: int) -> None:
    """Check that the archive ends as Keras's do, and that its directory is not too long to be parsed."""
    file.seek(0)
    first = file.read(8)
    if first.startswith(b"\x89HDF"):
        raise FormatError("this is an HDF5 file: load it in Keras 3 and save it as model.keras")
    if not first.startswith(b"PK"):
        raise FormatError("this is not a .keras file: it does not begin like a zip archive")
    file.seek(max(0, size - _END - 20))
    last = file.read(_END + 20)
    end = last[-_END:]
    if len(last) < _END + 20 or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise FormatError("the zip archive does not end as Keras's do: it may have been cut short")
    directory = int.from_bytes(end[12:16], "little")
    if last.startswith(b"PK\6\7") or directory > _LONGEST_DIRECTORY:
        raise FormatError("the zip archive's directory is larger than that of any model that nnc can have")


def _json(raw: bytes, name: str) -> dict[str, Any]:
    """A JSON object, parsed only if that cannot take too much memory."""
    if tensorfile.memory_of_parsing(raw) > tensorfile.MEMORY + len(raw):
        raise FormatError(f"{name} has too many items")
    try:
        parsed = tensorfile.parse_json(raw.decode())
    except ValueError as error:
        raise FormatError(f"{name} cannot be parsed: {error}") from error
    if not isinstance(parsed, dict):
        raise FormatError(f"{name} is not a JSON object")
    return parsed
