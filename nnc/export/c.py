"""`Sequential.export_c`: a model as C99 files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from nnc import _arrays, _config, _files
from nnc.export import cfloat, cint8, ctext, execution, folding, lowering, quantization
from nnc.export import operations as ops
from nnc.export.digest import digest
from nnc.export.outputs import Outputs, outputs_of
from nnc.export.program import Check, Program
from nnc.export.rows import random_rows
from nnc.export.sketch import sketch

# The largest allowed error of the outputs against the model in float64, relative to the largest output. The
# tolerance of the stored rows is larger by nnc's own error.
TOLERANCE = 1e-6


class Accuracy(NamedTuple):
    """The fractions of rows classified correctly by the model in float32, and in integers."""

    before: float
    after: float


@dataclass(frozen=True)
class Report:
    """The result of `Sequential.export_c`.

    Attributes
    ----------
    files : tuple of str
        The paths of the files.
    prefix : str
        The prefix of the functions.
    flash : int
        Bytes of weights and tables, without the code.
    ram : int
        Bytes of scratch memory.
    multiply_adds : int
        Multiply-adds for one row.
    digest : str
        SHA-256 of the model.
    accuracy : Accuracy or None
        With int8=, the accuracy before and after; None if the model is not a classifier.
    difference : float or None
        With int8=, the largest difference of an output from the model's, relative to the largest output.
    """

    files: tuple[str, ...]
    prefix: str
    flash: int
    ram: int
    multiply_adds: int
    digest: str
    accuracy: Accuracy | None = None
    difference: float | None = None


def export_c(
    model: lowering.Model,
    path: str | os.PathLike[str],
    *,
    prefix: str | None = None,
    weights: str = "static",
    check: Any = 0,
    arduino: bool = False,
    int8: Any = None,
    test: Any = None,
    max_flash: int | None = None,
    max_ram: int | None = None,
) -> Report:
    """See `Sequential.export_c`."""
    _config.choice("weights", weights, ("static", "extern"))
    _config.boolean("arduino", arduino)
    for name, limit in (("max_flash", max_flash), ("max_ram", max_ram)):
        if limit is not None:
            _config.integer(name, limit, 0)
    if test is not None and int8 is None:
        raise _config.refusal("test", "None without int8=: it is for the accuracy before and after", test)
    place = _Place.of(path, prefix, arduino)

    operations = lowering.operations(model)
    outputs, folded = outputs_of(model, operations), folding.inference(operations)
    rows = _check_rows(model, check, arduino, operations, int8)
    shapes = (model.input_shape or ())[1:], (model.output_shape or ())[1:]
    program = Program(
        place.stem,
        place.prefix,
        [],
        *shapes,
        ("float", "float"),
        digest(operations),
        extern=weights == "extern",
        main=not arduino,
    )
    if int8 is None:
        program, report = _in_floats(program, folded, outputs), {}
        if len(rows):
            y = model.predict(rows).reshape(len(rows), -1)
            if not np.isfinite(y).all():
                raise ValueError("check: the model has NaN or infinite outputs for these rows; pass others")
            own = float(np.abs(execution.run(folded, rows.reshape(len(rows), -1)) - y).max())
            program = replace(
                program, check=_stored(program, rows, y, TOLERANCE * float(np.abs(y).max()) + own)
            )
    else:
        net = quantization.quantize(folded, _rows(model, int8, "int8"))
        program = cint8.program(program, net, outputs)
        report = _compared(model, net, outputs, int8, test)
        if len(rows):
            integers = net.integers(rows.reshape(len(rows), -1))
            program = replace(program, check=_stored(program, integers, net.run(integers), 0))
    _check_limits(program, max_flash, max_ram)
    files = place.write(program)
    return Report(
        files, place.prefix, program.flash, program.ram, program.multiply_adds, program.digest, **report
    )


# ----------------------------------------------------------------------------------------------------- where


@dataclass(frozen=True)
class _Place:
    """Where the files go: a folder, their name, and whether the folder is an Arduino sketch."""

    folder: str
    stem: str
    prefix: str
    arduino: bool

    @classmethod
    def of(cls, path: str | os.PathLike[str], prefix: str | None, arduino: bool) -> _Place:
        text = _files.path_of("path", path)
        folder, name = os.path.split(text)
        stem, extension = os.path.splitext(name)
        if extension != ".c" and not (arduino and not extension):
            must = "a file's path that ends in .c, such as 'digits.c'"
            raise _config.refusal("path", must + (" (or a sketch's folder)" if arduino else ""), text)
        if not ctext.can_be_included(stem):
            must = 'a name of printable ASCII characters other than ", \\ and ??, which a C #include can name'
            raise _config.refusal("path", must, text)
        if folder and not os.path.isdir(folder):
            advice = f"create it first, with os.makedirs({folder!r})"
            raise FileNotFoundError(f"path is {text!r}, but there is no folder {folder!r}: {advice}")
        if prefix is None:
            prefix = ctext.identifier(stem)
            if not ctext.is_identifier(prefix):
                must = f"given, since the file's name {stem!r} does not begin with a letter, as C requires"
                raise _config.refusal("prefix", must, None)
        elif not isinstance(prefix, str) or not ctext.is_identifier(prefix):
            raise _config.refusal("prefix", "a letter, then letters, digits and underscores", prefix)
        if arduino:  # a sketch is a folder with the name of its .ino file
            folder, stem = os.path.join(folder, prefix), prefix
        return cls(folder, stem, prefix, arduino)

    def write(self, program: Program) -> tuple[str, ...]:
        """Write all files or none, and return their paths."""
        texts = {f"{self.stem}.c": program.source(), f"{self.stem}.h": program.header()}
        if program.extern:
            texts[f"{self.stem}_weights.c"] = program.tables()
        if self.arduino:
            texts[f"{self.stem}.ino"] = sketch(program)
        made = self.arduino and not os.path.isdir(self.folder)
        if made:
            os.mkdir(self.folder)
        paths = {os.path.join(self.folder, name): text.encode("ascii") for name, text in texts.items()}
        try:
            _files.write_all(paths)
        except BaseException:
            if made:
                with contextlib.suppress(OSError):
                    os.rmdir(self.folder)
            raise
        return tuple(paths)


def _check_limits(program: Program, max_flash: int | None, max_ram: int | None) -> None:
    flash, ram = program.flash, program.ram
    if max_flash is not None and flash > max_flash:
        advice = "fewer weights" + ("" if program.ctypes[0] != "float" else ", or int8=, about a quarter")
        raise ValueError(
            f"max_flash is {max_flash:,} bytes, but the weights and tables take {flash:,}: it needs {advice}"
        )
    if max_ram is not None and ram > max_ram:
        raise ValueError(
            f"max_ram is {max_ram:,} bytes, but the scratch takes {ram:,}: it needs smaller layers"
            + ("" if program.ctypes[0] != "float" else ", or int8=, a quarter")
        )


# ---------------------------------------------------------------------------------------------------- floats


def _in_floats(program: Program, folded: Sequence[ops.Operation], outputs: Outputs) -> Program:
    steps = cfloat.steps(folded, program.prefix, program.input_shape)
    threshold = {"probabilities": 0.5, "logits": 0.0}.get(outputs.kind)
    return replace(program, steps=steps, threshold=threshold)


def _rows(model: lowering.Model, x: Any, name: str) -> np.ndarray:
    """x as finite float32 rows (n, *input_shape), at least one."""
    array = _arrays.to_float(_arrays.as_numbers(x, name), name)
    shape = (model.input_shape or ())[1:]
    if array.ndim == 0 or array.shape[1:] != shape or len(array) == 0:
        expected = "(n, " + ", ".join(map(str, shape)) + ")"
        raise ValueError(f"{name} must have shape {expected}, with n at least 1, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite values; pass rows of finite numbers")
    return array


def _check_rows(
    model: lowering.Model, check: Any, arduino: bool, operations: Sequence[ops.Operation], int8: Any
) -> np.ndarray:
    """The rows to store: those given, the first calibration rows, or random ones."""
    shape = (model.input_shape or ())[1:]
    if not isinstance(check, (int, np.integer)) or isinstance(check, bool):
        return _rows(model, check, "check")
    n = _config.integer("check", check, 0, 10_000)
    if arduino and n == 0:
        n = 1  # a sketch must detect a board that computes wrong outputs
    if int8 is not None:
        calibration = _rows(model, int8, "int8")
        if n > len(calibration):
            raise _config.refusal("check", f"at most the {len(calibration)} rows of int8, or rows", check)
        return calibration[:n]
    return random_rows(operations, n, shape)


def _stored(program: Program, x: np.ndarray, y: np.ndarray, tolerance: float | int) -> Check:
    def table(name: str, ctype: str, array: np.ndarray) -> ctext.Table:
        return ctext.Table(f"{program.prefix}_check_{name}", ctype, array)

    of_x, of_y = program.ctypes
    return Check(table("x", of_x, x), table("y", of_y, y), len(x), tolerance)


# --------------------------------------------------------------------------------------------------- integers


def _compared(
    model: lowering.Model, net: quantization.Net, outputs: Outputs, int8: Any, test: Any
) -> dict[str, Any]:
    """The accuracy before and after, over `test` or the calibration rows, and the largest difference."""
    if test is None:
        x, y = _rows(model, int8, "int8"), None
    else:
        if not isinstance(test, (tuple, list)) or len(test) != 2:
            raise _config.refusal("test", "a pair (x, y) of rows and their classes", type(test), TypeError)
        x, y = _rows(model, test[0], "test[0]"), test[1]
    found = model.predict(x).reshape(len(x), -1)
    integers = net.run(net.integers(x.reshape(len(x), -1)))
    difference = float(np.abs(integers * net.output_scale - found).max() / max(np.abs(found).max(), 1e-30))
    if not outputs.classes and (found.shape[1] == 1 or len((model.output_shape or ())[1:]) > 1):
        return {"difference": difference}
    threshold = 0.5 if outputs.kind == "probabilities" else 0.0

    def classes(values: np.ndarray) -> np.ndarray:
        return values.argmax(axis=1) if found.shape[1] > 1 else (values[:, 0] > threshold).astype(np.int64)

    before, after = classes(found), classes(integers * net.output_scale)
    right = before
    if y is not None:
        right = _arrays.targets(y, "test[1]", "any", (found.shape[1],))
        if right.ndim > 1:
            right = right.argmax(axis=1) if right.shape[1] > 1 else right[:, 0].astype(np.int64)
        _arrays.same_rows(**{"test[0]": x, "test[1]": right})
    accuracy = Accuracy(float(np.mean(before == right)), float(np.mean(after == right)))
    return {"accuracy": accuracy, "difference": difference}
