"""Search: the loop over trials that all searches share; the kinds of search are in searches.py."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.typing import ArrayLike

from nnc import _config, random
from nnc._config import refusal
from nnc._machine import threads
from nnc.callbacks.monitor import is_to_be_large
from nnc.callbacks.progress import resolve
from nnc.errors import warn
from nnc.models.interrupts import Interrupts
from nnc.models.state import NUMERICS
from nnc.search import workers
from nnc.search.data import Data
from nnc.search.journal import Journal
from nnc.search.planner import Plan, check_n_jobs, choose, working_set_of
from nnc.search.progress import Progress
from nnc.search.result import SearchResult, Trial
from nnc.search.space import Params, Space
from nnc.search.trials import (
    FIT_ARGUMENTS,
    Job,
    Models,
    Outcome,
    Request,
    estimator_of,
    fit_estimator,
    seed_of,
)


class Search:
    """The base class of the searches; `RandomSearch` documents the arguments."""

    def __init__(
        self,
        target: Any,
        space: Mapping[str, Any] | Space,
        *,
        metric: str | None = None,
        direction: str = "auto",
        score: str = "last",
        validation_split: float = 0.0,
        folds: int | None = None,
        seed: int = 0,
        n_jobs: int = -1,
        backend: str | None = None,
        threads_per_job: int | None = None,
        journal: str | os.PathLike | None = None,
        refit: bool = False,
        verbose: int | str = "auto",
        **fit_arguments: Any,
    ) -> None:
        self.estimates = hasattr(target, "fit") and hasattr(target, "score")
        if not self.estimates and not callable(target):
            raise refusal(
                "target: build",
                "a function build(params) or an estimator with fit and score",
                target,
                TypeError,
            )
        self.target, self.space = target, Space(space)
        if metric is not None and not isinstance(metric, str):
            raise refusal("metric", "a key of the logs such as 'val_loss'", metric, TypeError)
        self.metric = metric or ("score" if self.estimates else "val_loss")
        _config.choice("direction", direction, ("auto", "min", "max"))
        large = self.estimates or is_to_be_large(self.metric)
        self.direction = direction if direction != "auto" else "max" if large else "min"
        self.score = _config.choice("score", score, ("last", "best"))
        self.validation_split, self.folds = validation_split, folds
        self.seed = _config.integer("seed", seed, 0, 2**64 - 1)
        self.n_jobs = check_n_jobs(n_jobs)
        self.backend = _config.choice("backend", backend, (None, "threads", "joblib"))
        self.threads_per_job = None
        if threads_per_job is not None:
            self.threads_per_job = _config.integer("threads_per_job", threads_per_job, 1, 1024)
        self.journal, self.refit, self.verbose = journal, _config.boolean("refit", refit), verbose
        resolve(verbose)
        if not self.estimates and (unknown := fit_arguments.keys() - FIT_ARGUMENTS):
            known = ", ".join(sorted(FIT_ARGUMENTS))
            raise TypeError(
                f"{type(self).__name__} has no argument {', '.join(sorted(unknown))}; "
                f"for fit it takes {known}"
            )
        self.fit_arguments = fit_arguments

    # --------------------------------------------------------------------------- hooks of the kinds of search

    def params(self) -> list[Params]:
        """The parameters of every trial, in the order of trial numbers."""
        raise NotImplementedError

    def _milestones(self) -> tuple[int, ...]:
        """The epochs at which trials are compared and some are stopped; empty if none are."""
        return ()

    def _kept(self, rung: int, n: int) -> int:
        """How many of n trials continue after this rung."""
        return n

    def _fingerprint(self) -> dict[str, Any]:
        return {}

    # --------------------------------------------------------------------------------------------- the search

    def run(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        validation_data: Any = None,
    ) -> SearchResult:
        """Run the search.

        Parameters
        ----------
        x, y, sample_weight : array-like
            As for `Sequential.fit`; uint8 and float32 arrays are used without a copy.
        validation_data : (x, y) or (x, y, sample_weight), optional
            The data on which trials are compared, if the search has neither `validation_split` nor `folds`.

        Returns
        -------
        SearchResult
            After Ctrl-C, the result of the trials that have finished.

        Raises
        ------
        SearchError
            If the search itself is wrong: the logs lack the metric, or `build` does not return a model.
        ValueError, TypeError
            If an argument is invalid, or the journal belongs to another search.

        Warns
        -----
        UserWarning
            If trials failed; the table contains the reason for each.

        Examples
        --------
        >>> import nnc
        >>> from nnc import layers, search
        >>> def build(params):
        ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
        ...     model.compile("adam", "sparse_categorical_crossentropy")
        ...     return model
        >>> grid = search.GridSearch(build, {"units": [4, 8]}, epochs=2, folds=3, verbose=0)
        >>> result = grid.run(*nnc.datasets.load_iris())
        >>> [trial.status for trial in result.trials]
        ['done', 'done']
        """
        data = Data(
            (x, y, sample_weight),
            validation_data,
            self.validation_split,
            self.folds,
            self.seed,
            not self.estimates,
        )
        params = self.params()
        job = Job(
            self.target, self.fit_arguments, self.metric, 1 if self.direction == "max" else -1, self.score
        )
        fingerprint = self._identity(job, data) if self.journal is not None else {}
        plan, run = self._workers(job, data, params)
        verbose = resolve(self.verbose)
        if verbose:
            print(f"{len(params)} trials, {plan}", flush=True)
        board: dict[int, Outcome] = {}
        interrupted = False
        with Journal(self.journal, fingerprint) as journal:
            try:
                self._run_rungs(params, run, journal, board, verbose)
            except KeyboardInterrupt:
                interrupted = True
        trials = [self._trial(params[number], outcome) for number, outcome in board.items()]
        result = SearchResult(trials, self.metric, self.direction, plan, interrupted)
        if failed := [t for t in result.trials if t.status == "failed"]:
            first = min(failed, key=lambda trial: trial.number)
            message = (
                f"{len(failed)} of {len(trials)} trials failed; trial {first.number} with {first.reason}"
            )
            warn(message)
        if self.refit and not interrupted:
            result.best_model = self._refitted(job, data, result.best_trial)
        return result

    def _run_rungs(
        self, params: list[Params], run: Callable, journal: Journal, board: dict[int, Outcome], verbose: int
    ) -> None:
        """Run all rungs in order: a rung ends before the trials that continue are chosen."""
        milestones = self._milestones()
        rungs = max(1, len(milestones))
        models: dict[int, Models] = {}
        todo = list(range(len(params)))
        with Progress(self._count(len(params)), self.metric, self.direction, verbose) as progress:
            for rung in range(rungs):
                waiting = []
                for number in todo:
                    known, before = journal.outcomes.get((number, rung)), board.get(number)
                    if known is None and before is not None and before.stopped:
                        known = before  # a callback ended its training
                    if known is not None:
                        board[number] = known
                        progress.add(known)
                    else:
                        waiting.append(number)
                for outcome, kept in self._outcomes(run, waiting, rung, params, milestones, models):
                    with Interrupts() as interrupts:
                        interrupts.hold()  # a trial must be on the board and in the journal, or in neither
                        board[outcome.number] = outcome
                        journal.write(outcome)
                        if kept is not None and rung + 1 < rungs:
                            models[outcome.number] = kept
                    progress.add(outcome)
                if rung + 1 < rungs:
                    todo = self._promoted(rung, todo, board)
                    models = {number: models[number] for number in todo if number in models}

    def _outcomes(
        self,
        run: Callable,
        waiting: list[int],
        rung: int,
        params: list[Params],
        milestones: tuple,
        models: dict,
    ) -> Iterator[workers.Done]:
        if not waiting:
            return
        tasks = (
            (
                Request(number, params[number], seed_of(self.seed, number), rung, milestones[: rung + 1]),
                models.pop(number, None),
            )
            for number in waiting
        )
        with contextlib.closing(run(tasks)) as outcomes:
            yield from outcomes

    def _promoted(self, rung: int, numbers: list[int], board: dict[int, Outcome]) -> list[int]:
        """The best trials of a rung; ties go to the lower number."""
        good = [number for number in numbers if board[number].status == "done"]
        sign = -1.0 if self.direction == "max" else 1.0
        best = sorted(good, key=lambda number: (sign * board[number].score, number))
        kept = sorted(best[: self._kept(rung, len(numbers))])
        for number in kept:
            if board[number].stopped:
                board[number].rung = rung + 1
        return kept

    def _count(self, n: int) -> int:
        """The number of trainings, summed over all rungs."""
        total = n
        for rung in range(len(self._milestones()) - 1):
            n = self._kept(rung, n)
            total += n
        return total

    def _trial(self, params: Params, outcome: Outcome) -> Trial:
        last = max(0, len(self._milestones()) - 1)
        ended = outcome.status == "done" and outcome.rung < last and not outcome.stopped
        return Trial.of(
            params, seed_of(self.seed, outcome.number), outcome, "stopped" if ended else outcome.status
        )

    # --------------------------------------------------------------------------------------- parts of the run

    def _workers(self, job: Job, data: Data, params: list[Params]) -> tuple[Plan, Callable]:
        """The plan, and a function that runs tasks according to it."""
        chosen = self.backend == "joblib" or (self.backend is None and workers.joblib_is_chosen())
        if chosen:
            n_threads = self.threads_per_job or 1
            n_jobs = None if self.n_jobs == -1 and workers.joblib_is_chosen() else self.n_jobs
            plan = Plan(workers.joblib_n_jobs(n_jobs), n_threads, "by joblib")
            return plan, lambda tasks: workers.by_joblib(job, data, tasks, n_jobs, n_threads)
        plan = choose(self.n_jobs, len(params), self._working_set(job, data, params))
        if self.threads_per_job is not None:
            plan = Plan(plan.n_jobs, self.threads_per_job, f"threads_per_job={self.threads_per_job}")
        data.parts()
        return plan, lambda tasks: workers.in_threads(job, data, tasks, plan.n_jobs, plan.n_threads)

    def _working_set(self, job: Job, data: Data, params: list[Params]) -> int | None:
        """Bytes of the largest of three models: those of the first, the middle and the last trial."""
        if self.n_jobs != -1 or self.estimates:
            return None
        sizes = []
        for number in {0, len(params) // 2, len(params) - 1}:
            with contextlib.suppress(Exception), random.seeded(seed_of(self.seed, number)):
                model, arguments = job.built(params[number])
                sizes.append(working_set_of(model, arguments.get("batch_size"), data.arrays[0].shape[1:]))
        return max(sizes, default=None)

    def _identity(self, job: Job, data: Data) -> dict[str, Any]:
        """What distinguishes this search from others, for the journal."""
        name = type(self.target) if self.estimates else self.target
        return {
            "numerics": NUMERICS,
            "search": type(self).__name__,
            "of": getattr(name, "__qualname__", type(name).__qualname__),
            "space": repr(self.space),
            "seed": self.seed,
            "metric": self.metric,
            "direction": self.direction,
            "score": self.score,
            "fit": {
                key: repr(value) for key, value in sorted(self.fit_arguments.items()) if key != "callbacks"
            },
            "data": data.fingerprint(),
            **self._fingerprint(),
        }

    def _refitted(self, job: Job, data: Data, trial: Trial) -> Any:
        """A model with the best parameters and the same seed, trained on all rows of x with all threads."""
        x, y, weight = data.arrays
        weights: dict[str, Any] = {} if weight is None else {"sample_weight": weight}
        with random.seeded(trial.seed):
            if self.estimates:
                model = estimator_of(self.target, trial.params, trial.seed)
                fit_estimator(model, data.arrays, self.fit_arguments)
                return model
            model, arguments = job.built(copy.deepcopy(trial.params))
        if milestones := self._milestones():
            arguments["epochs"] = milestones[-1]
        with threads(self.threads_per_job) if self.threads_per_job else contextlib.nullcontext():
            model.fit(x, y, validation_data=data.validation, verbose=0, **weights, **arguments)
        return model
