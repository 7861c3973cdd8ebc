"""nnc export: a model as C or ONNX, depending on the file name."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from typing import Any

from nnc.cli import schema
from nnc.cli.encoding import Number, Schema
from nnc.cli.output import say, say_json
from nnc.cli.problems import Problem


def run(options: Namespace) -> int:
    """Write the file and print its inputs and outputs."""
    name, suffix = os.path.splitext(os.path.basename(options.output))
    if suffix not in (".c", ".onnx"):
        raise Problem(f"{options.output}: the file's name must end in .c or .onnx")
    if suffix == ".c" and not re.match("[A-Za-z]", name):
        raise Problem(f"{options.output}: the file's name must begin with a letter, as names in C do")
    model, columns = schema.load(options.model)
    result: dict[str, Any]
    try:
        if suffix == ".c":
            written = model.export_c(options.output, check=options.check)
            result = {"files": list(written.files), "flash": written.flash, "ram": written.ram}
            result["multiply_adds"] = written.multiply_adds
        else:
            classes = None if columns is None else columns.target.classes
            onnx = model.export_onnx(options.output, classes=classes)
            result = {"files": [onnx.file], "inputs": list(onnx.inputs), "outputs": list(onnx.outputs)}
    except (ValueError, ImportError) as error:
        raise Problem(f"{options.model}: {error}") from error
    if options.json:
        say_json(result | ({} if columns is None else _columns(columns)))
        return 0
    say("wrote " + ", ".join(result.pop("files")))
    for name, value in result.items():
        shown = ", ".join(value) if isinstance(value, list) else f"{value:,}"
        say(f"{name.replace('_', '-')}: {shown}{' bytes' * (name in ('flash', 'ram'))}")
    if columns is not None:
        found = _columns(columns)
        say(f"inputs of a row: {', '.join(found['columns'])}")
        for name, offset in found["offsets"].items():
            say(f"subtract {offset:.10g} from {name!r} first")
        say(f"outputs of a row: {', '.join(found['targets'])}")
    return 0


def _columns(columns: Schema) -> dict[str, Any]:
    """The meaning of the inputs and outputs."""
    target = columns.target
    targets = [target.name] if target.classes is None else [f"p({each})" for each in target.classes]
    offsets = {c.name: c.offset for c in columns.columns if isinstance(c, Number) and c.offset}
    return {"columns": columns.inputs, "offsets": offsets, "targets": targets}
