"""Random augmentation of images in training: rotation, zoom, translation and flips."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .formulas import Array, look_up
from .geometry import MapLayer, maps
from .noise import random_words

# name: maps pixel indices i (int) along an axis of n pixels to the pixel 0, ..., n - 1 that is used there
FILLS = {
    "constant": lambda i, n: np.clip(i, 0, n - 1),  # overwritten with fill_value afterwards
    "nearest": lambda i, n: np.clip(i, 0, n - 1),  # a a | a b c | c c
    "reflect": lambda i, n: np.minimum(i % (2 * n), (-1 - i) % (2 * n)),  # b a | a b c | c b
    "wrap": lambda i, n: i % n,  # b c | a b c | a b
}

# name: for coordinates t (float) along an axis, [(pixel index, weight)]
INTERPOLATIONS = {
    "bilinear": lambda t: [(np.floor(t), 1.0 - (t - np.floor(t))), (np.floor(t) + 1.0, t - np.floor(t))],
    "nearest": lambda t: [(np.floor(t + 0.5), np.ones_like(t))],
}


def pixels(images, rows, columns, fill, fill_value):
    """images[b, rows[b], columns[b]] (B, H, W, C) for any pixel indices rows, columns (B, H, W)."""
    rows, columns = rows.astype(np.int64), columns.astype(np.int64)
    _, height, width, _ = images.shape
    seen = FILLS[fill]
    values = images[np.arange(len(images))[:, None, None], seen(rows, height), seen(columns, width)]
    if fill == "constant":
        outside = (rows < 0) | (rows >= height) | (columns < 0) | (columns >= width)
        values[outside] = fill_value
    return values


def affine_images(
    images: ArrayLike,
    rotation: ArrayLike = 0.0,
    zoom: ArrayLike = (0.0, 0.0),
    shift: ArrayLike = (0.0, 0.0),
    flip: ArrayLike = (False, False),
    *,
    fill: str = "reflect",
    fill_value: float = 0.0,
    interpolation: str = "bilinear",
) -> Array:
    """Zoom and rotate each image about its center, then shift it.

    Pixel (oy, ox) of the result is the image's value at (iy, ix). With the center (cy, cx) =
    ((H - 1) / 2, (W - 1) / 2), t = 2 pi rotation, and (v, u) = (oy - cy - shift[0] H, ox - cx - shift[1] W):

        iy = cy + (1 + zoom[0]) (cos t v + sin t u)
        ix = cx + (1 + zoom[1]) (cos t u - sin t v)

    A flip changes the sign of 1 + zoom.

    Parameters
    ----------
    images : array_like, shape (B, H, W, C)
    rotation : array_like, shape (B,) or ()
        In full turns, counter-clockwise: 0.25 is 90 degrees.
    zoom : array_like, shape (B, 2) or (2,)
        Of height and width, above -1: the content becomes 1 / (1 + zoom) times as large.
    shift : array_like, shape (B, 2) or (2,)
        Down and to the right, as fractions of height and width.
    flip : array_like of bool, shape (B, 2) or (2,)
        Vertical and horizontal.
    fill : str
        Values beyond the edge of pixels a b c: "nearest" a a | a b c | c c, "reflect"
        b a | a b c | c b, "wrap" b c | a b c | a b, or "constant": fill_value.
    fill_value : float
    interpolation : str
        Values between pixels: "bilinear" weights the four neighbors of (iy, ix) by their proximity; "nearest"
        takes pixel (floor(iy + 1/2), floor(ix + 1/2)).

    Returns
    -------
    ndarray of float64, shape (B, H, W, C)

    Raises
    ------
    ValueError
        If images is not a batch of maps, a zoom is not above -1, or fill or interpolation is unknown.

    References
    ----------
    Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural networks applied to visual
    document analysis".

    Examples
    --------
    >>> image = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).reshape(1, 2, 3, 1)
    >>> affine_images(image, shift=(0.5, 0.0), fill="nearest")[0, :, :, 0]  # down by half of the height
    array([[1., 2., 3.],
           [1., 2., 3.]])
    >>> affine_images(image, shift=(0.0, -1 / 6), fill="constant")[0, :, :, 0]  # to the left by half a pixel
    array([[1.5, 2.5, 1.5],
           [4.5, 5.5, 3. ]])
    """
    look_up(FILLS, fill, "fill")
    neighbours = look_up(INTERPOLATIONS, interpolation, "interpolation")
    images = maps("images", images)
    n, height, width, _ = images.shape
    if not np.all(np.asarray(zoom) > -1.0):
        raise ValueError(f"zoom {zoom!r}: every number must be above -1")
    rotation = np.broadcast_to(np.asarray(rotation, np.float64), (n,))[:, None, None]
    factors = np.where(flip, -1.0, 1.0) * (1.0 + np.asarray(zoom, np.float64))
    factor_y, factor_x = np.broadcast_to(factors, (n, 2)).T[:, :, None, None]
    shift_y, shift_x = np.broadcast_to(np.asarray(shift, np.float64), (n, 2)).T[:, :, None, None]
    cos, sin = np.cos(2.0 * math.pi * rotation), np.sin(2.0 * math.pi * rotation)

    cy, cx = (height - 1) / 2, (width - 1) / 2
    v = np.arange(height)[:, None] - cy - shift_y * height
    u = np.arange(width) - cx - shift_x * width
    iy = cy + factor_y * (cos * v + sin * u)
    ix = cx + factor_x * (cos * u - sin * v)

    y = np.zeros(images.shape)
    for row, row_weight in neighbours(iy):
        for column, column_weight in neighbours(ix):
            y += (row_weight * column_weight)[..., None] * pixels(images, row, column, fill, fill_value)
    return y


class RandomAffine(MapLayer):
    """`affine_images` with random arguments for each sample in training; nothing in inference.

    Sample r of the batch has seven numbers u_j in [0, 1): word 8 r + j of the layer's stream (see
    `random_words`), j = 0, ..., 6, times 2^-32. They determine rotation, zoom_height, zoom_width,
    shift_height and shift_width, each as lo + u (hi - lo) in its range; with flip_height and flip_width, a u
    of at least 1/2 flips the image. No gradient flows through the layer, so no parameters may come before it.
    """

    kind = "random_affine"
    differentiable = False

    def __init__(self, row, n_inputs, index):
        super().__init__(row, n_inputs, index)
        look_up(FILLS, row["fill"], f"fill of layer {index}")
        look_up(INTERPOLATIONS, row["interpolation"], f"interpolation of layer {index}")
        names = ["rotation", "zoom_height", "zoom_width", "shift_height", "shift_width"]
        self.ranges = {name: row[name] for name in names}
        self.one_zoom = row["zoom_width"] is None
        if self.one_zoom:
            self.ranges["zoom_width"] = row["zoom_height"]
        for name, (low, high) in self.ranges.items():
            least = -1.0 if name.startswith("zoom") else -math.inf
            if not least < low <= high < math.inf:
                raise ValueError(f"layer {index}: {name} {[low, high]}: use {least} < lo <= hi < inf")

    def draw(self, n, noise):
        """Return rotation (n,), zoom (n, 2), shift (n, 2) and flip (n, 2) for the n samples of a batch."""
        u = random_words(8 * n, self.index, noise).reshape(n, 8) * 2.0**-32
        low, high = np.array(list(self.ranges.values()), np.float64).T
        values = low + u[:, :5] * (high - low)
        if self.one_zoom:
            values[:, 2] = values[:, 1]
        flips = [bool(self.row.get("flip_height")), bool(self.row.get("flip_width"))]
        return values[:, 0], values[:, 1:3], values[:, 3:5], (u[:, 5:7] >= 0.5) & flips

    def forward(self, x, parameters, noise):
        if noise is None:
            return x, None
        options = {name: self.row[name] for name in ["fill", "fill_value", "interpolation"]}
        y = affine_images(x.reshape(-1, *self.map), *self.draw(len(x), noise), **options)
        return y.reshape(x.shape), None

    def backward(self, dy, parameters, kept):
        return np.zeros(dy.shape), []
