"""MLPClassifier and MLPRegressor: scikit-learn's, trained in the C core."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.optimize
from scipy import sparse
from scipy.special import xlogy
from sklearn.base import RegressorMixin, _fit_context, is_classifier
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from nnc.callbacks import Callback
from nnc.layers import Dense, Input
from nnc.models import Sequential
from nnc.models.interrupts import Interrupts
from nnc.optimizers import SGD, Adam, Optimizer
from nnc.sklearn.checking import FLOATS, checked
from nnc.sklearn.estimators import Classifier, Estimator
from nnc.sklearn.network import NAMES, Normalization, Objective, forward, names_of, outputs_of
from nnc.sklearn.rows import Rows
from nnc.sklearn.stochastic import Trainer, network_layers, weights_in_order
from nnc.sklearn.watching import Watchers

_NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)
_SMALLEST_RATE = 1e-6  # where learning_rate="adaptive" ends


class Scored(NamedTuple):
    """What early stopping scores: x (n, F) for the core, targets and weights as the caller gave them."""

    x: Any
    targets: np.ndarray
    sample_weight: np.ndarray | None


class _MLP(CallbackSupportMixin, Estimator):
    """What the classifier and the regressor share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(NAMES)), "array-like"],
        "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "batch_norm": ["boolean"],
        "l1": [Interval(Real, 0, None, closed="left")],
        "callbacks": [Callback, list, tuple, None],
        "n_threads": [Interval(Integral, 1, 1024, closed="both"), None],
        "standardize": ["boolean"],
    }

    hidden_layer_sizes: Any
    activation: Any
    solver: Any
    alpha: Any
    batch_size: Any
    learning_rate: Any
    learning_rate_init: Any
    power_t: Any
    max_iter: Any
    shuffle: Any
    random_state: Any
    tol: Any
    verbose: Any
    warm_start: Any
    momentum: Any
    nesterovs_momentum: Any
    early_stopping: Any
    validation_fraction: Any
    beta_1: Any
    beta_2: Any
    epsilon: Any
    n_iter_no_change: Any
    max_fun: Any
    dropout: Any
    batch_norm: Any
    l1: Any
    callbacks: Any
    standardize: Any
    scaler_: Any
    _label_binarizer: Any

    # ------------------------------------------------------------------------------------------------ fitting

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:
        """Train on X and y, anew unless `warm_start`.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        y : array-like (n,) or (n, n_outputs)
            Class labels, label indicators, or numbers.
        sample_weight : array-like (n,), optional
        X_val, y_val, sample_weight_val : array-like, optional
            With `early_stopping`: what to score behind each epoch, in place of a `validation_fraction` of X.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument does not fit, or the weights have become infinite or NaN.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended the training.
        """
        validation = (X_val, y_val, sample_weight_val)
        with self._threads():
            return self._fit(X, y, sample_weight, incremental=False, validation=validation)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Any:
        with self._threads():
            return self._fit(X, y, sample_weight, incremental=True, validation=(None, None, None))

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if np.any(np.array(sizes) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return sizes

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, incremental: bool, validation: tuple[Any, Any, Any]
    ) -> Any:
        sizes = self._hidden_sizes()
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        self._check_extras(incremental)
        X, y = self._validated(X, y, incremental, first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        sample_weight = self._with_class_weight(sample_weight, y)
        held_out = self._given_validation(*validation)
        targets = self._targets(y)
        self.n_outputs_ = self._count_outputs(targets)
        if self.standardize:
            if first:
                self.scaler_ = StandardScaler(with_mean=not sparse.issparse(X)).fit(X, None, sample_weight)
            X = self._standardized(X)
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize([X.shape[1], *sizes, self.n_outputs_], X.dtype)
        if self.solver == "lbfgs":
            self._fit_lbfgs(X, targets, sample_weight)
        else:
            self._fit_stochastic(X, targets, sample_weight, held_out, incremental)
        weights = (*self.coefs_, *self.intercepts_)
        if not all(math.isfinite(np.add.reduce(w, axis=None)) or np.isfinite(w).all() for w in weights):
            raise ValueError(_NOT_FINITE)
        return self

    def _check_extras(self, incremental: bool) -> None:
        """Raise a ValueError where parameters do not go together."""
        if self.solver == "lbfgs":
            for name in ("dropout", "batch_norm", "l1", "callbacks"):
                if getattr(self, name):
                    raise ValueError(
                        f"{name} needs the solver 'sgd' or 'adam': got {name}={getattr(self, name)!r} "
                        "with solver='lbfgs'"
                    )
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")

    # ------------------------------------------------------------------------- what the two differ in

    def _validated(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        """X and y as scikit-learn checks them, of labels that are known."""
        raise NotImplementedError

    def _check_labels(self, y: np.ndarray) -> None:
        """Raise a ValueError where y has values that cannot be learned."""
        raise NotImplementedError

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """y for the core: ids (n,) or rows (n, O)."""
        raise NotImplementedError

    def _labels(self, targets: np.ndarray) -> np.ndarray:
        """The y that `_targets` made these of."""
        raise NotImplementedError

    def _count_outputs(self, targets: np.ndarray) -> int:
        raise NotImplementedError

    def _matrix(self, targets: np.ndarray) -> np.ndarray:
        """The targets as rows (n, O)."""
        raise NotImplementedError

    def _loss(self) -> str:
        """A name of `stochastic.loss_spec`."""
        raise NotImplementedError

    def _output(self) -> str:
        """A name of `network.outputs_of`."""
        raise NotImplementedError

    def _score(self, logits: np.ndarray, rows: Scored, dtype: np.dtype) -> float:
        """What early stopping goes by; large is good."""
        raise NotImplementedError

    def _with_class_weight(self, sample_weight: Any, y: Any) -> Any:
        """The weights of the rows times those of their classes; a regressor has no classes."""
        return sample_weight

    def _given_validation(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> Any:
        """(X, targets, weights) to score behind each epoch, as the caller gave them; None without."""
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError("sample_weight_val is provided, but X_val was not provided.")
            return None
        if X_val is None or y_val is None:
            given, other = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
            raise ValueError(f"{given} is provided, but {other} was not provided.")
        if self.solver == "lbfgs" or not self.early_stopping:
            raise ValueError(
                "X_val and y_val are what early stopping scores: they need early_stopping=True and the "
                f"solver 'sgd' or 'adam', got early_stopping={self.early_stopping!r}, solver={self.solver!r}"
            )
        X_val, y_val = validate_data(
            self,
            X_val,
            y_val,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=not is_classifier(self),
            dtype=FLOATS,
            reset=False,
        )
        y_val = column_or_1d(y_val) if y_val.ndim == 2 and y_val.shape[1] == 1 else y_val
        self._check_labels(y_val)
        if sample_weight_val is not None:
            sample_weight_val = _check_sample_weight(sample_weight_val, X_val)
        targets = self._targets(y_val)
        return X_val, targets, sample_weight_val

    def _standardized(self, X: Any) -> Any:
        """X by the means and deviations of the first data that were fitted."""
        if not self.standardize:
            return X
        scaler = self.scaler_
        if sparse.issparse(X) or scaler.mean_ is None:
            return scaler.transform(X)
        dtype = X.dtype if X.dtype in FLOATS else np.float64
        return ((X - scaler.mean_) / scaler.scale_).astype(dtype, copy=False)

    def _initialize(self, units: list[int], dtype: np.dtype) -> None:
        """First weights and empty attributes.

        U(-b, b) with b = sqrt(6 / (in + out)), and of logistic layers sqrt(2 / (in + out)): kernel, then
        bias, layer by layer, drawn in float64.
        """
        hidden = names_of(self.activation, len(units) - 2)
        if isinstance(self.activation, str):  # of the outputs, too, where there is no hidden layer
            hidden = hidden or names_of(self.activation, 1)
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self._output()
        self.coefs_, self.intercepts_ = [], []
        for i in range(len(units) - 1):
            of = hidden[min(i, len(hidden) - 1)] if hidden else ""
            bound = math.sqrt((2.0 if of == "sigmoid" else 6.0) / (units[i] + units[i + 1]))
            kernel = self._random_state.uniform(-bound, bound, (units[i], units[i + 1]))
            bias = self._random_state.uniform(-bound, bound, units[i + 1])
            self.coefs_.append(kernel.astype(dtype, copy=False))
            self.intercepts_.append(bias.astype(dtype, copy=False))
        self._normalizations = []
        if self.batch_norm:
            ones, zeros = np.ones, np.zeros
            self._normalizations = [
                Normalization(ones(n, dtype), zeros(n, dtype), zeros(n, dtype), ones(n, dtype), 1e-3)
                for n in units[1:-1]
            ]
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []
            self._begin_scores()

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

    # ------------------------------------------------------------------------------------------------- lbfgs

    def _fit_lbfgs(self, X: Any, targets: np.ndarray, sample_weight: np.ndarray | None) -> None:
        units = [self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_)]
        objective = Objective(
            X,
            self._matrix(targets),
            sample_weight,
            units,
            names_of(self.activation, len(units) - 2),
            self._loss(),
            self.out_activation_,
            self.alpha,
        )

        numbers = itertools.count(1)

        def tell(intermediate_result: Any) -> None:
            print(f"Iteration {next(numbers)}, loss = {intermediate_result.fun:.8f}")

        found = scipy.optimize.minimize(
            objective,
            objective.pack(self.coefs_, self.intercepts_),
            method="L-BFGS-B",
            jac=True,
            callback=tell if self.verbose else None,
            options={"maxfun": self.max_fun, "maxiter": self.max_iter, "gtol": self.tol},
        )
        self.n_iter_ = _check_optimize_result("lbfgs", found, self.max_iter)
        self.loss_ = found.fun
        self.coefs_, self.intercepts_ = objective.unpack(found.x)

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

    def _new_trainer(self) -> Trainer:
        units = [self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_)]
        seed = int(self._random_state.randint(2**31 - 1)) if self.dropout else 0
        return Trainer(
            units,
            names_of(self.activation, len(units) - 2),
            self._loss(),
            self._new_optimizer(),
            float(self.alpha),
            float(self.l1),
            float(self.dropout),
            bool(self.batch_norm),
            seed,
        )

    def _split(
        self, X: Any, targets: np.ndarray, sample_weight: np.ndarray | None
    ) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        """Training and validation rows, stratified by the classes where a classifier has one output."""
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
        if self.early_stopping and self.validation_scores_ is None:
            self._begin_scores()
        dtype = X.dtype
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
        """Epochs until `max_iter`, or until the loss or the score has not become better for long."""
        trainer, n = self._trainer, rows.n
        # All rows at once: their order does not matter then.
        whole = batch_size == n and not (self.dropout or self.batch_norm)
        data = rows.merged() if whole else rows
        whole = data is not rows
        orders = self._orders(n, whole and isinstance(self.random_state, Integral))
        self.n_iter_ = 0
        while self.n_iter_ < self.max_iter:
            single = incremental or scored is not None or watchers.any
            count = 1 if single else trainer.ahead(data, self._epochs_before_a_stop())
            drawn = np.array([next(orders) for _ in range(count)], np.int64)
            rates = self._rates(count, n)
            watchers.begin()
            losses = trainer.train(
                data,
                drawn[:, :0] if whole else drawn,
                min(batch_size, data.n),
                rates,
                interrupts,
            )
            self._refuse_empty_batches(losses, data, drawn[-1], batch_size)
            for loss, order in zip(losses, drawn, strict=True):
                self._end_epoch(loss + self._loss_constant(rows, order, batch_size), n)
                score = None if scored is None else self._score(trainer.logits(scored.x), scored, dtype)
                self._count_improvements(score)
                self._set_rate(n)
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

    def _epochs_before_a_stop(self) -> int:
        """How many epochs there are for certain: the training can end behind the last of them."""
        left = self.max_iter - self.n_iter_
        patience = self.n_iter_no_change + 1 - self._no_improvement_count
        return max(1, int(min(left, patience)))

    def _orders(self, n: int, unused: bool) -> Iterator[np.ndarray]:
        """The rows' order of each epoch: each shuffles the one before, by scikit-learn's random numbers."""
        order = np.arange(n)
        if unused or not self.shuffle:
            while True:
                yield order[:0]
        while True:
            shuffled = np.arange(n)
            self._random_state.shuffle(shuffled)
            order = order[shuffled]
            yield order

    def _refuse_empty_batches(
        self, losses: list[float], rows: Rows, order: np.ndarray, batch_size: int
    ) -> None:
        """Raise a ZeroDivisionError if it was a batch without weight that has no loss."""
        if rows.sample_weight is None or math.isfinite(losses[-1]):
            return
        weights = rows.sample_weight[order] if len(order) else rows.sample_weight
        sums = np.add.reduceat(weights, np.arange(0, len(weights), batch_size))
        if not sums.all():
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")

    def _loss_constant(self, rows: Rows, order: np.ndarray, batch_size: int) -> float:
        """What the core leaves out of an epoch's loss, as it does not depend on the weights."""
        return 0.0

    # -------------------------------------------------------------------------------- what follows an epoch

    def _rates(self, count: int, n: int) -> list[float]:
        """The learning rates of the next epochs."""
        rates = [self._trainer.rate]
        while len(rates) < count:
            rates.append(self._inverse_rate(len(rates), n) if self._scales_inversely() else rates[0])
        return rates

    def _scales_inversely(self) -> bool:
        return self.solver == "sgd" and self.learning_rate == "invscaling"

    def _inverse_rate(self, epochs: int, n: int) -> float:
        """learning_rate_init / (t + 1)^power_t, t being the samples seen `epochs` from now."""
        return float(self.learning_rate_init) / (self.t_ + epochs * n + 1) ** self.power_t

    def _set_rate(self, n: int) -> None:
        if self._scales_inversely():
            self._trainer.optimizer.learning_rate = self._inverse_rate(0, n)

    def _end_epoch(self, loss: float, n: int) -> None:
        self.n_iter_ += 1
        self.loss_ = loss
        self.t_ += n
        self.loss_curve_.append(loss)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")

    def _count_improvements(self, score: float | None) -> None:
        """Count an epoch whose loss or score is not better by `tol` than the best; keep the best weights."""
        if score is None:
            better = not self.loss_ > self.best_loss_ - self.tol
            self.best_loss_ = self.loss_ if self.loss_ < self.best_loss_ else self.best_loss_
        else:
            self.validation_scores_.append(score)
            if self.verbose:
                print(f"Validation score: {score:f}")
            better = not score < self.best_validation_score_ + self.tol
            if score > self.best_validation_score_:
                self.best_validation_score_ = score
                self._best = self._trainer.weights(self.coefs_[0].dtype)
        self._no_improvement_count = 0 if better else self._no_improvement_count + 1

    def _stops(self) -> bool:
        """Whether the training ends, as it has not become better; "adaptive" first makes smaller steps."""
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

    # --------------------------------------------------------------------------------------------- predicting

    def _outputs(self, X: Any) -> np.ndarray:
        """The outputs (n, n_outputs_), in the precision of X and the weights."""
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)
        X = checked(self, X)
        hidden = names_of(self.activation, len(self.coefs_) - 1)
        z = forward(self._standardized(X), self.coefs_, self.intercepts_, hidden, self._normalizations_now())
        return outputs_of(self.out_activation_, z)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def to_sequential(self) -> Sequential:
        """The network as a `nnc.Sequential`, to be saved, served or looked into.

        Its outputs are those of `predict_proba` (with one column for two classes) or `predict`, from inputs
        that are not standardized yet.

        Returns
        -------
        Sequential

        Raises
        ------
        ValueError
            With loss="poisson", whose output exp is no activation of nnc's layers.
        """
        check_is_fitted(self)
        outputs = {"logistic": "sigmoid", "softmax": "softmax", "identity": None}
        if self.out_activation_ not in outputs:
            raise ValueError(
                f"to_sequential has no layer for the output activation {self.out_activation_!r}; there are "
                f"{', '.join(outputs)}"
            )
        units = [self.coefs_[0].shape[0], *(w.shape[1] for w in self.coefs_)]
        hidden = names_of(self.activation, len(units) - 2)
        layers = network_layers(units, hidden, 0.0, 0.0, float(self.dropout), bool(self.batch_norm))
        layers[-1] = Dense(units[-1], outputs[self.out_activation_])
        model = Sequential([Input((units[0],)), *layers], seed=0)
        coefs, intercepts = list(self.coefs_), list(self.intercepts_)
        if self.standardize:
            scale = self.scaler_.scale_[:, np.newaxis]
            if self.scaler_.mean_ is not None:
                intercepts[0] = intercepts[0] - (self.scaler_.mean_ / self.scaler_.scale_) @ coefs[0]
            coefs[0] = coefs[0] / scale
        model.set_weights(weights_in_order(coefs, intercepts, self._normalizations_now()))
        return model


class MLPClassifier(Classifier, _MLP):
    """A classifier with scikit-learn's parameters, methods and attributes, trained in nnc's core.

    The mean over the rows of the log-loss is made small, plus alpha / (2 S) sum W^2 in each batch, S being
    the sum of its weights. First weights and shuffles are scikit-learn's for the same `random_state`. sgd and
    adam compute in float32, lbfgs and predictions in the precision of X.

    Parameters
    ----------
    hidden_layer_sizes : int or list of int
        The units of the hidden layers.
    activation : str or list of str
        Of the hidden layers, one name or one for each: "identity", "logistic", "tanh", "relu", or another of
        `nnc.activations.names`.
    solver : {"adam", "sgd", "lbfgs"}
    alpha : float
        Of the penalty on the weights W, not the biases.
    batch_size : int or "auto"
        Rows of a step; "auto" is min(200, n).
    learning_rate : {"constant", "invscaling", "adaptive"}
        Of sgd: learning_rate_init; that by (t + 1)^power_t behind each epoch, t being the samples seen; or
        divided by 5 where training would end, down to 1e-6.
    learning_rate_init, power_t : float
    max_iter : int
        Epochs, or iterations of lbfgs.
    shuffle : bool
        Whether the rows of each epoch have an order of their own.
    random_state : int, RandomState or None
        Of the first weights, the validation split, the shuffles.
    tol, n_iter_no_change : float, int or inf
        Training ends behind more than `n_iter_no_change` epochs in a row that are not better by `tol` than
        the best before; lbfgs where the gradient is below `tol`.
    verbose : bool or int
        Whether to print each epoch.
    warm_start : bool
        Whether `fit` goes on from the weights of the last one.
    momentum, nesterovs_momentum : float, bool
        Of sgd.
    early_stopping, validation_fraction : bool, float
        Whether the score of a part of the rows says when training ends; the weights of the best are kept.
    beta_1, beta_2, epsilon : float
        Of adam.
    max_fun : int
        The most evaluations of the loss by lbfgs.
    dropout : float
        The part of each hidden layer's outputs that a step leaves out, in [0, 1).
    batch_norm : bool
        Whether each hidden layer's products are normalized by the batch before the activation.
    class_weight : dict, "balanced" or None
        Multiplies the weights of the rows of each class.
    l1 : float
        Of the penalty l1 / S sum |W|.
    callbacks : Callback or list of Callback, optional
        See `nnc.callbacks`; the logs of an epoch have "loss" and, with early stopping, "val_score".
    n_threads : int, optional
        Of the training; None: as many as the machine allows.
    standardize : bool
        Whether to subtract each feature's mean and divide by its deviation, those of the first data fitted.

    Attributes
    ----------
    classes_ : ndarray or list
    coefs_, intercepts_ : list of ndarray
        Kernels (in, out) and biases (out,) of X's dtype. What is set by hand is what the next `partial_fit`
        or `predict` uses.
    loss_, n_iter_, t_ : float, int, int
        The last loss; epochs of the last `fit`; samples seen.
    loss_curve_, best_loss_, validation_scores_, best_validation_score_
        Of sgd and adam: by epoch, the loss and with early stopping the accuracy; else the last two are None,
        as `best_loss_` is with it.
    n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_

    Examples
    --------
    >>> import numpy as np
    >>> from nnc.sklearn import MLPClassifier
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> y = np.where(X[:, 0] + X[:, 1] > 0, "above", "below")
    >>> model = MLPClassifier(max_iter=50, tol=0, n_iter_no_change=np.inf, random_state=0)
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):  # it has not converged in 50 epochs
    ...     model = model.fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    >>> model.predict([[1.0, 1.0, 0.0, 0.0]]).tolist()
    ['above']

    References
    ----------
    scikit-learn: MLPClassifier, whose documentation says more of each parameter.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_MLP._parameter_constraints,
        **Classifier.CLASS_WEIGHT,
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        batch_norm: bool = False,
        class_weight: Any = None,
        l1: float = 0.0,
        callbacks: Any = None,
        n_threads: int | None = None,
        standardize: bool = False,
    ) -> None:
        self._store(locals())

    def _loss(self) -> str:
        return "log_loss" if self.out_activation_ == "softmax" else "binary_log_loss"

    def _output(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _validated(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=FLOATS,
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif self.warm_start:
            classes = unique_labels(y)
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to "
                    f"fit. Previously got {self.classes_}, `y` has {classes}"
                )
        else:
            self._check_labels(y)
        return X, y

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """int32 ids (n,) of several classes; else bool (n, O), a column for two classes or one per label."""
        kind, classes = self._label_binarizer.y_type_, self.classes_
        if kind == "multiclass":
            return np.searchsorted(classes, y).astype(np.int32)
        if kind == "binary":
            positive = y == classes[1] if len(classes) == 2 else np.zeros(len(y), bool)
            return np.asarray(positive)[:, np.newaxis]
        return self._label_binarizer.transform(y).astype(bool)

    def _labels(self, targets: np.ndarray) -> np.ndarray:
        """The labels that `_targets` made these of."""
        if targets.ndim == 1:
            return self.classes_[targets]
        if self._label_binarizer.y_type_ == "binary":
            return self.classes_[np.minimum(targets[:, 0].astype(int), len(self.classes_) - 1)]
        return targets.astype(int)

    def _count_outputs(self, targets: np.ndarray) -> int:
        return len(self.classes_) if targets.ndim == 1 else targets.shape[1]

    def _matrix(self, targets: np.ndarray) -> np.ndarray:
        """The targets as rows of 0 and 1."""
        return targets if targets.ndim == 2 else np.eye(self.n_outputs_, dtype=bool)[targets]

    def _score(self, logits: np.ndarray, rows: Scored, dtype: np.dtype) -> float:
        """The accuracy of the validation rows."""
        ids = rows.targets.ndim == 1
        right = logits.argmax(axis=1) == rows.targets if ids else ((logits > 0) == rows.targets).all(axis=1)
        return float(np.average(right, weights=rows.sample_weight))

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """One epoch over X and y, from the weights that are there.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        y : array-like (n,) or (n, n_labels)
        sample_weight : array-like (n,), optional
        classes : array-like, optional
            All classes of all calls; the first call needs them.

        Returns
        -------
        self
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which does not see all rows: pass "
                "the weights that compute_class_weight gives as a dict"
            )
        self._learn_given_classes(y, classes)
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The classes of X, (n,) or label indicators (n, n_labels).

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        """
        outputs = self._outputs(X)
        kind = self._label_binarizer.y_type_
        if kind == "multiclass":
            return self.classes_[outputs.argmax(axis=1)]
        if kind == "binary" and len(self.classes_) == 2:
            return self.classes_[(outputs[:, 0] > 0.5).view(np.int8)]
        if self.n_outputs_ == 1:
            outputs = outputs.ravel()
        return self._label_binarizer.inverse_transform(outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probabilities (n, n_classes) of the classes, or of each label.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        """
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of `predict_proba`.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        """
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)


class MLPRegressor(RegressorMixin, _MLP):
    """A regressor with scikit-learn's parameters, methods and attributes, trained in nnc's core.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        Half the squared error; or half the Poisson deviance of counts y >= 0, with the outputs exp(z).
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, \
    max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, \
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun, dropout, batch_norm, l1, \
    callbacks, n_threads, standardize
        As in `MLPClassifier`; the score of early stopping is R^2. `standardize` is about X, not y.

    Attributes
    ----------
    coefs_, intercepts_, loss_, n_iter_, t_, loss_curve_, best_loss_, validation_scores_, \
    best_validation_score_, n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_
        As in `MLPClassifier`. The loss that is reported is a mean over the outputs; its gradient is not.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc.sklearn import MLPRegressor
    >>> X = np.linspace(-1.0, 1.0, 200).reshape(-1, 1)
    >>> model = MLPRegressor(activation="tanh", solver="lbfgs", random_state=0).fit(X, np.sin(3 * X.ravel()))
    >>> model.score(X, np.sin(3 * X.ravel())) > 0.99
    True

    References
    ----------
    scikit-learn: MLPRegressor.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_MLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson"})],
    }
    loss: str

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        batch_norm: bool = False,
        l1: float = 0.0,
        callbacks: Any = None,
        n_threads: int | None = None,
        standardize: bool = False,
    ) -> None:
        self._store(locals())

    def _loss(self) -> str:
        return self.loss

    def _output(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _validated(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=FLOATS,
            reset=reset,
        )
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        self._check_labels(y)
        return X, y

    def _check_labels(self, y: np.ndarray) -> None:
        if self.loss == "poisson" and np.min(y) < 0:
            raise ValueError(f"y must be at least 0 with loss='poisson', got {np.min(y)}")

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return y.reshape(len(y), -1)

    def _labels(self, targets: np.ndarray) -> np.ndarray:
        return targets.ravel() if targets.shape[1] == 1 else targets

    def _count_outputs(self, targets: np.ndarray) -> int:
        return targets.shape[1]

    def _matrix(self, targets: np.ndarray) -> np.ndarray:
        return targets

    def _loss_constant(self, rows: Rows, order: np.ndarray, batch_size: int) -> float:
        """Of poisson: the mean over the batches, by their rows, of that of y log y - y."""
        if self.loss != "poisson":
            return 0.0
        y = rows.y.astype(np.float64)
        constants = (xlogy(y, y) - y).sum(axis=1)
        if rows.sample_weight is None:
            return float(constants.mean())
        order = order if len(order) else np.arange(rows.n)
        weights, starts = rows.sample_weight[order].astype(np.float64), np.arange(0, rows.n, batch_size)
        sums = [np.add.reduceat(array, starts) for array in (weights * constants[order], weights)]
        sizes = np.diff(starts, append=rows.n)
        return float((sizes * sums[0] / sums[1]).sum() / rows.n)

    def _score(self, logits: np.ndarray, rows: Scored, dtype: np.dtype) -> float:
        """R^2 of the validation rows; NaN once the outputs are not finite."""
        with np.errstate(over="ignore"):
            outputs = outputs_of(self.out_activation_, logits).astype(dtype)
        if not np.isfinite(outputs).all():
            return math.nan
        return float(r2_score(rows.targets, outputs, sample_weight=rows.sample_weight))

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """One epoch over X and y, from the weights that are there.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        y : array-like (n,) or (n, n_outputs)
        sample_weight : array-like (n,), optional

        Returns
        -------
        self
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The values (n,), or (n, n_outputs), of X.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
