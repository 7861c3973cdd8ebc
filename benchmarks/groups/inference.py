"""Inference: one row at a time, and many rows at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import peers
from timing import Result, check_close, interleave_calls

TITLE = "Inference"
ABOUT = (
    "Microseconds of a call from Python with float32 rows, for nets with ReLU and a softmax at the end: "
    "`model.predict_on_batch` compared with PyTorch eager in inference_mode, JAX jitted, onnxruntime's "
    "session.run, scikit-learn's predict_proba and handwritten NumPy. Outputs are compared first."
)
ONE_THREAD = False
CASES = [
    ((4, 40, 3), 1),
    ((784, 128, 10), 1),
    ((784, 292, 10), 1),
    ((784, 292, 10), 10_000),
]


def run(context):
    probe = context.probe()
    for sizes, rows in CASES:
        rng = np.random.default_rng(0)
        weights = []
        for i, o in pairwise(sizes):
            weights.append(rng.standard_normal((i, o), np.float32) * np.float32(np.sqrt(2 / i)))
            weights.append(rng.standard_normal(o, np.float32))
        x = rng.random((rows, sizes[0]), np.float32)
        sides = {
            name: predictor(weights, context.threads)
            for name, predictor in peers.load(peers.PREDICTORS, context.peers, context.notes)
        }
        plural = "1 row" if rows == 1 else f"{rows} rows"
        case = f"{'-'.join(map(str, sizes))}, {plural}"
        check_close(case, {name: np.asarray(side(x)) for name, side in sides.items()}, 1e-3, 1e-5)
        calls = {name: lambda side=side: side(x) for name, side in sides.items()}  # noqa: B023
        times, peaks = interleave_calls(calls, context.rounds, context.seconds, probe)
        flops = 2.0 * rows * sum(i * o for i, o in pairwise(sizes))
        yield Result(case, context.threads, times, flops=flops if rows > 1 else 0.0, size=flops, peak=peaks)
