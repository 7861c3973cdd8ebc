"""What all estimators share, and what those of classes do."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_class_weight, compute_sample_weight
from sklearn.utils._param_validation import StrOptions
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

    def _threads(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self.n_threads is None else threads(self.n_threads)


class Classifier(ClassifierMixin):
    """Classes of labels, in `classes_` and a LabelBinarizer, and their weights."""

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
        """In the first `partial_fit`: what classes there are."""
        if _check_partial_fit_first_call(self, classes):
            labels = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = LabelBinarizer().fit(labels)

    def _check_labels(self, y: np.ndarray) -> None:
        """Raise a ValueError where y has classes that are not known."""
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
        else:  # "balanced" by the weights of the rows, not their number
            of_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=y, sample_weight=sample_weight
            )
            weights = of_class[np.searchsorted(self.classes_, y)]
        return weights if sample_weight is None else weights * sample_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
