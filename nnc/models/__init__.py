"""The model: Sequential and its parts, and models from files and configurations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnc._absent import no_attribute
from nnc.models.persistence import clone_model, load_model, model_from_json, save_model
from nnc.models.sequential import Sequential

__all__ = ["Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise no_attribute(__name__, name, globals())
