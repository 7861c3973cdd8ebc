"""Fixtures that every test of the compiled core uses."""

import pytest

from nnc import _core


@pytest.fixture(params=_core.cpu_info()["isa_available"])
def isa(request):
    """Each instruction set of this CPU in turn."""
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa()


@pytest.fixture
def threads():
    """A function that sets the number of threads, undone after the test."""
    yield _core.set_num_threads
    _core.set_num_threads(None)


@pytest.fixture(params=["compiled", "reference"])
def backend(request):
    """Each backend of `Sequential.compile` in turn."""
    return request.param
