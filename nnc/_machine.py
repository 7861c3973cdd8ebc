"""The machine: what nnc detected, for bug reports and benchmarks, and the number of threads to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from nnc import _config, _core
from nnc._version import __version__


def show_config() -> None:
    """Print the version, the instruction sets found and chosen, the bfloat16 products, the number of threads
    and its source, and the compiler.

    Examples
    --------
    >>> import nnc
    >>> nnc.show_config()  # doctest: +ELLIPSIS
    nnc ...
    """
    print(config_text(config()))


def config() -> dict[str, str]:
    """What nnc detected, by name."""
    import platform

    info = _core.cpu_info()
    return {
        "nnc": __version__,
        "python": f"Python {platform.python_version()}, NumPy {np.__version__}",
        "machine": f"{platform.system()} {platform.machine()}",
        "instruction set": f"{info['isa']} (available: {', '.join(info['isa_available'])})",
        "bfloat16": info["bfloat16"],
        "threads": f"{info['threads']} ({info['threads_source']})",
        "OpenMP": "yes" if info["openmp"] else "no: nnc's own threads",
        "compiler": info["compiler"],
    }


def config_text(found: Mapping[str, str]) -> str:
    """The result of `config`, one line for each entry."""
    first = {f"nnc {found['nnc']}": found["python"]}
    rows = first | {name: value for name, value in found.items() if name not in ("nnc", "python")}
    return "\n".join(f"{name:<16} {value}" for name, value in rows.items())


def set_num_threads(n: int | None) -> None:
    """Set the number of threads that calls use from now on.

    The environment variable NNC_NUM_THREADS sets it for a process, `threads` for a few calls.

    Parameters
    ----------
    n : int or None
        From 1 to 1024; None: as many as the machine and the environment allow.

    Raises
    ------
    TypeError
        If n is neither an integer nor None.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> import nnc
    >>> nnc.set_num_threads(1)
    >>> nnc.get_num_threads()
    1
    >>> nnc.set_num_threads(None)
    """
    _core.set_num_threads(None if n is None else _config.integer("n", n, 1, 1024))


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Inside ``with``, calls from this thread use n threads; other threads are not affected.

    For programs that train several models at once, each in its own thread. `set_num_threads` applies to all
    calls of the process instead.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Returns
    -------
    context manager

    Raises
    ------
    TypeError
        If n is not an integer.
    ValueError
        If it is out of range.

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
