"""Base classes: of all estimators, and of the classifiers."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_class_weight, compute_sample_weight
from sklearn.utils._param_validation import StrOptions, make_constraint
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from nnc._machine import threads


class Estimator(BaseEstimator):
    """The constructor's arguments, and the threads of the training."""

    n_threads: Any

    def _store(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments, unchecked, as attributes."""
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _validate_params(self) -> None:
        """scikit-learn's check, skipped if all parameters are known to pass it."""
        cls: Any = type(self)
        for name, default, constraints in _constraints(cls):
            value = getattr(self, name)
            if value is not default and not any(c.is_satisfied_by(value) for c in constraints):
                super()._validate_params()
                return

    def _threads(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.n_threads is None else threads(self.n_threads)


@functools.cache
def _constraints(cls: Any) -> list[tuple[str, Any, list[Any]]]:
    """The name of each parameter, its default, which is valid, and the other valid values."""
    parameters = inspect.signature(cls).parameters
    return [
        (name, parameters[name].default, [make_constraint(c) for c in constraints])
        for name, constraints in cls._parameter_constraints.items()
        if name in parameters
    ]


def binarizer(y: np.ndarray) -> LabelBinarizer:
    """``LabelBinarizer().fit(y)``, but faster for y (n,) of integers or booleans."""
    labels = LabelBinarizer()
    if type(y) is not np.ndarray or y.ndim != 1 or y.dtype.kind not in "iub" or not len(y):
        return labels.fit(y)
    labels.classes_ = np.unique(y)
    labels.y_type_ = "binary" if len(labels.classes_) <= 2 else "multiclass"
    labels.sparse_input_ = False
    return labels


class Classifier(ClassifierMixin):
    """Class labels, in `classes_` and a LabelBinarizer, and class weights."""

    CLASS_WEIGHT: ClassVar[dict[str, list[Any]]] = {
        "class_weight": [dict, list, StrOptions({"balanced"}), None]
    }
    class_weight: Any
    classes_: Any
    _label_binarizer: Any

    @property
    def _multilabel(self) -> bool:
        return self._label_binarizer.y_type_.startswith("multilabel")

    def _learn_given_classes(self, y: Any, classes: Any) -> None:
        """Store the classes given to the first `partial_fit`."""
        if _check_partial_fit_first_call(self, classes):
            labels = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = LabelBinarizer().fit(labels)

    def _check_labels(self, y: np.ndarray) -> None:
        """Raise a ValueError if y contains unknown classes."""
        classes = unique_labels(y)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _with_class_weight(self, sample_weight: Any, y: np.ndarray) -> Any:
        if self.class_weight is None:
            return sample_weight
        if self._multilabel:
            weights = compute_sample_weight(self.class_weight, y)
        else:  # "balanced" refers to the weights of the rows, not to their number
            of_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=y, sample_weight=sample_weight
            )
            weights = of_class[np.searchsorted(self.classes_, y)]
        return weights if sample_weight is None else weights * sample_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
