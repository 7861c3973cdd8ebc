"""nnc info: the machine and the versions. nnc summary: the contents of a model file."""

from __future__ import annotations

import importlib.metadata
from argparse import Namespace
from typing import Any

from nnc import _machine
from nnc.callbacks.history import curves
from nnc.cli import schema
from nnc.cli.encoding import Schema
from nnc.cli.output import aligned, say, say_json
from nnc.models import Sequential

# Optional packages that nnc uses if they are installed.
_PACKAGES = (
    "matplotlib",
    "tqdm",
    "safetensors",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "onnx",
    "onnxruntime",
    "torch",
    "optuna",
)


def info(options: Namespace) -> int:
    """Print what nnc detects on this machine."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    rows = _machine.config()
    if options.json:
        say_json(rows | {"packages": found})
        return 0
    packages = ", ".join(f"{name} {version}" for name, version in found.items())
    text = _machine.config_text(rows | {"packages": packages or "none of those that nnc can use"})
    say(*text.splitlines())
    return 0


def summary(options: Namespace) -> int:
    """Print the layers, training and columns of a model."""
    model, columns = schema.load(options.model)
    if options.json:
        say_json(_json(model, columns))
        return 0
    model.summary(print_fn=lambda text: say(*text.splitlines()))
    if model.loss is not None:
        say("", f"compiled: {model.optimizer!r}, {model.loss!r}")
    if model.history is not None and model.history.history:
        last = "  ".join(
            f"{name} {values[-1]:.4g}" for name, values in curves(model.history.history).items() if values
        )
        say(f"trained: {len(model.history.epoch)} epochs; last epoch: {last}")
    if columns is not None:
        target = columns.target
        what = "numbers" if target.classes is None else f"classes {', '.join(target.classes)}"
        say("", f"target {target.name!r}: {what}")
        say(
            *aligned(
                [
                    ["column", "inputs", ""],
                    *([c.name, str(len(c.inputs)), c.described] for c in columns.columns),
                ],
                [1],
            )
        )
    return 0


def _json(model: Sequential, columns: Schema | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": model.name,
        "input_shape": model.input_shape,
        "output_shape": model.output_shape,
        "layers": [
            {"name": each.name, "class": type(each).__name__, "weights": each.count_params()}
            for each in model.layers
        ],
        "weights": model.count_params(),
        "epochs": len(model.history.epoch) if model.history is not None else 0,
    }
    if columns is not None:
        classes = columns.target.classes
        found["target"] = {"name": columns.target.name, "classes": None if classes is None else list(classes)}
        found["inputs"] = columns.inputs
    return found
