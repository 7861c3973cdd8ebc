"""Plots of classification: the confusion matrix, and images with their predicted classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nnc.plot.backgrounds import background, legible, text_colour
from nnc.plot.frames import FRAME, RIGHT, WRONG, axes_of, bare
from nnc.plot.inputs import count, ids_of, image_shape
from nnc.plot.mosaics import in_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def confusion_matrix(
    y_true: ArrayLike, y_pred: ArrayLike, class_names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """The confusion matrix, with correct predictions in blue and mistakes in red.

    Parameters
    ----------
    y_true : array-like
        Class ids (n,), or rows (n, classes), whose largest entry is the class.
    y_pred : array-like
        Class ids, or rows as returned by `predict`.
    class_names : sequence of str, optional
        Names on the axes; None: the ids.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        A row for each true class, a column for each predicted one.

    Raises
    ------
    ValueError
        If y_true is empty, the lengths differ, or there are too few names.

    Notes
    -----
    The shade of blue is the recall of the class, from one half to one; the shade of red is the count relative
    to that of the most frequent mistake.

    Examples
    --------
    >>> from nnc import plot
    >>> ax = plot.confusion_matrix([0, 0, 1, 1, 2], [0, 1, 1, 1, 2], class_names=["cat", "dog", "owl"])
    >>> ax.get_title()
    '4 of 5 correct (80.00 %)'
    """
    y_true, y_pred, classes = ids_of(y_true, y_pred, class_names)
    if not len(y_true):
        raise ValueError("y_true is empty")
    counts = np.bincount(y_true * classes + y_pred, minlength=classes**2).reshape(classes, classes)
    names = [str(i) for i in range(classes)] if class_names is None else [str(name) for name in class_names]
    side = 2.2 + 0.42 * min(classes, 20)
    (axis,) = axes_of(ax, 1, (side * 1.05, side))

    recall = counts.diagonal() / np.maximum(counts.sum(axis=1), 1)
    mistakes = np.where(np.eye(classes, dtype=bool), 0, counts)
    on, off = np.full((2, classes, classes), np.nan)
    np.fill_diagonal(on, 0.35 + 0.5 * np.clip(2 * recall - 1, 0, 1))
    off[mistakes > 0] = 0.1 + 0.5 * mistakes[mistakes > 0] / max(mistakes.max(), 1)
    images = [
        axis.imshow(cells, cmap=cmap, vmin=0, vmax=1, interpolation="nearest")
        for cells, cmap in ((on, "Blues"), (off, "Reds"))
    ]
    if classes <= 30:
        size = 9 if counts.max() < 10_000 else 7
        for i, j in np.argwhere(counts):
            cell = images[int(i != j)]
            color = text_colour(cell.cmap(cell.get_array()[i, j])[:3])
            axis.text(
                j, i, str(counts[i, j]), ha="center", va="center_baseline", fontsize=size, color=color
            )  # fmt: skip

    long = max(map(len, names)) > 3
    tilted: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
    axis.set_xticks(range(classes), names, **tilted)
    axis.set_yticks(range(classes), names)
    axis.set_xticks(np.arange(0.5, classes - 1), minor=True)
    axis.set_yticks(np.arange(0.5, classes - 1), minor=True)
    axis.grid(which="minor", color=FRAME, alpha=0.35, linewidth=0.6)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_color(FRAME)
    right, total = counts.trace(), counts.sum()
    axis.set_title(f"{right:,} of {total:,} correct ({100 * right / total:.2f} %)", fontsize=10)
    axis.set(xlabel="predicted class", ylabel="true class")
    return axis


def digits(
    x: ArrayLike,
    y_true: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    n: int | None = 40,
    class_names: Sequence[str] | None = None,
    shape: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Images with their true and predicted classes; mistakes in red.

    Parameters
    ----------
    x : array-like of shape (n, height, width), (n, height, width, 1) or (n, features)
        The images; the largest value is drawn black.
    y_true, y_pred : array-like, optional
        Class ids (n,), or rows (n, classes), whose largest entry is the class.
    n : int, optional
        How many images, starting with the first; None: all.
    class_names : sequence of str, optional
        Names of the classes; None: the ids.
    shape : (int, int), optional
        Height and width for x of shape (n, features); None: a square.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With the images in rows from left to right. Above each is its true class, or the predicted one; if
        they differ, "predicted, not true" in red.

    Raises
    ------
    ValueError
        If x is not an array of images, the lengths differ, or there are too few names.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import plot
    >>> images = np.random.default_rng(0).random((20, 8, 8))
    >>> axes = plot.digits(images, y_true=[0] * 20, y_pred=[0] * 19 + [1])
    """
    x = np.asarray(x)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x must be images of shape (n, height, width) with n >= 1, got {x.shape}")
    n = count(n, len(x))
    if x.ndim == 2:
        height, width = image_shape(x.shape[1], shape, None, "x")
    else:
        height, width = image_shape(math.prod(x.shape[1:]), shape, x.shape[1:], "x")
    given = [y for y in (y_true, y_pred) if y is not None]
    words = any(len(str(name)) > 2 for name in class_names or ())
    gap = (round(0.4 * height) if given else 2, round(0.9 * width) if words else max(2, round(0.25 * width)))
    images = x[:n].reshape(n, height, width)
    mosaic, columns = in_rows(images, gap=gap, widest=6 if words else 10)
    unit = (1.5 if words else 0.85) / (width + gap[1])
    (axis,) = axes_of(ax, 1, (0.3 + unit * mosaic.shape[1], 0.5 + unit * mosaic.shape[0]))
    axis.imshow(mosaic, cmap="Greys", interpolation="nearest" if width < 64 else "antialiased")
    bare(axis)
    title = _of(n, len(x), "image")
    if given:
        true, pred, classes = ids_of(given[0], given[-1], class_names)
        if len(true) != len(x):
            raise ValueError(f"y_true and y_pred must have {len(x)} rows, as x has, got {len(true)}")
        names = range(classes) if class_names is None else class_names
        colours = [legible(colour, background(axis)) for colour in (WRONG, RIGHT)]
        for k in range(n):
            row, column = divmod(k, columns)
            same = true[k] == pred[k]
            axis.text(
                column * (width + gap[1]) + gap[1] + width / 2 - 0.5,
                row * (height + gap[0]) + 0.78 * gap[0],
                f"{names[pred[k]]}" if same else f"{names[pred[k]]}, not {names[true[k]]}",
                ha="center", va="baseline", fontsize=8, color=colours[int(same)],
            )  # fmt: skip
        if len(given) == 2:
            wrong = true != pred
            title += f", {np.count_nonzero(wrong[:n])} of them misclassified (red)"
            if wrong.all():
                title = f"{_of(n, len(x), 'mistake')}: the predicted class, not the true one"
    axis.set_title(title, fontsize=10)
    return axis


def _of(n: int, total: int, thing: str) -> str:
    return f"the first {n} of {total:,} {thing}s" if n < total else f"{n} {thing}{'s' * (n != 1)}"
