"""Pictures of training and of what was learned: curves, weights, filters, maps, confusions, digits.

Every function takes a model or plain arrays, draws into the Axes it is given or into a new figure, and
returns the Axes, so that titles and limits can be changed afterwards. Nothing is shown and no setting of
Matplotlib is changed: call ``matplotlib.pyplot.show()`` or `save`. Matplotlib is imported at the first
picture.

    axes = nnc.plot.history(model.fit(x, y))
    nnc.plot.save(axes, "results/curves")
"""

from __future__ import annotations

from nnc.plot.classes import confusion_matrix, digits
from nnc.plot.curves import compare, history
from nnc.plot.frames import RIGHT, WRONG, save
from nnc.plot.learned import feature_maps, filters, singular_values, weights

__all__ = [
    "RIGHT",
    "WRONG",
    "compare",
    "confusion_matrix",
    "digits",
    "feature_maps",
    "filters",
    "history",
    "save",
    "singular_values",
    "weights",
]
