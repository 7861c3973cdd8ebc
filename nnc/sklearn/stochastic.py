"""sgd and adam: the epochs of an MLP in the C core.

The core's objective equals scikit-learn's: with S the sum of a batch's weights, the loss of the batch is
(sum_i s_i l_i + alpha / 2 sum W^2 + l1 sum |W|) / S.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from nnc.layers import Activation, BatchNormalization, Dense, Dropout, Layer
from nnc.models.backends import BACKENDS, EpochsPlan
from nnc.models.interrupts import Interrupts
from nnc.models.loops import BUDGET
from nnc.models.stack import Stack
from nnc.optimizers import Optimizer
from nnc.regularizers import L1L2
from nnc.sklearn.network import EPSILON, Normalization
from nnc.sklearn.rows import Rows

# Of the moving averages: small tables have few batches per epoch, for which Keras's 0.99 is too slow.
MOMENTUM = 0.9

_MOST_STEPS = 2**16  # per call; bounds the array of learning rates
_MOST_ROWS = 2**18  # bounds the array of row orders for epochs trained in one call


def loss_spec(loss: str, n_outputs: int) -> dict[str, Any]:
    """The spec of scikit-learn's loss on logits for the core; see `nnc.reference.loss`.

    The factor O turns the core's mean over the outputs into a sum; squared_error has the value
    mean_j (a_j - y_j)^2 / 2, but the gradient a_j - y_j.
    """
    name, value, gradient = {
        "squared_error": ("mean_squared_error", 0.5, n_outputs / 2),
        "poisson": ("poisson", n_outputs, n_outputs),
        "log_loss": ("categorical_crossentropy", 1, 1),
        "binary_log_loss": ("binary_crossentropy", n_outputs, n_outputs),
    }[loss]
    return {
        "name": name,
        "from_logits": loss != "squared_error",
        "value_factor": value,
        "gradient_factor": gradient,
        "by_weight": True,
    }


class Patience(NamedTuple):
    """The rule that ends training without improvement: after more than `patience` consecutive epochs with a
    loss above `best` - `tolerance`, where `best` is the smallest loss so far. `counted` epochs count already.
    """

    best: float
    tolerance: float
    counted: int
    patience: float


class Architecture(NamedTuple):
    """What the layers of an MLP follow from: units F, those of the hidden layers, O; the core's names of the
    hidden activations; the arguments of the estimator.
    """

    units: tuple[int, ...]
    hidden: tuple[str, ...]
    alpha: float
    l1: float
    dropout: float
    batch_norm: bool


class Trainer:
    """Weights, the optimizer's slots, and the plan that updates both.

    Parameters
    ----------
    architecture : Architecture
    loss : str
        See `loss_spec`.
    optimizer : Optimizer
        Its learning rate is used for the next epoch.
    seed : int
        The seed of dropout.

    Attributes
    ----------
    epoch : int
        The number of epochs trained.
    """

    def __init__(self, architecture: Architecture, loss: str, optimizer: Optimizer, seed: int) -> None:
        self.architecture, self.loss, self.optimizer, self.seed = architecture, loss, optimizer, seed
        self.epoch = 0
        self._plan: EpochsPlan | None = None
        self._slots: list[list[np.ndarray]] | None = None  # while there is no plan
        self._seconds = math.inf  # per epoch
        # Called with (steps so far, None) before each step and (steps so far, mean loss) after it.
        self.watch: Callable[[int, float | None], None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        slots = self._slots if self._plan is None else self._plan.get_slots()
        return self.__dict__ | {"_plan": None, "_slots": slots, "watch": None}

    @cached_property
    def stack(self) -> Stack:
        """The layers, which callbacks may inspect."""
        return _stack(*self.architecture)

    def rearrange(self, architecture: Architecture) -> None:
        """Continue with another architecture that has the same weights and slots."""
        if architecture == self.architecture:
            return
        if self._plan is not None:
            self._slots = self._plan.get_slots()
            self._plan = None
        self.__dict__.pop("stack", None)
        self.architecture = architecture

    # ------------------------------------------------------------------------------------------------ weights

    def set_weights(
        self,
        coefs: Sequence[np.ndarray],
        intercepts: Sequence[np.ndarray],
        normalizations: Sequence[Normalization],
        batch_size: int,
    ) -> None:
        """Set the weights, and allow batches of up to `batch_size` rows."""
        plan = self._plan
        if plan is None or plan.batch_size < batch_size:
            slots = self._slots if plan is None else plan.get_slots()
            plan = (
                BACKENDS["compiled"]
                .load()
                .Plan(
                    self.architecture.units[0],
                    _plan_rows(*self.architecture),
                    loss=loss_spec(self.loss, self.architecture.units[-1]),
                    optimizer=self.optimizer.spec(),
                    batch_size=batch_size,
                    seed=self.seed,
                )
            )
            if slots:
                plan.set_slots(slots)
        self.plan = plan
        plan.set_parameters(weights_in_order(coefs, intercepts, normalizations))

    @property
    def rate(self) -> float:
        """The learning rate of the next epoch, or of its first step with a schedule set by a callback."""
        given, first = self.optimizer.learning_rate, self.optimizer.iterations
        return (
            given
            if isinstance(given, float)
            else float(self.optimizer.learning_rates(first, 1, self.epoch)[0])
        )

    @property
    def plan(self) -> EpochsPlan:
        """The plan, available once weights are set."""
        if self._plan is None:
            raise RuntimeError("the weights must be set before the plan is used")
        return self._plan

    @plan.setter
    def plan(self, plan: EpochsPlan) -> None:
        self._plan, self._slots = plan, None

    def weights(self, dtype: np.dtype) -> tuple[list[np.ndarray], list[np.ndarray], list[Normalization]]:
        """The current coefs, intercepts and normalizations."""
        arrays = iter([w.astype(dtype, copy=False) for w in self.plan.get_parameters()])
        coefs, intercepts, normalizations = [], [], []
        last = len(self.architecture.units) - 2
        for i in range(last + 1):
            coefs.append(next(arrays))
            intercepts.append(next(arrays))
            if self.architecture.batch_norm and i < last:
                four = (next(arrays), next(arrays), next(arrays), next(arrays))
                normalizations.append(Normalization(*four, EPSILON))
        return coefs, intercepts, normalizations

    def logits(self, x: Any) -> np.ndarray:
        """The logits (n, O) for float32 or sparse rows, with the current weights."""
        parts = Rows(x, np.zeros(x.shape[0], np.int32), None).parts(None, self.plan.batch_size)
        return np.concatenate([self.plan.forward(arrays.x) for arrays, _ in parts])

    # --------------------------------------------------------------------------------------------- epochs

    def ahead(self, rows: Rows, n: int) -> int:
        """How many of n epochs to train in one call: those that fit into about one slice of time."""
        if sparse.issparse(rows.x):
            return 1
        return max(1, int(min(n, BUDGET / 2 / self._seconds, _MOST_ROWS / max(rows.n, 1))))

    def train(
        self,
        rows: Rows,
        orders: np.ndarray,
        batch_size: int,
        rates: Sequence[float],
        interrupts: Interrupts,
        patience: Patience | None = None,
    ) -> list[float]:
        """Train an epoch for each learning rate in `rates`; row e of orders (E, n or 0) is its order of rows.

        `patience` may end the training earlier. Ctrl-C is handled between the core's slices of time.

        Returns
        -------
        list of float
            The loss of each epoch, the mean over its batches weighted by their rows. NaN from the first epoch
            on whose loss is not finite, after which the weights are NaN, too.
        """
        began = time.perf_counter()
        if len(rates) == 1:
            order = orders[0] if orders.shape[1] else None
            losses = [self._epoch(rows, order, batch_size, rates[0], interrupts)]
        else:
            interrupts.hold()
            losses = self._epochs(rows, orders, batch_size, rates, patience)
            interrupts.release()
        self._seconds = (time.perf_counter() - began) / len(losses)
        self.epoch += len(losses)
        if not math.isfinite(losses[-1]):
            self.plan.set_parameters([np.full(w.shape, np.nan) for w in self.plan.get_parameters()])
        return losses

    def _epochs(
        self,
        rows: Rows,
        orders: np.ndarray,
        batch_size: int,
        rates: Sequence[float],
        patience: Patience | None,
    ) -> list[float]:
        """Train several epochs in one call of the core."""
        n_steps = -(-rows.n // batch_size)
        steps = np.repeat(np.asarray(rates, np.float32)[:, np.newaxis], n_steps, axis=1)
        done, broken, sums, error = self.plan.train_epochs(
            *rows, None, orders, steps, batch_size, self.epoch, self.optimizer.iterations, math.inf, patience
        )
        if error is not None:
            raise error
        losses = (sums[:done, 0, 1] / rows.n).tolist()
        if broken >= 0:
            losses += [math.nan] * (len(rates) - done)
        self.optimizer.iterations += done * n_steps + max(broken, 0)
        return losses

    def _epoch(
        self, rows: Rows, order: np.ndarray | None, batch_size: int, rate: float, interrupts: Interrupts
    ) -> float:
        """Train one epoch in slices of time; its losses are summed step by step, wherever slices end."""
        total, seen, at = 0.0, 0, 0
        for arrays, order_of_part in rows.parts(order, batch_size):
            start, n = 0, len(arrays.x)
            while start < n:
                left = min(-(-(n - start) // batch_size), _MOST_STEPS)
                if self.watch is not None:
                    self.watch(at, None)
                    left = 1
                interrupts.hold(stops=True)
                steps, count, total, _ = self.plan.train(
                    *arrays,
                    order_of_part,
                    start,
                    np.full(left, rate, np.float32),
                    batch_size,
                    self.epoch,
                    self.optimizer.iterations,
                    BUDGET,
                    np.array([total]),
                )
                self.optimizer.iterations += steps
                interrupts.release()
                if math.isnan(total):
                    return math.nan
                start, seen, at = start + count, seen + count, at + steps
                if self.watch is not None and steps:
                    self.watch(at, total / seen)
            self.plan.release()
        return total / rows.n


def network_layers(
    units: Sequence[int], hidden: Sequence[str], alpha: float, l1: float, dropout: float, batch_norm: bool
) -> list[Layer]:
    """The layers: Dense, [BatchNormalization, Activation], [Dropout], ..., Dense."""
    layers: list[Layer] = []
    for n, name in zip(units[1:-1], hidden, strict=True):
        layers.append(Dense(n, None if batch_norm else name, kernel_regularizer=_penalty(alpha, l1)))
        if batch_norm:
            layers += [BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON), Activation(name)]
        if dropout:
            layers.append(Dropout(dropout))
    return [*layers, Dense(units[-1], kernel_regularizer=_penalty(alpha, l1))]


def _stack(units: Sequence[int], *architecture: Any) -> Stack:
    stack = Stack()
    for layer in network_layers(units, *architecture):
        stack.add(layer)
    stack.build((units[0],))
    return stack


@lru_cache(64)
def _plan_rows(*architecture: Any) -> list[dict[str, Any]]:
    """The rows of a plan, cached: they take longer to create than the plan."""
    return _stack(*architecture).rows()


def _penalty(alpha: float, l1: float) -> L1L2:
    return L1L2(l1=l1, l2=alpha / 2)


def weights_in_order(
    coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], normalizations: Sequence[Normalization]
) -> list[np.ndarray]:
    """The weights in the order of the layers."""
    arrays: list[np.ndarray] = []
    for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        arrays += [coef, intercept, *(normalizations[i][:4] if i < len(normalizations) else ())]
    return arrays
