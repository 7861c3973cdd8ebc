"""Every public name has an example; every example in nnc's docstrings runs and prints what it shows.

So do those of README.md.
"""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from public_names import methods, public_names

import nnc

ROOT = Path(__file__).parents[2]
NEEDS = {  # examples of these modules and functions are skipped if the package is not installed
    "nnc.interop": "torch",
    "nnc.sklearn": "sklearn",
    "nnc.models.stored.StoredModel.export_onnx": "onnx",
    "nnc.search.result.SearchResult.to_dataframe": "pandas",
}


def _fashion_mnist_is_here():
    from nnc.datasets import _store, fashion_mnist

    places = _store._places("fashion_mnist", None, fashion_mnist.FOLDERS)
    return all(_store._find(file, places) is not None for file in _store.SHAPES)


def _left_out(name):
    for start, package in NEEDS.items():
        if (name + ".").startswith(start + ".") and importlib.util.find_spec(package) is None:
            return True
    return name == "nnc.datasets.fashion_mnist.load_fashion_mnist" and not _fashion_mnist_is_here()


MODULES = [
    name
    for name in [
        "nnc",
        *(each.name for each in pkgutil.walk_packages(nnc.__path__, "nnc.", lambda name: None)),
    ]
    if not _left_out(name)
]


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path, monkeypatch):
    """Examples may save files and draw; they use NumPy's default print options, and download nothing."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NNC_DATA_DIR", str(ROOT / "examples" / "data"))
    matplotlib.use("Agg")
    with np.printoptions():
        yield
    plt.close("all")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(exclude_empty=False).find(importlib.import_module(name), name):
        if test.examples and not _left_out(test.name):
            nnc.random.set_random_seed(0)
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_every_public_name_has_an_example():
    missing = [
        name.path
        for name in public_names()
        if name.kind != "data" and ">>>" not in (inspect.getdoc(name.object) or "")
    ]
    assert not missing


def test_every_public_method_has_an_example():
    """Those that override a method are described with the method that they override."""
    missing = [
        f"{name.path}.{method}"
        for name in public_names()
        if name.kind == "class"
        for method, member in methods(name.object).items()
        if ">>>" not in inspect.getdoc(member)
    ]
    assert not missing


def test_every_method_of_a_model_has_an_example():
    """Also those of its bases, which have no pages themselves."""
    missing = [
        name
        for name, method in inspect.getmembers(nnc.Sequential, inspect.isroutine)
        if name[0] != "_" and ">>>" not in (inspect.getdoc(method) or "")
    ]
    assert not missing


def test_readme(tmp_path):
    readme = ROOT / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    if importlib.util.find_spec("sklearn") is None:
        blocks = [block for block in blocks if "sklearn" not in block]
    assert blocks
    for block in blocks:
        exec(block, {})
    assert {path.name for path in tmp_path.iterdir()} >= {"iris.safetensors", "iris.png", "confusion.svg"}
