"""The journal of a search: a line of JSON with a checksum for each finished trial, synced before the next.

    {"crc32":"1c291ca3","record":{...}}

The first line identifies the search. A process that is killed while writing leaves at most the last line
incomplete, which is ignored and overwritten; damage before that is a `FormatError`, and so is any record,
whatever its checksum, that `Journal.write` could not have written.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from nnc._config import shown
from nnc._files import is_regular, naming, path_of, sync_folder
from nnc.errors import FormatError
from nnc.models.tensorfile import parse_json
from nnc.search.trials import Outcome

FORMAT = 1
_BEGIN = b'{"crc32":"'
_NOT_FINITE = frozenset(("nan", "inf", "-inf"))  # floats that JSON lacks, as `repr` writes them
_PREFIX = len(_BEGIN + b"01234567" + b'","record":')


class Journal:
    """The journal at `path`, read and then appended to; None keeps nothing.

    Parameters
    ----------
    path : str, bytes, path or None
    fingerprint : dict
        What distinguishes the search from others; it must be serializable as JSON.

    Attributes
    ----------
    outcomes : dict of (number, rung) to Outcome
        The trials that the file contains.

    Raises
    ------
    ValueError
        If the file is the journal of another search; the message lists the differences.
    FormatError
        If the file is something else, or damaged before its last line.
    BlockingIOError
        If another process is writing to it (not noticed on Windows).
    """

    def __init__(self, path: str | bytes | os.PathLike[Any] | None, fingerprint: Mapping[str, Any]) -> None:
        self.outcomes: dict[tuple[int, int], Outcome] = {}
        self._file: int | None = None
        if path is None:
            return
        self._name = path_of("journal", path)
        flags = os.O_RDWR | os.O_CREAT
        for name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY"):  # those that the system has
            flags |= getattr(os, name, 0)
        self._file = file = os.open(self._name, flags, 0o666)
        try:
            if not is_regular(file):
                raise FormatError(f"{self._name} is not a regular file, as a search's journal must be")
            self._lock(file)
            head = {"nnc_search": FORMAT, **json.loads(json.dumps(fingerprint))}
            records, end = self._read(file)
            if records:
                self._compare(records[0], head)
            for number, record in enumerate(records[1:], 2):
                outcome = self._outcome(record, number)
                self.outcomes[outcome.number, outcome.rung] = outcome
            os.ftruncate(file, end)  # only now that the file is known to be this search's
            if not records:
                self._append(head)
                sync_folder(os.path.dirname(os.path.abspath(self._name)))
        except BaseException:
            self.close()
            raise

    def write(self, outcome: Outcome) -> None:
        """Append a trial and sync it to the disk."""
        if self._file is not None:
            self._append(_encoded(dataclasses.asdict(outcome)))

    def close(self) -> None:
        """Close the file, which lets others write to it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self, file: int) -> None:
        if sys.platform != "win32":  # which has no such locks: two searches must not share a journal there
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(f"{self._name} is being written by another search") from None

    def _read(self, file: int) -> tuple[list[dict[str, Any]], int]:
        """The complete records, and the offset at which they end."""
        records: list[dict[str, Any]] = []
        end = 0
        with open(os.dup(file), "rb") as stream:
            if not (start := stream.peek(1)).startswith(_BEGIN) and start:  # some other kind of file
                raise FormatError(f"{self._name}, line 1: not a line of a search's journal, or damaged")
            for line in stream:
                record = _record(line)
                if record is None:
                    if line.endswith(b"\n") or not _BEGIN.startswith(line[: len(_BEGIN)]):
                        raise FormatError(
                            f"{self._name}, line {len(records) + 1}: not a line of a search's journal, or "
                            "damaged"
                        )
                    break
                records.append(record)
                end += len(line)
        return records, end

    def _append(self, record: Any) -> None:
        """Append a line and sync it to the disk, or leave the file as it was."""
        file, line = self._file, _line(record)
        assert file is not None
        with naming(self._name):
            end = os.lseek(file, 0, os.SEEK_END)
            try:
                while line:
                    line = line[os.write(file, line) :]
                os.fsync(file)
            except BaseException:
                os.ftruncate(file, end)
                raise

    def _compare(self, found: dict[str, Any], head: dict[str, Any]) -> None:
        if "nnc_search" not in found:
            raise FormatError(f"{self._name}, line 1: it does not identify the search")
        differ = [key for key in {**head, **found} if found.get(key) != head.get(key)]
        if differ:
            pairs = "; ".join(f"{key}: {shown(found.get(key))}, now {shown(head.get(key))}" for key in differ)
            raise ValueError(
                f"{self._name} is the journal of another search ({pairs}). Use another file or remove it"
            )

    def _outcome(self, record: dict[str, Any], line: int) -> Outcome:
        try:
            record = _decoded(record)
        except RecursionError:
            raise FormatError(f"{self._name}, line {line}: nested too deeply for a trial's record") from None
        wrong = record.keys() ^ _FIELDS.keys()
        if wrong:
            names = ", ".join(map(shown, sorted(wrong)[:5]))
            raise FormatError(f"{self._name}, line {line}: not a trial's record, because of the keys {names}")
        for name, is_good in _FIELDS.items():
            if not is_good(record[name]):
                raise FormatError(
                    f"{self._name}, line {line}: a trial's {name} cannot be {shown(record[name])}"
                )
        outcome = Outcome(**record)
        good = math.isfinite(outcome.score) if outcome.status == "done" else math.isnan(outcome.score)
        if not good:
            raise FormatError(
                f"{self._name}, line {line}: the score of a trial that is {outcome.status} cannot be "
                f"{outcome.score}"
            )
        return outcome


def _line(record: Any) -> bytes:
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(text), text)


def _record(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None if it is incomplete."""
    begin, text, end = line[:_PREFIX], line[_PREFIX:-2], line[-2:]
    if end != b"}\n" or begin != b'{"crc32":"%08x","record":' % zlib.crc32(text):
        return None
    try:
        record = parse_json(text.decode())
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _encoded(value: Any) -> Any:
    """`value` with NaN and infinities, which JSON lacks, as strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return {key: _encoded(item) for key, item in value.items()}
    return [_encoded(item) for item in value] if isinstance(value, list) else value


def _decoded(record: dict[str, Any]) -> dict[str, Any]:
    numbers = {"score", "scores", "histories"}
    return {key: _floats(value) if key in numbers else value for key, value in record.items()}


def _floats(value: Any) -> Any:
    if isinstance(value, str) and value in _NOT_FINITE:
        return float(value)
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    return [_floats(item) for item in value] if isinstance(value, list) else value


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= 2**63)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _is_history(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_numbers, value.values()))


# The check of each field of an Outcome.
_FIELDS: dict[str, Callable[[Any], bool]] = {
    "number": _is_count,
    "rung": _is_count,
    "status": lambda value: value in ("done", "failed"),
    "score": _is_number,
    "scores": _are_numbers,
    "epochs": _is_count,
    "histories": lambda value: isinstance(value, list) and all(map(_is_history, value)),
    "reason": lambda value: isinstance(value, str),
    "seconds": _is_number,
    "stopped": lambda value: isinstance(value, bool),
}
