"""A benchmark run changes its own machine's section of docs/benchmarks.md, and README's table."""

from __future__ import annotations

import doctest
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("document", ROOT / "benchmarks" / "document.py")
assert spec is not None and spec.loader is not None
document = importlib.util.module_from_spec(spec)
spec.loader.exec_module(document)

MACHINES = {
    "A, 2 CPUs, AVX2": "- A\n\n### Products\n\n| case | µs |\n|---|--:|\n| one | 1 |\n",
    "A, 4 CPUs, AVX2": "- A, more of them\n\n### Products\n\n1 µs, ## not a heading\n",
    "B, 2 CPUs, AVX-512": "- B\n",
}


def written(machines):
    text = ""
    for name, body in machines.items():
        text = document.put_section(text, name, body)
    return text


def test_examples():
    result = doctest.testmod(document)
    assert result.attempted >= 5 and result.failed == 0


def test_the_command_line_has_the_figures_of_the_page():
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    figures = (ROOT / "nnc" / "cli" / "figures.csv").read_text(encoding="utf-8")
    assert figures == document.figures(page) and figures.count("\n") > 20


def test_machines_are_added_in_turn():
    text = written(MACHINES)
    assert text.startswith(document.HEAD)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        f"## {name}" for name in MACHINES
    ]
    assert text == document.HEAD + "".join(f"\n## {name}\n\n{body}" for name, body in MACHINES.items())


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_replaces_its_own_section(name):
    body = "- again\n\n### Training\n\n2 µs\n"
    assert document.put_section(written(MACHINES), name, body) == written(MACHINES | {name: body})
    assert document.put_section(written(MACHINES), name, MACHINES[name]) == written(MACHINES)


def test_an_old_head_is_renewed():
    old = written(MACHINES).replace(document.HEAD, "# Benchmarks\n\nAn older head.\n")
    assert document.put_section(old, "A, 2 CPUs, AVX2", MACHINES["A, 2 CPUs, AVX2"]) == written(MACHINES)


def test_readme_without_marks_is_refused():
    with pytest.raises(ValueError, match=r"README\.md has no"):
        document.put_into("# nnc\n", "table")


def test_the_documents_are_as_the_runner_leaves_them():
    """Rewriting every machine's section changes nothing; README names one of the machines."""
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    names = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert names and len(set(names)) == len(names)
    for section in text.split("\n## ")[1:]:
        name, _, body = section.partition("\n")
        assert document.put_section(text, name, body) == text
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition(document.BEGIN)[2].partition(document.END)[0]
    assert document.put_into(readme, table.strip()) == readme
    assert any(f" on {name}, " in table for name in names)
