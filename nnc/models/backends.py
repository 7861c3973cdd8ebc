"""The backends, which compute the plan of a model, and the precisions."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Plan(Protocol):
    """The common interface of `nnc._core.Plan` and `nnc.reference.Plan`; the latter documents it."""

    n_inputs: int
    n_outputs: int
    batch_size: int
    n_slots: int
    parameter_shapes: list[tuple[int, ...]]
    parameter_trainable: list[bool]

    def get_parameters(self) -> list[np.ndarray]: ...
    def set_parameters(self, parameters: Sequence[ArrayLike]) -> None: ...
    def get_slots(self) -> list[list[np.ndarray]]: ...
    def set_slots(self, slots: Sequence[Sequence[ArrayLike]]) -> None: ...
    def read_part(self, i: int, slot: int | None, first: int, n: int) -> np.ndarray: ...
    def forward(self, x: np.ndarray) -> np.ndarray: ...
    def train(
        self,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        order: np.ndarray | None,
        start: int,
        learning_rates: np.ndarray,
        batch_size: int,
        epoch: int,
        step: int,
        budget: float,
        sums: np.ndarray | None = None,
        *,
        outputs: np.ndarray | None = None,
    ) -> tuple[int, int, float, np.ndarray]: ...
    def evaluate(
        self,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        start: int,
        stop: int,
        outputs: np.ndarray | None = None,
    ) -> tuple[int, float, np.ndarray]: ...
    def gradients(
        self,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        training: bool = False,
        epoch: int = 0,
        step: int = 0,
    ) -> tuple[float, list[np.ndarray]]: ...
    def step_forward(
        self, x: np.ndarray, epoch: int, step: int, training: bool = True
    ) -> np.ndarray | None: ...
    def step_backward(self, d_outputs: np.ndarray, learning_rate: float, step: int) -> bool: ...
    def step_gradients(self, d_outputs: np.ndarray) -> list[np.ndarray]: ...
    def penalty(self) -> float: ...
    def release(self) -> None: ...


class EpochsPlan(Plan, Protocol):
    """A plan that can train several epochs in one call."""

    def train_epochs(
        self,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        held_out: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None,
        orders: np.ndarray,
        learning_rates: np.ndarray,
        batch_size: int,
        epoch: int,
        step: int,
        budget: float,
        patience: tuple[float, float, float, float] | None = None,
    ) -> tuple[int, int, np.ndarray, ValueError | None]: ...


# Of the products: "bfloat16" rounds their factors; everything else has the backend's dtype.
PRECISIONS = ("float32", "bfloat16")


class Backend(NamedTuple):
    """A row of the table: its name, the module with its `Plan` and `metric`, the dtype it computes in."""

    name: str
    module: str
    dtype: np.dtype

    def load(self) -> Any:
        """The module, imported when it is first needed."""
        return import_module(self.module)


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend("compiled", "nnc._core", np.dtype(np.float32)),
        Backend("reference", "nnc.reference", np.dtype(np.float64)),
    )
}
