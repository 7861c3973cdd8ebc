"""Runs a command; errors are one line on stderr.

The status is 0 on success; 2 if the input is invalid (options, files, cells); 1 if training or writing
failed; 130 after Ctrl-C; 141 if the reader of the output has closed it.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import warnings
from collections.abc import Sequence

from nnc.cli.output import note
from nnc.cli.parser import parser
from nnc.cli.problems import Interrupted, Problem
from nnc.errors import DivergenceError, FormatError

_WRONG, _FAILED, _INTERRUPTED, _UNREAD = 2, 1, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command given by these words, by default those of the process, and return the exit status.

    Examples
    --------
    >>> from nnc.cli import main
    >>> main(["info"])  # doctest: +ELLIPSIS
    nnc ...
    0
    """
    try:
        status = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:  # head, or a pager that was closed
        _close_stdout()
        return _UNREAD
    except Interrupted as interrupted:
        note(str(interrupted))
        return _INTERRUPTED
    except KeyboardInterrupt:
        _close_stdout()
        note("interrupted")
        return _INTERRUPTED
    except (Problem, FormatError) as error:
        note(_line(error))
        return _WRONG
    except DivergenceError as error:
        note(_line(error))
        return _FAILED
    except MemoryError:
        note("there is not enough memory")
        return _FAILED
    except OSError as error:
        return _of_system(error)


def _run(arguments: Sequence[str] | None) -> int:
    options = parser().parse_args(arguments)
    command = options.command
    function = getattr(importlib.import_module(f"nnc.cli.{command.module}"), command.function)
    if getattr(options, "threads", None) is not None and command.module != "bench":
        from nnc._machine import set_num_threads

        set_num_threads(options.threads)
    with warnings.catch_warnings():
        # Without file name and line number.
        warnings.showwarning = lambda message, *_, **__: note(_line(message))
        return function(options)


def _of_system(error: OSError) -> int:
    name = error.filename if error.filename is not None else ""
    name = os.fsdecode(name) if isinstance(name, str | bytes) else str(name)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if not name and error.errno is not None:
        _close_stdout()
        name = "the output"
    note(f"{name}: {error.strerror}" if error.strerror else _line(error))
    return _FAILED if full or error.errno == errno.EIO else _WRONG


def _close_stdout() -> None:
    """Discard further output: flushing the rest would fail again when Python exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _line(error: object) -> str:
    return " ".join(str(error).split())
