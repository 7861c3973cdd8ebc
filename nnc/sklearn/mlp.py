"""MLPClassifier and MLPRegressor: scikit-learn's, trained in the C core."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from scipy.special import xlogy
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import unique_labels

from nnc.sklearn.checking import check_numbers, checked_pair
from nnc.sklearn.epochs import Scored
from nnc.sklearn.estimators import Classifier, binarizer
from nnc.sklearn.network import outputs_of
from nnc.sklearn.perceptron import MLP
from nnc.sklearn.rows import Rows


class MLPClassifier(Classifier, MLP):
    """A classifier with scikit-learn's parameters, methods and attributes, trained in nnc's core.

    Training minimizes the mean log-loss of the rows, plus alpha / (2 S) sum W^2 in each batch, where S is the
    sum of its sample weights. Initial weights and shuffles are those of scikit-learn for the same
    `random_state`. sgd and adam compute in float32, lbfgs and predictions in the precision of X.

    Parameters
    ----------
    hidden_layer_sizes : int or list of int
        The units of the hidden layers.
    activation : str or list of str
        The activation of the hidden layers, one name or one for each: "identity", "logistic", "tanh", "relu",
        or another of `nnc.activations.names`.
    solver : {"adam", "sgd", "lbfgs"}
    alpha : float
        The strength of the L2 penalty on the weights W, not the biases.
    batch_size : int or "auto"
        Rows per step; "auto" is min(200, n).
    learning_rate : {"constant", "invscaling", "adaptive"}
        The schedule of sgd: learning_rate_init; learning_rate_init / (t + 1)^power_t after each epoch, where
        t is the number of samples seen; or divided by 5 when training would end, down to 1e-6.
    learning_rate_init, power_t : float
    max_iter : int
        The maximum number of epochs, or of iterations of lbfgs.
    shuffle : bool
        Whether to shuffle the rows in each epoch.
    random_state : int, RandomState or None
        The seed of the initial weights, the validation split and the shuffles.
    tol, n_iter_no_change : float, int or inf
        Training ends after more than `n_iter_no_change` consecutive epochs that do not improve the best loss
        or score by `tol`; lbfgs ends when the gradient is below `tol`.
    verbose : bool or int
        Whether to print each epoch.
    warm_start : bool
        Whether `fit` continues from the weights of the previous call.
    momentum, nesterovs_momentum : float, bool
        Parameters of sgd.
    early_stopping, validation_fraction : bool, float
        Whether the score on a fraction of the rows decides when training ends; the best weights are kept.
    beta_1, beta_2, epsilon : float
        Parameters of adam.
    max_fun : int
        The maximum number of loss evaluations by lbfgs.
    dropout : float
        The fraction of each hidden layer's outputs that a step drops, in [0, 1).
    batch_norm : bool
        Whether to apply batch normalization before the activation of each hidden layer.
    class_weight : dict, "balanced" or None
        Factors for the sample weights, by class.
    l1 : float
        The strength of the penalty l1 / S sum |W|.
    callbacks : Callback or list of Callback, optional
        See `nnc.callbacks`; the logs of an epoch contain "loss" and, with early stopping, "val_score".
    n_threads : int, optional
        The number of threads for training; None: as many as the machine allows.
    standardize : bool
        Whether to subtract each feature's mean and divide by its standard deviation, both computed from the
        first data fitted.

    Attributes
    ----------
    classes_ : ndarray or list
    coefs_, intercepts_ : list of ndarray
        Kernels (in, out) and biases (out,) in X's dtype. Values set by the caller are used by the next
        `partial_fit` or `predict`.
    loss_, n_iter_, t_ : float, int, int
        The last loss; the epochs of the last `fit`; the samples seen.
    loss_curve_, best_loss_, validation_scores_, best_validation_score_
        For sgd and adam: the loss by epoch and, with early stopping, the accuracy. Without early stopping the
        last two are None; with it, `best_loss_` is.
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
    scikit-learn: MLPClassifier, whose documentation describes each parameter in more detail.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MLP._parameter_constraints,
        **Classifier.CLASS_WEIGHT,
    }
    loss: ClassVar[str] = "log_loss"  # an attribute of scikit-learn's, too, but not a parameter

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
        X, y = checked_pair(self, X, y, reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = binarizer(y)
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
        """int32 ids (n,) for more than two classes; else bool (n, O): one column, or one per label."""
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
        """The accuracy on the validation rows."""
        ids = rows.targets.ndim == 1
        right = logits.argmax(axis=1) == rows.targets if ids else ((logits > 0) == rows.targets).all(axis=1)
        return float(np.average(right, weights=rows.sample_weight))

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Train for one epoch on X and y, starting from the current weights.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        y : array-like (n,) or (n, n_labels)
        sample_weight : array-like (n,), optional
        classes : array-like, optional
            All classes that occur in any call; required in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If `classes` is missing in the first call or differs later, or y has other classes.

        Examples
        --------
        >>> from nnc.sklearn import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = MLPClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
        >>> len(model.partial_fit(X, y).loss_curve_)
        2
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit, which does not see all rows: pass "
                "the weights from compute_class_weight as a dict"
            )
        self._learn_given_classes(y, classes)
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The classes of X, (n,) or label indicators (n, n_labels).

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray

        Examples
        --------
        >>> from nnc.sklearn import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = MLPClassifier(solver="lbfgs", random_state=0).fit(X, y)
        >>> model.predict([[0.5], [2.5]]).tolist()
        [0, 1]
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

        Returns
        -------
        ndarray

        Examples
        --------
        >>> from nnc.sklearn import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = MLPClassifier(solver="lbfgs", random_state=0).fit(X, y)
        >>> model.predict_proba([[0.5], [2.5]]).round(1).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithms of `predict_proba`.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray

        Examples
        --------
        >>> from nnc.sklearn import MLPClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = MLPClassifier(solver="lbfgs", random_state=0).fit(X, y)
        >>> model.predict_log_proba([[0.5], [2.5]]).argmax(axis=1).tolist()
        [0, 1]
        """
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)


class MLPRegressor(RegressorMixin, MLP):
    """A regressor with scikit-learn's parameters, methods and attributes, trained in nnc's core.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}
        Half the squared error; or half the Poisson deviance of counts y >= 0, with the outputs exp(z).
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, \
    max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, \
    validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun, dropout, batch_norm, l1, \
    callbacks, n_threads, standardize
        As in `MLPClassifier`; the score of early stopping is R^2. `standardize` applies to X, not y.

    Attributes
    ----------
    coefs_, intercepts_, loss_, n_iter_, t_, loss_curve_, best_loss_, validation_scores_, \
    best_validation_score_, n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_
        As in `MLPClassifier`. The reported loss is a mean over the outputs; its gradient is not.

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
        **MLP._parameter_constraints,
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
        X, y = checked_pair(self, X, y, reset)
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        self._check_labels(y)
        return X, y

    def _check_labels(self, y: np.ndarray) -> None:
        check_numbers(y)
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
        """For poisson: the mean of y log y - y over the batches, weighted by their rows."""
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
        """R^2 on the validation rows; NaN if the outputs are not finite."""
        with np.errstate(over="ignore"):
            outputs = outputs_of(self.out_activation_, logits).astype(dtype)
        if not np.isfinite(outputs).all():
            return math.nan
        return float(r2_score(rows.targets, outputs, sample_weight=rows.sample_weight))

    @available_if(lambda estimator: estimator._check_solver())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch on X and y, starting from the current weights.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
        y : array-like (n,) or (n, n_outputs)
        sample_weight : array-like (n,), optional

        Returns
        -------
        self

        Examples
        --------
        >>> from nnc.sklearn import MLPRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
        >>> model = MLPRegressor(random_state=0).partial_fit(X, y)
        >>> len(model.partial_fit(X, y).loss_curve_)
        2
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The predicted values (n,) or (n, n_outputs) for X.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray

        Examples
        --------
        >>> from nnc.sklearn import MLPRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
        >>> model = MLPRegressor(solver="lbfgs", random_state=0).fit(X, y)
        >>> model.predict([[1.5]]).round(1).tolist()
        [1.5]
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
