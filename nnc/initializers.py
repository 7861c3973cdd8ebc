"""Initializers: the initial values of the weights.

    >>> from nnc import initializers, random
    >>> w = initializers.HeNormal()((784, 292), random.generator(0, random.Purpose.WEIGHTS))
    >>> w.shape, w.dtype, bool(abs(w.std() - (2 / 784) ** 0.5) < 1e-3)
    ((784, 292), dtype('float32'), True)

The fan of a kernel is (inputs, outputs) of one unit: (I, O) for a kernel (I, O), (h w I, h w O) for a kernel
(h, w, I, O). Numbers are drawn in float64 and rounded once, one block of the array at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nnc import _config, random
from nnc._absent import no_attribute

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import ArrayLike, NDArray

_PART = 2**16  # how many numbers are drawn at once; the values do not depend on it

# Standard deviation of the standard normal distribution truncated at -2 and 2.
_TRUNCATED_STD = 0.87962566103423978

_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


class Initializer(_config.Config):
    """Base class of the initializers; a subclass defines `draw`.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import initializers
    >>> class Identity(initializers.Initializer):
    ...     def draw(self, shape, rng):
    ...         return np.eye(*shape)
    >>> Identity()((2, 2))
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """

    kind = "initializer"
    saved = False
    seed: int | None = None

    def __call__(
        self, shape: Sequence[int], rng: Generator | str | None = None, *, dtype: str | None = None
    ) -> NDArray[np.float32]:
        """Return an array of the given shape.

        Parameters
        ----------
        shape : sequence of int
            Kernel (I, O) or (h, w, I, O), vector (O,).
        rng : numpy.random.Generator, optional
            Source of the random numbers. An initializer with a seed ignores it and returns the same array at
            every call, as in Keras. With neither, the next seed of `nnc.random` is used.
        dtype : {None, "float32"}
            Keras's second argument; also accepted in place of `rng`.

        Returns
        -------
        ndarray of float32
        """
        shape = tuple(_config.integer("shape", size, 0, 2**48) for size in shape)
        if isinstance(rng, str | type | np.dtype):
            rng, dtype = None, rng
        if dtype is not None and np.dtype(dtype) != np.float32:
            raise _config.refusal("dtype", "None or 'float32' (nnc's weights are float32)", dtype)
        if self.seed is not None or rng is None:
            seed = random.next_seed() if self.seed is None else self.seed
            rng = random.generator(seed, random.Purpose.INITIALIZER)
        return np.ascontiguousarray(self.draw(shape, rng), dtype=np.float32).reshape(shape)

    @classmethod
    def get(cls, identifier: Any, argument: str | None = None) -> Initializer:
        """As `initializers.get`.

        Parameters
        ----------
        identifier : str, Initializer, type, dict, array-like or None

        Returns
        -------
        Initializer or None
        """
        if not isinstance(identifier, np.ndarray):
            return super().get(identifier, argument)
        try:
            return Constant(identifier)
        except ValueError as error:
            raise ValueError(f"{argument or cls.kind}: {error}") from None

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        """The values, before they are rounded to float32.

        Parameters
        ----------
        shape : tuple of int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of that shape

        Examples
        --------
        >>> import numpy as np
        >>> from nnc import initializers
        >>> initializers.Constant(0.5).draw((2,), np.random.default_rng(0)).tolist()
        [0.5, 0.5]
        """
        raise NotImplementedError(f"{type(self).__name__} has no draw(shape, rng)")


class Zeros(Initializer):
    """Fills the array with 0.

    Examples
    --------
    >>> from nnc import initializers
    >>> initializers.Zeros()((3,))
    array([0., 0., 0.], dtype=float32)
    """

    aliases = ("zero",)

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        return np.zeros(shape, np.float32)


class Ones(Initializer):
    """Fills the array with 1.

    Examples
    --------
    >>> from nnc import initializers
    >>> initializers.Ones()((3,))
    array([1., 1., 1.], dtype=float32)
    """

    aliases = ("one",)

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        return np.ones(shape, np.float32)


class Constant(Initializer):
    """Fills the array with `value`.

    Parameters
    ----------
    value : float or array-like
        Finite numbers; an array is broadcast to the shape of the weight.

    Examples
    --------
    >>> from nnc import initializers
    >>> initializers.Constant(0.25)((3,))
    array([0.25, 0.25, 0.25], dtype=float32)
    >>> initializers.Constant([1.0, 2.0])((2, 2))
    array([[1., 2.],
           [1., 2.]], dtype=float32)
    """

    def __init__(self, value: ArrayLike = 0.0) -> None:
        self.value = _config.numbers("value", value)

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        try:
            return np.array(np.broadcast_to(np.asarray(self.value, np.float32), shape))
        except ValueError:
            given = np.shape(self.value)
            raise ValueError(f"value has the shape {given}, which does not fit a weight of {shape}") from None


class Identity(Initializer):
    """gain times the identity matrix; rows or columns beyond the square are 0.

    Parameters
    ----------
    gain : float
        Any finite number.

    Examples
    --------
    >>> from nnc import initializers
    >>> initializers.Identity(2.0)((2, 3))
    array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    aliases = ("identity_initializer",)

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = _config.number("gain", gain)

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        if len(shape) != 2:
            raise _config.refusal("shape", "that of a matrix, for an Identity initializer", shape)
        matrix = np.eye(*shape, dtype=np.float32)
        matrix *= self.gain
        return matrix


class RandomNormal(Initializer):
    """Normal distribution N(mean, stddev^2).

    Parameters
    ----------
    mean : float
        Any finite number.
    stddev : float
        At least 0.
    seed : int, optional
        With a seed, every call returns the same array.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.RandomNormal(stddev=0.1, seed=1)((1000, 10))
    >>> bool(abs(w.std() - 0.1) < 0.01)
    True
    """

    aliases = ("normal",)

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = _config.number("mean", mean)
        self.stddev = _config.number("stddev", stddev, "[0, inf)")
        self.seed = _config.seed_or_none(seed)

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        return _filled(shape, lambda n: self.mean + self.stddev * rng.standard_normal(n))


class TruncatedNormal(RandomNormal):
    """N(mean, stddev^2), with values more than two standard deviations from the mean drawn again.

    Parameters
    ----------
    mean : float
        Any finite number.
    stddev : float
        At least 0; that of the normal distribution before truncation: the values have 0.8796 of it.
    seed : int, optional
        With a seed, every call returns the same array.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.TruncatedNormal(stddev=0.1, seed=1)((1000, 10))
    >>> bool(abs(w).max() <= 0.2)
    True
    """

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        return _truncated(shape, rng, lambda z: self.mean + self.stddev * z)


class RandomUniform(Initializer):
    """Uniform in [minval, maxval).

    Parameters
    ----------
    minval, maxval : float
        Finite, minval <= maxval.
    seed : int, optional
        With a seed, every call returns the same array.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.RandomUniform(-1.0, 1.0, seed=1)((1000, 10))
    >>> bool(w.min() >= -1.0 and w.max() < 1.0)
    True
    """

    aliases = ("uniform",)

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        self.minval = _config.number("minval", minval)
        self.maxval = _config.number("maxval", maxval)
        if self.minval > self.maxval:
            raise _config.refusal("maxval", f"at least minval = {self.minval}", maxval)
        self.seed = _config.seed_or_none(seed)

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        return _filled(shape, lambda n: rng.uniform(self.minval, self.maxval, n))


class VarianceScaling(Initializer):
    """Mean 0 and variance scale / n, where n depends on the fan of the kernel.

    Parameters
    ----------
    scale : float
        Above 0.
    mode : {"fan_in", "fan_out", "fan_avg"}
        n is the number of inputs, of outputs, or the mean of both.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        The truncated normal is truncated at two standard deviations and scaled to the variance scale / n; the
        uniform one is on [-sqrt(3 scale / n), sqrt(3 scale / n)).
    seed : int, optional
        With a seed, every call returns the same array.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.VarianceScaling(2.0, mode="fan_in", seed=1)((800, 50))
    >>> bool(abs(w.var() - 2.0 / 800) < 1e-4)
    True
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        self.scale = _config.number("scale", scale, "(0, inf)")
        self.mode = _config.choice("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        self.distribution = _config.choice("distribution", distribution, _DISTRIBUTIONS)
        self.seed = _config.seed_or_none(seed)

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        fan_in, fan_out = fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = math.sqrt(self.scale / max(n, 1))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * std
            return _filled(shape, lambda n: rng.uniform(-limit, limit, n))
        if self.distribution == "untruncated_normal":
            return _filled(shape, lambda n: std * rng.standard_normal(n))
        return _truncated(shape, rng, lambda z: std / _TRUNCATED_STD * z)


class _Normal(VarianceScaling):
    """A VarianceScaling with a normal distribution; the class defines scale and mode."""

    saved = False
    scale_and_mode: tuple[float, str]

    def __init__(self, seed: int | None = None, truncated: bool = True) -> None:
        self.truncated = _config.boolean("truncated", truncated)
        distribution = "truncated_normal" if truncated else "untruncated_normal"
        super().__init__(*self.scale_and_mode, distribution, seed)


class _Uniform(VarianceScaling):
    """A VarianceScaling with a uniform distribution; the class defines scale and mode."""

    saved = False
    scale_and_mode: tuple[float, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self.scale_and_mode, "uniform", seed)


class GlorotNormal(_Normal):
    """Normal with variance 2 / (fan_in + fan_out), for layers with tanh, sigmoid or softmax.

    Parameters
    ----------
    seed : int, optional
        With a seed, every call returns the same array.
    truncated : bool
        Truncated at two standard deviations (and scaled to keep the variance), as in Keras; False for the
        plain normal distribution, as in PyTorch.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.GlorotNormal(seed=1)((600, 200))
    >>> bool(abs(w.var() - 2.0 / (600 + 200)) < 1e-4)
    True

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010.
    """

    scale_and_mode = (1.0, "fan_avg")


class GlorotUniform(_Uniform):
    """Uniform with variance 2 / (fan_in + fan_out): on [-l, l), l = sqrt(6 / (fan_in + fan_out)).

    The default of Dense.

    Parameters
    ----------
    seed : int, optional
        With a seed, every call returns the same array.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.GlorotUniform(seed=1)((600, 200))
    >>> bool(abs(w).max() < (6 / (600 + 200)) ** 0.5)
    True

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS
    2010.
    """

    scale_and_mode = (1.0, "fan_avg")


class LecunNormal(_Normal):
    """Normal with variance 1 / fan_in, for layers with selu.

    Parameters
    ----------
    seed : int, optional
        With a seed, every call returns the same array.
    truncated : bool
        Truncated at two standard deviations (and scaled to keep the variance), as in Keras; False for the
        plain normal distribution.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.LecunNormal(seed=1)((600, 200))
    >>> bool(abs(w.var() - 1.0 / 600) < 1e-4)
    True

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998.
    """

    scale_and_mode = (1.0, "fan_in")


class LecunUniform(_Uniform):
    """Uniform with variance 1 / fan_in: on [-l, l), l = sqrt(3 / fan_in).

    Parameters
    ----------
    seed : int, optional
        With a seed, every call returns the same array.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.LecunUniform(seed=1)((600, 200))
    >>> bool(abs(w).max() < (3 / 600) ** 0.5)
    True

    References
    ----------
    LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998.
    """

    scale_and_mode = (1.0, "fan_in")


class HeNormal(VarianceScaling):
    """Normal with variance 2 / (fan_in (1 + negative_slope^2)), for layers with relu or leaky_relu.

    Parameters
    ----------
    seed : int, optional
        With a seed, every call returns the same array.
    negative_slope : float
        The slope below zero of the leaky_relu that follows, at least 0; 0 for relu, as in Keras.
    truncated : bool
        Truncated at two standard deviations (and scaled to keep the variance), as in Keras; False for the
        plain normal distribution, as in PyTorch's kaiming_normal_.

    Examples
    --------
    >>> from nnc import initializers
    >>> initializers.HeNormal(negative_slope=0.01, truncated=False)
    HeNormal(negative_slope=0.01, truncated=False)

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    def __init__(self, seed: int | None = None, negative_slope: float = 0.0, truncated: bool = True) -> None:
        self.negative_slope = _config.number("negative_slope", negative_slope, "[0, 1000]")
        self.truncated = _config.boolean("truncated", truncated)
        distribution = "truncated_normal" if truncated else "untruncated_normal"
        super().__init__(2.0 / (1.0 + self.negative_slope**2), "fan_in", distribution, seed)


class HeUniform(_Uniform):
    """Uniform with variance 2 / fan_in: on [-l, l), l = sqrt(6 / fan_in).

    Parameters
    ----------
    seed : int, optional
        With a seed, every call returns the same array.

    Examples
    --------
    >>> from nnc import initializers
    >>> w = initializers.HeUniform(seed=1)((600, 200))
    >>> bool(abs(w).max() < (6 / 600) ** 0.5)
    True

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015.
    """

    scale_and_mode = (2.0, "fan_in")


class Orthogonal(Initializer):
    """gain times a matrix with orthonormal rows or columns, whichever are fewer.

    A kernel (h, w, I, O) is treated as the matrix (h w I, O).

    Parameters
    ----------
    gain : float
        Any finite number.
    seed : int, optional
        With a seed, every call returns the same array.

    Notes
    -----
    The factor Q of a matrix of normal numbers, with the signs of its columns chosen to make the diagonal of R
    positive: every orthogonal matrix is then equally likely. NumPy's QR runs in LAPACK, in float64: its last
    bits depend on LAPACK.

    Examples
    --------
    >>> import numpy as np
    >>> from nnc import initializers
    >>> w = initializers.Orthogonal(seed=1)((5, 3))
    >>> np.allclose(w.T @ w, np.eye(3), atol=1e-6)
    True

    References
    ----------
    Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014.
    """

    aliases = ("orthogonal_initializer",)

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = _config.number("gain", gain)
        self.seed = _config.seed_or_none(seed)

    def draw(self, shape: tuple[int, ...], rng: Generator) -> NDArray[Any]:
        if len(shape) < 2:
            raise _config.refusal("shape", "that of a matrix, for an Orthogonal initializer", shape)
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.where(np.diagonal(r) < 0.0, -1.0, 1.0)
        return self.gain * (q if rows >= columns else q.T)


registry = _config.close(Initializer, globals())

InitializerLike = str | Initializer | type[Initializer] | Mapping[str, Any] | np.ndarray


@overload
def get(identifier: None) -> None: ...
@overload
def get(identifier: InitializerLike) -> Initializer: ...
def get(identifier: InitializerLike | None) -> Initializer | None:
    """Return the initializer for `identifier`: a Keras name, an object, its class or its configuration.

    An array is the initializer `Constant` of these values; None is None.

    Examples
    --------
    >>> from nnc import initializers
    >>> initializers.get("he_normal")
    HeNormal()
    """
    return None if identifier is None else Initializer.get(identifier)


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return (inputs, outputs) of one unit of a kernel of that shape.

    Parameters
    ----------
    shape : tuple of int
        Of the kernel: (inputs, outputs) or (..., inputs, filters).

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> from nnc import initializers
    >>> initializers.fans((784, 10)), initializers.fans((3, 3, 16, 64))
    ((784, 10), (144, 576))
    """
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def _filled(shape: tuple[int, ...], draw: Callable[[int], NDArray[np.float64]]) -> NDArray[np.float32]:
    """An array filled with the numbers that `draw(count)` returns, in order."""
    array = np.empty(shape, np.float32)
    flat = array.reshape(-1)
    for start in range(0, flat.size, _PART):
        part = flat[start : start + _PART]
        part[:] = draw(part.size)
    return array


def _truncated(
    shape: tuple[int, ...], rng: Generator, scaled: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float32]:
    """Scaled standard normal numbers; those outside [-2, 2] are drawn again until there are none."""
    array = np.empty(shape, np.float32)
    flat = array.reshape(-1)
    outside: NDArray[Any] | None = None  # indices to draw again; None: all
    while outside is None or outside.size:
        again = []
        for start in range(0, flat.size if outside is None else outside.size, _PART):
            stop = start + _PART
            places = np.arange(start, min(stop, flat.size)) if outside is None else outside[start:stop]
            z = rng.standard_normal(places.size)
            flat[places] = scaled(z)
            again.append(places[np.abs(z) > 2.0])
        outside = np.concatenate(again) if again else np.zeros(0, np.intp)
    return array


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The classes by the lower-case names that Keras also has."""
        found = Initializer.in_lower_case(name)
        if found is None:
            raise no_attribute(__name__, name, globals())
        return found
