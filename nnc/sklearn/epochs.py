"""sgd and adam of an MLP: scikit-learn's rules between epochs, which the C core trains.

Epochs that are certain to be run are one call of the core: the rule that ends training can apply only after
the last of them. If no order has to be drawn, the core applies the rule itself, and a call trains as many
epochs as fit into a slice of time.
"""

from __future__ import annotations

import math
import warnings
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from nnc.models.interrupts import Interrupts
from nnc.optimizers import SGD, Adam, Optimizer
from nnc.sklearn.checking import FLOATS
from nnc.sklearn.estimators import Estimator
from nnc.sklearn.network import Normalization, names_of
from nnc.sklearn.rows import Rows
from nnc.sklearn.stochastic import Architecture, Patience, Trainer
from nnc.sklearn.watching import Watchers

_SMALLEST_RATE = 1e-6  # learning_rate="adaptive" ends below it


class Scored(NamedTuple):
    """The data that early stopping scores: x (n, F) for the core, targets and weights as given."""

    x: Any
    targets: np.ndarray
    sample_weight: np.ndarray | None


class Stochastic(Estimator):
    """The part of an MLP that implements sgd and adam."""

    activation: Any
    alpha: Any
    batch_norm: Any
    batch_size: Any
    beta_1: Any
    beta_2: Any
    callbacks: Any
    dropout: Any
    early_stopping: Any
    epsilon: Any
    l1: Any
    learning_rate: Any
    learning_rate_init: Any
    max_iter: Any
    momentum: Any
    n_iter_no_change: Any
    nesterovs_momentum: Any
    power_t: Any
    random_state: Any
    shuffle: Any
    solver: Any
    tol: Any
    validation_fraction: Any
    verbose: Any
    warm_start: Any
    coefs_: Any
    intercepts_: Any
    n_iter_: Any
    n_outputs_: Any
    t_: Any
    loss_: Any
    loss_curve_: list[float]
    _best: Any
    _no_improvement_count: int
    _normalizations: list[Normalization]
    _random_state: Any

    # ------------------------------------------------------------------------- hooks of the estimators

    def _standardized(self, X: Any) -> Any:
        """X, standardized with the means and standard deviations of the first data that were fitted."""
        raise NotImplementedError

    def _loss(self) -> str:
        """A name of `stochastic.loss_spec`."""
        raise NotImplementedError

    def _score(self, logits: np.ndarray, rows: Scored, dtype: np.dtype) -> float:
        """The score for early stopping; larger is better."""
        raise NotImplementedError

    def _loss_constant(self, rows: Rows, order: np.ndarray, batch_size: int) -> float:
        """The constant that the core omits from an epoch's loss, since it does not depend on the weights."""
        return 0.0

    # ------------------------------------------------------------------------------------------- sgd and adam

    def _new_optimizer(self) -> Optimizer:
        if self.solver == "adam":
            return Adam(self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        nesterov = bool(self.nesterovs_momentum) and self.momentum > 0
        return SGD(self.learning_rate_init, self.momentum, nesterov)

    @property
    def _optimizer(self) -> Optimizer:
        """The optimizer of the last sgd or adam."""
        if "_trainer" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} has not been trained by sgd or adam")
        return self._trainer.optimizer

    def _architecture(self) -> Architecture:
        units = (self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_))
        return Architecture(
            units,
            tuple(names_of(self.activation, len(units) - 2)),
            float(self.alpha),
            float(self.l1),
            float(self.dropout),
            bool(self.batch_norm),
        )

    def _new_trainer(self) -> Trainer:
        seed = int(self._random_state.randint(2**31 - 1)) if self.dropout else 0
        return Trainer(self._architecture(), self._loss(), self._new_optimizer(), seed)

    def _split(
        self, X: Any, targets: np.ndarray, sample_weight: np.ndarray | None
    ) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        """Training and validation rows, stratified by class if a classifier has one output."""
        labels = targets if is_classifier(self) and self.n_outputs_ == 1 else None
        train, held_out = train_test_split(
            np.arange(X.shape[0]),
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=labels,
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        first, second = (
            (X[rows], targets[rows], None if sample_weight is None else sample_weight[rows])
            for rows in (train, held_out)
        )
        return first, second

    def _batch_size(self, n: int) -> int:
        if isinstance(self.batch_size, str):
            return min(200, n)
        if self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=2,
            )
        return min(int(self.batch_size), n)

    def _fit_stochastic(
        self,
        X: Any,
        targets: np.ndarray,
        sample_weight: np.ndarray | None,
        held_out: Any,
        incremental: bool,
    ) -> None:
        if not incremental or "_trainer" not in self.__dict__:
            self._trainer = self._new_trainer()
        else:  # alpha, say, may have been set since
            self._trainer.rearrange(self._architecture())
        if self.early_stopping and self.validation_scores_ is None:
            self._begin_scores()
        dtype = np.asarray(self.coefs_[0]).dtype  # of the first X, or as set by hand
        dtype = dtype if dtype in FLOATS else X.dtype
        if held_out is not None:
            held_out = (self._standardized(held_out[0]), *held_out[1:])
        elif self.early_stopping:
            (X, targets, sample_weight), held_out = self._split(X, targets, sample_weight)
        rows = Rows.of(X, targets, sample_weight)
        scored = None if held_out is None else Scored(Rows.of(*held_out).x, *held_out[1:])
        batch_size = self._batch_size(rows.n)
        self._trainer.set_weights(self.coefs_, self.intercepts_, self._normalizations_now(), batch_size)
        watchers = Watchers(self, self._trainer, (X, targets, sample_weight), dtype)
        try:
            with Interrupts() as interrupts, watchers:
                self._epochs(rows, scored, batch_size, incremental, dtype, interrupts, watchers)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        weights = self._best if self.early_stopping else self._trainer.weights(dtype)
        self.coefs_, self.intercepts_, self._normalizations = weights

    def _normalizations_now(self) -> list[Normalization]:
        return self.__dict__.get("_normalizations", [])

    def _epochs(
        self,
        rows: Rows,
        scored: Scored | None,
        batch_size: int,
        incremental: bool,
        dtype: np.dtype,
        interrupts: Interrupts,
        watchers: Watchers,
    ) -> None:
        """Train epochs until `max_iter`, or until the loss or the score stops improving."""
        trainer, n = self._trainer, rows.n
        # With all rows in one batch, their order does not matter.
        whole = batch_size == n and not (self.dropout or self.batch_norm)
        data = rows.merged() if whole else rows
        whole = data is not rows
        ordered = bool(self.shuffle) and not whole
        # A RandomState given by the caller must end in the same state as with scikit-learn.
        draws = bool(self.shuffle) and not (whole and isinstance(self.random_state, Integral))
        single = incremental or scored is not None or watchers.any
        ahead = not (single or draws or self._loss() == "poisson")
        order = np.arange(n)
        self.n_iter_ = 0
        while self.n_iter_ < self.max_iter:
            count = 1 if single else trainer.ahead(data, self._epochs_to_run(ahead))
            orders = np.empty((count, n if ordered else 0), np.int64)
            for row in orders if draws else ():  # each shuffles the previous order
                shuffled = np.arange(n)
                self._random_state.shuffle(shuffled)
                order = order[shuffled]
                row[:] = order[: len(row)]
            watchers.begin()
            losses = trainer.train(
                data,
                orders,
                min(batch_size, data.n),
                self._rates(count, n),
                interrupts,
                self._patience() if ahead else None,
            )
            self._refuse_empty_batches(losses, data, orders[-1], batch_size)
            if self._loss() == "poisson":
                losses = [
                    loss + self._loss_constant(rows, row, batch_size)
                    for loss, row in zip(losses, orders, strict=True)
                ]
            self._take(losses, n)
            score = None if scored is None else self._score(trainer.logits(scored.x), scored, dtype)
            self._count_improvements(losses, score)
            if self._scales_inversely():
                trainer.optimizer.learning_rate = self._inverse_rate(0, n)
            stop = watchers.end(self.loss_, score)
            if self._no_improvement_count > self.n_iter_no_change:
                if self._stops():
                    return
                self._no_improvement_count = 0
            if stop or incremental:
                return
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
            "converged yet.",
            ConvergenceWarning,
            stacklevel=2,
        )

    def _epochs_to_run(self, ahead: bool) -> int:
        """The largest possible number of epochs, or, unless `ahead`, the number that is certain to be run."""
        left = self.max_iter - self.n_iter_
        patience = self.n_iter_no_change + 1 - self._no_improvement_count
        return left if ahead else max(1, int(min(left, patience)))

    def _patience(self) -> Patience:
        """The rule of `_count_improvements`, for the core."""
        return Patience(
            self.best_loss_, float(self.tol), self._no_improvement_count, float(self.n_iter_no_change)
        )

    def _refuse_empty_batches(
        self, losses: list[float], rows: Rows, order: np.ndarray, batch_size: int
    ) -> None:
        """Raise a ZeroDivisionError if the loss is not finite because a batch has zero weight."""
        if rows.sample_weight is None or math.isfinite(losses[-1]):
            return
        weights = rows.sample_weight[order] if len(order) else rows.sample_weight
        sums = np.add.reduceat(weights, np.arange(0, len(weights), batch_size))
        if not sums.all():
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")

    # -------------------------------------------------------------------------------- after an epoch

    def _begin_scores(self) -> None:
        self._no_improvement_count = 0
        if self.early_stopping:
            self.validation_scores_: Any = []
            self.best_validation_score_: Any = -np.inf
            self.best_loss_: Any = None
            self._best = (self.coefs_, self.intercepts_, self._normalizations)
        else:
            self.best_loss_ = np.inf
            self.validation_scores_ = self.best_validation_score_ = None

    def _rates(self, count: int, n: int) -> list[float]:
        """The learning rates of the next epochs."""
        rates = [self._trainer.rate]
        while len(rates) < count:
            rates.append(self._inverse_rate(len(rates), n) if self._scales_inversely() else rates[0])
        return rates

    def _scales_inversely(self) -> bool:
        return self.solver == "sgd" and self.learning_rate == "invscaling"

    def _inverse_rate(self, epochs: int, n: int) -> float:
        """learning_rate_init / (t + 1)^power_t, where t is the number of samples seen after `epochs` more."""
        return float(self.learning_rate_init) / (self.t_ + epochs * n + 1) ** self.power_t

    def _take(self, losses: list[float], n: int) -> None:
        """Record epochs of n rows with these losses."""
        self.loss_curve_ += losses
        self.loss_ = losses[-1]
        self.t_ += n * len(losses)
        if self.verbose:
            for number, loss in enumerate(losses, self.n_iter_ + 1):
                print(f"Iteration {number}, loss = {loss:.8f}")
        self.n_iter_ += len(losses)

    def _count_improvements(self, losses: list[float], score: float | None) -> None:
        """Count epochs whose loss or score does not improve the best by `tol`; keep the best weights.

        With a score, `losses` has a single epoch.
        """
        if score is None:
            count, best, tol = self._no_improvement_count, self.best_loss_, self.tol
            for loss in losses:
                count = count + 1 if loss > best - tol else 0
                best = loss if loss < best else best
            self._no_improvement_count, self.best_loss_ = count, best
            return
        self.validation_scores_.append(score)
        if self.verbose:
            print(f"Validation score: {score:f}")
        better = not score < self.best_validation_score_ + self.tol
        if score > self.best_validation_score_:
            self.best_validation_score_ = score
            self._best = self._trainer.weights(self.coefs_[0].dtype)
        self._no_improvement_count = 0 if better else self._no_improvement_count + 1

    def _stops(self) -> bool:
        """Whether training ends without improvement; "adaptive" first reduces the learning rate."""
        what = "Validation score" if self.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} "
            "consecutive epochs."
        )
        optimizer = self._trainer.optimizer
        if self.solver == "sgd" and self.learning_rate == "adaptive":
            rate = self._trainer.rate
            if rate > _SMALLEST_RATE:
                optimizer.learning_rate = rate / 5.0
                if self.verbose:
                    print(f"{message} Setting learning rate to {rate / 5.0:f}")
                return False
            message += " Learning rate too small."
        if self.verbose:
            print(f"{message} Stopping.")
        return True
