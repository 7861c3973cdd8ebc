"""Progress output of a search: a bar with the best score and the time left, or occasional lines."""

from __future__ import annotations

import time
from typing import Any

from nnc.callbacks.progress import SECONDS_BETWEEN_LINES, bar
from nnc.search.trials import Outcome


class Progress:
    """The progress of `total` trials, used in a ``with`` statement.

    verbose=0 prints nothing, 1 a bar, 2 a line when a trial ends: at most one every ten seconds, and one for
    the last trial.
    """

    def __init__(self, total: int, metric: str, direction: str, verbose: int) -> None:
        self.total, self.metric, self.verbose = total, metric, verbose
        self._better = max if direction == "max" else min
        self._best: float | None = None
        self._done, self._said = 0, time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Progress:
        if self.verbose == 1:
            self._bar = bar(self.total, "search", "trial")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def add(self, outcome: Outcome) -> None:
        """Count a trial."""
        self._done += 1
        if outcome.status == "done":
            self._best = outcome.score if self._best is None else self._better(self._best, outcome.score)
        best = f"best {self.metric} {'none' if self._best is None else f'{self._best:.6g}'}"
        if self._bar is not None:
            self._bar.set_postfix_str(best, refresh=False)
            self._bar.update()
        elif self.verbose == 2 and self._is_time():
            how = f"{self.metric} {outcome.score:.6g}" if outcome.status == "done" else outcome.reason
            which = f"{self._done}/{self.total} - trial {outcome.number} - {outcome.seconds:.2f}s"
            print(f"{which} - {how} - {best}", flush=True)

    def _is_time(self) -> bool:
        now = time.monotonic()
        due = self._done == self.total or now - self._said >= SECONDS_BETWEEN_LINES
        self._said = now if due else self._said
        return due
