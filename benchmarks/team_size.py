"""Whether a step with up to n threads is ever slower than with one: nets of 0.05 to 12 MFLOP per step.

python benchmarks/team_size.py
python benchmarks/team_size.py --threads 4 --rounds 21
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

import numpy as np

import nnc

INPUTS = 32
FLOPS = (5e4, 1.2e7)  # of a step
ROUND_FLOPS = 1e8


def model_of(depth: int, width: int) -> nnc.Sequential:
    """`depth` layers of `width` units with ReLU, and one output; trained with momentum."""
    hidden = [nnc.layers.Dense(width, "relu") for _ in range(depth)]
    model = nnc.Sequential([nnc.Input((INPUTS,)), *hidden, nnc.layers.Dense(1)], seed=1)
    model.compile(nnc.optimizers.SGD(1e-4, momentum=0.9), "mse")
    return model


def step_times(depth: int, width: int, batch: int, steps: int, threads: tuple[int, ...], rounds: int):
    """Microseconds per step, the median of the rounds, for each number of threads."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((steps * batch, INPUTS), np.float32)
    y = rng.standard_normal((steps * batch, 1), np.float32)
    models = {n: model_of(depth, width) for n in threads}
    times: dict[int, list[float]] = {n: [] for n in threads}
    for _ in range(rounds):
        for n, model in models.items():
            nnc.set_num_threads(n)
            start = time.perf_counter()
            model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
            times[n].append(1e6 * (time.perf_counter() - start) / (2 * steps))
    return [statistics.median(times[n]) for n in threads]


def main() -> None:
    """Print a row for each net, then the worst ratio and the mean."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    ratios = []
    print(f"| layers | width | batch | MFLOP a step | 1 thread, µs | {options.threads} threads, µs | ratio |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for depth, width, batch in itertools.product((1, 2, 4, 8), (16, 32, 64, 96, 128, 192, 256), (8, 32, 128)):
        flops = 6 * batch * (INPUTS * width + (depth - 1) * width * width + width)
        if not FLOPS[0] < flops < FLOPS[1]:
            continue
        steps = max(20, int(ROUND_FLOPS / flops))
        one, many = step_times(depth, width, batch, steps, (1, options.threads), options.rounds)
        ratios.append(many / one)
        row = (depth, width, batch, f"{flops / 1e6:.2f}", f"{one:.1f}", f"{many:.1f}", f"{many / one:.2f}")
        print("|", " | ".join(map(str, row)), "|")
    mean = statistics.geometric_mean(ratios)
    print(f"\n{len(ratios)} nets: the worst ratio is {max(ratios):.2f}, the geometric mean {mean:.2f}")


if __name__ == "__main__":
    main()
