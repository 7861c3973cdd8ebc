"""Microseconds of a training step in bfloat16 and in float32, interleaved: the minimum of the rounds.

    python benchmarks/precision.py --threads 1
    NNC_BF16=exact python benchmarks/precision.py --rounds 9

If AMX is emulated (a build with NNC_EMULATE_AMX=1), --tiles counts its instructions instead of measuring the
time. It reports how many would be needed without zero padding in tiles, and what they load into caches of
48 KB and 2 MB that contain nothing else.

    python benchmarks/precision.py --tiles
"""

from __future__ import annotations

import argparse
import time

import workloads
from peers import convnet_nnc, nnc_side
from workloads import CONV_BATCH, FOUR, convnet_step_flops, make_task

import nnc

PRECISIONS = ("float32", "bfloat16")
TILE_FLOPS = 2.0 * 16 * 16 * 32


def recompile(model: nnc.Sequential, precision: str) -> nnc.Sequential:
    model.compile(model.optimizer, model.loss, precision=precision)
    return model


def cases(steps: int):
    """Name, models by precision, x, y, batch size, operations of a step's products."""
    for workload in FOUR:
        task, n = make_task(workload, "MNIST"), steps * workload.batch
        models = {p: recompile(nnc_side.Trainer(task).model, p) for p in PRECISIONS}
        yield workload.name, models, task.x[:n], task.y[:n], workload.batch, workload.flops
    task, n = make_task(FOUR[0], "MNIST"), max(1, steps // 10) * CONV_BATCH
    models = {}
    for precision in PRECISIONS:
        trainer = convnet_nnc.Trainer(task.x, task.y, None, 1)
        models[precision] = recompile(trainer.model, precision)
    x = task.x[:n].reshape(n, 28, 28, 1)
    yield "convolutional net", models, x, task.y[:n], CONV_BATCH, CONV_BATCH * convnet_step_flops()


def seconds_of(model, x, y, batch) -> float:
    start = time.perf_counter()
    model.fit(x, y, batch, shuffle=False, verbose=0)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--steps", type=int, default=100, help="steps per round; a tenth for the convolutional net"
    )
    parser.add_argument("--tiles", action="store_true", help="count emulated tile instructions")
    options = parser.parse_args()
    assert workloads.MNIST.is_dir(), "the data of the examples"
    nnc.show_config()
    for name, models, x, y, batch, flops in cases(1 if options.tiles else options.steps):
        nnc.set_num_threads(options.threads)
        steps = len(x) // batch
        if options.tiles:
            before = nnc._core.emulated_tiles()
            seconds_of(models["bfloat16"], x, y, batch)
            after = nnc._core.emulated_tiles()
            loads, stores, made, l1, l2 = ((b - a) / steps for a, b in zip(before, after, strict=True))
            needed = flops / TILE_FLOPS
            print(f"{name}: {made:.0f} products, {made / needed:.2f} of {needed:.0f};", end=" ")
            print(f"{loads / made:.2f} loads each, {stores:.0f} stores;", end=" ")
            print(f"{l1 / made:.1f} lines into L1 each, {l2 * 64 / 1e3:.0f} KB into L2")
            continue
        times = dict.fromkeys(PRECISIONS, float("inf"))
        for _ in range(options.rounds):
            for precision, model in models.items():
                times[precision] = min(times[precision], 1e6 * seconds_of(model, x, y, batch) / steps)
        one, other = times["float32"], times["bfloat16"]
        print(f"{name}: float32 {one:.0f}, bfloat16 {other:.0f}, ratio {other / one:.2f}", flush=True)


if __name__ == "__main__":
    main()
