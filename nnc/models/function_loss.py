"""Training and evaluation of a plan with a loss that is a Python function: one step or part at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from nnc import _arrays
from nnc.losses import Loss
from nnc.metrics import Metric
from nnc.models.backends import Plan


class FunctionLossSteps:
    """`Plan.train`, `Plan.evaluate` and `Plan.gradients` with `loss`, for a plan without a loss.

    `metric` is the backend's: (spec, targets, outputs) -> the mean over the rows.
    """

    def __init__(
        self,
        plan: Plan,
        loss: Loss,
        metrics: Sequence[Metric],
        metric: Callable[..., float],
        output_shape: tuple[int, ...],
    ) -> None:
        self.plan, self.loss, self.metrics, self.metric = plan, loss, metrics, metric
        self.output_shape = output_shape

    def train(
        self,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        order: np.ndarray | None,
        start: int,
        learning_rates: np.ndarray,
        batch_size: int,
        epoch: int,
        step: int,
        budget: float,
        sums: np.ndarray | None = None,
        *,
        outputs: np.ndarray | None = None,
    ) -> tuple[int, int, float, np.ndarray]:
        """One step, or none if the plan was asked to stop."""
        before = np.zeros(1 + len(self.metrics)) if sums is None else sums
        rows = slice(start, start + batch_size) if order is None else order[start : start + batch_size]
        xs, ys = x[rows], y[rows]
        weights = _weights(sample_weight, rows)
        a = self.plan.step_forward(xs, epoch, step)
        if a is None:
            return 0, 0, float(before[0]), before[1:].copy()
        value, gradient = self.loss.value_and_gradient(ys, a, weights)
        metric_sums = self._metric_sums(ys, a)
        if outputs is not None:
            outputs[: len(xs)] = a
        value += self.plan.penalty()
        if not math.isfinite(value):
            return 0, 0, math.nan, before[1:].copy()
        if not self.plan.step_backward(gradient, float(learning_rates[0]), step):
            return 0, 0, float(before[0]), before[1:].copy()
        loss_sum = before[0] + value * len(xs)
        return 1, len(xs), loss_sum, before[1:] + metric_sums

    def evaluate(
        self,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        start: int,
        stop: int,
        outputs: np.ndarray | None = None,
    ) -> tuple[int, float, np.ndarray]:
        """Return (rows, loss sum, metric sums) of rows start to stop."""
        a = self.plan.forward(x[start:stop])
        if outputs is not None:
            outputs[...] = a
        weights = _weights(sample_weight, slice(start, stop))
        value, _ = self.loss.value_and_gradient(y[start:stop], a, weights)
        return stop - start, value * (stop - start), self._metric_sums(y[start:stop], a)

    def gradients(
        self,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        training: bool = False,
        epoch: int = 0,
        step: int = 0,
    ) -> tuple[float, list[np.ndarray]]:
        """Return the loss of a batch and its gradient for every parameter, penalties included."""
        outputs = self.plan.step_forward(x, epoch, step, training=training)
        if outputs is None:
            raise KeyboardInterrupt
        value, gradient = self.loss.value_and_gradient(y, outputs, sample_weight)
        return value + self.plan.penalty(), self.plan.step_gradients(gradient)

    def _metric_sums(self, y: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The metrics' sums over the rows of a batch."""
        if not self.metrics:
            return np.zeros(0)
        known = _arrays.targets(y, "y", "any", self.output_shape)
        return np.array([self.metric(m.spec(), known, outputs) for m in self.metrics]) * len(y)


def _weights(sample_weight: np.ndarray | None, rows: slice | np.ndarray) -> np.ndarray | None:
    """Copies of the weights of these rows, which the caller may have changed since they were checked."""
    if sample_weight is None:
        return None
    weights = sample_weight[rows].copy()
    _arrays.check_weights(weights, range(len(sample_weight))[rows] if isinstance(rows, slice) else rows)
    return weights
