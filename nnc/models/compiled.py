"""The arguments of `Sequential.compile`: the optimizer, the loss, the metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from nnc import losses, metrics, optimizers
from nnc.errors import warn
from nnc.losses import Loss
from nnc.metrics import Metric
from nnc.models.watched import Watched
from nnc.optimizers import Optimizer


class Compiled:
    """How a model is trained; everything is empty before `compile`, and it is immutable.

    metrics, weighted: names and Metric objects, since "accuracy" depends on the outputs.
    """

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        loss: Loss | None = None,
        metrics: Sequence[Any] = (),
        weighted: Sequence[Any] = (),
    ) -> None:
        self.optimizer, self.loss, self.metrics, self.weighted = optimizer, loss, metrics, weighted

    @classmethod
    def of(
        cls,
        optimizer: str | Optimizer | Mapping[str, Any],
        loss: str | Loss | Callable[..., Any] | Mapping[str, Any] | None,
        metrics: Any,
        weighted: Any = None,
    ) -> Compiled:
        """The arguments of `compile`, with names resolved."""
        if isinstance(loss, (list, tuple)):
            if len(loss) != 1:
                raise ValueError(f"loss must be one loss, or a list of one, got {loss!r}")
            loss = loss[0]
        found = optimizers.get(optimizer)
        given = None if loss is None else losses.get(loss)
        if given is not None:
            given.check_trainable()
        return cls(found, given, _listed(metrics), _listed(weighted))

    @cached_property
    def loss_spec(self) -> dict[str, Any] | None:
        """The description of the loss for a plan; None without a loss, or if it is a Python function."""
        return None if self.loss is None else self.loss.spec()

    def for_training(self) -> tuple[Optimizer, Loss]:
        """The optimizer and the loss; a ValueError if one is missing."""
        if self.optimizer is None or self.loss is None:
            raise ValueError("the model is not ready to be trained: compile(optimizer, loss=...) first")
        return self.optimizer, self.loss

    def for_evaluation(self) -> Loss:
        """The loss; a ValueError if it is missing."""
        if self.loss is None:
            raise ValueError("the model has no loss: compile(optimizer, loss=...) first")
        return self.loss

    def check_outputs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Warn if the loss expects probabilities but the layers (the rows of their plan) end linearly."""
        if self.loss is None or not self.loss.probabilities or self.loss.from_logits:
            return
        last = next((row for row in reversed(rows) if "activation" in row or "epsilon" in row), None)
        if last is not None and last.get("activation", "linear") == "linear":
            warn(
                f"{type(self.loss).__name__} compares probabilities, but the model's outputs are linear: "
                "end with a softmax or sigmoid, or give the loss from_logits=True"
            )

    def metrics_for(self, shape: tuple[int, ...]) -> Watched:
        """The metrics of a model whose outputs have `shape`; a ValueError if they or the loss do not fit."""
        if self.loss is None:
            return Watched(shape=shape)
        n_outputs = math.prod(shape)
        plain, weighted = (
            [metrics.get(name, loss=self.loss, n_outputs=n_outputs) for name in names]
            for names in (self.metrics, self.weighted)
        )
        found = Watched(plain, weighted, shape, raw=self.loss_spec is None)
        if "loss" in found.names[1:]:
            raise ValueError('a metric must not have the name "loss": give name=...')
        compared: list[Loss | Metric] = [self.loss, *found.all]
        for each in compared:
            if each.whole_rows and len(shape) > 1:
                what = each.rule if isinstance(each, Loss) else each.name
                raise ValueError(f"{what} needs outputs with one axis, got {shape}: end with a Flatten layer")
        for metric in found.all:
            metric.check(shape)
        return found


def _listed(metrics: Any) -> list[Any]:
    names = [] if metrics is None else list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]
    if len(names) == 1 and isinstance(names[0], (list, tuple)):  # Keras's form for models with one output
        names = list(names[0])
    return names
