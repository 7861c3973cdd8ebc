"""Pieces of C99 source: identifiers, numbers, tables of constants, comments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import Template

import numpy as np

_WIDTH = 100

# Macros that read a constant: on AVR, tables are in program memory, which needs special instructions.
READERS = {
    "float": ("NNC_FLOAT", "pgm_read_float(p)"),
    "int8_t": ("NNC_INT8", "((int8_t)pgm_read_byte(p))"),
    "int16_t": ("NNC_INT16", "((int16_t)pgm_read_word(p))"),
    "int32_t": ("NNC_INT32", "((int32_t)pgm_read_dword(p))"),
}


@dataclass(frozen=True, eq=False)
class Table:
    """A constant array of the generated file."""

    name: str
    ctype: str
    values: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.values.size * np.dtype(_DTYPES[self.ctype]).itemsize

    def declaration(self) -> str:
        """The declaration, without any storage class before `const`."""
        return f"const {self.ctype} {self.name}[{self.values.size}] NNC_PROGMEM"

    def definition(self) -> str:
        """The declaration with the values."""
        return f"{self.declaration()} = {{\n{wrapped(numbers(self.values, self.ctype))}}}"


_DTYPES = {"float": np.float32, "int8_t": np.int8, "int16_t": np.int16, "int32_t": np.int32}


def numbers(values: np.ndarray, ctype: str) -> list[str]:
    """The values as C constants; a float is the shortest text that reads back as the same bits."""
    flat = np.ascontiguousarray(values, _DTYPES[ctype]).reshape(-1)
    if ctype == "float":
        return [literal(value) for value in flat]
    return ["(-2147483647 - 1)" if value == -(2**31) else str(value) for value in flat.tolist()]


def literal(value: float | np.floating) -> str:
    """A float32 as a C constant."""
    return f"{np.float32(value)!s}f"


def wrapped(items: Iterable[str], indent: str = "    ") -> str:
    """Items separated by commas, wrapped into lines."""
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) > _WIDTH:
            lines.append(line.rstrip())
            line = indent
        line += f"{item}, "
    lines.append(line.rstrip().rstrip(","))
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """`text` made safe for a comment: printable ASCII without comment delimiters."""
    ascii_only = "".join(c if " " <= c <= "~" else "?" for c in text)
    return ascii_only.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "? ?")


def can_be_included(stem: str) -> bool:
    """Whether the line ``#include "<stem>.h"`` means that file with every compiler."""
    return re.search(r'[^ -~]|["\\]|\?\?', stem) is None


def identifier(stem: str) -> str:
    """A file's name as an identifier: characters that C does not allow become underscores."""
    return re.sub(r"\W", "_", stem, flags=re.ASCII)


def is_identifier(name: str) -> bool:
    """Whether `name` can be the prefix of names in C: a letter, then letters, digits, underscores."""
    return re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII) is not None


def fill(text: str, **values: object) -> str:
    """`text` with each $name replaced; the lines' indentation is unchanged."""
    return Template(text).substitute({name: str(value) for name, value in values.items()})


def indented(text: str, by: int = 1) -> str:
    """`text` with each line indented."""
    return "".join(f"{'    ' * by}{line}\n" if line else "\n" for line in text.splitlines())
