"""The limits of this machine, measured: float32 multiply-adds and memory bandwidth."""

from __future__ import annotations

import subprocess

import probe
from timing import Result

TITLE = "Machine"
ABOUT = (
    "Multiply-adds on registers with 12 independent chains, and memory bandwidth with an array per thread, "
    "measured by `benchmarks/probe.c`; an update reads and writes, and both are counted."
)
ONE_THREAD = False
SIZES = {"16 KB (L1)": 16 << 10, "512 KB (L2)": 512 << 10, "256 MB (memory)": 256 << 20}


def run(context):
    from nnc import _core

    isas = _core.cpu_info()["isa_available"]
    try:
        for isa in isas:
            probe.fma(isa, 1, 1000)
    except (OSError, KeyError, subprocess.SubprocessError) as error:
        context.notes.add(f"the machine is not measured: {error}")
        return
    for isa in isas:
        note = "" if isa != "generic" else "multiply, then add"
        rates = [probe.fma(isa, context.threads, 1_000_000) for _ in range(context.rounds)]
        yield Result(
            f"float32 multiply-add, {isa}", context.threads, {"measured": rates}, "GFLOP/s", note=note
        )
    total = 1 << (28 if context.quick else 30)
    for name, size in SIZES.items():
        for update in (False, True):
            rates = [
                probe.memory(isas[-1], context.threads, size, update, total) for _ in range(context.rounds)
            ]
            kind = "update" if update else "read"
            yield Result(f"{kind}, {name}", context.threads, {"measured": rates}, "GB/s")
