"""Every example in every docstring of nnc runs and gives what it says; those of README.md run."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

import nnc

NEEDS = {
    "nnc.interop.modules": "torch",
    "nnc.sklearn": "sklearn",
}  # imported only where it is there
MODULES = ["nnc", *(module.name for module in pkgutil.walk_packages(nnc.__path__, "nnc.", lambda name: None))]
for _name, _package in NEEDS.items():
    if importlib.util.find_spec(_package) is None:
        MODULES = [name for name in MODULES if not (name + ".").startswith(_name + ".")]


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path, monkeypatch):
    """Examples may save files and draw; they print arrays as NumPy does by itself."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    with np.printoptions():
        yield
    plt.close("all")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    nnc.random.set_random_seed(0)
    result = doctest.testmod(module)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    tests = [test for name in MODULES for test in finder.find(importlib.import_module(name))]
    assert sum(bool(test.examples) for test in tests) > 40


def test_readme(tmp_path):
    readme = Path(__file__).parents[2] / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    if importlib.util.find_spec("sklearn") is None:
        blocks = [block for block in blocks if "sklearn" not in block]
    assert blocks
    for block in blocks:
        exec(block, {})
    assert {path.name for path in tmp_path.iterdir()} >= {"iris.safetensors", "iris.png", "confusion.svg"}
