"""Complete training steps: gather a batch of rows by a permutation, forward, loss, backward, update."""

from __future__ import annotations

import peers
from timing import Result, check_close, interleave
from workloads import FOUR, TINY, WIDE, make_task

TITLE = "Training"
ABOUT = (
    "Microseconds of a complete step: gather a batch by a permutation, forward, loss, backward, update. All "
    "sides start from the same weights and see the same batches first; their losses are compared (to 0.1 %) "
    "before anything is timed. nnc reads uint8 images; the peers' images are preloaded as float32. PyTorch: "
    "fused SGD, denormals flushed; compiled: gather, forward, loss and backward through torch.compile; JAX: "
    "the whole epoch is one jitted lax.scan; scikit-learn: MLPClassifier.fit. % of peak counts operations "
    "of the products only, relative to the multiply-adds of the probe in the same round; on MNIST nnc skips "
    "products with the images' zeros, which still count."
)
ONE_THREAD = False
CHECK_STEPS = 20


def tasks(context):
    """The tasks of this run, in table order."""
    for data in ("dense", "MNIST"):
        for workload in FOUR[:1] if context.quick else FOUR:
            yield make_task(workload, data, context.mnist)
    yield make_task(TINY[0], "iris")
    yield make_task(TINY[1], "dense")
    if not context.quick:
        yield make_task(WIDE, "dense")


def whole_epochs(steps: int, per_epoch: int) -> int:
    """At most `steps`, rounded down to whole epochs if there is more than one."""
    return steps // per_epoch * per_epoch if steps > per_epoch else steps


def sides_of(task, context):
    """The trainers that support this task, all with nnc's weights."""
    sides, weights = {}, None
    for name, trainer in peers.load(peers.TRAINERS, context.peers, context.notes):
        try:
            sides[name] = trainer(task, weights, context.threads)
        except peers.NotSupported:
            continue
        if name == "nnc":
            weights = sides[name].weights()
    return sides


def run(context):
    probe = context.probe()
    for task in tasks(context):
        workload = task.workload
        sides = sides_of(task, context)
        check = min(CHECK_STEPS, workload.steps)
        check_close(task.name, {name: side.first_losses(check) for name, side in sides.items()})
        per_epoch = len(task.x) // workload.batch
        steps = whole_epochs(workload.steps // (10 if context.quick else 1), per_epoch)
        calls = {name: lambda side=side: side.run(steps) for name, side in sides.items()}  # noqa: B023
        times, peaks = interleave(calls, context.rounds, steps, probe)
        yield Result(task.name, context.threads, times, flops=workload.flops, size=workload.flops, peak=peaks)
