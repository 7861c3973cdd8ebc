"""Models from files and from configurations: the functions of `nnc.models` and `nnc.saving`."""

from __future__ import annotations

import json
from collections.abc import Callable

from nnc._config import refusal
from nnc.layers import Layer
from nnc.models import modelfile
from nnc.models.sequential import Sequential


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

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
    >>> model.save("model.safetensors")
    >>> nnc.load_model("model.safetensors").count_params()
    3
    """
    state = modelfile.read(filepath)
    return Sequential.from_state(state if compile else state.uncompiled())


def model_from_json(json_string: str) -> Sequential:
    """A new model of the layers that `Sequential.to_json` described; its weights are drawn anew.

    Raises
    ------
    ValueError
        If it is no JSON of a Sequential, or a layer or a value in it is not nnc's.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((3,)), nnc.layers.Dense(2, "relu")])
    >>> nnc.models.model_from_json(model.to_json()).output_shape
    (None, 2)
    """
    data = json.loads(json_string)
    if not isinstance(data, dict) or data.get("class_name") != "Sequential" or "config" not in data:
        raise refusal("json_string", 'JSON with "class_name": "Sequential"', data)
    return Sequential.from_config(data["config"])


def clone_model(model: Sequential, clone_function: Callable[[Layer], Layer] | None = None) -> Sequential:
    """A new model of layers like those of `model`; its weights are drawn anew, and it is not compiled.

    Parameters
    ----------
    model : Sequential
    clone_function : callable, optional
        Gives the new layer for each layer, in place of one of the same configuration.

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
