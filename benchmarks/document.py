"""Writing the results: the machine's section of docs/benchmarks.md, and the table in README.md."""

from __future__ import annotations

import csv
import io
import re

HEAD = """\
# Benchmarks

Written by `python benchmarks/run.py --doc`, which replaces the section of the machine it runs on and keeps \
the others; do not edit. A machine is identified by its CPU, the number of CPUs of the process, the \
instruction set and, if known, the number of FMA units of a core.

A ratio is the fastest peer's time divided by nnc's, within a round: above 1 nnc is faster. The clock \
frequency of a machine drifts, so ratios are more stable than times. The percentage of peak is relative to \
the multiply-adds that the machine achieved in the same round.
"""
BEGIN, END = "<!-- benchmarks: written by benchmarks/run.py --doc -->\n", "<!-- end of benchmarks -->"
ISA_NAMES = {"avx512": "AVX-512", "avx2": "AVX2", "neon": "NEON"}


def machine_name(machine: dict) -> str:
    """The title by which the section of a machine is found.

    >>> machine_name({"cpu": "AMD EPYC", "cpus": 2, "isa": "avx512", "fma_units": 1})
    'AMD EPYC, 2 CPUs, AVX-512, 1 FMA unit of 512 bits'
    >>> machine_name({"cpu": "Cortex-A72", "cpus": 1, "isa": "neon", "fma_units": None})
    'Cortex-A72, 1 CPU, NEON'
    """
    cpus, units = machine["cpus"], machine["fma_units"]
    parts = [machine["cpu"], f"{cpus} CPU{'s' * (cpus != 1)}", ISA_NAMES.get(machine["isa"], machine["isa"])]
    parts += [f"{units} FMA unit{'s' * (units != 1)} of 512 bits"] if units else []
    return ", ".join(parts)


def put_section(document: str, name: str, body: str) -> str:
    """`document` with the current HEAD, and with `body` as its section of this name.

    A new section is added at the end.

    >>> old = "# Benchmarks\\n\\nHead.\\n\\n## A\\n\\n### Products\\n\\n1 µs\\n\\n## B\\n\\n2 µs\\n"
    >>> print(put_section(old, "A", "3 µs\\n").removeprefix(HEAD))
    <BLANKLINE>
    ## A
    <BLANKLINE>
    3 µs
    <BLANKLINE>
    ## B
    <BLANKLINE>
    2 µs
    <BLANKLINE>
    """
    sections = {}
    for section in re.split(r"^## ", document, flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        sections[heading] = text
    sections[name] = body
    parts = [HEAD, *(f"## {heading}\n\n{text.strip()}\n" for heading, text in sections.items())]
    return "\n".join(parts)


def put_into(readme: str, text: str) -> str:
    """`readme` with `text` between its two markers.

    >>> print(put_into(f"# nnc\\n{BEGIN}old\\n{END}\\nmore", "new"))
    # nnc
    <!-- benchmarks: written by benchmarks/run.py --doc -->
    <BLANKLINE>
    new
    <BLANKLINE>
    <!-- end of benchmarks -->
    more
    """
    before, _, rest = readme.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"README.md has no {BEGIN.strip()} followed by {END}")
    return f"{before}{BEGIN}\n{text}\n\n{END}{after}"


FIGURES = ("Training", "Inference")  # the tables that `nnc bench` shows


def figures(document: str) -> str:
    """What nnc/cli/figures.csv has of docs/benchmarks.md: nnc and the fastest peer of each case in it.

    Times are microseconds.

    >>> head = "## A, 2 CPUs, AVX2\\n\\n### Training\\n\\n"
    >>> head += "| case | threads | unit | nnc | JAX | PyTorch | fastest peer / nnc |\\n|---|--:|\\n"
    >>> print(figures(head + "| 4-40-3, iris | 1 | µs | 1,230 | 5.5 |  | 2 |\\n\\n### Notes\\n"), end="")
    machine,case,threads,nnc,peer,peer_us
    "A, 2 CPUs, AVX2","4-40-3, iris",1,1230,JAX,5.5
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["machine", "case", "threads", "nnc", "peer", "peer_us"])
    machine = heading = ""
    sides: list[str] = []
    for line in document.splitlines():
        if line.startswith("## "):
            machine = line.removeprefix("## ")
        elif line.startswith("### "):
            heading, sides = line.removeprefix("### "), []
        elif line.startswith("| ") and heading in FIGURES:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not sides:
                sides = cells
                continue
            pairs = zip(sides[3:], cells[3:], strict=True)
            times = {side: cell.replace(",", "") for side, cell in pairs if cell}
            nnc = times.pop("nnc")
            peers = [side for side in times if not side.startswith(("fastest", "nnc"))]
            fastest = min(peers, key=lambda side: float(times[side]), default="")
            writer.writerow([machine, *cells[:2], nnc, fastest, times.get(fastest, "")])
    return text.getvalue()
