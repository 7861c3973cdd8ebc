"""How a run calls its callbacks, and the state of them that a model file stores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nnc._config import did_you_mean
from nnc.callbacks.base import HOOKS, Callback, Model
from nnc.errors import warn


class CallbackList:
    """The callbacks of one run; ``self(hook, ...)`` calls that hook of all callbacks that override it."""

    def __init__(
        self, callbacks: Iterable[Callback], model: Model, params: dict[str, Any], validates: bool = False
    ) -> None:
        # Callbacks that save the model come last: the file then has this epoch's history and counters.
        self.callbacks = sorted(callbacks, key=lambda callback: getattr(callback, "saves", False))
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks must be nnc.callbacks.Callback objects, got {callback!r}")
            _check_hooks(callback)
            callback.set_params(params)
            callback.set_model(model)
            callback.validates = validates
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

    def watching(self, kind: str) -> CallbackList | None:
        """The list itself if any callback has a batch hook for `kind`, "test" or "predict"; else None."""
        return self if self.has(f"on_{kind}_batch_begin") or self.has(f"on_{kind}_batch_end") else None

    def state(self) -> dict[str, dict[str, Any]]:
        """The state of the callbacks (the attributes in `Callback.state`), for the model file."""
        return {key: {name: getattr(c, name) for name in c.state} for key, c in self._keys() if c.state}

    def restore(self, state: Mapping[str, Mapping[str, Any]]) -> None:
        """Restore the callbacks from what `state` returned."""
        for key, callback in self._keys():
            for name, value in state.get(key, {}).items():
                if name in callback.state:
                    setattr(callback, name, value)

    def _keys(self) -> Iterator[tuple[str, Callback]]:
        """Each callback with its key in the state: class and monitor, numbered from the second one on."""
        counts = Counter[str]()
        for callback in self.callbacks:
            key = f"{type(callback).__name__}.{getattr(callback, 'monitor', '')}"
            counts[key] += 1
            yield key if counts[key] == 1 else f"{key}.{counts[key]}", callback


def _check_hooks(callback: Callback) -> None:
    """Warn about methods that look like hooks but are never called."""
    for name in dir(type(callback)):
        if name.startswith("on_") and name not in HOOKS and callable(getattr(callback, name)):
            meant = did_you_mean(name, HOOKS) or f"; the hooks are {', '.join(HOOKS)}"
            warn(f"{type(callback).__name__}.{name} is not a hook and is never called{meant}")


def _method(callback: Callback, hook: str) -> Callable[..., Any] | None:
    """The callback's `hook`, or None if it does not override the empty one of the base class."""
    method = getattr(callback, hook)
    return None if getattr(method, "__func__", None) is getattr(Callback, hook) else method
