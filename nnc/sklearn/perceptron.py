"""The common base of MLPClassifier and MLPRegressor: parameters, fitting, lbfgs, predictions."""

from __future__ import annotations

import itertools
import math
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.optimize
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from nnc.callbacks import Callback
from nnc.layers import Dense, Input
from nnc.models import Sequential
from nnc.sklearn.checking import FLOATS, checked, checked_pair
from nnc.sklearn.epochs import Stochastic
from nnc.sklearn.network import EPSILON, NAMES, Normalization, Objective, forward, names_of, outputs_of
from nnc.sklearn.stochastic import network_layers, weights_in_order

_NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
    "preprocessed."
)


class MLP(CallbackSupportMixin, Stochastic):
    """The base class of the classifier and the regressor."""

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
    max_fun: Any
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
        """Train on X and y, from new weights unless `warm_start`.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        y : array-like (n,) or (n, n_outputs)
            Class labels, label indicators, or numbers.
        sample_weight : array-like (n,), optional
        X_val, y_val, sample_weight_val : array-like, optional
            With `early_stopping`, the data to score after each epoch instead of a `validation_fraction` of X.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If an argument is invalid, or the weights have become infinite or NaN.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended the training.

        Examples
        --------
        >>> from nnc.sklearn import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = MLPClassifier(solver="lbfgs", random_state=0).fit(X, y)
        >>> model.score(X, y)
        1.0
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
        if any(size <= 0 for size in sizes):
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
        """Raise a ValueError if parameters cannot be combined."""
        if self.solver == "lbfgs":
            for name in ("dropout", "batch_norm", "l1", "callbacks"):
                if getattr(self, name):
                    raise ValueError(
                        f"{name} needs the solver 'sgd' or 'adam': got {name}={getattr(self, name)!r} "
                        "with solver='lbfgs'"
                    )
        if self.early_stopping and incremental:
            raise ValueError("partial_fit does not support early_stopping=True")

    # --------------------------------------------------------- hooks of the classifier and the regressor

    def _validated(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        """X and y, checked as in scikit-learn, with known labels only."""
        raise NotImplementedError

    def _check_labels(self, y: np.ndarray) -> None:
        """Raise a ValueError if y contains values that cannot be trained on."""
        raise NotImplementedError

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """y for the core: ids (n,) or rows (n, O)."""
        raise NotImplementedError

    def _labels(self, targets: np.ndarray) -> np.ndarray:
        """The inverse of `_targets`: labels or values from targets."""
        raise NotImplementedError

    def _count_outputs(self, targets: np.ndarray) -> int:
        raise NotImplementedError

    def _matrix(self, targets: np.ndarray) -> np.ndarray:
        """The targets as rows (n, O)."""
        raise NotImplementedError

    def _output(self) -> str:
        """A name of `network.outputs_of`."""
        raise NotImplementedError

    def _with_class_weight(self, sample_weight: Any, y: Any) -> Any:
        """The sample weights times the class weights; a regressor has no classes."""
        return sample_weight

    def _given_validation(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> Any:
        """(X, targets, weights) to score after each epoch, as given by the caller, or None."""
        if X_val is None and y_val is None:
            if sample_weight_val is not None:
                raise ValueError("sample_weight_val is provided, but X_val was not provided.")
            return None
        if X_val is None or y_val is None:
            given, other = ("y_val", "X_val") if X_val is None else ("X_val", "y_val")
            raise ValueError(f"{given} is provided, but {other} was not provided.")
        if self.solver == "lbfgs" or not self.early_stopping:
            raise ValueError(
                "X_val and y_val are used by early stopping only: they need early_stopping=True and the "
                f"solver 'sgd' or 'adam', got early_stopping={self.early_stopping!r}, solver={self.solver!r}"
            )
        X_val, y_val = checked_pair(self, X_val, y_val, reset=False)
        y_val = column_or_1d(y_val) if y_val.ndim == 2 and y_val.shape[1] == 1 else y_val
        self._check_labels(y_val)
        if sample_weight_val is not None:
            sample_weight_val = _check_sample_weight(sample_weight_val, X_val)
        targets = self._targets(y_val)
        return X_val, targets, sample_weight_val

    def _standardized(self, X: Any) -> Any:
        """X, standardized with the means and standard deviations of the first data that were fitted."""
        if not self.standardize:
            return X
        scaler = self.scaler_
        if sparse.issparse(X) or scaler.mean_ is None:
            return scaler.transform(X)
        dtype = X.dtype if X.dtype in FLOATS else np.float64
        return ((X - scaler.mean_) / scaler.scale_).astype(dtype, copy=False)

    def _initialize(self, units: list[int], dtype: np.dtype) -> None:
        """Draw initial weights and clear the attributes.

        U(-b, b) with b = sqrt(6 / (in + out)), or sqrt(2 / (in + out)) for logistic layers: kernel, then
        bias, layer by layer, drawn in float64.
        """
        hidden = names_of(self.activation, len(units) - 2)
        if isinstance(self.activation, str):  # without hidden layers it counts for the outputs
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
                Normalization(ones(n, dtype), zeros(n, dtype), zeros(n, dtype), ones(n, dtype), EPSILON)
                for n in units[1:-1]
            ]
        if self.solver != "lbfgs":
            self.loss_curve_: list[float] = []
            self._begin_scores()

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
        """The network as an `nnc.Sequential`, to be saved, served or inspected.

        Its outputs are those of `predict_proba` (with one column for two classes) or `predict`; its inputs
        are not standardized.

        Returns
        -------
        Sequential

        Raises
        ------
        ValueError
            If loss="poisson", whose output activation exp is not available in nnc's layers.

        Examples
        --------
        >>> from nnc.sklearn import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = MLPClassifier((4,), solver="lbfgs", random_state=0).fit(X, y)
        >>> model.to_sequential().output_shape
        (None, 1)
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
