"""The choice of a reader for a table."""

from __future__ import annotations

import os
import stat
from argparse import Namespace

from nnc.cli import arrays
from nnc.cli.chunks import GAPS, Table
from nnc.cli.delimited import TextOptions, TextTable
from nnc.cli.problems import Problem

_BY_SUFFIX = {".npy": arrays.read_npy, ".npz": arrays.read_npz, ".parquet": arrays.read_parquet}


def open_table(path: str, options: Namespace) -> Table:
    """The table in a file; `options` has the options of `parser.add_table_options`.

    Raises
    ------
    OSError
        If it cannot be opened: it does not exist or is a folder.
    FormatError
        If it is not a table.
    """
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
        raise Problem(f"{path}: not a regular file (a table is read more than once)")
    with open(path, "rb"):  # raises an error for a bad name, whichever reader is used
        pass
    gaps = GAPS | {word.lower() for word in options.gap}
    reader = _BY_SUFFIX.get(os.path.splitext(path)[1].lower())
    if reader is not None:
        return reader(path, gaps)
    return TextTable(path, TextOptions(options.delimiter, options.header, options.encoding, gaps))
