"""Runs a script of tests/keras/scripts with nnc and with Keras, changing only its import, and compares.

A script finds data in its namespace: `x` (64, 6), `x5` (64, 20), `images` (64, 8, 8, 3), `signals`
(64, 12, 3), the targets `t` (64, 1), `bits` (64, 1), `ids` (64,), `rows` (64, 3), `weights` (64,), and
`start(model)`, which gives the model in Keras the weights that nnc drew. It stores the values to compare in
`result`. Its docstring is the feature's name; a second paragraph "Differs: ..." or "Refused: ..." describes
intentional differences.

Keras and nnc round differently, and so does Keras on different CPUs. An output that happens to lie within a
rounding error of a threshold, a tie of two outputs or a step in the direction of a gradient that is almost 0
would let the results differ by much more. Initial weights from which that happens are not compared: they are
drawn with the first seed at which nnc's own results do not change when the weights are perturbed by many
rounding errors.
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SCRIPTS = sorted((Path(__file__).parents[1] / "keras" / "scripts").glob("*.py"))
TOLERANCE = 1e-4
PERTURBATION = 1e-5  # relative, of each initial weight; a rounding error is at most 6e-8
SEEDS = 30

Weights = list[np.ndarray]


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


def run(script: Script, package: str, start: Callable[[Any], None]) -> dict[str, Any]:
    """`result` of a script, in which `start` is the given function."""
    source = re.sub(r"^from keras\b", f"from {package}", script.source, flags=re.M)
    source = re.sub(r"^import keras$", f"import {package} as keras", source, flags=re.M)
    namespace = data() | {"start": start, "__name__": f"{package}_script"}
    exec(compile(source, script.name, "exec"), namespace)
    return namespace["result"]


def run_seeded(script: Script, seed: int) -> tuple[dict[str, Any], list[Weights]]:
    """`result` in nnc, and the initial weights that it drew for each of the script's models."""
    import nnc

    started: list[Weights] = []
    with nnc.random.seeded(seed):
        return run(script, "nnc", lambda model: started.append(model.get_weights())), started


def starter(started: list[Weights], change: Callable[[np.ndarray], np.ndarray] = np.array) -> Callable:
    """`start` for a script whose models get these weights, changed."""
    given = iter(started)
    return lambda model: model.set_weights([change(weight) for weight in next(given)])


def perturbation(direction: int, size: float) -> Callable[[np.ndarray], np.ndarray]:
    """A function that perturbs one weight after the other; -size perturbs in the opposite direction."""
    rng = np.random.default_rng(direction)
    return lambda weight: weight * (1 + size * rng.standard_normal(weight.shape))


def instability(script: Script, result: dict[str, Any], started: list[Weights]) -> str:
    """What changes in nnc's results if the initial weights are perturbed, or an empty string."""
    for direction in range(3):
        for size in (PERTURBATION, -PERTURBATION):  # one moves an output towards the nearest threshold
            changed = run(script, "nnc", starter(started, perturbation(direction, size)))
            found = difference(result, changed, names=("before", "perturbed"))
            if found:
                return found
    return ""


def run_stable(script: Script) -> tuple[dict[str, Any], list[Weights]]:
    """As `run_seeded`, with the first seed whose results are stable."""
    changed = ""
    for seed in range(SEEDS):
        result, started = run_seeded(script, seed)
        changed = instability(script, result, started)
        if not changed:
            return result, started
    raise AssertionError(f"nnc's results change with perturbed weights, for all {SEEDS} seeds: {changed}")


def run_both(script: Script) -> tuple[dict[str, Any], dict[str, Any] | Exception]:
    """The results of the script in Keras and in nnc, or nnc's exception."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    ours: dict[str, Any] | Exception
    started: list[Weights] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ours, started = run_stable(script)
        except (AttributeError, TypeError, ValueError) as error:
            return run(script, "keras", lambda model: None), error
        return run(script, "keras", starter(started)), ours


def difference(
    theirs: Any, ours: Any, where: str = "result", names: tuple[str, str] = ("in Keras", "in nnc")
) -> str:
    """Where the two differ by more than TOLERANCE, or an empty string; `names` says what they are."""
    one, other = names
    if isinstance(theirs, dict):
        if theirs.keys() != ours.keys():
            return f"{where} has the keys {sorted(theirs)} {one}, {sorted(ours)} {other}"
        found = (difference(theirs[key], ours[key], f"{where}[{key!r}]", names) for key in theirs)
        return next(filter(None, found), "")
    if isinstance(theirs, (list, tuple)):
        if not isinstance(ours, (list, tuple)) or len(theirs) != len(ours):
            return f"{where} is {theirs!r:.200} {one}, {ours!r:.200} {other}"
        pairs = enumerate(zip(theirs, ours, strict=True))
        return next(filter(None, (difference(a, b, f"{where}[{i}]", names) for i, (a, b) in pairs)), "")
    if isinstance(theirs, (str, bool, type(None))):
        return "" if theirs == ours else f"{where} is {theirs!r} {one}, {ours!r} {other}"
    a, b = np.asarray(theirs, np.float64), np.asarray(ours, np.float64)
    if a.shape != b.shape:
        return f"{where} has the shape {a.shape} {one}, {b.shape} {other}"
    if np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE):
        return ""
    return f"{where} differs by {np.max(np.abs(a - b)):.2g}: {a.ravel()[:5]} {one}, {b.ravel()[:5]} {other}"
