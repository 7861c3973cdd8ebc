"""The sides that are timed: each module has a class that trains a `Task`, one that predicts, or both.

Trainer(task, weights, threads) has `first_losses(steps)`, the mean loss of the first batches of
`task.batches(steps)` without the penalty, and `run(steps)`. Predictor(weights, threads) has `__call__(x)`,
the class probabilities for x float32 (n, inputs), from a net with ReLU and a final softmax. Weights are
W (I, O) and b (O,), alternating; None: the side draws its own (nnc). Searcher(sweep, params, threads) has
`params`, the trials (None: the side draws them, nnc), `run()`, their validation accuracies, and `close()`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

TRAINERS = {
    "nnc": "nnc_side.Trainer",
    "PyTorch": "torch_side.Trainer",
    "PyTorch compiled": "torch_side.CompiledTrainer",
    "JAX": "jax_side.Trainer",
    "scikit-learn": "sklearn_side.Trainer",
}
PREDICTORS = {
    "nnc": "nnc_side.Predictor",
    "PyTorch": "torch_side.Predictor",
    "JAX": "jax_side.Predictor",
    "onnxruntime": "onnx_side.Predictor",
    "scikit-learn": "sklearn_side.Predictor",
    "NumPy": "numpy_side.Predictor",
}
SEARCHERS = {
    "nnc": "nnc_side.Searcher",
    "PyTorch": "torch_side.Searcher",
    "scikit-learn": "sklearn_side.Searcher",
}
PACKAGES = ("nnc", "numpy", "torch", "jax", "jaxlib", "scikit-learn", "onnxruntime", "onnx", "scipy")


class NotSupported(Exception):
    """A side does not support this task and is left out of the row."""


def reason(error: ImportError) -> str:
    """The reason why a side is left out."""
    return "it is not installed" if isinstance(error, ModuleNotFoundError) else str(error)


def load(table: dict[str, str], wanted: list[str] | None, notes: set[str]) -> Iterator[tuple[str, Any]]:
    """(name, class) of the wanted sides that are installed; always nnc first."""
    for name, place in table.items():
        if wanted is not None and name != "nnc" and name not in wanted:
            continue
        module, _, attribute = place.partition(".")
        try:
            yield name, getattr(importlib.import_module(f"peers.{module}"), attribute)
        except ImportError as error:
            if name == "nnc":
                raise
            notes.add(f"{name} is left out: {reason(error)}")
