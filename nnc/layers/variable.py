"""A layer's weight, an array that is stored in the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from nnc.constraints import Constraint
    from nnc.regularizers import Regularizer


class Holder(Protocol):
    """An object that has weights."""

    name: str | None

    @property
    def weight_names(self) -> list[str]: ...
    @property
    def trainable_flags(self) -> list[bool]: ...
    def get_weights(self) -> list[np.ndarray]: ...
    def set_weights(self, weights: list[ArrayLike]) -> None: ...


class Variable:
    """One weight of a layer. NumPy functions treat it as an array of its current values.

    Parameters
    ----------
    layer : Layer
    index : int
        In the layer's weights.

    Attributes
    ----------
    name, path : str
        Such as "kernel" and "dense/kernel".
    trainable : bool
        Whether training updates it by its gradient.

    Examples
    --------
    >>> import nnc
    >>> model = nnc.Sequential([nnc.Input((2,)), nnc.layers.Dense(1, kernel_initializer="ones")])
    >>> kernel = model.layers[0].kernel
    >>> kernel.assign(2 * kernel.numpy())
    >>> model.layers[0].get_weights()[0].tolist()
    [[2.0], [2.0]]
    """

    def __init__(self, layer: Holder, index: int) -> None:
        self._layer, self._index = layer, index

    @property
    def name(self) -> str:
        return self._layer.weight_names[self._index]

    @property
    def path(self) -> str:
        return f"{self._layer.name}/{self.name}"

    @property
    def trainable(self) -> bool:
        return self._layer.trainable_flags[self._index]

    @property
    def constraint(self) -> Constraint | None:
        """What is applied to the weight after each update."""
        return getattr(self._layer, f"{self.name}_constraint", None)

    @property
    def regularizer(self) -> Regularizer | None:
        """The penalty on the weight."""
        return getattr(self._layer, f"{self.name}_regularizer", None)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numpy().shape

    @property
    def dtype(self) -> np.dtype:
        return self.numpy().dtype

    @property
    def ndim(self) -> int:
        return self.numpy().ndim

    def numpy(self) -> np.ndarray:
        """A copy of the values.

        Returns
        -------
        ndarray

        Examples
        --------
        >>> from nnc import layers
        >>> layer = layers.Dense(2)
        >>> layer.build((3,))
        (2,)
        >>> layer.bias.numpy()
        array([0., 0.], dtype=float32)
        """
        return self._layer.get_weights()[self._index]

    def assign(self, value: ArrayLike) -> None:
        """Set the values; the shape must be the same.

        Parameters
        ----------
        value : array-like

        Examples
        --------
        >>> from nnc import layers
        >>> layer = layers.Dense(2)
        >>> layer.build((3,))
        (2,)
        >>> layer.bias.assign([1.0, 2.0])
        >>> layer.bias.numpy()
        array([1., 2.], dtype=float32)
        """
        weights: list[ArrayLike] = [*self._layer.get_weights()]
        weights[self._index] = value
        self._layer.set_weights(weights)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __len__(self) -> int:
        return len(self.numpy())

    def __getitem__(self, key: Any) -> Any:
        return self.numpy()[key]

    def __repr__(self) -> str:
        return f"<Variable {self.path}, shape {self.shape}, {self.dtype}>"
