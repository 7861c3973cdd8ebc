"""Microseconds per training step of the four dense workloads, nnc beside PyTorch, interleaved in one run.

    python benchmarks/train_step.py [--threads 1 2] [--rounds 7] [--steps 300]

Every step is a whole one: gather a batch of rows by a permutation, forward, loss, backward, update. nnc reads
uint8 images; PyTorch is set to its best: data preloaded as float32, fused SGD, denormals flushed. Both
start from the same weights and see the same batches; their losses are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import numpy as np

import nnc
from nnc import initializers, layers, losses, optimizers, regularizers

WORKLOADS = {
    # name: hidden sizes, activation, loss, batch, learning rate, momentum, half the L2 factor
    "C 784-292-10 ReLU": ([292], "relu", "crossentropy", 128, 0.2475, 0.0, 1.25e-7),
    "A 784-784-100-10 LeakyReLU": ([784, 100], "leaky_relu", "euclidean", 16, 0.001, 0.9, 0.0),
    "D 784-256-128-10 GELU": ([256, 128], "gelu", "crossentropy", 100, 0.02, 0.9, 5e-6),
    "E 784-512-256-10 ReLU": ([512, 256], "relu", "crossentropy", 32, 0.01, 0.9, 0.0),
}
N_ROWS = 60_000


def make_data():
    """Dense random images: no zeros for anyone to skip."""
    rng = np.random.default_rng(0)
    return rng.integers(1, 256, (N_ROWS, 784), np.uint8), rng.integers(0, 10, N_ROWS)


class Nnc:
    """The workload through nnc's public API."""

    name = "nnc"

    def __init__(self, workload, x, y, order):
        hidden, activation, loss, self.batch, rate, momentum, self.l2 = workload
        kernel = {
            "kernel_initializer": initializers.HeNormal(),
            "kernel_regularizer": regularizers.L2(self.l2),
        }
        stack = [layers.Input((784,)), layers.Rescaling(1 / 255)]
        for units in hidden:
            leaky = activation == "leaky_relu"
            act = layers.LeakyReLU(0.01) if leaky else layers.Activation(activation)
            stack += [layers.Dense(units, **kernel), act]
        self.model = nnc.Sequential([*stack, layers.Dense(10, **kernel)])
        crossentropy = losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(
            optimizers.SGD(rate, momentum=momentum),
            crossentropy if loss == "crossentropy" else losses.EuclideanLoss(),
        )
        self.x, self.y, self.order = x, y.astype(np.int32), order
        if loss == "euclidean":
            self.y = np.eye(10, dtype=np.float32)[self.y]

    def weights(self):
        return self.model.get_weights()

    def first_losses(self, steps):
        """Mean loss, without the penalty, of `steps` steps in the given order."""
        rows = self.order[: steps * self.batch]
        penalty = self.l2 * sum(float(np.sum(w**2)) for w in self.weights() if w.ndim == 2)
        history = self.model.fit(self.x[rows], self.y[rows], batch_size=self.batch, shuffle=False, verbose=0)
        return history.history["loss"][0] - penalty

    def run(self, steps):
        """Train on `steps` batches of the shuffled data."""
        self.model.fit(self.x, self.y, batch_size=self.batch, steps_per_epoch=steps, verbose=0)


class Torch:
    """The same in PyTorch, eager, with the fused optimizer."""

    name = "PyTorch"

    def __init__(self, workload, x, y, order, weights):
        import torch

        hidden, activation, self.loss, self.batch, rate, momentum, l2 = workload
        self.torch = torch
        torch.set_flush_denormal(True)
        functions = {
            "relu": torch.nn.ReLU,
            "leaky_relu": lambda: torch.nn.LeakyReLU(0.01),
            "gelu": torch.nn.GELU,
        }
        sizes = [784, *hidden, 10]
        stack = []
        for i in range(len(sizes) - 1):
            stack += [torch.nn.Linear(sizes[i], sizes[i + 1]), functions[activation]()]
        self.net = torch.nn.Sequential(*stack[:-1])
        with torch.no_grad():
            for parameter, value in zip(self.net.parameters(), weights, strict=True):
                parameter.copy_(torch.from_numpy(value.T))
        kernels = [p for p in self.net.parameters() if p.ndim == 2]
        biases = [p for p in self.net.parameters() if p.ndim == 1]
        groups = [{"params": kernels, "weight_decay": 2 * l2}, {"params": biases, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, lr=rate, momentum=momentum, fused=True)
        self.order = torch.from_numpy(order)
        self.x = torch.from_numpy(x.astype(np.float32) / np.float32(255))
        self.y = torch.from_numpy(y.astype(np.int64))
        if self.loss == "euclidean":
            self.y = torch.nn.functional.one_hot(self.y, 10).float()

    def first_losses(self, steps):
        return self.run(steps)

    def run(self, steps):
        F = self.torch.nn.functional
        total = 0.0
        for i in range(steps):
            rows = self.order[i * self.batch : (i + 1) * self.batch]
            x, y = self.x[rows], self.y[rows]
            a = self.net(x)
            crossentropy = self.loss == "crossentropy"
            loss = F.cross_entropy(a, y) if crossentropy else 0.5 * ((a - y) ** 2).sum() / self.batch
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total) / steps


def measure(workload, x, y, threads, rounds, steps):
    """Microseconds per step of each side, one list entry a round."""
    import torch

    nnc.set_num_threads(threads)
    torch.set_num_threads(threads)
    order = np.random.default_rng(1).permutation(N_ROWS)
    steps = min(steps, N_ROWS // workload[3])
    ours = Nnc(workload, x, y, order)
    sides = [ours, Torch(workload, x, y, order, ours.weights())]
    values = [side.first_losses(20) for side in sides]
    if not np.isclose(*values, rtol=1e-3):
        raise SystemExit(f"the losses differ after 20 steps: {values}")
    times = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            start = time.perf_counter()
            side.run(steps)
            times[side.name].append(1e6 * (time.perf_counter() - start) / steps)
    return times


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    import torch

    nnc.show_config()
    print(f"PyTorch {torch.__version__}; {platform.machine()}; median of {options.rounds} rounds\n")
    print("| workload | threads | nnc, µs | PyTorch, µs | ratio (min to max) |\n|---|---|---|---|---|")
    x, y = make_data()
    for name, workload in WORKLOADS.items():
        for threads in options.threads:
            times = measure(workload, x, y, threads, options.rounds, options.steps)
            ratios = [b / a for a, b in zip(times["nnc"], times["PyTorch"], strict=True)]
            ours, theirs = (statistics.median(times[side]) for side in ("nnc", "PyTorch"))
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {name} | {threads} | {ours:.0f} | {theirs:.0f} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
