"""Progress in a notebook: one bar for a run, redrawn in place, without widgets.

IPython is used only if it is already running: nothing of it is imported otherwise.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module

_BETWEEN = 0.2  # seconds between two drawings


def in_notebook() -> bool:
    """Whether this runs in a notebook kernel, where cells show HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


class NotebookBar:
    """A progress bar with the methods of tqdm that nnc uses.

    Attributes
    ----------
    n : float
        The progress so far.
    """

    def __init__(self, total: int | None, title: str, unit: str) -> None:
        self.n: float = 0
        self._total, self._title, self._unit, self._beside = total, title, unit, ""
        self._began = self._drawn = time.monotonic()
        self._display = import_module("IPython.display").display(self, display_id=True)

    def update(self, n: float = 1) -> None:
        """Advance by `n`."""
        self.n += n
        self._draw()

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Set the text next to the bar."""
        self._beside = s
        if refresh:
            self._draw()

    def close(self) -> None:
        """Draw the last state."""
        self._draw(now=True)

    def _draw(self, now: bool = False) -> None:
        time_now = time.monotonic()
        if now or time_now - self._drawn >= _BETWEEN:
            self._drawn = time_now
            self._display.update(self)

    def __repr__(self) -> str:
        seconds = time.monotonic() - self._began
        total = "" if self._total is None else f"/{self._total}"
        said = f"{self._title} {int(self.n)}{total} {self._unit}s, {seconds:.1f} s"
        return f"{said} - {self._beside}" if self._beside else said

    def _repr_html_(self) -> str:
        from nnc import _html

        return _html.progress(self.n / self._total if self._total else None, repr(self))
