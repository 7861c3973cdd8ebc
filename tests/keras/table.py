"""Writes the table of docs/keras.md from the docstrings of the scripts: python tests/keras/table.py"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from keras_scripts import SCRIPTS, read

DOCS = Path(__file__).parents[2] / "docs" / "keras.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def table() -> str:
    rows = [read(path) for path in SCRIPTS]
    lines = [f"| {row.title} | {row.kind} | {row.reason or ''} |" for row in rows]
    counts = {kind: sum(row.kind == kind for row in rows) for kind in ("equal", "differs", "refused")}
    total = f"{len(rows)} scripts: {', '.join(f'{n} {kind}' for kind, n in counts.items())}.\n"
    return "\n".join([total, "| feature | result | reason |", "|---|---|---|", *lines, ""])


if __name__ == "__main__":
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    DOCS.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")
