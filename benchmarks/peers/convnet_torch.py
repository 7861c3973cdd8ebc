"""PyTorch on the convolutional net of workloads.py: eager, channels last, compiled, bfloat16 by autocast."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from workloads import BN_EPSILON, CONV_MOMENTUM, CONV_RATE, CONVOLUTIONS, DENSE


def build(weights: list[np.ndarray]) -> nn.Sequential:
    """The net with nnc's weights: kernels (height, width, in, out), maps flattened channels last."""
    values = iter(weights)
    stack: list[nn.Module] = []
    side, channels = 28, 1
    for filters, padding in CONVOLUTIONS:
        if not filters:
            stack.append(nn.MaxPool2d(2))
            side //= 2
            continue
        conv = nn.Conv2d(channels, filters, 3, padding=padding, bias=False)
        norm = nn.BatchNorm2d(filters, BN_EPSILON, momentum=0.1)
        side, channels = side + 2 * padding - 2, filters
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(next(values).transpose(3, 2, 0, 1)))
            for parameter in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                parameter.copy_(torch.from_numpy(next(values)))
        stack += [conv, norm, nn.ReLU()]
    stack.append(nn.Flatten())
    inputs = side * side * channels
    for i, units in enumerate(DENSE):
        linear, w = nn.Linear(inputs, units), next(values)
        if i == 0:
            w = w.reshape(side, side, channels, units).transpose(2, 0, 1, 3).reshape(inputs, units)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T.copy()))
            linear.bias.copy_(torch.from_numpy(next(values)))
        stack += [linear, nn.ReLU()]
        inputs = units
    return nn.Sequential(*stack[:-1])


class Trainer:
    memory_format = torch.contiguous_format
    half = False
    compiled = False

    def __init__(self, x, y, weights, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        torch._dynamo.reset()
        self.net = build(weights).to(memory_format=self.memory_format)
        self.optimizer = torch.optim.SGD(
            self.net.parameters(), lr=CONV_RATE, momentum=CONV_MOMENTUM, fused=True
        )
        images = torch.from_numpy(x.astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2)
        self.x = images.contiguous(memory_format=self.memory_format)
        self.y = torch.from_numpy(y.astype(np.int64))
        self.loss = torch.compile(self._loss, dynamic=False) if self.compiled else self._loss

    def _loss(self, rows: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            return F.cross_entropy(self.net(self.x[rows]), self.y[rows])

    def run(self, batches: np.ndarray) -> float:
        total = torch.zeros(())
        for rows in torch.from_numpy(batches):
            loss = self.loss(rows)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total) / len(batches)


class ChannelsLast(Trainer):
    memory_format = torch.channels_last


class Compiled(Trainer):
    compiled = True


class CompiledChannelsLast(ChannelsLast):
    compiled = True


class Half(Trainer):
    half = True


class HalfChannelsLast(ChannelsLast):
    half = True


class Predictor:
    """Eager, inference_mode, channels last, so nnc's rows need no copy."""

    def __init__(self, weights, threads):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        net = build(weights).to(memory_format=torch.channels_last)
        self.net = net.eval()

    def __call__(self, x: np.ndarray) -> torch.Tensor:
        with torch.inference_mode():
            return self.net(torch.from_numpy(x).permute(0, 3, 1, 2) / 255)
