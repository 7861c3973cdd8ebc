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
from collections.abc import Callable, Sequence

from nnc.cli.output import note
from nnc.cli.parser import parser
from nnc.cli.problems import Interrupted, Problem
from nnc.errors import DivergenceError, FormatError

_WRONG, _FAILED, _INTERRUPTED, _UNREAD = 2, 1, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command given by these words, by default those of the process, and return the exit status.

    Parameters
    ----------
    arguments : list of str, optional

    Returns
    -------
    int

    Examples
    --------
    >>> from nnc.cli import main
    >>> main(["info"])  # doctest: +ELLIPSIS
    nnc ...
    0
    """
    status = _status(lambda: _run(arguments))
    unwritten = _status(_flush)  # here, since an error when Python exits would be a traceback
    return status or unwritten


def _status(command: Callable[[], int]) -> int:
    """The status of a command, with a note for any error."""
    try:
        return command()
    except SystemExit as end:  # of argparse: --help, or an error that it has printed
        return int(end.code or 0)
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
        note(str(error))
        return _WRONG
    except DivergenceError as error:
        note(str(error))
        return _FAILED
    except MemoryError:
        note("there is not enough memory")
        return _FAILED
    except UnicodeEncodeError as error:
        text = error.object[error.start : error.end]
        note(f"{text!r} cannot be written in the encoding {error.encoding}; set PYTHONIOENCODING=utf-8")
        return _WRONG
    except OSError as error:
        return _of_system(error)


def _run(arguments: Sequence[str] | None) -> int:
    _open_streams()
    options = parser().parse_args(arguments)
    command = options.command
    function = getattr(importlib.import_module(f"nnc.cli.{command.module}"), command.function)
    if getattr(options, "threads", None) is not None and command.module != "bench":
        from nnc._machine import set_num_threads

        set_num_threads(options.threads)
    with warnings.catch_warnings():
        # Without file name and line number.
        warnings.showwarning = lambda message, *_, **__: note(str(message))
        return function(options)


def _flush() -> int:
    sys.stdout.flush()
    return 0


def _open_streams() -> None:
    """Python's streams are None if the process was started without them (>&-)."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        raise Problem("stdout is closed; for no output, redirect it to /dev/null")


def _of_system(error: OSError) -> int:
    name = error.filename if error.filename is not None else ""
    name = os.fsdecode(name) if isinstance(name, str | bytes) else str(name)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if not name and error.errno is not None:
        _close_stdout()
        name = "the output"
    note(f"{name}: {error.strerror}" if error.strerror else str(error))
    return _FAILED if full or error.errno == errno.EIO else _WRONG


def _close_stdout() -> None:
    """Discard further output: flushing the rest would fail again when Python exits."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or not a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
