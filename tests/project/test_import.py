"""What `import nnc` loads, and what is loaded on first access."""

import os
import pickle
import subprocess
import sys

import pytest

import nnc
from nnc import search

LATER = ("datasets", "interop", "plot", "search", "tables", "utils")

# Packages that only some of nnc's functions need, and modules of the standard library that cost milliseconds.
PACKAGES = {"IPython", "joblib", "matplotlib", "pandas", "safetensors", "scipy", "sklearn", "torch", "tqdm"}
MODULES = {
    "csv", "dataclasses", "difflib", "hashlib", "http.client", "inspect", "json", "numpy.typing", "pathlib",
    "platform", "secrets", "signal", "tempfile", "tokenize", "urllib.request",
}  # fmt: skip


def fresh(code, *arguments):
    """The words printed by `code` in a new interpreter; with -S, since .pth files may import modules."""
    path = [os.path.dirname(os.path.dirname(nnc.__file__)), *sys.path]
    code = f"import sys; sys.path[:] = {path!r}\n{code}"
    command = [sys.executable, "-S", "-c", code, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_import_is_light():
    code = "import numpy; before = set(sys.modules); import nnc; print(*set(sys.modules) - before)"
    loaded = set(fresh(code))
    assert {"nnc", "nnc._core.binding", "nnc.models"} <= loaded
    assert not {name.partition(".")[0] for name in loaded} & PACKAGES
    assert not loaded & MODULES
    assert not [
        name for name in loaded if name.startswith(tuple(f"nnc.{later}" for later in (*LATER, "export")))
    ]


def test_callbacks_are_imported_when_they_are_named():
    code = """
import nnc, nnc.callbacks as c
before = [name for name in c.__all__ if name in vars(c)]
print(*before, set(c.__all__) <= set(dir(c)), "nnc.callbacks.stopping" in sys.modules)
print(c.EarlyStopping is c.EarlyStopping, "nnc.callbacks.stopping" in sys.modules)
"""
    assert fresh(code) == ["Callback", "History", "Logs", "True", "False", "True", "True"]


@pytest.mark.parametrize("name", LATER)
@pytest.mark.parametrize(
    "named", ["import nnc; nnc.{}", "from nnc import {}", "import nnc.{}", "from nnc import *; {}"]
)
def test_modules_load_when_they_are_named(named, name):
    code = f"{named.format(name)}; print(sys.modules['nnc'].__dict__['{name}'] is sys.modules['nnc.{name}'])"
    assert fresh(code) == ["True"]


def test_every_public_name_is_an_attribute():
    assert set(fresh("import nnc; print(*dir(nnc))")) >= set(nnc.__all__) >= set(LATER)
    assert fresh("import nnc; print(*(name for name in nnc.__all__ if not hasattr(nnc, name)))") == []


def test_a_name_that_there_is_not():
    with pytest.raises(AttributeError, match=r"module 'nnc' has no attribute 'serch'"):
        nnc.serch  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'serch' from 'nnc'"):
        from nnc import serch  # noqa: F401


def test_threads_that_name_a_module_at_once_get_the_whole_of_it():
    code = """
import threading, nnc
gate, found = threading.Barrier(8), []
def name():
    gate.wait()
    found.append(nnc.search.RandomSearch)
threads = [threading.Thread(target=name) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)))
"""
    assert fresh(code) == ["8", "1"]


def test_pickles_of_what_was_not_named_yet():
    units = search.integers(3, 9)
    code = "import pickle, nnc; print(pickle.loads(bytes.fromhex(sys.argv[1])))"
    assert fresh(code, pickle.dumps(units).hex()) == str(units).split()
