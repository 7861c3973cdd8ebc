"""Checking a change for slowdowns: two versions of nnc, interleaved, and the ratios of their times."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from timing import Result
from worker import start


def side(place: str) -> tuple[str, str]:
    """(interpreter, PYTHONPATH) for an interpreter, or for a checkout whose core is built in place."""
    if Path(place).is_dir():
        return sys.executable, str(Path(place).resolve())
    if not os.access(place, os.X_OK):
        raise SystemExit(f"--compare must be an interpreter or a folder that contains nnc, got {place}")
    return str(Path(place).absolute()), ""


def compare(requests: list[dict], other: str, rounds: int, notes: set[str]) -> Iterator[dict]:
    """Results with the sides "nnc" (this one) and "other": `rounds` processes of each, alternating."""
    sides = {"nnc": (sys.executable, None), "other": side(other)}
    for request in requests:
        merged: dict[str, dict] = {}
        for i in range(rounds):
            names = list(sides) if i % 2 == 0 else list(sides)[::-1]
            for name in names:
                python, path = sides[name]
                answer = start({**request, "rounds": 3, "peers": []}, python, path)
                notes.add(f"{name} is {answer['nnc']}")
                for found in answer["results"]:
                    if "nnc" not in found["values"]:
                        continue
                    row = merged.setdefault(found["case"], {**found, "values": {}, "peak": []})
                    row["values"].setdefault(name, []).append(median_of(found))
        for row in merged.values():
            if set(row["values"]) == set(sides):
                yield row


def median_of(found: dict) -> float:
    """The median of nnc's rounds in one process."""
    return Result("", 1, {"nnc": found["values"]["nnc"]}).median("nnc")


def table(results: list[dict]) -> str:
    """The results as Markdown: the ratio is other / nnc, so above 1 this version is faster."""
    lines = [
        "| case | threads | unit | this | other | other / this (min to max) |",
        "|---|--:|---|--:|--:|--:|",
    ]
    for found in results:
        row = Result(found["case"], found["threads"], found["values"], found["unit"])
        ratios = sorted(row.ratios("other"))
        middle = row.median("other") / row.median("nnc")
        times = f"{row.median('nnc'):.4g} | {row.median('other'):.4g}"
        lines.append(
            f"| {row.case} | {row.threads} | {row.unit} | {times} "
            f"| {middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |"
        )
    return "\n".join(lines)
