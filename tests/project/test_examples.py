"""Every experiment with --quick, run as by a user: its tables and figures exist and are plausible."""

import ast
import csv
import importlib.util
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAUSIBLE = {  # table, column, the lowest value that the best row may have
    "two_layer_mse": ("models", "test accuracy", 0.85),
    "iris_activations": ("activations", "test accuracy", 0.85),
    "theory": ("exercises", "nnc", 1.43),
    "activations_losses": ("combinations", "test accuracy", 0.8),
    "fashion_mnist": ("recipes", "test accuracy", 0.75),
    "search_mnist": ("trials", "val_accuracy", 0.85),
}
NO_FIGURES = {"theory"}


@pytest.fixture(scope="module")
def fashion_mnist():
    """Skips unless Fashion-MNIST is available locally: tests download nothing."""
    from nnc.datasets import _store, fashion_mnist

    places = _store._places("fashion_mnist", None, fashion_mnist.FOLDERS)
    if any(_store._find(file, places) is None for file in _store.SHAPES):
        pytest.skip("Fashion-MNIST is not here; NNC_DATA_DIR may name its folder")


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_quick(name, tmp_path, request):
    script = ROOT / "examples" / f"{name}.py"
    if name == "fashion_mnist":
        request.getfixturevalue("fashion_mnist")
    run = subprocess.run(
        [sys.executable, script, "--quick", "--output", tmp_path / name],
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    table, column, lowest = PLAUSIBLE[name]
    with open(tmp_path / name / f"{table}.csv", encoding="utf-8", newline="") as file:
        values = [float(row[column]) for row in csv.DictReader(file)]
    assert max(values) >= lowest
    pictures = {file.stem for file in (tmp_path / name).glob("*.png")}
    assert pictures == {file.stem for file in (tmp_path / name).glob("*.svg")}
    assert bool(pictures) == (name not in NO_FIGURES)


NEEDS = {"search_optuna": "optuna", "search_cluster": "distributed", "sklearn_pipeline": "sklearn"}


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda script: script.stem)
def test_help_begins_with_what_it_does_and_explains_its_options(script):
    if script.stem in NEEDS:
        pytest.importorskip(NEEDS[script.stem])
    run = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    does, options = run.stdout.split("\n\n", 1)
    summary = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))).split("\n\n")[1]
    assert does.split() == summary.split()
    options = re.split(r"\n  (?=-)", options.partition("options:")[2])[1:]
    assert any(option.startswith("--quick") for option in options)
    for option in options:
        explained = re.split(r"\s{2,}", option.strip(), maxsplit=1)[1:]
        assert explained and not explained[0].startswith("(default"), option


def test_pictures_of_the_documentation_are_small():
    pictures = list((ROOT / "docs" / "img").glob("*.png"))
    script = (ROOT / "docs" / "img" / "make.py").read_text(encoding="utf-8")
    assert pictures and all(file.stat().st_size < 100_000 for file in pictures)
    drawn = re.findall(r'^    save\(.*"(\w+)"(?:, \d+)?\)$', script, re.MULTILINE)
    assert {file.stem for file in pictures} == set(drawn)


def test_page(tmp_path):
    """The report can be written from the tables of one experiment or of all."""
    out = tmp_path / "results"
    command = [
        sys.executable,
        ROOT / "docs" / "experiments" / "generate.py",
        "--quick",
        "--out",
        out,
        "--only",
        "iris_activations",
    ]
    run = subprocess.run(command, env=os.environ | {"MPLBACKEND": "Agg"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    page = (out / "experiments.md").read_text(encoding="utf-8")
    table = (out / "iris_activations" / "activations.md").read_text(encoding="utf-8")
    assert table in page and "{" not in page and "Fashion" not in page

    spec = importlib.util.spec_from_file_location("generate", command[1])
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    present = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    whole = generate.page(types.SimpleNamespace(out=out, note="Measured on a Monday."), present)
    assert table in whole and "CPUs. Measured on a Monday.\n" in whole
    sections = {text.split("\n")[0]: text.strip() for text in present.split("\n## ")[1:]}
    others = {title: text for title, text in sections.items() if "Iris" not in title}
    assert len(others) == len(generate.EXPERIMENTS) - 1
    assert {text.split("\n")[0]: text.strip() for text in whole.split("\n## ")[1:]}.items() >= others.items()
    assert len(re.findall(r"^\| \w+ +\| 20\d\d-\d\d-\d\d \|", whole, re.MULTILINE)) == len(
        generate.EXPERIMENTS
    )
