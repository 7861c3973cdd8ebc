"""The layers of a model as a JSON-compatible dict, and the stack from such a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnc._config import deserialize, refusal, serialize, shape
from nnc.layers import Layer
from nnc.models.stack import Stack

_KEYS = frozenset(("name", "layers", "build_input_shape"))
_DEEPEST = 64  # nesting depth of models


def described(part: Layer | Stack) -> dict[str, Any]:
    """{"class_name": ..., "config": ...} of a layer or a nested model."""
    if isinstance(part, Stack):
        return {"class_name": "Sequential", "config": config_of(part)}
    return serialize(part)


def config_of(stack: Stack) -> dict[str, Any]:
    """The result of `Sequential.get_config`."""
    first = [] if stack.input is None else [stack.input]
    config: dict[str, Any] = {
        "name": stack.name,
        "layers": [described(part) for part in [*first, *stack.parts]],
    }
    if stack.input is None and stack.built:
        config["build_input_shape"] = [None, *stack.shapes()[0]]
    return config


def part_of(data: Any, depth: int = 0) -> Layer | Stack:
    """The layer or stack for a dict from `described`."""
    if isinstance(data, Mapping) and data.get("class_name") == "Sequential" and "config" in data:
        return stack_of(data["config"], depth + 1)
    part: Layer = deserialize(data, Layer.registry)
    return part


def stack_of(config: Any, depth: int = 0) -> Stack:
    """The stack for a dict from `config_of`.

    Raises
    ------
    ValueError
        If it is not such a dict, or contains a layer or a value that nnc does not support.
    """
    if not isinstance(config, Mapping) or not {"layers"} <= config.keys() <= _KEYS:
        given = list(config) if isinstance(config, Mapping) else config
        raise refusal("config", f"a dict with the keys {', '.join(sorted(_KEYS))}", given)
    if depth > _DEEPEST:
        raise ValueError(f"config has models nested deeper than {_DEEPEST} levels")
    if not isinstance(config["layers"], list | tuple):
        raise refusal("layers", "a list of layers", config["layers"])
    stack = Stack(config.get("name"))
    for data in config["layers"]:
        stack.add(part_of(data, depth))
    built = config.get("build_input_shape")
    if built is not None:
        if not isinstance(built, list | tuple) or len(built) < 2:
            raise refusal("build_input_shape", "a shape that begins with the batch axis", built)
        stack.build(shape("build_input_shape", built[1:]))
    return stack
