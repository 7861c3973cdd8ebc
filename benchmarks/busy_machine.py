"""Training speed while other processes use the CPUs, too: the default compared with one thread.

    python benchmarks/busy_machine.py [seconds]

The loads: an idle machine, a process that spins on one CPU, one on each CPU, and two trainings at once. The
default may be at most 1.3 times slower than one thread under any of them.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time

import numpy as np

import nnc

NETS = {
    "784-256-10": (784, 256, 10),
    "13-64-64-1": (13, 64, 64, 1),
    "784-1024-1024-10": (784, 1024, 1024, 10),
}


def spin(cpu: int) -> None:
    """Keep a CPU busy until killed."""
    os.sched_setaffinity(0, {cpu})
    while True:
        pass


def rows_a_second(sizes: tuple[int, ...], threads: int | None, seconds: float) -> float:
    """Rows per second that one process trains on."""
    rng = np.random.default_rng(0)
    x, y = rng.random((4096, sizes[0])).astype(np.float32), rng.random((4096, sizes[-1])).astype(np.float32)
    hidden = [nnc.layers.Dense(units, "relu") for units in sizes[1:-1]]
    model = nnc.Sequential([nnc.Input(sizes[:1]), *hidden, nnc.layers.Dense(sizes[-1])], seed=0)
    model.compile(nnc.optimizers.SGD(1e-4), "mse")
    nnc.set_num_threads(threads)
    model.fit(x, y, batch_size=128, epochs=2, verbose=0)
    rows, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        model.fit(x, y, batch_size=128, verbose=0)
        rows += len(x)
    nnc.set_num_threads(None)
    return rows / spent


def measured(
    sizes: tuple[int, ...], threads: int | None, seconds: float, queue: multiprocessing.Queue
) -> None:
    """Put `rows_a_second` into a queue; runs in a separate process."""
    queue.put(rows_a_second(sizes, threads, seconds))


def main(seconds: float) -> None:
    """Print a table of rows per second, by default and with one thread, and the ratios."""
    context = multiprocessing.get_context("spawn")
    cpus = sorted(os.sched_getaffinity(0))
    loads = {"idle": [], "one CPU busy": cpus[:1], "all CPUs busy": cpus, "two processes": None}
    print(f"{'net':<18} {'load':<14} {'default':>10} {'1 thread':>10}  slower by")
    for name, sizes in NETS.items():
        for load, busy in loads.items():
            spinning = [context.Process(target=spin, args=(cpu,), daemon=True) for cpu in busy or ()]
            for process in spinning:
                process.start()
            found = []
            for threads in (None, 1):
                queue = context.Queue()
                runs = [
                    context.Process(target=measured, args=(sizes, threads, seconds, queue))
                    for _ in range(2 if busy is None else 1)
                ]
                for run in runs:
                    run.start()
                found.append(min(queue.get() for _ in runs))
                for run in runs:
                    run.join()
            for process in spinning:
                process.kill()
            print(
                f"{name:<18} {load:<14} {found[0]:>10.0f} {found[1]:>10.0f}  {found[1] / found[0]:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
