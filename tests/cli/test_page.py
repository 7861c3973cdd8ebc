"""docs/command-line.md: every command prints what the page shows. As a script: rewrites the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "command-line.md"
BLOCK = re.compile(r"```(python|console)\n(.*?)```", re.DOTALL)
VARIES = {
    "nnc info": 16,
    "nnc bench": 35,
    "timeout": 0,
}  # depend on the machine: this many characters of a line are compared


def output_of(command, folder):
    """The output of a command on both streams."""
    shell = f'nnc() {{ "{sys.executable}" -m nnc "$@"; }}; export -f nnc\n'
    # `timeout` runs programs, not functions
    command = re.sub(r"^(timeout .*?) nnc ", rf'\1 "{sys.executable}" -m nnc ', command)
    environment = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    run = subprocess.run(
        ["bash", "-c", shell + command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    return run.stdout


def compared(command, output):
    """The lines that must be equal: without progress, times and, where they vary, values after the labels."""
    lines = [
        line for line in output.splitlines() if not re.match(r"(reading|encoding|epoch|search:) ?", line)
    ]
    for start, characters in VARIES.items():
        if command.startswith(start):
            lines = [re.sub(r"\d+", "#", line) if not characters else line[:characters] for line in lines]
    return [line for line in lines if not re.match(r"\[\d+\]|\d+/\d+ - trial|\d+ trials, ", line)]


def written(text, folder):
    """The page with the current output of each command, and (command, old output, new output) of each."""
    names: dict[str, object] = {"np": np}
    pairs = []

    def block(match):
        kind, body = match.groups()
        if kind == "python":
            exec(body, names)
            return match[0]
        lines = []
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, old = part.partition("\n")
            new = output_of(command, folder)
            pairs.append((command, old.strip("\n"), new.strip("\n")))
            lines.append(f"$ {command}\n{new}".rstrip("\n") + "\n")
        return "```console\n" + "".join(lines) + "```"

    return BLOCK.sub(block, text), pairs


def prepare(folder):
    iris = (ROOT / "nnc" / "datasets" / "iris.csv").read_text().splitlines(keepends=True)
    (folder / "iris.csv").write_text("".join(line for line in iris if line[0] != "#"))


@pytest.mark.skipif(
    os.environ.get("NNC_ISA") == "generic", reason="the page has the bits of fused multiply-adds"
)
def test_the_page_shows_the_output_of_the_commands(tmp_path, monkeypatch):
    if not PAGE.exists():
        pytest.skip("the documentation is not next to the tests")
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    _, pairs = written(PAGE.read_text(encoding="utf-8"), tmp_path)
    assert len(pairs) > 15
    for command, old, new in pairs:
        assert compared(command, new) == compared(command, old), command


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        prepare(Path(name))
        text, _ = written(PAGE.read_text(encoding="utf-8"), Path(name))
        PAGE.write_text(text, encoding="utf-8")
