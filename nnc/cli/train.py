"""nnc train: a network for a table, with its report."""

from __future__ import annotations

import os
from argparse import Namespace

from nnc.cli import dataset, network, report
from nnc.cli.dataset import Dataset
from nnc.cli.network import Settings, Trained
from nnc.cli.output import note, say, say_json
from nnc.cli.problems import Interrupted
from nnc.cli.scores import scores_of
from nnc.cli.tables import open_table


def run(options: Namespace) -> int:
    """Train, write the files and print the results."""
    folder = folder_of(options)
    data = dataset.load(open_table(options.table, options), options)
    report.check_folder(folder)
    settings = settings_of(options, data)
    if not options.json:
        say(*report.describe(data))
    finish(folder, data, network.build(data, settings, options.seed), settings, options)
    return 0


def folder_of(options: Namespace) -> str:
    """Where the files go."""
    stem = os.path.splitext(os.path.basename(options.table))[0] or "table"
    return options.output or f"{stem}-model"


def settings_of(options: Namespace, data: Dataset) -> Settings:
    """The network and the training settings given by the options."""
    return Settings(
        options.hidden,
        options.activation,
        options.dropout,
        options.learning_rate,
        options.batch_size or network.batch_size_for(len(data.training.x)),
        options.epochs,
        options.patience,
    )


def finish(
    folder: str, data: Dataset, model: network.Sequential, settings: Settings, options: Namespace
) -> None:
    """Train this model, write its files and print the results."""
    try:
        trained = network.train(data, model, settings)
    except network.Stopped as stopped:
        raise _interrupted(folder, stopped, settings) from None
    files = report.write_results(folder, data, trained, settings, options)
    part = "test" if len(data.test.x) else "validation"
    scores = scores_of(trained.model, data.parts[part])
    epochs = len(trained.history["loss"])
    if options.json:
        say_json(_json(data, trained, part, scores.values, files))
        return
    size = "-".join(map(str, (len(data.schema.inputs), *settings.hidden, data.schema.target.width)))
    say(f"network {size}: {epochs} epochs, the best was epoch {trained.best_epoch}")
    say(f"{part}: {report.scores_text(scores, len(data.parts[part].x))}")
    say(f"written to {folder}: {', '.join(map(os.path.basename, files))}")
    if epochs == settings.epochs:
        note(f"the validation loss may still be decreasing: --epochs is {epochs}")


def _interrupted(folder: str, stopped: network.Stopped, settings: Settings) -> Interrupted:
    where = f"interrupted in epoch {stopped.epoch} of {settings.epochs}"
    if stopped.trained is None:
        return Interrupted(f"{where}: nothing was written")
    path = os.path.join(folder, report.INTERRUPTED)
    stopped.trained.model.save(path)
    return Interrupted(
        f"{where}: only {path} was written, with the best weights so far (epoch {stopped.trained.best_epoch})"
    )


def _json(data: Dataset, trained: Trained, part: str, values: dict[str, float], files: list[str]) -> dict:
    target = data.schema.target
    return {
        "task": "regression" if target.classes is None else "classification",
        "target": target.name,
        "classes": None if target.classes is None else list(target.classes),
        "columns": {column.name: column.described for column in data.schema.columns},
        "left_out": data.left_out,
        "rows": {name: len(each.x) for name, each in data.parts.items()}
        | {"without_target": data.n_without_target},
        "epochs": len(trained.history["loss"]),
        "best_epoch": trained.best_epoch,
        part: values,
        "files": files,
    }
