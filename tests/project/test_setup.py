"""How setup.py tests the compiler, and that all files have the same version."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import nnc

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compiles(monkeypatch):
    """A function that returns whether a compiler, given as in CC, can build a program with these flags."""
    setuptools = pytest.importorskip("setuptools")
    if not (ROOT / "setup.py").exists() or shutil.which("cc") is None:
        pytest.skip("no checkout, or no compiler")
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: None)
    monkeypatch.chdir(ROOT)
    build_core = runpy.run_path("setup.py")["BuildCore"]

    def compiles(cc, flags):
        command = build_core(setuptools.Distribution())
        command.compiler = SimpleNamespace(compiler_type="unix", compiler_so=cc.split())
        command.choose_compiler()
        return command.compiles(flags)

    return compiles


@pytest.mark.parametrize("cc", ["cc", "env cc", "env NNC_TEST=1 cc -O1"])
def test_compilers_of_several_words(cc, compiles):
    """As in CC="ccache gcc": the first word alone is not a compiler."""
    assert compiles(cc, []) and not compiles(cc, ["-fno-such-flag"])


def test_no_compiler(compiles):
    assert not compiles("no-such-compiler", []) and not compiles("env no-such-compiler", [])


@pytest.mark.parametrize(
    ("path", "pattern"), [("CITATION.cff", r"^version: (.+)$"), ("conda/meta.yaml", r'version = "(.+?)"')]
)
def test_version_is_the_same_everywhere(path, pattern):
    found = re.search(pattern, (ROOT / path).read_text(), re.MULTILINE)
    assert found and found[1] == nnc.__version__
