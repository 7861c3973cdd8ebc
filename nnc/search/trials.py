"""One trial, as a worker runs it: a model is built from its parameters, trained and scored.

`Job` is what all trials of a search have in common, `Request` identifies one, `Outcome` is its result.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from nnc import random
from nnc.callbacks.history import curves
from nnc.models import Sequential
from nnc.search.data import Data, Part
from nnc.search.space import Params

FIT_ARGUMENTS = frozenset(inspect.signature(Sequential.fit).parameters) - {
    "self", "x", "y", "verbose", "initial_epoch", "validation_data", "validation_split", "sample_weight",
    "resume_from",
}  # fmt: skip


class SearchError(ValueError):
    """The search itself is wrong, so it ends: no trial has the metric, or `build` does not return a model.

    Examples
    --------
    >>> from nnc import search
    >>> def build(params):
    ...     return "no model"
    >>> grid = search.GridSearch(build, {"units": [4, 8]}, epochs=1, validation_split=0.5, verbose=0)
    >>> try:
    ...     result = grid.run([[0.0]] * 8, [0] * 8)
    ... except search.SearchError:
    ...     print("build must return a model")
    build must return a model
    """


@dataclasses.dataclass(frozen=True)
class Request:
    """Which trial to train, and up to which epochs: `milestones` are the rungs of a halving, else empty.

    A trial that starts at a later rung is trained rung by rung, as the others were, so that callbacks which
    act at the end of a run have acted the same number of times.
    """

    number: int
    params: Params
    seed: int
    rung: int = 0
    milestones: tuple[int, ...] = ()


@dataclasses.dataclass
class Outcome:
    """The outcome of a trial.

    Attributes
    ----------
    number, rung : int
        The trial's number, and the last rung that it reached in a halving search.
    status : {"done", "failed"}
    score : float
        The mean of `scores`; NaN if it failed.
    scores : list of float
        One for each fold; a single one without folds.
    epochs : int
        Epochs trained.
    histories : list of dict
        The logs of each fold by epoch, as `History.history`; empty for an estimator.
    reason : str
        Why it failed.
    seconds : float
    stopped : bool
        Whether a callback ended the training, in which case further rungs do not train it.
    """

    number: int
    rung: int
    status: str
    score: float = math.nan
    scores: list[float] = dataclasses.field(default_factory=list)
    epochs: int = 0
    histories: list[dict[str, list[float]]] = dataclasses.field(default_factory=list)
    reason: str = ""
    seconds: float = 0.0
    stopped: bool = False


def seed_of(search_seed: int, number: int) -> int:
    """The seed of a trial's models: determined by the search's seed and the trial's number."""
    return random.derived_seed(search_seed, random.Purpose.TRIALS, number)


class Models:
    """The models of one trial during training: one, or one for each fold."""

    def __init__(self, job: Job, request: Request, parts: list[Part]) -> None:
        self.models: list[Sequential] = []
        self.arguments: list[dict[str, Any]] = []
        self.histories: list[dict[str, list[float]]] = [{} for _ in parts]
        self.epochs = [0] * len(parts)
        self.stopped = [False] * len(parts)
        for _ in parts:
            with random.seeded(request.seed):
                model, arguments = job.built(request.params)
            self.models.append(model)
            self.arguments.append(arguments)

    def train(self, epochs: int | None, parts: list[Part]) -> None:
        """Continue to epoch `epochs`, or to the last one of the arguments."""
        for i, (model, (train, held_out)) in enumerate(zip(self.models, parts, strict=True)):
            if self.stopped[i]:
                continue
            last: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
            x, y, weight = train
            model.history = None
            try:
                model.fit(
                    x,
                    y,
                    sample_weight=weight,
                    validation_data=held_out,
                    initial_epoch=self.epochs[i],
                    verbose=0,
                    **self.arguments[i] | last,
                )
            finally:  # a run that diverges still has its finished epochs
                self._log(i)
            self.stopped[i] = model.stop_training

    def _log(self, i: int) -> None:
        history = self.models[i].history
        if history is not None:
            for name, values in curves(history.history).items():
                self.histories[i].setdefault(name, []).extend(values)
            self.epochs[i] += len(history.epoch)

    def halt(self) -> None:
        """End the training as soon as possible; called from another thread."""
        for model in self.models:
            model.stop_training = True


@dataclasses.dataclass(frozen=True)
class Job:
    """What all trials of a search have in common.

    Attributes
    ----------
    target : callable or estimator
        ``build(params)``, or an object with `fit` and `score`.
    fit_arguments : dict
        Arguments of `Sequential.fit`; a trial's parameters of the same names override them, and arguments
        that `build` returns override both.
    metric : str
        A key of the logs.
    sign : int
        1 if large scores are good, -1 if small ones are.
    take : {"last", "best"}
        The epoch whose metric is the score.
    """

    target: Any
    fit_arguments: Mapping[str, Any]
    metric: str
    sign: int
    take: str

    @property
    def builds(self) -> bool:
        """Whether the target is a function that builds models, rather than an estimator."""
        return not hasattr(self.target, "score")

    def built(self, params: Params) -> tuple[Sequential, dict[str, Any]]:
        """A compiled model for these parameters, and the arguments of its `fit`."""
        arguments = dict(self.fit_arguments) | {name: params[name] for name in FIT_ARGUMENTS & params.keys()}
        if arguments.get("callbacks") is not None:
            # Callbacks have state, so each trial needs its own copies.
            arguments["callbacks"] = copy.deepcopy(arguments["callbacks"])
        model = self.target(copy.deepcopy(params))
        if isinstance(model, tuple) and len(model) == 2:
            model, own = model
            if not isinstance(own, Mapping) or own.keys() - FIT_ARGUMENTS:
                raise SearchError(
                    "build must return a model, or a model with arguments of fit "
                    f"(of {', '.join(sorted(FIT_ARGUMENTS))}), got {own!r}"
                )
            arguments |= own
        if not isinstance(model, Sequential):
            raise SearchError(f"build must return a compiled nnc.Sequential, got {model!r}")
        if model.loss is None:
            raise SearchError(
                "build must return a compiled model: call model.compile(optimizer, loss=...) in it"
            )
        return model, arguments

    def scores_of(self, histories: list[dict[str, list[float]]]) -> list[float]:
        """The score of each fold from its logs."""
        found = []
        for history in histories:
            if self.metric not in history:
                raise SearchError(
                    f"metric is {self.metric!r}, but the logs have {', '.join(history) or 'nothing'}"
                )
            curve = history[self.metric]
            best = max if self.sign > 0 else min
            found.append(float(curve[-1] if self.take == "last" else best(curve)))
        return found

    def run(
        self,
        data: Data,
        request: Request,
        models: Models | None = None,
        watch: Callable[[Models], Any] | None = None,
    ) -> tuple[Outcome, Models | None]:
        """Train one trial.

        Parameters
        ----------
        data : Data
        request : Request
        models : Models, optional
            The models of the previous rung, whose training is continued.
        watch : callable, optional
            Called with the models before they are trained.

        Returns
        -------
        Outcome
        Models or None
            The models to continue from in the next rung.
        """
        began = time.perf_counter()
        outcome = Outcome(request.number, request.rung, "done")
        try:
            if self.builds:
                models = self._train_models(data, request, models, watch, outcome)
            else:
                self._fit_estimator(data, request, outcome)
            if not all(map(math.isfinite, outcome.scores)):
                raise ArithmeticError(f"the score {self.metric} is not finite")
            outcome.score = math.fsum(outcome.scores) / len(outcome.scores)
        except SearchError:
            raise
        except Exception as error:  # a failure of one trial must not lose the others
            outcome.status, outcome.score, models = "failed", math.nan, None
            outcome.reason = f"{type(error).__name__}: {error}"
        outcome.seconds = time.perf_counter() - began
        return outcome, models

    def _train_models(
        self, data: Data, request: Request, models: Models | None, watch: Callable | None, outcome: Outcome
    ) -> Models:
        parts = data.parts()
        milestones = request.milestones[-1:]
        if models is None:
            models = Models(self, request, parts)
            milestones = request.milestones
        if watch is not None:
            watch(models)
        try:
            for epochs in milestones or (None,):
                models.train(epochs, parts)
        finally:
            outcome.histories = [{k: list(v) for k, v in history.items()} for history in models.histories]
            outcome.epochs = max(models.epochs)
        outcome.scores = self.scores_of(models.histories)
        outcome.stopped = all(models.stopped)
        return models

    def _fit_estimator(self, data: Data, request: Request, outcome: Outcome) -> None:
        for train, held_out in data.parts():
            with random.seeded(request.seed):
                estimator = estimator_of(self.target, request.params, request.seed)
                fit_estimator(estimator, train, self.fit_arguments)
            outcome.scores.append(float(estimator.score(*held_out[:2])))


def estimator_of(target: Any, params: Params, seed: int) -> Any:
    """A copy of the estimator with these parameters; every `random_state` that is None is set from the seed,
    those of a pipeline's steps too.
    """
    estimator = copy.deepcopy(target)
    known = estimator.get_params() if hasattr(estimator, "get_params") else {}
    chosen = copy.deepcopy(params)
    for name, value in known.items():
        if name.rpartition("__")[2] == "random_state" and value is None and name not in chosen:
            chosen[name] = seed % 2**32
    if hasattr(estimator, "set_params"):
        return estimator.set_params(**chosen) or estimator
    for name, value in chosen.items():
        setattr(estimator, name, value)
    return estimator


def fit_estimator(estimator: Any, rows: Any, arguments: Mapping[str, Any]) -> None:
    """Fit the estimator to (x, y, sample_weight)."""
    x, y, weight = rows
    name = "sample_weight"
    if steps := getattr(estimator, "steps", None):  # the last step of a pipeline takes the weights
        name = f"{steps[-1][0]}__{name}"
    estimator.fit(x, y, **arguments, **({} if weight is None else {name: weight}))
