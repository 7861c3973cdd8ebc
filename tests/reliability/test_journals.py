"""Journals of searches: any file is either read, or raises a FormatError and is left unchanged."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import random
import zlib

import pytest
from mutators import ODD_VALUES, mutated, places, put

from nnc import FormatError
from nnc.search import journal
from nnc.search.journal import Journal
from nnc.search.trials import Outcome

PRINT = {"seed": 4, "metric": "val_accuracy"}
OUTCOME = Outcome(0, 0, "done", 0.5, [0.25, math.nan], 3, [{"loss": [1.0, 0.5, math.inf]}], "", 1.5, True)


def line(record):
    text = json.dumps(record, separators=(",", ":")).encode()
    return b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(text), text)


def write(path):
    with Journal(path, PRINT) as open_:
        for number in range(4):
            open_.write(dataclasses.replace(OUTCOME, number=number))
    return path.read_bytes()


def test_it_comes_back(tmp_path):
    write(tmp_path / "journal")
    with Journal(tmp_path / "journal", PRINT) as again:
        assert list(again.outcomes) == [(n, 0) for n in range(4)]
        assert repr(again.outcomes[2, 0]) == repr(dataclasses.replace(OUTCOME, number=2))
    assert json.loads(line(1)) == json.loads(journal._line(1))


def outcome_of_reading(path, content):
    """Read the journal; None if it is rejected, which leaves the file unchanged."""
    path.write_bytes(content)
    try:
        with Journal(path, PRINT) as read:
            return read.outcomes
    except FormatError as error:
        assert str(path) in str(error) and path.read_bytes() == content
    except ValueError as error:
        assert "is the journal of another search" in str(error) and path.read_bytes() == content
    return None


def test_records_with_a_good_checksum_and_wrong_values(tmp_path):
    """Every value of a record in turn is replaced by odd ones: a FormatError, or a valid trial."""
    path = tmp_path / "journal"
    head, *lines = write(path).splitlines(keepends=True)
    record = json.loads(lines[0])["record"]
    refused = 0
    for place in places(record)[1:]:
        for value in ODD_VALUES:
            changed = line(put(record, place, value))
            found = outcome_of_reading(path, head + changed + lines[1])
            refused += found is None
            for outcome in (found or {}).values():
                assert type(outcome.number) is int and type(outcome.stopped) is bool
                assert all(type(score) in (int, float) for score in outcome.scores)
    assert refused > 100
    assert "score" in record and record["status"] == "done"
    scores = [{"score": value} for value in (10**400, 2**64, "nan", "inf", "-inf")]
    of_failed = [{"status": "failed"}, {"scores": [10**400]}, {"seconds": 10**400}]
    wrongs = [record | change for change in scores + of_failed]
    for wrong in (*wrongs, {}, {"number": 1}, record | {"more": 1}, [], 3, None, "x"):
        assert outcome_of_reading(path, head + line(wrong) + lines[1]) is None


def test_mutated_files(trials, tmp_path):
    path = tmp_path / "journal"
    content = write(path)
    draw, refused = random.Random(trials.seed), 0
    n = trials(500, 20_000)
    for _ in range(n):
        refused += outcome_of_reading(path, mutated(content, draw)) is None
    assert refused > n // 2


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"',
        b'{"crc',
        b"\n",
        b"\0",
        b"[" * 10**6,
        b"{}\n",
        b'{"crc32":"00000000","record":{}}\n',
        b"x" * 99,
    ],
)
def test_other_files_are_left_alone(content, tmp_path):
    assert outcome_of_reading(tmp_path / "journal", content) is None


def test_deep_and_long_records(tmp_path):
    path = tmp_path / "journal"
    head, first, *_ = write(path).splitlines(keepends=True)
    fields = json.dumps(json.loads(first)["record"] | {"histories": None}).removesuffix("}").encode()
    texts = [b"[" * 10**5 + b"]" * 10**5, b'{"number":' + b"9" * 5000 + b"}", fields + b',"number":1}']
    for depth in (1, 100, 600, 900, 10**5):  # as deep as the parser of JSON reads, and deeper
        texts.append(fields.replace(b"null", b"[" * depth + b"]" * depth) + b"}")
    for text in texts:
        bad = b'{"crc32":"%08x","record":%s}\n' % (zlib.crc32(text), text)
        found = outcome_of_reading(path, head + bad + head)
        assert found is None


def test_a_journal_of_another_search_is_not_even_cut(tmp_path):
    path = tmp_path / "journal"
    content = write(path)[:-7]  # the last line is incomplete
    path.write_bytes(content)
    with pytest.raises(ValueError, match="another search"), Journal(path, PRINT | {"seed": 5}):
        pass
    assert path.read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")
def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FormatError, match="is not a regular file"), Journal(tmp_path / "fifo", PRINT):
        pass
    with pytest.raises(TypeError, match="journal must be a path"), Journal(3, PRINT):
        pass
    with Journal(os.fsencode(tmp_path / "bytes"), PRINT):
        pass


def test_a_full_disk_leaves_no_torn_line(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    content, whole_write = write(path), os.write
    with Journal(path, PRINT) as open_:

        def full(file, data):
            if len(data) > 20:
                return whole_write(file, data[:20])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", lambda file, data: full(file, data[:40]))
        with pytest.raises(OSError, match="No space left") as caught:
            open_.write(OUTCOME)
        assert caught.value.filename == str(path) and path.read_bytes() == content
        monkeypatch.undo()
        open_.write(dataclasses.replace(OUTCOME, number=7))
    with Journal(path, PRINT) as again:
        assert (7, 0) in again.outcomes
