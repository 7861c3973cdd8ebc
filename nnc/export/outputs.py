"""The kind of a model's outputs: probabilities, their logits, or other values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nnc import losses
from nnc.export import operations as ops
from nnc.export.lowering import Model


class Outputs(NamedTuple):
    """kind: "probabilities", "logits" or "values"; link: the function from logits to probabilities, "softmax"
    or "sigmoid" ("" for values).
    """

    kind: str
    link: str

    @property
    def classes(self) -> bool:
        """Whether the model is a classifier."""
        return self.kind != "values"


def outputs_of(model: Model, operations: Sequence[ops.Operation]) -> Outputs:
    """The kind of the outputs of a model with these operations, from its last activation or else its loss.

    Raises
    ------
    ValueError
        If the loss is a Python function.
    """
    loss = model.loss
    if isinstance(loss, losses.FunctionLoss):
        raise ValueError(
            f"the model's loss {loss!r} is a Python function, which does not tell whether the outputs are "
            "probabilities, logits or values: compile(optimizer, loss) with one of nnc.losses first, "
            "or without a loss, compile(loss=None); the weights are kept"
        )
    shape = (model.output_shape or ())[1:]
    if len(shape) > 1:
        return Outputs("values", "")
    n_outputs = math.prod(shape)
    links = {"softmax": n_outputs > 1, "sigmoid": n_outputs == 1}
    acting = [op for op in operations if not (op.training_only or isinstance(op, ops.Reshape))]
    last = acting[-1] if acting else None
    whole = isinstance(last, ops.Activation) and last.group == n_outputs
    if isinstance(last, ops.Activation) and whole and links.get(last.function):
        return Outputs("probabilities", last.function)
    crossentropies = {
        "softmax": (losses.CategoricalCrossentropy, losses.SparseCategoricalCrossentropy),
        "sigmoid": (losses.BinaryCrossentropy,),
    }
    for link, classes in crossentropies.items():
        if loss is not None and isinstance(loss, classes) and links[link]:
            return Outputs("logits" if loss.from_logits else "probabilities", link)
    return Outputs("values", "")
