"""Plots of the outputs of a model: its last hidden layer, and its calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from nnc.layers import Layer
from nnc.models import Sequential
from nnc.plot.backgrounds import background
from nnc.plot.frames import FRAME, axes_of, grid
from nnc.plot.inputs import ids_of
from nnc.plot.lines import apart, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME_SIZE = 8  # points


def embedding(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike | None = None,
    layer: Layer | str | int | None = None,
    class_names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The outputs of the last hidden layer, projected on their first two principal components.

    With A the centered outputs (n, units) and A = U diag(s) V^T, each row is drawn at the first two columns
    of U diag(s), which explain the fraction (s_1^2 + s_2^2) / sum_k s_k^2 of the variance.

    Parameters
    ----------
    model : Sequential
    x : array-like (n, *input_shape)
        A few hundred to a few thousand rows, at least two.
    y : array-like, optional
        Class ids (n,), or rows (n, classes), whose largest entry is the class.
    layer : Layer, str or int, optional
        The layer, its name or its index; None: the one before the last that has weights.
    class_names : sequence of str, optional
        Names of the classes; None: the ids.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With a colour and a marker for each class, and its name at the median of its rows.

    Raises
    ------
    ValueError
        If x has fewer than two rows, y another number of rows, or the model no such layer.

    Examples
    --------
    >>> import nnc
    >>> x, y = nnc.datasets.load_iris()
    >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(8, "relu"), nnc.layers.Dense(3)], seed=0)
    >>> ax = nnc.plot.embedding(model, x, y, class_names=["setosa", "versicolor", "virginica"])
    >>> ax.get_xlabel(), [text.get_text() for text in ax.texts]
    ('first principal component', ['setosa', 'versicolor', 'virginica'])
    """
    x = np.asarray(x)
    if layer is None:
        heavy = [k for k, part in enumerate(model.layers) if part.built and part.weight_names]
        if not heavy or heavy[-1] == 0:
            raise ValueError(f"layer is None, but model has no layer before one with weights: {model.layers}")
        layer = heavy[-1] - 1
    if isinstance(layer, Layer):
        part = layer
    else:
        part = model.get_layer(layer) if isinstance(layer, str) else model.get_layer(index=layer)
    outputs = model.layer_output(x, part).reshape(len(x), -1).astype(np.float64)
    if len(outputs) < 2:
        raise ValueError(f"x must have at least two rows, got {len(outputs)}")
    u, s, _ = np.linalg.svd(outputs - outputs.mean(axis=0), full_matrices=False)
    points = np.zeros((len(x), 2))
    points[:, : min(2, len(s))] = u[:, :2] * s[:2]
    shown = float((s[:2] ** 2).sum() / max((s**2).sum(), np.finfo(float).tiny))
    (axis,) = axes_of(ax, 1, (5.2, 4.6))
    ids, classes = np.zeros(len(x), np.int64), 1
    if y is not None:
        ids, _, classes = ids_of(y, y, class_names)
        if len(ids) != len(x):
            raise ValueError(f"y must have {len(x)} rows, as x has, got {len(ids)}")
    size = float(np.clip(3000 / len(x), 4, 24))
    names = [str(k) for k in range(classes)] if class_names is None else [str(name) for name in class_names]
    for k in range(classes):
        rows = points[ids == k]
        look = style(k, axis)
        axis.scatter(
            *rows.T,
            s=size,
            color=look["color"],
            marker=look["marker"],
            alpha=0.6,
            linewidths=0,
            label=names[k],
        )
    present = [k for k in range(classes if y is not None else 0) if np.any(ids == k)]
    middles = np.reshape([np.median(points[ids == k], axis=0) for k in present], (-1, 2))
    for k, middle, shift in zip(present, middles, _shifts(axis, middles, names), strict=True):
        box = {"facecolor": background(axis), "edgecolor": style(k, axis)["color"], "alpha": 0.9, "pad": 1.5}
        axis.annotate(
            names[k], middle, (0, shift), textcoords="offset points",
            ha="center", va="center", fontsize=_NAME_SIZE, bbox=box,
        )  # fmt: skip
    axis.set(xlabel="first principal component", ylabel="second principal component")
    axis.set_title(f"{part.name} {outputs.shape}: {100 * shown:.0f} % of the variance", fontsize=10)
    grid(axis)
    return axis


def _shifts(axis: Axes, middles: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """How many points labels at `middles` (n, 2) are moved upwards so that none covers another."""
    if not len(middles):
        return np.zeros(0)
    width = _NAME_SIZE * (0.7 * max(map(len, names)) + 1)
    axis.get_ylim()  # makes Matplotlib update the limits
    at = axis.transData.transform(middles) * 72 / axis.figure.dpi
    order = np.argsort(at[:, 0])
    columns = np.split(order, np.flatnonzero(np.diff(at[order, 0]) > width) + 1)
    moved = at[:, 1].copy()
    for column in columns:  # of labels so close in x that they may overlap
        moved[column] = apart(at[column, 1], 1.8 * _NAME_SIZE)
    return moved - at[:, 1]


def calibration(y_true: ArrayLike, y_prob: ArrayLike, bins: int = 10, ax: Axes | None = None) -> Axes:
    """The accuracy of the predictions against their probability; a calibrated model is on the diagonal.

    The probabilities are divided into `bins` of equal width; for bin b with n_b of n rows, conf_b is the mean
    probability and acc_b the fraction that is correct. The expected calibration error is
    sum_b n_b / n |acc_b - conf_b| (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Parameters
    ----------
    y_true : array-like
        Class ids (n,), or rows (n, classes), whose largest entry is the class.
    y_prob : array-like
        Probabilities of class 1, (n,) or (n, 1), or of all classes, (n, classes), of which that of the
        predicted class is used.
    bins : int
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        A point for each bin that has rows, larger if there are more of them.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is no probability, or bins is less than 1.

    Examples
    --------
    >>> from nnc import plot
    >>> ax = plot.calibration([0, 1, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.6, 0.4]], bins=5)
    >>> ax.get_title()
    'expected calibration error 0.075 (larger: more rows)'
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    y_prob = np.asarray(y_prob, dtype=np.float64)
    if y_prob.ndim not in (1, 2) or not y_prob.size:
        raise ValueError(f"y_prob must have shape (n,) or (n, classes) with n >= 1, got {y_prob.shape}")
    if not (y_prob.min() >= 0 and y_prob.max() <= 1 + 1e-6):
        raise ValueError(f"y_prob must be probabilities in [0, 1], got {y_prob.min():g} to {y_prob.max():g}")
    if y_prob.ndim == 2 and y_prob.shape[1] > 1:
        true, predicted, _ = ids_of(y_true, y_prob, None)
        hits, sure = true == predicted, y_prob.max(axis=1)
        label, share = "probability of the predicted class", "fraction that is correct"
    else:
        sure = y_prob.reshape(-1)
        true, _, classes = ids_of(y_true, np.zeros(len(sure)), None)
        if classes > 2:
            raise ValueError(f"y_true must be 0 or 1 if y_prob is for one class, got {true.max()}")
        hits, label, share = true == 1, "probability of class 1", "fraction that is of class 1"
    of = np.clip((sure * bins).astype(int), 0, bins - 1)
    n = np.bincount(of, minlength=bins)
    there = n > 0
    confidence = np.bincount(of, sure, bins)[there] / n[there]
    right = np.bincount(of, hits, bins)[there] / n[there]
    error = float(n[there] / len(sure) @ np.abs(right - confidence))
    (axis,) = axes_of(ax, 1, (4.6, 4.4))
    axis.plot([0, 1], [0, 1], color=FRAME, linestyle="--", linewidth=1.0)
    look = style(0, axis)
    axis.plot(confidence, right, color=look["color"], linewidth=1.2)
    axis.scatter(confidence, right, s=12 + 150 * n[there] / len(sure), color=look["color"], zorder=3)
    axis.set(xlabel=label, ylabel=share, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axis.set_title(f"expected calibration error {error:.3g} (larger: more rows)", fontsize=10)
    grid(axis)
    return axis
