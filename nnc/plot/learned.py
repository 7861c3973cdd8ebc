"""Plots of what a model has learned: weights, their singular values, filters, feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from nnc.layers import Layer
from nnc.models import Sequential
from nnc.plot.frames import axes_of, grid, whole_numbers
from nnc.plot.inputs import Weights, count, maps_of, matrices_of, units_of
from nnc.plot.lines import draw_line, name_lines
from nnc.plot.mosaics import colour_bar, heat_map, tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnc.plot.frames import AxesLike


def weights(source: Weights, ax: AxesLike = None) -> np.ndarray:
    """A heat map of each layer's weight matrix, white at zero.

    The colour scale ends at the 99.5th percentile of the absolute values, because a few large weights would
    hide the rest; the colour bar then has pointed ends.

    Parameters
    ----------
    source : Sequential, dict of arrays, list of arrays, or array
        A model, or its matrices (inputs, outputs); arrays with one axis (biases) are ignored, convolution
        kernels (height, width, inputs, outputs) are drawn as (height width inputs, outputs).
    ax : Axes or array of Axes, optional
        One for each matrix; None: a new figure.

    Returns
    -------
    ndarray of Axes
        One for each matrix, in the order of the layers.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((8,)), nnc.layers.Dense(4), nnc.layers.Dense(2)])
    >>> axes = nnc.plot.weights(model)
    >>> len(axes)
    2
    """
    matrices = matrices_of(source)
    axes = axes_of(ax, len(matrices), (4.6, 4.4))
    for axis, (name, w) in zip(axes, matrices.items(), strict=True):
        w = w.reshape(-1, w.shape[-1])
        rows, columns = w.shape
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        # If there are more values than pixels, they are averaged; repeating keeps the short axis sharp.
        many = max(w.shape) > 300
        drawn = w.repeat(-(-300 // rows), axis=0).repeat(-(-300 // columns), axis=1) if many else w
        interpolation = "auto" if many else "nearest"
        image = heat_map(axis, drawn, extent=extent, aspect="auto", interpolation=interpolation)
        whole_numbers(axis.xaxis)
        whole_numbers(axis.yaxis)
        axis.set(xlabel="output", ylabel="input")
        axis.set_title(f"{name} {w.shape}", fontsize=10)
        colour_bar(axis, image, w, "weight")
    return axes


def singular_values(source: Weights, ax: Axes | None = None) -> Axes:
    """The singular values of each layer's weight matrix, largest first: W = U diag(s) V^T.

    A fast decay means that the layer uses fewer directions than it has units.

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
    (axis,) = axes_of(ax, 1, (5.2, 3.6))
    axis.set(xscale="log", xlabel="k (logarithmic)", ylabel="k-th singular value")
    for i, (name, w) in enumerate(matrices_of(source).items()):
        w = w.reshape(-1, w.shape[-1])
        values = np.linalg.svd(w.astype(np.float64), compute_uv=False)
        draw_line(axis, np.arange(1, len(values) + 1), values, i, f"{name} {w.shape}")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_title("singular values of the weights", fontsize=10)
    axis.set_ylim(bottom=-0.02 * axis.get_ylim()[1])  # a marker at 0 is not cut in half
    grid(axis)
    name_lines([axis], ax is None)
    return axis


def filters(
    source: Weights, shape: tuple[int, int] | None = None, n: int | None = None, ax: Axes | None = None
) -> Axes:
    """The weights of each unit of the first layer as an image, all with the same colour scale.

    Parameters
    ----------
    source : Sequential, dict of arrays, list of arrays, or array
        A model, or arrays, of which the first with two or more axes is used: (height width, units), or the
        kernel of a convolution (height, width, inputs, units).
    shape : (int, int), optional
        Height and width of the images; None: the kernel's, the model's input shape, or a square.
    n : int, optional
        How many units, starting with the first; None: all.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With the units in rows from left to right, as a single image. A unit that has several inputs at each
        position has an image for each, side by side.

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
    return tiles(images[:n], f"{name}: {of} units, {size} weights each", "weight", ax)


def filters_by_class(
    source: Weights,
    n: int | None = 10,
    class_names: Sequence[str] | None = None,
    shape: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The first layer's units as images, grouped by class: a row for each class.

    A unit supports the class to whose output it contributes most: the largest element of its row of
    W2 W3 ..., the product of the matrices of the later layers, ignoring their activations. Within a row of
    the plot, units are sorted by that value, largest first.

    Parameters
    ----------
    source : Sequential, dict of arrays, list of arrays, or array
        A model, or its matrices (inputs, outputs), at least two consecutive ones; arrays with one axis are
        ignored. One output counts as two classes, below and above zero.
    n : int, optional
        Maximum number of units for each class; None: all.
    class_names : sequence of str, optional
        Names of the rows; None: the numbers of the outputs.
    shape : (int, int), optional
        Height and width of the images; None: the model's input shape, or a square.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        A class that no unit supports most has an empty row.

    Raises
    ------
    ValueError
        If the matrices are not consecutive, fewer than two, or not of images; or there are too few names.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import plot
    >>> ax = plot.filters_by_class([np.zeros((9, 4)), np.array([[1, 0], [0, 1], [2, 0], [0, 3]])])
    >>> [label.get_text() for label in ax.get_yticklabels()], ax.get_title()
    (['0', '1'], 'W1: 4 of 4 units by the class that they support most')
    """
    matrices = matrices_of(source)
    (name, first), *later = matrices.items()
    votes = np.eye(first.shape[-1])
    for other, w in later:
        if w.ndim != 2 or w.shape[0] != votes.shape[1]:
            raise ValueError(
                f"{other} must have {votes.shape[1]} inputs, as many as outputs before, got {w.shape}"
            )
        votes = votes @ w.astype(np.float64)
    if not later:
        raise ValueError(f"source must have a matrix after {name}, which maps its units to the classes")
    if votes.shape[1] == 1:
        votes = np.concatenate([-votes, votes], axis=1)
    classes = votes.shape[1]
    names = [str(k) for k in range(classes)] if class_names is None else [str(each) for each in class_names]
    if len(names) != classes:
        raise ValueError(f"class_names must have {classes} names, got {len(names)}")
    images = units_of(name, first, shape, getattr(source, "input_shape", None))
    says, strength = votes.argmax(axis=1), votes.max(axis=1)
    rows = [np.flatnonzero(says == k) for k in range(classes)]
    rows = [row[np.argsort(-strength[row], kind="stable")][: count(n, len(says))] for row in rows]
    columns = max(map(len, rows))
    picture = np.full((classes, columns, *images.shape[1:]), np.nan)
    for k, row in enumerate(rows):
        picture[k, : len(row)] = images[row]
    shown = sum(map(len, rows))
    title = f"{name}: {shown} of {len(says)} units by the class that they support most"
    axis = tiles(picture.reshape(-1, *images.shape[1:]), title, "weight", ax, columns)
    height = (axis.images[0].get_size()[0] - 1) / classes
    axis.set_yticks(height * (np.arange(classes) + 0.5), names)
    axis.tick_params(length=0)
    return axis


def feature_maps(
    model: Sequential,
    x: ArrayLike,
    layer: Layer | str | int | None = None,
    n: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The outputs of a convolution for one image: a map for each filter, all with the same colour scale.

    Parameters
    ----------
    model : Sequential
    x : array-like of shape input_shape or (1, *input_shape)
        The image, as for `predict`.
    layer : Layer, str or int, optional
        The layer, its name or its index in the model; its output must be (height, width, channels). None: the
        first layer that has weights and returns such maps.
    n : int, optional
        How many maps, starting with the first; None: all.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With the maps in rows from left to right, as a single image.

    Examples
    --------
    >>> import numpy as np
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((8, 8, 1)), nnc.layers.Conv2D(4, 3)])
    >>> axes = nnc.plot.feature_maps(model, np.zeros((8, 8, 1)))
    >>> axes.get_title()
    'conv2d: 4 maps, 6 x 6'
    """
    name, maps = maps_of(model, x, layer)
    n = count(n, len(maps))
    of = f"{n} maps" if n == len(maps) else f"the first {n} of {len(maps)} maps"
    title = f"{name}: {of}, {maps.shape[1]} x {maps.shape[2]}"
    return tiles(maps[:n], title, "output", ax)
