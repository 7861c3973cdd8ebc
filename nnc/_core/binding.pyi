from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

def set_isa(name: str | None = None) -> None: ...
def set_bfloat16(name: str | None = None) -> None: ...
def emulated_tiles() -> tuple[int, int, int, int, int]: ...
def set_num_threads(n: int | None) -> None: ...
def set_threads_here(n: int) -> int: ...
def use_all_threads(all: bool) -> None: ...
def get_num_threads() -> int: ...
def cpu_info() -> dict[str, Any]: ...
def ask_to_stop(asked: bool) -> None: ...
def is_within_owner(array: NDArray[Any]) -> bool: ...
def stop_thread(thread: int, stopped: bool) -> None: ...
def raise_signal() -> None: ...

class Plan:
    n_inputs: int
    n_outputs: int
    batch_size: int
    seed: int
    n_slots: int
    parameter_names: list[str]
    parameter_shapes: list[tuple[int, ...]]
    parameter_trainable: list[bool]
    def __init__(
        self,
        n_inputs: int,
        layers: list[dict[str, Any]],
        *,
        loss: dict[str, Any] | None = None,
        metrics: Sequence[dict[str, Any]] = (),
        optimizer: dict[str, Any] | None = None,
        batch_size: int = 32,
        seed: int = 0,
        precision: str = "float32",
    ) -> None: ...
    def renew_lock(self) -> None: ...
    @property
    def nbytes(self) -> int: ...
    def get_parameters(self) -> list[Floats]: ...
    def set_parameters(self, parameters: Sequence[ArrayLike]) -> None: ...
    def get_slots(self) -> list[list[Floats]]: ...
    def set_slots(self, slots: Sequence[Sequence[ArrayLike]]) -> None: ...
    def read_part(self, i: int, slot: int | None, first: int, n: int) -> Floats: ...
    def train(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        sample_weight: Floats | None,
        order: NDArray[np.int64] | None,
        start: int,
        learning_rates: Floats,
        batch_size: int,
        epoch: int,
        step: int,
        budget: float,
        sums: NDArray[np.float64] | None = None,
        seconds: NDArray[np.float64] | None = None,
        outputs: Floats | None = None,
    ) -> tuple[int, int, float, NDArray[np.float64]]: ...
    def train_epochs(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        sample_weight: Floats | None,
        held_out: tuple[NDArray[Any], NDArray[Any], Floats | None] | None,
        orders: NDArray[np.int64],
        learning_rates: Floats,
        batch_size: int,
        epoch: int,
        step: int,
        budget: float,
        patience: tuple[float, float, float, float] | None = None,
    ) -> tuple[int, int, NDArray[np.float64], ValueError | None]: ...
    def release(self) -> None: ...
    def evaluate(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        sample_weight: Floats | None,
        start: int,
        stop: int,
        outputs: Floats | None = None,
    ) -> tuple[int, float, NDArray[np.float64]]: ...
    def penalty(self) -> float: ...
    def forward(self, x: NDArray[Any]) -> Floats: ...
    def gradients(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        sample_weight: Floats | None = None,
        training: bool = False,
        epoch: int = 0,
        step: int = 0,
    ) -> tuple[float, list[Floats]]: ...
    def step_forward(self, x: NDArray[Any], epoch: int, step: int, training: bool = True) -> Floats | None: ...
    def step_backward(self, d_outputs: ArrayLike, learning_rate: float, step: int) -> bool: ...
    def step_gradients(self, d_outputs: ArrayLike) -> list[Floats]: ...

def activation(name: str, z: ArrayLike, alpha: float = 0.0, out: Floats | None = None) -> Floats: ...
def activation_backward(
    name: str,
    z: ArrayLike | None,
    da: ArrayLike,
    alpha: float = 0.0,
    out: Floats | None = None,
    *,
    a: ArrayLike | None = None,
) -> Floats: ...
def dense(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    activation: str = "linear",
    alpha: float = 0.0,
    out: Floats | None = None,
) -> Floats: ...
def dense_backward(
    x: ArrayLike, w: ArrayLike, dz: ArrayLike, out: tuple[Floats, Floats, Floats] | None = None
) -> tuple[Floats, Floats, Floats]: ...
def loss(
    spec: dict[str, Any],
    y: ArrayLike,
    a: ArrayLike,
    sample_weight: ArrayLike | None = None,
    out: Floats | None = None,
) -> tuple[float, Floats]: ...
def metric(spec: dict[str, Any], y: ArrayLike, a: ArrayLike) -> float: ...
def update(
    spec: dict[str, Any], w: Floats, g: ArrayLike, slots: Sequence[Floats], learning_rate: float, step: int
) -> None: ...
def elementary(name: str, x: ArrayLike) -> Floats: ...
