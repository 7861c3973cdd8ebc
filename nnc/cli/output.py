"""Output: results on stdout, as text or as JSON, and progress on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

_ON_TERMINAL, _ELSEWHERE = 0.1, 10.0  # seconds between lines of progress
_WIDTH = 80  # if it is not known


def say(*lines: str) -> None:
    """Print a result."""
    for line in lines:
        print(printable(line))


def say_json(value: Any) -> None:
    """Print a result for programs, in one line of ASCII."""
    print(json.dumps(value, allow_nan=False))


def note(text: str) -> None:
    """Print a note on stderr, in one line."""
    with contextlib.suppress(OSError, ValueError):  # stderr is full or closed: nobody can be told
        print(f"nnc: {printable(' '.join(text.split()))}", file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """The text with escapes, as in a Python string, for control characters, line ends, undecodable bytes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def counted(n: int, thing: str) -> str:
    """The number of things: "1 row", "1,000 rows"."""
    return f"{n:,} {thing}{'s' * (n != 1)}"


def aligned(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Lines with these cells, the columns in `right` right-aligned."""
    right, rows = set(right), [list(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = zip(row, widths, strict=True)
        return "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(cells)).rstrip()

    return list(map(line, rows))


class Progress:
    """A command's progress, on stderr: one line that is overwritten on a terminal, else a line every 10 s.

    A context manager: the line on a terminal is cleared on exit.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._next = time.monotonic() + (0.0 if self._terminal else _ELSEWHERE)
        self._shown = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._write(f"\r{' ' * self._shown}\r")
            self._shown = 0

    def show(self, text: str) -> None:
        """Show this text if enough time has passed."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_ON_TERMINAL if self._terminal else _ELSEWHERE)
        if not self._terminal:
            self._write(printable(text) + "\n")
            return
        text = printable(text)[: max(_columns() - 1, 1)]  # a terminal wraps after the last column
        self._write("\r" + text.ljust(self._shown))
        self._shown = len(text)

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _columns() -> int:
    """The current width of the terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
    except (OSError, ValueError):
        return _WIDTH
