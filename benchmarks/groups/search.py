"""Hyperparameter search: each side runs the same trials, as many at once as there are threads."""

from __future__ import annotations

import dataclasses

import numpy as np
import peers
from timing import Result, check_close, interleave
from workloads import iris

TITLE = "Search"
ABOUT = (
    "Milliseconds per trial of a random search, one model per thread: nnc.search in threads "
    "of one process, with a validation after every epoch, compared with PyTorch in as many processes of one "
    "thread, which run and have the data before the clock starts, with one validation at the end, and "
    "with scikit-learn's RandomizedSearchCV with that n_jobs. The mean validation accuracies are compared "
    "first. MNIST is split as in experiment C: 48,000 images to train on, 12,000 to validate on."
)
ONE_THREAD = False


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A search: nets inputs-h-outputs, ReLU, softmax cross-entropy, plain SGD; loss + l2 / 2 * sum(W**2).

    `data` contains x, y for training and x, y for validation: x uint8 images or float32.
    """

    name: str
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    hidden: tuple[int, int]
    rate: tuple[float, float]
    batch: int
    epochs: int
    trials: int

    @property
    def outputs(self) -> int:
        return int(self.data[1].max()) + 1

    def floats(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The data as preloaded by the peers: float32, images scaled."""
        x, y, x_held, y_held = self.data
        scale = np.float32(1 / 255 if x.dtype == np.uint8 else 1)
        return x.astype(np.float32) * scale, y, x_held.astype(np.float32) * scale, y_held


def sweeps(context):
    """The searches of this run."""
    from nnc.datasets import load_mnist

    (x, y), _ = load_mnist(context.mnist)
    x, y = x.reshape(len(x), -1), y.astype(np.int32)
    rows = 6_000 if context.quick else 60_000
    cut = rows * 4 // 5
    images = x[:cut], y[:cut], x[cut:rows], y[cut:rows]
    trials = 4 if context.quick else 8
    yield Sweep("784-h-10 on MNIST, 2 epochs", images, (200, 300), (0.15, 0.25), 128, 2, trials)
    x, y = iris()
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    flowers = x[:120], y[:120], x[120:], y[120:]
    trials = 8 if context.quick else 40
    yield Sweep("4-h-3 on iris, 100 epochs", flowers, (8, 33), (0.05, 0.1), 16, 100, trials)


def run(context):
    for sweep in sweeps(context):
        sides, params = {}, None
        for name, searcher in peers.load(peers.SEARCHERS, context.peers, context.notes):
            sides[name] = searcher(sweep, params, context.threads)
            params = sides[name].params
        try:
            found = {name: float(np.mean(side.run())) for name, side in sides.items()}
            check_close(sweep.name, found, 0, 0.1 if context.quick else 0.03)
            calls = {name: side.run for name, side in sides.items()}
            times, _ = interleave(calls, context.rounds, 1e3 * sweep.trials)
        finally:
            for side in sides.values():
                side.close()
        note = "mean accuracy: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items())
        case = f"{sweep.name}, {sweep.trials} trials"
        yield Result(case, context.threads, times, "ms", note=note)
