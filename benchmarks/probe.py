"""The machine's limits: probe.c, compiled on first use and run on one or more threads."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).with_name("probe.c")
X86 = {
    "avx512": ["-DWIDTH=64", "-mavx512f"],
    "avx2": ["-DWIDTH=32", "-mavx2", "-mfma"],
    "generic": ["-DWIDTH=16"],
}
ARM = {"neon": ["-DWIDTH=16"], "generic": ["-DWIDTH=16"]}


@functools.cache
def _library(isa: str) -> ctypes.CDLL:
    flags = (X86 if platform.machine() in ("x86_64", "AMD64") else ARM)[isa]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "probe.so"
        compiler = os.environ.get("CC", "cc").split()
        common = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-shared", "-fPIC"]
        subprocess.run([*compiler, *common, *flags, str(SOURCE), "-o", str(file)], check=True)
        library = ctypes.CDLL(str(file))
    library.probe_fma.restype = library.probe_memory.restype = ctypes.c_double
    library.probe_fma.argtypes = [ctypes.c_long]
    library.probe_memory.argtypes = [ctypes.c_size_t, ctypes.c_long, ctypes.c_int]
    return library


def _on_threads(call: Callable[[], float], threads: int) -> float:
    """The sum of the results of `call` on `threads` threads that start together."""
    barrier, rates = threading.Barrier(threads), [0.0] * threads

    def run(i: int) -> None:
        barrier.wait()
        rates[i] = call()

    team = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for member in team:
        member.start()
    for member in team:
        member.join()
    return sum(rates)


def fma(isa: str, threads: int, rounds: int = 1_000_000) -> float:
    """GFLOP/s of float32 multiply-adds on registers in this instruction set; takes a few milliseconds."""
    library = _library(isa)
    return 1e-9 * _on_threads(lambda: library.probe_fma(rounds), threads)


def memory(isa: str, threads: int, size: int, update: bool, total: int = 1 << 30) -> float:
    """GB/s of each thread reading (or reading and writing) its own `size` bytes, `total` bytes in all."""
    library = _library(isa)
    return 1e-9 * _on_threads(lambda: library.probe_memory(size, max(1, total // size), update), threads)


def fma_units(isa: str) -> int | None:
    """The number of 512-bit multiply-adds that a core starts per cycle; None without AVX-512 or a compiler.

    Cores with AVX-512 start two of 256 bits, so it follows from whether 512 bits are twice as fast or not.
    """
    if isa != "avx512":
        return None
    try:
        rates = [(fma("avx512", 1), fma("avx2", 1)) for _ in range(5)]
    except (OSError, KeyError, subprocess.SubprocessError):
        return None
    wide, narrow = (max(rate) for rate in zip(*rates, strict=True))
    return max(1, round(wide / narrow))
