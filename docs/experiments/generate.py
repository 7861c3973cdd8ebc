"""Run every experiment in its own process and write docs/experiments.md from their measurements.

The text is in template.md in the same folder, where {name.table} is a table written by an example and
{name.table[0][column]} a number in it. With --only, the results of the other experiments in the output folder
are reused; the sections of experiments without results there stay as they are in the page.

    python docs/experiments/generate.py --out results
    python docs/experiments/generate.py --out results --only theory iris_activations
    python docs/experiments/generate.py --quick --out results/quick
"""

import argparse
import csv
import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import nnc

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NOISE = 0.001  # closer test accuracies are not ordered: 10 of 10,000 images, whose standard error is 0.0014
EPOCHS = (1, 2, 5, 10, 20, 50)  # shown in the tables of epochs, as far as they were run, and the last


@dataclasses.dataclass
class Experiment:
    """A script and its arguments; `report` has the report's test accuracies by epoch, for comparison."""

    script: str
    arguments: str = ""
    quick: str = "--quick"
    report: dict[int, float] | None = None


EXPERIMENTS = {
    "two_layer_mse": Experiment("two_layer_mse.py"),
    "iris_activations": Experiment("iris_activations.py"),
    "theory": Experiment("theory.py"),
    "mnist_cnn": Experiment("mnist_cnn.py", quick="--epochs 1 --train 1000"),
    "mnist": Experiment("mnist.py", "--epochs 50", "--epochs 2", {2: 0.9421, 10: 0.9781, 20: 0.9798}),
    "search_mnist": Experiment("search_mnist.py"),
    "activations_losses": Experiment("activations_losses.py"),
    "fashion_mnist": Experiment("fashion_mnist.py"),
}


class Table(list):
    """Rows of a CSV file; as text, the Markdown table, as written by the example if it wrote one."""

    text = None

    def __str__(self):
        return self.text or nnc.tables.markdown(self)


class Found:
    """The results of an experiment: command, seconds, its tables by file name, facts derived from them."""

    def __init__(self, name, folder):
        vars(self).update(json.loads((folder / "run.json").read_text()))
        for file in folder.glob("*.csv"):
            with open(file, encoding="utf-8", newline="") as lines:
                table = Table({k: value(v) for k, v in row.items()} for row in csv.DictReader(lines))
            if file.with_suffix(".md").exists():
                table.text = file.with_suffix(".md").read_text(encoding="utf-8").rstrip()
            setattr(self, file.stem, table)
        vars(self).update(FACTS[name](**vars(self)) if name in FACTS else {})


def facts_of_two_layers(models, search, large, **_):
    def best(l2):
        return max(row["val_accuracy"] for row in search if row["l2"] == l2 and row["status"] == "done")

    fast = [row for row in search if row["rate"] == 0.01]
    large = sorted(large, key=lambda row: row["rate"])
    columns = ("rate", "batch_size", "status", "val_accuracy")
    return {
        "given_away": max(row["best epoch's accuracy"] - row["test accuracy"] for row in models),
        "n_trials": len(search),
        "n_fast": len(fast),
        "n_failed": sum(row["status"] == "failed" for row in fast),
        "large": Table({name: row[name] for name in columns} for row in large),
        "explodes": next((row["rate"] for row in large if row["status"] == "failed"), None),
        "strong": best(0.01),
        "weak": best(0.001),
    }


def facts_of_iris(activations, **_):
    four = [row for row in activations if row["activation"] != "by hand"]
    clean = sum(row["splits without error"] for row in four)
    return {"worst": 1 - min(row["test lowest"] for row in four), "clean": clean}


def facts_of_epochs(history, report, **_):
    def row_of(row):
        shown = {"epoch": row["epoch"] + 1} | {
            k.replace("val_", "test "): v for k, v in row.items() if k != "epoch"
        }
        return shown | ({"report's test accuracy": report.get(str(shown["epoch"]))} if report else {})

    some = [row for row in history if row["epoch"] + 1 in EPOCHS or row is history[-1]]
    return {"epochs": Table(map(row_of, some)), "best": max(row["val_accuracy"] for row in history)}


def facts_of_losses(combinations, sweeps, **_):
    def in_order(column):
        for sweep in dict.fromkeys(row["sweep"] for row in sweeps):
            part = [row for row in sweeps if row["sweep"] == sweep]
            if not any(
                a["report"] - b["report"] > NOISE and b[column] - a[column] > NOISE
                for a in part
                for b in part
            ):
                yield sweep

    def fall(column):
        at = {row["value"]: row[column] for row in sweeps if row["sweep"] == "momentum"}
        return at[0.9] - at[0.99]

    differences = [row["difference"] for row in combinations]
    return {
        "noise": NOISE,
        "fall": 100 * max(fall("test accuracy"), fall("in one order")),
        "met": sum(difference >= -0.005 for difference in differences),
        "n": len(differences),
        "lowest": min(differences),
        "in_order": ", ".join(in_order("test accuracy")) or "none",
        "in_order_fixed": ", ".join(in_order("in one order")) or "none",
    }


FACTS = {
    "two_layer_mse": facts_of_two_layers,
    "iris_activations": facts_of_iris,
    "mnist_cnn": facts_of_epochs,
    "mnist": facts_of_epochs,
    "search_mnist": lambda trials, **_: {"trials_top": Table(trials[:10])},
    "activations_losses": facts_of_losses,
}


def value(text):
    """The value of a cell of a CSV file."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None


def run(name, experiment, options):
    folder = options.out / name
    arguments = experiment.quick if options.quick else experiment.arguments
    command = f"python examples/{experiment.script} {arguments}".strip()
    print(f"\n=== {name}: {command}", flush=True)
    parts = [sys.executable, str(ROOT / "examples" / experiment.script), *shlex.split(arguments)]
    start = time.perf_counter()
    if subprocess.run([*parts, "--output", str(folder.resolve())]).returncode:
        return False
    seconds = time.perf_counter() - start
    known = {"command": command, "seconds": seconds, "report": experiment.report}
    known["date"] = datetime.now(UTC).strftime("%Y-%m-%d")
    (folder / "run.json").write_text(json.dumps(known))
    return True


def page(options, present=""):
    """The text of the page; experiments without results keep their sections of the `present` page."""
    there = [name for name in EXPERIMENTS if (options.out / name / "run.json").exists()]
    found = {name: Found(name, options.out / name) for name in there}
    opening, *sections = (HERE / "template.md").read_text(encoding="utf-8").split("<!-- ")
    written, total = [], Table()
    for section in sections:
        name, body = section.split(" -->\n", 1)
        if name in found:
            one = found[name]
            total.append({"experiment": name, "date": one.date, "seconds": round(one.seconds, 1)})
            written.append(body.format_map(found).rstrip())
        elif kept := kept_of(present, name, body.splitlines()[0]):
            total.append(kept[0])
            written.append(kept[1])
    total.append(
        {"experiment": "all", "date": None, "seconds": round(sum(row["seconds"] for row in total), 1)}
    )
    facts = {"total": total, "cpus": nnc.get_num_threads(), "version": nnc.__version__, "note": options.note}
    return "\n\n".join([opening.format_map(facts).rstrip(), *written]) + "\n"


def kept_of(present, name, heading):
    """(row of the table, text) of an experiment in the present page; None if it has none."""
    row = re.search(rf"^\| {name} +\| (\S+) +\| +([\d.,]+) \|$", present, re.MULTILINE)
    text = re.search(rf"^{re.escape(heading)}\n.*?(?=\n## |\Z)", present, re.MULTILINE | re.DOTALL)
    if not row or not text:
        return None
    seconds = float(row[2].replace(",", ""))
    return {"experiment": name, "date": row[1], "seconds": seconds}, text[0].rstrip()


def main():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, default="results", help="folder of the tables, figures and models")
    add("--only", nargs="*", choices=EXPERIMENTS, default=list(EXPERIMENTS), help="experiments to run again")
    add("--quick", action="store_true", help="short runs; the page is written to the output folder")
    add("--note", default="", help="a sentence about the machine, for the page")
    options = parser.parse_args()
    chosen = {name: EXPERIMENTS[name] for name in EXPERIMENTS if name in options.only}
    failed = [name for name in chosen if not run(name, chosen[name], options)]
    file = (options.out if options.quick else ROOT / "docs") / "experiments.md"
    present = file.read_text(encoding="utf-8") if file.exists() and not options.quick else ""
    file.write_text(page(options, present), encoding="utf-8")
    print(f"\nwritten: {os.path.relpath(file)}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
