"""Base of all configuration objects: checks of arguments, configurations as dicts, lookup by name.

A configuration object (a layer, a loss, a regularizer, ...) is defined by its constructor's arguments: the
positional parameters of ``__init__``, each checked and stored under its own name. The signature is therefore
the only list of a class's arguments; configurations, ``repr`` and equality read it. Keyword-only parameters
are not configuration: they describe where a layer is used (``input_shape``), or exist to refuse with a clear
message what Keras supports and nnc does not.

A family (such as the losses) consists of the classes of one module. `close` fills its registry at the end of
the module: a model file can name the classes defined there and no others.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from nnc._arguments import did_you_mean, key_of, suggest_for_methods, unknown_argument

if TYPE_CHECKING:
    from inspect import Signature

# Kernels compute in float32: a larger number would be infinite there.
LARGEST = 3.4028234663852886e38

# More features than this in one layer is a mistake; it also keeps the product of two sizes within 2**48.
MAX_FEATURES = 2**24


class _Required:
    def __repr__(self) -> str:
        return "<required>"


REQUIRED: Any = _Required()  # marks an argument without a default


class _Shown(reprlib.Repr):
    """`repr`, but only the first items and characters of large values, which are never formatted in full."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 8
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 50
        self.maxdeque = self.maxarray = 50

    def repr_str(self, x: str, level: int) -> str:
        return repr(x) if len(x) <= _LONGEST else repr(x[:_LONGEST]) + "..."

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() <= 4 * _LONGEST else f"an integer of {x.bit_length()} bits"

    def repr_instance(self, x: object, level: int) -> str:
        return repr(x[:_LONGEST]) if isinstance(x, bytes | bytearray) else repr(x)


_LONGEST = 200  # characters of a value in a message
_shown = _Shown()


def shown(value: object) -> str:
    """`value` as shown in a message: its repr, shortened if it is long."""
    given = _shown.repr(value)
    return given if len(given) <= _LONGEST + 3 else given[:_LONGEST] + "..."


def refusal(name: str, must: str, value: object, error: type[Exception] = ValueError) -> Exception:
    """The error for an argument: its name, what it must be, what it was."""
    return error(f"{name} must be {must}, got {shown(value)}")


def number(name: str, value: object, interval: str = "(-inf, inf)") -> float:
    """`value` as a finite float in `interval`, in mathematical notation: "[0, 1)"; bools are refused."""
    must = f"a number in {interval}"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise refusal(name, must, value, TypeError)
    low, high = (float(end) for end in interval[1:-1].split(","))
    try:
        result = float(value)
    except OverflowError:
        raise refusal(name, must, value) from None
    above = result >= low if interval[0] == "[" else result > low
    below = result <= high if interval[-1] == "]" else result < high
    if not (above and below):  # NaN fails both
        raise refusal(name, must, value)
    if abs(result) > LARGEST:
        raise refusal(name, f"{must} that float32 can hold", value)
    return result


def numbers(name: str, value: Any) -> Any:
    """`value`, a number or an array-like of finite numbers, as a float or a nested tuple of floats."""
    if not (hasattr(value, "__array__") or isinstance(value, list | tuple)):
        return number(name, value)
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.zeros(0)
    if not array.size or not (np.abs(array) <= LARGEST).all():  # NaN fails
        raise refusal(name, "a finite number or an array of them", value)
    return _nested(array.tolist())


def _nested(value: Any) -> Any:
    return tuple(map(_nested, value)) if isinstance(value, list) else value


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as an int with low <= value <= high; a float or a bool is refused, whatever its value."""
    if type(value) is int and low <= value and (high is None or value <= high):
        return value  # before the message is made: counts are set in every step
    must = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise refusal(name, must, value, TypeError)
    result = int(value)
    if result < low or (high is not None and result > high):
        raise refusal(name, must, value)
    return result


def items(name: str, value: Any, must: str) -> tuple[Any, ...]:
    """The items of the iterable `value`; strings are refused."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return tuple(value)
    except TypeError:  # a zero-dimensional array is an Iterable by its type, but cannot be iterated over
        raise refusal(name, must, value, TypeError) from None


def boolean(name: str, value: object) -> bool:
    """`value` if it is True or False."""
    if not isinstance(value, bool):
        raise refusal(name, "True or False", value, TypeError)
    return value


def choice(name: str, value: object, choices: Iterable[Any]) -> Any:
    """`value` if it is one of `choices`."""
    choices = tuple(choices)
    if not any(value is known or (type(value) is type(known) and value == known) for known in choices):
        raise refusal(name, " or ".join(map(repr, choices)), value)
    return value


def optional_name(value: object) -> str | None:
    """`value` as the name of a layer, loss or metric: a string, or None for the default name."""
    if value is not None and not isinstance(value, str):
        raise refusal("name", "a string or None", value, TypeError)
    if value is not None and (not value or "/" in value):
        raise refusal("name", 'a string that is not empty and has no "/"', value)
    return value


def axes(name: str, value: object) -> int | tuple[int, ...]:
    """`value` as an axis, or as a tuple of axes."""
    must = "an integer or a list of them"
    if isinstance(value, Integral):
        return integer(name, value, -64, 64)
    if not isinstance(value, list | tuple) or not value:
        raise refusal(name, must, value, TypeError)
    try:
        return tuple(integer(name, axis, -64, 64) for axis in value)
    except (TypeError, ValueError) as error:
        raise refusal(name, must, value, type(error)) from None


def seed_or_none(value: object) -> int | None:
    """`value` as the seed of a generator: a 64-bit integer, or None."""
    return None if value is None else integer("seed", value, 0, 2**64 - 1)


def shape(name: str, value: object, wildcard: bool = False) -> tuple[int, ...]:
    """`value` as the shape of one sample; with `wildcard` one size may be -1, to be inferred."""
    sizes = items(name, value, "a tuple of sizes without the batch axis, such as (784,)")
    if not sizes:
        raise refusal(name, "a tuple of at least one size, such as (784,)", value)
    unknown = sum(not isinstance(size, bool) and isinstance(size, Integral) and size == -1 for size in sizes)
    if wildcard and unknown == 1:
        at = next(i for i, size in enumerate(sizes) if size == -1)
        return tuple(-1 if i == at else integer(name, s, 1, MAX_FEATURES) for i, s in enumerate(sizes))
    sizes = tuple(integer(name, size, 1, MAX_FEATURES) for size in sizes)
    if math.prod(sizes) > MAX_FEATURES:
        raise refusal(name, f"a shape of at most {MAX_FEATURES} features", value)
    return sizes


_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])")  # where a word begins


def snake_case(name: str) -> str:
    """A class name in Keras's snake case: LeakyReLU is leaky_re_lu."""
    return _WORD.sub("_", name).lower()


class _Made(type):
    """Creates configuration objects; the error for a misspelt argument suggests the closest known one."""

    if not TYPE_CHECKING:  # a type checker would use this signature for every class

        def __call__(cls, *args: Any, **keywords: Any) -> Any:
            try:
                made = super().__call__(*args, **keywords)
            except TypeError as error:
                known = sorted(cls.keywords() - {"self"})
                meant = unknown_argument(error, cls.__name__, keywords, known)
                if meant is None:
                    raise
                raise meant from None
            made.__dict__["_made"] = True
            suggest_for_methods(cls)
            return made

    @property
    def __signature__(cls) -> Signature:
        """The arguments of ``__init__``, for `help`, editors and the site: `__call__` takes any."""
        import inspect

        init = next(vars(each)["__init__"] for each in cls.__mro__ if "__init__" in vars(each))
        if init is object.__init__:
            return inspect.Signature()
        of_init = inspect.signature(init)
        without_self = list(of_init.parameters.values())[1:]
        return of_init.replace(parameters=without_self, return_annotation=inspect.Signature.empty)


class Config(metaclass=_Made):
    """Base of every configuration object: `get_config`, `from_config`, `get`, ``repr`` and equality.

    A direct subclass is the base of a family and defines its `kind`, the word for it in messages. Class
    attributes: ``identifier``, the lower-case name (derived from the class name by default), and
    ``aliases``, further names.
    """

    kind = "object"
    identifier = "object"
    aliases: tuple[str, ...] = ()
    # keyword-only arguments that are part of the configuration if they differ from these values
    added: ClassVar[Mapping[str, object]] = {}
    family: type[Config]
    registry: Mapping[str, type[Config]] = {}
    _names: Mapping[str, type[Config]] = {}

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if Config in cls.__bases__:
            cls.family = cls
        own = vars(cls)
        cls.identifier = own.get("identifier", snake_case(cls.__name__))
        cls.aliases = own.get("aliases", ())

    def __init__(self) -> None:
        pass

    @classmethod
    def arguments(cls) -> dict[str, object]:
        """The configuration's keys in the order of the constructor, with their defaults."""
        code, defaults = cls.__init__.__code__, cls.__init__.__defaults__ or ()
        names = code.co_varnames[1 : code.co_argcount]
        return dict(zip(names, (REQUIRED,) * (len(names) - len(defaults)) + defaults, strict=True))

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse attributes that nnc's classes do not have: they would have no effect."""
        if name[0] != "_" and "_made" in self.__dict__ and self._is_nncs() and not hasattr(self, name):
            meant = did_you_mean(name, (known for known in dir(self) if known[0] != "_"))
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{meant}")
        super().__setattr__(name, value)

    def _is_nncs(self) -> bool:
        return self.registry.get(type(self).__name__) is type(self)

    @classmethod
    def keywords(cls) -> set[str]:
        """The names of all arguments that the constructors of the class and of its bases take."""
        codes = [vars(each)["__init__"].__code__ for each in cls.__mro__[:-1] if "__init__" in vars(each)]
        return {
            name for code in codes for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as JSON-compatible values, nested objects as from `serialize`.

        Examples
        --------
        >>> from nnc import regularizers
        >>> regularizers.L1L2(l1=0.1).get_config()
        {'l1': 0.1, 'l2': 0.0}
        """
        return {name: _plain(self._argument(name)) for name in self.arguments()} | self._given_added()

    def _argument(self, name: str) -> Any:
        """An argument as the constructor took it."""
        return getattr(self, name)

    def _given_added(self) -> dict[str, Any]:
        return {
            name: _plain(getattr(self, name))
            for name, same in self.added.items()
            if getattr(self, name) != same
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return the object for a configuration returned by `get_config`.

        Raises
        ------
        ValueError
            If a key is missing or unknown, or the constructor refuses a value.

        Examples
        --------
        >>> from nnc import regularizers
        >>> regularizers.L1L2.from_config({"l1": 0.1, "l2": 0.0})
        L1L2(l1=0.1)
        """
        if not isinstance(config, Mapping):
            raise refusal(f"the configuration of {cls.__name__}", "a dict", config)
        expected = cls.arguments().keys()
        if not expected <= config.keys() <= expected | cls.added.keys():
            raise refusal(f"the keys of {cls.__name__}'s configuration", f"{sorted(expected)}", list(config))
        try:
            return cls(**config)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{cls.__name__}: {error}") from error

    @classmethod
    def get(cls, identifier: Any, argument: str | None = None) -> Any:
        """Return the object for `identifier`: an object of the family, its class, name or `serialize` dict.

        `argument` is its name in error messages.
        """
        family, argument = cls.family, argument or cls.kind
        if isinstance(identifier, family):
            return identifier
        if isinstance(identifier, type) and issubclass(identifier, family):
            return identifier()
        if isinstance(identifier, Mapping):
            try:
                return deserialize(identifier, family.registry)
            except ValueError as error:
                raise ValueError(f"{argument}: {error}") from error
        if not isinstance(identifier, str):
            must = f"a name, an object or a configuration of nnc's {cls.kind}s"
            raise refusal(argument, must, identifier, TypeError)
        found = family._names.get(key_of(identifier))
        if found is None:
            known = sorted(family.names())
            refused = refusal(argument, f"one of {', '.join(known)}", identifier)
            aliases = (alias for member in family.registry.values() for alias in member.aliases)
            raise ValueError(f"{refused}{did_you_mean(identifier, [*known, *aliases])}")
        return found()

    @classmethod
    def in_lower_case(cls, name: str) -> type[Config] | None:
        """The class of the family with this lower-case name or alias, or None."""
        found = cls.family._names.get(key_of(name)) if name == name.lower() else None
        return found

    @classmethod
    def names(cls) -> list[str]:
        """The lower-case names of the family."""
        return [member.identifier for member in cls.family.registry.values()]

    def __repr__(self) -> str:
        shown = []
        for name, default in self.arguments().items():
            value = self._argument(name)
            if default is REQUIRED:
                shown.append(repr(_short(value)))
            elif not self._is_default(name, value, default):
                shown.append(f"{name}={_short(value)!r}")
        added = {name: getattr(self, name) for name in self._given_added()}
        shown += [f"{name}={_short(value)!r}" for name, value in added.items()]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _is_default(self, name: str, value: object, default: object) -> bool:
        if name == "name" and value == self.identifier:
            return True
        return value == default or _means(value, default)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))


def serialize(obj: Config) -> dict[str, Any]:
    """`obj` as a JSON-compatible dict that `deserialize` can read.

    Raises
    ------
    ValueError
        If the class is not nnc's own: a file could not name it safely.
    """
    cls = type(obj)
    if not isinstance(obj, Config) or not obj._is_nncs():
        raise ValueError(f"{obj!r} cannot be saved: its class {cls.__name__} is not one of nnc's own")
    return {"class_name": cls.__name__, "config": obj.get_config()}


def deserialize(data: Mapping[str, Any], registry: Mapping[str, type[Config]]) -> Any:
    """Return the object for a dict from `serialize`, of a class in `registry`; nothing is imported.

    Raises
    ------
    ValueError
        If the class is not in the registry, a key is missing or unknown, or a value is out of range.
    """
    if not isinstance(data, Mapping) or data.keys() != {"class_name", "config"}:
        raise refusal("a configuration", 'a dict with the keys "class_name" and "config"', data)
    name = data["class_name"]
    if not isinstance(name, str) or name not in registry:
        raise refusal("class_name", f"one of {', '.join(registry)}", name)
    return registry[name].from_config(data["config"])


def close(family: type[Config], members: Mapping[str, object]) -> dict[str, type[Config]]:
    """Fill `family`'s registry with its classes among `members`, a module's globals, and return it.

    A class that a user derives later is not added: the set of classes that a file may name is fixed. A class
    with ``saved = False`` in its body (the base of a family, a loss written in Python) is left out.
    """
    classes = [m for m in members.values() if isinstance(m, type) and issubclass(m, family)]
    registry = {cls.__name__: cls for cls in classes if vars(cls).get("saved", True)}
    family.registry = registry
    family._names = {
        key_of(name): cls
        for cls in registry.values()
        for name in (cls.__name__, cls.identifier, *cls.aliases)
    }
    return registry


def _plain(value: object) -> Any:
    if isinstance(value, Config):
        return serialize(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _short(value: object) -> object:
    """For a repr: the name of an object that has only defaults ('glorot_uniform'), else the value itself."""
    return value.identifier if isinstance(value, Config) and _means(value, value.identifier) else value


def _means(value: object, identifier: object) -> bool:
    """Whether `identifier` is another way to write the object `value`."""
    try:
        return isinstance(value, Config) and value.get(identifier) == value
    except (TypeError, ValueError):  # no identifier of that family, or an object that needs arguments
        return False
