"""The convolutional net: complete training steps, and inference of one image and of many."""

from __future__ import annotations

import numpy as np
import peers
from timing import Result, check_close, interleave, interleave_calls
from workloads import CONV_BATCH, convnet_flops, convnet_phase_flops, convnet_step_flops

TITLE = "Convolutional net"
ABOUT = (
    "MNIST; 3 x 3 convolutions of 16, 16, 64, 64 and 64 filters with batch normalization and ReLU, two "
    "max poolings, dense 1024-128-128-10. A training step (gather, forward, loss, backward, SGD with "
    "momentum) has 64 images; all sides start from the same weights and see the same batches, their first "
    "losses are compared (to 0.5 %, bfloat16 to 3 %). PyTorch: fused SGD, denormals flushed, images "
    "preloaded as float32; channels last, compiled, and autocast to bfloat16 as named. Inference: float32 "
    "images from NumPy, outputs compared first. % of peak counts the products only, including those with the "
    "padding. The rows of single layers are timed inside nnc, backward dX, dW and the update together."
)
ONE_THREAD = False
TRAINERS = {
    "nnc": "convnet_nnc.Trainer",
    "PyTorch": "convnet_torch.Trainer",
    "PyTorch channels last": "convnet_torch.ChannelsLast",
    "PyTorch compiled": "convnet_torch.Compiled",
    "PyTorch compiled, channels last": "convnet_torch.CompiledChannelsLast",
    "PyTorch bf16": "convnet_torch.Half",
    "PyTorch bf16, channels last": "convnet_torch.HalfChannelsLast",
}
PREDICTORS = {
    "nnc": "convnet_nnc.Predictor",
    "PyTorch": "convnet_torch.Predictor",
    "onnxruntime": "convnet_onnx.Predictor",
}
CHECK_STEPS, STEPS = 3, 40


def images(context):
    from nnc.datasets import load_mnist

    (x, y), _ = load_mnist(context.mnist)
    return x.reshape(-1, 28, 28, 1), y.astype(np.int32)


def wanted(context):
    """The names of the sides in this run: "PyTorch" includes all of PyTorch's settings."""
    if context.peers is None:
        return None
    return [
        name for name in TRAINERS | PREDICTORS if name in context.peers or name.split()[0] in context.peers
    ]


def run(context):
    x, y = images(context)
    weights = yield from training(context, x, y)
    yield from inference(context, x, weights)


def training(context, x, y):
    probe, rng = context.probe(), np.random.default_rng(1)
    steps = 4 if context.quick else STEPS
    order = rng.permutation(len(x))
    check, batches = (order[: n * CONV_BATCH].reshape(n, CONV_BATCH) for n in (CHECK_STEPS, steps))
    sides, weights = {}, None
    for name, trainer in peers.load(TRAINERS, wanted(context), context.notes):
        sides[name] = trainer(x, y, weights, context.threads)
        weights = sides["nnc"].weights() if weights is None else weights
    losses = {name: side.run(check) for name, side in sides.items()}
    halves = {name for name in losses if "bf16" in name}
    case = f"training step of {CONV_BATCH}"
    check_close(case, {name: loss for name, loss in losses.items() if name not in halves}, 5e-3)
    check_close(case, losses, 3e-2)
    calls = {name: lambda side=side: side.run(batches) for name, side in sides.items()}
    times, peaks = interleave(calls, context.rounds, steps, probe)
    flops = CONV_BATCH * convnet_step_flops()
    single = {name: values for name, values in times.items() if name not in halves}
    yield Result(case, context.threads, single, flops=flops, size=flops, peak=peaks)
    if halves:
        half = {name: times[name] for name in ("nnc", *sorted(halves))}
        yield Result(f"{case}, peers in bfloat16", context.threads, half, flops=flops, size=flops, peak=peaks)
    rounds = [sides["nnc"].phases(batches) for _ in range(context.rounds)]
    top = [probe() for _ in rounds] if probe else []
    products = convnet_phase_flops()
    for name in rounds[0]:
        values = {"nnc": [found[name] for found in rounds]}
        flops = CONV_BATCH * products.get(name, 0.0)
        yield Result(f"nnc's {name}", context.threads, values, flops=flops, peak=top)
    return weights


def inference(context, x, weights):
    probe = context.probe()
    for rows in (1, 256):
        batch = x[:rows].astype(np.float32)
        sides = {
            name: predictor(weights, context.threads)
            for name, predictor in peers.load(PREDICTORS, wanted(context), context.notes)
        }
        case = f"inference, {'1 image' if rows == 1 else f'{rows} images'}"
        check_close(case, {name: np.asarray(side(batch)) for name, side in sides.items()}, 1e-3, 1e-3)
        calls = {name: lambda side=side: side(batch) for name, side in sides.items()}  # noqa: B023
        times, peaks = interleave_calls(calls, context.rounds, context.seconds, probe)
        flops = rows * convnet_flops()
        yield Result(case, context.threads, times, flops=flops, size=flops, peak=peaks)
