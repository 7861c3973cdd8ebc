"""Fuzzing with atheris: python tests/reliability/fuzz.py NAME [libFuzzer's arguments]

NAME is model, journal or idx; with h5py installed also keras, keras-config or keras-weights.

`pip install atheris` first. The initial inputs are the valid files of readers.py and the corpus in this
folder; -max_total_time=60 ends after a minute. An input that is neither read nor raises a FormatError is
saved as crash-...: fix the reader and add the input to corpus/NAME, which test_readers.py reads.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["nnc"]):
    from readers import READERS

    from nnc import FormatError

CORPUS = Path(__file__).with_name("corpus")


def main(name: str, *arguments: str) -> None:
    read, seeds = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds()):
            Path(folder, str(number)).write_bytes(seed)

        def test_one_input(data: bytes) -> None:
            with contextlib.suppress(FormatError):
                read(data)

        kept = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
        atheris.Setup([sys.argv[0], *arguments, folder, *kept], test_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        sys.exit(__doc__)
    main(*sys.argv[1:])
