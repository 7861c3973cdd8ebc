"""Keras's own tests under nnc: python -m tests.keras.theirs, see __main__.py.

As in conftest.py: a checkout without a compiled core must not hide the nnc that is installed.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if not any((ROOT / "nnc").glob("_core/binding.*.so")):
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != ROOT]
