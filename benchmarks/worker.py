"""Runs one group with one number of threads in a separate process; run.py starts it.

The processes are separate because some peers fix their number of threads on first use. With n threads the
process may use n CPUs; environment variables set n for the peers that read them.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")


def keep_cpus(threads: int) -> None:
    """Restrict this process to as many CPUs as threads, the last ones."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def start(request: dict, python: str = sys.executable, path: str | None = None) -> dict:
    """Run `work` for this request in a new process of `python`; `path` becomes its PYTHONPATH."""
    environment = dict(os.environ)
    if path is not None:
        environment["PYTHONPATH"] = path
    environment |= {name: str(request["threads"]) for name in THREAD_VARIABLES}
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    environment.setdefault("JAX_PLATFORMS", "cpu")
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        subprocess.run(
            [python, __file__, json.dumps({**request, "answer": str(answer)})], check=True, env=environment
        )
        return json.loads(answer.read_text())


def work(request: dict) -> dict:
    """Measure; return the group's results, its notes, and the nnc that was measured."""
    import importlib

    import groups

    import nnc

    group = importlib.import_module(f"groups.{request['group']}")
    context = groups.Context(
        threads=request["threads"],
        rounds=request["rounds"],
        quick=request["quick"],
        peers=request["peers"],
        mnist=Path(request["mnist"]),
    )
    results = []
    for result in group.run(context):
        medians = ", ".join(f"{side} {result.median(side):.4g}" for side in result.values)
        print(f"  {result.case} ({result.unit}): {medians}", file=sys.stderr, flush=True)
        results.append({"group": request["group"], **dataclasses.asdict(result)})
    return {"results": results, "notes": sorted(context.notes), "nnc": str(Path(nnc.__file__).parent)}


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    keep_cpus(asked["threads"])
    Path(asked["answer"]).write_text(json.dumps(work(asked)))
