"""Conversion of models from and to other libraries, none of which nnc imports on its own.

>>> from nnc import interop
>>> interop.from_torch, interop.to_torch  # doctest: +ELLIPSIS
(<function from_torch at 0x...>, <function to_torch at 0x...>)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnc._arguments import suggest_arguments
from nnc.models import Sequential

__all__ = ["from_torch", "to_torch"]


def from_torch(sequential: Any, input_shape: Sequence[int] | None = None) -> Sequential:
    """The nnc model of a torch.nn.Sequential, with its weights; it takes images as (height, width, channels).

    ``model.predict(x)`` returns the same outputs as ``sequential.eval()(x)``, with images transposed from
    (n, C, H, W) to (n, H, W, C): ``x.permute(0, 2, 3, 1)``. If there are layers over sequences, such as
    Conv1d, samples of two axes are transposed, too, from (n, C, L) to (n, L, C). docs/export.md has the table
    of layers.

    Parameters
    ----------
    sequential : torch.nn.Sequential
        A model of layers that nnc supports; nested Sequentials are flattened. It is not modified.
    input_shape : tuple of int, optional
        The shape of one sample in PyTorch, (C, H, W), (C, L) or (F,). It can be left out if the first layer
        with weights is a Linear, or if the Linear after a Flatten fits square images or sequences of one size
        only: of several such sizes, the smallest is taken.

    Returns
    -------
    Sequential
        A model that is not compiled.

    Raises
    ------
    TypeError
        If `sequential` is not a torch.nn.Sequential.
    ValueError
        If nnc does not support a layer or its arguments, which the message names, or if the shape must be
        given.

    Examples
    --------
    >>> import torch, nnc
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(dim=1))
    >>> nnc.interop.from_torch(net).output_shape
    (None, 3)
    """
    from nnc.interop import reading

    return reading.read(sequential, input_shape)


def to_torch(model: Sequential) -> Any:
    """The torch.nn.Sequential of an nnc model, with its weights, in evaluation mode.

    It takes and returns images as (n, C, H, W), and samples of two axes unchanged. Batch normalization and
    dropout are kept as layers, so the model can be trained further; image augmentation, for which PyTorch has
    no layers, is left out. Where torch.nn has no equivalent, a module of `nnc.interop.modules` is used.

    Parameters
    ----------
    model : Sequential
        A built model.

    Returns
    -------
    torch.nn.Sequential

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    ValueError
        If the model is not built.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((4,)), nnc.layers.Dense(3, "relu")])
    >>> nnc.interop.to_torch(model)
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
    )
    """
    from nnc.interop import writing

    return writing.write(model)


suggest_arguments(globals())
