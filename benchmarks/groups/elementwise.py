"""Activations and their derivatives, one thread."""

from __future__ import annotations

import importlib.util

import numpy as np
from timing import Result, check_close, interleave_calls

TITLE = "Elementwise"
ABOUT = (
    "Activations and their derivatives (dz of da) over float32 arrays of 128 x 292 and 1000 x 1000, "
    "`nnc.functional` and PyTorch's operators, both into given arrays, one thread. "
    "The derivatives of gelu and silu are computed from z, those of the others from the output, except "
    "PyTorch's of softplus, which takes z."
)
ONE_THREAD = True
SHAPES = [(128, 292), (1000, 1000)]
NAMES = ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus")
FROM_Z = ("gelu", "silu")  # their derivatives are not functions of the output
ALPHA = {"leaky_relu": 0.01, "elu": 1.0}


def nnc_calls(name, z, da):
    from nnc import functional

    out, dz, alpha = np.empty_like(z), np.empty_like(z), ALPHA.get(name, 0.0)
    a = None if name in FROM_Z else functional.activation(name, z, alpha)
    return {
        "forward": lambda: functional.activation(name, z, alpha, out=out),
        "backward": lambda: functional.activation_backward(name, z, da, alpha, dz, a=a),
    }


def torch_calls(name, z, da):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    aten = torch.ops.aten
    z, da = torch.from_numpy(z), torch.from_numpy(da)
    out, dz = torch.empty_like(z), torch.empty_like(z)
    more = [ALPHA[name]] if name in ALPHA else []
    operator = getattr(aten, name).out
    operator(z, *more, out=out)
    backward = {
        "relu": lambda: aten.threshold_backward.grad_input(da, out, 0, grad_input=dz),
        "leaky_relu": lambda: aten.leaky_relu_backward.grad_input(da, out, 0.01, True, grad_input=dz),
        "elu": lambda: aten.elu_backward.grad_input(da, 1, 1, 1, True, out, grad_input=dz),
        "gelu": lambda: aten.gelu_backward.grad_input(da, z, grad_input=dz),
        "silu": lambda: aten.silu_backward.grad_input(da, z, grad_input=dz),
        "sigmoid": lambda: aten.sigmoid_backward.grad_input(da, out, grad_input=dz),
        "tanh": lambda: aten.tanh_backward.grad_input(da, out, grad_input=dz),
        "softplus": lambda: aten.softplus_backward.grad_input(da, z, 1, 20, grad_input=dz),
    }
    return {"forward": lambda: operator(z, *more, out=out), "backward": backward[name]}


def run(context):
    rng = np.random.default_rng(0)
    sides = {"nnc": nnc_calls}
    if context.wants("PyTorch"):
        if importlib.util.find_spec("torch"):
            sides["PyTorch"] = torch_calls
        else:
            context.notes.add("PyTorch is left out: it is not installed")
    for shape in SHAPES[: 1 if context.quick else 2]:
        z, da = (rng.standard_normal(shape, np.float32) * 3 for _ in range(2))
        for name in NAMES:
            made = {side: make(name, z, da) for side, make in sides.items()}
            for kind in ("forward", "backward"):
                calls = {side: both[kind] for side, both in made.items()}
                case = f"{name}, {kind}, {shape[0]} x {shape[1]}"
                check_close(case, {s: np.array(call()) for s, call in calls.items()}, 1e-4, 1e-5)
                times, _ = interleave_calls(calls, context.rounds, context.seconds)
                yield Result(case, 1, times, size=float(z.size))
