"""Results as Markdown: tables, and for each group a paragraph that lists where a peer wins."""

from __future__ import annotations

import dataclasses
import importlib
import math
import statistics

import groups
from document import machine_name
from timing import Result


def of_group(record: dict, name: str) -> list[Result]:
    """The results of one group."""
    fields = {field.name for field in dataclasses.fields(Result)}
    found = [row for row in record["results"] if row["group"] == name]
    return [Result(**{key: value for key, value in row.items() if key in fields}) for row in found]


def number(value: float) -> str:
    """Three significant digits, or all digits before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(results: list[Result]) -> str:
    """One row per case: medians of all sides; how many times longer the fastest peer takes; % of peak."""
    sides = list(dict.fromkeys(side for result in results for side in result.values))
    compared = any("nnc" in r.values and len(r.values) > 1 for r in results)
    peaked = any(r.percent_of_peak() is not None for r in results)
    noted = any(r.note for r in results)
    head = ["case", "threads", "unit", *sides]
    head += ["fastest peer / nnc (min to max)"] * compared + ["nnc, % of peak"] * peaked + ["note"] * noted
    lines = [f"| {' | '.join(head)} |", "|---|--:|---|" + "--:|" * (len(head) - 3)]
    for r in results:
        cells = [r.case, str(r.threads), r.unit]
        cells += [number(r.median(side)) if side in r.values else "" for side in sides]
        cells += [ratio(r)] * compared
        percent = r.percent_of_peak()
        cells += ["" if percent is None else f"{percent:.0f}"] * peaked + [r.note] * noted
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def lead(result: Result) -> float | None:
    """How many times longer the fastest peer takes than nnc: the median over the rounds."""
    peer = result.fastest_peer()
    if peer is None or "nnc" not in result.values:
        return None
    return statistics.median(result.ratios(peer))


def ratio(result: Result) -> str:
    middle = lead(result)
    if middle is None:
        return ""
    ratios = result.ratios(result.fastest_peer())
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{middle:.2f}{spread}"


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def paragraph(results: list[Result]) -> str:
    """Where nnc is ahead, where a peer wins, and from which size on."""
    lines = []
    for threads in sorted({r.threads for r in results}):
        rows = [(r, lead(r)) for r in results if r.threads == threads and lead(r) is not None]
        if rows:
            lines.append(summary(rows, threads))
    return "\n\n".join(lines)


def summary(rows: list[tuple[Result, float]], threads: int) -> str:
    lost = [(r, value) for r, value in rows if value < 1]
    leads = [value for _, value in rows]
    plural = "1 thread" if threads == 1 else f"{threads} threads"
    text = (
        f"With {plural} nnc is ahead of every peer in {len(rows) - len(lost)} of {len(rows)} cases; "
        f"the fastest peer takes {min(leads):.2f} to {max(leads):.2f} times as long"
    )
    text += f", {geometric_mean(leads):.2f} as a geometric mean." if len(leads) > 1 else "."
    if not lost:
        return text + " No peer wins."
    wins = [f"{r.fastest_peer()} on {r.case} ({1 / value:.2f} times as fast)" for r, value in lost]
    text += f" A peer wins: {'; '.join(wins)}."
    first = min(r.size for r, _ in lost)
    won_above = [r for r, value in rows if value >= 1 and r.size >= first]
    if not first:
        return text
    if won_above:
        return text + " Size alone does not explain this: nnc is ahead in other cases of that size or above."
    if len(lost) == len(rows):
        return text + " This is so at every size measured."
    return text + f" Peers win from {first:,.0f} (floating-point operations or elements) on, and not below."


def machine(record: dict) -> str:
    """The header: machine, versions, date and command."""
    m = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    return "\n".join(
        [
            f"- {m['cpu']}, {m['cpus']} CPUs available to the process, {m['system']}",
            f"- kernels of nnc: {m['isa']} (available: {', '.join(m['isas'])}), built by {m['compiler']}",
            f"- Python {m['python']}, {versions}",
            *(
                f"- {run['date']}, `{run['command']}`, medians of {run['rounds']} interleaved rounds"
                for run in m["runs"]
            ),
        ]
    )


def markdown(record: dict, level: str = "##") -> str:
    """All tables, each with a description and a summary."""
    parts = [machine(record)]
    for name in groups.NAMES:
        results = of_group(record, name)
        if results:
            group = importlib.import_module(f"groups.{name}")
            parts += [f"{level} {group.TITLE}", group.ABOUT, table(results), paragraph(results)]
    if record["notes"]:
        parts += [f"{level} Notes", "\n".join(f"- {note}" for note in record["notes"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def short_table(record: dict) -> str:
    """Training and inference with the most threads: nnc and the fastest peer of each case."""
    results = [r for name in ("train", "inference") for r in of_group(record, name)]
    most = max((r.threads for r in results), default=0)
    lines = [f"| {most} threads | nnc | fastest peer | ratio |", "|---|--:|--:|--:|"]
    for r in results:
        peer = r.fastest_peer()
        if r.threads == most and peer:
            ours, theirs = (f"{number(r.median(side))} {r.unit}" for side in ("nnc", peer))
            lines.append(f"| {r.case} | {ours} | {theirs}, {peer} | {lead(r):.2f} |")
    m = record["machine"]
    runs = ", then ".join(f"`{run['command']}` ({run['date']})" for run in m["runs"])
    return f"Written on {machine_name(m)}, by {runs}; training times are per step.\n\n" + "\n".join(lines)
