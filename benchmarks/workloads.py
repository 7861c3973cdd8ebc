"""The workloads: nets, losses, optimizers and data, the same for every peer."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np

MNIST = Path(__file__).resolve().parents[1] / "examples" / "data" / "mnist"


@dataclasses.dataclass(frozen=True)
class Workload:
    """A net and its training: SGD with the gradient of loss + l2 * sum(W**2)."""

    name: str
    sizes: tuple[int, ...]
    activation: str  # of the hidden layers: relu, leaky_relu (0.01), gelu (erf)
    loss: str  # crossentropy (on logits), euclidean (half the squared distance), mse
    batch: int
    rate: float
    momentum: float = 0.0
    l2: float = 0.0
    rows: int = 60_000
    steps: int = 300  # per round
    images: bool = True  # uint8, to be divided by 255

    @property
    def flops(self) -> float:
        """Operations in the products of one step: forward, dW, and dX except for the first layer."""
        products = [2.0 * self.batch * i * o for i, o in pairwise(self.sizes)]
        return 3.0 * sum(products) - products[0]


FOUR = [
    Workload("C 784-292-10 ReLU", (784, 292, 10), "relu", "crossentropy", 128, 0.2475, 0.0, 1.25e-7),
    Workload("A 784-784-100-10 LeakyReLU", (784, 784, 100, 10), "leaky_relu", "euclidean", 16, 0.001, 0.9),
    Workload("D 784-256-128-10 GELU", (784, 256, 128, 10), "gelu", "crossentropy", 100, 0.02, 0.9, 5e-6),
    Workload("E 784-512-256-10 ReLU", (784, 512, 256, 10), "relu", "crossentropy", 32, 0.01, 0.9),
]
TINY = [
    Workload(
        "4-40-3, batch 5", (4, 40, 3), "relu", "crossentropy", 5, 0.01, rows=150, steps=3000, images=False
    ),
    Workload(
        "13-64-64-1, batch 32", (13, 64, 64, 1), "relu", "mse", 32, 0.01, rows=480, steps=3000, images=False
    ),
]
WIDE = Workload(
    "1024-4096-4096-1000, batch 256",
    (1024, 4096, 4096, 1000),
    "relu",
    "crossentropy",
    256,
    0.01,
    rows=2560,
    steps=5,
    images=False,
)

# A convolutional net on MNIST: (filters, padding) of a 3 x 3 convolution with batch normalization and ReLU,
# POOL for 2 x 2 max pooling, then the units of dense layers with ReLU between them. SGD with momentum.
POOL = (0, 0)
CONVOLUTIONS = [(16, 0), (16, 0), POOL, (64, 0), (64, 0), (64, 1), POOL]
DENSE = [128, 128, 10]
CONV_BATCH, CONV_RATE, CONV_MOMENTUM, BN_EPSILON = 64, 0.01, 0.9, 1e-5


def convnet_products() -> dict[str, float]:
    """Operations in the forward pass of one image, for each layer with a product, by its name in nnc."""
    side, channels, found = 28, 1, {}
    for filters, padding in CONVOLUTIONS:
        if filters:
            side += 2 * padding - 2
            found[_nth("conv2d", len(found))] = 2.0 * side * side * filters * channels * 9
            channels = filters
        else:
            side //= 2
    sizes = [side * side * channels, *DENSE]
    for i, (inputs, units) in enumerate(pairwise(sizes)):
        found[_nth("dense", i)] = 2.0 * inputs * units
    return found


def _nth(kind: str, i: int) -> str:
    """nnc's name of the i-th layer of a kind."""
    return f"{kind}_{i}" if i else kind


def convnet_flops() -> float:
    """Operations in the products of the forward pass of one image."""
    return sum(convnet_products().values())


def convnet_phase_flops() -> dict[str, float]:
    """Operations for each pass of a layer: backward is dW, and dX except for the first; padding included."""
    found = {}
    for i, (name, flops) in enumerate(convnet_products().items()):
        found[f"{name}, forward"] = flops
        found[f"{name}, backward"] = 2 * flops if i else flops
    return found


def convnet_step_flops() -> float:
    """Operations in the products of the forward and backward pass of one image."""
    return sum(convnet_phase_flops().values())


@dataclasses.dataclass
class Task:
    """A workload with its data: x uint8 or float32 (n, inputs), y ids (n,) or float32 rows (n, outputs)."""

    workload: Workload
    data: str
    x: np.ndarray
    y: np.ndarray

    @property
    def name(self) -> str:
        return f"{self.workload.name}, {self.data}"

    def floats(self) -> np.ndarray:
        """x as preloaded by the peers: float32, scaled."""
        return self.x.astype(np.float32) / np.float32(255) if self.workload.images else self.x

    def batches(self, steps: int) -> np.ndarray:
        """Row indices (steps, batch): epochs of complete batches, each shuffled."""
        rng, batch = np.random.default_rng(1), self.workload.batch
        per_epoch = len(self.x) // batch
        epochs = -(-steps // per_epoch)
        orders = [rng.permutation(len(self.x))[: per_epoch * batch] for _ in range(epochs)]
        return np.concatenate(orders).reshape(-1, batch)[:steps].astype(np.int64)


def iris() -> tuple[np.ndarray, np.ndarray]:
    """Iris, standardized.

    In centimetres the first losses are so large that scikit-learn clips its probabilities, and SGD at the
    rates used here is unstable: the last accuracies of a net differ by 0.1 from seed to seed.
    """
    from nnc.datasets import load_iris

    x, y = load_iris()
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32), y.astype(np.int32)


def make_task(workload: Workload, data: str, mnist: Path = MNIST) -> Task:
    """`data` is "dense" (random, no zeros), "MNIST" or "iris"."""
    rng, rows, outputs = np.random.default_rng(0), workload.rows, workload.sizes[-1]
    if data == "MNIST":
        from nnc.datasets import load_mnist

        (x, y), _ = load_mnist(mnist)
        x = x.reshape(len(x), -1)
    elif data == "iris":
        x, y = iris()
    else:
        shape = (rows, workload.sizes[0])
        x = rng.integers(1, 256, shape, np.uint8) if workload.images else rng.random(shape, np.float32)
        y = rng.integers(0, max(outputs, 2), rows)
    y = y.astype(np.int32)
    if workload.loss == "euclidean":
        y = np.eye(outputs, dtype=np.float32)[y]
    elif workload.loss == "mse":
        y = rng.standard_normal((rows, outputs)).astype(np.float32)
    return Task(workload, data, np.ascontiguousarray(x), y)
