"""Progress bars in terminals of any width, and the output elsewhere."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np, nnc
x = np.ones((64, 3))
model = nnc.Sequential([nnc.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae", "mape"])
model.fit(x, x[:, 0], epochs=2)
"""


def output_in_a_terminal(columns):
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = os.environ | {"NO_COLOR": "1"}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    assert process.wait() == 0
    return b"".join(parts).decode()


@pytest.mark.parametrize("columns", [0, 20, 60])
def test_bars_keep_to_one_line(columns):
    text = output_in_a_terminal(columns)
    lines = [line for line in text.replace("\r", "\n").split("\n") if line]
    assert "Epoch 2/2" in text and "\x1b[3" not in text
    assert max(map(len, lines)) <= (columns or 80)


def test_lines_where_there_is_no_terminal():
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    first, second = found.stdout.splitlines()
    assert first.startswith("Epoch 1/2 - ") and "mape: " in second and found.stderr == ""
