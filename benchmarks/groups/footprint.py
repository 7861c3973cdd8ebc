"""The footprint of a library: import time, installed size, memory."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import statistics
import subprocess
import sys
import time
from pathlib import Path

from timing import Result

TITLE = "Footprint"
ABOUT = (
    "Import time is that of a process that only imports, minus that of an empty process; installed size is "
    "that of the package's own files; peak memory is that of a process that trains workload C for 300 steps "
    "on 60,000 images, including the images."
)
ONE_THREAD = True
IMPORTS = {  # side: the imported module, the distribution
    "nnc": ("nnc", "nnc"),
    "PyTorch": ("torch", "torch"),
    "JAX": ("jax.numpy", "jaxlib"),
    "scikit-learn": ("sklearn.neural_network", "scikit-learn"),
    "onnxruntime": ("onnxruntime", "onnxruntime"),
}
TRAIN = """
import resource, sys
sys.path.insert(0, {folder!r})
import peers, workloads
task = workloads.make_task(workloads.FOUR[0], "dense")
trainer = dict(peers.load(peers.TRAINERS, [{name!r}], set()))[{name!r}]
rng, sizes = workloads.np.random.default_rng(0), task.workload.sizes
weights = []
for i, o in zip(sizes, sizes[1:]):
    weights += [rng.standard_normal((i, o), "f4") / i**0.5, workloads.np.zeros(o, "f4")]
trainer(task, weights, 1).run({steps})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def milliseconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return 1e3 * (time.perf_counter() - start)


def installed(distribution: str, module: str) -> float | None:
    """MB of a distribution's files; of the package's folder if it runs from a checkout."""
    try:
        files = importlib.metadata.files(distribution) or []
        sizes = [Path(file.locate()).stat().st_size for file in files if Path(file.locate()).is_file()]
        if sum(sizes) > 100_000:
            return sum(sizes) / 1e6
    except importlib.metadata.PackageNotFoundError:
        pass
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    files = Path(spec.origin).parent.rglob("*")
    kept = [f for f in files if f.is_file() and f.suffix not in (".c", ".pyc")]
    return sum(file.stat().st_size for file in kept) / 1e6


def run(context):
    found = {}
    for name, (module, distribution) in IMPORTS.items():
        if name != "nnc" and not context.wants(name):
            continue
        if importlib.util.find_spec(module.split(".")[0]):
            found[name] = module, distribution
        else:
            context.notes.add(f"{name} is left out: it is not installed")
    times, numpy = {name: [] for name in found}, []
    for _ in range(context.rounds):
        bare = milliseconds("pass")
        numpy.append(milliseconds("import numpy") - bare)
        for name, (module, _distribution) in found.items():
            times[name].append(milliseconds(f"import {module}") - bare)
    note = f"NumPy, which all of them import: {statistics.median(numpy):.0f} ms"
    yield Result("import", 1, times, "ms", note=note)

    sizes = {
        name: installed(distribution, module.split(".")[0]) for name, (module, distribution) in found.items()
    }
    yield Result("installed size", 1, {name: [size] for name, size in sizes.items() if size}, "MB")
    wheels = sorted(Path(__file__).parents[2].glob("dist/nnc-*.whl"))
    if wheels:
        yield Result("wheel", 1, {"nnc": [wheels[-1].stat().st_size / 1e6]}, "MB", note=wheels[-1].name)
    else:
        context.notes.add("wheel size: no wheel in dist/ (pip wheel --no-deps -w dist .)")

    memory = {}
    for name in ("nnc", "PyTorch", "JAX", "scikit-learn"):
        if name in found:
            code = TRAIN.format(
                folder=str(Path(__file__).parents[1]), name=name, steps=20 if context.quick else 300
            )
            process = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            unit = 1e6 if sys.platform == "darwin" else 1e3  # ru_maxrss is in bytes there
            memory[name] = [float(process.stdout.split()[-1]) / unit]
    yield Result("peak memory", 1, memory, "MB")
