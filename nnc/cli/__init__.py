"""The command line: `nnc` and `python -m nnc`.

`parser` defines the commands and their options, `entry` runs one of them and reports errors in one line.
Tables are read by `tables`, which detects whether a file is text (`delimited`) or arrays (`arrays`); both
produce `chunks`. `profiles` analyzes the columns, `encoding` turns them into inputs, `schema` stores that in
a model file, and `dataset` fills the arrays that `network` trains on. Each command is a module.
"""

from nnc.cli.entry import main

__all__ = ["main"]
