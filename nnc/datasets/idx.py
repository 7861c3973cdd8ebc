"""Reading IDX, the file format of the MNIST family: plain or gzip, from an untrusted source.

An IDX file contains two zero bytes, a type code, the number of dimensions, the dimensions as big-endian
uint32, then the elements in C order, big-endian. (Y. LeCun, C. Cortes and C. Burges, The MNIST database of
handwritten digits.)
"""

from __future__ import annotations

import io
import math
import os
from typing import cast

import numpy as np

from nnc._files import is_regular, open_nonblocking
from nnc.errors import FormatError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 4

# The size of one read: a chunk is hashed while it is still in the cache, and no buffer grows with the file.
CHUNK = 1 << 18

# The highest compression ratio of Deflate (RFC 1951: 258 bytes from two bits): a gzip file of n bytes that
# declares more than n times as much is rejected before memory is allocated.
MAX_DEFLATE_RATIO = 1032


def read_idx(
    file: str | os.PathLike[str] | io.BufferedIOBase,
    *,
    shape: tuple[int, ...] | None = None,
    sha256: str | None = None,
) -> np.ndarray:
    """The array in an IDX file, plain or gzip-compressed (told apart by content, not by name).

    Parameters
    ----------
    file : str, path or binary file object
        A file object must be seekable and is read from its start to its end.
    shape : tuple of int, optional
        The shape that the array must have.
    sha256 : str, optional
        The SHA-256, in hexadecimal, that the uncompressed file must have.

    Returns
    -------
    ndarray
        uint8, int8, int16, int32, float32 or float64 in the byte order of this machine, with 1 to 4
        dimensions.

    Raises
    ------
    FormatError
        If the content is not exactly one complete IDX array with the given shape and hash.
    OSError
        If the file cannot be opened or read.

    Examples
    --------
    >>> import io
    >>> from nnc.datasets import read_idx
    >>> read_idx(io.BytesIO(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(6))))
    array([[0, 1, 2],
           [3, 4, 5]], dtype=uint8)
    """
    if not hasattr(file, "read"):
        with open_nonblocking(cast("str", file)) as opened:
            if not is_regular(opened.fileno()):
                raise FormatError(f"{os.fsdecode(cast('str', file))}: this is not a regular file")
            return read_idx(cast("io.BufferedIOBase", opened), shape=shape, sha256=sha256)
    stream = cast("io.BufferedIOBase", file)
    name = _name(stream)
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    start = stream.read(64)
    stream.seek(0)
    _refuse_web_page(start, name)
    if start[:2] != b"\x1f\x8b":
        return _read(stream, size, 1, name, shape, sha256)

    import gzip
    import zlib

    try:
        with gzip.GzipFile(fileobj=stream, mode="rb") as unzipped:
            return _read(unzipped, size, MAX_DEFLATE_RATIO, name, shape, sha256)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(f"{name}: the gzip file is damaged or cut short ({error})") from None


def _read(
    stream: io.BufferedIOBase,
    file_size: int,
    ratio: int,
    name: str,
    shape: tuple[int, ...] | None,
    sha256: str | None,
) -> np.ndarray:
    """The array in `stream`, the content of a file of `file_size` bytes, at most `ratio` times that size."""
    digest = None
    if sha256 is not None:
        import hashlib

        digest = hashlib.sha256()

    def take(count: int) -> bytes:
        data = stream.read(count)
        if len(data) < count:
            _refuse_web_page(data, name)
            raise FormatError(f"{name}: the file ends within its header")
        if digest:
            digest.update(data)
        return data

    magic = take(4)
    _refuse_web_page(magic, name)
    if magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise FormatError(
            f"{name}: not an IDX file: it starts with {magic.hex(' ')}, expected 00 00, a type out of "
            f"{', '.join(f'{code:02x}' for code in TYPES)}, and 01 to {MAX_DIMENSIONS:02} dimensions"
        )
    dtype = np.dtype(TYPES[magic[2]])
    found = tuple(int(n) for n in np.frombuffer(take(4 * magic[3]), dtype=">u4"))
    if shape is not None and found != tuple(shape):
        raise FormatError(f"{name}: holds an array of shape {found}, expected {tuple(shape)}")
    header = 4 + 4 * magic[3]
    count = dtype.itemsize * math.prod(found)
    if header + count > ratio * file_size:
        raise FormatError(
            f"{name}: declares shape {found}, {header + count} bytes in all: too much for {file_size} bytes"
        )
    try:
        array = np.empty(found, dtype=dtype)
    except (MemoryError, ValueError):  # ValueError: dimensions too large for NumPy, together with one of 0
        raise FormatError(f"{name}: declares an array of shape {found}, more than fits in memory") from None

    rest = array.reshape(-1).view(np.uint8).data
    while rest:
        got = stream.readinto(rest[:CHUNK])
        if not got:
            raise FormatError(f"{name}: the file ends {len(rest)} bytes short of its {header + count}")
        if digest:
            digest.update(rest[:got])
        rest = rest[got:]
    if stream.read(1):  # in gzip, reading beyond the last byte also verifies the CRC
        raise FormatError(f"{name}: the file continues after its {header + count} bytes")
    if digest and sha256 and digest.hexdigest() != sha256.lower():
        raise FormatError(f"{name}: the SHA-256 of the content is {digest.hexdigest()}, expected {sha256}")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _name(file: io.BufferedIOBase) -> str:
    name = getattr(file, "name", None)
    return os.fsdecode(name) if isinstance(name, (str, bytes)) else "IDX data"


def _refuse_web_page(start: bytes, name: str) -> None:
    """Raise a FormatError for a web page, which servers and captive portals return instead of the file."""
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise FormatError(
            f"{name}: a web page (HTML or XML, likely an error message) saved under the name of the file: "
            "delete it and download the file again"
        )
