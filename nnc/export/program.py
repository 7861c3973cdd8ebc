"""A C99 file from its steps: alternating buffers, tables, functions, and a header comment with the sizes.

A step is a function from one buffer to another, or from a buffer to itself. At most two buffers are in use at
a time, the input and the output of a step, so they alternate between the two ends of one scratch array. The
first step reads the caller's x, the last ones write the caller's y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from nnc._version import __version__
from nnc.export import ctext
from nnc.export.ctext import Table


@dataclass(frozen=True, eq=False)
class Step:
    """One function of the file, `static void <prefix>_<name>(const <from> *x, <to> *y)`.

    Attributes
    ----------
    name : str
    layer, what : str
        For the header comment: the layer's name and a description.
    body : str
        The function's statements.
    n_outputs, multiply_adds : int
    output_shape : tuple of int
    in_place : bool
        Whether x and y may be the same array.
    tables : tuple of Table
    helpers : tuple of str
        Complete functions that `body` calls; those shared with other steps must be identical.
    ctype : str
        The type of y.
    scores : bool
        Whether the step preserves the position of the largest output, so that classification can skip it.
    """

    name: str
    layer: str
    what: str
    body: str
    output_shape: tuple[int, ...]
    in_place: bool = False
    multiply_adds: int = 0
    tables: tuple[Table, ...] = ()
    helpers: tuple[str, ...] = ()
    ctype: str = "float"
    scores: bool = False

    @property
    def n_outputs(self) -> int:
        return math.prod(self.output_shape)


@dataclass(frozen=True, eq=False)
class Check:
    """Rows that are stored with their expected outputs, and the largest difference that passes."""

    x: Table
    y: Table
    rows: int
    tolerance: float | int


@dataclass(frozen=True, eq=False)
class Program:
    """A network in C.

    Attributes
    ----------
    stem : str
        The name of the files, without the extension.
    prefix : str
        The prefix of every name in them.
    steps : list of Step
    input_shape, output_shape : tuple of int
    ctypes : (str, str)
        The types of x and y. All values in between have the type of x.
    digest : str
        The hash of the model.
    notes : list of str
        Lines for the header comment: what x and y are.
    macros : list of (str, str)
        Additional macros of the .h file: a name without the prefix, and its value.
    threshold : int, float or None
        For a binary classifier with one output: above it the class is 1. None for other models.
    check : Check or None
    extern : bool
        Whether the tables are in a separate file.
    """

    stem: str
    prefix: str
    steps: list[Step]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    ctypes: tuple[str, str]
    digest: str
    notes: list[str] = field(default_factory=list)
    macros: list[tuple[str, str]] = field(default_factory=list)
    threshold: float | None = None
    check: Check | None = None
    extern: bool = False
    main: bool = True

    # ------------------------------------------------------------------------------------------------- sizes

    @property
    def n_inputs(self) -> int:
        return math.prod(self.input_shape)

    @property
    def n_outputs(self) -> int:
        return math.prod(self.output_shape)

    @property
    def flash(self) -> int:
        """Bytes of the tables: weights and other constants."""
        return sum(table.nbytes for step in self.steps for table in step.tables)

    @property
    def ram(self) -> int:
        """Bytes of scratch."""
        return self.n_scratch * _SIZES[self.ctypes[0]]

    @property
    def multiply_adds(self) -> int:
        return sum(step.multiply_adds for step in self.steps)

    @property
    def n_scratch(self) -> int:
        """Elements of scratch: the largest sum of two consecutive arrays between the steps."""
        sizes = self._sizes_between()
        return max((a + b for a, b in zip([0, *sizes], [*sizes, 0], strict=True)), default=0)

    @property
    def classifies(self) -> bool:
        """Whether there is a function <prefix>_classify."""
        return len(self.output_shape) == 1 and (self.n_outputs > 1 or self.threshold is not None)

    def _sizes_between(self) -> list[int]:
        """Elements of each array in scratch, in order."""
        last = self._last_move
        return [
            step.n_outputs for i, step in enumerate(self.steps) if i < last and (i == 0 or not step.in_place)
        ]

    @property
    def _last_move(self) -> int:
        """The first of the steps that write y: the last that is not done in place."""
        moves = [i for i, step in enumerate(self.steps) if not step.in_place]
        return moves[-1] if moves else 0

    # -------------------------------------------------------------------------------------------------- text

    def header(self) -> str:
        """The .h file."""
        upper = self.prefix.upper()
        x, y, scratch = self._parameter("x"), self._parameter("y"), self._parameter("scratch")
        lines = [
            f"/* {self.stem}.h: see {self.stem}.c, written by nnc {__version__}. */",
            f"#ifndef {upper}_H",
            f"#define {upper}_H",
            "",
            *(["#include <stdint.h>", ""] if self.ctypes[0] != "float" else []),
            f"#define {upper}_INPUTS {self.n_inputs}",
            f"#define {upper}_OUTPUTS {self.n_outputs}",
            f"#define {upper}_SCRATCH {max(self.n_scratch, 1)} /* elements of scratch */",
            *(f"#define {upper}_{name} {value}" for name, value in self.macros),
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            "/* y = the network's outputs for one row x. Scratch is taken from the stack. */",
            f"void {self.prefix}_predict({x}, {y});",
            "",
            "/* The same with scratch of the caller's, whose contents do not matter before or after. */",
            f"void {self.prefix}_predict_scratch({x}, {y}, {scratch});",
        ]
        if self.classifies:
            what = "of the largest output" if self.n_outputs > 1 else "1 or 0"
            lines += [
                "",
                f"/* The class of x: the number {what}, found without a softmax. */"
                if self.n_outputs > 1
                else f"/* The class of x, {what}. */",
                f"int {self.prefix}_classify({x});",
                f"int {self.prefix}_classify_scratch({x}, {scratch});",
            ]
        if self.check is not None:
            lines += [
                "",
                f"/* The largest difference of {self.prefix}_predict from nnc over the stored rows:",
                f"   at most {upper}_TOLERANCE; {upper}_FAILED where an output is not a number. */",
                f"#define {upper}_TOLERANCE {self._number(self.check.tolerance)}",
                f"#define {upper}_FAILED {self._number(_FAILED)}",
                f"{self._difference} {self.prefix}_check(void);",
            ]
        lines += ["", "#ifdef __cplusplus", "}", "#endif", "", "#endif", ""]
        return "\n".join(lines)

    def source(self) -> str:
        """The .c file."""
        parts = [self._head(), self._includes()]
        tables = [table for step in self.steps for table in step.tables]
        for table in tables:
            parts.append(
                f"extern {table.declaration()};\n" if self.extern else f"static {table.definition()};\n"
            )
        helpers = dict.fromkeys(helper for step in self.steps for helper in step.helpers)
        parts += [helper.strip("\n") + "\n" for helper in helpers]
        parts += [self._function(index) for index in range(len(self.steps))]
        parts += [self._predict(), self._classify() if self.classifies else "", self._check()]
        return "\n".join(part for part in parts if part)

    def tables(self) -> str:
        """The second .c file, with the tables, if they are separate."""
        tables = [table for step in self.steps for table in step.tables]
        head = f"/* {self.stem}_weights.c: the weights of {self.stem}.c, written by nnc {__version__}. */\n"
        # The header, so that there is a declaration even if there are no tables, as C requires.
        parts = [head, f'#include "{self.stem}.h"\n', self._readers()]
        for table in tables:
            parts.append(f"extern {table.declaration()};\n{table.definition()};\n")
        return "\n".join(parts)

    def _parameter(self, name: str) -> str:
        upper = self.prefix.upper()
        if name == "x":
            return f"const {self.ctypes[0]} x[{upper}_INPUTS]"
        if name == "y":
            return f"{self.ctypes[1]} y[{upper}_OUTPUTS]"
        return f"{self.ctypes[0]} scratch[{upper}_SCRATCH]"

    def _head(self) -> str:
        """The header comment: what the file is, a row for each step, and its memory."""
        rows = [("layer", "operation", "output", "bytes", "multiply-adds")]
        for step in self.steps:
            shape = " x ".join(map(str, step.output_shape))
            nbytes = sum(table.nbytes for table in step.tables)
            rows.append((step.layer, step.what, shape, f"{nbytes:,}", f"{step.multiply_adds:,}"))
        widths = [max(len(ctext.plain(row[i])) for row in rows) for i in range(5)]
        table = [
            "  ".join(
                f"{ctext.plain(cell):{'<' if i < 3 else '>'}{width}}"
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        x, y = self.ctypes
        outside = self.n_inputs * _SIZES[x] + self.n_outputs * _SIZES[y]
        lines = [
            f"{self.stem}.c: a neural network in C99, written by nnc {__version__}.",
            "",
            *table,
            "",
            f"flash          {self.flash:,} bytes of weights and tables, excluding the code",
            f"RAM            {self.ram:,} bytes of scratch; the caller's x and y have {outside:,}",
            f"multiply-adds  {self.multiply_adds:,}",
            f"model          sha256 {self.digest}",
            "",
            *self.notes,
        ]
        while not lines[-1]:
            lines.pop()
        return "/* " + "\n".join(f" * {line}".rstrip() for line in lines)[3:] + "\n */\n"

    def _readers(self) -> str:
        """Macros that place tables in the program memory of AVR and read them there."""
        used = {table.ctype for step in self.steps for table in step.tables}
        if self.check is not None:
            used |= {self.check.x.ctype, self.check.y.ctype}
        names = [ctext.READERS[ctype] for ctype in ctext.READERS if ctype in used]
        if not names:
            return ""
        on_avr = [f"#define {name}(p) {reader}" for name, reader in names]
        elsewhere = [f"#define {name}(p) (*(p))" for name, _ in names]
        return "\n".join(
            [
                "#if defined(__AVR__) && !defined(NNC_PROGMEM)",
                "#include <avr/pgmspace.h>",
                "#define NNC_PROGMEM PROGMEM",
                *on_avr,
                "#else",
                "#ifndef NNC_PROGMEM",
                "#define NNC_PROGMEM",
                "#endif",
                *elsewhere,
                "#endif",
                "",
            ]
        )

    def _includes(self) -> str:
        body = "".join(step.body + "".join(step.helpers) for step in self.steps)
        math_h = "#include <math.h>\n" if any(f"{name}(" in body for name in _MATH) else ""
        own = f'#include "{self.stem}.h"\n'
        return f"{own}\n{math_h}\n{self._readers()}" if math_h else f"{own}\n{self._readers()}"

    def _function(self, index: int) -> str:
        step = self.steps[index]
        before = self._type_before(index)
        title = f"/* {ctext.plain(step.layer)}: {ctext.plain(step.what)} */\n"
        head = f"static void {self.prefix}_{step.name}(const {before} *x, {step.ctype} *y)\n"
        return f"{title}{head}{{\n{ctext.indented(step.body)}}}\n"

    def _type_before(self, index: int) -> str:
        return self.ctypes[0] if index == 0 else self.steps[index - 1].ctype

    def _predict(self) -> str:
        """All steps in order; those up to the scores are in a function that classify calls, too."""
        x, y, scratch = self._parameter("x"), self._parameter("y"), self._parameter("scratch")
        calls = self._calls()
        n_scores = len(self.steps)
        while n_scores > 1 and self.steps[n_scores - 1].scores:
            n_scores -= 1
        unused = "" if self.n_scratch else "    (void)scratch;\n"
        shared = self.classifies and n_scores < len(self.steps)
        first, text = calls, ""
        if shared:
            text += f"static void {self.prefix}_scores({x}, {y}, {scratch})\n"
            text += f"{{\n{unused}{''.join(calls[:n_scores])}}}\n\n"
            first, unused = [f"    {self.prefix}_scores(x, y, scratch);\n", *calls[n_scores:]], ""
        text += f"void {self.prefix}_predict_scratch({x}, {y}, {scratch})\n{{\n{unused}{''.join(first)}}}\n\n"
        text += f"void {self.prefix}_predict({x}, {y})\n{{\n    {scratch};\n"
        return text + f"    {self.prefix}_predict_scratch(x, y, scratch);\n}}\n"

    def _calls(self) -> list[str]:
        """A call for each step, with its buffers: alternately from one end of scratch to the other."""
        total, last, calls = self.n_scratch, self._last_move, []
        source, at_start = "x", False
        for index, step in enumerate(self.steps):
            if index >= last:
                target = "y"
            elif step.in_place and index > 0:
                target = source
            else:
                at_start = not at_start
                offset = 0 if at_start else total - step.n_outputs
                target = f"scratch + {offset}" if offset else "scratch"
            calls.append(f"    {self.prefix}_{step.name}({source}, {target});\n")
            source = target
        return calls

    def _classify(self) -> str:
        upper, prefix, y = self.prefix.upper(), self.prefix, self.ctypes[1]
        scored = any(step.scores for step in self.steps[-1:]) and len(self.steps) > 1
        run = "scores" if scored else "predict_scratch"
        text = f"int {prefix}_classify_scratch({self._parameter('x')}, {self._parameter('scratch')})\n{{\n"
        text += f"    {y} y[{upper}_OUTPUTS];\n"
        if self.n_outputs == 1:
            limit = self._number(self.threshold or 0)
            text += f"    {prefix}_{run}(x, y, scratch);\n    return y[0] > {limit};\n}}\n"
        else:
            better = "y[i] > y[best]"
            if y == "float":  # as in NumPy's argmax, a NaN is larger than any number
                better += " || (y[i] != y[i] && y[best] == y[best])"
            text += f"    int best = 0;\n    {prefix}_{run}(x, y, scratch);\n"
            text += f"    for (int i = 1; i < {upper}_OUTPUTS; i++)\n        if ({better})\n"
            text += "            best = i;\n    return best;\n}\n"
        text += f"\nint {prefix}_classify({self._parameter('x')})\n{{\n    {self._parameter('scratch')};\n"
        return text + f"    return {prefix}_classify_scratch(x, scratch);\n}}\n"

    @property
    def _difference(self) -> str:
        return "float" if self.ctypes[1] == "float" else "int32_t"

    def _number(self, value: float | int) -> str:
        return ctext.literal(value) if self.ctypes[1] == "float" else str(int(value))

    def _check(self) -> str:
        """The stored rows, a function that compares them, and a main that prints the largest difference."""
        check = self.check
        if check is None:
            return ""
        values: dict[str, Any] = {
            "p": self.prefix,
            "P": self.prefix.upper(),
            "rows": check.rows,
            "xt": self.ctypes[0],
            "yt": self.ctypes[1],
            "read_x": ctext.READERS[check.x.ctype][0],
            "read_y": ctext.READERS[check.y.ctype][0],
            "dt": self._difference,
            "zero": self._number(0),
            "nan": _NAN if self._difference == "float" else "",
        }
        values["nan"] = ctext.fill(values["nan"], **values)
        tables = f"static {check.x.definition()};\n\nstatic {check.y.definition()};\n\n"
        text = tables + ctext.fill(_CHECK, **values)
        if self.main:
            form = ("%g", "(double)") if self._difference == "float" else ("%ld", "(long)")
            text += "\n" + ctext.fill(_MAIN, **values, form=form[0], cast=form[1])
        return text


_SIZES = {"float": 4, "int8_t": 1, "int16_t": 2}
_FAILED = 2**30
_MATH = ("expf", "expm1f", "log1pf", "tanhf", "erfcf", "fabsf", "sqrtf")

_CHECK = """\
$dt ${p}_check(void)
{
    $xt x[${P}_INPUTS];
    $yt y[${P}_OUTPUTS];
    $dt largest = $zero;
    for (int row = 0; row < $rows; row++) {
        for (int i = 0; i < ${P}_INPUTS; i++)
            x[i] = $read_x(${p}_check_x + row * ${P}_INPUTS + i);
        ${p}_predict(x, y);
        for (int i = 0; i < ${P}_OUTPUTS; i++) {
            $dt difference = ($dt)(y[i] - $read_y(${p}_check_y + row * ${P}_OUTPUTS + i));
            if (difference < $zero)
                difference = -difference;
$nan            if (difference > largest)
                largest = difference;
        }
    }
    return largest;
}
"""

_NAN = """\
            if (difference != difference)
                difference = ${P}_FAILED;
"""

_MAIN = """\
#ifndef ${P}_NO_MAIN
#include <stdio.h>

int main(void)
{
    const $dt difference = ${p}_check();
    const int good = difference <= ${P}_TOLERANCE;
    printf("$p: $rows rows, largest difference $form, tolerance $form: %s\\n", ${cast}difference,
           ${cast}${P}_TOLERANCE, good ? "good" : "TOO LARGE");
    return !good;
}
#endif
"""
