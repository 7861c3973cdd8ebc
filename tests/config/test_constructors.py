"""Every public constructor accepts odd values of an argument or rejects them, naming the argument."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import nnc
from nnc import (
    callbacks,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
    search,
)
from nnc._config import REQUIRED, shown
from nnc.activations import Activation

FAMILIES = (constraints, initializers, layers, losses, metrics, optimizers, regularizers, schedules)


def public_classes():
    """The classes that a user constructs: those of the registries, the callbacks, searches and models."""
    found = {cls for family in FAMILIES for cls in family.registry.values()}
    for module in (callbacks, search, nnc):
        members = (getattr(module, name) for name in module.__all__)
        found |= {member for member in members if inspect.isclass(member)}
    found |= {Activation, losses.FunctionLoss}
    made_by_nnc = {search.SearchResult, search.Trial}  # results, not made by users
    return sorted(
        (cls for cls in found - made_by_nnc if not issubclass(cls, BaseException)),
        key=lambda cls: cls.__name__,
    )


def build(params):
    return nnc.Sequential([layers.Dense(1)])


# The required arguments of the constructors; all others have defaults.
NEEDED = {
    "filename": "log.csv",
    "filepath": "model",
    "schedule": float,
    "value": 0.5,
    "activation": "relu",
    "filters": 2,
    "kernel_size": 3,
    "units": 2,
    "rate": 0.5,
    "stddev": 0.5,
    "shape": (3,),
    "factor": 0.1,
    "height_factor": 0.1,
    "width_factor": 0.1,
    "scale": 1.0,
    "target_shape": (1, 3),
    "dims": (1,),
    "function": max,
    "learning_rate": 0.1,
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "initial_learning_rate": 0.1,
    "decay_steps": 10,
    "first_decay_steps": 10,
    "decay_rate": 0.5,
    "boundaries": [1, 2],
    "values": [0.1, 0.2, 0.3],
    "max_learning_rate": 0.1,
    "total_steps": 10,
    "target": build,
    "space": {"units": [1, 2]},
    "trial": object(),
    "parameters": {"units": [1, 2]},
    "name": "relu",
    "recall": 0.5,
    "precision": 0.5,
    "sensitivity": 0.5,
    "specificity": 0.5,
}

VARIOUS = [
    None,
    True,
    False,
    "",
    "x",
    "x\0",
    b"x",
    -1,
    0,
    1,
    3,
    1.5,
    -0.5,
    math.nan,
    math.inf,
    -math.inf,
    2**31,
    2**64,
    10**400,
    10**5000,
    1e39,
    1j,
    object(),
    object,
    len,
    [],
    (),
    {},
    [None],
    ["x"],
    [-1],
    (0,),
    (1.5,),
    (2**40, 2**40),
    [[1]],
    {"a": 1},
    {"class_name": "x", "config": {}},
    {"class_name": "Dense"},
    {3: 4},
    set(),
    range(3),
    iter([]),
    np.array([]),
    np.array([1.0, math.nan]),
    np.array(2),
    np.float32(0.5),
    np.int64(2),
    np.bool_(True),
    "auto",
]


def arguments_of(cls):
    """The argument names of a constructor and its base classes, and values of the required ones."""
    names: list[str] = []
    needed: dict[str, object] = {}
    for base in cls.__mro__:
        init = vars(base).get("__init__")
        if init is None or base is object:
            continue
        more = list(inspect.signature(init).parameters.values())[1:]
        if not names:
            positional = (p for p in more if p.kind == p.POSITIONAL_OR_KEYWORD)
            needed = {p.name: NEEDED[p.name] for p in positional if p.default in (p.empty, REQUIRED)}
        names += [p.name for p in more if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind == p.VAR_KEYWORD for p in more):
            break
    return list(dict.fromkeys(names)), needed


CASES = [(cls, name) for cls in public_classes() for name in arguments_of(cls)[0]]


@pytest.mark.parametrize(("cls", "name"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_refusals_name_their_argument(cls, name):
    needed = arguments_of(cls)[1]
    cls(**needed)
    nameless = []
    for value in VARIOUS:
        try:
            cls(**needed | {name: value})
        except (TypeError, ValueError) as error:
            if name not in str(error):
                nameless.append(f"{shown(value):.40}: {error!r:.200}")
            assert len(str(error)) < 2000
        except Exception as error:
            nameless.append(f"{shown(value):.40}: {error!r:.200}")
    assert not nameless, "\n".join(nameless)


def test_there_are_many():
    assert len(CASES) > 200


@pytest.mark.parametrize("cls", public_classes(), ids=lambda cls: cls.__name__)
def test_signatures_are_those_of_the_constructors(cls):
    signature = inspect.signature(cls)
    init = vars(cls).get("__init__", cls.__init__)
    expected = [] if init is object.__init__ else list(inspect.signature(init).parameters)[1:]
    assert list(signature.parameters) == expected
    assert " at 0x" not in str(signature)


NO_COUNTS = [2**64, 2**63, 10**400, -1, 1.5, True, None, "1"]


@pytest.mark.parametrize("value", NO_COUNTS)
def test_iterations_of_an_optimizer(value):
    optimizer = nnc.optimizers.SGD()
    with pytest.raises((TypeError, ValueError), match=r"^iterations must be an integer from 0 to"):
        optimizer.iterations = value
    assert optimizer.iterations == 0


@pytest.mark.parametrize("value", NO_COUNTS)
@pytest.mark.parametrize("name", ["epochs", "initial_epoch"])
def test_epochs_of_fit(name, value):
    model = nnc.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be an integer from 0 to"):
        model.fit([[1.0]], [1.0], verbose=0, **{"epochs": 3, name: value})
    assert model.optimizer.iterations == 0
