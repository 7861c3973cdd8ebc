"""The public names of nnc: each has a page in the API reference, and a test requires an example for it.

A module is public if it is named in the ``__all__`` of a public module, or has an ``__all__`` itself and no
part of its name begins with an underscore. Its public names are those of its ``__all__``; without one, the
classes and functions that are defined in it and do not begin with an underscore.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Collection
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import nnc


@dataclass
class Name:
    """A public name: where it is first found, what it is, and its other names."""

    module: str
    name: str
    object: Any
    aliases: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def kind(self) -> str:
        if inspect.isclass(self.object):
            return "class"
        return "function" if inspect.isroutine(self.object) else "data"


def public_modules() -> list[ModuleType]:
    """The public modules, those closest to `nnc` first."""
    found = {"nnc": nnc}
    for each in pkgutil.walk_packages(nnc.__path__, "nnc.", lambda name: None):
        if "._" not in each.name and not each.name.endswith("__main__"):
            module = _imported(each.name)
            if module is not None and hasattr(module, "__all__"):
                found[each.name] = module
    for module in list(found.values()):
        for name in module.__all__:
            if inspect.ismodule(named := getattr(module, name)):
                found[named.__name__] = named
    return sorted(found.values(), key=lambda module: (module.__name__.count("."), module.__name__))


def names_of(module: ModuleType) -> list[str]:
    """The public names of a module, except submodules."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, value in vars(module).items()
            if name[0] != "_"
            and (inspect.isclass(value) or inspect.isroutine(value))
            and value.__module__ == module.__name__
        ]
    return [name for name in names if not inspect.ismodule(getattr(module, name))]


def public_names() -> list[Name]:
    """Every public object once, by the first of its names."""
    found: dict[int, Name] = {}
    data = []
    for module in public_modules():
        for name in sorted(names_of(module), key=str.lower):
            value = getattr(module, name)
            entry = Name(module.__name__, name, value)
            if entry.kind == "data":
                data.append(entry)
            elif id(value) not in found:
                found[id(value)] = entry
            else:
                _rename(found[id(value)], entry)
    return [*found.values(), *data]


def methods(cls: type) -> dict[str, Any]:
    """The documented methods that a public class defines, except those that override another class's."""
    return {
        name: member
        for name, member in _documented(cls).items()
        if inspect.isroutine(member) and not any(hasattr(base, name) for base in cls.__mro__[1:])
    }


def inherited_members(cls: type, public: Collection[type]) -> dict[str, Any]:
    """The members for users that a class inherits from classes of nnc that have no page themselves.

    Those are the methods with an example, and the properties of a class with such methods; other methods
    are called by nnc only.
    """
    bases = [base for base in cls.__mro__[1:] if base.__module__.partition(".")[0] == "nnc"]
    known = {name for base in bases if base in public for name in dir(base)} | vars(cls).keys()
    found: dict[str, Any] = {}
    for base in reversed(bases):
        if base not in public:
            members = _documented(base)
            shown = {name for name, member in members.items() if ">>>" in member.__doc__}
            for name, member in members.items():
                if name not in known and (name in shown or (shown and isinstance(member, property))):
                    found.setdefault(name, member)
    return found


def _documented(cls: type) -> dict[str, Any]:
    """The methods and properties in the body of a class whose source, with a docstring, is in nnc."""
    found = {name: getattr(cls, name) for name in vars(cls) if name[0] != "_"}
    return {
        name: member
        for name, member in found.items()
        if (isinstance(member, property) or (inspect.isroutine(member) and _is_nncs(member)))
        and member.__doc__
    }


def _is_nncs(member: Any) -> bool:
    """Whether a method is in nnc's source; scikit-learn generates some for every estimator."""
    return member.__module__.partition(".")[0] == "nnc"


def _rename(known: Name, other: Name) -> None:
    """`other` is another name of `known`; in one module the object's own name comes first."""
    if other.module == known.module and other.name == other.object.__name__:
        known.name, other.name = other.name, known.name
    known.aliases.append(other.path)


def _imported(name: str) -> ModuleType | None:
    """The module, or None if a package that it needs is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "nnc":
            raise
        return None
