"""Arrays as colours: a heat map around zero, and many arrays side by side as one image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc.plot.frames import FRAME, axes_of, bare

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

DIVERGING = "RdBu_r"  # blue is below zero, white is zero, red is above


def tiles(images: np.ndarray, title: str, label: str, ax: Axes | None, columns: int | None = None) -> Axes:
    """Draw `images` (n, height, width) in rows, in blue, white and red around zero, with a colour bar."""
    height, width = images.shape[1:]
    gap = (1, 1 + int(np.isnan(images).any())) if height < 10 else (2, 2)  # wider than one within an image
    mosaic, columns = in_rows(images, gap, columns or math.ceil(math.sqrt(len(images) * height / width)))
    side = min(8.0, max(4.0, 0.7 * columns * max(1.0, width / height)))
    (axis,) = axes_of(ax, 1, (side + 0.9, side * mosaic.shape[0] / mosaic.shape[1] + 0.4))
    image = heat_map(axis, mosaic, interpolation="nearest" if mosaic.shape[1] < 300 else "auto")
    bare(axis)
    axis.set_title(title, fontsize=10)
    colour_bar(axis, image, mosaic, label)
    return axis


def in_rows(images: np.ndarray, gap: tuple[int, int], widest: int | None = None) -> tuple[np.ndarray, int]:
    """`images` (n, height, width) in rows as one array, and the number of columns.

    The gaps above and to the left of each image are `gap` high and wide, and filled with NaN.
    """
    n, height, width = images.shape
    columns = min(n, widest or math.ceil(math.sqrt(n)))
    rows = -(-n // columns)
    tiles = np.full((rows * columns, height + gap[0], width + gap[1]), np.nan)
    tiles[:n, gap[0] :, gap[1] :] = images
    mosaic = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2).reshape(rows * tiles.shape[1], -1)
    return np.pad(mosaic, ((0, min(2, gap[0])), (0, gap[1])), constant_values=np.nan), columns


def heat_map(axis: Axes, w: np.ndarray, **options: Any) -> AxesImage:
    """Draw the matrix `w`, blue below zero, white at zero, red above."""
    from matplotlib import colormaps

    limit = _limit(w)
    cmap = colormaps[DIVERGING].with_extremes(bad=axis.get_facecolor())
    return axis.imshow(w, cmap=cmap, vmin=-limit, vmax=limit, **options)


def _limit(w: np.ndarray) -> float:
    """The end of the colour scale: the 99.5th percentile of the absolute values; 1 if all are zero."""
    finite = np.abs(w[np.isfinite(w)])
    if not finite.any():
        return 1.0
    return float(np.percentile(finite, 99.5)) or float(finite.max())


def colour_bar(axis: Axes, image: AxesImage, w: np.ndarray, label: str) -> None:
    """Add a colour bar for `image` of `w`, with pointed ends if values are beyond its colour scale."""
    beyond = np.any(np.abs(w[np.isfinite(w)]) > image.get_clim()[1])
    extend = "both" if beyond else "neither"
    bar = axis.figure.colorbar(image, ax=axis, extend=extend, fraction=0.05, pad=0.03, aspect=35)
    bar.set_label(label)
    bar.outline.set_edgecolor(FRAME)
