"""The groups of measurements, one module each.

A module defines TITLE and ABOUT (for the tables), ONE_THREAD (whether it runs with one thread only), and
`run(context)`, which yields a `timing.Result` for every row.
"""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

import workloads

NAMES = (
    "machine",
    "gemm",
    "elementwise",
    "train",
    "search",
    "accuracy",
    "inference",
    "convolution",
    "footprint",
)


@dataclasses.dataclass
class Context:
    """The arguments of every group."""

    threads: int
    rounds: int
    quick: bool
    peers: list[str] | None = None  # None: all that are installed
    mnist: Path = workloads.MNIST
    notes: set[str] = dataclasses.field(default_factory=set)

    def wants(self, name: str) -> bool:
        return self.peers is None or name in self.peers

    @property
    def seconds(self) -> float:
        """The seconds for which a call of a few microseconds is repeated in a round."""
        return 0.005 if self.quick else 0.05

    def probe(self) -> Callable[[], float] | None:
        """A function that measures the peak of nnc's instruction set; None if it cannot be compiled."""
        import probe

        from nnc import _core

        isa = _core.cpu_info()["isa"]
        try:
            probe.fma(isa, self.threads, 1000)
        except (OSError, KeyError, subprocess.SubprocessError) as error:
            self.notes.add(f"no percentage of peak: {type(error).__name__}: {error}")
            return None
        return lambda: probe.fma(isa, self.threads)
