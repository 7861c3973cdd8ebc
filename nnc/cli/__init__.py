"""The command line: `nnc` and `python -m nnc`.

`parser` has the commands and their options, `entry` runs one of them and says in one line what went
wrong. Tables are read by `tables`, which finds out whether a file is text (`delimited`) or arrays
(`arrays`); both give `chunks`. `profiles` finds what the columns hold, `encoding` makes inputs of them,
`schema` writes that into a model file, and `dataset` fills the arrays that `network` trains on. Each
command is a module.
"""

from nnc.cli.entry import main

__all__ = ["main"]
