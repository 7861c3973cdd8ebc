"""The Axes of the plots, with grid and colours; and saving figures to files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

    AxesLike = Axes | np.ndarray | list[Axes] | None  # where to draw; None: a new figure

RIGHT, WRONG = "#2d3748", "#c53030"
FRAME = "#a0aec0"


def axes_of(ax: AxesLike, n: int, size: tuple[float, float]) -> np.ndarray:
    """`ax` as an array of `n` Axes, or those of a new figure with panels of `size` inches."""
    if ax is not None:
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) != n:
            raise ValueError(f"ax must have {n} Axes, one for each panel, got {len(axes)}")
        return axes
    import matplotlib.pyplot as plt

    columns = 2 if n == 4 else min(n, 3)
    rows = -(-n // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(size[0] * columns, size[1] * rows), squeeze=False, layout="constrained"
    )
    for spare in axes.flat[n:]:
        figure.delaxes(spare)
    return axes.ravel()[:n]


def whole_numbers(axis: XAxis | YAxis) -> None:
    """Ticks at integers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def grid(axis: Axes) -> None:
    """A faint grid, open above and on the right."""
    axis.grid(color=FRAME, alpha=0.35, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def bare(axis: Axes) -> None:
    """No ticks and no border."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def save(
    figure: Figure | Axes | np.ndarray,
    path: str | os.PathLike[str],
    formats: str | tuple[str, ...] = ("png", "svg"),
    dpi: float = 150,
) -> list[str]:
    """Write a figure in each of the formats and return the file names.

    The same plot always produces the same bytes: the files contain no dates and no random identifiers.

    Parameters
    ----------
    figure : Figure, Axes or array of Axes
        The result of a function of this module.
    path : str or path
        Without a suffix, which is added for each format: "results/curves" becomes results/curves.png and
        results/curves.svg. Missing folders are created.
    formats : tuple of str
        Any that Matplotlib knows: "png", "svg", "pdf", ...
    dpi : float
        Pixels per inch.

    Returns
    -------
    list of str
        The paths written.

    Examples
    --------
    >>> from nnc import plot
    >>> axes = plot.history({"loss": [1.0, 0.5, 0.25]})
    >>> plot.save(axes, "results/curves")
    ['results/curves.png', 'results/curves.svg']
    """
    import matplotlib

    if isinstance(formats, str):
        formats = (formats,)
    whole: Any = figure
    if not hasattr(figure, "savefig"):
        whole = np.ravel(np.asarray(figure, dtype=object))[0].figure
    path = os.fspath(path)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    written = []
    with matplotlib.rc_context({"svg.hashsalt": "nnc"}):
        for name in formats:
            written.append(f"{path}.{name}")
            metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(name)
            whole.savefig(written[-1], format=name, dpi=dpi, metadata=metadata)
    return written
