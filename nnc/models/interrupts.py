"""Ctrl-C between whole steps."""

from __future__ import annotations

import signal
import threading
from typing import Any

from nnc import _core


class Interrupts:
    """Holds Ctrl-C back while the model is between two whole steps.

    Inside ``with``, `hold` puts SIGINT off and `release` lets one that came meanwhile through, to the handler
    that was there before. So training never loses count of the steps the plan has done, whichever backend it
    is. The core is asked to give up a step that takes long.
    """

    def __enter__(self) -> Interrupts:
        self._held = self._came = self._stops = False
        self._previous: Any = None
        # Python delivers signals to its main thread only.
        if threading.current_thread() is threading.main_thread():
            previous = signal.getsignal(signal.SIGINT)
            if callable(previous):
                self._previous = previous
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._previous)
        self.release()

    def _handle(self, number: int, frame: Any) -> None:
        if self._held:
            self._came = True
            _core.ask_to_stop(self._stops)
        else:
            self._previous(number, frame)

    def hold(self, stops: bool = False) -> None:
        """Put Ctrl-C off; with `stops` one that comes ends the step under way, which is not applied then."""
        self._held, self._stops = True, stops

    def release(self) -> None:
        """Let Ctrl-C through, and one that was put off."""
        self._held = False
        if self._came:
            _core.ask_to_stop(False)
            self._came = False
            self._previous(signal.SIGINT, None)
