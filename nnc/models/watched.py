"""The metrics of a model, computed in the core or in Python, and their logs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nnc._arrays import targets
from nnc.errors import warn
from nnc.metrics import Metric

if TYPE_CHECKING:
    from nnc.models.inputs import Arrays

_MOST_KEPT = 2**20  # output values that are kept for the metrics of one slice


class Fed(NamedTuple):
    """A metric that is passed the outputs, its key in the logs, and whether it is also passed the weights."""

    metric: Metric
    name: str
    weighted: bool


class Watched:
    """The metrics of a model whose outputs have `shape`, in the order of its logs.

    Attributes
    ----------
    all : list of Metric
        First the `plain` ones, then the weighted ones.
    in_core : list of Metric
        The metrics that the core computes.
    fed : list of Fed
        The metrics that are passed the outputs.
    names : list of str
        The keys of the logs: "loss", then those of the metrics.
    raw : bool
        Whether the targets are the caller's unconverted ones, as for a loss that is a Python function.
    """

    def __init__(
        self,
        plain: Sequence[Metric] = (),
        weighted: Sequence[Metric] = (),
        shape: tuple[int, ...] = (),
        raw: bool = False,
    ) -> None:
        self.all, self.shape, self.raw = [*plain, *weighted], shape, raw
        keys = _keys(plain, weighted)
        self.names, self.core_names = ["loss", *keys], ["loss"]
        self.in_core: list[Metric] = []
        self.fed: list[Fed] = []
        for i, (metric, key) in enumerate(zip(self.all, keys, strict=True)):
            if i < len(plain) and metric.in_core:
                self.in_core.append(metric)
                self.core_names.append(key)
            else:
                self.fed.append(Fed(metric, key, i >= len(plain)))
        self.by_batch = any(each.metric.by_batch for each in self.fed)
        self._taken = False

    def take(self) -> list[Fed]:
        """The `fed` metrics, reset: those passed to `compile`, or copies while these are in use."""
        if not self.fed:
            return []
        found = copy.deepcopy(self.fed) if self._taken else self.fed
        self._taken = True
        for each in found:
            each.metric.reset_state()
        return found

    def give_back(self, fed: list[Fed]) -> None:
        """Release the metrics that `take` returned."""
        if fed is self.fed:
            self._taken = False


def _keys(plain: Sequence[Metric], weighted: Sequence[Metric]) -> list[str]:
    """The metrics' keys in the logs, as in Keras: their names, with a number if a name is given again.

    A weighted metric with the name of a plain one first gets the prefix "weighted_".
    """
    keys: list[str] = []
    for prefix, group in (("", plain), ("weighted_", weighted)):
        for metric in group:
            name = metric.name if metric.name not in keys else prefix + metric.name
            numbered = (f"{name}_{number}" for number in count(1))
            keys.append(name if name not in keys else next(key for key in numbered if key not in keys))
    return keys


def _of_dicts(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of the values that are dicts, by key, as Keras adds them to the logs.

    Raises
    ------
    ValueError
        If a key is given twice or is among the `known` ones.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        for key, number in value.items() if isinstance(value, dict) else ():
            if key in found or key in known:
                taken = ", ".join((*known, *found))
                raise ValueError(f"the result of metric {name!r} has the key {key!r}: the logs have {taken}")
            found[key] = number
    return dict(sorted(found.items()))


class Means:
    """The loss and the metrics over the rows so far: means over the rows, and the `fed` metrics.

    The sums are those of the loss and of the core's metrics.
    """

    def __init__(self, watched: Watched) -> None:
        self.watched, self.rows, self.sums = watched, 0, np.zeros(len(watched.core_names))
        self.fed = watched.take()

    def add(self, rows: int, loss_sum: float, metric_sums: np.ndarray) -> None:
        """Add rows, given their own sums."""
        self.set_totals(rows, self.sums[0] + loss_sum, self.sums[1:] + metric_sums)

    def set_totals(self, rows: int, loss_sum: float, metric_sums: np.ndarray) -> None:
        """Add rows, given the sums over all rows so far."""
        self.rows += rows
        self.sums[0], self.sums[1:] = loss_sum, metric_sums

    def steps(self, n_steps: int, batch_size: int) -> int:
        """How many of `n_steps` steps to make at once: if metrics are fed, the outputs of all are kept."""
        if not self.fed:
            return n_steps
        return min(n_steps, max(1, _MOST_KEPT // (batch_size * max(1, int(np.prod(self.watched.shape))))))

    def outputs_array(self, rows: int, dtype: np.dtype) -> np.ndarray | None:
        """An array for the outputs passed to the fed metrics; None without such metrics."""
        return np.empty((rows, int(np.prod(self.watched.shape))), dtype) if self.fed else None

    def feed(
        self, arrays: Arrays, rows: slice | np.ndarray, outputs: np.ndarray | None, batch_size: int | None
    ) -> None:
        """Pass the outputs of these rows to the metrics, batch by batch."""
        if outputs is None or not self.fed:
            return
        y, weights = arrays.y[rows], arrays.sample_weight
        if self.watched.raw:
            y = targets(y, "y", "any", self.watched.shape)
        weights = None if weights is None else weights[rows]
        size = batch_size or max(len(y), 1)
        for start in range(0, len(y), size):
            part = slice(start, start + size)
            for metric, _, weighted in self.fed:
                w = weights[part] if weighted and weights is not None else None
                metric.feed(y[part], outputs[: len(y)][part], w, self.watched.shape)

    def logs(self) -> dict[str, Any]:
        means = dict(zip(self.watched.core_names, (self.sums / max(self.rows, 1)).tolist(), strict=True))
        if not self.fed:
            return means
        values = {each.name: each.metric.value() for each in self.fed}
        means |= {name: value for name, value in values.items() if not isinstance(value, dict)}
        found = {name: means[name] for name in self.watched.names if name in means}
        return found | _of_dicts(values, found)

    def close(self) -> None:
        """Release the metric objects."""
        self.watched.give_back(self.fed)

    # ------------------------------------------------------- a run that is interrupted within an epoch

    def numbers(self) -> dict[str, float]:
        """The sums so far by name; those of a fed metric by name and index."""
        found = dict(zip(self.watched.core_names, self.sums.tolist(), strict=True))
        for metric, name, _ in self.fed:
            found |= {f"{name}[{i}]": number for i, number in enumerate(metric.get_state())}
        return found

    def set_numbers(self, rows: int, numbers: Mapping[str, float]) -> None:
        """Continue from what `numbers` returned."""
        sums = [numbers.get(name, np.nan) for name in self.watched.core_names]
        self.set_totals(rows, sums[0], np.array(sums[1:]))
        for metric, name, _ in self.fed:
            own: list[Any] = []
            while f"{name}[{len(own)}]" in numbers:
                own.append(numbers[f"{name}[{len(own)}]"])
            if not metric.set_state(own) and rows:
                warn(
                    f"the file has no sums of metric {name!r}, which keeps none in variables: in this "
                    "epoch its value only includes the batches from here on"
                )
