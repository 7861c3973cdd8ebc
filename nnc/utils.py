"""Small helpers, as in keras.utils."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nnc._absent import no_attribute
from nnc._arguments import suggest_arguments
from nnc._config import integer
from nnc.random import set_random_seed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PyDataset", "clear_session", "normalize", "set_random_seed", "to_categorical"]


class PyDataset:
    """Batches created in Python: derive a class with ``__len__``, with ``__getitem__``, which returns batch i
    as (x, y) or (x, y, sample_weight), and optionally with ``on_epoch_end``.

    Parameters
    ----------
    workers : int
        Threads that prepare batches in advance; 1: each batch is created when it is needed.
    use_multiprocessing : bool
        Must be False: nnc's workers are threads.
    max_queue_size : int
        Maximum number of batches prepared in advance.

    Raises
    ------
    ValueError
        If an argument is out of range, or use_multiprocessing is True.

    Examples
    --------
    >>> import numpy as np
    >>> import nnc
    >>> class Squares(nnc.utils.PyDataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         x = np.arange(8.0).reshape(8, 1) + index
    ...         return x, x**2
    >>> model = nnc.Sequential([nnc.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> history = model.fit(Squares(workers=2), verbose=0)
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = integer("workers", workers, 0)
        self.max_queue_size = integer("max_queue_size", max_queue_size, 1)
        if use_multiprocessing is not False:
            raise ValueError(f"use_multiprocessing must be False, got {use_multiprocessing!r}")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__, the number of batches")

    @property
    def num_batches(self) -> int:
        """The number of batches."""
        return len(self)

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__, which returns batch i")

    def on_epoch_end(self) -> None:
        """Called after each pass over the batches.

        Examples
        --------
        >>> import nnc
        >>> class Rows(nnc.utils.PyDataset):
        ...     def __len__(self):
        ...         return 1
        ...     def __getitem__(self, index):
        ...         return [[1.0]], [1.0]
        ...     def on_epoch_end(self):
        ...         print("a pass is done")
        >>> model = nnc.Sequential([nnc.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> _ = model.fit(Rows(), epochs=2, verbose=0)
        a pass is done
        a pass is done
        """

    def __iter__(self) -> Iterator[Any]:
        """The batches in order."""
        n = len(self)
        if getattr(self, "workers", 1) <= 1:  # a class may not call super().__init__()
            yield from (self[i] for i in range(n))
        else:
            from concurrent.futures import ThreadPoolExecutor  # which loads logging and more

            with ThreadPoolExecutor(self.workers) as pool:
                ahead = deque(pool.submit(self.__getitem__, i) for i in range(min(n, self.max_queue_size)))
                for i in range(len(ahead), n + len(ahead)):
                    batch = ahead.popleft().result()
                    if i < n:
                        ahead.append(pool.submit(self.__getitem__, i))
                    yield batch
        self.on_epoch_end()


def clear_session(free_memory: bool = True) -> None:
    """Let Python collect models that are no longer referenced; nnc itself keeps neither models nor a session.

    Parameters
    ----------
    free_memory : bool
        Whether to run Python's garbage collector.

    Examples
    --------
    >>> import nnc
    >>> nnc.set_random_seed(3)
    >>> first = nnc.random.next_seed()
    >>> nnc.utils.clear_session()
    >>> nnc.random.next_seed() == first
    False
    """
    if free_memory:
        gc.collect()


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float32]:
    """Convert class ids to one-hot rows.

    out[..., j] = 1 if x[...] == j else 0

    Parameters
    ----------
    x : array-like of int
        Class ids from 0 to num_classes - 1, of any shape; a last axis of length 1 is dropped: (n,) and (n, 1)
        both result in (n, num_classes).
    num_classes : int, optional
        The number of classes; None: the largest id plus one.

    Returns
    -------
    ndarray of shape (*x.shape, num_classes), float32

    Raises
    ------
    TypeError
        If x does not hold integers.
    ValueError
        If an id is out of range, or x is empty and num_classes is not given.

    Notes
    -----
    Keras: ``keras.utils.to_categorical``. The rows are float32, the dtype that nnc computes in (Keras:
    float64), and a negative id is an error (Keras: counts from the end).

    Examples
    --------
    >>> from nnc.utils import to_categorical
    >>> to_categorical([0, 2, 1], num_classes=4)
    array([[1., 0., 0., 0.],
           [0., 0., 1., 0.],
           [0., 1., 0., 0.]], dtype=float32)
    """
    ids = np.asarray(x)
    if ids.dtype.kind == "f" and np.all(ids == np.floor(ids)) and np.all(np.isfinite(ids)):
        ids = ids.astype(np.int64)
    if ids.dtype.kind not in "biu":
        raise TypeError(f"x must hold integers, got an array of {ids.dtype}")
    if ids.ndim > 1 and ids.shape[-1] == 1:
        ids = ids[..., 0]
    if num_classes is None:
        if ids.size == 0:
            raise ValueError("x is empty: give num_classes")
        num_classes = int(ids.max()) + 1
    wrong = (ids < 0) | (ids >= num_classes)
    if np.any(wrong):
        raise ValueError(f"x holds {ids[wrong].flat[0]}, but the class ids go from 0 to {num_classes - 1}")
    out = np.zeros((*ids.shape, num_classes), dtype=np.float32)
    np.put_along_axis(out, ids[..., np.newaxis].astype(np.int64), 1.0, axis=-1)
    return out


def normalize(x: ArrayLike, axis: int = -1, order: float = 2) -> NDArray[np.floating]:
    """Return `x` with every vector along `axis` divided by its norm; zero vectors are unchanged.

    out = x / ||x||_order

    Parameters
    ----------
    x : array-like of float
    axis : int
        The axis of the vectors.
    order : float
        The order of the norm: 2 is the Euclidean length, 1 the sum of the absolute values, ``np.inf`` the
        largest.

    Returns
    -------
    ndarray of the shape of x; float32 if x is float32, else float64

    Notes
    -----
    Keras: ``keras.utils.normalize``.

    Examples
    --------
    >>> from nnc.utils import normalize
    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    x = np.asarray(x)
    x = x if x.dtype == np.float32 else x.astype(np.float64)
    norm = np.linalg.norm(x, ord=order, axis=axis, keepdims=True)
    return x / np.where(norm == 0, 1, norm).astype(x.dtype)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise no_attribute(__name__, name, globals())


suggest_arguments(globals())
