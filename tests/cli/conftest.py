"""Fixtures that run the command line, in this process or in a separate one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from nnc import get_num_threads, set_num_threads
from nnc.cli import main

IRIS = Path(__file__).parents[2] / "nnc" / "datasets" / "iris.csv"


class Ended(NamedTuple):
    """The result of a command."""

    status: int
    out: str
    err: str


def iris_text() -> str:
    """The table without its leading comments."""
    return "".join(line for line in IRIS.read_text().splitlines(keepends=True) if line[0] != "#")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A temporary working folder that contains iris.csv."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "iris.csv").write_text(iris_text())
    return tmp_path


@pytest.fixture
def nnc(folder, capsys):
    """`nnc(*words)` runs a command in this process, in `folder`."""

    def run(*words: object) -> Ended:
        capsys.readouterr()
        before = get_num_threads()
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:  # argparse
            status = end.code
        finally:
            set_num_threads(before)
        return Ended(status, *capsys.readouterr())

    return run


@pytest.fixture
def refused(nnc):
    """`refused(*words)` is the one line of a command that ends with status 2 and prints nothing else."""

    def run(*words: object) -> str:
        ended = nnc(*words)
        assert (ended.status, ended.out) == (2, "")
        assert ended.err.startswith("nnc") and ended.err.count("\n") == 1 and ended.err.endswith("\n")
        return ended.err.rstrip()

    return run


@pytest.fixture
def process(folder):
    """`process(*words, **options)` starts a command in a separate process."""
    started = []

    def start(*words: object, **options: object) -> subprocess.Popen:
        environment = {**os.environ, **options.pop("environment", {})}
        command = [sys.executable, "-m", "nnc", *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        started.append(subprocess.Popen(command, cwd=folder, env=environment, **pipes))
        return started[-1]

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.wait()
        for pipe in (each.stdout, each.stderr, each.stdin):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def model(nnc):
    """The path of a model briefly trained on iris.csv."""
    ended = nnc("train", "iris.csv", "--target", "species", "--epochs", 5, "--no-pictures", "--output", "m")
    assert ended.status == 0
    return "m/model.safetensors"
