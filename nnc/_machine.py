"""What nnc found on this machine, for bug reports and benchmarks."""

from __future__ import annotations

import platform

import numpy as np

from nnc import _core
from nnc._version import __version__


def show_config() -> None:
    """Print the version, the instruction set found and chosen, the threads and why so many, and the compiler.

    Examples
    --------
    >>> import nnc
    >>> nnc.show_config()  # doctest: +ELLIPSIS
    nnc ...
    """
    info = _core.cpu_info()
    rows = {
        f"nnc {__version__}": f"Python {platform.python_version()}, NumPy {np.__version__}",
        "machine": f"{platform.system()} {platform.machine()}",
        "instruction set": f"{info['isa']} (there are: {', '.join(info['isa_available'])})",
        "threads": f"{info['threads']} ({info['threads_source']})",
        "OpenMP": "yes" if info["openmp"] else "no: one thread",
        "compiler": info["compiler"],
    }
    for name, value in rows.items():
        print(f"{name:<16} {value}")
