"""What `import nnc` costs over `import numpy`: alternating pairs of processes, in milliseconds.

    python benchmarks/import_time.py --pairs 15 --most 25

With `--most`, the exit status is 1 if the fastest of the nnc processes took that much longer than the fastest
of the others: unlike a median, this hardly depends on the load of the machine.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def seconds(module: str) -> float:
    """The time of a process that imports `module`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--most", type=float, help="the limit in milliseconds")
    options = parser.parse_args()

    modules = ("numpy", "nnc")
    for module in modules:
        seconds(module)  # compiles its files
    times = [[1e3 * seconds(module) for module in modules] for _ in range(options.pairs)]
    numpy, nnc = zip(*times, strict=True)
    difference = statistics.median(b - a for a, b in times)
    print(f"numpy {statistics.median(numpy):.1f} ms, nnc {statistics.median(nnc):.1f} ms", end="")
    print(f"; difference: median {difference:.1f} ms, of the fastest {min(nnc) - min(numpy):.1f} ms")
    if options.most is not None and min(nnc) - min(numpy) > options.most:
        sys.exit(f"import nnc takes more than {options.most:g} ms longer than import numpy")


if __name__ == "__main__":
    main()
