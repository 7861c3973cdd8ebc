"""nnc: small neural networks, trained and served fast on a CPU.

Start with `Sequential`; `nnc.reference` defines in plain NumPy what everything computes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

try:
    from nnc._core import get_num_threads
except ModuleNotFoundError as error:
    if error.name not in ("nnc._core", "nnc._core.binding"):
        raise
    raise ImportError(
        f"there is no compiled core (nnc._core) in {__path__[0]}. If this is nnc's source directory: start "
        "Python in another directory to use the installed nnc, or build the core here with "
        "`pip install -e .`"
    ) from error

from nnc import (
    activations,
    callbacks,
    constraints,
    functional,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    random,
    regularizers,
    saving,
    schedules,
)
from nnc._absent import no_attribute
from nnc._arguments import suggest_arguments
from nnc._machine import set_num_threads, show_config, threads
from nnc._version import __version__
from nnc.errors import DivergenceError, FormatError
from nnc.layers import Input
from nnc.models import Sequential
from nnc.random import set_random_seed
from nnc.saving import load_keras, load_model

if TYPE_CHECKING:
    from nnc import datasets, interop, plot, search, tables, utils

__all__ = [
    "DivergenceError",
    "FormatError",
    "Input",
    "Sequential",
    "__version__",
    "activations",
    "callbacks",
    "constraints",
    "datasets",
    "functional",
    "get_num_threads",
    "initializers",
    "interop",
    "layers",
    "load_keras",
    "load_model",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "plot",
    "random",
    "regularizers",
    "saving",
    "schedules",
    "search",
    "set_num_threads",
    "set_random_seed",
    "show_config",
    "tables",
    "threads",
    "utils",
]

# Modules that are not needed to train or serve a model are imported on first use, to keep `import nnc` fast.
_LATER = frozenset(("datasets", "interop", "plot", "search", "tables", "utils"))

if not TYPE_CHECKING:  # with __getattr__ visible, a type checker would accept any attribute

    def __getattr__(name: str) -> object:
        if name in _LATER:
            return import_module(f"{__name__}.{name}")
        raise no_attribute(__name__, name, __all__)


def __dir__() -> list[str]:
    return sorted(_LATER | globals().keys())


# The exceptions are called once per row or per epoch of about a microsecond.
suggest_arguments(globals(), but=(Sequential.predict_on_batch, Sequential.__call__, random.Streams.at))
