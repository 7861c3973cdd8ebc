"""The code on the site's pages runs, from top to bottom of each page, and prints what the page shows.

A block of Python that is followed by a block of text prints that text.
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import matplotlib
import pytest

import nnc

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```)?", re.DOTALL | re.MULTILINE)
FRAGMENTS = {"export.md", "keras.md"}  # parts of programs, for reading only
PAGES = [
    path
    for path in sorted(DOCS.rglob("*.md"))
    if path.relative_to(DOCS).parts[0] not in {"_build", *FRAGMENTS}
    and BLOCK.search(path.read_text(encoding="utf-8"))
]
OTHERS = ("keras", "torch", "sklearn", "onnx", "optuna")  # packages that a page may need


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_code(page, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    text = page.read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    for package in OTHERS:
        if any(re.search(rf"^(import|from) {package}\b", code, re.MULTILINE) for code, _ in blocks):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NNC_DATA_DIR", str(DOCS.parent / "examples" / "data"))
    matplotlib.use("Agg")
    nnc.set_random_seed(0)
    names: dict[str, object] = {"__name__": "__main__"}
    for code, expected in blocks:
        start = text[: text.index(code)].count("\n")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * start + code, str(page), "exec"), names)
        if expected:
            assert printed.getvalue() == expected
    plt.close("all")


def test_the_guide_has_code():
    assert {path.stem for path in PAGES if path.parent.name == "guide"} >= {
        path.stem for path in (DOCS / "guide").glob("*.md") if path.stem != "index"
    }


INCLUDE = re.compile(r"```\{literalinclude\} (\S+)\n((?:\s*:[\w-]+: .*\n)*)")
OPTION = re.compile(r":([\w-]+): (?:\"(.*)\"|'(.*)'|(.*))$", re.MULTILINE)
INCLUDES = [
    (path, *found)
    for path in sorted(DOCS.rglob("*.md"))
    if path.relative_to(DOCS).parts[0] != "_build"
    for found in INCLUDE.findall(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(
    "page, source, options", INCLUDES, ids=lambda part: part.stem if isinstance(part, Path) else None
)
def test_included_source_exists(page, source, options):
    """Sphinx reports it as well, when CI builds the site."""
    text = (page.parent / source).read_text(encoding="utf-8")
    found = {name: a or b or c for name, a, b, c in OPTION.findall(options)}
    start = text.find(found.get("start-at", ""))
    assert start >= 0, found["start-at"]
    for end in found.keys() & {"end-at", "end-before"}:
        assert text.find(found[end], start) >= 0, found[end]
    for name in found.get("pyobject", "").split("."):
        assert re.search(rf"^\s*(class|def) {name}\b", text, re.MULTILINE) or not name, name
