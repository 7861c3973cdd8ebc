"""The loops over steps, rows and batches: training, evaluation, prediction.

Each goes in slices of some tens of milliseconds: a plan works on one without coming back to Python, and
between two of them Ctrl-C, progress bars and callbacks have their turn. The result does not depend on where
the slices end.
"""

from __future__ import annotations

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc import _arrays, random
from nnc.callbacks import History
from nnc.callbacks.run import CallbackList
from nnc.errors import DivergenceError

if TYPE_CHECKING:
    from nnc.models.sequential import Sequential

BUDGET = 0.05  # seconds of training in a slice
_SHUFFLE = 1  # purpose in the generator's key
_MOST_STEPS = 2**16  # of a slice; bounds the array of learning rates
_MOST_ROWS = 2**18  # of the orders of epochs that are trained in one call


class Interrupts:
    """Holds Ctrl-C back while the model is between two whole steps.

    Inside ``with``, `hold` puts SIGINT off and `release` lets one that came meanwhile through, to the handler
    that was there before. So training never loses count of the steps the plan has done, whichever backend it
    is.
    """

    def __enter__(self) -> Interrupts:
        self._held = self._came = False
        self._previous: Any = None
        # Python delivers signals to its main thread only.
        if threading.current_thread() is threading.main_thread():
            previous = signal.getsignal(signal.SIGINT)
            if callable(previous):
                self._previous = previous
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._previous)
        self.release()

    def _handle(self, number: int, frame: Any) -> None:
        if self._held:
            self._came = True
        else:
            self._previous(number, frame)

    def hold(self) -> None:
        """Put Ctrl-C off."""
        self._held = True

    def release(self) -> None:
        """Let Ctrl-C through, and one that was put off."""
        self._held = False
        if self._came:
            self._came = False
            self._previous(signal.SIGINT, None)


class Means:
    """The means over the rows so far of the loss and the metrics."""

    def __init__(self, names: list[str]) -> None:
        self.names, self.rows, self.sums = names, 0, np.zeros(len(names))

    def add(self, rows: int, loss_sum: float, metric_sums: np.ndarray) -> None:
        self.rows += rows
        self.sums[0] += loss_sum
        self.sums[1:] += metric_sums

    def logs(self) -> dict[str, float]:
        return dict(zip(self.names, (self.sums / max(self.rows, 1)).tolist(), strict=True))


class Epochs:
    """The training part of one `fit`: an epoch over arrays or over batches, slice by slice."""

    def __init__(self, model: Sequential, callbacks: CallbackList, interrupts: Interrupts) -> None:
        self.model, self.callbacks, self.interrupts = model, callbacks, interrupts
        self.orders = random.Streams(model.seed, _SHUFFLE)
        self.watched = callbacks.per_batch or callbacks.has("on_steps")
        self.seconds = math.inf  # that the last epoch took

    def over_arrays(
        self,
        epoch: int,
        arrays: tuple[np.ndarray, np.ndarray, np.ndarray | None],
        batch_size: int,
        n_steps: int,
        shuffle: bool,
    ) -> dict[str, float]:
        """One epoch over (x, y, sample_weight), in an order that is a function of model seed and epoch."""
        self._begin(epoch)
        began = time.perf_counter()
        rows = len(arrays[0])
        order = self.orders.at(epoch).permutation(rows) if shuffle else None
        while self.batch < n_steps and not self.model.stop_training:
            self._slice(arrays, order, self.batch * batch_size, n_steps - self.batch, batch_size)
        self.seconds = time.perf_counter() - began
        return self.means.logs()

    def run_ahead(
        self,
        epoch: int,
        n_epochs: int,
        arrays: _arrays.Arrays,
        batch_size: int,
        n_steps: int,
        shuffle: bool,
        held_out: _arrays.Arrays | None,
    ) -> int:
        """Several short epochs with their validation in one call of the core; gives how many were done.

        An epoch of a tiny net takes the core less time than it takes Python to ask for it. What is computed
        is the same as by `over_arrays` and `evaluate`; for runs where no callback looks at single epochs
        (`may_run_ahead`). 0 where the epochs are not short.
        """
        model, rows, run = self.model, len(arrays[0]), self.callbacks
        count = min(n_epochs, int(min(BUDGET / 2 / self.seconds, _MOST_ROWS / rows)))
        if count < 2:
            return 0
        optimizer, first = model.optimizer, model.optimizer.iterations
        orders = np.empty((count, rows if shuffle else 0), np.int64)
        for i in range(count if shuffle else 0):
            orders[i] = self.orders.at(epoch + i).permutation(rows)
        if isinstance(optimizer.learning_rate, float):
            rates = optimizer.learning_rates(first, count * n_steps, epoch).reshape(count, n_steps)
        else:
            each = [optimizer.learning_rates(first + i * n_steps, n_steps, epoch + i) for i in range(count)]
            rates = np.stack(each)
        names = model.metrics_names
        self.interrupts.hold()
        try:
            done, broken, sums = model._plan_for(batch_size).train_epochs(
                *arrays, held_out, orders, rates, batch_size, epoch, first, BUDGET
            )
            optimizer.iterations = first + done * n_steps + max(broken, 0)
            means = (sums[:done, :, 1:] / np.maximum(sums[:done, :, :1], 1)).tolist()
            for i, (training, validation) in enumerate(means):
                logs = dict(zip(names, training, strict=True))
                if held_out is not None:
                    logs |= {f"val_{name}": value for name, value in zip(names, validation, strict=True)}
                model._epoch = epoch + i + 1
                run("on_epoch_end", epoch + i, logs)
        finally:
            self.interrupts.release()
        if broken >= 0:
            raise divergence(f"epoch {epoch + done + 1}, batch {broken + 1}", rates[done][broken])
        return done

    def may_run_ahead(self, parts: Any) -> bool:
        """Whether `run_ahead` can do these epochs, whose validation is on `parts`, or None."""
        model, run = self.model, self.callbacks
        short = parts is None or (
            isinstance(parts, list) and len(parts) == 1 and len(parts[0][0]) <= _slice_rows(model)
        )
        return (
            short
            and model.backend == "compiled"
            and model._loss_spec is not None
            and not self.watched
            and all(type(callback) is History for callback in run.callbacks)
        )

    def over_batches(self, epoch: int, batches: Iterable[tuple]) -> dict[str, float]:
        """One epoch over an iterable of (x, y) or (x, y, sample_weight)."""
        self._begin(epoch)
        for arrays in batches:
            self._slice(arrays, None, 0, 1, len(arrays[0]))
            if self.model.stop_training:
                break
        return self.means.logs()

    def _begin(self, epoch: int) -> None:
        self.epoch, self.batch, self.means = epoch, 0, Means(self.model.metrics_names)

    def _slice(
        self, arrays: tuple, order: np.ndarray | None, start: int, n_steps: int, batch_size: int
    ) -> None:
        """At most `n_steps` steps from place `start` of `order`; one if a callback watches the batches."""
        model, callbacks = self.model, self.callbacks
        if callbacks.per_batch:
            callbacks("on_train_batch_begin", self.batch, {})
            n_steps = 1
        self.interrupts.hold()
        try:
            done, rows, loss_sum, metric_sums, rates = train(
                model, *arrays, order, start, min(n_steps, _MOST_STEPS), batch_size, self.epoch
            )
        finally:
            self.interrupts.release()
        self.batch += done
        self.means.add(rows, loss_sum, metric_sums)
        if math.isnan(loss_sum):
            if not callbacks.has("on_divergence"):
                raise divergence(f"epoch {self.epoch + 1}, batch {self.batch + 1}", rates[done])
            callbacks("on_divergence", self.epoch, self.batch)
            model.stop_training = True
        elif self.watched:
            logs = self.means.logs()
            if callbacks.per_batch:
                callbacks("on_train_batch_end", self.batch - 1, logs)
            callbacks("on_steps", self.batch, logs)


def divergence(where: str, rate: float) -> DivergenceError:
    """The error for a loss that is NaN or infinite."""
    return DivergenceError(
        f"the loss is not finite in {where}, at learning rate {rate:g}; the model keeps the weights of the "
        "last whole step. A smaller learning rate, clipnorm, or inputs of a smaller scale may help"
    )


def train(
    model: Sequential,
    x: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    order: np.ndarray | None,
    start: int,
    n_steps: int,
    batch_size: int,
    epoch: int,
) -> tuple[int, int, float, np.ndarray, np.ndarray]:
    """As many steps as fit in the budget; gives (steps, rows, loss sum, metric sums, learning rates)."""
    plan, optimizer = model._plan_for(batch_size), model.optimizer
    step = optimizer.iterations
    rates = optimizer.learning_rates(step, n_steps, epoch)
    run = plan.train if model._loss_spec else _PythonLoss(model, plan).train
    done, rows, loss_sum, metric_sums = run(
        x, y, sample_weight, order, start, rates, batch_size, epoch, step, BUDGET
    )
    optimizer.iterations = step + done
    return done, rows, loss_sum, metric_sums, rates


class _PythonLoss:
    """`Plan.train` and `Plan.evaluate` for a loss that is a Python function; one step at a time."""

    def __init__(self, model: Sequential, plan: Any) -> None:
        self.model, self.plan = model, plan

    def _sums(self, y: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """The metrics' sums over the rows of a batch."""
        model = self.model
        if not model.metrics:
            return np.zeros(0)
        metric = backend(model.backend).metric
        known = _arrays.targets(y, "y", "", "any", model.output_shape)
        return np.array([metric(m.spec(), known, outputs) for m in model.metrics]) * len(y)

    def train(self, x, y, sample_weight, order, start, rates, batch_size, epoch, step, budget):
        rows = slice(start, start + batch_size) if order is None else order[start : start + batch_size]
        xs, ys = x[rows], y[rows]
        weights = None if sample_weight is None else sample_weight[rows]
        outputs = self.plan.step_forward(xs, epoch, step)
        value, gradient = self.model.loss.value_and_gradient(ys, outputs, weights)
        value += self.plan.penalty()
        if not math.isfinite(value):
            return 0, 0, math.nan, np.zeros(len(self.model.metrics))
        self.plan.step_backward(gradient, float(rates[0]), step)
        return 1, len(xs), value * len(xs), self._sums(ys, outputs)

    def evaluate(self, x, y, sample_weight, start, stop):
        outputs = self.plan.forward(x[start:stop])
        weights = None if sample_weight is None else sample_weight[start:stop]
        value, _ = self.model.loss.value_and_gradient(y[start:stop], outputs, weights)
        return stop - start, value * (stop - start), self._sums(y[start:stop], outputs)


def backend(name: str) -> Any:
    """The module that computes: nnc._core for "compiled", nnc.reference for "reference"."""
    if name == "compiled":
        from nnc import _core

        return _core
    from nnc import reference

    return reference


def _slice_rows(model: Sequential) -> int:
    """Rows of about a gigaflop; a weight is used once for each place of its layer's output."""
    work = sum(layer.count_params() * math.prod(layer.output_shape[:-1]) for layer in model.layers)
    size = 2 ** round(math.log2(5e8 / (work + 1000)))
    return min(max(size, 256), 65536)


def _slices(model: Sequential, n: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of parts of n rows, about a gigaflop each; a function of the model and n alone."""
    size = _slice_rows(model)
    for start in range(0, n, size):
        yield start, min(start + size, n)


def evaluate(
    model: Sequential,
    parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray | None]],
    tick: Callable[[int], Any],
) -> dict[str, float]:
    """The loss (with penalties, as Keras reports it) and the metrics over parts (x, y, sample_weight)."""
    plan, means = model._plan_for(1), Means(model.metrics_names)
    run = plan.evaluate if model._loss_spec else _PythonLoss(model, plan).evaluate
    for arrays in parts:
        for start, stop in _slices(model, len(arrays[0])):
            means.add(*run(*arrays, start, stop))
            tick(stop - start)
    if means.rows == 0:
        raise ValueError("there is nothing to evaluate: no batches came")
    plan.release()
    means.sums[0] += plan.penalty() * means.rows
    return means.logs()


def predict(model: Sequential, x: np.ndarray, tick: Callable[[int], Any]) -> np.ndarray:
    """The outputs (n, n_outputs) of rows x (n, n_inputs)."""
    plan, outputs = model._plan_for(1), None
    for start, stop in _slices(model, len(x)):
        part = plan.forward(x[start:stop])
        tick(stop - start)
        if len(part) == len(x):
            return part
        if outputs is None:
            outputs = np.empty((len(x), plan.n_outputs), part.dtype)
        outputs[start:stop] = part
    return plan.forward(x) if outputs is None else outputs


class Batches:
    """An iterable of batches for several epochs.

    Without `steps` an epoch is one pass. With `steps` it takes so many batches and the next epoch goes on
    behind them; at its end an iterable is begun again, a generator cannot be.
    """

    def __init__(self, source: Any, steps: int | None, name: str = "x") -> None:
        self.source, self.steps, self.name = source, steps, name
        self._iterator: Iterator | None = None
        if not hasattr(source, "__iter__") and not (
            hasattr(source, "__getitem__") and hasattr(source, "__len__")
        ):
            raise TypeError(
                f"{name} must be an array with y, or an iterable of batches (x, y), got {source!r}"
            )

    def _begin(self) -> Iterator:
        if hasattr(self.source, "__iter__"):
            return iter(self.source)
        return (self.source[i] for i in range(len(self.source)))

    def __iter__(self) -> Iterator[Any]:
        """The batches of the next epoch."""
        once = hasattr(self.source, "__next__")
        if self.steps is None:
            yield from self.source if once else self._begin()
            return
        for _ in range(self.steps):
            if self._iterator is None:
                self._iterator = self._begin()
            batch = next(self._iterator, self)
            if batch is self and not once:
                self._iterator = self._begin()
                batch = next(self._iterator, self)
            if batch is self:
                warnings.warn(f"{self.name} ran out of batches: steps={self.steps} an epoch", stacklevel=2)
                return
            yield batch
