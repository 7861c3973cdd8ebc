"""Curves of one figure are distinguishable, also with color blindness, and their labels do not overlap."""

from __future__ import annotations

import itertools

import matplotlib
import numpy as np
import pytest
from colour_helpers import SIGHT, ciede2000, seen

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex, to_rgb

from nnc import plot
from nnc.plot import backgrounds, lines

# ---- colours

PAIRS = [  # from the table of Sharma, Wu and Dalal
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
    ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
]


@pytest.mark.parametrize("one, other, difference", PAIRS)
def test_ciede2000(one, other, difference):
    assert ciede2000(one, other) == pytest.approx(difference, abs=5e-5)
    assert ciede2000(other, one) == pytest.approx(difference, abs=5e-5)


def distance(a, b, sight):
    return ciede2000(*(seen(to_hex(each["color"]), sight) for each in (a, b)))


def styles_of(n, look="default"):
    with plt.style.context(look):
        axis = plt.figure().subplots()
    return [lines.style(i, axis) for i in range(n)]


@pytest.mark.parametrize("look", ["default", "dark_background"])
@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_curves_differ_in_colour_or_dashes(sight, look):
    styles = styles_of(14, look)
    pairs = list(itertools.combinations(styles, 2))
    alike = [(a, b) for a, b in pairs if distance(a, b, sight) < 20]
    assert [(a, b) for a, b in alike if a["linestyle"] == b["linestyle"]] == []
    least = min(distance(a, b, sight) for a, b in pairs if a["linestyle"] == b["linestyle"])
    assert least >= 20
    training, validation = styles[:2]
    assert distance(training, validation, sight) >= 40


def test_styles_are_many():
    looks = {(s["color"], str(s["linestyle"]), s["marker"]) for s in styles_of(49)}
    assert len(looks) == 49


@pytest.mark.parametrize("behind", ["white", "black"])
@pytest.mark.parametrize("colour", lines.COLOURS)
def test_names_have_contrast(colour, behind):
    name = backgrounds.legible(colour, to_rgb(behind))
    assert backgrounds.contrast(to_rgb(name), to_rgb(behind)) >= 4.5  # WCAG 2.1, 1.4.3


@pytest.mark.parametrize("epochs", [13, 50, 300])
def test_markers_of_several_curves_are_at_different_epochs_and_not_cut_off(epochs):
    runs = {f"run {i}": {"loss": np.linspace(1, 0.1 * i, epochs).tolist()} for i in range(4)}
    (axis,) = plot.compare(runs, ["loss"])
    drawn(axis)
    marked = [
        set(line.get_xdata()[first::often]) for line in axis.lines for first, often in [line.get_markevery()]
    ]
    assert all(len(each) >= 12 for each in marked)
    if epochs >= 48:
        assert not any(a & b for a, b in itertools.combinations(marked, 2))
    at = axis.transData.transform((epochs, 0))[0]
    assert axis.bbox.x1 - at >= axis.lines[0].get_markersize() / 2 * axis.figure.dpi / 72


def test_markers_on_a_logarithmic_axis_are_at_about_equal_distances():
    axis = plot.singular_values(np.diag(np.arange(1.0, 301)))
    assert np.diff(np.log(axis.lines[0].get_markevery() + 1)).max() < 0.75


def test_a_singular_value_of_zero_is_above_the_axis():
    axis = plot.singular_values(np.diag([2.0, 1.0, 0.0]))
    drawn(axis)
    at = axis.transData.transform((3, 0))[1]
    assert at - axis.bbox.y0 >= axis.lines[0].get_markersize() / 2 * axis.figure.dpi / 72


# ---- names


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def drawn(axes):
    figure = np.ravel(axes)[0].figure
    figure.canvas.draw()
    return figure


@pytest.mark.parametrize("ends", [[1.0, 2.0, 3.0], [1.0, 1.0, 3.0], [2.0, 2.0, 2.0]])
def test_names_stand_at_the_ends_and_apart(ends):
    runs = {f"run {i}": {"loss": [4.0, 0.5 + i, end]} for i, end in enumerate(ends)}
    (axis,) = plot.compare(runs, ["loss"])
    figure = drawn(axis)
    assert axis.get_legend() is None and not figure.legends
    assert [text.get_text() for text in axis.texts] == list(runs)
    boxes = [text.get_window_extent() for text in axis.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    for box in boxes:
        assert box.x0 >= axis.bbox.x1 and box.x1 <= figure.bbox.x1
    heights = {text.get_text(): text.get_window_extent().y0 for text in axis.texts}
    order = sorted(heights, key=heights.get)
    assert [ends[int(name[-1])] for name in order] == sorted(ends)


@pytest.mark.parametrize(
    "runs",
    [
        {"a": {"loss": [3.0, 2, 1]}, "b": {"loss": [3.0, 2]}},  # one ends earlier
        {"a": {"loss": [3.0, 2, np.nan]}, "b": {"loss": [3.0, 2, 1]}},
        {"a name that would take the width of the panel": {"loss": [3.0, 2]}, "b": {"loss": [2.0, 2]}},
        {f"{i}": {"loss": [2.0, 1.0]} for i in range(12)},  # all at the same position
    ],
    ids=["length", "nan", "long", "many"],
)
def test_one_legend_where_names_do_not_fit(runs):
    axes = plot.compare(runs | {"c": {"loss": [1.0], "val_loss": [1.0]}}, ["loss", "val_loss"])
    figure = drawn(axes)
    assert [axis.get_legend() for axis in axes] == [None, None] and not axes[0].texts
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*runs, "c"]
    assert not any(legend.get_window_extent().overlaps(axis.bbox) for axis in axes)


def test_given_axes_have_no_legend_of_their_figure():
    figure, axes = plt.subplots(1, 2)
    plot.compare({"a": {"loss": [2.0, 1], "accuracy": [0.1, 0.2]}, "b": {"loss": [2.0, 1]}}, ax=axes)
    drawn(axes)
    assert not figure.legends and axes[1].get_legend() is None
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["a", "b"]


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_apart(n):
    at = np.random.default_rng(n).uniform(0, 30, n)
    moved = lines.apart(at, 4.0)
    order = np.argsort(at)
    assert (np.diff(moved[order]) >= 4.0 - 1e-9).all()
    np.testing.assert_array_equal(np.argsort(moved, kind="stable"), order)
    assert moved.mean() == pytest.approx(at.mean())  # not shifted to one side
