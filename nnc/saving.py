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

from nnc.models import Sequential, load_model, modelfile, save_model
from nnc.models.modelfile import FORMAT, NUMERICS

__all__ = ["FORMAT", "NUMERICS", "load_keras", "load_model", "load_weights", "save_model"]


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


def load_keras(filepath: modelfile.Path, compile: bool = True) -> Sequential:
    """Read a Sequential model that Keras 3 saved as a .keras file: `predict` gives what Keras's gives.

    Needs h5py (``pip install "nnc[keras]"``), neither Keras nor one of its backends. Nothing in the file is
    executed or imported: it names layers, losses and the like, and those that nnc has by that name, with the
    options that it has, are made.

    Parameters
    ----------
    filepath : str or path
        Of a file that ``model.save("model.keras")`` wrote.
    compile : bool
        Whether to take over the optimizer, the loss and the metrics; the optimizer's memory begins anew.

    Returns
    -------
    Sequential

    Raises
    ------
    FormatError
        If the file is damaged or none of Keras 3, or the model is no Sequential, or nnc has not one of its
        layers, options, dtypes or shapes of weights, which the message names.
    ImportError
        Without h5py.
    OSError
        If it cannot be opened.

    Warns
    -----
    UserWarning
        If nnc has not the optimizer, the loss or a metric, which the message names: the model is then loaded
        as one that is not compiled. If a weight holds NaN or an infinity.

    References
    ----------
    As keras.saving.load_model; docs/keras.md says what is read.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.load_keras("model.keras")  # doctest: +SKIP
    >>> nnc.saving.save_model(model, "model.safetensors")  # doctest: +SKIP
    """
    from nnc.interop import kerasreading

    return kerasreading.read(filepath, compile)
