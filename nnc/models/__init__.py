"""The model: Sequential, and what it is made of."""

from __future__ import annotations

from nnc.models.sequential import Sequential

__all__ = ["Sequential"]
