"""Plots of training, of learned weights, and of the outputs of a model.

Every function takes a model or plain arrays, draws into the given Axes or into a new figure, and returns the
Axes, whose titles and limits can then be changed. Nothing is shown and no Matplotlib setting is changed: call
``matplotlib.pyplot.show()`` or `save`. Matplotlib is imported by the first plot.

    axes = nnc.plot.history(model.fit(x, y))
    nnc.plot.save(axes, "results/curves")
"""

from __future__ import annotations

from nnc._arguments import suggest_arguments
from nnc.plot.classes import confusion_matrix, digits
from nnc.plot.curves import compare, history
from nnc.plot.frames import RIGHT, WRONG, save
from nnc.plot.learned import feature_maps, filters, filters_by_class, singular_values, weights
from nnc.plot.outputs import calibration, embedding
from nnc.plot.recorded import filters_over_epochs, histograms
from nnc.plot.residuals import residuals

__all__ = [
    "RIGHT",
    "WRONG",
    "calibration",
    "compare",
    "confusion_matrix",
    "digits",
    "embedding",
    "feature_maps",
    "filters",
    "filters_by_class",
    "filters_over_epochs",
    "histograms",
    "history",
    "residuals",
    "save",
    "singular_values",
    "weights",
]

suggest_arguments(globals())
