"""The loop of `fit`: epochs of steps, validations, callbacks.

Training is divided into slices of some tens of milliseconds: a plan runs a slice without returning to Python,
and Ctrl-C, progress bars and callbacks are handled between slices. The result does not depend on where the
slices end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from nnc import random
from nnc.callbacks import History
from nnc.callbacks.base import Model
from nnc.callbacks.run import CallbackList
from nnc.errors import DivergenceError, warn
from nnc.models.engine import Engine
from nnc.models.inputs import Arrays
from nnc.models.interrupts import Interrupts
from nnc.models.state import Position

BUDGET = 0.05  # seconds of training in a slice
_MOST_STEPS = 2**16  # per slice; bounds the array of learning rates
_MOST_ROWS = 2**18  # in the orders of the epochs that are trained in one call


class Rows(NamedTuple):
    """Training data in arrays: an epoch is `n_steps` batches of them."""

    arrays: Arrays
    batch_size: int
    n_steps: int
    shuffle: bool


class Stream(NamedTuple):
    """Training data as batches: `batches` returns those of the next epoch, `n_steps` is None if unknown."""

    batches: Callable[[], Iterable[Arrays]]
    n_steps: int | None
    skip: Callable[[int], None]  # skips the epochs that another process has done
    batch_size: None = None  # defined by the batches


Source: TypeAlias = Arrays | Callable[[], Iterable[Arrays]]  # arrays, or a function that returns new parts


class Validation(NamedTuple):
    """The data that are evaluated after epochs, and when."""

    source: Source
    frequency: int | Sequence[int]  # every that many epochs, or after the listed ones (from 1)
    batch_size: int | None = None  # used if a callback has batch hooks

    def parts(self) -> Iterable[Arrays]:
        return [self.source] if isinstance(self.source, Arrays) else self.source()

    def falls_on(self, epoch: int) -> bool:
        """Whether `epoch` (from 0) is validated."""
        if isinstance(self.frequency, int):
            return (epoch + 1) % self.frequency == 0
        return epoch + 1 in self.frequency


class TrainingState:
    """The progress of training, for a run that continues from there.

    epoch: the epochs done. kept: the state of the callbacks of the last run. last_position: where that run
    ended within an epoch. running: the run in progress.
    """

    def __init__(
        self, epoch: int, kept: dict[str, dict[str, Any]], last_position: Position | None = None
    ) -> None:
        self.epoch, self.kept, self.last_position = epoch, kept, last_position
        self.running: Fit | None = None

    def callbacks(self) -> dict[str, dict[str, Any]]:
        """The state of the callbacks, now or when the last run ended."""
        return self.kept if self.running is None else self.running.callbacks.state()

    def position(self) -> Position | None:
        """The position of the run within an epoch, now or when the last one ended."""
        return self.last_position if self.running is None else self.running.position()


class Fit:
    """One call of `fit`: trains `engine` on `data` for epochs, and always leaves it after a complete step."""

    def __init__(
        self,
        model: Model,
        engine: Engine,
        state: TrainingState,
        callbacks: CallbackList,
        data: Rows | Stream,
        validation: Validation | None,
    ) -> None:
        self.model, self.engine, self.state, self.callbacks = model, engine, state, callbacks
        self.data, self.validation = data, validation
        self.interrupts = Interrupts()
        self.orders = random.Streams(engine.seed, random.Purpose.SHUFFLE)
        self.watched = callbacks.per_batch or callbacks.has("on_steps")
        self.seconds = math.inf  # time of the last epoch's steps
        self.batch, self.means, self.within = 0, engine.means(), False
        self.last_logs: dict[str, Any] = {}  # of the last epoch

    def position(self) -> Position | None:
        """The position of the run within an epoch; None between epochs."""
        if not self.within:
            return None
        return Position(self.batch, self.data.n_steps, self.means.rows, self.means.numbers())

    def run(
        self, initial_epoch: int, epochs: int, before: History | None = None, resumed: bool = False
    ) -> None:
        """Train from `initial_epoch` to `epochs`, between `on_train_begin` and `on_train_end`.

        resumed: whether the run continues at the position in `state`, also within an epoch; `before` is its
        history. A run that a callback has stopped, according to `stop_training`, trains no further epoch.
        """
        state, callbacks = self.state, self.callbacks
        position = state.last_position if resumed else None
        stopped = self.model.stop_training
        state.running, self.resumed_at = self, position
        with self.interrupts:
            try:
                callbacks("on_train_begin", {})
                if before is not None:
                    self._prepend(before)
                if resumed or 0 < initial_epoch == state.epoch:
                    callbacks.restore(state.kept)
                if stopped and position is None:
                    warn(
                        f"the run was stopped after epoch {initial_epoch} by a callback and is not "
                        "continued; set model.stop_training = False to train further"
                    )
                else:
                    self._epochs(initial_epoch, epochs)
            finally:
                # A second Ctrl-C must not keep the best weights from being restored.
                self.interrupts.hold()
                state.kept = {} if self.model.stop_training else callbacks.state()
                state.last_position = self.position()
                self.means.close()
                state.running = None
                self.engine.release()
                callbacks("on_train_end", self.last_logs)
                self.interrupts.release()

    def _prepend(self, before: History) -> None:
        for callback in self.callbacks.callbacks:
            if isinstance(callback, History):
                callback.epoch = list(before.epoch)
                callback.history = {name: list(values) for name, values in before.history.items()}

    def _epochs(self, epoch: int, epochs: int) -> None:
        ahead = self._for_running_ahead()
        while epoch < epochs:
            done = (self._run_ahead(epoch, epochs - epoch, *ahead) if ahead else 0) or self._epoch(epoch)
            epoch += done
            if self.model.stop_training or not done:
                break

    # ---------------------------------------------------------------------------------------- one epoch

    def _epoch(self, epoch: int) -> int:
        """One epoch with its validation; return 0 if there was nothing to train on, else 1."""
        self._begin(epoch)
        if isinstance(self.data, Rows):
            self._over_rows(self.data)
        else:
            self._over_batches(self.data.batches())
            if self.batch == 0 and not self.model.stop_training:
                warn(f"x yielded no batches in epoch {epoch + 1}: training ends")
                return 0
        logs = self.means.logs()
        self.means.close()
        if self.validation is not None and self.validation.falls_on(epoch):
            self.callbacks("on_test_begin", {})
            watch = self.callbacks.watching("test")
            with _in_validation():
                found = self.engine.evaluate(self.validation.parts(), int, watch, self.validation.batch_size)
            logs |= {f"val_{name}": value for name, value in found.items()}
            self.callbacks("on_test_end", found)
        self._end(epoch, logs)
        return 1

    def _begin(self, epoch: int) -> None:
        position, self.resumed_at = self.resumed_at, None
        optimizer, _ = self.engine.compiled.for_training()
        rate = optimizer.learning_rate
        self.callbacks("on_epoch_begin", epoch, {})
        with self.engine.stack.lock:
            self.means.close()
            self.epoch, self.batch, self.means, self.within = epoch, 0, self.engine.means(), True
            if position is not None:  # this epoch is resumed: what the callbacks set at its beginning applies
                optimizer.learning_rate = rate
                self.callbacks.restore(self.state.kept)
                self.batch = position.batch
                self.means.set_numbers(position.rows, position.sums)

    def _end(self, epoch: int, logs: dict[str, Any]) -> None:
        with self.engine.stack.lock:
            self.state.epoch, self.within = epoch + 1, False
        self.callbacks("on_epoch_end", epoch, logs)
        self.last_logs = logs

    def _over_rows(self, data: Rows) -> None:
        """The steps of an epoch, in an order that is a function of the engine's seed and the epoch."""
        began = time.perf_counter()
        order = self.orders.at(self.epoch).permutation(len(data.arrays.x)) if data.shuffle else None
        while self.batch < data.n_steps and not self.model.stop_training:
            start = self.batch * data.batch_size
            self._slice(data.arrays, order, start, data.n_steps - self.batch, data.batch_size)
        self.seconds = time.perf_counter() - began

    def _over_batches(self, batches: Iterable[Arrays]) -> None:
        if self.model.stop_training:
            return
        for arrays in islice(batches, self.batch, None):
            before = self.batch
            while self.batch == before and not self.model.stop_training:
                self._slice(arrays, None, 0, 1, len(arrays.x))
            if self.model.stop_training:
                break

    def _slice(
        self, arrays: Arrays, order: np.ndarray | None, start: int, n_steps: int, batch_size: int
    ) -> None:
        """Make at most `n_steps` steps from index `start` of `order`; one if a callback has batch hooks.

        It makes none if Ctrl-C is pressed and its handler lets training continue.
        """
        callbacks = self.callbacks
        if callbacks.per_batch:
            callbacks("on_train_batch_begin", self.batch, {})
            n_steps = 1
        arrays.check_memory()
        self.interrupts.hold(stops=True)
        try:
            with self.engine.stack.lock:  # another thread may save the model
                self.means = self.engine.current(self.means)
                n_steps, sums = min(self.means.steps(n_steps, batch_size), _MOST_STEPS), self.means.sums
                outputs = self.means.outputs_array(n_steps * batch_size, self.engine.backend.dtype)
                done = self.engine.train(
                    arrays, order, start, n_steps, batch_size, self.epoch, BUDGET, sums, outputs
                )
                self.interrupts.hold()  # until the run's position agrees with the weights
                self.batch += done.steps
                self.means.set_totals(done.rows, done.loss_sum, done.metric_sums)
                if outputs is not None:
                    place = slice(start, start + done.rows)
                    self.means.feed(arrays, place if order is None else order[place], outputs, batch_size)
        finally:
            self.interrupts.release()
        if math.isnan(done.loss_sum):
            if not callbacks.has("on_divergence"):
                where = f"epoch {self.epoch + 1}, batch {self.batch + 1}"
                first = start + done.steps * batch_size
                rows = slice(first, first + batch_size) if order is None else order[first:][:batch_size]
                raise divergence(where, done.learning_rates[done.steps], arrays.x, rows)
            callbacks("on_divergence", self.epoch, self.batch)
            self.model.stop_training = True
        elif self.watched and done.steps:
            logs = self.means.logs()
            if callbacks.per_batch:
                callbacks("on_train_batch_end", self.batch - 1, logs)
            callbacks("on_steps", self.batch, logs)

    # ------------------------------------------------------------------------------------ many epochs at once

    def _for_running_ahead(self) -> tuple[Rows, Arrays | None] | None:
        """The training and validation data, if no callback handles single epochs and the validation is short
        and done after each of them; else None.
        """
        data, validation, engine = self.data, self.validation, self.engine
        alone = not self.watched and all(type(each) is History for each in self.callbacks.callbacks)
        if not (alone and isinstance(data, Rows) and engine.trains_epochs):
            return None
        if validation is None:
            return data, None
        source = validation.source
        if validation.frequency == 1 and isinstance(source, Arrays) and len(source.x) <= engine.slice_rows():
            return data, source
        return None

    def _run_ahead(self, epoch: int, n_epochs: int, data: Rows, held_out: Arrays | None) -> int:
        """Train several short epochs with their validation in one call of the core; return how many.

        For a tiny network, an epoch takes the core less time than the call takes Python. The results are the
        same as those of `_epoch`. Returns 0 if the epochs are not short.
        """
        engine = self.engine
        count = min(n_epochs, int(min(BUDGET / 2 / self.seconds, _MOST_ROWS / len(data.arrays.x))))
        if count < 2:
            return 0
        data.arrays.check_memory()
        if held_out is not None:
            held_out.check_memory()
        orders = self._orders(data, epoch, count)
        self.interrupts.hold()
        try:
            with engine.stack.lock:  # no callbacks but the History: nobody can wait for this thread
                if not engine.trains_epochs:  # another thread has compiled the model
                    return 0
                names, rates = engine.metrics_names, self._rates(data, epoch, count)
                done, broken, means, error = engine.train_epochs(
                    data.arrays, held_out, orders, rates, data.batch_size, epoch, BUDGET
                )
                for i, (training, validated) in enumerate(means.tolist()):
                    logs = dict(zip(names, training, strict=True))
                    if held_out is not None:
                        logs |= {f"val_{name}": value for name, value in zip(names, validated, strict=True)}
                    self._end(epoch + i, logs)
        finally:
            self.interrupts.release()
        if error is not None:
            with _in_validation() if broken == data.n_steps else nullcontext():
                raise error
        if broken >= 0:
            first = broken * data.batch_size
            rows = slice(first, first + data.batch_size)
            if data.shuffle:
                rows = orders[done][rows]
            where = f"epoch {epoch + done + 1}, batch {broken + 1}"
            raise divergence(where, rates[done][broken], data.arrays.x, rows)
        return done

    def _orders(self, data: Rows, epoch: int, count: int) -> np.ndarray:
        """The orders of the rows (count, n) in the epochs from `epoch` on; (count, 0) without shuffling."""
        rows = len(data.arrays.x)
        orders = np.empty((count, rows if data.shuffle else 0), np.int64)
        for i in range(count if data.shuffle else 0):
            orders[i] = self.orders.at(epoch + i).permutation(rows)
        return orders

    def _rates(self, data: Rows, epoch: int, count: int) -> np.ndarray:
        """The learning rates (count, n_steps) of the epochs from `epoch` on."""
        optimizer, _ = self.engine.compiled.for_training()
        first, n = optimizer.iterations, data.n_steps
        if isinstance(optimizer.learning_rate, float):
            return optimizer.learning_rates(first, count * n, epoch).reshape(count, n)
        return np.stack([optimizer.learning_rates(first + i * n, n, epoch + i) for i in range(count)])


@contextmanager
def _in_validation() -> Iterator[None]:
    """Add a note to a ValueError, which names "x", "y" or "sample_weight"."""
    try:
        yield
    except ValueError as error:
        error.add_note("while validation_data were evaluated")
        raise


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinity"


def divergence(where: str, rate: float, x: np.ndarray, rows: slice | np.ndarray) -> DivergenceError:
    """The error for a loss that is NaN or infinite, for the batch with these rows of x (n, F)."""
    batch = x[rows]
    odd = np.zeros((0, 2), np.intp) if batch.dtype.kind == "u" else np.argwhere(~np.isfinite(batch))
    if len(odd):
        i, j = odd[0]
        row = np.arange(len(x))[rows][i]
        word = _word(float(batch[i, j]))
        return DivergenceError(
            f"the loss is not finite in {where}, because x holds {word} in row {row} (feature {j} of the "
            "row); the model keeps the weights of the last complete step. Fill or drop such values"
        )
    return DivergenceError(
        f"the loss is not finite in {where}, at learning rate {rate:g}; the model keeps the weights of the "
        "last complete step. A smaller learning rate, clipnorm, or inputs of a smaller scale may help"
    )
