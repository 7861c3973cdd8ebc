"""The base class of callbacks that monitor one value in the logs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from nnc._config import did_you_mean, integer, number, refusal
from nnc.callbacks.base import Callback, Logs, Model
from nnc.metrics import Metric


class Monitor(Callback):
    """A callback that monitors one value in the logs and remembers the best."""

    state: tuple[str, ...] = ("best",)

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise refusal("monitor", "a key of the logs such as 'val_loss'", monitor, TypeError)
        if not isinstance(mode, str) or mode not in ("auto", "min", "max"):
            raise refusal("mode", "'auto', 'min' or 'max'", mode)
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(number("min_delta", min_delta))
        self.sign = -1.0 if mode == "max" or (mode == "auto" and is_to_be_large(monitor)) else 1.0
        self.best: float | None = None

    def set_model(self, model: Model) -> None:
        """Set the model, whose metrics determine whether larger or smaller is better."""
        super().set_model(model)
        if self.mode == "auto":
            names, metrics = getattr(model, "metrics_names", ()), getattr(model, "metrics", ())
            watched: dict[str, Metric] = dict(zip(names[1:], metrics, strict=False))  # both may be missing
            self.sign = -1.0 if is_to_be_large(self.monitor, watched) else 1.0

    def value(self, logs: Logs | None) -> float | None:
        """Return the monitored value, or None after an epoch without validation.

        Raises
        ------
        ValueError
            If the run never logs that value, or it is an array.
        """
        logs = logs or {}
        value = logs.get(self.monitor)
        validated = any(name.startswith("val_") for name in logs)
        later = self.monitor.startswith("val_") and self.validates and not validated
        if value is None and not (later and self.monitor[4:] in logs):
            known = ", ".join(logs) or "nothing"
            meant = did_you_mean(self.monitor, logs)
            raise ValueError(
                f"{type(self).__name__} monitors {self.monitor!r}, but the logs have {known}{meant}"
            )
        if isinstance(value, np.ndarray):
            raise ValueError(
                f"{type(self).__name__} monitors {self.monitor!r}, which is an array of shape {value.shape}: "
                "monitor a number, such as the metric's mean over the classes"
            )
        return value

    def improves(self, value: float, best: float | None, min_delta: float = 0.0) -> bool:
        """Whether `value` is better than `best` by more than `min_delta`; NaN never is."""
        if best is None or math.isnan(best):
            return not math.isnan(value)
        return self.sign * value < self.sign * best - min_delta


def is_to_be_large(name: str, watched: Mapping[str, Metric] = MappingProxyType({})) -> bool:
    """Whether larger is better for the value `name` in the logs: as specified by its metric in `watched`, by
    keys of the logs, or nnc's of that name; one without a direction is to be large if its name has "acc".
    """
    name = name.removeprefix("val_")
    own = watched.get(name) or Metric.in_lower_case(name)
    direction = getattr(own, "direction", None)
    return direction == "up" or (direction is None and "acc" in name)


def verbosity(verbose: object) -> int:
    """The argument `verbose` of a callback, an int or a bool, as an int."""
    return int(verbose) if isinstance(verbose, bool) else integer("verbose", verbose, 0)
