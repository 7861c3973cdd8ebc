"""The state of a model, independent of what computes it: the contents of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nnc.callbacks import History
from nnc.models.engine import EngineState
from nnc.models.stack import Stack

FORMAT = 1  # version of the file format
NUMERICS = 2  # version of the arithmetic: the bits that a seed produces


class Position(NamedTuple):
    """The position of a run within an epoch: after `batch` of its `n_steps` steps (None if unknown).

    rows, sums: the row count and the sums, by name, from which the means in the epoch's logs are computed.
    """

    batch: int
    n_steps: int | None
    rows: int
    sums: dict[str, float]


class ModelState(NamedTuple):
    """Layers, weights, the training configuration, and the progress of training.

    epoch: the epochs done. callbacks: the state of those of the last run, by callback and attribute. stopped:
    whether a callback ended the run. position: the position of the run within an epoch, None between epochs.
    metadata: named strings that the file stores in addition to the configuration.
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
        """The state without the parts used for training, but with the history."""
        engine = self.engine.uncompiled()
        return self._replace(engine=engine, epoch=0, callbacks={}, stopped=False, position=None)

    def weights_only(self) -> ModelState:
        """The state with only layers and weights."""
        return self.uncompiled()._replace(history=None, metadata={})
