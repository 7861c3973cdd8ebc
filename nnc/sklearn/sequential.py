"""SequentialClassifier and SequentialRegressor: any `nnc.Sequential` as an estimator."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.base import RegressorMixin, _fit_context, is_classifier
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from nnc import random
from nnc.layers import Activation, Dense, Flatten, Reshape
from nnc.losses import Loss
from nnc.models import Sequential
from nnc.sklearn.checking import FLOATS, check_numbers, checked
from nnc.sklearn.estimators import Classifier, Estimator
from nnc.sklearn.rows import Rows

# Layers that treat the rows of a batch independently of each other and of their order.
_BY_ROW = (Activation, Dense, Flatten, Reshape)


class _SequentialEstimator(Estimator):
    """The base class of the classifier and the regressor."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "model": [callable, Sequential, None],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "model_kwargs": [dict, None],
        "fit_kwargs": [dict, None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_threads": [Interval(Integral, 1, 1024, closed="both"), None],
        "verbose": ["verbose"],
    }

    model: Any
    epochs: Any
    batch_size: Any
    model_kwargs: Any
    fit_kwargs: Any
    warm_start: Any
    random_state: Any
    verbose: Any
    _label_binarizer: Any

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
        """Train on X and y, with a new model unless `warm_start`.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)
            Rows are reshaped to the model's input shape if it has that many features.
        y : array-like (n,) or (n, n_outputs)
        sample_weight : array-like (n,), optional
            The loss of a batch is the weighted mean of its rows; the weights are divided by their mean first.
        X_val, y_val, sample_weight_val : array-like, optional
            Evaluated after each epoch, as "val_loss" etc. in `history_`.

        Returns
        -------
        self

        Examples
        --------
        >>> from nnc.sklearn import SequentialClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = SequentialClassifier(epochs=50, random_state=0).fit(X, y)
        >>> len(model.history_["loss"])
        50
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=False)

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any], *, incremental: bool
    ) -> Any:
        first = not hasattr(self, "model_") or not (self.warm_start or incremental)
        X, y = self._validated(X, y, reset=first)
        self._learn_labels(y, incremental)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        sample_weight = self._with_class_weight(sample_weight, y)
        X = _dense(X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        if first:
            self.model_ = self._new_model(X, y, None if self.random_state is None else seed)
            self.n_iter_ = 0
        targets = self._encoded(y)
        arguments = {"epochs": 1 if incremental else self.epochs, "batch_size": self.batch_size}
        arguments |= {"verbose": int(self.verbose)} | (self.fit_kwargs or {})
        X_val, y_val, sample_weight_val = validation
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: one of them was not provided.")
        if X_val is not None:
            X_val, y_val = self._validated(X_val, y_val, reset=False)
            self._check_labels(y_val)
            held_out: tuple[Any, ...] = (self._shaped(_dense(X_val)), self._encoded(y_val))
            if sample_weight_val is not None:
                held_out += (_check_sample_weight(sample_weight_val, X_val),)
            arguments["validation_data"] = held_out
        rows = Rows(X, targets, sample_weight)
        if arguments["batch_size"] >= rows.n and not arguments.get("validation_split"):
            by_row = all(isinstance(layer, _BY_ROW) for layer in self.model_.flattened_layers.values())
            if by_row and arguments.get("shuffle", True) is True:
                rows = Rows.of(X, targets, sample_weight).merged()  # independent of order and repetitions
        weight = rows.sample_weight
        if weight is not None:
            weight = weight.astype(np.float64) / np.mean(weight, dtype=np.float64)
        with self._threads():
            begun = self.model_.history is not None and not first
            initial = arguments.get("initial_epoch", self.n_iter_ if begun else 0)
            arguments |= {"initial_epoch": initial, "epochs": initial + arguments["epochs"]}
            history = self.model_.fit(self._shaped(rows.x), rows.y, sample_weight=weight, **arguments)
        self.history_ = history.history
        self.n_iter_ = initial + len(history.epoch)
        return self

    # -------------------------------------------------------------------------------------------- the model

    def _new_model(self, X: np.ndarray, y: np.ndarray, seed: int | None) -> Sequential:
        """The model to train: built by the function, or a copy of the given one."""
        given = self.model
        if isinstance(given, Sequential):
            if self.model_kwargs:
                raise ValueError(
                    f"model_kwargs are for a function that builds, got {self.model_kwargs!r} and a model"
                )
            model = copy.deepcopy(given) if seed is None else _redrawn(given, seed)
        else:
            with contextlib.nullcontext() if seed is None else random.seeded(seed):
                model = self._default_model(y) if given is None else self._built(given, X, y)
        if model.loss is None:
            raise ValueError(
                "model must be a compiled nnc.Sequential or a function that returns one: call "
                "model.compile(optimizer, loss=...) first"
            )
        if not model.built:
            model.build((None, *(model.input_shape or X.shape[:2])[1:]))
        self._check_outputs(model)
        return model

    def _built(self, build: Any, X: np.ndarray, y: np.ndarray) -> Sequential:
        """The model that the function returns for the arguments that it takes."""
        own = dict(self.model_kwargs or {})
        offered = {
            "X": X,
            "y": y,
            "n_features": X.shape[1],
            "n_outputs": self._count_outputs(y),
            "params": own,
        }
        named = inspect.signature(build).parameters
        model = build(
            **{name: value for name, value in offered.items() if name in named and name not in own},
            **({} if "params" in named and "params" not in own else own),
        )
        if not isinstance(model, Sequential):
            raise TypeError(f"model must be a function that returns an nnc.Sequential, it returned {model!r}")
        return model

    def _shaped(self, X: np.ndarray) -> np.ndarray:
        shape = (self.model_.input_shape or X.shape[:2])[1:]
        return X.reshape(-1, *shape) if math.prod(shape) == X.shape[1] else X

    def _raw(self, X: Any) -> np.ndarray:
        """The outputs of the model (n, O)."""
        if "model_" not in self.__dict__:
            check_is_fitted(self, "model_")
        outputs = self.model_.predict(self._shaped(_dense(checked(self, X))), verbose=0)
        return outputs.reshape(len(outputs), -1)

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=not is_classifier(self),
            dtype=FLOATS,
            reset=reset,
        )
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _count_outputs(self, y: np.ndarray) -> int:
        """The number of outputs of a model for y."""
        raise NotImplementedError

    def _default_model(self, y: np.ndarray) -> Sequential:
        """A compiled model for y."""
        raise NotImplementedError

    def _check_outputs(self, model: Sequential) -> None:
        """Raise a ValueError if the model's outputs do not match y."""
        raise NotImplementedError

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        """The targets that the model's loss expects: int32 ids (n,), or float32 rows (n, O)."""
        raise NotImplementedError

    def _learn_labels(self, y: np.ndarray, incremental: bool) -> None:
        """Store the classes of y; a regressor has none."""

    def _check_labels(self, y: np.ndarray) -> None:
        """Raise a ValueError if y contains unknown classes."""

    def _with_class_weight(self, sample_weight: Any, y: Any) -> Any:
        return sample_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else X


def _redrawn(model: Sequential, seed: int) -> Sequential:
    """A model with the same layers and the same `compile`, whose weights are drawn from `seed`."""
    layers = [
        Sequential.from_config(layer.get_config(), seed=seed)
        if isinstance(layer, Sequential)
        else type(layer).from_config(layer.get_config())
        for layer in model.layers
    ]
    new = Sequential(layers, name=model.name, seed=seed)
    if model.input_shape is not None:
        new.build(model.input_shape)
    if model.loss is not None and model.optimizer is not None:
        metrics, weighted = copy.deepcopy(model.metrics_by_weight)
        new.compile(
            copy.deepcopy(model.optimizer),
            model.loss,
            metrics=metrics,
            weighted_metrics=weighted,
            backend=model.backend,
        )
    return new


class SequentialClassifier(Classifier, _SequentialEstimator):
    """A classifier based on an `nnc.Sequential`.

    Parameters
    ----------
    model : callable or Sequential, optional
        A function that returns a compiled model, or such a model, of which every `fit` trains a copy. The
        function receives those of the following arguments that it declares: `X` and `y`, the rows and labels
        of `fit`; `n_features`; `n_outputs`, 1 for two classes, else their number; and `model_kwargs`, or all
        of these as one dict if it declares `params`. None: one hidden layer of 100 units with relu.
    epochs, batch_size : int
    model_kwargs : dict, optional
        Additional arguments of the function.
    fit_kwargs : dict, optional
        Additional arguments of `Sequential.fit`, such as callbacks.
    warm_start : bool
        Whether `fit` continues with the model of the previous call.
    random_state : int, RandomState or None
        The seed of the model: every `fit` draws the same initial weights. None: a model keeps its weights and
        its seed.
    class_weight : dict, "balanced" or None
        Factors for the sample weights, by class.
    n_threads : int, optional
        The number of threads for training.
    verbose : int
        As in `Sequential.fit`.

    Attributes
    ----------
    classes_ : ndarray
    model_ : Sequential
        The trained model.
    history_ : dict
        The logs of the last `fit` by epoch.
    n_iter_ : int
        The number of epochs trained.
    n_features_in_, feature_names_in_

    Examples
    --------
    >>> import nnc
    >>> from nnc.sklearn import SequentialClassifier
    >>> from sklearn.datasets import load_iris
    >>> def build(n_features, n_outputs, units=32):
    ...     layers = [nnc.layers.Dense(units, "tanh"), nnc.layers.Dense(n_outputs, "softmax")]
    ...     model = nnc.Sequential([nnc.Input((n_features,)), *layers])
    ...     model.compile(nnc.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    ...     return model
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SequentialClassifier(build, epochs=40, model_kwargs={"units": 16}, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **_SequentialEstimator._parameter_constraints,
        **Classifier.CLASS_WEIGHT,
    }

    def __init__(
        self,
        model: Any = None,
        *,
        epochs: int = 50,
        batch_size: int = 32,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        class_weight: Any = None,
        n_threads: int | None = None,
        verbose: Any = 0,
    ) -> None:
        self._store(locals())

    def _learn_labels(self, y: np.ndarray, incremental: bool) -> None:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_labels(y)

    def _count_outputs(self, y: np.ndarray) -> int:
        return 1 if not self._multilabel and len(self.classes_) <= 2 else len(self.classes_)

    def _default_model(self, y: np.ndarray) -> Sequential:
        n = self._count_outputs(y)
        binary = n == 1 or self._multilabel
        model = Sequential([Dense(100, "relu"), Dense(n, "sigmoid" if binary else "softmax")])
        model.compile("adam", loss="bce" if binary else "sparse_categorical_crossentropy")
        return model

    def _check_outputs(self, model: Sequential) -> None:
        n, known = math.prod((model.output_shape or ())[1:]), len(self.classes_)
        if n != known and not (n == 1 and known <= 2 and not self._multilabel):
            raise ValueError(f"the model has {n} outputs, but y has {known} classes: {self.classes_}")

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        """The targets that the model's loss expects: int32 ids (n,), or float32 rows (n, O)."""
        loss, n = self.model_.loss, math.prod((self.model_.output_shape or ())[1:])
        if self._multilabel:
            return self._label_binarizer.transform(y).astype(np.float32)
        ids = np.searchsorted(self.classes_, y).astype(np.int32)
        if n == 1:
            return ids.astype(np.float32)[:, np.newaxis]
        return ids if loss is None or loss.targets != "rows" else np.eye(n, dtype=np.float32)[ids]

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
        >>> from nnc.sklearn import SequentialClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = SequentialClassifier(epochs=50, random_state=0).fit(X, y)
        >>> model.predict([[-1.0], [4.0]]).tolist()
        [0, 1]
        """
        outputs = self._raw(X)
        if outputs.shape[1] > 1 and not self._multilabel:
            return self.classes_[outputs.argmax(axis=1)]
        logits = self.model_.loss is not None and self.model_.loss.from_logits
        above = (outputs > (0.0 if logits else 0.5)).astype(int)
        if self._multilabel:
            return self._label_binarizer.inverse_transform(above)
        return self.classes_[np.minimum(above[:, 0], len(self.classes_) - 1)]

    def _gives_probabilities(self) -> bool:
        """Whether the loss implies that the outputs are probabilities or logits; a custom loss may."""
        model = self.__dict__.get("model_", self.model)
        loss = model.loss if isinstance(model, Sequential) else None
        if isinstance(loss, Loss) and not loss.rule.endswith("crossentropy"):
            raise AttributeError(f"predict_proba needs a cross-entropy, but the model's loss is {loss!r}")
        return True

    @available_if(lambda estimator: estimator._gives_probabilities())
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
        >>> from nnc.sklearn import SequentialClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = SequentialClassifier(epochs=50, random_state=0).fit(X, y)
        >>> model.predict_proba([[-1.0], [4.0]]).argmax(axis=1).tolist()
        [0, 1]
        """
        outputs = self._raw(X)
        loss = self.model_.loss
        binary = loss is not None and loss.rule == "binary_crossentropy"
        if loss is not None and loss.from_logits:
            from nnc.activations import sigmoid, softmax

            outputs = (sigmoid if binary else softmax)(outputs)
        if outputs.shape[1] == 1:
            return np.hstack([1 - outputs, outputs])[:, : len(self.classes_)]
        if binary and not self._multilabel:  # one independent probability per class
            outputs = outputs / outputs.sum(axis=1, keepdims=True)
        return outputs

    @available_if(lambda estimator: estimator._gives_probabilities())
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
        >>> from nnc.sklearn import SequentialClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = SequentialClassifier(epochs=50, random_state=0).fit(X, y)
        >>> model.predict_log_proba([[-1.0], [4.0]]).argmax(axis=1).tolist()
        [0, 1]
        """
        return np.log(self.predict_proba(X))

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> SequentialClassifier:
        """Train the current model for one epoch on X and y.

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

        Examples
        --------
        >>> from nnc.sklearn import SequentialClassifier
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> model = SequentialClassifier(random_state=0).partial_fit(X, y, classes=[0, 1])
        >>> model.partial_fit(X, y).n_iter_
        2
        """
        self._learn_given_classes(y, classes)
        return self._fit(X, y, sample_weight, (None, None, None), incremental=True)


class SequentialRegressor(RegressorMixin, _SequentialEstimator):
    """A regressor based on an `nnc.Sequential`.

    Parameters
    ----------
    model, epochs, batch_size, model_kwargs, fit_kwargs, warm_start, random_state, n_threads, verbose
        As in `SequentialClassifier`; `n_outputs` is the number of columns of y.

    Attributes
    ----------
    model_, history_, n_iter_, n_features_in_, feature_names_in_
        As in `SequentialClassifier`.

    Examples
    --------
    >>> import nnc
    >>> import numpy as np
    >>> from nnc.sklearn import SequentialRegressor
    >>> model = nnc.Sequential([nnc.Input((1,)), nnc.layers.Dense(1)])
    >>> model.compile(nnc.optimizers.SGD(0.3), loss="mse")
    >>> X = np.linspace(0.0, 1.0, 64).reshape(-1, 1)
    >>> regressor = SequentialRegressor(model, epochs=100, random_state=0).fit(X, 3 * X.ravel() - 1)
    >>> regressor.predict([[2.0]]).round(1).tolist()
    [5.0]
    """

    def __init__(
        self,
        model: Any = None,
        *,
        epochs: int = 50,
        batch_size: int = 32,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        n_threads: int | None = None,
        verbose: Any = 0,
    ) -> None:
        self._store(locals())

    def _count_outputs(self, y: np.ndarray) -> int:
        return 1 if y.ndim == 1 else y.shape[1]

    def _default_model(self, y: np.ndarray) -> Sequential:
        model = Sequential([Dense(100, "relu"), Dense(self._count_outputs(y))])
        model.compile("adam", loss="mse")
        return model

    def _check_outputs(self, model: Sequential) -> None:
        """Nothing to check: `fit` compares the outputs with y."""

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        check_numbers(y)
        return y.reshape(len(y), -1).astype(np.float32)

    def predict(self, X: Any) -> np.ndarray:
        """The predicted values (n,) or (n, n_outputs) for X, float32.

        Parameters
        ----------
        X : array-like or sparse matrix (n, n_features)

        Returns
        -------
        ndarray

        Examples
        --------
        >>> from nnc.sklearn import SequentialRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
        >>> model = SequentialRegressor(epochs=50, random_state=0).fit(X, y)
        >>> model.predict([[1.0], [2.0]]).shape
        (2,)
        """
        outputs = self._raw(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> SequentialRegressor:
        """Train the current model for one epoch on X and y.

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
        >>> from nnc.sklearn import SequentialRegressor
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
        >>> model = SequentialRegressor(random_state=0).partial_fit(X, y)
        >>> model.partial_fit(X, y).n_iter_
        2
        """
        return self._fit(X, y, sample_weight, (None, None, None), incremental=True)
