"""From Keras's configurations to nnc's objects: classes by name from nnc's registries, never by import path.

Classes and arguments have the same names in Keras and nnc, so one function creates all objects. The tables
list the exceptions: arguments that nnc lacks, with the values that have no effect, and layers whose
configurations or weights are stored differently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nnc import (
    _config,
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
)
from nnc._absent import no_attribute
from nnc._config import Config, shown

Shape = tuple[int, ...]

_ANY = object()

# Arguments that nnc's classes lack, with the values that have no effect.
_SAME: dict[str, tuple[Any, ...]] = {
    "data_format": (None, "channels_last"),
    "quantization_config": (None,),
    "renorm": (False,),
    "renorm_clipping": (_ANY,),  # used with renorm
    "renorm_momentum": (_ANY,),
    "ragged": (False,),
    "axis": (-1,),  # of metrics
    "ignore_class": (None,),
    "input_axes": (None,),
    "output_axes": (None,),
    "use_ema": (False,),
    "ema_momentum": (_ANY,),  # used with use_ema
    "ema_overwrite_frequency": (_ANY,),
    "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None, 1),
    "dtype": (None, "float32"),
    "name": (_ANY,),  # of objects that have no name in nnc, such as schedules
}

# The kind of an argument's value, by the suffix of its name.
_FAMILIES: dict[str, type[Config]] = {
    "initializer": initializers.Initializer,
    "regularizer": regularizers.Regularizer,
    "constraint": constraints.Constraint,
    "learning_rate": schedules.Schedule,
}


def is_sequential(data: Any) -> bool:
    """Whether Keras described a model that is a layer of another."""
    return isinstance(data, dict) and data.get("class_name") == "Sequential"


def layer(data: Any) -> layers.Layer:
    """The layer that Keras described.

    Raises
    ------
    ValueError
        If nnc does not support the layer or its arguments; the message names the layer.
    """
    name, config = class_and_config(data)
    where = f"layer {shown(config.get('name'))} ({name})"
    if name not in layers.registry:
        raise ValueError(f"{where}: {no_attribute('nnc.layers', name, layers.registry)}")
    try:
        return _made(layers.registry[name], _WRITTEN_OTHERWISE.get(name, dict)(config))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def shapes(of: layers.Layer) -> list[Shape]:
    """The shapes of a built layer's weights in Keras."""
    if _is_given(of):
        return []
    return [shape for _, shape, _ in of.weights_spec()]


def counts(of: layers.Layer) -> int:
    """The number of trailing arrays in Keras that nnc lacks: Normalization's count of samples."""
    return 1 if type(of).__name__ == "Normalization" and not _is_given(of) else 0


def _is_given(of: layers.Layer) -> bool:
    """Whether a Normalization was given mean and variance, which then are not weights in Keras."""
    return type(of).__name__ == "Normalization" and of.get_config()["mean"] is not None


def optimizer(data: Any) -> optimizers.Optimizer:
    """The optimizer that Keras described."""
    return _object(optimizers.Optimizer, data)


def loss(data: Any) -> losses.Loss:
    """The loss that Keras described, or a list of one."""
    return _object(losses.Loss, data[0] if isinstance(data, list) and len(data) == 1 else data)


def metric_list(data: Any) -> list[Any]:
    """The metrics that Keras described: objects, and names whose meaning may depend on the outputs."""
    if data is None:
        return []
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], list):
        data = data[0]
    if not isinstance(data, list):
        raise _config.refusal("metrics", "a list", data)
    return [each if isinstance(each, str) else _object(metrics.Metric, each) for each in data]


# --------------------------------------------------------------------------------------------------- objects


def class_and_config(data: Any) -> tuple[str, dict[str, Any]]:
    """The class and the configuration of an object that Keras described, if the class is Keras's own."""
    if not isinstance(data, dict) or not isinstance(data.get("class_name"), str):
        raise _config.refusal("the configuration of an object", 'a JSON object with "class_name"', data)
    name, config, module = data["class_name"], data.get("config"), data.get("module")
    if not isinstance(module, str) or module.partition(".")[0] != "keras":
        named = name if isinstance(config, dict) else f"{name} {shown(config)}"
        raise ValueError(
            f"{shown(named)} of the module {shown(module)} is not one of Keras's own: a file cannot name it"
        )
    if not isinstance(config, dict):
        raise _config.refusal(f"the configuration of {name}", "a JSON object", config)
    return name, config


def _object(family: type[Config], data: Any) -> Any:
    """The object of a family that Keras named or described."""
    if isinstance(data, str):
        return family.get(data)
    name, config = class_and_config(data)
    if name not in family.registry:
        known = ", ".join(family.registry)
        meant = _config.did_you_mean(name, family.registry)
        raise ValueError(f"nnc has no {family.kind} {shown(name)}; it has {known}{meant}")
    return _made(family.registry[name], config)


def _made(cls: type[Config], config: Mapping[str, Any]) -> Any:
    """An object of nnc's class with the arguments of Keras's class."""
    taken, given = cls.keywords(), {}
    for name, value in config.items():
        value = _value(name, value)
        if name in taken or name not in _SAME:
            given[name] = value
        elif not any(same is _ANY or (type(same) is type(value) and same == value) for same in _SAME[name]):
            raise _config.refusal(name, " or ".join(map(repr, _SAME[name])), value)
    return cls(**given)


def _value(name: str, value: Any) -> Any:
    """The value of an argument; an object if Keras described one."""
    if not isinstance(value, dict):
        return value
    if name == "dtype":
        return _dtype(value)
    if name == "activation":
        return _activation(value)
    family = next((_FAMILIES[end] for end in _FAMILIES if name.endswith(end)), None)
    return value if family is None else _object(family, value)


def _dtype(value: Any) -> Any:
    """The name of a policy."""
    name, config = class_and_config(value)
    return config.get("name") if name == "DTypePolicy" else name


def _activation(value: Any) -> activations.Activation:
    """The activation of a layer that other layers of Keras accept as one, such as LeakyReLU."""
    made = getattr(layer(value), "activation", None)
    if not isinstance(made, activations.Activation):
        raise _config.refusal("activation", "a name or a layer such as LeakyReLU", value)
    return made


# ---------------------------------------------------------------------------------------------------- layers


def sample_shape(name: str, value: Any) -> Shape:
    """A shape of a batch without its first axis."""
    if not isinstance(value, list) or len(value) < 2:
        raise _config.refusal(name, "the shape of a batch, such as [null, 784]", value)
    if None in value[1:]:
        raise _config.refusal(
            name, "known except for the batch axis: nnc's samples all have one shape", value
        )
    return _config.shape(name, value[1:])


def _input(config: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in config.items() if name not in ("batch_shape", "trainable")}
    return given | {"shape": sample_shape("batch_shape", config.get("batch_shape"))}


_WRITTEN_OTHERWISE: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {"InputLayer": _input}
