"""Every public function, constructor and method suggests the closest argument for a misspelt one."""

from __future__ import annotations

import enum
import inspect
import pickle
import subprocess
import sys
from types import FunctionType

import pytest
from public_names import public_names

import nnc
from nnc._arguments import suggest_for_methods
from nnc._config import Config

# Functions of arrays: the compiled kernels, whose calls take a microsecond, and their specification.
LEFT_OUT = ("nnc.functional.", "nnc.reference.", "nnc.cli.")
OFTEN = ("PredictingModel.predict_on_batch", "Streams.at")  # called for each row or epoch


def arguments_of(function):
    """The names of the arguments that may be passed by keyword; none if others are passed on."""
    if isinstance(function, type) and issubclass(function, Config):
        return sorted(function.keywords() - {"self"})
    if isinstance(function, type) and issubclass(function, (Exception, enum.Enum)):
        return []
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return []
    named = [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    return [name for name in named if name not in ("self", "cls")]


def members_of(public):
    """The public object and, of a class, nnc's public methods, each by its path."""
    yield public.path, public.object
    if public.kind == "class" and issubclass(public.object, Config):
        suggest_for_methods(public.object)  # as when its first object is made
    for cls in public.object.__mro__ if public.kind == "class" else ():
        for name, method in vars(cls).items() if cls.__module__.startswith("nnc") else ():
            if isinstance(method, FunctionType | classmethod | staticmethod):
                yield f"{cls.__name__}.{name}", getattr(cls, name)


CALLABLES = {
    path: function
    for public in public_names()
    for path, function in members_of(public)
    if public.kind != "data"
    and not public.path.startswith(LEFT_OUT)
    and not path.startswith("_")
    and not path.endswith(OFTEN)
    and not path.rpartition(".")[2].startswith(("_", "on_"))
    and arguments_of(function)
}


@pytest.mark.parametrize("path", CALLABLES)
def test_a_misspelt_argument(path):
    known = arguments_of(CALLABLES[path])[-1]
    misspelt = known + known[-1]
    message = f"has no argument '{misspelt}'; (did you mean '|it takes ).*{known}"
    with pytest.raises(TypeError, match=message):
        CALLABLES[path](**{misspelt: 1})


def test_only_the_call_itself_is_meant():
    model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1)])
    with pytest.raises(TypeError, match=r"fit has no argument 'epoch'; did you mean 'epochs'\?"):
        model.fit([[1.0, 2.0]], [1.0], epoch=3)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        model.predict()
    with pytest.raises(TypeError, match=r"<lambda>.* 'epoch'"):  # raised by the caller's own function
        model.summary(print_fn=lambda text: (lambda epochs: text)(epoch=3))
    with pytest.raises(TypeError, match="Dense has no argument 'unit'; did you mean 'units'"):
        nnc.layers.Dense(unit=3)


@pytest.mark.parametrize("name", ["unit[", "a|b", "(", "unit\\", "it's", ""])
def test_names_that_are_no_identifiers(name):
    """As in a damaged file."""
    with pytest.raises(TypeError, match="Dense has no argument "):
        nnc.layers.Dense(3, **{name: 1})


def test_methods_of_configuration_objects():
    """A new process: the methods are wrapped when the first object of their class is made."""
    program = (
        "from nnc import metrics; auc = metrics.AUC()\n"
        "try: auc.update_state(y_tru=[1], y_pred=[1.0])\n"
        "except TypeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "has no argument 'y_tru'; did you mean 'y_true'?" in done.stdout


def test_signatures_and_pickles_are_those_of_the_functions():
    for function in (
        nnc.Sequential.fit,
        nnc.load_model,
        nnc.plot.history,
        nnc.datasets.load_iris,
        nnc.threads,
    ):
        assert "keywords" not in inspect.signature(function).parameters
        assert pickle.loads(pickle.dumps(function)) is function
    arguments = list(inspect.signature(nnc.callbacks.EarlyStopping).parameters)
    assert arguments[:3] == ["monitor", "min_delta", "patience"]
    assert nnc.Sequential.fit.__doc__.startswith("Train the model.")
