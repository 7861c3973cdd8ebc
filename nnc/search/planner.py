"""How many models to train at once, with how many threads each: whether a model fits in a core's caches.

One model per core needs no barriers and shares nothing, so it is faster for as long as the model fits in the
core's share of the caches. Larger models evict each other's data, and it is faster when several cores each
hold a part of one model.

Measured on two cores with 1 MB of L2 each and 32 MB of L3, MNIST, batch 128, time of two cores on one model
divided by that of one model per core: working set 1.5 MB 1.21, 2.6 MB 1.32, 4.7 MB 1.11, 8 MB 1.26, 17 MB
1.02, 33 MB 0.99. So the capacity is the core's L2 plus its share of the L3, not the L2 alone.
"""

from __future__ import annotations

import dataclasses
import math
import re
from numbers import Integral
from pathlib import Path

from nnc import _config, _core
from nnc.models import Sequential
from nnc.models.batches import BATCH_SIZE

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_ASSUMED = 2 * 2**20  # if the system does not report it
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The planner's choice.

    Attributes
    ----------
    n_jobs : int
        Models trained at once.
    n_threads : int
        Threads for each model.
    reason : str
        The reason for the choice.
    """

    n_jobs: int
    n_threads: int
    reason: str

    def __str__(self) -> str:
        models = "1 model" if self.n_jobs == 1 else f"{self.n_jobs} models"
        threads = "1 thread" if self.n_threads == 1 else f"{self.n_threads} threads"
        return f"{models} at a time, {threads} each: {self.reason}"


def check_n_jobs(n_jobs: object) -> int:
    """`n_jobs` if it is -1 or a count."""
    if isinstance(n_jobs, Integral) and n_jobs == -1:
        return -1
    return _config.integer("n_jobs (or -1 for all CPUs)", n_jobs, 1, 1024)


def choose(n_jobs: int, n_trials: int, working_set: int | None) -> Plan:
    """The plan of a search that runs in threads of this process.

    Parameters
    ----------
    n_jobs : int
        -1: let the planner choose, for all CPUs that this process may use; else the number of models at once,
        limited to the number of CPUs, since each model needs at least one thread.
    n_trials : int
        An upper limit for the number of models.
    working_set : int or None
        Bytes of the largest model; None if it is not known (an estimator).
    """
    cpus = _core.get_num_threads()
    if n_jobs != -1:
        jobs = min(n_jobs, max(n_trials, 1), cpus)
        requested = "as requested" if n_jobs <= cpus else f"{n_jobs} requested"
        return Plan(jobs, max(1, cpus // min(n_jobs, cpus)), f"{requested}, with {_cpus(cpus)}")
    if working_set is None:
        return Plan(min(cpus, max(n_trials, 1)), 1, f"one for each of {_cpus(cpus)}")
    capacity = cache_of_a_core()
    threads = min(cpus, math.ceil(working_set / capacity))
    sizes = f"{working_set / 2**20:.1f} MiB of weights, optimizer and batch"
    if threads == 1:
        reason = f"{sizes} fit the {capacity / 2**20:.1f} MiB of cache that a core has"
    else:
        reason = f"{sizes} are more than the {capacity / 2**20:.1f} MiB of cache that a core has"
    jobs = max(1, min(cpus // threads, n_trials))
    return Plan(jobs, max(1, cpus // jobs), f"{reason}; {_cpus(cpus)}")


def working_set_of(model: Sequential, batch_size: int | None, input_shape: tuple[int, ...]) -> int:
    """Bytes that a training step accesses: weights and the optimizer's slots, the batch, a and da."""
    if not model.built:
        model.build((None, *input_shape))
    slots = len(model.optimizer.slot_names()) if model.optimizer else 0
    layers = model.flattened_layers.values()
    outputs = sum(math.prod(layer.output_shape or ()) for layer in layers if layer.weight_names)
    rows = (batch_size or BATCH_SIZE) * (math.prod(input_shape) + 2 * outputs)
    return 4 * ((1 + slots) * model.count_params() + rows)


def cache_of_a_core(folder: Path = CACHES) -> int:
    """Bytes of one core's L2 plus its share of the L3; 2 MiB if the system does not report them."""
    total = 0
    for index in sorted(folder.glob("index*")):
        try:
            level, kind, size, shared = (
                (index / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
            )
        except OSError:
            continue
        found = re.fullmatch(r"(\d+)([KMG]?)", size)
        if level in ("2", "3") and kind != "Instruction" and found:
            total += int(found[1]) * _UNITS[found[2]] // (_count(shared) if level == "3" else 1)
    return total or _ASSUMED


def _count(cpus: str) -> int:
    """The number of CPUs in a list such as "0-3,8"."""
    total = 0
    for part in cpus.split(","):
        low, _, high = part.partition("-")
        total += int(high or low) - int(low) + 1
    return total


def _cpus(n: int) -> str:
    return "1 CPU" if n == 1 else f"{n} CPUs"
