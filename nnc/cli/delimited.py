"""Text tables: CSV with commas, semicolons or tabs between the cells, read in chunks.

By RFC 4180, cells may be quoted, and quoted cells may contain delimiters, (doubled) quotes and line breaks.
Lines end in LF or CRLF; empty lines and a byte order mark are skipped. The encoding is UTF-8 unless another
one is given. Any error is a `FormatError` that names the line.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple, NoReturn

from nnc.cli.chunks import GAPS, Chunk, Reading, TextCells, check_names, rows_per_chunk
from nnc.cli.output import counted
from nnc.errors import FormatError

_SAMPLE = 2**16  # bytes by which the kind of file is detected
_SAMPLE_ROWS = 100
_LONGEST = 2**24  # longest line in bytes
_DELIMITERS = ("\t", ";", ",")  # the first one that fits is taken: commas occur in numbers and text, too
_NAMES = {"\t": "tabs", ";": "semicolons", ",": "commas"}
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")
_POINT_NUMBER = re.compile(r"[+-]?\d+\.\d+")


class TextOptions(NamedTuple):
    """What the caller specified about the file; None is detected."""

    delimiter: str | None = None
    header: bool | None = None
    encoding: str = "utf-8"
    gaps: frozenset[str] = GAPS


class TextTable:
    """A text file of rows.

    Raises
    ------
    FormatError
        If the file is empty, has no rows after its header, or its first lines are not a table.
    """

    place = "line"

    def __init__(self, path: str, options: TextOptions = TextOptions()) -> None:  # noqa: B008
        self.path, self.options = path, options
        sample = self._sample()
        self.delimiter = options.delimiter or _delimiter(sample)
        rows = self._first_rows(sample)
        if not rows:
            raise FormatError(f"{path}: there are no rows, only empty lines")
        decimal = "," if self.delimiter != "," and _has_decimal_commas(rows) else "."
        self.reading = Reading(options.gaps, decimal)
        self.named = _is_header(rows, self.reading) if options.header is None else options.header
        if self.named and len(rows) == 1 and len(self._parsed_first(2)) == 1:
            raise FormatError(
                f"{path}: there is a header ({counted(len(rows[0]), 'column')}), but no row after it"
            )
        first = rows[0]
        try:
            self.names = check_names(path, first if self.named else [""] * len(first))
        except ValueError as error:
            raise FormatError(str(error)) from None
        self.described = f"text with {_NAMES.get(self.delimiter, repr(self.delimiter))}"
        self.described += ", decimal commas" * (decimal == ",") + ", a header" * self.named
        self.described += ", no header" * (not self.named)

    def chunks(self) -> Iterator[Chunk]:
        size, width = rows_per_chunk(len(self.names)), len(self.names)
        for rows, places, plain in self._rows(size, width):
            columns = [TextCells(cells, self.reading, plain) for cells in zip(*rows, strict=True)]
            yield Chunk(list(columns), places)

    # -------------------------------------------------------------------------------------------- rows

    def _rows(self, size: int, width: int) -> Iterator[tuple[list[list[str]], list[int], bool]]:
        """(rows, the line of each, whether `float` may parse them), `n` at a time, without the header."""
        rows: list[list[str]] = []
        places: list[int] = []
        with open(self.path, "rb", buffering=2**20) as file:
            lines = _Lines(file, self.path, self.options.encoding)
            waiting = self.named
            for place, row in self._parsed(lines):
                if len(row) != width:
                    self._refuse_width(place, row, width)
                if waiting:
                    waiting = False
                    continue
                rows.append(row)
                places.append(place)
                if len(rows) == size:
                    yield rows, places, lines.take_plain() and self.reading.is_plain
                    rows, places = [], []
            if rows:
                yield rows, places, lines.take_plain() and self.reading.is_plain

    def _parsed(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """(line on which it ends, row) of each row that is not empty."""
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        end = 0
        try:
            for row in reader:
                end = reader.line_num
                if row:
                    yield end, row
        except csv.Error as error:
            text = str(error)
            if "unexpected end" in text:
                text = "a quote is opened in this row but never closed"
            elif "field limit" in text:
                text = (
                    f"a cell of more than {csv.field_size_limit():,} characters (or a quote is never closed)"
                )
            elif "new-line character" in text:
                text = "it contains a carriage return (CR) without a line feed; lines must end in LF or CRLF"
            elif "expected after" in text:
                text = f"a quoted cell continues after its closing quote ({text})"
            raise FormatError(f"{self.path}, line {end + 1}: {text}") from None

    def _refuse_width(self, place: int, row: Sequence[str], width: int) -> NoReturn:
        what = f"{counted(len(row), 'cell')}, but the first row has {width}"
        at = self.names[len(row)] if len(row) < width else self.names[-1]
        where = (
            f"the last one is in column {self.names[len(row) - 1]!r}" if len(row) < width else f"after {at!r}"
        )
        raise FormatError(f"{self.path}, line {place}: {what} ({where})")

    # ------------------------------------------------------------------------------------ kind of file

    def _sample(self) -> str:
        """The first lines, complete ones if there are any."""
        with open(self.path, "rb") as file:
            raw = file.read(_SAMPLE)
        if not raw.strip():
            raise FormatError(f"{self.path}: the file is empty")
        refuse_binary(self.path, raw)
        cut = raw.rfind(b"\n") + 1 if len(raw) == _SAMPLE else len(raw)
        lines = _Lines(io.BytesIO(raw[: cut or len(raw)]), self.path, self.options.encoding)
        return "".join(lines)

    def _first_rows(self, sample: str) -> list[list[str]]:
        """Rows of the sample; fewer if it ends within a quoted cell."""
        rows: list[list[str]] = []
        try:
            for row in csv.reader(io.StringIO(sample, newline=""), delimiter=self.delimiter, strict=True):
                rows += [row] * bool(row)
                if len(rows) == _SAMPLE_ROWS:
                    break
        except csv.Error:
            if not rows:  # the first row is longer than the sample or wrong: reading the file reports which
                return self._parsed_first(1)
        return rows

    def _parsed_first(self, n: int) -> list[list[str]]:
        """The first n rows, or as many as there are."""
        with open(self.path, "rb") as file:
            rows = self._parsed(_Lines(file, self.path, self.options.encoding))
            return [row for _, row in itertools.islice(rows, n)]


class _Lines:
    """The lines of a file as str; records whether all lines since the last query were plain."""

    def __init__(self, file: BinaryIO, path: str, encoding: str) -> None:
        self._file, self._path, self._encoding = file, path, encoding
        self._number, self._plain = 0, True

    def take_plain(self) -> bool:
        """Whether the lines since the last call contain nothing that only `float` accepts as a number."""
        plain, self._plain = self._plain, True
        return plain

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(_LONGEST + 1)
        if not raw:
            raise StopIteration
        self._number += 1
        if self._number == 1 and raw.startswith(codecs.BOM_UTF8):
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if len(raw) > _LONGEST:
            raise FormatError(f"{self._path}, line {self._number}: longer than {_LONGEST:,} bytes")
        if b"_" in raw or not raw.isascii():  # float("1_0") is 10, and it accepts digits of all scripts
            self._plain = False
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            self._refuse(raw, error)

    def _refuse(self, raw: bytes, error: UnicodeDecodeError) -> NoReturn:
        column = raw[: error.start].count(b",") + 1
        text = raw[max(0, error.start - 12) : error.end + 12].decode("latin-1").strip()
        raise FormatError(
            f"{self._path}, line {self._number}: byte {raw[error.start]:#04x} (near {text!r}, around cell "
            f"{column}) is not {self._encoding.upper()}; if the file is in latin-1, use --encoding latin-1"
        )


def refuse_binary(path: str, raw: bytes) -> None:
    """Raise a FormatError that names the kind of file if these first bytes are not text."""
    kinds = {
        b"PK": "an archive (a spreadsheet?): save the table as CSV",
        b"\x1f\x8b": "compressed: unpack it first",
        b"PAR1": "Parquet: its name must end in .parquet",
        b"\x93NUMPY": "an array: its name must end in .npy",
        codecs.BOM_UTF16_LE: "UTF-16: save it as UTF-8",
        codecs.BOM_UTF16_BE: "UTF-16: save it as UTF-8",
    }
    for start, what in kinds.items():
        if raw.startswith(start):
            raise FormatError(f"{path}: not a text table but {what}")
    if raw[8:9] == b"{" and raw[4:8] == b"\0" * 4:
        raise FormatError(f"{path}: must be a table, got a model file")
    if b"\0" in raw:
        raise FormatError(f"{path}: a binary file (null byte at offset {raw.index(0)}), not a table")


def _delimiter(sample: str) -> str:
    """The first delimiter that splits all rows into the same number of cells, at least two."""
    best = ","
    for delimiter in _DELIMITERS:
        counts = []
        try:
            for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, strict=True):
                counts += [len(row)] * bool(row)
                if len(counts) == _SAMPLE_ROWS:
                    break
        except csv.Error:
            pass
        if counts and counts[0] > 1:
            if len(set(counts)) == 1:
                return delimiter
            best = delimiter
    return best


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    cells = [cell.strip() for row in rows for cell in row]
    return any(map(_COMMA_NUMBER.fullmatch, cells)) and not any(map(_POINT_NUMBER.fullmatch, cells))


def _is_header(rows: Sequence[Sequence[str]], reading: Reading) -> bool:
    """Whether the first row is a header: none of its cells is a number, or one is text above a number."""

    def is_number(cell: str) -> bool:
        value = reading.number(cell)
        return value == value

    first = rows[0]
    if not any(map(is_number, first)):
        return True
    below = rows[1] if len(rows) > 1 and len(rows[1]) == len(first) else first
    return any(
        reading.text(a) and not is_number(a) and is_number(b) for a, b in zip(first, below, strict=True)
    )
