"""What holds for every plot: given Axes, text within the figure, legible in light and dark styles."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from plot_helpers import CURVES, IMAGES, IMAGES_NET, MAPS, SAMPLE, W1, W2, recorder, searched

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from nnc import plot
from nnc.plot.backgrounds import contrast, legible, luminance, text_colour
from nnc.search import plots


@pytest.fixture(autouse=True)
def leave_no_trace():
    settings = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == settings
    plt.close("all")


def draw(axes):
    """Render, as saving does: an artist that cannot be drawn fails here."""
    np.ravel(axes)[0].figure.canvas.draw()
    return axes


PICTURES = {
    "history": (2, lambda ax: plot.history(CURVES, ax=ax)),
    "weights": (2, lambda ax: plot.weights([W1, W2], ax=ax)),
    "singular_values": (1, lambda ax: plot.singular_values([W1, W2], ax=ax)),
    "filters": (1, lambda ax: plot.filters(W1, ax=ax)),
    "kernels": (1, lambda ax: plot.filters(W1.reshape(7, 7, 16, 12), n=3, ax=ax)),
    "feature_maps": (1, lambda ax: plot.feature_maps(MAPS, SAMPLE, "reshape", ax=ax)),
    "confusion_matrix": (1, lambda ax: plot.confusion_matrix([0, 1, 1], [0, 1, 0], ax=ax)),
    "digits": (1, lambda ax: plot.digits(IMAGES, ax=ax)),
    "filters_by_class": (1, lambda ax: plot.filters_by_class([W1, W2], ax=ax)),
    "filters_over_epochs": (1, lambda ax: plot.filters_over_epochs(recorder(), ax=ax)),
    "histograms": (2, lambda ax: plot.histograms(recorder(), ax=ax)),
    "gradients": (2, lambda ax: plot.histograms(recorder(), "gradients", ax=ax)),
    "embedding": (1, lambda ax: plot.embedding(IMAGES_NET, IMAGES, np.arange(13) % 3, ax=ax)),
    "residuals": (2, lambda ax: plot.residuals(np.arange(9.0), np.arange(9.0) + W1[0, :9], ax=ax)),
    "named": (1, lambda ax: plot.digits(IMAGES, np.arange(13) % 3, np.zeros(13), ax=ax)),
    "compare": (1, lambda ax: plot.compare({f"run {i}": {"loss": [9.0, i]} for i in range(8)}, ax=ax)),
    "search_parameters": (4, lambda ax: plots.parameters(searched(), ax=ax)),
    "search_parallel": (1, lambda ax: plots.parallel(searched(), ax=ax)),
    "search_heat_map": (1, lambda ax: plots.heat_map(searched(), "rate", "units", ax=ax)),
    "search_curves": (1, lambda ax: plots.curves(searched(), ax=ax)),
    "calibration": (1, lambda ax: plot.calibration([0, 1, 1], [0.1, 0.8, 0.6], ax=ax)),
}


@pytest.mark.parametrize("panels, picture", PICTURES.values(), ids=PICTURES)
def test_draws_into_the_axes_of_a_figure_made_without_pyplot(panels, picture, tmp_path):
    figure = Figure(layout="constrained")
    axes = figure.subplots(1, panels)
    assert np.array_equal(np.ravel(picture(axes)), np.ravel(axes))
    assert plt.get_fignums() == []
    draw(axes)
    with pytest.raises(ValueError, match=f"ax must have {panels} Axes.*got 3"):
        picture(figure.subplots(1, 3))


@pytest.mark.parametrize("panels, picture", PICTURES.values(), ids=PICTURES)
def test_titles_and_labels_stay_within_the_figure(panels, picture):
    axes = np.ravel(draw(picture(None)))
    figure = axes[0].figure
    for ax in axes:
        for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
            if not text.get_text():
                continue
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= 0
            assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1


# ---- styles


def read(axes):
    """(text, its contrast with the median colour of the pixels behind it) of all texts of a figure."""
    figure = np.ravel(draw(axes))[0].figure
    figure.set_layout_engine("none")
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = [text.get_window_extent() for text in shown]
    colours = [to_rgb(text.get_color()) for text in shown]
    for text in shown:
        text.set_color((0, 0, 0, 0))  # its background remains
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3] / 255
    for text, box, colour in zip(shown, boxes, colours, strict=True):
        rows, columns = (slice(max(0, round(a)), round(b)) for a, b in (box.intervaly, box.intervalx))
        behind = pixels[rows, columns].reshape(-1, 3)
        if len(behind):  # else beyond the limits of an axis, such as a tick that is not shown
            yield text.get_text(), contrast(colour, np.median(behind, axis=0))


@pytest.mark.parametrize("style", ["default", "dark_background", "ggplot"])
@pytest.mark.parametrize("panels, picture", PICTURES.values(), ids=PICTURES)
def test_every_text_is_legible(panels, picture, style):
    with plt.style.context(style):
        found = list(read(picture(None)))
    assert found
    own = 2.5 if style == "ggplot" else 4.5  # its own tick labels have no more
    assert [(text, value) for text, value in found if value < own] == []


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("name", ["history", "singular_values", "calibration", "search_curves"])
def test_curves_stand_out_from_the_background(name, style):
    with plt.style.context(style):
        axes = np.ravel(PICTURES[name][1](None))
    for axis in axes:
        behind = to_rgb(axis.get_facecolor())
        named = [line for line in axis.lines if not line.get_label().startswith("_")]
        for line in named:
            assert contrast(to_rgb(line.get_color()), behind) >= 3
    best = "white" if style == "dark_background" else "black"
    if name == "search_curves":
        assert axes[0].get_title().endswith(f"({best})") and axes[0].lines[-1].get_color() == best


@pytest.mark.parametrize("direction", ["max", "min"])
def test_good_trials_stand_out_from_the_background(direction):
    result = searched(direction)
    for style, behind in (("default", (1, 1, 1)), ("dark_background", (0, 0, 0))):
        with plt.style.context(style):
            lines = [line.get_color() for line in plots.curves(result).lines]
            parallel = plots.parallel(result).collections[0].get_colors()
        for colours in (lines, parallel):  # from the worst to the best
            contrasts = [contrast(to_rgb(colour), behind) for colour in colours]
            assert contrasts == sorted(contrasts) and contrasts[-1] == pytest.approx(21)


def test_no_line_strikes_through_the_labels_of_parallel_coordinates():
    axis = draw(plots.parallel(searched(), ["rate", "units", "momentum", "optimizer"]))
    ends = [text for text in axis.texts if text.xy[1] in (0, 1)]
    assert len(ends) >= 8
    lines = [line.get_window_extent() for line in axis.lines]
    first = [text.get_window_extent() for text in axis.texts if text.xy[0] == 0 and text not in ends]
    assert first and all(box.x0 >= 0 and box.x1 < lines[0].x0 for box in first)
    assert not any(text.get_window_extent().overlaps(line) for text in ends for line in lines)


def test_title_of_a_heat_map():
    result = searched()
    assert plots.heat_map(result, "rate", "units").get_title() == "best score by rate and units"
    result.metric = "val_accuracy_of_digits"
    assert "\nand units" in plots.heat_map(result, "rate", "units").get_title()


def test_a_transparent_figure_takes_the_opposite_of_its_text_as_its_background():
    transparent = {"figure.facecolor": "none", "axes.facecolor": "none"}
    for colour, best in (("black", "black"), ("white", "white")):
        with matplotlib.rc_context({"text.color": colour, **transparent}):
            assert plots.curves(searched()).lines[-1].get_color() == best


@pytest.mark.parametrize("behind", ["white", "black", "#777777", "#1e1e1e", "#e5e5e5"])
def test_legible(behind):
    for colour in ("#0072B2", "#E69F00", "white", "black", "#777777"):
        found = legible(colour, to_rgb(behind))
        assert contrast(to_rgb(found), to_rgb(behind)) >= 4.5
        if contrast(to_rgb(colour), to_rgb(behind)) >= 4.5:
            assert found == colour
    assert contrast(to_rgb(text_colour(to_rgb(behind))), to_rgb(behind)) >= 4.58


def test_luminance_and_contrast():
    assert luminance([1, 1, 1]) == pytest.approx(1) and luminance([0, 0, 0]) == 0
    assert luminance([1, 0, 0]) == pytest.approx(0.2126)  # WCAG 2.1
    assert contrast([0, 0, 0], [1, 1, 1]) == contrast([1, 1, 1], [0, 0, 0]) == pytest.approx(21)
    assert contrast([0x77 / 255] * 3, [1, 1, 1]) == pytest.approx(4.48, abs=0.005)
