"""nnc bench: this machine compared with those of docs/benchmarks.md, a few cases in seconds.

The cases are those of benchmarks/, under the same names; figures.csv has the figures measured there, for nnc
and for the fastest peer, and is written together with the page. Peers are not run here.
"""

from __future__ import annotations

import csv
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import numpy as np

from nnc import _core, _machine, layers, losses, optimizers, regularizers
from nnc.cli.output import Progress, aligned, say, say_json
from nnc.models import Sequential

_SECONDS = 0.4  # of a case
_ROUNDS = 5


def run(options: Namespace) -> int:
    """Measure and print."""
    counts = sorted({1, _core.get_num_threads()}) if options.threads is None else [options.threads]
    known = list(_figures())
    machines = list(dict.fromkeys(row["machine"] for row in known))
    measured: list[dict[str, Any]] = []
    with Progress() as progress:
        for n in counts:
            with _machine.threads(n):
                for name, case in CASES.items():
                    progress.show(f"{name}, {n} threads")
                    measured.append({"case": name, "threads": n, "us": _microseconds(*case())})
    if options.json:
        say_json({"machine": _machine.config(), "measured": measured, "documented": known})
        return 0
    rows = [
        [
            "microseconds",
            "threads",
            "here",
            *(f"[{i}]" for i in range(1, len(machines) + 1)),
            "fastest peer there",
        ]
    ]
    for row in measured:
        there = [r for r in known if (r["case"], r["threads"]) == (row["case"], row["threads"])]
        by_machine = {r["machine"]: r for r in there}
        theirs = [_number(by_machine[m]["nnc"]) if m in by_machine else "" for m in machines]
        peers = [f"{_number(r['peer_us'])} {r['peer']}" for r in there]
        rows.append([row["case"], str(row["threads"]), _number(row["us"]), *theirs, ", ".join(peers)])
    say(*aligned(rows, range(1, len(rows[0]) - 1)))
    for i, machine in enumerate(machines, 1):
        say(f"[{i}] {machine}: docs/benchmarks.md")
    return 0


def _figures() -> Iterator[dict[str, Any]]:
    """The documented figures: machine, case, threads, nnc, peer, peer_us."""
    with (resources.files("nnc.cli") / "figures.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            numbers = {
                "threads": int(row["threads"]),
                "nnc": float(row["nnc"]),
                "peer_us": float(row["peer_us"]),
            }
            yield row | numbers


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _microseconds(call: Callable[[], object], units: int) -> float:
    """Time per unit of the work that `call` does: the median of some rounds after a warm-up round."""
    call()
    times: list[float] = []
    ends = time.perf_counter() + _SECONDS
    while len(times) < _ROUNDS or time.perf_counter() < ends:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) / units)
    return 1e6 * statistics.median(times)


# ------------------------------------------------------------------------------------------------------ cases


def _images() -> tuple[Callable[[], object], int]:
    rng, steps = np.random.default_rng(0), 100
    x, y = (
        rng.integers(1, 256, (128 * steps, 784), np.uint8),
        rng.integers(0, 10, 128 * steps).astype(np.int32),
    )
    l2 = regularizers.L2(1.25e-7)
    stack = [
        layers.Input((784,)),
        layers.Rescaling(1 / 255),
        layers.Dense(292, "relu", kernel_regularizer=l2),
    ]
    model = Sequential([*stack, layers.Dense(10, kernel_regularizer=l2)], seed=0)
    model.compile(optimizers.SGD(0.2475), losses.SparseCategoricalCrossentropy(from_logits=True))
    return _epochs(model, x, y, 128, steps, 1)


def _iris() -> tuple[Callable[[], object], int]:
    from nnc.datasets import load_iris

    model = Sequential([layers.Input((4,)), layers.Dense(40, "relu"), layers.Dense(3)], seed=0)
    model.compile(optimizers.SGD(0.01), losses.SparseCategoricalCrossentropy(from_logits=True))
    return _epochs(model, *load_iris(), 5, 30, 100)


def _numbers() -> tuple[Callable[[], object], int]:
    rng = np.random.default_rng(0)
    x, y = rng.random((480, 13), np.float32), rng.standard_normal((480, 1)).astype(np.float32)
    hidden = [layers.Dense(64, "relu"), layers.Dense(64, "relu")]
    model = Sequential([layers.Input((13,)), *hidden, layers.Dense(1)], seed=0)
    model.compile(optimizers.SGD(0.01), "mse")
    return _epochs(model, x, y, 32, 15, 100)


def _epochs(
    model: Sequential, x: np.ndarray, y: np.ndarray, batch: int, steps: int, epochs: int
) -> tuple[Callable[[], object], int]:
    return lambda: model.fit(x, y, batch, epochs=epochs, verbose=0), steps * epochs


def _rows(sizes: tuple[int, ...], rows: int, calls: int) -> tuple[Callable[[], object], int]:
    *hidden, last = (layers.Dense(units, "relu") for units in sizes[1:])
    last = layers.Dense(sizes[-1], "softmax")
    model = Sequential([layers.Input(sizes[:1]), *hidden, last], seed=0)
    x = np.random.default_rng(0).random((rows, sizes[0]), np.float32)

    def call() -> None:
        for _ in range(calls):
            model.predict_on_batch(x)

    return call, calls


CASES: dict[str, Callable[[], tuple[Callable[[], object], int]]] = {
    "C 784-292-10 ReLU, dense": _images,
    "4-40-3, batch 5, iris": _iris,
    "13-64-64-1, batch 32, dense": _numbers,
    "4-40-3, 1 row": lambda: _rows((4, 40, 3), 1, 10_000),
    "784-128-10, 1 row": lambda: _rows((784, 128, 10), 1, 5_000),
    "784-292-10, 10000 rows": lambda: _rows((784, 292, 10), 10_000, 1),
}
