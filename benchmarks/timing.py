"""Interleaved rounds, medians, and ratios with their spread.

The clock frequency of a machine drifts, so absolute times are valid only for the moment: every round measures
all sides one after the other, and ratios are computed within a round.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

PAUSE = 0.15  # seconds between two sides: idle threads of NumPy's OpenBLAS spin for up to 0.1


@dataclasses.dataclass
class Result:
    """One row of a table: what was measured, with one number per round for each side."""

    case: str
    threads: int
    values: dict[str, list[float]]
    unit: str = "µs"
    flops: float = 0.0  # of the float32 arithmetic of one unit of work
    size: float = 0.0  # the order of the cases in a group, in floating-point operations or elements
    peak: list[float] = dataclasses.field(default_factory=list)  # GFLOP/s of the probe, one per round
    note: str = ""

    def median(self, side: str) -> float:
        return statistics.median(self.values[side])

    def ratios(self, side: str, to: str = "nnc") -> list[float]:
        """How many times longer `side` takes than `to`, one number per round."""
        return [a / b for a, b in zip(self.values[side], self.values[to], strict=True)]

    def fastest_peer(self) -> str | None:
        """The side other than nnc with the smallest median."""
        peers = [side for side in self.values if side != "nnc"]
        return min(peers, key=self.median, default=None)

    def percent_of_peak(self, side: str = "nnc") -> float | None:
        """The arithmetic of `side` per second, relative to that of the probe in the same round."""
        if not (self.flops and self.peak and side in self.values):
            return None
        rates = [self.flops / (1e3 * t) for t in self.values[side]]
        return 100.0 * statistics.median(rate / top for rate, top in zip(rates, self.peak, strict=True))


def interleave(
    sides: Mapping[str, Callable[[], object]], rounds: int, work: float = 1.0, probe: Callable | None = None
) -> tuple[dict[str, list[float]], list[float]]:
    """Microseconds per unit of work, one number per round for each side, and the result of `probe` per round.

    Every side does `work` units per call, and is called once before anything is timed. Each round starts with
    a different side.
    """
    names = list(sides)
    times: dict[str, list[float]] = {name: [] for name in names}
    peaks = []
    for name in names:
        sides[name]()
    for i in range(rounds):
        if probe is not None:
            time.sleep(PAUSE)
            peaks.append(probe())
        for name in names[i % len(names) :] + names[: i % len(names)]:
            time.sleep(PAUSE)
            start = time.perf_counter()
            sides[name]()
            times[name].append(1e6 * (time.perf_counter() - start) / work)
    return times, peaks


def repeated(call: Callable[[], object], seconds: float) -> tuple[Callable[[], object], int]:
    """A function that repeats `call` for about `seconds`, and the number of repetitions."""
    call()
    start, n = time.perf_counter(), 0
    while time.perf_counter() - start < seconds / 4 or n < 1:
        call()
        n += 1
    count = max(1, round(n * seconds / (time.perf_counter() - start)))

    def run() -> None:
        for _ in range(count):
            call()

    return run, count


def interleave_calls(
    calls: Mapping[str, Callable[[], object]], rounds: int, seconds: float, probe: Callable | None = None
) -> tuple[dict[str, list[float]], list[float]]:
    """`interleave` for calls of a few microseconds: each is repeated for about `seconds` in every round."""
    loops = {name: repeated(call, seconds) for name, call in calls.items()}
    times, peaks = interleave({name: run for name, (run, _) in loops.items()}, rounds, 1.0, probe)
    return {name: [t / loops[name][1] for t in values] for name, values in times.items()}, peaks


def check_close(what: str, values: Mapping[str, object], rtol: float = 1e-3, atol: float = 0.0) -> None:
    """Refuse to time sides whose results differ."""
    first = next(iter(values))
    for name, value in values.items():
        a, b = np.asarray(values[first]), np.asarray(value)
        if not np.allclose(a, b, rtol=rtol, atol=atol):
            worst = float(np.max(np.abs(a - b)))
            raise SystemExit(f"{what}: {name} and {first} differ by {worst:g}: {b.flat[0]} and {a.flat[0]}")
