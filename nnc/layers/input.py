"""The shape of a model's samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnc import _config
from nnc.errors import warn
from nnc.layers.base import Layer


class InputLayer(Layer):
    """The shape of a model's samples.

    Parameters
    ----------
    shape : tuple of int
        Of one sample, without the batch axis.
    name : str, optional
    batch_shape : tuple, optional
        The shape with the batch axis, in place of shape: (None, 784).
    input_shape : tuple of int, optional
        Older name of shape; causes a warning.
    batch_size, dtype : optional
        As in Keras; nnc takes batches of any size and uint8 or float arrays regardless of them.
    sparse, optional : bool
        Must be False.

    Raises
    ------
    TypeError
        If not exactly one of shape and batch_shape is given.

    Examples
    --------
    >>> from nnc import layers
    >>> layers.Input((28, 28))
    InputLayer((28, 28))
    """

    def __init__(
        self,
        shape: Sequence[int] = _config.REQUIRED,
        name: str | None = None,
        *,
        batch_size: int | None = None,
        batch_shape: Sequence[int | None] | None = None,
        dtype: str | None = None,
        sparse: bool = False,
        optional: bool = False,
        input_shape: Sequence[int] | None = None,
    ) -> None:
        if input_shape is not None:
            if shape is not _config.REQUIRED:
                raise _config.refusal("input_shape", "None when shape is given", input_shape)
            warn("input_shape of Input is an older name of shape")
            shape = _config.shape("input_shape", input_shape)
        if (shape is _config.REQUIRED) == (batch_shape is None):
            raise TypeError("Input takes one of shape and batch_shape")
        if batch_shape is not None:
            if batch_size is not None:
                raise _config.refusal("batch_size", "None when batch_shape is given", batch_size)
            batch_size, *rest = _config.items("batch_shape", batch_shape, "a shape such as (None, 784)") or (
                0,
            )
            shape = _config.shape("batch_shape[1:]", rest)
        if batch_size is not None:
            _config.integer("batch_size", batch_size, 1)
        if dtype is not None:
            try:
                kind = str(np.dtype(dtype).kind)
            except (TypeError, ValueError):
                kind = ""
            if kind not in "fuib" or not kind or isinstance(dtype, (bool, int, float)):
                raise _config.refusal("dtype", "a type of numbers, such as 'float32' or 'uint8'", dtype)
        if sparse is not False or optional is not False:
            raise _config.refusal("sparse and optional", "False", (sparse, optional))
        self.shape = _config.shape("shape", shape)
        super().__init__(name, input_shape=self.shape)


Input = InputLayer
