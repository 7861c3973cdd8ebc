"""The journal of a search: contents and errors, and killed searches that end with the same table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib

import pytest
from search_helpers import IDS, SPACE, X, build

from nnc import FormatError, search

ARGUMENTS = {"metric": "val_accuracy", "validation_split": 0.25, "epochs": 3, "verbose": 0, "seed": 4}


def run(journal, n_trials=8, build_=build, space=SPACE, x=X, **arguments):
    return search.RandomSearch(build_, space, n_trials, journal=journal, **ARGUMENTS | arguments).run(x, IDS)


@pytest.fixture(scope="module")
def whole():
    return run(None).table


def refuses_to_build(params):
    raise AssertionError("every trial is in the journal")


refuses_to_build.__qualname__ = "build"


def test_lines(tmp_path):
    path = tmp_path / "journal"
    result = run(path)
    lines = path.read_bytes().splitlines()
    assert len(lines) == 9
    for line in lines:
        parsed = json.loads(line)
        text = json.dumps(parsed["record"], separators=(",", ":")).encode()
        assert parsed["crc32"] == f"{zlib.crc32(text):08x}"
    head = json.loads(lines[0])["record"]
    assert head["nnc_search"] == 1 and head["seed"] == 4 and head["space"] == repr(search.Space(SPACE))
    again = run(path, build_=refuses_to_build)
    assert again.table == result.table and again.histories == result.histories
    assert [t.seconds for t in again.trials] == [t.seconds for t in result.trials]


def test_trials_of_another_numerics_are_not_mixed_in(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    run(path)
    monkeypatch.setattr("nnc.search.base.NUMERICS", 1)
    with pytest.raises(ValueError, match=r"another search.*numerics"):
        run(path)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_torn_at_any_byte_of_the_last_line(n_jobs, tmp_path, whole):
    path = tmp_path / "journal"
    run(path)
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    for kept in (0, 1, 3, 8):
        before = b"".join(lines[:kept])
        for cut in (0, 1, 5, 20, len(lines[kept]) - 1):
            path.write_bytes(before + lines[kept][:cut])
            if kept == 0 and 0 < cut < 10:  # this may be any file: see test_damage_is_refused
                continue
            assert run(path, n_jobs=n_jobs).table == whole
            assert len(path.read_bytes().splitlines()) == 9


def test_more_trials_go_on(tmp_path, whole):
    path = tmp_path / "journal"
    run(path, 3)
    assert run(path, 8).table == whole


def test_other_searches_are_refused(tmp_path):
    path = tmp_path / "journal"
    run(path, 2)
    content = path.read_bytes()
    for arguments, key in (
        ({"seed": 5}, "seed: 4, now 5"),
        ({"epochs": 4}, "fit: "),
        ({"space": {"units": [3], "rate": [0.1]}}, "space: "),
        ({"validation_split": 0.3}, "data: "),
        ({"x": X + 1}, "data: "),
        ({"metric": "val_loss"}, "metric: 'val_accuracy', now 'val_loss'"),
        ({"build_": lambda params: None}, "of: 'build', now "),
    ):
        with pytest.raises(ValueError, match="is the journal of another search") as caught:
            run(path, 2, **arguments)
        assert key in str(caught.value)
    assert path.read_bytes() == content


def test_damage_is_refused(tmp_path):
    path = tmp_path / "journal"
    run(path, 3)
    content = bytearray(path.read_bytes())
    at = content.index(b'"scores"') + 11
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="line 2: not a line of a search's journal, or damaged"):
        run(path, 3)
    for other in (b"hello\n", b"hello", b'{"a": 1}\n' * 3, b"{", b'{"crc', b"\n", b"\0" * 100):
        path.write_bytes(other)
        with pytest.raises(FormatError, match="line 1"):
            run(path, 3)
        assert path.read_bytes() == other


def test_one_writer(tmp_path):
    pytest.importorskip("fcntl")
    from nnc.search.journal import Journal

    with Journal(tmp_path / "journal", {}), pytest.raises(BlockingIOError, match="by another search"):
        run(tmp_path / "journal")


def test_failed_trials_are_kept(tmp_path):
    path = tmp_path / "journal"
    space = {"units": 4, "rate": [1e30]}
    tables = []
    for _ in range(2):
        with pytest.warns(UserWarning, match="2 of 2 trials failed"):
            tables.append(run(path, 2, space=space, metric="val_loss").table)
    assert [[str(v) for v in row.values()] for row in tables[0]] == [
        [str(v) for v in row.values()] for row in tables[1]
    ]
    assert len(path.read_bytes().splitlines()) == 3


KILLED = """
import sys
from search_helpers import IDS, SPACE, X, build_slowly
from nnc import search
kind, journal, n_jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
common = dict(metric="val_accuracy", validation_split=0.25, seed=4, journal=journal, n_jobs=n_jobs, verbose=2)
if kind == "random":
    searching = search.RandomSearch(build_slowly, SPACE, 12, epochs=3, **common)
else:
    searching = search.HalvingSearch(build_slowly, SPACE, 9, min_epochs=1, max_epochs=9, **common)
result = searching.run(X, IDS)
print(result._csv())
"""


def start(kind, journal, n_jobs):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, kind, str(journal), str(n_jobs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def table_of(process):
    return process.communicate(timeout=60)[0].partition("\ntrial,")[2]


@pytest.mark.parametrize("kind", ["random", "halving"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_killed_and_resumed(kind, n_jobs, tmp_path):
    expected = table_of(start(kind, tmp_path / "whole", n_jobs))
    assert expected.count("\n") > 9
    path = tmp_path / "killed"
    counts = []
    for wanted in (3, 7, 10):  # number of lines when it is killed, including the first
        process = start(kind, path, n_jobs)
        while process.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < wanted):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        counts.append(path.read_bytes().count(b"\n"))
    assert counts == sorted(counts) and counts[-1] < 13
    assert table_of(start(kind, path, n_jobs)) == expected
