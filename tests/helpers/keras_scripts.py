"""Runs a script of tests/keras/scripts with Keras and with nnc, changing only its import, and compares.

A script finds data in its namespace: `x` (64, 6), `x5` (64, 20), `images` (64, 8, 8, 3), `signals`
(64, 12, 3), the targets `t` (64, 1), `bits` (64, 1), `ids` (64,), `rows` (64, 3), `weights` (64,), and
`start(model)`, which gives the model in nnc the weights that Keras drew. It stores the values to compare in
`result`. Its docstring is the feature's name; a second paragraph "Differs: ..." or "Refused: ..." describes
intentional differences.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SCRIPTS = sorted((Path(__file__).parents[1] / "keras" / "scripts").glob("*.py"))
TOLERANCE = 1e-4


class Script(NamedTuple):
    """The content of a script's docstring."""

    name: str
    source: str
    title: str
    kind: str  # "equal", "differs" or "refused"
    reason: str


def read(path: Path) -> Script:
    source = path.read_text(encoding="utf-8")
    title, _, rest = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")
    match = re.match(r"(Differs|Refused): (.*)", " ".join(rest.split()))
    kind, reason = (match[1].lower(), match[2]) if match else ("equal", "")
    return Script(path.stem, source, " ".join(title.split()), kind, reason)


def data() -> dict[str, Any]:
    rng = np.random.default_rng(15)
    x = rng.standard_normal((64, 6)).astype(np.float32)
    ids = rng.integers(0, 3, 64)
    return {
        "np": np,
        "x": x,
        "x5": rng.standard_normal((64, 20)).astype(np.float32),
        "images": rng.random((64, 8, 8, 3), dtype=np.float32),
        "signals": rng.standard_normal((64, 12, 3)).astype(np.float32),
        "t": (x @ rng.standard_normal((6, 1)) + 0.1).astype(np.float32),
        "bits": (x[:, :1] + x[:, 1:2] > 0).astype(np.float32),
        "ids": ids,
        "rows": np.eye(3, dtype=np.float32)[ids],
        "weights": rng.random(64).astype(np.float32),
    }


def run(script: Script, package: str, started: list[list[np.ndarray]]) -> dict[str, Any]:
    """`result` of a script; Keras's initial weights are stored in `started`, and used by nnc."""
    source = re.sub(r"^from keras\b", f"from {package}", script.source, flags=re.M)
    source = re.sub(r"^import keras$", f"import {package} as keras", source, flags=re.M)
    given = iter(started[:])

    def start(model: Any) -> None:
        if package == "keras":
            started.append([np.array(w) for w in model.get_weights()])
        else:
            model.set_weights(next(given))

    namespace = data() | {"start": start, "__name__": f"{package}_script"}
    exec(compile(source, script.name, "exec"), namespace)
    return namespace["result"]


def run_both(script: Script) -> tuple[dict[str, Any], dict[str, Any] | Exception]:
    """The results of the script in Keras and in nnc, or nnc's exception."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    started: list[list[np.ndarray]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = run(script, "keras", started)
        try:
            return theirs, run(script, "nnc", started)
        except (AttributeError, TypeError, ValueError) as error:
            return theirs, error


def difference(theirs: Any, ours: Any, where: str = "result") -> str:
    """Where the two differ by more than TOLERANCE, or an empty string."""
    if isinstance(theirs, dict):
        if theirs.keys() != ours.keys():
            return f"{where} has the keys {sorted(theirs)} in Keras, {sorted(ours)} in nnc"
        return next(filter(None, (difference(theirs[k], ours[k], f"{where}[{k!r}]") for k in theirs)), "")
    if isinstance(theirs, (list, tuple)):
        if not isinstance(ours, (list, tuple)) or len(theirs) != len(ours):
            return f"{where} is {theirs!r:.200} in Keras, {ours!r:.200} in nnc"
        pairs = enumerate(zip(theirs, ours, strict=True))
        return next(filter(None, (difference(a, b, f"{where}[{i}]") for i, (a, b) in pairs)), "")
    if isinstance(theirs, (str, bool, type(None))):
        return "" if theirs == ours else f"{where} is {theirs!r} in Keras, {ours!r} in nnc"
    a, b = np.asarray(theirs, np.float64), np.asarray(ours, np.float64)
    if a.shape != b.shape:
        return f"{where} has the shape {a.shape} in Keras, {b.shape} in nnc"
    if np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE):
        return ""
    return f"{where} differs by {np.max(np.abs(a - b)):.2g}: {a.ravel()[:5]} in Keras, {b.ravel()[:5]} in nnc"
