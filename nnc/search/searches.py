"""GridSearch, RandomSearch, HalvingSearch: which trials there are, and which of them continue."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nnc import _config
from nnc._config import refusal
from nnc.search.base import Search
from nnc.search.space import Params, Space, drawn

_MOST_TRIALS = 1_000_000


class RandomSearch(Search):
    """Trials drawn at random from a space.

    A trial's parameters and the seed of its models depend only on the search's seed and the trial's number:
    the table is the same for any number of workers, and a search with more trials begins with the same ones.

    Parameters
    ----------
    target : callable or estimator
        ``build(params)`` returns a compiled `Sequential`, or (model, arguments of `fit`); it is called from
        several threads at once, and a few more times to plan the search. An estimator has
        `fit`, `score` and, optionally, `get_params` and `set_params`, as in scikit-learn; each trial sets its
        parameters on a copy.
    space : dict
        See `nnc.search.space`. Parameters named like arguments of `fit` ("epochs", "batch_size",
        "class_weight", ...) are passed to `fit` as well as to `build`.
    n_trials : int
    metric : str, optional
        The score of a trial: a key of the logs, by default "val_loss"; for an estimator, its `score`.
    direction : {"auto", "min", "max"}
        Whether small or large values are good; "auto" is "max" for names with "acc" and for estimators.
    score : {"last", "best"}
        The metric of the last epoch, or of the best.
    validation_split : float
        The fraction of x and y, taken from the end without shuffling, on which trials are compared.
    folds : int, optional
        Cross-validation instead: the number of folds, stratified by class and drawn with `seed`; the score is
        the mean.
    seed : int
    n_jobs : int
        Models trained at once; -1: as many, with as many threads each, as suit the CPUs that this process may
        use (`SearchResult.plan` contains the choice).
    backend : {None, "threads", "joblib"}
        Threads of this process that share the data, or joblib. None means joblib inside
        ``joblib.parallel_config`` and threads elsewhere.
    threads_per_job : int, optional
        Threads of each model; by default the planner chooses (with joblib 1).
    journal : str or path, optional
        A file to which each trial is written when it finishes. A search that was killed resumes from it.
    refit : bool
        Whether to train a model with the best parameters once more, on all rows of x: ``result.best_model``.
    verbose : {"auto", 0, 1, 2}
        Silent, a bar with the best score so far, or lines: at most one every ten seconds, and one for the
        last trial. "auto" is a bar on a terminal, else lines.
    **fit_arguments
        Arguments of every trial's `fit`: epochs, batch_size, callbacks (copied for each trial), ...

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
    """Every combination of a space of lists, choices and integers, in order: the last parameter varies
    fastest.

    Parameters
    ----------
    target, space, **arguments
        As for `RandomSearch`, except `n_trials`.

    Raises
    ------
    ValueError
        If the space contains a distribution of floats.

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
                raise ValueError(f"the grid has more than {_MOST_TRIALS} trials; RandomSearch samples them")
        return found


class HalvingSearch(RandomSearch):
    """Successive halving: all trials for a few epochs, the best of them for more, and so on.

    All n trials are trained to ``min_epochs``; the best ceil(n / factor) continue, from where they stopped,
    to ``factor`` times as many epochs, and so on up to ``max_epochs``. A rung ends when all its trials are
    done, so the table does not depend on the number of workers.

    Parameters
    ----------
    target : callable
        As for `RandomSearch`, but not an estimator, which cannot continue training.
    space, n_trials, **arguments
        As for `RandomSearch`, except epochs.
    min_epochs, max_epochs : int
        The epochs of the first and of the last rung.
    factor : int
        At least 2.

    Raises
    ------
    TypeError, ValueError
        If the target is an estimator, `epochs` is given, or an argument is out of range.

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
                "target: build",
                "a function build(params): an estimator cannot continue training",
                target,
                TypeError,
            )
        if "epochs" in self.fit_arguments or "epochs" in self.space.names():
            raise ValueError("HalvingSearch chooses the epochs: pass min_epochs and max_epochs instead")
        self.min_epochs = _config.integer("min_epochs", min_epochs, 1, 10**9)
        self.max_epochs = _config.integer("max_epochs", max_epochs, self.min_epochs, 10**9)
        self.factor = _config.integer("factor", factor, 2, 1000)

    def rungs(self) -> list[tuple[int, int]]:
        """(trials, epochs) of every rung.

        Returns
        -------
        list of (int, int)

        Examples
        --------
        >>> import nnc
        >>> from nnc import layers, search
        >>> def build(params):
        ...     model = nnc.Sequential([layers.Dense(params["units"], "relu"), layers.Dense(3, "softmax")])
        ...     model.compile("adam", "sparse_categorical_crossentropy")
        ...     return model
        >>> space = {"units": search.integers(4, 32)}
        >>> halving = search.HalvingSearch(build, space, 9, min_epochs=1, max_epochs=9, factor=3, verbose=0)
        >>> halving.rungs()
        [(9, 1), (3, 3), (1, 9)]
        """
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
