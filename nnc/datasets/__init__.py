"""Data sets for examples and benchmarks: iris (bundled), MNIST and Fashion-MNIST (found, else downloaded).

The functions are ``load_iris``, ``load_mnist`` and ``load_fashion_mnist``; ``nnc.datasets.mnist.load_data()``
and ``nnc.datasets.fashion_mnist.load_data()`` are the same functions under Keras's names.
"""

from __future__ import annotations

from nnc._arguments import suggest_arguments
from nnc.datasets import fashion_mnist, iris, mnist
from nnc.datasets.fashion_mnist import load_fashion_mnist
from nnc.datasets.idx import read_idx
from nnc.datasets.iris import load_iris
from nnc.datasets.mnist import load_mnist

__all__ = ["fashion_mnist", "iris", "load_fashion_mnist", "load_iris", "load_mnist", "mnist", "read_idx"]

suggest_arguments(globals())
