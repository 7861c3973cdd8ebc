"""What a model is, apart from what computes it: the contents of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nnc.callbacks import History
from nnc.models.engine import EngineState
from nnc.models.stack import Stack


class Position(NamedTuple):
    """Where a run stands within an epoch: behind `batch` of its `n_steps` steps (None where not known).

    rows, sums: what the means of the epoch's logs are made of, the loss and the metrics by their names.
    """

    batch: int
    n_steps: int | None
    rows: int
    sums: dict[str, float]


class ModelState(NamedTuple):
    """Layers, weights, how the model is trained, and how far that has come.

    epoch: the epochs done. callbacks: what those of the last run counted, by callback and attribute. stopped:
    whether a callback ended the run. position: where the run stands within an epoch, None between two.
    metadata: strings by name that the file carries beside the configuration.
    """

    stack: Stack
    engine: EngineState
    epoch: int
    callbacks: dict[str, dict[str, Any]]
    history: History | None
    stopped: bool = False
    position: Position | None = None
    metadata: Mapping[str, str] = MappingProxyType({})

    def uncompiled(self) -> ModelState:
        """The state without what belongs to training, but with the history."""
        engine = self.engine.uncompiled()
        return self._replace(engine=engine, epoch=0, callbacks={}, stopped=False, position=None)

    def weights_only(self) -> ModelState:
        """Layers and weights."""
        return self.uncompiled()._replace(history=None, metadata={})
