"""The results of training in a folder: model, curves, confusion matrix or residuals, report."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import tempfile
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from nnc import tables
from nnc.cli.chunks import shortened
from nnc.cli.dataset import Dataset
from nnc.cli.network import Settings, Trained
from nnc.cli.output import counted, note, printable
from nnc.cli.problems import Problem
from nnc.cli.scores import Scores, classes_table, scores_of

MODEL = "model.safetensors"
INTERRUPTED = "interrupted.safetensors"
_LONGEST_LABEL = 24  # characters of a class name in a figure


def check_folder(folder: str) -> None:
    """Create the folder and check that it is writable before training starts; otherwise an OSError."""
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise Problem(f"{folder}: not a folder: --output must be one")
    os.makedirs(folder, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, folder) from None


def write_folder(folder: str, write: Callable[[str], object]) -> list[str]:
    """Call `write` with an empty folder, then move its files to `folder`, and return their paths.

    Each file is moved atomically. No files are left if `write` fails or is interrupted.
    """
    made = tempfile.mkdtemp(prefix=".nnc-", dir=folder)
    try:
        write(made)
        names = sorted(os.listdir(made))
        paths = [os.path.join(folder, name) for name in names]
        for path in paths:  # before the first is moved
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        for name, path in zip(names, paths, strict=True):
            os.replace(os.path.join(made, name), path)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return paths


def write_results(
    folder: str, data: Dataset, trained: Trained, settings: Settings, options: Namespace
) -> list[str]:
    """Write model, history, figures and report."""
    scores = {name: scores_of(trained.model, part) for name, part in data.parts.items() if len(part.x)}

    def write(made: str) -> None:
        trained.model.save(os.path.join(made, MODEL))
        epochs = range(1, len(trained.history["loss"]) + 1)
        rows = [{"epoch": e, **{k: v[e - 1] for k, v in trained.history.items()}} for e in epochs]
        tables.save(rows, os.path.join(made, "history"), formats=("csv",))
        pictures = [] if options.no_pictures else _draw(made, data, trained, scores)
        text = _report(folder, data, trained, settings, scores, pictures)
        with open(os.path.join(made, "report.md"), "w", encoding="utf-8") as file:
            file.write(text)

    return write_folder(folder, write)


def describe(data: Dataset) -> list[str]:
    """A description of the table: a line for the rows, for the target and for each kind of column."""
    schema, sizes = data.schema, {name: len(part.x) for name, part in data.parts.items()}
    split = ", ".join(f"{size:,} {name}" for name, size in sizes.items() if size)
    lines = [f"{data.table.path}: {data.table.described}; {sum(sizes.values()):,} rows ({split})"]
    if data.n_without_target:
        n = data.n_without_target
        lines.append(f"{counted(n, 'row')} without a target {'is' if n == 1 else 'are'} left out")
    classes = schema.target.classes
    if classes is None:
        lines.append(f"target {schema.target.name!r}: numbers (regression)")
    else:
        shown = ", ".join(classes[:6]) + ", ..." * (len(classes) > 6)
        lines.append(f"target {schema.target.name!r}: {len(classes)} classes (classification): {shown}")
    plain = [c.name for c in schema.columns if c.described == "numbers"]
    if plain:
        names = ", ".join(plain[:6]) + ", ..." * (len(plain) > 6)
        lines.append(f"{len(plain)} column{'s' * (len(plain) > 1)} of numbers: {names}")
    lines += [f"column {c.name!r}: {c.described}" for c in schema.columns if c.described != "numbers"]
    lines += [f"column {name!r} is left out: {why}" for name, why in data.left_out.items()]
    return list(map(printable, lines))


def scores_text(scores: Scores, rows: int) -> str:
    """The scores in one line."""
    shown = "  ".join(f"{name} {value:.4g}" for name, value in scores.values.items())
    return f"{shown}  ({counted(rows, 'row')})"


# ----------------------------------------------------------------------------------------------- figures


def _draw(folder: str, data: Dataset, trained: Trained, scores: dict[str, Scores]) -> list[str]:
    """Draw curves, and the confusion matrix or residuals of the last non-empty part; return their names."""
    from nnc import plot

    with _in_memory(), _one_note_of_letters():
        plot.save(plot.history(trained.history), os.path.join(folder, "curves"), "png")
        name = list(scores)[-1]
        part, outputs = data.parts[name], scores[name].predicted
        classes = data.schema.target.classes
        if classes is None:
            plot.save(plot.residuals(part.y, outputs), os.path.join(folder, "residuals"), "png")
            return ["curves", "residuals"]
        names = [shortened([printable(each)], _LONGEST_LABEL) for each in classes]
        plot.save(plot.confusion_matrix(part.y, outputs, names), os.path.join(folder, "confusion"), "png")
        return ["curves", "confusion"]


@contextlib.contextmanager
def _in_memory() -> Iterator[None]:
    """Draw without windows, and names as they are: a $ or _ in one is no TeX; close the figures on exit."""
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    with matplotlib.rc_context({"text.parse_math": False, "text.usetex": False}):
        try:
            yield
        finally:
            plt.close("all")


@contextlib.contextmanager
def _one_note_of_letters() -> Iterator[None]:
    """One note for all letters that the font lacks, in place of a warning for each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    lacking = [each for each in caught if "missing from" in str(each.message)]
    for each in caught:
        if each not in lacking:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if lacking:
        note(
            f"in the figures, {counted(len(lacking), 'letter')} of the names are boxes: Matplotlib's font "
            "lacks them; name another in its setting font.family"
        )


# ------------------------------------------------------------------------------------------------- report


def _report(
    folder: str,
    data: Dataset,
    trained: Trained,
    settings: Settings,
    scores: dict[str, Scores],
    pictures: Sequence[str],
) -> str:
    """The report, in Markdown."""
    target = data.schema.target
    epochs = len(trained.history["loss"])
    rows = [{"rows of": name, "number": len(data.parts[name].x), **s.values} for name, s in scores.items()]
    parts = [printable(f"# {target.name} from {os.path.basename(data.table.path)}"), "## Table"]
    parts.append("\n".join(f"- {line}" for line in describe(data)))
    parts.append("## Network")
    parts.append("```\n" + _summary(trained) + "\n```")
    parts.append(
        f"Adam, learning rate {settings.learning_rate:g}, batches of {settings.batch_size}; {epochs} epochs, "
        f"the weights are those of epoch {trained.best_epoch}, with the lowest validation loss."
    )
    parts += ["## Results", tables.markdown(rows)]
    name = list(scores)[-1]
    if target.classes is not None and len(target.classes) <= 50:
        classes = classes_table(data, scores[name], data.parts[name])
        named = [row | {"class": printable(row["class"])} for row in classes]
        parts += [f"By class, {name} rows:", tables.markdown(named)]
    if target.classes is None and epochs:
        deviation = float(np.std(data.training.y))
        parts.append(
            f"The target's standard deviation in the training rows is {deviation:.4g}; the losses of the "
            "curves are in units of it."
        )
    captions = {
        "curves": "Loss by epoch",
        "confusion": f"Confusion, {name} rows",
        "residuals": f"Residuals, {name} rows",
    }
    parts += [f"![{captions[picture]}]({picture}.png)" for picture in pictures]
    parts += ["## Use", printable(f"    nnc predict {shlex.quote(os.path.join(folder, MODEL))} TABLE")]
    return "\n\n".join(parts) + "\n"


def _summary(trained: Trained) -> str:
    lines: list[str] = []
    trained.model.summary(print_fn=lines.append)
    return "\n".join(lines)
