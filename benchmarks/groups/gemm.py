"""The products of a dense layer on arrays in row-major order, one thread."""

from __future__ import annotations

import numpy as np
import peers
from timing import Result, check_close, interleave_calls

TITLE = "Products"
ABOUT = (
    "Batch x inputs x outputs. Forward is x W + b (`nnc.functional.dense`), backward is dX, dW and db "
    "(`dense_backward`, which makes all three in one call); PyTorch is `addmm`, `mm` and `sum` into given "
    "arrays, NumPy is `matmul` likewise. These functions of nnc run on one thread and pack their operands "
    "on every call, which a model does not: its speed is in the training table."
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


def nnc_side(x, w, b, dz):
    from nnc import functional

    batch, inputs, outputs = *x.shape, w.shape[1]
    out = np.empty((batch, outputs), np.float32)
    grads = tuple(np.empty(shape, np.float32) for shape in ((batch, inputs), (inputs, outputs), (outputs,)))
    return {
        "forward": lambda: functional.dense(x, w, b, out=out),
        "backward": lambda: functional.dense_backward(x, w, dz, out=grads),
    }


def numpy_side(x, w, b, dz):
    batch, inputs, outputs = *x.shape, w.shape[1]
    out = np.empty((batch, outputs), np.float32)
    dx, dw, db = (np.empty(shape, np.float32) for shape in ((batch, inputs), (inputs, outputs), (outputs,)))

    def forward():
        return np.add(np.matmul(x, w, out=out), b, out=out)

    def backward():
        return np.matmul(dz, w.T, out=dx), np.matmul(x.T, dz, out=dw), np.sum(dz, axis=0, out=db)

    return {"forward": forward, "backward": backward}


def torch_side(x, w, b, dz):
    import torch

    torch.set_num_threads(1)
    x, w, b, dz = (torch.from_numpy(array) for array in (x, w, b, dz))
    out, dx, dw, db = (torch.empty_like(t) for t in (dz, x, w, b))

    def backward():
        torch.mm(dz, w.T, out=dx)
        torch.mm(x.T, dz, out=dw)
        return dx, dw, torch.sum(dz, 0, out=db)

    return {"forward": lambda: torch.addmm(b, x, w, out=out), "backward": backward}


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
                    sides[name] = make(*arrays)
                except ImportError as error:
                    context.notes.add(f"{name} is left out: {peers.reason(error)}")
        for kind, products in (("forward", 1), ("backward", 2)):
            calls = {name: side[kind] for name, side in sides.items()}
            case = f"{batch} x {inputs} x {outputs}, {kind}"
            for i in range(3 if kind == "backward" else 1):
                pick = (lambda a, i=i: a[i]) if kind == "backward" else (lambda a: a)
                values = {name: np.array(pick(call())) for name, call in calls.items()}
                check_close(case, values, 1e-4, 1e-3)
            times, peaks = interleave_calls(calls, context.rounds, context.seconds, probe)
            flops = products * 2.0 * batch * inputs * outputs
            yield Result(case, 1, times, flops=flops, size=flops, peak=peaks)
