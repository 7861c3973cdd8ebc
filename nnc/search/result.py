"""The result of a search: its trials, best first, as a table, as histories, and the best model."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import os
from typing import Any

import numpy as np

from nnc._files import write_bytes
from nnc.search.planner import Plan
from nnc.search.space import Params, flattened
from nnc.search.trials import Outcome

_SHOWN = 20  # rows of the table in a notebook


@dataclasses.dataclass
class Trial:
    """One trial of a search.

    Attributes
    ----------
    number : int
        From 0, in the order in which the search created them.
    params : dict
    seed : int
        The seed of its models.
    status : {"done", "stopped", "failed"}
        "stopped": a halving search did not continue it.
    score : float
        NaN if it failed.
    scores : list of float
        One for each fold; a single one without folds.
    epochs : int
        Epochs trained.
    histories : list of dict
        The logs of each fold by epoch; empty for estimators.
    reason : str
        Why it failed.
    seconds : float
        Not part of the table, which is the same on every run.

    Examples
    --------
    >>> import nnc
    >>> from nnc import layers, search
    >>> def build(params):
    ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
    ...     model.compile("adam", "sparse_categorical_crossentropy")
    ...     return model
    >>> grid = search.GridSearch(build, {"units": [4, 8]}, epochs=2, validation_split=0.2, verbose=0)
    >>> trial = grid.run(*nnc.datasets.load_iris()).best_trial
    >>> trial.status, trial.epochs, sorted(trial.history)
    ('done', 2, ['loss', 'val_loss'])
    """

    number: int
    params: Params
    seed: int
    status: str
    score: float
    scores: list[float]
    epochs: int
    histories: list[dict[str, list[float]]]
    reason: str
    seconds: float
    rung: int = 0

    @classmethod
    def of(cls, params: Params, seed: int, outcome: Outcome, status: str) -> Trial:
        """The trial with these parameters and this outcome.

        Parameters
        ----------
        params : dict
        seed : int
        outcome : Outcome
        status : {"done", "stopped", "failed"}

        Returns
        -------
        Trial

        Examples
        --------
        >>> from nnc.search import trials
        >>> outcome = trials.Outcome(number=3, rung=0, status="done", score=0.9, scores=[0.9], epochs=5)
        >>> Trial.of({"units": 8}, 1, outcome, outcome.status).score
        0.9
        """
        return cls(**{**_fields(outcome), "params": params, "seed": seed, "status": status})

    def _repr_html_(self) -> str:
        """The trial for notebooks: its outcome and its parameters."""
        from nnc import _html

        went = self.reason if self.status == "failed" else f"score {self.score:.6g}"
        first = f"Trial {self.number}: {self.status}, {went}, {self.epochs} epochs, {self.seconds:.2f} s"
        return _html.block(
            _html.line(first), _html.table(("parameter", "value"), flattened(self.params).items())
        )

    @property
    def history(self) -> dict[str, list[float]]:
        """The logs by epoch; with folds, their means over the epochs that every fold has."""
        if len(self.histories) < 2:
            return self.histories[0] if self.histories else {}
        found = {}
        for name in self.histories[0]:
            curves = [h[name] for h in self.histories if name in h]
            found[name] = np.mean([c[: min(map(len, curves))] for c in curves], axis=0).tolist()
        return found


def _fields(outcome: Outcome) -> dict[str, Any]:
    return {f.name: getattr(outcome, f.name) for f in dataclasses.fields(outcome) if f.name != "stopped"}


class SearchResult:
    """The result of a search.

    Attributes
    ----------
    trials : list of Trial
        Best first; trials that a halving search stopped come after those that it continued, failed ones last.
    metric : str
        The name of the score.
    direction : {"max", "min"}
    plan : Plan
        Models at once and threads for each, with the reason.
    interrupted : bool
        Whether Ctrl-C ended the search.
    best_model : Sequential or estimator or None
        Trained again on all rows with the best parameters, if ``refit=True``.

    Examples
    --------
    >>> import nnc
    >>> from nnc import layers, search
    >>> def build(params):
    ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
    ...     model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> grid = search.GridSearch(build, {"units": [4, 8]}, metric="accuracy", epochs=2, folds=3, verbose=0)
    >>> result = grid.run(*nnc.datasets.load_iris())
    >>> len(result.trials), list(result.best_params)
    (2, ['units'])
    >>> result.to_csv("trials.csv")
    """

    def __init__(
        self, trials: list[Trial], metric: str, direction: str, plan: Plan, interrupted: bool
    ) -> None:
        sign = -1.0 if direction == "max" else 1.0

        def place(trial: Trial) -> tuple:
            failed = trial.status == "failed"
            return failed, -trial.rung, 0.0 if failed else sign * trial.score, trial.number

        self.trials = sorted(trials, key=place)
        self.metric, self.direction, self.plan, self.interrupted = metric, direction, plan, interrupted
        self.best_model: Any = None

    @property
    def best_trial(self) -> Trial:
        """The first of `trials`.

        Raises
        ------
        ValueError
            If no trial finished.
        """
        if not self.trials or self.trials[0].status == "failed":
            why = f"; the first failed with {self.trials[0].reason}" if self.trials else ""
            raise ValueError(f"no trial has a score{why}")
        return self.trials[0]

    @property
    def best_params(self) -> Params:
        """The parameters of the best trial."""
        return self.best_trial.params

    @property
    def best_score(self) -> float:
        """The score of the best trial."""
        return self.best_trial.score

    @property
    def histories(self) -> dict[int, dict[str, list[float]]]:
        """The logs of every trial by its number; with folds, their means."""
        return {trial.number: trial.history for trial in self.trials}

    @property
    def param_names(self) -> list[str]:
        """The names of the parameters of all trials; nested names are joined by dots."""
        by_number = sorted(self.trials, key=lambda trial: trial.number)
        return list(dict.fromkeys(name for trial in by_number for name in flattened(trial.params)))

    @property
    def table(self) -> list[dict[str, Any]]:
        """A dict for each trial, best first: trial, score, status, epochs, its parameters, reason."""
        names = self.param_names
        rows = []
        for trial in self.trials:
            params = flattened(trial.params)
            row = {
                "trial": trial.number,
                self.metric: trial.score,
                "status": trial.status,
                "epochs": trial.epochs,
            }
            if len(trial.scores) > 1 or any(len(t.scores) > 1 for t in self.trials):
                row["std"] = float(np.std(trial.scores)) if trial.scores else math.nan
            row |= {f"param:{n}" if n in row else n: params.get(n) for n in names}
            rows.append(row | {"reason": trial.reason})
        return rows

    @property
    def cv_results_(self) -> dict[str, Any]:
        """The trials in the format of scikit-learn's searches, one entry each in the order of their numbers.

        Returns
        -------
        dict
            "params", "param_<name>" (masked where a trial lacks the parameter), "split<k>_test_score",
            "mean_test_score", "std_test_score", "rank_test_score" (1 is the best by `direction`),
            "mean_fit_time" (seconds for each split, scoring included). Values that are not measured
            separately are NaN: "std_fit_time", "mean_score_time", "std_score_time".

        Examples
        --------
        >>> from nnc.search.planner import Plan
        >>> def trial(number, score):
        ...     return Trial(number, {"units": 8 << number}, 0, "done", score, [score], 1, [], "", 0.5)
        >>> result = SearchResult([trial(0, 0.9), trial(1, 0.8)], "score", "max", Plan(1, 1, ""), False)
        >>> result.cv_results_["rank_test_score"].tolist(), list(result.cv_results_["param_units"])
        ([1, 2], [8, 16])
        """
        trials = sorted(self.trials, key=lambda trial: trial.number)
        params = [flattened(trial.params) for trial in trials]
        found: dict[str, Any] = {}
        unknown = np.full(len(trials), np.nan)
        n_splits = max((len(trial.scores) for trial in trials), default=0)
        found["mean_fit_time"] = np.array([trial.seconds / max(n_splits, 1) for trial in trials])
        found |= {name: unknown.copy() for name in ("std_fit_time", "mean_score_time", "std_score_time")}
        for name in self.param_names:
            values = np.empty(len(trials), object)
            values[:] = [given.get(name) for given in params]
            found[f"param_{name}"] = np.ma.MaskedArray(values, mask=[name not in given for given in params])
        found["params"] = [trial.params for trial in trials]
        scores = np.full((len(trials), n_splits), np.nan)
        for row, trial in zip(scores, trials, strict=True):
            row[: len(trial.scores)] = trial.scores
        found |= {f"split{k}_test_score": scores[:, k] for k in range(n_splits)}
        means = np.array([trial.score for trial in trials], float)
        found["mean_test_score"] = means
        found["std_test_score"] = scores.std(axis=1) if n_splits else unknown.copy()
        lost = np.where(np.isnan(means), np.inf, -means if self.direction == "max" else means)
        found["rank_test_score"] = np.array([1 + np.count_nonzero(lost < own) for own in lost], np.int32)
        return found

    def to_csv(self, path: str | os.PathLike) -> None:
        """Write the table to a CSV file, numbers with all their digits; the write is atomic.

        Parameters
        ----------
        path : str or path

        Examples
        --------
        >>> import nnc
        >>> from nnc import layers, search
        >>> def build(params):
        ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
        ...     model.compile("adam", "sparse_categorical_crossentropy")
        ...     return model
        >>> grid = search.GridSearch(build, {"units": [4, 8]}, epochs=2, folds=3, verbose=0)
        >>> grid.run(*nnc.datasets.load_iris()).to_csv("trials.csv")
        >>> with open("trials.csv", encoding="utf-8") as file:
        ...     print(file.readline().strip())
        trial,val_loss,status,epochs,std,units,reason
        """
        write_bytes(path, self._csv().encode())

    def _csv(self) -> str:
        text = io.StringIO(newline="")
        rows = self.table
        writer = csv.writer(text, lineterminator="\n")
        if rows:
            writer.writerow(rows[0])
            writer.writerows([_cell(value) for value in row.values()] for row in rows)
        return text.getvalue()

    def to_dataframe(self) -> Any:
        """The table as a pandas DataFrame; pandas must be installed.

        Returns
        -------
        pandas.DataFrame

        Examples
        --------
        >>> import nnc
        >>> from nnc import layers, search
        >>> def build(params):
        ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
        ...     model.compile("adam", "sparse_categorical_crossentropy")
        ...     return model
        >>> grid = search.GridSearch(build, {"units": [4, 8]}, epochs=2, folds=3, verbose=0)
        >>> list(grid.run(*nnc.datasets.load_iris()).to_dataframe().columns)
        ['trial', 'val_loss', 'status', 'epochs', 'std', 'units', 'reason']
        """
        import pandas

        return pandas.DataFrame(self.table)

    def _repr_html_(self) -> str:
        """The result for notebooks: the best trial, and a table of the first twenty."""
        from nnc import _html

        rows = self.table[:_SHOWN]
        parts = [_html.line(repr(self))]
        if self.trials and self.trials[0].status != "failed":
            parts.append(_html.line(f"best: {self.best_params}"))
        if rows:
            parts.append(_html.table(list(rows[0]), [list(row.values()) for row in rows]))
        if len(self.trials) > _SHOWN:
            parts.append(_html.line(f"and {len(self.trials) - _SHOWN} more in table, to_csv(path)", "note"))
        return _html.block(*parts)

    def __repr__(self) -> str:
        failed = sum(trial.status == "failed" for trial in self.trials)
        best = f", best {self.metric} {self.best_score:.6g}" if len(self.trials) > failed else ""
        ended = ", interrupted" * self.interrupted
        return f"SearchResult({len(self.trials)} trials, {failed} failed{best}{ended})"


def _cell(value: Any) -> Any:
    """A value for a CSV file: numbers as Python prints them, lists as JSON."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, default=repr) if isinstance(value, (list, tuple, dict)) else value
