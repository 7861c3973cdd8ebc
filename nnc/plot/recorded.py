"""Plots of how weights changed during training, from the records of `nnc.callbacks.Recorder`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from nnc.plot.frames import axes_of
from nnc.plot.inputs import count, units_of
from nnc.plot.mosaics import tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nnc.plot.frames import AxesLike


class Records(Protocol):
    """The part of a Recorder that the plots need."""

    epochs: list[int]
    weights: dict[str, list[np.ndarray]]
    gradients: dict[str, list[np.ndarray]]
    input_shape: tuple[int, ...]


def histograms(recorder: Records, of: str = "weights", bins: int = 60, ax: AxesLike = None) -> np.ndarray:
    """The distribution of the weights of each layer, or of their gradients, epoch by epoch.

    Parameters
    ----------
    recorder : nnc.callbacks.Recorder
        A recorder that was among the callbacks of a run.
    of : {"weights", "gradients"}
    bins : int
        Number of bins of each histogram; they cover 99.8 % of the values.
    ax : Axes or array of Axes, optional
        One for each array with two or more axes; None: a new figure.

    Returns
    -------
    ndarray of Axes
        A column for each record, darker where there are more values; the lines are the median and the
        quartiles.

    Raises
    ------
    ValueError
        If the recorder has no such records, or bins is less than 1.

    Examples
    --------
    >>> import nnc
    >>> x, y = nnc.datasets.load_iris()
    >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, "softmax")])
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> recorder = nnc.callbacks.Recorder(x, y)
    >>> history = model.fit(x, y, epochs=5, callbacks=[recorder], verbose=0)
    >>> [axis.get_title() for axis in nnc.plot.histograms(recorder, "gradients")]
    ['dense kernel (4, 3)']
    """
    if of not in ("weights", "gradients"):
        raise ValueError(f"of must be 'weights' or 'gradients', got {of!r}")
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    kept = recorder.weights if of == "weights" else recorder.gradients
    kept = {name: arrays for name, arrays in kept.items() if arrays[0].ndim > 1}
    if not kept:
        how = "Recorder(x, y) keeps gradients" if of == "gradients" else "a run fills it"
        raise ValueError(f"recorder has no {of} of two axes or more: {how}")
    axes = axes_of(ax, len(kept), (4.4, 3.4))
    places = np.arange(len(recorder.epochs))
    for axis, (name, arrays) in zip(axes, kept.items(), strict=True):
        values = np.stack([array.ravel() for array in arrays]).astype(np.float64)
        limit = float(np.percentile(np.abs(values[np.isfinite(values)]), 99.8)) or 1.0
        edges = np.linspace(-limit, limit, bins + 1)
        shares = np.stack([np.histogram(row, edges)[0] for row in values], axis=1) / values.shape[1]
        axis.pcolormesh(np.arange(len(places) + 1) - 0.5, edges, np.sqrt(shares), cmap="Blues")
        quartiles = np.nanpercentile(values, (25, 50, 75), axis=1)
        for line, dashes in zip(quartiles, (":", "-", ":"), strict=True):
            axis.plot(places, line, dashes, color="black", linewidth=1.0)
        ticks = places[:: -(-len(places) // 8)]
        axis.set_xticks(ticks, [str(recorder.epochs[k]) for k in ticks])
        axis.set(xlabel="epochs done", ylabel=of.removesuffix("s"))
        axis.set_title(f"{name} {arrays[0].shape}", fontsize=10)
    if ax is None:
        axes[0].figure.suptitle(f"darker: more {of}; lines: median and quartiles", fontsize=9)
    return axes


def filters_over_epochs(
    recorder: Records,
    n: int | None = 8,
    shape: tuple[int, int] | None = None,
    columns: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """How the first layer's filters changed: a row for each unit, a column for each of several epochs.

    Parameters
    ----------
    recorder : nnc.callbacks.Recorder
        A recorder that was among the callbacks of a run.
    n : int, optional
        How many units, those that changed most; None: all, most changed first.
    shape : (int, int), optional
        Height and width of the images; None: the model's input shape, or a square.
    columns : int
        Maximum number of records, including the first and the last.
    ax : Axes, optional
        None: a new figure.

    Returns
    -------
    Axes
        With all images combined into one, in blue, white and red around zero.

    Raises
    ------
    ValueError
        If the recorder has no records, the weights are not of images, or columns is less than 2.

    Examples
    --------
    >>> import nnc
    >>> x, y = nnc.datasets.load_iris()
    >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(6, "relu"), nnc.layers.Dense(3, "softmax")])
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> recorder = nnc.callbacks.Recorder()
    >>> history = model.fit(x, y, epochs=5, callbacks=[recorder], verbose=0)
    >>> nnc.plot.filters_over_epochs(recorder, n=3, shape=(2, 2)).get_title()
    'dense kernel: the 3 of 6 units that changed most'
    """
    if columns < 2:
        raise ValueError(f"columns must be at least 2, got {columns}")
    name = next((name for name, arrays in recorder.weights.items() if arrays[0].ndim > 1), None)
    if name is None:
        raise ValueError("recorder has no weights of two axes or more: a run fills it")
    arrays = recorder.weights[name]
    chosen = np.unique(np.linspace(0, len(arrays) - 1, columns).round().astype(int))
    images = np.stack([units_of(name, arrays[k], shape, recorder.input_shape) for k in chosen])
    units, (height, width) = images.shape[1], images.shape[2:]
    changed = np.nansum((images[-1] - images[0]) ** 2, axis=(1, 2))
    first = np.argsort(-changed, kind="stable")[: count(n, units)]
    strip = images[:, first].swapaxes(0, 1).reshape(-1, height, width)
    which = (
        "all units, the most changed first" if len(first) == units else f"the {len(first)} of {units} units"
    )
    title = f"{name}: {which}{' that changed most' * (len(first) < units)}"
    axis = tiles(strip, title, "weight", ax, len(chosen))
    gap = (axis.images[0].get_size()[1] - len(chosen) * width) / (len(chosen) + 1)
    centres = gap + (width + gap) * np.arange(len(chosen)) + (width - 1) / 2
    axis.set_xticks(centres, [str(recorder.epochs[k]) for k in chosen])
    axis.tick_params(length=0)
    axis.set_xlabel("epochs done")
    return axis
