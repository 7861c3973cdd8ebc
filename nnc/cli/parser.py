"""The commands and their options."""

from __future__ import annotations

import argparse
import codecs
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from nnc.cli.output import printable

_DESCRIPTION = "Small neural networks, trained and served fast on a CPU. See also `nnc COMMAND --help`."


class Command(NamedTuple):
    """A command; its module is imported when the command runs."""

    module: str
    function: str
    help: str
    add: Callable[[argparse.ArgumentParser], None]


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; its result has an attribute `command`, a `Command`."""
    top = _Parser(prog="nnc", description=_DESCRIPTION, allow_abbrev=False)
    top.add_argument("--version", action=_Version, help="print nnc's version and exit")
    commands = top.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name, help=command.help, description=_sentence(command.help), allow_abbrev=False
        )
        command.add(sub)
        sub.set_defaults(command=command)
    return top


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors in one line, without the colours of Python 3.14."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.color = False

    def print_help(self, file: Any = None) -> None:
        """Print the help; argparse itself would ignore an error of the stream."""
        print(self.format_help(), end="", file=file)

    def error(self, message: str) -> NoReturn:
        self.exit(2, printable(f"{self.prog}: {message} (see {self.prog} --help)") + "\n")


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from nnc._version import __version__

        print(f"nnc {__version__}")
        parser.exit()


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


# -------------------------------------------------------------------------------------------- types of values


def _integer(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    def integer(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            limits = f"from {least} to {most}" if most < 2**31 - 1 else f"of at least {least}"
            raise argparse.ArgumentTypeError(f"must be an integer {limits}, got {text!r}")
        return value

    return integer


def _number(low: float, high: float, with_low: bool = True) -> Callable[[str], float]:
    """A number of at least `low`, or above it, and less than `high`."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not (low <= value if with_low else low < value) or not value < high:
            raise argparse.ArgumentTypeError(
                f"must be a number {'of at least' if with_low else 'above'} {low:g} and below {high:g}, "
                f"got {text!r}"
            )
        return value

    return number


def _hidden(text: str) -> tuple[int, ...]:
    if text == "none":
        return ()
    try:
        units = tuple(int(word) for word in text.split(","))
    except ValueError:
        units = (0,)
    if not all(0 < each <= 2**16 for each in units):
        raise argparse.ArgumentTypeError(f"must be numbers of units such as 64,32 or none, got {text!r}")
    return units


def _delimiter(text: str) -> str:
    text = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get(text, text)
    if len(text) != 1 or text in '"\r\n' or not text.isascii():
        raise argparse.ArgumentTypeError(f"must be one character or tab, got {text!r}")
    return text


def _encoding(text: str) -> str:
    try:
        name = codecs.lookup(text).name
        if b"\n".decode(name) != "\n" or "\n".encode(name) != b"\n":
            raise LookupError
    except (LookupError, ValueError):
        raise argparse.ArgumentTypeError(
            f"must be the name of a single-byte encoding or UTF-8, got {text!r}"
        ) from None
    return name


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a path, got {text!r}")
    return text


def _activation(text: str) -> str:
    from nnc import activations

    try:
        activations.get(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


# ---------------------------------------------------------------------------------------------------- options


def _add_json(parser: argparse.ArgumentParser, what: str = "one line of JSON") -> None:
    parser.add_argument("--json", action="store_true", help=f"print {what}, for programs")


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=_integer(1, 1024), metavar="N", help="use N threads")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=_path, metavar="FILE", help="a model file")


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """The options of a table and of reading it."""
    add = parser.add_argument
    what = "a table: text with commas, semicolons or tabs, .npy, .npz, .parquet"
    add("table", type=_path, metavar="TABLE", help=what)
    group = parser.add_argument_group("reading the table")
    add = group.add_argument
    header = group.add_mutually_exclusive_group()
    header.add_argument("--header", action="store_true", default=None, help="the first row is column names")
    header.add_argument(
        "--no-header",
        action="store_false",
        dest="header",
        default=None,
        help="the first row is data, not column names",
    )
    add("--delimiter", type=_delimiter, metavar="C", help="character between cells (default: detected)")
    add("--encoding", type=_encoding, default="utf-8", metavar="NAME", help="encoding of the text (utf-8)")
    add(
        "--gap",
        action="append",
        default=[],
        metavar="WORD",
        help="treat cells with this word as gaps, too; repeatable",
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """The options of a table to train on: its target, its columns, how rows are split."""
    add_table_options(parser)
    group = parser.add_argument_group("training data")
    add = group.add_argument
    add(
        "--target",
        required=True,
        metavar="COLUMN",
        help="column to predict: its name or number (-1: the last)",
    )
    tasks = ("auto", "classification", "regression")
    add("--task", choices=tasks, default="auto", help="auto: strings and up to 20 integers are classes")
    add("--drop", action="append", default=[], metavar="COLUMN", help="leave this column out; repeatable")
    add(
        "--text",
        action="append",
        default=[],
        metavar="COLUMN",
        help="treat this column's numbers as strings; repeatable",
    )
    add(
        "--max-values",
        type=_integer(2, 1000),
        default=50,
        metavar="N",
        help="leave out columns with more different strings (50)",
    )
    add(
        "--validation",
        type=_number(0, 0.9, False),
        default=0.15,
        metavar="PART",
        help="fraction of the rows for early stopping (0.15)",
    )
    add(
        "--test",
        type=_number(0, 0.9),
        default=0.15,
        metavar="PART",
        help="fraction of the rows for the test (0.15)",
    )
    add(
        "--seed",
        type=_integer(0),
        default=0,
        metavar="N",
        help="seed of the split, initial weights and shuffling (0)",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    add = group.add_argument
    add("--epochs", type=_integer(1), default=200, metavar="N", help="maximum number of epochs (200)")
    add(
        "--patience",
        type=_integer(1),
        default=20,
        metavar="N",
        help="stop after N epochs without a better validation loss (20)",
    )
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=_path,
        metavar="FOLDER",
        help="folder for the results (the table's name and -model)",
    )
    parser.add_argument("--no-pictures", action="store_true", help="do not draw figures")
    _add_threads(parser)
    _add_json(parser)


def _train(parser: argparse.ArgumentParser) -> None:
    add_data_options(parser)
    group = parser.add_argument_group("the network")
    add = group.add_argument
    add(
        "--hidden",
        type=_hidden,
        default=(64, 32),
        metavar="UNITS",
        help="units of the hidden layers (64,32), or none",
    )
    add(
        "--activation",
        type=_activation,
        default="relu",
        metavar="NAME",
        help="activation of the hidden layers (relu)",
    )
    add("--dropout", type=_number(0, 1), default=0.0, metavar="PART", help="rate after hidden layers (0)")
    add(
        "--learning-rate",
        type=_number(0, 1e3, False),
        default=1e-3,
        metavar="R",
        help="learning rate of Adam (0.001)",
    )
    add("--batch-size", type=_integer(1), metavar="N", help="rows per step (by table size: 32, 128 or 512)")
    _add_training(parser)


def _search(parser: argparse.ArgumentParser) -> None:
    add_data_options(parser)
    parser.add_argument(
        "--trials", type=_integer(1, 100_000), default=20, metavar="N", help="number of networks to try (20)"
    )
    parser.add_argument("--jobs", type=_integer(1, 1024), metavar="N", help="train N networks at a time")
    _add_training(parser)


def _predict(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    add_table_options(parser)
    _add_threads(parser)
    _add_json(parser, "a line of JSON for each row")


def _export(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("output", type=_path, metavar="OUT", help="file to write, such as out.c or out.onnx")
    parser.add_argument(
        "--check",
        type=_integer(0, 10_000),
        default=0,
        metavar="N",
        help="number of rows of a self-test in C (0)",
    )
    _add_json(parser)


def _summary(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_json(parser)


def _bench(parser: argparse.ArgumentParser) -> None:
    _add_threads(parser)
    _add_json(parser)


COMMANDS = {
    "info": Command("inspection", "info", "print what nnc detects on this machine", _add_json),
    "summary": Command("inspection", "summary", "print the contents of a model file", _summary),
    "train": Command("train", "run", "train a network on a table and write a report", _train),
    "predict": Command(
        "predict", "run", "print a model's prediction for each row of a table, as CSV", _predict
    ),
    "search": Command("searching", "run", "try many networks on a table and keep the best", _search),
    "export": Command("exporting", "run", "write a model as C or ONNX", _export),
    "bench": Command("bench", "run", "measure a few cases and compare them with documented figures", _bench),
}
