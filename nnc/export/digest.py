"""The hash of a model's computation: independent of layer names and of how it was trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import fields

import numpy as np

from nnc.export import operations as ops


def digest(operations: Iterable[ops.Operation]) -> str:
    """SHA-256 of the inference operations and their weights, in hexadecimal."""
    found = hashlib.sha256()
    for operation in operations:
        if operation.training_only:
            continue
        found.update(type(operation).__name__.encode())
        for entry in fields(operation):
            if entry.name in ("layer", "groups"):  # the shapes and the size of the kernel determine groups
                continue
            value = getattr(operation, entry.name)
            if isinstance(value, np.ndarray):
                found.update(np.ascontiguousarray(value, "<f8").tobytes())
            elif isinstance(value, ops.Window):
                found.update(repr((value.size, value.strides, value.dilation, value.pads)).encode())
            else:
                found.update(repr(value).encode())
    return found.hexdigest()
