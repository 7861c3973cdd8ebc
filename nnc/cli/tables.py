"""Which reader a table is for."""

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
    """The table in a file; `options` has what `parser.add_table_options` asks for.

    Raises
    ------
    OSError
        If it cannot be opened: it is not there, or a folder.
    FormatError
        If it is no table.
    """
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
        raise Problem(f"{path}: no regular file; a table is read more than once")
    with open(path, "rb"):  # says what is wrong with the name, whatever reads it
        pass
    gaps = GAPS | {word.lower() for word in options.gap}
    reader = _BY_SUFFIX.get(os.path.splitext(path)[1].lower())
    if reader is not None:
        return reader(path, gaps)
    header = False if options.no_header else None
    return TextTable(path, TextOptions(options.delimiter, header, options.encoding, gaps))
