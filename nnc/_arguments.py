"""Misspelt keyword arguments of public functions and methods: the error suggests the closest known one.

The functions and classes of a public module are wrapped when it has been imported: their source, signatures
and types stay as they are. Constructors of configuration objects have it from their metaclass (`_config`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection
from types import FunctionType, ModuleType
from typing import Any

from nnc._config import Config, unknown_argument

_wrapped: dict[Callable[..., Any], Callable[..., Any]] = {}  # by function; a wrapper by itself
_classes: set[type] = set()
_DESCRIPTORS = (classmethod, staticmethod)
_MORE = 0x04 | 0x08  # inspect.CO_VARARGS, CO_VARKEYWORDS


def suggest_arguments(members: dict[str, Any], but: Collection[Callable[..., Any]] = ()) -> None:
    """Wrap the public functions and methods of a module, given by its globals.

    These are the names of its ``__all__``, with the modules among them that have been imported; without one,
    what is defined in it. `but` are left as they are: a wrapped call takes 0.1 microseconds more.
    """
    public = members.get("__all__")
    for name, value in [(name, members[name]) for name in public or members if name in members]:
        if isinstance(value, ModuleType) and public is not None:
            suggest_arguments(vars(value), but)
        elif not _is_own(value, "nnc." if public is not None else members["__name__"]) or name[0] == "_":
            continue
        elif isinstance(value, type):
            for cls in value.__mro__:
                if _is_own(cls, "nnc.") and cls not in _classes:
                    _classes.add(cls)
                    _wrap_methods(cls, but)
        elif isinstance(value, FunctionType):
            # also where it is defined, so that it can be pickled
            members[name] = vars(sys.modules[value.__module__])[value.__name__] = _suggesting(value)


def _is_own(value: Any, module: str) -> bool:
    found = getattr(value, "__module__", None)
    return isinstance(found, str) and found.startswith(module)


def _wrap_methods(cls: type, but: Collection[Callable[..., Any]]) -> None:
    for name, value in [*vars(cls).items()]:
        if isinstance(value, FunctionType) and _is_public(cls, name) and value not in but:
            code = value.__code__
            only_self = code.co_argcount + code.co_kwonlyargcount == 1 and not code.co_flags & _MORE
            if not only_self:
                setattr(cls, name, _suggesting(value))
        elif isinstance(value, _DESCRIPTORS) and _is_public(cls, name):
            setattr(cls, name, type(value)(_suggesting(value.__func__)))


def _is_public(cls: type, name: str) -> bool:
    if name[0] != "_":
        return not name.startswith("on_")  # a hook, called by nnc
    return name == "__call__" or (name == "__init__" and not issubclass(cls, Config))


def _suggesting(function: Any) -> Any:
    """The wrapper of `function`, always the same."""
    if function in _wrapped:
        return _wrapped[function]

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except TypeError as error:
            meant = _meant(error, function, args, keywords)
            if meant is None:
                raise
            raise meant from None

    _wrapped[function] = _wrapped[call] = call
    return call


def _meant(error: TypeError, function: Any, args: Any, keywords: Any) -> TypeError | None:
    """The error for an argument that `function` does not have; None if `error` is another one."""
    import inspect

    known = inspect.signature(function).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values()):
        return None  # the argument was passed on to another function
    caller = function.__qualname__
    if function.__name__ == "__init__" and args:
        caller = type(args[0]).__name__
    return unknown_argument(error, caller, keywords, [name for name in known if name not in ("self", "cls")])
