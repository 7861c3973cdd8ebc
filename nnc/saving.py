"""Saving and loading models."""

from __future__ import annotations

from nnc.models.modelfile import FORMAT, NUMERICS, load_model, load_weights, save_model

__all__ = ["FORMAT", "NUMERICS", "load_model", "load_weights", "save_model"]
