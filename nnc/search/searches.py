"""GridSearch, RandomSearch, HalvingSearch: which trials there are, and what is done with them."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.typing import ArrayLike

from nnc import _config, _loops, _progress, random
from nnc._config import refusal
from nnc._machine import threads
from nnc.search import workers
from nnc.search.data import Data
from nnc.search.journal import Journal
from nnc.search.planner import Plan, check_n_jobs, choose, working_set_of
from nnc.search.progress import Progress
from nnc.search.result import SearchResult, Trial
from nnc.search.space import Params, Space, drawn
from nnc.search.trials import FIT_ARGUMENTS, Job, Models, Outcome, Request, SearchError, estimator_of, seed_of

_MOST_TRIALS = 1_000_000


class Search:
    """What the searches share; `RandomSearch` documents the arguments."""

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
                "build", "a function build(params) or an estimator with fit and score", target, TypeError
            )
        self.target, self.space = target, Space(space)
        self.metric = metric or ("score" if self.estimates else "val_loss")
        _config.choice("direction", direction, ("auto", "min", "max"))
        large = self.estimates or "acc" in self.metric
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
        _progress.resolve(verbose)
        if not self.estimates and (unknown := fit_arguments.keys() - FIT_ARGUMENTS):
            known = ", ".join(sorted(FIT_ARGUMENTS))
            raise TypeError(
                f"{type(self).__name__} has no argument {', '.join(sorted(unknown))}; "
                f"for fit it takes {known}"
            )
        self.fit_arguments = fit_arguments

    # --------------------------------------------------------------------- what the kinds of search differ in

    def params(self) -> list[Params]:
        """The parameters of every trial by its number."""
        raise NotImplementedError

    def _milestones(self) -> tuple[int, ...]:
        """The epochs at which trials are compared and some stopped; empty: none are."""
        return ()

    def _kept(self, rung: int, n: int) -> int:
        """How many of n trials go on behind this rung."""
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
        """Search.

        Parameters
        ----------
        x, y, sample_weight : array-like
            As for `Sequential.fit`; uint8 and float32 arrays are used where they lie.
        validation_data : (x, y) or (x, y, sample_weight), optional
            What trials are compared by, if the search has neither `validation_split` nor `folds`.

        Returns
        -------
        SearchResult
            After Ctrl-C: of the trials that are done.

        Raises
        ------
        SearchError
            If the search itself is wrong: a metric that the logs have not, a build that returns no model.
        ValueError, TypeError
            If an argument does not fit, or the journal is another search's.

        Warns
        -----
        UserWarning
            If trials failed; the table has the reason of each.
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
        fingerprint = self._print_of(job, data) if self.journal is not None else {}
        plan, run = self._workers(job, data, params)
        verbose = _progress.resolve(self.verbose)
        if verbose:
            print(f"{len(params)} trials, {plan}", flush=True)
        board: dict[int, Outcome] = {}
        interrupted = False
        try:
            with Journal(self.journal, fingerprint) as journal:
                try:
                    self._climb(params, run, journal, board, verbose)
                except KeyboardInterrupt:
                    interrupted = True
            trials = [self._trial(params[number], outcome) for number, outcome in board.items()]
            result = SearchResult(trials, self.metric, self.direction, plan, interrupted)
            if failed := [t for t in result.trials if t.status == "failed"]:
                first = min(failed, key=lambda trial: trial.number)
                message = (
                    f"{len(failed)} of {len(trials)} trials failed; trial {first.number} with {first.reason}"
                )
                warnings.warn(message, UserWarning, stacklevel=2)
            if self.refit and not interrupted:
                result.best_model = self._refitted(job, data, result.best_trial)
        finally:
            data.forget()
        return result

    def _climb(
        self, params: list[Params], run: Callable, journal: Journal, board: dict[int, Outcome], verbose: int
    ) -> None:
        """All rungs one after the other: those that go on are chosen when all of a rung are done."""
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
                        known = before  # its training is over
                    if known is not None:
                        board[number] = known
                        progress.add(known)
                    else:
                        waiting.append(number)
                for outcome, kept in self._outcomes(run, waiting, rung, params, milestones, models):
                    with (
                        _loops.Interrupts() as interrupts
                    ):  # a trial is on the board and in the journal, or in none
                        interrupts.hold()
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
        """The best of a rung; of equal ones those with the lower numbers."""
        good = [number for number in numbers if board[number].status == "done"]
        sign = -1.0 if self.direction == "max" else 1.0
        best = sorted(good, key=lambda number: (sign * board[number].score, number))
        kept = sorted(best[: self._kept(rung, len(numbers))])
        for number in kept:
            if board[number].stopped:
                board[number].rung = rung + 1
        return kept

    def _count(self, n: int) -> int:
        """How many times a trial is trained, over all rungs."""
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

    # ---------------------------------------------------------------------------------------------- its parts

    def _workers(self, job: Job, data: Data, params: list[Params]) -> tuple[Plan, Callable]:
        """The plan, and what runs tasks by it."""
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
        """Bytes of the largest of three models: of the first trial, one in the middle, the last."""
        if self.n_jobs != -1 or self.estimates:
            return None
        sizes = []
        for number in {0, len(params) // 2, len(params) - 1}:
            with contextlib.suppress(Exception), random.seeded(seed_of(self.seed, number)):
                model, arguments = job.built(params[number])
                sizes.append(working_set_of(model, arguments.get("batch_size"), data.arrays[0].shape[1:]))
        return max(sizes, default=None)

    def _print_of(self, job: Job, data: Data) -> dict[str, Any]:
        """What tells this search from another, for the journal."""
        name = type(self.target) if self.estimates else self.target
        return {
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
        """A model of the best parameters and the same seed, trained on all rows of x with all threads."""
        x, y, weight = data.arrays
        weights = {} if weight is None else {"sample_weight": weight}
        with random.seeded(trial.seed):
            if self.estimates:
                model = estimator_of(self.target, trial.params, trial.seed)
                model.fit(x, y, **self.fit_arguments, **weights)
                return model
            model, arguments = job.built(copy.deepcopy(trial.params))
        if milestones := self._milestones():
            arguments["epochs"] = milestones[-1]
        with threads(self.threads_per_job) if self.threads_per_job else contextlib.nullcontext():
            model.fit(x, y, validation_data=data.validation, verbose=0, **weights, **arguments)
        return model


class RandomSearch(Search):
    """Trials drawn at random from a space.

    The parameters of a trial are a function of the search's seed and the trial's number, and so is the seed
    of its models: the table is the same for any number of workers, and more trials begin with the same ones.

    Parameters
    ----------
    target : callable or estimator
        ``build(params)`` returns a compiled `Sequential`, or (model, arguments of `fit`); it is called in
        several threads at once, and a few times more to plan the search. An estimator has
        `fit`, `score` and, if it can, `get_params` and `set_params`, as scikit-learn's have; each trial sets
        its parameters on a copy.
    space : dict
        See `nnc.search.space`. Parameters named like arguments of `fit` ("epochs", "batch_size",
        "class_weight", ...) are given to `fit` as well as to `build`.
    n_trials : int
    metric : str, optional
        What trials are compared by: a key of the logs, "val_loss" unless given; an estimator's is its
        `score`.
    direction : {"auto", "min", "max"}
        Whether small or large is good; "auto" takes large for names with "acc" and for estimators.
    score : {"last", "best"}
        The metric of the last epoch, or of the best.
    validation_split : float
        The last part of x and y, as they are given, is what trials are compared by.
    folds : int, optional
        Or each of so many parts in turn, drawn by `seed`, the classes shared evenly; the score is the mean.
    seed : int
    n_jobs : int
        Models that are trained at once; -1: as many, with as many threads each, as suit the CPUs that this
        process may use (`SearchResult.plan` says what was chosen).
    backend : {None, "threads", "joblib"}
        Threads of this process that share the data, or joblib. None is joblib inside
        ``joblib.parallel_config`` and threads elsewhere.
    threads_per_job : int, optional
        Threads of each model in place of what the planner chooses (with joblib 1).
    journal : str or path, optional
        A file that gets each trial when it is done. A search that was killed goes on from there.
    refit : bool
        Whether to train the best parameters once more, on all rows of x: ``result.best_model``.
    verbose : {"auto", 0, 1, 2}
        Silent, a bar with the best so far, or a line per trial; "auto" is a bar on a terminal, else lines.
    **fit_arguments
        For every trial's `fit`: epochs, batch_size, callbacks (copied for each trial), ...

    Examples
    --------
    >>> import nnc
    >>> from nnc import search
    >>> def build(params):
    ...     units, classes = nnc.layers.Dense(params["units"], "relu"), nnc.layers.Dense(3, "softmax")
    ...     model = nnc.Sequential([units, classes])
    ...     optimizer = nnc.optimizers.Adam(params["rate"])
    ...     model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> space = {"units": search.integers(4, 33), "rate": search.loguniform(1e-3, 0.1), "batch_size": [8, 16]}
    >>> randomly = search.RandomSearch(build, space, 8, metric="val_accuracy", folds=3, epochs=20, verbose=0)
    >>> result = randomly.run(*nnc.datasets.load_iris())
    >>> len(result.trials), result.best_score > 0.9
    (8, True)
    """

    def __init__(
        self, target: Any, space: Mapping[str, Any] | Space, n_trials: int = 10, **arguments: Any
    ) -> None:
        super().__init__(target, space, **arguments)
        self.n_trials = _config.integer("n_trials", n_trials, 1, _MOST_TRIALS)

    def params(self) -> list[Params]:
        """The parameters of every trial by its number."""
        return [drawn(self.space, self.seed, number) for number in range(self.n_trials)]


class GridSearch(Search):
    """Every combination of a space of lists, choices and integers, in order: the last parameter changes
    fastest.

    Parameters
    ----------
    target, space, **arguments
        As for `RandomSearch`, but for `n_trials`.

    Raises
    ------
    ValueError
        If the space has a distribution of floats.

    Examples
    --------
    >>> from nnc import search
    >>> space = {"rate": [0.1, 0.01], "units": search.integers(3, 5)}
    >>> grid = search.GridSearch(print, space, validation_split=0.2)
    >>> grid.params()[1:3]
    [{'rate': 0.1, 'units': 4}, {'rate': 0.01, 'units': 3}]
    """

    def __init__(self, target: Any, space: Mapping[str, Any] | Space, **arguments: Any) -> None:
        super().__init__(target, space, **arguments)
        self.params()

    def params(self) -> list[Params]:
        """The parameters of every trial by its number."""
        found = []
        for params in self.space.values():
            found.append(params)
            if len(found) > _MOST_TRIALS:
                raise ValueError(
                    f"the grid has more than {_MOST_TRIALS} trials; RandomSearch takes some of them"
                )
        return found


class HalvingSearch(RandomSearch):
    """Successive halving: all trials for a few epochs, the best of them for more, and so on.

    All n trials are trained to ``min_epochs``; the best ceil(n / factor) go on, from where they are, to
    ``factor`` times as many epochs, and so on up to ``max_epochs``. A rung ends when all of it are done, so
    the table does not depend on the number of workers.

    Parameters
    ----------
    target : callable
        As for `RandomSearch`; an estimator cannot go on training.
    space, n_trials, **arguments
        As for `RandomSearch`, but for epochs.
    min_epochs, max_epochs : int
        Of the first and of the last rung.
    factor : int
        At least 2.

    Examples
    --------
    >>> from nnc import search
    >>> halving = search.HalvingSearch(print, {}, 9, min_epochs=2, max_epochs=20, validation_split=0.2)
    >>> halving.rungs()
    [(9, 2), (3, 6), (1, 18), (1, 20)]

    References
    ----------
    Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", AISTATS
    2016.
    """

    def __init__(
        self,
        target: Any,
        space: Mapping[str, Any] | Space,
        n_trials: int = 27,
        *,
        min_epochs: int = 1,
        max_epochs: int = 27,
        factor: int = 3,
        **arguments: Any,
    ) -> None:
        super().__init__(target, space, n_trials, **arguments)
        if self.estimates:
            raise refusal(
                "build", "a function build(params): an estimator cannot go on training", target, TypeError
            )
        if "epochs" in self.fit_arguments or "epochs" in self.space.names():
            raise ValueError("epochs are what a halving chooses: give min_epochs and max_epochs")
        self.min_epochs = _config.integer("min_epochs", min_epochs, 1, 10**9)
        self.max_epochs = _config.integer("max_epochs", max_epochs, self.min_epochs, 10**9)
        self.factor = _config.integer("factor", factor, 2, 1000)

    def rungs(self) -> list[tuple[int, int]]:
        """(trials, epochs) of every rung."""
        n, found = self.n_trials, []
        for rung, epochs in enumerate(self._milestones()):
            found.append((n, epochs))
            n = self._kept(rung, n)
        return found

    def _milestones(self) -> tuple[int, ...]:
        found = [self.min_epochs]
        while found[-1] < self.max_epochs:
            found.append(min(found[-1] * self.factor, self.max_epochs))
        return tuple(found)

    def _kept(self, rung: int, n: int) -> int:
        return math.ceil(n / self.factor)

    def _fingerprint(self) -> dict[str, Any]:
        return {"n_trials": self.n_trials, "rungs": [list(rung) for rung in self.rungs()]}


__all__ = ["GridSearch", "HalvingSearch", "RandomSearch", "Search", "SearchError"]
