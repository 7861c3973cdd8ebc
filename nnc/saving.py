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

from nnc.models import Sequential, modelfile
from nnc.models.modelfile import FORMAT, NUMERICS

__all__ = ["FORMAT", "NUMERICS", "load_model", "load_weights", "save_model"]


def save_model(
    model: Sequential,
    filepath: modelfile.Path,
    overwrite: bool = True,
    *,
    weights_only: bool = False,
) -> None:
    """Write a model to a file; as `Sequential.save`.

    Parameters
    ----------
    model : Sequential
    filepath : str or path
    overwrite : bool
        Whether a file that is there may be replaced.
    weights_only : bool
        Whether to leave out how it was compiled, the optimizer's memory and the history.

    Raises
    ------
    FileExistsError
        If the file is there and may not be replaced.
    OSError
        If it cannot be written; a file that was there is as it was.

    Warns
    -----
    UserWarning
        If the loss is a Python function, which a file cannot hold: the model is then saved as one not
        compiled. If a weight holds NaN or an infinity.
    """
    if weights_only:
        model.save_weights(filepath, overwrite)
    else:
        model.save(filepath, overwrite)


def load_model(filepath: modelfile.Path, compile: bool = True) -> Sequential:
    """Read a model that `Sequential.save` wrote: compiled, with the optimizer's memory and the history.

    Parameters
    ----------
    filepath : str or path
    compile : bool
        Whether it is to be ready for training; without it the optimizer is left out.

    Raises
    ------
    FormatError
        If the file is not one of nnc's, damaged, or does not fit together.
    OSError
        If it cannot be opened.

    Warns
    -----
    UserWarning
        If a weight holds NaN or an infinity.
    """
    state = modelfile.read(filepath)
    return Sequential.from_state(state if compile else state.uncompiled())


def load_weights(model: Sequential, filepath: modelfile.Path) -> None:
    """Give a model the weights of a file; as `Sequential.load_weights`."""
    model.load_weights(filepath)
