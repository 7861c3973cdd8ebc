"""The base of the callbacks, and how a run calls them; the callbacks themselves are beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnc.models import Sequential

Logs = Mapping[str, float]


class Callback:
    """Base of the callbacks: override the hooks that matter.

    Attributes
    ----------
    model : Sequential
        The model that is trained; set ``self.model.stop_training = True`` to end the run.
    params : dict
        "epochs", "initial_epoch", "steps" (per epoch, or None where unknown) and "verbose" of this run.

    Notes
    -----
    ``logs`` holds "loss", the metrics, and at the end of an epoch also "val_loss" and the like. In the batch
    hooks and in `on_steps` they are the means over the epoch so far. `on_train_end` is called whatever ended
    the run.
    """

    model: Sequential
    params: dict[str, Any]

    # Attributes that a model file keeps, so that a run continued from it goes on counting.
    state: tuple[str, ...] = ()
    saves = False

    def set_model(self, model: Sequential) -> None:
        """Tell the callback its model."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Tell the callback about the run."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, or after the error or Ctrl-C that ended the run."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch; `epoch` counts from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step; `batch` counts from 0 in each epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Older name of `on_train_batch_end`."""

    def on_steps(self, steps: int, logs: Logs | None = None) -> None:
        """After some steps of an epoch, a few times a second; `steps` is how many the epoch has done."""

    def on_divergence(self, epoch: int, batch: int) -> None:
        """When the loss of a batch is NaN or infinite; without an override that is a `DivergenceError`."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation or validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation or validation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After `predict`."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class CallbackList:
    """The callbacks of one run; ``self(hook, ...)`` calls that hook of those that override it."""

    def __init__(self, callbacks: Iterable[Callback], model: Sequential, params: dict[str, Any]) -> None:
        # Those that save the model come last: what they save then has this epoch's history and counters.
        self.callbacks = sorted(callbacks, key=lambda callback: getattr(callback, "saves", False))
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks must be nnc.callbacks.Callback objects, got {callback!r}")
            callback.set_params(params)
            callback.set_model(model)
        self._calls = {
            hook: [method for c in self.callbacks if (method := _method(c, hook))] for hook in HOOKS
        }
        for old, new in (("on_batch_begin", "on_train_batch_begin"), ("on_batch_end", "on_train_batch_end")):
            self._calls[new] += self._calls[old]
        self.per_batch = self.has("on_train_batch_begin") or self.has("on_train_batch_end")

    def __call__(self, hook: str, *arguments: Any) -> None:
        for call in self._calls[hook]:
            call(*arguments)

    def has(self, hook: str) -> bool:
        """Whether any callback overrides `hook`."""
        return bool(self._calls[hook])

    def state(self) -> dict[str, dict[str, Any]]:
        """What the callbacks count and remember (`Callback.state`), for the model file."""
        return {_key(c): {name: getattr(c, name) for name in c.state} for c in self.callbacks if c.state}

    def restore(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Give the callbacks back what `state` took, to go on from there."""
        for callback in self.callbacks:
            for name, value in state.get(_key(callback), {}).items():
                if name in callback.state:
                    setattr(callback, name, value)


def _key(callback: Callback) -> str:
    return f"{type(callback).__name__}.{getattr(callback, 'monitor', '')}"


def _method(callback: Callback, hook: str) -> Callable | None:
    """The callback's own `hook`, or None where it is the empty one of the base."""
    method = getattr(callback, hook)
    return None if getattr(method, "__func__", None) is getattr(Callback, hook) else method
