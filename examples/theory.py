"""Two exercises checked by the kernels
====================================

Two pencil-and-paper exercises, solved with nnc's kernels and compared with the closed form.

1. The cross-entropy of three rows of outputs interpreted as probabilities, and its gradient.
2. The gradient of the standard deviation of x = (-1, 3), and of longer x, by means of batch normalization:
   a_i = (x_i - mean) / std, so d std / dx_j = (1 (i = j) - 1 / n - std da_i / dx_j) / a_i for any i, and the
   closed form is a_j / n. The kernels compute std, a and da_i / dx: x is the kernel of a dense layer without
   bias whose inputs are the unit vectors, a BatchNormalization follows, and a step of SGD with learning rate
   1 and the loss a_i subtracts da_i / dx from x.

::

    python examples/theory.py
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import nnc
from nnc import layers

OUTPUTS = np.array([[0.65, 0.43, 0.11], [0.05, 0.51, 0.18], [0.33, 0.21, 0.72]])
CLASSES = np.array([0, 1, 2])


def cross_entropy():
    """(name, ours, closed form, report) for the first exercise."""
    loss = nnc.losses.SparseCategoricalCrossentropy(normalize=False)
    mean, gradient = loss.value_and_gradient(CLASSES, OUTPUTS)
    chosen = OUTPUTS[CLASSES, CLASSES]
    closed = np.zeros((3, 3))
    closed[CLASSES, CLASSES] = -1 / (3 * chosen)
    yield "cross-entropy, sum", 3 * mean, -np.log(chosen).sum(), 1.43263
    yield "cross-entropy, mean", mean, -np.log(chosen).mean(), 0.47754
    for j in range(3):
        yield f"d mean / d output {j + 1} of row {j + 1}", gradient[j, j], closed[j, j], None
    yield "largest of the other derivatives", abs(gradient - np.diag(gradient.diagonal())).max(), 0.0, None


def normalized(x, i, backend):
    """(std, a, da_i / dx) from batch normalization without epsilon, gamma and beta."""
    outputs = {}

    def output_i(_, a):
        outputs["a"] = np.array(a)
        return a[i, 0], np.eye(len(x))[:, i : i + 1]

    norm = layers.BatchNormalization(momentum=0.0, epsilon=0.0, center=False, scale=False)
    model = nnc.Sequential([nnc.Input((len(x),)), layers.Dense(1, use_bias=False), norm])
    model.set_weights([x[:, np.newaxis], np.zeros(1), np.ones(1)])
    model.compile(nnc.optimizers.SGD(1.0), output_i, backend=backend)
    model.train_on_batch(np.eye(len(x)), np.zeros((len(x), 1)))
    moved, _, variance = model.get_weights()
    return np.sqrt(variance[0]), outputs["a"][:, 0], x - moved[:, 0]


def deviation(x, report, backend):
    """The same for the second exercise, for one x."""
    std, a, slope = normalized(x, 0, backend)
    gradient = (np.eye(len(x))[0] - 1 / len(x) - std * slope) / a[0]
    yield f"std of {len(x)} numbers", std, np.std(x), report[0]
    closed = (x - x.mean()) / (len(x) * np.std(x))
    for j in range(len(x)):
        yield f"d std / dx{j + 1}", gradient[j], closed[j], report[1][j]


def main():
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS,
        description=__doc__.split("\n\n")[1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="has no effect: this example takes no time")
    parser.add_argument("--backend", default="compiled", help="backend: compiled or reference")
    parser.add_argument("--output", type=Path, default="results/theory", help="folder for the table")
    options = parser.parse_args()
    found = list(cross_entropy())
    found += deviation(np.array([-1.0, 3.0]), (2.0, (-0.5, 0.5)), options.backend)
    x = np.random.default_rng(0).standard_normal(5)
    found += deviation(x, (None, [None] * 5), options.backend)
    names = ("what", "nnc", "closed form", "report")
    rows = [dict(zip(names, row, strict=True)) | {"difference": abs(row[1] - row[2])} for row in found]
    nnc.tables.save(rows, options.output / "exercises", digits=6)
    print(nnc.tables.markdown(rows, digits=6))
    if any(row["difference"] > 2e-5 for row in rows):
        sys.exit("a kernel does not agree with the closed form")


if __name__ == "__main__":
    main()
