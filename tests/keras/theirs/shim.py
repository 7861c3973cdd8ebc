"""Modules with the names of Keras's, created when they are imported, that contain nnc's objects.

What nnc does not have is an `Absent`: it can be imported and subclassed, and raises AbsentError when used.
Keras itself is not imported. `keras.src.ops` and `backend` are NumPy.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import math
import os
import sys
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

import nnc
from nnc import _core, random
from nnc._config import Config, deserialize, serialize

from . import cases

# The module of nnc for a folder of keras.src.
PLACES: dict[str, Any] = {
    "activations": nnc.activations,
    "callbacks": nnc.callbacks,
    "initializers": nnc.initializers,
    "layers": nnc.layers,
    "losses": nnc.losses,
    "metrics": nnc.metrics,
    "models": nnc.models,
    "optimizers": nnc.optimizers,
    "optimizers.schedules": nnc.schedules,
    "regularizers": nnc.regularizers,
    "utils": nnc.utils,
}
if hasattr(nnc, "constraints"):
    PLACES["constraints"] = nnc.constraints


class AbsentError(Exception):
    """A name of Keras that nnc does not have was used."""


class _AbsentType(type):
    """Placeholder classes for what is absent: their attributes are absent, too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return absent(f"{cls.__name__}.{name}")

    def __call__(cls, *args: Any, **keywords: Any) -> Any:
        raise AbsentError(cls.__name__)

    def __iter__(cls) -> Any:
        raise AbsentError(cls.__name__)


def absent(name: str) -> Any:
    return _AbsentType(name, (), {})


# ------------------------------------------------------------------------------ NumPy in place of the backend


class Variable(np.lib.mixins.NDArrayOperatorsMixin):
    """An array with a name and assignable values."""

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str = "variable",
        **_: Any,
    ) -> None:
        value = initializer(shape) if callable(initializer) else initializer
        self.value, self.name, self.trainable = np.array(value, dtype or np.float32), name, trainable

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype.name)

    def numpy(self) -> np.ndarray:
        return self.value

    def assign(self, value: Any) -> None:
        self.value = np.array(value, self.value.dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return getattr(ufunc, method)(*(np.asarray(each) for each in inputs), **options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype)


def apply_gradients(optimizer: nnc.optimizers.Optimizer, pairs: Iterable[tuple[Any, Any]]) -> None:
    """One step of the compiled core for each variable w: a layer a = x w of the input x = 1, given dL/da."""
    if not hasattr(optimizer, "_plans"):
        optimizer._plans = {}
    step = optimizer.iterations
    (rate,) = optimizer.learning_rates(step, 1, 0)
    for gradient, variable in pairs:
        flat = np.ravel(np.asarray(variable, np.float32))
        row = {"kind": "dense", "units": flat.size, "use_bias": False, "activation": "linear", "alpha": 0.0}
        if id(variable) not in optimizer._plans:
            optimizer._plans[id(variable)] = _core.Plan(1, [row], optimizer=optimizer.spec(), batch_size=1)
        plan = optimizer._plans[id(variable)]
        plan.set_parameters([flat[None]])
        plan.step_forward(np.ones((1, 1), np.float32), 0, step)
        plan.step_backward(np.ravel(np.asarray(gradient, np.float32))[None], float(rate), step)
        variable.assign(plan.get_parameters()[0].reshape(np.shape(variable)))
    optimizer.iterations += 1


def clip_gradients(optimizer: nnc.optimizers.Optimizer, gradients: Iterable[Any]) -> list[np.ndarray]:
    """Clipped gradients g: what a step of SGD with these options and rate 1 subtracts from zeros."""
    given = [np.asarray(each, np.float32) for each in gradients]
    together = [np.concatenate([each.ravel() for each in given])] if optimizer.global_clipnorm else given
    found = []
    for gradient in together:
        options = {name: getattr(optimizer, name) for name in ("clipnorm", "clipvalue", "global_clipnorm")}
        weights = Variable(np.zeros(gradient.shape))
        apply_gradients(nnc.optimizers.SGD(1.0, **options), [(gradient, weights)])
        found.append(-weights.value)
    if optimizer.global_clipnorm:
        found = np.split(found[0], np.cumsum([each.size for each in given])[:-1])
    return [each.reshape(like.shape) for each, like in zip(found, given, strict=True)]


_call = nnc.layers.Layer.__call__
_RANDOM_IMAGES = tuple(
    cls for name, cls in nnc.layers.registry.items() if name.startswith("Random")
)  # which Keras runs in training mode if called directly


def call(layer: nnc.layers.Layer, inputs: Any, training: bool | None = None, mask: Any = None) -> np.ndarray:
    """A layer's outputs; in training by the compiled core's step_forward, which updates moving averages."""
    if mask is not None or np.ndim(training):
        raise AbsentError("mask")
    if training is None:
        training = isinstance(layer, _RANDOM_IMAGES)
    x = np.asarray(inputs)
    if not training or (not layer.built and x.ndim < 2):
        return _call(layer, x)
    if not layer.built:
        layer.build(x.shape[1:])
    rows = [row | ({} if layer.trainable else {"trainable": False}) for row in layer.rows()]
    if not rows or x.shape[1:] != layer.input_shape:
        return _call(layer, x)
    sgd = nnc.optimizers.SGD(0.0).spec()
    plan = _core.Plan(math.prod(x.shape[1:]), rows, optimizer=sgd, batch_size=len(x), seed=random.next_seed())
    plan.set_parameters(
        [w.reshape(s) for w, s in zip(layer.get_weights(), plan.parameter_shapes, strict=True)]
    )
    flat = np.ascontiguousarray(x.reshape(len(x), -1), np.float32)
    outputs = plan.step_forward(flat, 0, 0).reshape(len(x), *layer.output_shape)
    plan.step_backward(np.zeros((len(x), plan.n_outputs), np.float32), 0.0, 0)
    shapes = [w.shape for w in layer.get_weights()]
    layer.set_weights([w.reshape(s) for w, s in zip(plan.get_parameters(), shapes, strict=True)])
    return outputs


_build = nnc.layers.Layer.build


def build(layer: nnc.layers.Layer, input_shape: Any) -> Any:
    """Build a layer for the shape of a batch, as Keras does; nnc itself takes the shape of a sample."""
    frame = sys._getframe(1)
    if frame.f_globals["__name__"] == "nnc._arguments" and frame.f_back is not None:  # the method's wrapper
        frame = frame.f_back
    by_nnc = frame.f_globals["__name__"].partition(".")[0] in ("nnc", "tests")
    return _build(layer, input_shape if by_nnc else input_shape[1:])


def skip_if_backend(backend: str, reason: str) -> Any:
    """The decorator of Keras's conftest: the test requires a backend, which is never nnc."""
    return lambda test: test


def _numpy(name: str) -> Any:
    others = {
        "convert_to_tensor": lambda x, dtype=None, **_: np.asarray(x, dtype),
        "convert_to_numpy": np.asarray,
        "cast": lambda x, dtype: np.asarray(x).astype(dtype),
        "shape": np.shape,
        "is_tensor": lambda x: isinstance(x, np.ndarray),
        "norm": np.linalg.norm,
        "one_hot": lambda x, num_classes, **_: np.eye(num_classes, dtype=np.float32)[np.asarray(x)],
        "softmax": lambda x, axis=-1: (
            np.exp(x - np.max(x, axis, keepdims=True))
            / np.sum(np.exp(x - np.max(x, axis, keepdims=True)), axis, keepdims=True)
        ),
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "relu": lambda x: np.maximum(x, 0),
        "sigmoid": lambda x: 1 / (1 + np.exp(-np.asarray(x))),
        "array": lambda x, dtype=None: np.asarray(x, dtype or (np.float32 if _floats(x) else None)),
        "max": np.max,
        "expand_dims": np.expand_dims,
    }
    return others[name] if name in others else getattr(np, name, None)


def _floats(x: Any) -> bool:
    return np.asarray(x).dtype.kind == "f"


BACKEND: dict[str, Any] = {
    "backend": lambda: "nnc",
    "Variable": Variable,
    "floatx": lambda: "float32",
    "epsilon": lambda: 1e-7,
    "image_data_format": lambda: "channels_last",
    "standardize_dtype": lambda dtype: np.dtype(dtype or "float32").name,
    "standardize_data_format": lambda given: given or "channels_last",
}

RANDOM: dict[str, Any] = {
    "normal": lambda shape, mean=0.0, stddev=1.0, **_: np.random.normal(mean, stddev, shape).astype(
        np.float32
    ),
    "uniform": lambda shape, minval=0.0, maxval=1.0, **_: np.random.uniform(minval, maxval, shape).astype(
        np.float32
    ),
}


def serialize_any(obj: Any, *_: Any) -> Any:
    return serialize(obj) if isinstance(obj, Config) else obj


def deserialize_any(data: Any, *_: Any, **keywords: Any) -> Any:
    """The object of any of nnc's registries that this configuration describes."""
    if keywords.get("custom_objects"):
        raise AbsentError("custom_objects")
    for module in (*PLACES.values(), nnc.schedules):
        registry = getattr(module, "registry", {})
        if isinstance(data, dict) and data.get("class_name") in registry:
            return deserialize(data, registry)
    raise AbsentError("deserialize of what nnc does not have")


# ---------------------------------------------------------------------------------------------------- modules


class _Module(types.ModuleType):
    """A module whose names are looked up when they are first accessed."""

    __path__: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = _found(self.__name__, name)
        setattr(self, name, found)
        return found


def _found(module: str, name: str) -> Any:
    inner = module.removeprefix("conftest").removeprefix("keras").removeprefix(".src").removeprefix(".")
    top = inner.partition(".")[0]
    whole = f"{inner}.{name}" if inner else name
    if whole in PLACES or whole in (
        "backend",
        "ops",
        "random",
        "saving",
        "testing",
        "src",
        "tree",
        "losses.losses",
    ):
        return importlib.import_module(f"{module}.{name}")
    if top == "testing":
        if _is_module(inner, name):
            return importlib.import_module(f"{module}.{name}")
        return getattr(cases, name, None) or absent(whole)
    if inner == "" and module == "conftest":
        return skip_if_backend if name == "skip_if_backend" else absent(name)
    if top == "backend" and _is_module(inner, name):
        return importlib.import_module(f"{module}.{name}")
    if top in ("backend", "ops", "random") or name in ("Variable",):
        table = RANDOM if top == "random" else BACKEND
        found = table.get(name)
        found = _numpy(name) if found is None and top != "random" else found
        return absent(whole) if found is None else found
    if name in ("serialize", "serialize_keras_object") or name in ("deserialize", "deserialize_keras_object"):
        return serialize_any if name.startswith("s") else deserialize_any
    if name == "PyDataset":
        return nnc.utils.PyDataset
    if not inner:  # keras.Sequential, keras.Input, ...
        return getattr(nnc, name, None) or absent(name)
    place = PLACES.get(".".join(inner.split(".")[:2])) or PLACES.get(top)
    if name == "register_keras_serializable":  # files of nnc contain no other classes
        return lambda *_, **__: lambda cls: cls
    if top == "saving":
        place = nnc.saving
    if place is None:
        return absent(whole)
    try:
        return getattr(place, name)
    except AttributeError as error:
        if _is_module(inner, name):
            return importlib.import_module(f"{module}.{name}")
        found = absent(whole)
        found._said = str(error)
        return found


_SOURCE: list[str] = []


def _is_module(inner: str, name: str) -> bool:
    """Whether Keras's source has a module of that name."""
    path = os.path.join(_SOURCE[0], "keras", "src", *inner.split("."), name)
    return os.path.isdir(path) or os.path.isfile(f"{path}.py")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module named keras."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname.partition(".")[0] in ("keras", "conftest"):
            return importlib.util.spec_from_loader(fullname, self, is_package=True)
        if fullname.partition(".")[0] in ("tensorflow", "jax", "torch", "grain", "openvino", "orbax"):
            return importlib.util.spec_from_loader(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def install(source: str) -> None:
    """Make `import keras` import nnc's names; `source` is the folder that has Keras's keras/src."""
    _SOURCE[:] = [source]
    sys.meta_path.insert(0, _Finder())
    nnc.optimizers.Optimizer.apply_gradients = apply_gradients  # type: ignore[attr-defined]
    nnc.optimizers.Optimizer._clip_gradients = clip_gradients  # type: ignore[attr-defined]
    nnc.layers.Layer.build = build  # type: ignore[method-assign]
    nnc.layers.Layer.__call__ = call  # type: ignore[method-assign]
