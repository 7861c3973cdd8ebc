"""What a model is, apart from what computes it: the contents of a model file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from nnc.callbacks import History
from nnc.models.compiled import Compiled
from nnc.models.engine import EngineState
from nnc.models.stack import Stack


@dataclass
class ModelState:
    """Layers, weights, how the model is trained, and how far that has come.

    epoch: the epochs done. callbacks: what those of the last run counted, by callback and attribute.
    """

    stack: Stack
    engine: EngineState
    epoch: int = 0
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: History | None = None

    def uncompiled(self) -> ModelState:
        """The state without what belongs to training, but with the history."""
        engine = replace(self.engine, compiled=Compiled(), slots=None)
        return replace(self, engine=engine, epoch=0, callbacks={})

    def weights_only(self) -> ModelState:
        """Layers and weights."""
        return replace(self.uncompiled(), history=None)
