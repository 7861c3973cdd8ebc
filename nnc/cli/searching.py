"""nnc search: random trials of networks for a table; the best is trained and written as by `nnc train`."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import Namespace
from typing import Any

from nnc import random
from nnc.cli import dataset, network, report, train
from nnc.cli.dataset import Dataset
from nnc.cli.network import Settings
from nnc.cli.output import aligned, say
from nnc.cli.problems import Interrupted, Problem
from nnc.cli.tables import open_table
from nnc.models import Sequential
from nnc.search import RandomSearch, SearchResult, space

JOURNAL = "journal.jsonl"
_SHOWN = 5  # trials


def run(options: Namespace) -> int:
    """Search, train the best network, write the files and print the results."""
    folder = train.folder_of(options)
    data = dataset.load(open_table(options.table, options), options)
    report.check_folder(folder)
    if not options.json:
        say(*report.describe(data))
    result = _search(folder, data, options)
    result.to_csv(os.path.join(folder, "trials.csv"))
    try:
        best = result.best_trial
    except ValueError as error:
        raise Problem(str(error)) from None
    if not options.json:
        _show(result)
    settings = _settings(best.params, options)
    with random.seeded(best.seed):  # as in the trial, so that the best model is bitwise the same
        model = network.build(data, settings, None)
    train.finish(folder, data, model, settings, options)
    return 0


def _space(data: Dataset) -> dict[str, Any]:
    """The search space; large networks are left out for small tables."""
    rows = len(data.training.x)
    batch = network.batch_size_for(rows)
    return {
        "layers": [1, 2, 3],
        "units": [16, 32, 64, 128] if rows < 10_000 else [32, 64, 128, 256],
        "activation": ["relu", "tanh", "silu"],
        "dropout": [0.0, 0.1, 0.3],
        "learning_rate": space.loguniform(3e-4, 1e-2),
        "batch_size": [batch, 2 * batch] if rows >= 2 * batch else [batch],
    }


def _settings(params: dict[str, Any], options: Namespace) -> Settings:
    return Settings(
        (params["units"],) * params["layers"],
        params["activation"],
        params["dropout"],
        params["learning_rate"],
        params["batch_size"],
        options.epochs,
        options.patience,
    )


def _search(folder: str, data: Dataset, options: Namespace) -> SearchResult:
    def build(params: dict[str, Any]) -> Sequential:
        return network.build(data, _settings(params, options), None)

    targets, journal = network.targets_of(data), os.path.join(folder, JOURNAL)
    search = RandomSearch(
        build,
        _space(data),
        options.trials,
        metric="val_loss",
        score="best",
        seed=options.seed,
        journal=journal,
        epochs=options.epochs,
        callbacks=[network.early_stopping(options.patience)],
        n_jobs=-1 if options.jobs is None else options.jobs,
    )
    validation = data.validation.x, targets.of(data.validation)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # its progress
            result = search.run(data.training.x, targets.of(data.training), validation_data=validation)
    except (
        ValueError,
        BlockingIOError,
    ) as error:  # the journal belongs to another search, is damaged or in use
        raise Problem(str(error)) from None
    if result.interrupted:
        done = f"{len(result.trials)} of {options.trials} trials are in {journal}"
        raise Interrupted(f"interrupted: {done}; the same command continues from there")
    return result


def _show(result: SearchResult) -> None:
    rows = result.table[:_SHOWN]
    names = [name for name in rows[0] if name not in ("status", "reason")]
    cells = [[_cell(row[name]) for name in names] for row in rows]
    say(f"the best of {len(result.trials)} trials, by validation loss:")
    say(*aligned([names, *cells], [i for i, name in enumerate(names) if name != "activation"]))


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
