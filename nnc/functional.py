"""The compiled kernels as functions of NumPy arrays, for custom training loops.

Every function accepts anything that converts to float32, checks shapes, and writes to ``out`` if it is given
(float32, C-contiguous, of the result's shape), which lets a loop avoid allocations. The formulas are in
`nnc.reference`, which has functions with the same names in float64. These functions run on one thread; a
`nnc.Sequential` runs complete epochs in C and is faster.

Examples
--------
One step of gradient descent on a linear layer, by hand:

>>> import numpy as np
>>> from nnc import functional, losses, optimizers
>>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
>>> y = np.array([[1.0], [2.0]])
>>> w, b = np.zeros((2, 1), np.float32), np.zeros(1, np.float32)
>>> a = functional.dense(x, w, b)
>>> value, da = functional.loss(losses.MeanSquaredError().spec(), y, a)
>>> value
2.5
>>> dx, dw, db = functional.dense_backward(x, w, da)
>>> functional.update(optimizers.SGD(0.1).spec(), w, dw, [], learning_rate=0.1, step=0)
>>> w.ravel()
array([0.7, 1. ], dtype=float32)
"""

from __future__ import annotations

from nnc._core import activation, activation_backward, dense, dense_backward, loss, metric, update

__all__ = ["activation", "activation_backward", "dense", "dense_backward", "loss", "metric", "update"]
