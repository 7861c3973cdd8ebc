"""Pictures of training and of what was learned: curves, weights, filters, maps, confusions, digits.

Every function takes a model or plain arrays, draws into the Axes it is given or into a new figure, and
returns the Axes, so that titles and limits can be changed afterwards. Nothing is shown and no setting of
Matplotlib is changed: call ``matplotlib.pyplot.show()`` or `save`. Matplotlib is imported at the first
picture.

    axes = nnc.plot.history(model.fit(x, y))
    nnc.plot.save(axes, "results/curves")
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from nnc.plot.inputs import count, curves_of, ids_of, image_shape, maps_of, matrices_of, units_of

TRAINING, VALIDATION = "#2b6cb0", "#dd6b20"
RIGHT, WRONG = "#2d3748", "#c53030"
FRAME = "#a0aec0"
DIVERGING = "RdBu_r"  # blue is below zero, white is zero, red is above


def history(history, first: int = 0, ax=None):
    """Loss and metrics against the epoch, of training and validation.

    Parameters
    ----------
    history : History, Sequential or dict
        What `fit` returned, a model that was trained, or lists by name: ``{"loss": [...], "val_loss":
        [...]}``.
    first : int
        How many epochs to leave out at the start: 1 leaves out the first, which often hides the rest by its
        scale.
    ax : Axes or array of Axes, optional
        One for each name without "val_"; None: a new figure.

    Returns
    -------
    ndarray of Axes
        One for each name without "val_": the loss and each metric. The learning rate, where recorded, is left
        out.

    Examples
    --------
    >>> from nnc import plot
    >>> axes = plot.history({"loss": [0.9, 0.4, 0.3], "val_loss": [0.8, 0.5, 0.45]}, first=1)
    >>> axes[0].get_ylabel(), axes[0].lines[0].get_xdata().tolist()
    ('loss', [2, 3])
    """
    curves, epochs = curves_of(history)
    names = [name for name in curves if name.removeprefix("val_") == name and name != "learning_rate"]
    if not names:
        raise ValueError(f"history must have a curve such as 'loss', got {sorted(curves)}")
    if not 0 <= first < len(epochs):
        raise ValueError(f"first must be from 0 to {len(epochs) - 1}, one less than the epochs, got {first}")
    axes = _axes(ax, len(names), (5.2, 3.6))
    for axis, name in zip(axes, names, strict=True):
        last = []
        for key, label, color in ((name, "training", TRAINING), ("val_" + name, "validation", VALIDATION)):
            if len(curves.get(key, ())):
                x, y = _points(curves[key], epochs, first)
                size = 3 if len(x) < 30 else 0
                axis.plot(x, y, color=color, label=label, linewidth=1.6, marker="o", markersize=size)
                last += [f"{label} {value:.4g}" for value in y[-1:]]
        axis.set(xlabel="epoch", ylabel=name, title=f"{name}, at the end: {', '.join(last)}")
        axis.title.set_fontsize(10)
        _frame(axis)
    return axes


def compare(histories, names: Sequence[str] | None = None, first: int = 0, ax=None):
    """The same curve of several runs in one picture.

    Parameters
    ----------
    histories : dict of str to History, Sequential or dict
        The runs by their labels; of a run what `history` takes.
    names : sequence of str, optional
        Which curves: "loss", "val_loss", "accuracy", ...; None: all that the first run has.
    first : int
        How many epochs to leave out at the start.
    ax : Axes or array of Axes, optional
        One for each name; None: a new figure.

    Returns
    -------
    ndarray of Axes
        One for each name, with a line for each run that has it, in one colour over all of them.

    Examples
    --------
    >>> from nnc import plot
    >>> axes = plot.compare({"relu": {"loss": [0.9, 0.4]}, "tanh": {"loss": [0.8, 0.6]}})
    >>> [line.get_label() for line in axes[0].lines]
    ['relu', 'tanh']
    """
    from matplotlib import colormaps

    runs = {label: curves_of(run) for label, run in histories.items()}
    if not runs:
        raise ValueError("histories is empty")
    if names is None:
        names = [name for name in next(iter(runs.values()))[0] if name != "learning_rate"]
    for name in names:
        if not any(len(curves.get(name, ())) for curves, _ in runs.values()):
            raise ValueError(f"names: no run has the curve {name!r}")
    shortest = min(len(epochs) for _, epochs in runs.values())
    if not 0 <= first < shortest:
        raise ValueError(f"first must be from 0 to {shortest - 1}, one less than the epochs, got {first}")
    axes = _axes(ax, len(names), (5.2, 3.6))
    palette = [color for color in colormaps["tab10"].colors if color[0] != color[1]]  # without its grey
    for axis, name in zip(axes, names, strict=True):
        for i, (label, (curves, epochs)) in enumerate(runs.items()):
            if len(curves.get(name, ())):
                x, y = _points(curves[name], epochs, first)
                style = ("-", "--", ":")[i // len(palette) % 3]
                color, size = palette[i % len(palette)], 3 if len(x) < 30 else 0
                axis.plot(x, y, style, color=color, label=label, linewidth=1.4, marker="o", markersize=size)
        axis.set(xlabel="epoch", ylabel=name, title=name)
        axis.title.set_fontsize(10)
        _frame(axis, fontsize=8)
    return axes


def weights(source, ax=None):
    """A heat map of each layer's weight matrix, white at zero.

    The colours end at the 99.5th percentile of the absolute values, so that a few large weights do not hide
    the rest; the colour bar then has pointed ends.

    Parameters
    ----------
    source : Sequential, dict of arrays, list of arrays, or array
        A model, or its matrices (inputs, outputs); arrays of one axis (biases) are passed over, convolution
        kernels (height, width, inputs, outputs) are drawn as (height width inputs, outputs).
    ax : Axes or array of Axes, optional
        One for each matrix; None: a new figure.

    Returns
    -------
    ndarray of Axes
        One for each matrix, in the order of the layers.
    """
    from matplotlib.ticker import MaxNLocator

    matrices = matrices_of(source)
    axes = _axes(ax, len(matrices), (4.6, 4.4))
    for axis, (name, w) in zip(axes, matrices.items(), strict=True):
        w = w.reshape(-1, w.shape[-1])
        rows, columns = w.shape
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        # More values than pixels are averaged; the repeats keep the short axis from being blurred with them.
        many = max(w.shape) > 300
        drawn = w.repeat(-(-300 // rows), axis=0).repeat(-(-300 // columns), axis=1) if many else w
        interpolation = "auto" if many else "nearest"
        image = _heat_map(axis, drawn, extent=extent, aspect="auto", interpolation=interpolation)
        axis.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        axis.yaxis.set_major_locator(MaxNLocator(7, integer=True))
        axis.set(xlabel="output", ylabel="input", title=f"{name} {w.shape}")
        _colour_bar(axis, image, w, "weight")
    return axes


def singular_values(source, ax=None):
    """The singular values of each layer's weight matrix, largest first: W = U diag(s) V^T.

    A fast fall means that the layer works in fewer directions than it has units.

    Parameters
    ----------
    source : Sequential, dict of arrays, list of arrays, or array
        As for `weights`.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With one line for each matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import plot
    >>> ax = plot.singular_values(np.diag([3.0, 1.0, 2.0]))
    >>> ax.lines[0].get_ydata().round(6).tolist()
    [3.0, 2.0, 1.0]
    """
    (axis,) = _axes(ax, 1, (5.2, 3.6))
    for name, w in matrices_of(source).items():
        w = w.reshape(-1, w.shape[-1])
        values = np.linalg.svd(w.astype(np.float64), compute_uv=False)
        marker = "o" if len(values) < 30 else ""
        k = np.arange(1, len(values) + 1)
        axis.plot(k, values, marker=marker, markersize=3, label=f"{name} {w.shape}")
    axis.set(xlabel="k", ylabel="k-th singular value", title="Singular values of the weights")
    axis.set_ylim(bottom=0)
    _frame(axis)
    return axis


def filters(source, shape: tuple[int, int] | None = None, n: int | None = None, ax=None):
    """What each unit of the first layer looks for: its weights as an image, all with one scale of colours.

    Parameters
    ----------
    source : Sequential, dict of arrays, list of arrays, or array
        A model, or arrays of which the first with two axes or more is taken: (height width, units), or a
        convolution's kernel (height, width, inputs, units).
    shape : (int, int), optional
        Height and width of the images; None: the kernel's, the model's input shape, or a square.
    n : int, optional
        How many units, from the first; None: all.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With the units in rows from left to right, one image in all. A unit that has several inputs at each
        place has an image for each, side by side.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import plot
    >>> plot.filters(np.zeros((5, 5, 1, 16))).get_title()
    'W: 16 units, 5 x 5 x 1 weights each'
    """
    name, w = next(iter(matrices_of(source).items()))
    images = units_of(name, w, shape, getattr(source, "input_shape", None))
    n = count(n, len(images))
    of = f"{n}" if n == len(images) else f"the first {n} of {len(images)}"
    size = " x ".join(map(str, w.shape[:3] if w.ndim == 4 else images.shape[1:]))
    return _tiles(images[:n], f"{name}: {of} units, {size} weights each", "weight", ax)


def feature_maps(model, x, layer=None, n: int | None = None, ax=None):
    """What a convolution makes of one image: a map for each of its filters, all with one scale of colours.

    Parameters
    ----------
    model : Sequential
    x : array-like of shape input_shape or (1, *input_shape)
        The image, as `predict` takes it.
    layer : Layer, str or int, optional
        The layer, its name or its place in the model; its output must be (height, width, channels). None: the
        first that has weights and gives such maps.
    n : int, optional
        How many maps, from the first; None: all.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With the maps in rows from left to right, one image in all.
    """
    name, maps = maps_of(model, x, layer)
    n = count(n, len(maps))
    of = f"{n} maps" if n == len(maps) else f"the first {n} of {len(maps)} maps"
    title = f"{name}: {of}, {maps.shape[1]} x {maps.shape[2]}"
    return _tiles(maps[:n], title, "output", ax)


def confusion_matrix(y_true, y_pred, class_names=None, ax=None):
    """How often each class was taken for which: right answers in blue, mistakes in red.

    Parameters
    ----------
    y_true : array-like
        Class ids (n,), or rows (n, classes) of which the largest counts.
    y_pred : array-like
        Class ids, or rows as `predict` gives them.
    class_names : sequence of str, optional
        Names on the axes; None: the ids.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        A row for each true class, a column for each predicted one.

    Notes
    -----
    The blue is the share of the class that was right, from half to all; the red is the count, against the
    most frequent mistake of all.

    Examples
    --------
    >>> from nnc import plot
    >>> ax = plot.confusion_matrix([0, 0, 1, 1, 2], [0, 1, 1, 1, 2], class_names=["cat", "dog", "owl"])
    >>> ax.get_title()
    '4 of 5 right (80.00 %)'
    """
    y_true, y_pred, classes = ids_of(y_true, y_pred, class_names)
    if not len(y_true):
        raise ValueError("y_true is empty")
    counts = np.bincount(y_true * classes + y_pred, minlength=classes**2).reshape(classes, classes)
    names = [str(i) for i in range(classes)] if class_names is None else [str(name) for name in class_names]
    side = 2.2 + 0.42 * min(classes, 20)
    (axis,) = _axes(ax, 1, (side * 1.05, side))

    recall = counts.diagonal() / np.maximum(counts.sum(axis=1), 1)
    mistakes = np.where(np.eye(classes, dtype=bool), 0, counts)
    on, off = np.full((2, classes, classes), np.nan)
    np.fill_diagonal(on, 0.35 + 0.5 * np.clip(2 * recall - 1, 0, 1))
    off[mistakes > 0] = 0.1 + 0.5 * mistakes[mistakes > 0] / max(mistakes.max(), 1)
    for cells, cmap in ((on, "Blues"), (off, "Reds")):
        axis.imshow(cells, cmap=cmap, vmin=0, vmax=1, interpolation="nearest")
    if classes <= 30:
        size = 9 if counts.max() < 10_000 else 7
        for i, j in np.argwhere(counts):
            color = "white" if on[i, j] > 0.55 else "black"
            axis.text(
                j, i, str(counts[i, j]), ha="center", va="center_baseline", fontsize=size, color=color
            )  # fmt: skip

    long = max(map(len, names)) > 3
    axis.set_xticks(range(classes), names, rotation=45 if long else 0, ha="right" if long else "center")
    axis.set_yticks(range(classes), names)
    axis.set_xticks(np.arange(0.5, classes - 1), minor=True)
    axis.set_yticks(np.arange(0.5, classes - 1), minor=True)
    axis.grid(which="minor", color=FRAME, alpha=0.35, linewidth=0.6)
    axis.tick_params(which="both", length=0)
    axis.spines[:].set_color(FRAME)
    right, total = counts.trace(), counts.sum()
    axis.set_title(f"{right:,} of {total:,} right ({100 * right / total:.2f} %)")
    axis.set(xlabel="predicted class", ylabel="true class")
    return axis


def digits(x, y_true=None, y_pred=None, n: int | None = 40, class_names=None, shape=None, ax=None):
    """Images with what they are and what they were taken for; mistakes in red.

    Parameters
    ----------
    x : array-like of shape (n, height, width), (n, height, width, 1) or (n, features)
        The images; the largest value is drawn black.
    y_true, y_pred : array-like, optional
        Class ids (n,), or rows (n, classes) of which the largest counts.
    n : int, optional
        How many, from the first; None: all.
    class_names : sequence of str, optional
        Names of the classes; None: the ids.
    shape : (int, int), optional
        Height and width for x of shape (n, features); None: a square.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With the images in rows from left to right. Above each is its true class, or the predicted one; where
        they differ, "predicted, not true" in red.
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
    mosaic, columns = _mosaic(images, gap=gap, widest=6 if words else 10)
    unit = (1.5 if words else 0.85) / (width + gap[1])
    (axis,) = _axes(ax, 1, (0.3 + unit * mosaic.shape[1], 0.5 + unit * mosaic.shape[0]))
    axis.imshow(mosaic, cmap="Greys", interpolation="nearest" if width < 64 else "antialiased")
    _bare(axis)
    title = f"{n} of {len(x):,} images" if n < len(x) else f"{n} images"
    if given:
        true, pred, classes = ids_of(given[0], given[-1], class_names)
        if len(true) != len(x):
            raise ValueError(f"y_true and y_pred must have {len(x)} rows, as x has, got {len(true)}")
        names = range(classes) if class_names is None else class_names
        for k in range(n):
            row, column = divmod(k, columns)
            same = true[k] == pred[k]
            axis.text(
                column * (width + gap[1]) + gap[1] + width / 2 - 0.5,
                row * (height + gap[0]) + 0.78 * gap[0],
                f"{names[pred[k]]}" if same else f"{names[pred[k]]}, not {names[true[k]]}",
                ha="center", va="baseline", fontsize=8, color=RIGHT if same else WRONG,
            )  # fmt: skip
        if len(given) == 2:
            title += f", {np.count_nonzero(true[:n] != pred[:n])} taken for another class (red)"
    axis.set_title(title, fontsize=10)
    return axis


def save(figure, path, formats: tuple[str, ...] = ("png", "svg"), dpi: float = 150) -> list[str]:
    """Write a figure in each of the formats, and name the files.

    The same picture gives the same bytes: no date and no random identifiers go into the files.

    Parameters
    ----------
    figure : Figure, Axes or array of Axes
        What the functions of this module return.
    path : str or path
        Without a suffix, which the formats give: "results/curves" becomes results/curves.png and
        results/curves.svg. Missing folders are made.
    formats : tuple of str
        Any that Matplotlib knows: "png", "svg", "pdf", ...
    dpi : float
        Pixels per inch.

    Returns
    -------
    list of str
        The paths written.
    """
    import matplotlib

    if isinstance(formats, str):
        formats = (formats,)
    if not hasattr(figure, "savefig"):
        figure = np.ravel(figure)[0].figure
    path = os.fspath(path)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    written = []
    with matplotlib.rc_context({"svg.hashsalt": "nnc"}):
        for name in formats:
            written.append(f"{path}.{name}")
            metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(name)
            figure.savefig(written[-1], format=name, dpi=dpi, metadata=metadata)
    return written


def _axes(ax, n: int, size: tuple[float, float]) -> np.ndarray:
    """`ax` as an array of `n` Axes, or those of a new figure with panels of `size` inches."""
    if ax is not None:
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) != n:
            raise ValueError(f"ax must have {n} Axes, one for each panel, got {len(axes)}")
        return axes
    import matplotlib.pyplot as plt

    columns = min(n, 3)
    rows = -(-n // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False, layout="constrained"
    )
    for spare in axes.flat[n:]:
        figure.delaxes(spare)
    return axes.ravel()[:n]


def _points(curve, epochs: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """(epochs, values) of a curve, without the first epochs."""
    y = np.asarray(curve, dtype=np.float64)
    every = len(epochs) // len(y)  # validation_freq: a shorter curve skips epochs
    x = epochs[every - 1 :: every][: len(y)]
    return x[x >= epochs[first]], y[x >= epochs[first]]


def _tiles(images: np.ndarray, title: str, label: str, ax):
    """Draw `images` (n, height, width) in rows, blue, white and red around zero, with a colour bar."""
    height, width = images.shape[1:]
    gap = (1, 1 + np.isnan(images).any()) if height < 10 else (2, 2)  # wider than one within an image
    mosaic, columns = _mosaic(images, gap, math.ceil(math.sqrt(len(images) * height / width)))
    side = min(8.0, max(4.0, 0.7 * columns * max(1.0, width / height)))
    (axis,) = _axes(ax, 1, (side + 0.9, side * mosaic.shape[0] / mosaic.shape[1] + 0.4))
    image = _heat_map(axis, mosaic, interpolation="nearest" if mosaic.shape[1] < 300 else "auto")
    _bare(axis)
    axis.set_title(title, fontsize=10)
    _colour_bar(axis, image, mosaic, label)
    return axis


def _mosaic(images: np.ndarray, gap: tuple[int, int], widest: int | None = None) -> tuple[np.ndarray, int]:
    """`images` (n, height, width) in rows as one array, and the number of columns.

    The gaps above and left of each image are `gap` high and wide, and NaN.
    """
    n, height, width = images.shape
    columns = min(n, widest or math.ceil(math.sqrt(n)))
    rows = -(-n // columns)
    tiles = np.full((rows * columns, height + gap[0], width + gap[1]), np.nan)
    tiles[:n, gap[0] :, gap[1] :] = images
    mosaic = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2).reshape(rows * tiles.shape[1], -1)
    return np.pad(mosaic, ((0, min(2, gap[0])), (0, gap[1])), constant_values=np.nan), columns


def _heat_map(axis, w: np.ndarray, **options):
    from matplotlib import colormaps

    limit = _limit(w)
    cmap = colormaps[DIVERGING].with_extremes(bad="white")
    return axis.imshow(w, cmap=cmap, vmin=-limit, vmax=limit, **options)


def _limit(w: np.ndarray) -> float:
    """Where the colours end: the 99.5th percentile of the absolute values; 1 if all are zero."""
    finite = np.abs(w[np.isfinite(w)])
    if not finite.any():
        return 1.0
    return float(np.percentile(finite, 99.5)) or float(finite.max())


def _colour_bar(axis, image, w: np.ndarray, label: str) -> None:
    beyond = np.any(np.abs(w[np.isfinite(w)]) > image.get_clim()[1])
    extend = "both" if beyond else "neither"
    bar = axis.figure.colorbar(image, ax=axis, extend=extend, fraction=0.05, pad=0.03, aspect=35)
    bar.set_label(label)
    bar.outline.set_edgecolor(FRAME)


def _frame(axis, **legend) -> None:
    """What the pictures of curves have in common: whole numbers below, a faint grid, a legend."""
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axis.legend(frameon=False, **legend)
    _grid(axis)


def _grid(axis) -> None:
    axis.grid(color=FRAME, alpha=0.35, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _bare(axis) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
