"""Fixtures for the tests of the compiled core, and the choice of the nnc that is tested."""

import os
import signal
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

# `python -m pytest` puts the checkout first on the path. Its nnc folder has no compiled core unless it was
# built in place: otherwise the installed package must be found, here and in the processes that tests start.
ROOT = Path(__file__).resolve().parents[1]
os.environ["PYTHONSAFEPATH"] = "1"
if any((ROOT / "nnc" / "_core" / f"binding{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
    os.environ["PYTHONPATH"] = str(ROOT)
else:
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT]

pytest.register_assert_rewrite(
    "core_helpers", "model_helpers", "reference_helpers"
)  # pytest rewrites their asserts

from nnc import _core  # noqa: E402

# Shells start background jobs with SIGINT ignored, and child processes inherit that: the tests of interrupts,
# and the processes that they start, need Python's default handler.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=_core.cpu_info()["isa_available"])
def isa(request):
    """Each instruction set of this CPU in turn."""
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa()


@pytest.fixture
def threads():
    """A function that sets the number of threads, with all of them used; undone after the test."""
    _core.use_all_threads(True)
    yield _core.set_num_threads
    _core.use_all_threads(False)
    _core.set_num_threads(None)


@pytest.fixture(params=["compiled", "reference"])
def backend(request):
    """Each backend of `Sequential.compile` in turn."""
    return request.param
