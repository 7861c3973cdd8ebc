"""Saving and loading: `load_model`, `load_keras`, and the functions behind `Sequential.save` and others.

>>> import os, tempfile, nnc, nnc.saving
>>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
>>> with tempfile.TemporaryDirectory() as folder:
...     nnc.saving.save_model(model, os.path.join(folder, "model.safetensors"))
...     loaded = nnc.load_model(os.path.join(folder, "model.safetensors"))
>>> bool((loaded.get_weights()[0] == model.get_weights()[0]).all())
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnc.models import Sequential, load_model, save_model
from nnc.models.state import FORMAT, NUMERICS

if TYPE_CHECKING:
    from nnc.models import modelfile

__all__ = ["FORMAT", "NUMERICS", "load_keras", "load_model", "load_weights", "save_model"]


def load_weights(model: Sequential, filepath: modelfile.Path) -> None:
    """Load the weights of a model from a file, as `Sequential.load_weights` does.

    Parameters
    ----------
    model : Sequential
    filepath : str or path

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
    >>> model.save_weights("weights.safetensors")
    >>> nnc.saving.load_weights(model, "weights.safetensors")
    """
    model.load_weights(filepath)


def load_keras(filepath: modelfile.Path, compile: bool = True) -> Sequential:
    """Load a Sequential model that Keras 3 saved as a .keras file: `predict` returns what Keras's returns.

    Requires h5py (``pip install "nnc[keras]"``), but neither Keras nor one of its backends. Nothing in the
    file is executed or imported: it names layers, losses and so on, and nnc creates its own of the same name,
    with the options that it supports.

    Parameters
    ----------
    filepath : str or path
        A file written by ``model.save("model.keras")``.
    compile : bool
        Whether to load the optimizer, the loss and the metrics, too; the optimizer's state is reset.

    Returns
    -------
    Sequential

    Raises
    ------
    FormatError
        If the file is damaged or not from Keras 3, if the model is not a Sequential, or if nnc does not
        support one of its layers, options, dtypes or weight shapes, which the message names.
    ImportError
        If h5py is not installed.
    OSError
        If the file cannot be opened.

    Warns
    -----
    UserWarning
        If nnc does not have the optimizer, the loss or a metric, which the message names: the loaded model is
        then not compiled. Also if a weight contains NaN or an infinity.

    References
    ----------
    As keras.saving.load_model; docs/keras.md lists what is supported.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.load_keras("model.keras")  # doctest: +SKIP
    >>> nnc.saving.save_model(model, "model.safetensors")  # doctest: +SKIP
    """
    from nnc.interop import kerasreading

    return kerasreading.read(filepath, compile)
