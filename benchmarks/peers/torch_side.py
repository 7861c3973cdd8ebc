"""PyTorch at its fastest: data preloaded as float32, no DataLoader, fused SGD, denormals flushed."""

from __future__ import annotations

import multiprocessing

import numpy as np
import torch
from torch.nn import functional as F

ACTIVATIONS = {
    "relu": torch.nn.ReLU,
    "leaky_relu": lambda: torch.nn.LeakyReLU(0.01),
    "gelu": torch.nn.GELU,
}


def build(weights: list[np.ndarray], activation: str) -> torch.nn.Sequential:
    """A net of Linear layers with these weights, with the activation between them."""
    stack = []
    for w in weights[::2]:
        stack += [torch.nn.Linear(*w.shape), ACTIVATIONS[activation]()]
    net = torch.nn.Sequential(*stack[:-1])
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(value.T))
    return net


class Trainer:
    def __init__(self, task, weights, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.task, w = task, task.workload
        self.kind = w.loss
        self.net = build(weights, w.activation)
        kernels = [p for p in self.net.parameters() if p.ndim == 2]
        biases = [p for p in self.net.parameters() if p.ndim == 1]
        groups = [{"params": kernels, "weight_decay": 2 * w.l2}, {"params": biases, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, lr=w.rate, momentum=w.momentum, fused=True)
        self.x = torch.from_numpy(task.floats())
        self.y = torch.from_numpy(task.y.astype(np.int64) if w.loss == "crossentropy" else task.y)
        self.batches: dict[int, torch.Tensor] = {}

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        a, y = self.net(self.x[rows]), self.y[rows]
        if self.kind == "crossentropy":
            return F.cross_entropy(a, y)
        return F.mse_loss(a, y) if self.kind == "mse" else 0.5 * ((a - y) ** 2).sum() / len(y)

    def first_losses(self, steps: int) -> float:
        return self.run(steps)

    def run(self, steps: int) -> float:
        if steps not in self.batches:
            self.batches[steps] = torch.from_numpy(self.task.batches(steps))
        total = torch.zeros(())
        for rows in self.batches[steps]:
            loss = self.loss(rows)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total) / steps


class CompiledTrainer(Trainer):
    """The same with gather, forward, loss and backward through torch.compile (needs a C++ compiler)."""

    def __init__(self, task, weights, threads):
        super().__init__(task, weights, threads)
        torch._dynamo.reset()
        self.loss = torch.compile(super().loss, dynamic=False)


class Predictor:
    """Eager, inference_mode; NumPy's rows are used without a copy."""

    def __init__(self, weights, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.net = torch.nn.Sequential(*build(weights, "relu"), torch.nn.Softmax(dim=1)).eval()

    def __call__(self, x: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            return self.net(torch.from_numpy(x))


class Searcher:
    """Processes with one thread each, which have the data and take trials from a queue."""

    def __init__(self, sweep, params, threads):
        self.params = params
        settings = sweep.outputs, sweep.batch, sweep.epochs
        context = multiprocessing.get_context("spawn")
        self.pool = context.Pool(threads, _start_searching, (sweep.floats(), settings))
        self.pool.map(abs, range(threads))

    def run(self) -> list[float]:
        return self.pool.map(_trial, self.params, chunksize=1)

    def close(self) -> None:
        self.pool.terminate()


def _start_searching(data, settings) -> None:
    global _searched
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    x, y, x_held, y_held = (torch.from_numpy(a) for a in data)
    _searched = (x, y.long(), x_held, y_held.long(), *settings)


def _trial(params) -> float:
    """The validation accuracy of one trial."""
    x, y, x_held, y_held, outputs, batch, epochs = _searched
    first, last = torch.nn.Linear(x.shape[1], params["hidden"]), torch.nn.Linear(params["hidden"], outputs)
    for layer in (first, last):
        torch.nn.init.kaiming_normal_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    net = torch.nn.Sequential(first, torch.nn.ReLU(), last)
    groups = [
        {"params": [first.weight, last.weight], "weight_decay": params["l2"]},
        {"params": [first.bias, last.bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=params["rate"], fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            loss = F.cross_entropy(net(x[rows]), y[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    with torch.inference_mode():
        return float((net(x_held).argmax(1) == y_held).float().mean())
