"""Benchmarks of nnc and its peers, interleaved in one run: prints Markdown, writes results.json and .md.

    python benchmarks/run.py                                  # all groups, 1 and 2 threads
    python benchmarks/run.py train inference --threads 2
    python benchmarks/run.py --quick                          # a smoke test: the figures mean nothing
    python benchmarks/run.py --doc                            # writes this machine's section of
                                                              # docs/benchmarks.md and README's table
    python benchmarks/run.py train --threads 2 --add --doc    # measures one group again, keeps the others
    python benchmarks/run.py train --compare OTHER            # this nnc compared with another, see below
    NNC_ISA=avx2 python benchmarks/run.py train --peers       # nnc alone on AVX2, relative to AVX2's peak
    python benchmarks/run.py train --peers --threads 2 4      # more threads than CPUs

nnc must be importable: installed, or built in place with PYTHONPATH set to the checkout. The peers are
optional (pip install torch jax scikit-learn onnxruntime onnx); missing ones are left out with a note.
Nothing else should run on the machine.

--compare takes another interpreter that has nnc installed, or a checkout whose core is built in place; the
groups then run in both, alternating, and the ratios of the times are printed.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from pathlib import Path

import document
import groups
import peers
import probe
import report
from compare import compare, table
from worker import start

ROOT = Path(__file__).resolve().parents[1]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(groups.NAMES)}; default: all")
    add("--threads", type=int, nargs="+", default=[1, 2])
    add("--rounds", type=int, default=7)
    add("--quick", action="store_true", help="2 rounds of little work, to check that everything runs")
    add("--peers", nargs="*", metavar="NAME", help=f"of {', '.join(peers.TRAINERS)}, ...; default: all")
    add("--mnist", type=Path, default=groups.Context.mnist, metavar="FOLDER", help="the four IDX files")
    add("--out", type=Path, default=ROOT / "results" / "benchmarks", metavar="FOLDER")
    add(
        "--doc",
        action="store_true",
        help="write this machine's section of docs/benchmarks.md, and README's table",
    )
    add(
        "--add",
        action="store_true",
        help="replace what is measured in the results.json of an earlier run on this machine, keep the rest",
    )
    add("--compare", metavar="OTHER", help="an interpreter or a checkout with another nnc")
    options = parser.parse_args()
    if unknown := set(options.groups) - set(groups.NAMES):
        parser.error(f"unknown group {', '.join(sorted(unknown))}; choose from {', '.join(groups.NAMES)}")
    options.groups = options.groups or list(groups.NAMES)
    if options.quick:
        options.rounds = min(options.rounds, 2)
    return options


def requests(options: argparse.Namespace) -> list[dict]:
    """One request for each group and number of threads."""
    found = []
    for group in options.groups:
        one = importlib.import_module(f"groups.{group}").ONE_THREAD
        for threads in [1] if one else options.threads:
            common = {"rounds": options.rounds, "quick": options.quick, "peers": options.peers}
            found.append({"group": group, "threads": threads, "mnist": str(options.mnist), **common})
    return found


def cpu_model() -> str:
    """The name of the processor as reported by the system."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine(options: argparse.Namespace) -> dict:
    """The machine, the versions and the options that the figures depend on."""
    import nnc
    from nnc import _core

    versions = {"nnc": nnc.__version__}
    for package in peers.PACKAGES[1:]:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    info = _core.cpu_info()
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # not the complete command line, which may contain paths of this machine
    words = ["python", "benchmarks/run.py", *([] if options.groups == list(groups.NAMES) else options.groups)]
    words += ["--threads", *map(str, options.threads), "--rounds", str(options.rounds)]
    words += ["--quick"] * options.quick + ["--add"] * options.add + ["--doc"] * options.doc
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {
        "cpu": cpu_model(),
        "cpus": cpus,
        "system": f"{platform.system()} {platform.machine()}",
        "isa": info["isa"],
        "isas": info["isa_available"],
        "fma_units": probe.fma_units(info["isa"]),
        "compiler": info["compiler"],
        "python": platform.python_version(),
        "versions": versions,
        "runs": [{"date": date, "command": shlex.join(words), "rounds": options.rounds}],
        "quick": options.quick,
    }


def earlier_run(options: argparse.Namespace, now: dict) -> dict:
    """The record that --add continues; it must be of this machine and of these versions."""
    path = options.out / "results.json"
    if not path.exists():
        raise SystemExit(f"run.py: --add continues an earlier run, but there is no {path}")
    record = json.loads(path.read_text())
    for key in now:
        if key != "runs" and record["machine"].get(key) != now[key]:
            was = record["machine"].get(key)
            raise SystemExit(f"run.py: --add: {key} is {now[key]}, but was {was} in {path}: run all groups")
    return record


def added(earlier: dict, record: dict) -> dict:
    """The earlier record with the results of `record` in place of those of the same cases.

    >>> row = {"group": "train", "threads": 1, "case": "C", "values": {"nnc": [1.0]}}
    >>> one = {"machine": {"cpu": "A", "runs": [1]}, "results": [row, {**row, "threads": 2}], "notes": []}
    >>> two = {"machine": {"cpu": "A", "runs": [2]}, "results": [{**row, "values": {}}], "notes": ["b"]}
    >>> both = added(one, two)
    >>> both["machine"], [row["values"] for row in both["results"]], both["notes"]
    ({'cpu': 'A', 'runs': [1, 2]}, [{}, {'nnc': [1.0]}], ['b'])
    """
    results = {(r["group"], r["threads"], r["case"]): r for r in (*earlier["results"], *record["results"])}
    return {
        "machine": {**record["machine"], "runs": earlier["machine"]["runs"] + record["machine"]["runs"]},
        "results": list(results.values()),
        "notes": sorted({*earlier["notes"], *record["notes"]}),
    }


def main() -> None:
    options = arguments()
    notes: set[str] = set()
    record: dict = {"machine": machine(options), "results": [], "notes": []}
    if options.quick:
        notes.add("a quick run: the figures mean nothing")
    earlier = earlier_run(options, record["machine"]) if options.add else None
    asked = requests(options)
    if options.compare:
        asked = [request for request in asked if request["group"] not in ("machine", "accuracy", "footprint")]
        record["results"] = list(compare(asked, options.compare, options.rounds, notes))
    else:
        for request in asked:
            print(f"{request['group']}, threads: {request['threads']}", file=sys.stderr, flush=True)
            answer = start(request)
            record["results"] += answer["results"]
            notes.update(answer["notes"])
    record["notes"] = sorted(notes)
    if options.compare:
        text = f"{report.machine(record)}\n\n{table(record['results'])}\n"
        text += "\n" + "\n".join(f"- {note}" for note in record["notes"]) + "\n"
    else:
        if earlier:
            record = added(earlier, record)
        text = report.markdown(record)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(record, indent=1) + "\n")
    (options.out / "results.md").write_text("# Benchmarks\n\n" + text)
    if options.doc and not options.compare:
        docs, readme = ROOT / "docs" / "benchmarks.md", ROOT / "README.md"
        name, body = document.machine_name(record["machine"]), report.markdown(record, "###")
        docs.write_text(document.put_section(docs.read_text() if docs.exists() else "", name, body))
        figures = ROOT / "nnc" / "cli" / "figures.csv"  # shown by `nnc bench`
        figures.write_text(document.figures(docs.read_text()), encoding="utf-8")
        readme.write_text(document.put_into(readme.read_text(), report.short_table(record)))


if __name__ == "__main__":
    main()
