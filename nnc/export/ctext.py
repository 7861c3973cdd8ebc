"""Pieces of C99 source: identifiers, numbers, tables of constants, comments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import Template

import numpy as np

_WIDTH = 100

# What reads a constant: on AVR, tables lie in the program memory, which takes instructions of its own.
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
        """Without what stands before `const`."""
        return f"const {self.ctype} {self.name}[{self.values.size}] NNC_PROGMEM"

    def definition(self) -> str:
        """`declaration` with the values."""
        return f"{self.declaration()} = {{\n{wrapped(numbers(self.values, self.ctype))}}}"


_DTYPES = {"float": np.float32, "int8_t": np.int8, "int16_t": np.int16, "int32_t": np.int32}


def numbers(values: np.ndarray, ctype: str) -> list[str]:
    """The values as C constants, of which a float is the shortest that reads back as the same bits."""
    flat = np.ascontiguousarray(values, _DTYPES[ctype]).reshape(-1)
    if ctype == "float":
        return [literal(value) for value in flat]
    return ["(-2147483647 - 1)" if value == -(2**31) else str(value) for value in flat.tolist()]


def literal(value: float | np.floating) -> str:
    """A float32 as a C constant."""
    return f"{np.float32(value)!s}f"


def wrapped(items: Iterable[str], indent: str = "    ") -> str:
    """Items with commas between them, in lines."""
    lines, line = [], indent
    for item in items:
        if len(line) + len(item) > _WIDTH:
            lines.append(line.rstrip())
            line = indent
        line += f"{item}, "
    lines.append(line.rstrip().rstrip(","))
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """`text` as a comment can hold it: printable ASCII, in which no comment ends or begins."""
    ascii_only = "".join(c if " " <= c <= "~" else "?" for c in text)
    return ascii_only.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "? ?")


def identifier(stem: str) -> str:
    """A file's name as an identifier: what C does not take becomes an underscore."""
    return re.sub(r"\W", "_", stem, flags=re.ASCII)


def is_identifier(name: str) -> bool:
    """Whether C takes `name` at the beginning of its own: a letter, then letters, digits, underscores."""
    return re.fullmatch(r"[A-Za-z]\w*", name, flags=re.ASCII) is not None


def fill(text: str, **values: object) -> str:
    """`text` with each $name replaced; the lines' common indentation stays as it is."""
    return Template(text).substitute({name: str(value) for name, value in values.items()})


def indented(text: str, by: int = 1) -> str:
    """`text` with each line moved to the right."""
    return "".join(f"{'    ' * by}{line}\n" if line else "\n" for line in text.splitlines())
