"""Robustness tests of nnc: python -m tests.reliability [--long] [--seed N] [pytest's arguments]

By default as few trials as in the test suite; with --long as many as docs/reliability.md states, which takes
an hour or two.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pytest


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--long", action="store_true", help="as many trials as docs/reliability.md states")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random trials")
    chosen, rest = parser.parse_known_args()
    os.environ["NNC_RELIABILITY"] = "long" if chosen.long else "quick"
    os.environ["NNC_RELIABILITY_SEED"] = str(chosen.seed)
    return pytest.main([str(Path(__file__).parent), *rest])


if __name__ == "__main__":
    sys.exit(main())
