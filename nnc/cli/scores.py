"""Scores of predictions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nnc.cli.dataset import Dataset, Part
from nnc.models import Sequential


class Scores(NamedTuple):
    """Scores of one part of the rows: `values` by name, `predicted` (n, outputs)."""

    values: dict[str, float]
    predicted: np.ndarray


def scores_of(model: Sequential, part: Part) -> Scores:
    """Accuracy and cross-entropy for classes; root mean square error, mean absolute error, R2 for numbers."""
    predicted = model.predict(part.x, verbose=0)
    if part.y.dtype.kind == "i":
        right = np.count_nonzero(predicted.argmax(axis=1) == part.y)
        likely = np.maximum(predicted[np.arange(len(part.y)), part.y], np.float32(1e-7))
        values = {
            "accuracy": right / len(part.y),
            "cross-entropy": float(-np.log(likely, dtype=np.float64).mean()),
        }
        return Scores(values, predicted)
    errors = predicted[:, 0].astype(np.float64) - part.y
    spread = float(np.square(part.y - part.y.mean()).sum())
    values = {"RMSE": float(np.sqrt(np.square(errors).mean())), "MAE": float(np.abs(errors).mean())}
    if spread > 0:
        values["R2"] = 1 - float(np.square(errors).sum()) / spread
    return Scores(values, predicted)


def classes_table(data: Dataset, scores: Scores, part: Part) -> list[dict[str, Any]]:
    """Rows, precision and recall of each class; None if a class does not occur or is never predicted."""
    predicted = scores.predicted.argmax(axis=1)
    rows = []
    for i, name in enumerate(data.schema.target.classes or ()):
        true, said = part.y == i, predicted == i
        both = int(np.count_nonzero(true & said))
        n_true, n_said = int(np.count_nonzero(true)), int(np.count_nonzero(said))
        precision, recall = both / n_said if n_said else None, both / n_true if n_true else None
        rows.append({"class": name, "rows": n_true, "precision": precision, "recall": recall})
    return rows
