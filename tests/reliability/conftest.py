"""The number of trials in the tests of this folder: few in the test suite, many with --long."""

import os

import pytest


class Trials:
    """`trials(quick, long)` returns the number of trials; `seed` differs between long runs."""

    def __init__(self) -> None:
        self.long = os.environ.get("NNC_RELIABILITY") == "long"
        self.seed = int(os.environ.get("NNC_RELIABILITY_SEED", "1"))

    def __call__(self, quick: int, long: int) -> int:
        return long if self.long else quick


@pytest.fixture
def trials():
    return Trials()
