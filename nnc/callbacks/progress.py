"""Output of `fit`, `evaluate` and `predict`: a bar on a terminal or in a notebook, else a line per epoch."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnc._config import refusal
from nnc.callbacks.base import Callback, Logs
from nnc.callbacks.notebook import NotebookBar, in_notebook

SECONDS_BETWEEN_LINES = 10.0  # between updates of a bar where it cannot be redrawn in place


def resolve(verbose: Any, elsewhere: int = 2) -> int:
    """0 silent, 1 a bar, 2 lines; "auto" is 1 on a terminal and `elsewhere` elsewhere.

    In a notebook there is a bar instead of lines.
    """
    if isinstance(verbose, str) and verbose == "auto":
        terminal = sys.stdout.isatty() and sys.stderr.isatty()
        return 1 if terminal or (elsewhere == 2 and in_notebook()) else elsewhere
    if not isinstance(verbose, int | float | np.number) or verbose not in (0, 1, 2):
        raise refusal("verbose", "'auto', 0, 1 or 2", verbose)
    return int(verbose)


def text(logs: Mapping[str, Any]) -> str:
    """The logs in one line, with the means of arrays, as in Keras."""
    numbers = {name: v.mean() if isinstance(v, np.ndarray) else v for name, v in logs.items()}
    return " - ".join(
        f"{name}: {value:.4g}" if abs(value) < 1e-3 else f"{name}: {value:.4f}"
        for name, value in numbers.items()
    )


class EpochLines(Callback):
    """verbose=2: one line at the end of each epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._began, self._steps = time.perf_counter(), 0

    def on_steps(self, steps: int, logs: Logs | None = None) -> None:
        self._steps = steps

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        seconds = time.perf_counter() - self._began
        speed = f"{self._steps / seconds:.0f} steps/s" if seconds > 0 else ""
        line = f"Epoch {epoch + 1}/{self.params['epochs']} - {seconds:.1f}s - {speed} - {text(logs or {})}"
        print(line, flush=True)


class ProgressBar(Callback):
    """verbose=1: a bar for each epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        title = f"Epoch {epoch + 1}/{self.params['epochs']}"
        self._bar = bar(self.params["steps"], title, "step")

    def on_steps(self, steps: int, logs: Logs | None = None) -> None:
        self._bar.set_postfix_str(text(logs or {}), refresh=False)
        self._bar.update(steps - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._bar.set_postfix_str(text(logs or {}))
        self._close()

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    _bar: Any = None


class NotebookProgress(Callback):
    """verbose=1 in a notebook: one bar for all epochs."""

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._bar = bar(self.params["epochs"], "Epoch", "epoch")
        self._bar.n = self.params.get("initial_epoch", 0)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._began, self._steps = time.perf_counter(), 0

    def on_steps(self, steps: int, logs: Logs | None = None) -> None:
        self._steps = steps
        if self.params["steps"]:
            self._bar.n = int(self._bar.n) + min(steps / self.params["steps"], 0.999)
        self._say(logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._bar.n = epoch + 1
        self._say(logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._bar.close()

    def _say(self, logs: Logs | None) -> None:
        seconds = time.perf_counter() - self._began
        speed = f"{self._steps / seconds:.0f} steps/s - " if seconds > 0 and self._steps else ""
        self._bar.set_postfix_str(speed + text(logs or {}))


def printer(verbose: int) -> Callback | None:
    """The callback that prints progress for `verbose` (0, 1, 2)."""
    if verbose == 2:
        return EpochLines()
    if verbose == 1:
        return NotebookProgress() if in_notebook() else ProgressBar()
    return None


class RowsBar:
    """A bar over rows for `evaluate` and `predict`; nothing unless verbose is 1."""

    def __init__(self, total: int | None, title: str, verbose: int) -> None:
        self._bar = bar(total, title, "row") if verbose == 1 else None
        self.tick: Callable[[int], Any] = self._bar.update if self._bar else _nothing

    def __enter__(self) -> Callable[[int], Any]:
        return self.tick

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.close()


def _nothing(rows: int) -> None:
    pass


def bar(total: int | None, title: str, unit: str) -> Any:
    if in_notebook():
        return NotebookBar(total, title, unit)
    from tqdm import tqdm

    between = 0.1 if sys.stdout.isatty() else SECONDS_BETWEEN_LINES
    # A terminal may report 0 columns, which tqdm would treat as no limit.
    width: dict[str, Any] = {"ncols": 80} if _columns() == 0 else {"dynamic_ncols": True}
    return tqdm(total=total, desc=title, unit=unit, file=sys.stdout, mininterval=between, **width)


def _columns() -> int | None:
    """The width of the terminal on stdout; None if stdout is not a terminal."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (AttributeError, OSError, ValueError):
        return None
