"""The columns of a table in a model file: JSON in its metadata, written and checked.

The keys are listed in docs/model-file.md. Files are not trusted: every key, type and size is checked, and
also that the columns match the model's shapes.
"""

from __future__ import annotations

import json
from typing import Any

from nnc import _config
from nnc._config import shown
from nnc.cli.chunks import MAX_COLUMNS
from nnc.cli.encoding import Category, Column, Number, Schema, Target
from nnc.errors import FormatError
from nnc.models import Sequential, load_model, tensorfile

KEY = "nnc.table"
FORMAT = 1
_TEXT = frozenset((*b"\t\r\n\xef\xbb\xbf", *range(32, 127)))


def to_json(schema: Schema) -> str:
    """The schema as a string for `Sequential.metadata`."""
    columns = [column._asdict() for column in schema.columns]
    return json.dumps(
        {"format": FORMAT, "target": schema.target._asdict(), "columns": columns}, allow_nan=False
    )


def load(path: str) -> tuple[Sequential, Schema | None]:
    """The model in a file, and the schema of the table that it was trained on, or None.

    Raises
    ------
    FormatError
        If it is not a model file, or the schema is damaged or does not match the model.
    OSError
        If it cannot be opened.
    """
    try:
        model = load_model(path)
    except FormatError as error:
        with open(path, "rb") as file:
            start = file.read(8)
        if start and all(byte in _TEXT for byte in start):  # the length of a header contains null bytes
            raise FormatError(f"{path}: must be a model file, got a text file") from None
        raise FormatError(str(error)) from None
    text = model.metadata.get(KEY)
    if text is None:
        return model, None
    try:
        return model, _fitting(from_json(text), model)
    except (FormatError, ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"{path}: the columns of its table are damaged: {error}") from None


def from_json(text: str) -> Schema:
    """The schema from a string of `to_json`; a ValueError (FormatError) or TypeError for anything else."""
    if tensorfile.memory_of_parsing(text) > tensorfile.MEMORY:
        raise FormatError("they have too many items")
    data = _dict("the table", tensorfile.parse_json(text), ("format", "target", "columns"))
    if type(data["format"]) is not int or data["format"] != FORMAT:
        raise FormatError(f"'format' must be {FORMAT}, got {shown(data['format'])}")
    if not isinstance(data["columns"], list) or not 1 <= len(data["columns"]) <= MAX_COLUMNS:
        raise FormatError(f"'columns' must be a list of 1 to {MAX_COLUMNS} columns")
    given = _dict("'target'", data["target"], ("name", "classes"))
    classes = given["classes"]
    target = Target(_name(given["name"]), None if classes is None else _texts("'classes'", classes, 2))
    columns = tuple(map(_column, data["columns"]))
    names = [column.name for column in columns] + [target.name]
    if len(set(names)) < len(names):
        raise FormatError("two columns have the same name")
    return Schema(columns, target)


def _fitting(schema: Schema, model: Sequential) -> Schema:
    """`schema` if it matches this model's shapes."""
    shapes = model.input_shape, model.output_shape
    wanted = (None, len(schema.inputs)), (None, schema.target.width)
    if shapes != wanted:
        raise FormatError(f"they have {wanted[0][1]} inputs and {wanted[1][1]} outputs, the model {shapes}")
    return schema


def _column(data: Any) -> Column:
    if isinstance(data, dict) and "values" in data:
        data = _dict("a column", data, Category._fields)
        values = _texts("'values'", data["values"], 1)
        return Category(_name(data["name"]), values, _config.boolean("'gaps'", data["gaps"]))
    data = _dict("a column", data, Number._fields)
    fill, offset = (_config.number(f"{key!r}", data[key]) for key in ("fill", "offset"))
    return Number(_name(data["name"]), fill, offset, _config.boolean("'gaps'", data["gaps"]))


def _dict(what: str, value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != set(keys):
        raise FormatError(f"{what} must have {', '.join(keys)}, got {shown(value)}")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise FormatError(f"'name' must be a non-empty string, got {shown(value)}")
    return value


def _texts(what: str, value: Any, least: int) -> tuple[str, ...]:
    good = isinstance(value, list) and all(isinstance(each, str) for each in value)
    if not good or len(value) < least or len(set(value)) < len(value):
        raise FormatError(f"{what} must be a list of at least {least} different strings, got {shown(value)}")
    return tuple(value)
