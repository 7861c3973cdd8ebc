"""Models from files and from configurations: the functions of `nnc.models` and `nnc.saving`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nnc._config import refusal
from nnc.layers import Layer
from nnc.models.sequential import Sequential

if TYPE_CHECKING:
    from nnc.models import modelfile


def save_model(
    model: Sequential,
    filepath: modelfile.Path,
    overwrite: bool = True,
    *,
    weights_only: bool = False,
) -> None:
    """Write a model to a file, as `Sequential.save` does.

    Parameters
    ----------
    model : Sequential
    filepath : str or path
    overwrite : bool
        Whether an existing file may be replaced.
    weights_only : bool
        Whether to leave out the compile arguments, the optimizer's state and the history.

    Raises
    ------
    FileExistsError
        If the file exists and must not be replaced.
    OSError
        If it cannot be written; an existing file is then unchanged.

    Warns
    -----
    UserWarning
        If the loss is a Python function, which a file cannot contain: the model is then saved without its
        compile arguments. Also if a weight contains NaN or an infinity.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
    >>> nnc.models.save_model(model, "model.safetensors", weights_only=True)
    """
    if weights_only:
        model.save_weights(filepath, overwrite)
    else:
        model.save(filepath, overwrite)


def load_model(filepath: modelfile.Path, compile: bool = True) -> Sequential:
    """Load a model written by `Sequential.save`: compiled, with the optimizer's state and the history.

    Parameters
    ----------
    filepath : str or path
    compile : bool
        Whether to make it ready for training; if False, the optimizer is left out.

    Returns
    -------
    Sequential

    Raises
    ------
    FormatError
        If the file is not one of nnc's, is damaged, or is inconsistent.
    OSError
        If it cannot be opened.

    Warns
    -----
    UserWarning
        If a weight contains NaN or an infinity.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
    >>> model.save("model.safetensors")
    >>> nnc.load_model("model.safetensors").count_params()
    3
    """
    from nnc.models.modelfile import read

    state = read(filepath)
    return Sequential.from_state(state if compile else state.uncompiled())


def model_from_json(json_string: str) -> Sequential:
    """Return a new model from the result of `Sequential.to_json`, with newly drawn weights.

    Parameters
    ----------
    json_string : str

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        If it is not the JSON of a Sequential, or contains a layer or a value that nnc does not support.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((3,)), nnc.layers.Dense(2, "relu")])
    >>> nnc.models.model_from_json(model.to_json()).output_shape
    (None, 2)
    """
    import json

    data = json.loads(json_string)
    if not isinstance(data, dict) or data.get("class_name") != "Sequential" or "config" not in data:
        raise refusal("json_string", 'JSON with "class_name": "Sequential"', data)
    return Sequential.from_config(data["config"])


def clone_model(model: Sequential, clone_function: Callable[[Layer], Layer] | None = None) -> Sequential:
    """Return a new model with layers like those of `model`, with newly drawn weights and not compiled.

    Parameters
    ----------
    model : Sequential
    clone_function : callable, optional
        Returns the new layer for each layer; by default one with the same configuration.

    Returns
    -------
    Sequential

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
    >>> clone = nnc.models.clone_model(model)
    >>> clone.output_shape, clone is model
    ((None, 1), False)
    """
    if not isinstance(model, Sequential):
        raise refusal("model", "a Sequential", model, TypeError)
    if clone_function is None:
        return Sequential.from_config(model.get_config())
    clone, first = Sequential(name=model.name), model.state().stack.input
    if first is not None:
        clone.add(type(first).from_config(first.get_config()))
    for layer in model.layers:
        nested = isinstance(layer, Sequential)
        clone.add(clone_model(layer, clone_function) if nested else clone_function(layer))
    if model.input_shape is not None:
        clone.build(model.input_shape)
    return clone
