"""Keras's own tests run under nnc: python -m tests.keras.theirs [--source FOLDER] [--doc] [-v]

Runs the tests of the layers, losses, metrics, optimizers, initializers, regularizers, constraints, schedules,
activations, callbacks and of Sequential that nnc has, from Keras's sources, with Keras's names mapped to
nnc's (shim.py) and its own version of Keras's TestCase (cases.py). The sources of the installed version are
cloned into a temporary folder and not kept (releases come without the tests, hence the repository's tag);
--source is an existing checkout. Without either, nothing is run.

Every test counts: failures are grouped by their error. Those that pass are listed in passing.txt; if a listed
test no longer passes, the exit code is 1. --doc writes the counts into docs/keras.md and rewrites the list.
-v prints each failure of a group, by default those with other results.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import importlib.metadata
import importlib.util
import io
import os
import re
import subprocess
import sys
import tempfile
import traceback
import unittest
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from . import shim

HERE = Path(__file__).parent
PASSING = HERE / "passing.txt"
DOCS = HERE.parents[2] / "docs" / "keras.md"
BEGIN, END = "<!-- their tests -->\n", "<!-- end of their tests -->\n"
REPOSITORY = "https://github.com/keras-team/keras"

FILES = {
    "activations": "activations",
    "callbacks": "callback csv_logger early_stopping lambda_callback "
    "learning_rate_scheduler model_checkpoint reduce_lr_on_plateau terminate_on_nan",
    "constraints": "constraints",
    "initializers": "constant_initializers initializer random_initializers",
    "layers/activations": "activation elu leaky_relu prelu relu softmax",
    "layers/convolutional": "conv",
    "layers/core": "dense input_layer",
    "layers/normalization": "batch_normalization layer_normalization unit_normalization",
    "layers/pooling": "average_pooling global_average_pooling global_max_pooling max_pooling",
    "layers/preprocessing": "normalization rescaling",
    "layers/preprocessing/image_preprocessing": "random_flip random_rotation random_translation random_zoom",
    "layers/regularization": "dropout gaussian_noise spatial_dropout",
    "layers/reshaping": "flatten reshape zero_padding2d",
    "losses": "losses loss",
    "metrics": "accuracy_metrics confusion_metrics f_score_metrics hinge_metrics metric "
    "probabilistic_metrics reduction_metrics regression_metrics",
    "models": "sequential",
    "optimizers": "adagrad adam adamax adamw lion nadam optimizer rmsprop sgd",
    "optimizers/schedules": "learning_rate_schedule",
    "regularizers": "regularizers",
}  # of Keras's sources, by folder, without _test.py

_INNER = "Keras's internal functions and objects"
_OPTIONS = "options that nnc does not support"

# (pattern of what a test failed with, from the exception's name on, group); the first that fits counts.
GROUPS = [
    ("^skipped: ", "tests for one of Keras's backends"),
    ("KerasTensor|StatelessScope|not 'InputLayer'|_functional|'inputs'|'outputs'", "symbolic tensors"),
    ("[Qq]uanti|GPTQ|AWQ|lora|Int4|Int8", "quantization, LoRA"),
    ("has a method call", "layers written in Python"),
    ("does not match ['\"]|No warnings of type|DID NOT WARN", "errors and warnings with other messages"),
    ("dtype|DTypePolicy|AutocastScope|autocast|mixed_float16", "dtypes other than float32"),
    ("data_format must be|channels_first", "channels first"),
    ("AbsentError: mask|mask", "masks"),
    (r"got None$|\(None|got \[\]$|got \(\)$|axis must be", "unknown sizes, no axes, other axes"),
    ("AbsentError: (tensorflow|jax|torch|grain|openvino)", "other libraries"),
    (r"AbsentError: (export|saving|distribution|random|backend|ops|utils|testing|conftest|\w+$)", _INNER),
    (r"object has no attribute|has no attribute '_|validate_float_arg|SeedGenerator", _INNER),
    ("AbsentError: ", "classes and functions that nnc does not have"),
    ("has no argument|must be|must have|takes samples|unexpected keyword|has no attribute", _OPTIONS),
    ("takes inputs of shape", "a built layer accepts one shape only"),
]
DIFFERS = "other results"


def fetched(folder: str) -> Path | None:
    """Keras's sources of the installed version, or None if they cannot be fetched."""
    try:
        version = importlib.metadata.version("keras")
        subprocess.run(
            ["git", "clone", "-q", "--depth", "1", "--branch", f"v{version}", REPOSITORY, folder],
            check=True,
            timeout=300,
            env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},
        )
    except (importlib.metadata.PackageNotFoundError, OSError, subprocess.SubprocessError):
        return None
    return Path(folder)


def _name(test: Any) -> str:
    return f"{type(test).__module__}.{type(test).__name__}.{test._testMethodName}"


class Result(unittest.TestResult):
    """The outcome of each test: "" for those that pass, else what they failed with."""

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[str, str] = {}

    def addSuccess(self, test: Any) -> None:
        self.said[_name(test)] = ""

    def addError(self, test: Any, err: Any) -> None:
        self.said[_name(test)] = "".join(traceback.format_exception(*err))

    addFailure = addError

    def addSkip(self, test: Any, reason: str) -> None:
        self.said[_name(test)] = f"skipped: {reason}"


def run(source: Path) -> dict[str, str]:
    """Every test by its name, with what it failed with."""
    shim.install(str(source))
    result = Result()
    for name in (f"{folder}/{each}" for folder, names in FILES.items() for each in names.split()):
        path = source / "keras" / "src" / f"{name}_test.py"
        if not path.is_file():
            print(f"no {path.name} in these sources")
            continue
        module = name.replace("/", ".")
        spec = importlib.util.spec_from_file_location(module, path)
        assert spec is not None and spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        try:
            spec.loader.exec_module(loaded)
        except Exception:
            result.said[f"{module} (all of the file)"] = traceback.format_exc()
            continue
        with contextlib.redirect_stdout(io.StringIO()):
            for test in _tests(unittest.defaultTestLoader.loadTestsFromModule(loaded)):
                _run_one(test, result)
    return result.said


def _tests(suite: Any) -> Any:
    for each in suite:
        yield from _tests(each) if isinstance(each, unittest.TestSuite) else (each,)


def _run_one(test: Any, result: Result) -> None:
    method = getattr(test, test._testMethodName, None)
    marks = [*getattr(type(test), "pytestmark", []), *getattr(method, "pytestmark", [])]
    for mark in marks:
        if mark.name == "skip" or (mark.name == "skipif" and mark.args and mark.args[0]):
            result.addSkip(test, str(mark.kwargs.get("reason", "")))
            return
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        test.run(result)


def group(said: str) -> str:
    """The group of a failure."""
    begins = [
        match.start() for match in re.finditer(r"^[\w.]+(Error|Exception|Failed|Warning)\b", said, re.M)
    ]
    text = said[begins[-1] :] if begins else said
    return next((name for pattern, name in GROUPS if re.search(pattern, text.strip())), DIFFERS)


def version_of(source: Path) -> str:
    """The version of these sources."""
    text = (source / "keras" / "src" / "version.py").read_text(encoding="utf-8")
    found = re.search(r"__version__ = \"(.+)\"", text)
    assert found is not None, text
    return found[1]


def report(said: dict[str, str], version: str) -> str:
    """The table of docs/keras.md."""
    passed = sum(not each for each in said.values())
    counts = Counter(group(each) for each in said.values() if each)
    by_file = Counter(name.split(".")[0] for name in said)
    by_file_passed = Counter(name.split(".")[0] for name, each in said.items() if not each)
    lines = [f"Of the tests of Keras {version}, {passed} of {len(said)} pass: "]
    lines[0] += ", ".join(f"{by_file_passed[n]} of {by_file[n]} of {n}" for n in by_file) + ".\n"
    lines += ["| why the others fail | tests |", "|---|--:|"]
    return "\n".join([*lines, *(f"| {name} | {n} |" for name, n in counts.most_common()), ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--doc", action="store_true")
    parser.add_argument("-v", default=None, metavar="GROUP", nargs="?", const=DIFFERS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.source or fetched(f"{folder}/keras")
        if source is None:
            print("not run: Keras's sources were neither given nor could they be fetched")
            return 0
        said, version = run(source), version_of(source)
    for name, each in said.items():
        if arguments.v and each and fnmatch.fnmatch(group(each), arguments.v):
            print(f"\n=== {name}\n{each[-1500:]}")
    print(report(said, version))
    known = PASSING.read_text(encoding="utf-8").split("\n")[:-1] if PASSING.is_file() else []
    passed = sorted(name for name, each in said.items() if not each)
    if arguments.doc:
        PASSING.write_text("\n".join([*passed, ""]), encoding="utf-8")
        before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        DOCS.write_text(before + BEGIN + report(said, version) + END + after, encoding="utf-8")
    lost = [name for name in known if said.get(name)]  # a test missing from another version is no loss
    for name in lost:
        print(f"\n=== passed before: {name}\n{said[name][-1500:]}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
