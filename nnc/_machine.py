"""The machine: what nnc found on it, for bug reports and benchmarks, and how much of it a thread may use."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from nnc import _config, _core
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


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Inside ``with``, the calls that this thread makes use n threads; other threads are not affected.

    For programs that train several models at once, one in each of their own threads. `set_num_threads` is for
    all calls of the process instead.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    ValueError, TypeError
        If n is something else.

    Examples
    --------
    >>> import nnc
    >>> before = nnc.get_num_threads()
    >>> with nnc.threads(1):
    ...     nnc.get_num_threads()
    1
    >>> nnc.get_num_threads() == before
    True
    """
    before = _core.set_threads_here(_config.integer("n", n, 1, 1024))
    try:
        yield
    finally:
        _core.set_threads_here(before)
