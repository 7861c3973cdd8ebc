"""Saving and loading: the functions behind `Sequential.save` and `Sequential.load_weights`, and `load_model`.

>>> import os, tempfile, nnc, nnc.saving
>>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
>>> with tempfile.TemporaryDirectory() as folder:
...     nnc.saving.save_model(model, os.path.join(folder, "model.safetensors"))
...     loaded = nnc.load_model(os.path.join(folder, "model.safetensors"))
>>> bool((loaded.get_weights()[0] == model.get_weights()[0]).all())
True
"""

from __future__ import annotations

from nnc.models import Sequential, load_model, modelfile, save_model
from nnc.models.modelfile import FORMAT, NUMERICS

__all__ = ["FORMAT", "NUMERICS", "load_model", "load_weights", "save_model"]


def load_weights(model: Sequential, filepath: modelfile.Path) -> None:
    """Give a model the weights of a file; as `Sequential.load_weights`.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
    >>> model.save_weights("weights.safetensors")
    >>> nnc.saving.load_weights(model, "weights.safetensors")
    """
    model.load_weights(filepath)
