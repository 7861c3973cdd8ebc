"""Models to and from other libraries. nnc imports none of them by itself.

>>> from nnc import interop
>>> interop.from_torch, interop.to_torch  # doctest: +ELLIPSIS
(<function from_torch at 0x...>, <function to_torch at 0x...>)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnc.models import Sequential

__all__ = ["from_torch", "to_torch"]


def from_torch(sequential: Any, input_shape: Sequence[int] | None = None) -> Sequential:
    """The nnc model of a torch.nn.Sequential, with its weights; it takes images as (height, width, channels).

    ``model.predict(x)`` gives what ``sequential.eval()(x)`` gives, images turned from (n, C, H, W) to
    (n, H, W, C): ``x.permute(0, 2, 3, 1)``. docs/export.md has the table of layers.

    Parameters
    ----------
    sequential : torch.nn.Sequential
        Of layers that nnc has; Sequentials inside are taken apart. It is not changed.
    input_shape : tuple of int, optional
        Of one sample as PyTorch has it, (C, H, W) or (F,). It can be left out where the first layer with
        weights is a Linear, or where only one square image fits the Linear behind a Flatten: of several, the
        smallest is taken.

    Returns
    -------
    Sequential
        Not compiled.

    Raises
    ------
    TypeError
        If `sequential` is none.
    ValueError
        If nnc has not one of the layers, or not with its arguments, which the message names, or if the shape
        must be given.

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

    It takes and gives images as (n, C, H, W). Batch normalization and dropout are there as layers, so that it
    can be trained further; random changes of images, which PyTorch's layers have not, are left out. What no
    module of torch.nn does, one of `nnc.interop.modules` does.

    Parameters
    ----------
    model : Sequential
        Built.

    Returns
    -------
    torch.nn.Sequential

    Raises
    ------
    ImportError
        Without PyTorch.
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
