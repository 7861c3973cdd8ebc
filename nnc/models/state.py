"""What a model is, apart from what computes it: the contents of a model file."""

from __future__ import annotations

from typing import Any, NamedTuple

from nnc.callbacks import History
from nnc.models.engine import EngineState
from nnc.models.stack import Stack


class ModelState(NamedTuple):
    """Layers, weights, how the model is trained, and how far that has come.

    epoch: the epochs done. callbacks: what those of the last run counted, by callback and attribute.
    """

    stack: Stack
    engine: EngineState
    epoch: int
    callbacks: dict[str, dict[str, Any]]
    history: History | None

    def uncompiled(self) -> ModelState:
        """The state without what belongs to training, but with the history."""
        return self._replace(engine=self.engine.uncompiled(), epoch=0, callbacks={})

    def weights_only(self) -> ModelState:
        """Layers and weights."""
        return self.uncompiled()._replace(history=None)
