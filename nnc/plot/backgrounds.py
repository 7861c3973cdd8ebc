"""The background of a plot, light or dark, and colours that are legible on it.

It is that of the figure and its Axes, as a style such as Matplotlib's "dark_background" defines it.
Contrast is that of WCAG 2.1: (L1 + 0.05) / (L2 + 0.05) for the relative luminances L1 >= L2; text needs 4.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEAST = 4.5


def background(axis: Axes, outside: bool = False) -> np.ndarray:
    """The colour (3,) behind the contents of `axis`, or behind the labels outside its frame.

    If all of the backgrounds are transparent, it is taken to be the opposite of the text.
    """
    from matplotlib.colors import to_rgb, to_rgba

    figure: Any = axis.figure
    behind = np.array(to_rgb("white" if luminance(to_rgb(axis.title.get_color())) < 0.5 else "black"))
    faces = [figure.figure.get_facecolor(), figure.get_facecolor()]  # a subfigure may have one of its own
    for face in [*faces, *([] if outside else [axis.get_facecolor()])]:
        *rgb, alpha = to_rgba(face)
        behind = alpha * np.array(rgb) + (1 - alpha) * behind
    return behind


def luminance(rgb: Any) -> float:
    """The relative luminance of a colour in sRGB: 0 for black, 1 for white."""
    rgb = np.asarray(rgb, dtype=np.float64)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def contrast(one: Any, other: Any) -> float:
    """The contrast of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_colour(behind: Any) -> str:
    """ "black" or "white", whichever has the higher contrast with `behind`; it is at least 4.58."""
    return max("black", "white", key=lambda name: contrast([float(name == "white")] * 3, behind))


def legible(colour: Any, behind: Any) -> Any:
    """`colour` itself, or moved towards black or white as far as text needs on `behind`."""
    from matplotlib.colors import to_rgb

    end = np.array(to_rgb(text_colour(behind)))
    while contrast(to_rgb(colour), behind) < _LEAST:
        colour = tuple(0.95 * np.array(to_rgb(colour)) + 0.05 * end)
    return colour
