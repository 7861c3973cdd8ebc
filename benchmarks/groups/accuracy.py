"""Time to accuracy: complete processes, from start to the printed test accuracy of 98 % on MNIST."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

from timing import Result

TITLE = "Time to accuracy"
ABOUT = (
    "Milliseconds of a complete process from start to the printed test accuracy: import, reading the gzip "
    "IDX files, training, test (`benchmarks/mnist98.py`, whose settings were chosen on the last 10,000 "
    "images of the training set). PyTorch trains the same net with the same schedule "
    "(`benchmarks/mnist98_torch.py`)."
)
ONE_THREAD = False
SCRIPTS = {"nnc": ("mnist98.py", "nnc"), "PyTorch": ("mnist98_torch.py", "torch")}


def process(script: str, seed: int, context) -> tuple[float, float]:
    """(milliseconds, test accuracy) of one process."""
    path = Path(__file__).parents[1] / script
    command = [sys.executable, str(path), "--seed", str(seed), "--threads", str(context.threads)]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, "--data", str(context.mnist)], stdout=subprocess.PIPE, text=True
    ) as child:
        line = child.stdout.readline()
        seconds = time.perf_counter() - start
    if child.returncode:
        raise SystemExit(f"{script} failed")
    return 1e3 * seconds, float(line.split()[-1])


def run(context):
    sides = {}
    for name, (script, package) in SCRIPTS.items():
        if name != "nnc" and not context.wants(name):
            continue
        if importlib.util.find_spec(package):
            sides[name] = script
        else:
            context.notes.add(f"{name} is left out: it is not installed")
    times = {name: [] for name in sides}
    accuracies = {name: [] for name in sides}
    for seed in range(1 if context.quick else 5):
        for name, script in sides.items():
            milliseconds, accuracy = process(script, seed, context)
            times[name].append(milliseconds)
            accuracies[name].append(accuracy)
    note = "; ".join(f"{name} {', '.join(f'{a:.4f}' for a in found)}" for name, found in accuracies.items())
    if min(accuracies["nnc"]) < 0.98:
        context.notes.add("time to accuracy: nnc is below 98 % on a seed")
    case = f"784-292-10, seeds: {len(times['nnc'])}"
    yield Result(case, context.threads, times, "ms", note=f"test accuracy: {note}")
