"""Ctrl-C between complete steps."""

from __future__ import annotations

import threading
from typing import Any

from nnc import _core


class Interrupts:
    """Defers Ctrl-C while the model is within a step.

    Inside ``with``, `hold` defers SIGINT and `release` delivers a deferred one to the previous handler, and
    raises what the handler of another signal raised while the core made steps. The step count therefore
    always agrees with the plan, for every backend. The core is asked to abandon a step that takes long.
    """

    def __enter__(self) -> Interrupts:
        self._held = self._came = self._stops = False
        self.raised = False  # has the previous handler raised KeyboardInterrupt?
        self._previous: Any = None
        import signal  # takes half a millisecond, and a model that only predicts does not need it

        # Python delivers signals to its main thread only.
        if threading.current_thread() is threading.main_thread():
            previous = signal.getsignal(signal.SIGINT)
            if callable(previous):
                self._previous = previous
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        import signal

        if self._previous is not None and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._previous)
        self.release()

    def _handle(self, number: int, frame: Any) -> None:
        if self._held:
            self._came = True
            _core.ask_to_stop(self._stops)
        else:
            self._deliver(frame)

    def _deliver(self, frame: Any) -> None:
        import signal

        try:
            self._previous(signal.SIGINT, frame)
        except KeyboardInterrupt:
            self.raised = True
            raise

    def hold(self, stops: bool = False) -> None:
        """Defer Ctrl-C; with `stops`, Ctrl-C aborts the current step, which is then not applied."""
        self._held, self._stops = True, stops
        if self._came:
            _core.ask_to_stop(stops)

    def release(self) -> None:
        """Stop deferring Ctrl-C, and deliver a deferred one."""
        self._held = False
        if self._came:
            _core.ask_to_stop(False)
            self._came = False
            self._deliver(None)
        _core.raise_signal()
