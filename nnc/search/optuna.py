"""Optuna integration: reporting to trials and pruning them, and `nnc.search` spaces for Optuna's samplers.

Optuna is an optional extra (``pip install "nnc[search]"``), imported on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnc.callbacks.base import Callback, Logs
from nnc.search.space import Params, Space


class OptunaCallback(Callback):
    """Reports a metric to an Optuna trial after every epoch, and ends the run if the trial should be pruned.

    Parameters
    ----------
    trial : optuna.trial.Trial
    metric : str
        A key of the logs.

    Raises
    ------
    optuna.TrialPruned
        From `fit`, when the pruner decides to prune; `study.optimize` handles it.
    KeyError
        If the logs have no such key.

    Examples
    --------
    >>> from nnc import search
    >>> def objective(trial):
    ...     model = build(search.suggest(trial, space))
    ...     report = search.OptunaCallback(trial, "val_accuracy")
    ...     history = model.fit(x, y, epochs=30, validation_split=0.2, callbacks=[report])
    ...     return history.history["val_accuracy"][-1]
    """

    def __init__(self, trial: Any, metric: str = "val_loss") -> None:
        self.trial, self.metric = trial, metric

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self.metric not in logs:
            raise KeyError(f"OptunaCallback reports {self.metric!r}, but the logs have {', '.join(logs)}")
        self.trial.report(logs[self.metric], epoch)
        if self.trial.should_prune():
            from optuna import TrialPruned

            raise TrialPruned(f"epoch {epoch + 1}: {self.metric} {logs[self.metric]:.6g}")


def suggest(trial: Any, space: Mapping[str, Any] | Space) -> Params:
    """Parameters of a space as Optuna's `trial` chooses them.

    The names in Optuna are those of the space; names in nested dicts are joined by dots, and the items of
    `several` are called name_0, name_1, ..., alongside name_length.

    Parameters
    ----------
    trial : optuna.trial.Trial
    space : dict or Space

    Returns
    -------
    dict

    Examples
    --------
    >>> from nnc import search
    >>> class First:  # a trial that always suggests the first value
    ...     def suggest_categorical(self, name, options):
    ...         return options[0]
    ...     def suggest_int(self, name, low, high):
    ...         return low
    >>> search.suggest(First(), {"units": search.integers(8, 64), "activation": ["relu", "tanh"]})
    {'units': 8, 'activation': 'relu'}
    """
    return Space(space).suggest(trial)
