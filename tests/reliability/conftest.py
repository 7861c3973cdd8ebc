"""How often the attacks of this folder are tried: few times among the other tests, many with --long."""

import os

import pytest


class Trials:
    """`trials(quick, long)`: how many there are to be; `seed` differs from run to run of the long ones."""

    def __init__(self) -> None:
        self.long = os.environ.get("NNC_RELIABILITY") == "long"
        self.seed = int(os.environ.get("NNC_RELIABILITY_SEED", "1"))

    def __call__(self, quick: int, long: int) -> int:
        return long if self.long else quick


@pytest.fixture
def trials():
    return Trials()
