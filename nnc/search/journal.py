"""The journal of a search: each finished trial a line of JSON with its checksum, on the disk before the next.

    {"crc32":"1c291ca3","record":{...}}

The first line says which search it is. A process that is killed while it writes leaves at most the last line
torn, which is ignored and overwritten; damage before that is a `FormatError`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import zlib
from collections.abc import Mapping
from typing import Any

from nnc.errors import FormatError
from nnc.search.trials import Outcome

FORMAT = 1
_BEGIN = b'{"crc32":"'
_PREFIX = len(_BEGIN + b"01234567" + b'","record":')


class Journal:
    """The journal at `path`, to be read and gone on with; None keeps nothing.

    Parameters
    ----------
    path : str, path or None
    fingerprint : dict
        What tells the search from others, as JSON can hold it.

    Attributes
    ----------
    outcomes : dict of (number, rung) to Outcome
        What the file held.

    Raises
    ------
    ValueError
        If the file is the journal of another search; the message says in what they differ.
    FormatError
        If the file is something else, or damaged before its last line.
    BlockingIOError
        If another process is writing it.
    """

    def __init__(self, path: str | os.PathLike | None, fingerprint: Mapping[str, Any]) -> None:
        self.outcomes: dict[tuple[int, int], Outcome] = {}
        self._file: int | None = None
        if path is None:
            return
        self._name = os.fspath(path)
        self._file = file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            self._lock(file)
            head = {"nnc_search": FORMAT, **json.loads(json.dumps(fingerprint))}
            records, end = self._read(file)
            os.ftruncate(file, end)
            os.lseek(file, end, os.SEEK_SET)
            if records:
                self._compare(records[0], head)
                for record in records[1:]:
                    outcome = self._outcome(record)
                    self.outcomes[outcome.number, outcome.rung] = outcome
            else:
                _append(file, head)
                _sync_folder(path)
        except BaseException:
            self.close()
            raise

    def write(self, outcome: Outcome) -> None:
        """Append a trial; it is on the disk when this returns."""
        if self._file is not None:
            _append(self._file, _encoded(dataclasses.asdict(outcome)))

    def close(self) -> None:
        """Close the file, which lets others write it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self, file: int) -> None:
        if sys.platform != "win32":  # which has no such locks
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(f"{self._name} is being written by another search") from None

    def _read(self, file: int) -> tuple[list[dict[str, Any]], int]:
        """The whole records, and where they end."""
        with open(os.dup(file), "rb") as stream:
            lines = stream.read().splitlines(keepends=True)
        records: list[dict[str, Any]] = []
        end = 0
        for number, line in enumerate(lines, 1):
            record = _record(line)
            if record is None:
                if number < len(lines) or not _BEGIN.startswith(line[: len(_BEGIN)]):
                    raise FormatError(
                        f"{self._name}, line {number}: not a line of a search's journal, or damaged"
                    )
                break
            records.append(record)
            end += len(line)
        return records, end

    def _compare(self, found: dict[str, Any], head: dict[str, Any]) -> None:
        if "nnc_search" not in found:
            raise FormatError(f"{self._name}, line 1: it does not say of which search it is")
        differ = [key for key in {**head, **found} if found.get(key) != head.get(key)]
        if differ:
            pairs = "; ".join(f"{key}: {found.get(key)!r:.200}, now {head.get(key)!r:.200}" for key in differ)
            raise ValueError(
                f"{self._name} is the journal of another search ({pairs}). Give another file or remove it"
            )

    def _outcome(self, record: dict[str, Any]) -> Outcome:
        try:
            return Outcome(**_decoded(record))
        except TypeError as error:
            raise FormatError(f"{self._name}: a record is not a trial's: {error}") from None


def _line(record: Any) -> bytes:
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(text), text)


def _append(file: int, record: Any) -> None:
    line = _line(record)
    while line:
        line = line[os.write(file, line) :]
    os.fsync(file)


def _record(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None if it is not whole."""
    begin, text, end = line[:_PREFIX], line[_PREFIX:-2], line[-2:]
    if end != b"}\n" or begin != b'{"crc32":"%08x","record":' % zlib.crc32(text):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _encoded(value: Any) -> Any:
    """JSON has no NaN and no infinities: they are written as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: _encoded(item) for key, item in value.items()}
    return [_encoded(item) for item in value] if isinstance(value, list) else value


def _decoded(record: dict[str, Any]) -> dict[str, Any]:
    numbers = {"score", "scores", "histories"}
    return {key: _floats(value) if key in numbers else value for key, value in record.items()}


def _floats(value: Any) -> Any:
    if isinstance(value, str):
        return float(value)
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    return [_floats(item) for item in value] if isinstance(value, list) else value


def _sync_folder(path: str | os.PathLike) -> None:
    """Make the new file's name last, where folders can be synced."""
    try:
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(folder)
    except OSError:
        pass
    finally:
        os.close(folder)
