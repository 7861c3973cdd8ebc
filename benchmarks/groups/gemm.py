"""The products of a dense layer on arrays in row-major order, one thread."""

from __future__ import annotations

import numpy as np
import peers
from timing import Result, check_close, interleave_calls

TITLE = "Products"
ABOUT = (
    "Batch x inputs x outputs: forward x W + b, dX = dZ W^T, dW = X^T dZ, each by `nnc.functional.dense`, "
    "which reads transposed arrays in place; PyTorch is `addmm` and `mm` into given arrays, NumPy "
    "`matmul` likewise. nnc's function packs a wide right-hand side on every call, which a model does not: "
    "for its speed see the training table."
)
ONE_THREAD = True
SHAPES = [  # of the four workloads, and of wide nets
    (128, 292, 10),
    (16, 784, 100),
    (100, 256, 128),
    (32, 512, 256),
    (32, 784, 512),
    (16, 784, 784),
    (100, 784, 256),
    (128, 784, 292),
    (256, 1024, 4096),
]


def nnc_side(x, w, b, dz, outs):
    from nnc import functional

    y, dx, dw = outs
    return {
        "forward": lambda: functional.dense(x, w, b, out=y),
        "dX": lambda: functional.dense(dz, w.T, out=dx),
        "dW": lambda: functional.dense(x.T, dz, out=dw),
    }


def numpy_side(x, w, b, dz, outs):
    y, dx, dw = outs
    return {
        "forward": lambda: np.add(np.matmul(x, w, out=y), b, out=y),
        "dX": lambda: np.matmul(dz, w.T, out=dx),
        "dW": lambda: np.matmul(x.T, dz, out=dw),
    }


def torch_side(x, w, b, dz, outs):
    import torch

    torch.set_num_threads(1)
    x, w, b, dz, y, dx, dw = (torch.from_numpy(array) for array in (x, w, b, dz, *outs))
    return {
        "forward": lambda: torch.addmm(b, x, w, out=y),
        "dX": lambda: torch.mm(dz, w.T, out=dx),
        "dW": lambda: torch.mm(x.T, dz, out=dw),
    }


SIDES = {"nnc": nnc_side, "PyTorch": torch_side, "NumPy": numpy_side}


def run(context):
    rng, probe = np.random.default_rng(0), context.probe()
    for batch, inputs, outputs in SHAPES[:: 4 if context.quick else 1]:
        shapes = (batch, inputs), (inputs, outputs), (outputs,), (batch, outputs)
        arrays = [rng.standard_normal(shape, np.float32) for shape in shapes]
        sides = {}
        for name, make in SIDES.items():
            if name == "nnc" or context.wants(name):
                try:
                    outs = [np.empty(shapes[i], np.float32) for i in (3, 0, 1)]
                    sides[name] = make(*arrays, outs)
                except ImportError as error:
                    context.notes.add(f"{name} is left out: {peers.reason(error)}")
        for kind in ("forward", "dX", "dW"):
            calls = {name: side[kind] for name, side in sides.items()}
            case = f"{batch} x {inputs} x {outputs}, {kind}"
            check_close(case, {name: np.array(call()) for name, call in calls.items()}, 1e-4, 1e-3)
            times, peaks = interleave_calls(calls, context.rounds, context.seconds, probe)
            flops = 2.0 * batch * inputs * outputs
            yield Result(case, 1, times, flops=flops, size=flops, peak=peaks)
