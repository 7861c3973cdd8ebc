"""Nets with every layer and activation, compiled C, and the difference of its outputs from the model's."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

import nnc
from nnc import layers

WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic"]
COMPILERS = ("gcc", "clang")


def trained_like(model, seed=0):
    """The model with weights like those of a trained one: no zeros, different moving statistics."""
    rng = np.random.default_rng(seed)
    weights = []
    for layer in model.flattened_layers.values():
        for name, shape, _ in layer.weights_spec():
            value = rng.normal(size=shape)
            fan = int(np.prod(shape[:-1])) if len(shape) > 1 else 1
            value = {
                "moving_variance": np.abs(value) + 0.5,
                "variance": np.abs(value) + 0.5,
                "gamma": 1.0 + 0.3 * value,
                "alpha": 0.3 * value,
            }.get(name, value / np.sqrt(fan) if len(shape) > 1 else 0.3 * value)
            weights.append(value.astype(np.float32))
    model.set_weights(weights)
    return model


def net(*stack, shape, seed=0):
    return trained_like(nnc.Sequential([nnc.Input(shape), *stack], seed=seed), seed)


ACTIVATIONS = [
    nnc.activations.Activation(name, 0.3 if nnc.activations.Activation(name).alpha else None)
    for name in nnc.activations.names
]

# name: (shape of a sample, the layers), one net for each layer used in inference and each option of it
LAYERS = {
    "dense": ((7,), lambda: [layers.Dense(5)]),
    "dense without bias": ((7,), lambda: [layers.Dense(37, use_bias=False), layers.Dense(3)]),
    "dense, one input": ((1,), lambda: [layers.Dense(1)]),
    "dense, 200 inputs": ((200,), lambda: [layers.Dense(33, "relu"), layers.Dense(16), layers.Dense(1)]),
    "dense, softmax": ((9,), lambda: [layers.Dense(17, "relu"), layers.Dense(4, "softmax")]),
    "dense over pixels": (
        (4, 3, 5),
        lambda: [layers.Dense(6, "relu"), layers.Conv2D(3, 2), layers.Dense(2, use_bias=False)],
    ),
    "dense over steps": ((5, 3), lambda: [layers.Dense(4, "tanh"), layers.Flatten(), layers.Dense(2)]),
    "sequences": (
        (11, 4),
        lambda: [
            layers.Conv1D(6, 3, padding="causal", groups=2, activation="relu"),
            layers.MaxPooling1D(3, 2, "same"),
            layers.BatchNormalization(),
            layers.Conv1D(6, 2, dilation_rate=2, groups=6),
            layers.SpatialDropout1D(0.2),
            layers.AveragePooling1D(2, 1, "same"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(3),
        ],
    ),
    "convolution": ((7, 6, 3), lambda: [layers.Conv2D(5, 3)]),
    "convolution, same": ((7, 6, 3), lambda: [layers.Conv2D(17, 3, padding="same")]),
    "convolution, even same": ((7, 6, 2), lambda: [layers.Conv2D(4, (2, 4), padding="same")]),
    "convolution, strides": ((9, 8, 2), lambda: [layers.Conv2D(4, 3, strides=(2, 3))]),
    "convolution, strides, same": ((9, 8, 2), lambda: [layers.Conv2D(4, 3, strides=2, padding="same")]),
    "convolution, dilation": ((9, 8, 2), lambda: [layers.Conv2D(4, 3, dilation_rate=(2, 3))]),
    "convolution, dilation, same": (
        (5, 4, 2),
        lambda: [layers.Conv2D(4, 3, dilation_rate=(3, 2), padding="same")],
    ),
    "convolution, 1 x 1": ((3, 4, 5), lambda: [layers.Conv2D(2, 1, use_bias=False)]),
    "convolution, 2 groups": ((7, 6, 6), lambda: [layers.Conv2D(4, 3, groups=2, activation="relu")]),
    "convolution, 3 groups, same": (
        (5, 6, 6),
        lambda: [layers.Conv2D(57, (3, 2), padding="same", groups=3), layers.Conv2D(3, 1, groups=3)],
    ),
    "convolution, groups, dilation": (
        (9, 8, 4),
        lambda: [layers.Conv2D(64, 3, dilation_rate=(2, 3), groups=2), layers.Conv2D(2, 2)],
    ),
    "convolution, groups of one row": (
        (1, 9, 4),
        lambda: [layers.Conv2D(6, (1, 3), padding="same", groups=2), layers.Conv2D(6, (1, 2), 2, groups=6)],
    ),
    "depthwise": ((7, 6, 5), lambda: [layers.Conv2D(5, 3, padding="same", groups=5, use_bias=False)]),
    "depthwise, 2 filters each, strides": (
        (7, 6, 3),
        lambda: [layers.Conv2D(6, (3, 2), (2, 1), groups=3), layers.Flatten(), layers.Dense(4)],
    ),
    "normalized, groups": (
        (5, 4, 6),
        lambda: [
            layers.BatchNormalization(),
            layers.Conv2D(9, 2, groups=3),
            layers.BatchNormalization(),
            layers.Conv2D(9, 2, groups=9, activation="relu"),
        ],
    ),
    "convolution, flattened": (
        (5, 4, 3),
        lambda: [layers.Conv2D(6, 3, activation="relu"), layers.Flatten(), layers.Dense(4)],
    ),
    "convolution, softmax": ((4, 3, 2), lambda: [layers.Conv2D(3, 2, activation="softmax")]),
    "max pooling": ((7, 6, 3), lambda: [layers.MaxPooling2D()]),
    "max pooling, same": ((7, 6, 3), lambda: [layers.MaxPooling2D(3, 2, "same")]),
    "max pooling, overlap": ((7, 6, 3), lambda: [layers.MaxPooling2D((3, 2), 1)]),
    "average pooling": ((7, 6, 3), lambda: [layers.AveragePooling2D((2, 3))]),
    "average pooling, same": ((7, 6, 3), lambda: [layers.AveragePooling2D(3, 2, "same")]),
    "global max": ((7, 6, 3), lambda: [layers.GlobalMaxPooling2D(), layers.Dense(2)]),
    "global average": ((7, 6, 3), lambda: [layers.GlobalAveragePooling2D(keepdims=True)]),
    "zero padding": ((3, 4, 2), lambda: [layers.ZeroPadding2D(((1, 2), (0, 3)))]),
    "zero padding, convolution": (
        (5, 4, 2),
        lambda: [layers.ZeroPadding2D(((1, 2), (0, 3))), layers.Conv2D(3, 3, padding="same")],
    ),
    "zero padding, pooling": ((5, 4, 2), lambda: [layers.ZeroPadding2D(1), layers.MaxPooling2D(3, 2)]),
    "batch normalization": ((6,), lambda: [layers.BatchNormalization()]),
    "batch normalization, bare": (
        (6, 5, 3),
        lambda: [layers.BatchNormalization(center=False, scale=False), layers.Activation("tanh")],
    ),
    "dense, normalized": (
        (6,),
        lambda: [layers.Dense(5), layers.BatchNormalization(), layers.Activation("relu"), layers.Dense(2)],
    ),
    "convolution, normalized": (
        (7, 6, 2),
        lambda: [
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(epsilon=1e-5),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3),
        ],
    ),
    "normalized, convolution": (
        (5, 4, 2),
        lambda: [layers.BatchNormalization(), layers.Conv2D(3, 3, padding="same", activation="gelu")],
    ),
    "layer normalization": ((20,), lambda: [layers.Dense(70), layers.LayerNormalization()]),
    "layer normalization, pixels": ((5, 4, 6), lambda: [layers.LayerNormalization(center=False)]),
    "layer normalization, rows": ((3, 4, 6), lambda: [layers.LayerNormalization([-2, -1], scale=False)]),
    "layer normalization, image": (
        (5, 4, 3),
        lambda: [
            layers.Conv2D(4, 2),
            layers.LayerNormalization([1, 2, 3]),
            layers.Flatten(),
            layers.Dense(2),
        ],
    ),
    "unit normalization": ((6,), lambda: [layers.Dense(70), layers.UnitNormalization(), layers.Dense(3)]),
    "unit normalization, pixels": (
        (5, 4, 3),
        lambda: [layers.Conv2D(4, 2), layers.UnitNormalization(), layers.Conv2D(3, 2)],
    ),
    "unit normalization, rows": ((3, 4, 6), lambda: [layers.UnitNormalization([-2, -1])]),
    "unit normalization, image": (
        (5, 4, 3),
        lambda: [layers.Conv2D(4, 2), layers.UnitNormalization([1, 2, 3]), layers.Flatten(), layers.Dense(2)],
    ),
    "prelu": ((6,), lambda: [layers.Dense(5), layers.PReLU(), layers.Dense(3)]),
    "prelu, image": ((4, 3, 2), lambda: [layers.Conv2D(3, 2), layers.PReLU()]),
    "prelu, channels": (
        (4, 3, 2),
        lambda: [layers.Conv2D(3, 2), layers.PReLU(shared_axes=[1, 2]), layers.Flatten(), layers.Dense(2)],
    ),
    "prelu, rows": ((4, 3, 2), lambda: [layers.PReLU(shared_axes=[2, 3]), layers.Conv2D(3, 2)]),
    "prelu, one slope": ((6,), lambda: [layers.Dense(5), layers.PReLU(shared_axes=1), layers.Dense(3)]),
    "thresholded relu": (
        (6,),
        lambda: [layers.Dense(9), layers.ReLU(1.5, 0.3, 0.2), layers.Dense(5), layers.ReLU(threshold=0.1)],
    ),
    "thresholded relu, image": (
        (4, 3, 2),
        lambda: [layers.Conv2D(3, 2), layers.ReLU(1.0, 0.25), layers.Flatten(), layers.Dense(2)],
    ),
    "activations as layers": (
        (6,),
        lambda: [layers.LeakyReLU(0.1), layers.Dense(5), layers.ELU(0.7), layers.ReLU(negative_slope=0.2)],
    ),
    "softmax in between": ((6,), lambda: [layers.Dense(5), layers.Softmax(), layers.Dense(3)]),
    "softmax of pixels": ((4, 3, 5), lambda: [layers.Softmax(), layers.AveragePooling2D()]),
    "rescaling": ((6,), lambda: [layers.Rescaling(1 / 127.5, -1.0), layers.Dense(4)]),
    "rescaling, same": (
        (5, 4, 1),
        lambda: [layers.Rescaling(1 / 127.5, -1.0), layers.Conv2D(3, 3, padding="same")],
    ),
    "rescaling, far": ((6,), lambda: [layers.Rescaling(1.0, -300.0), layers.Dense(4)]),
    "rescaling, pooling": (
        (5, 4, 2),
        lambda: [layers.Rescaling(0.1, 0.5), layers.MaxPooling2D(), layers.Conv2D(3, 2)],
    ),
    "standardized": ((6,), lambda: [layers.Normalization(), layers.Dense(4), layers.GaussianNoise(0.1)]),
    "standardized, image": (
        (5, 4, 2),
        lambda: [layers.RandomFlip(), layers.Normalization(), layers.Conv2D(3, 3)],
    ),
    "standardized, columns": (
        (5, 4, 2),
        lambda: [layers.Normalization([2]), layers.Conv2D(3, 3), layers.Normalization(None)],
    ),
    "standardized, inverse": ((6,), lambda: [layers.Dense(4), layers.Normalization(invert=True)]),
    "standardized, inverse, image": (
        (5, 4, 2),
        lambda: [layers.Conv2D(3, 3), layers.Normalization([1, 3], invert=True)],
    ),
    "a model in a model": (
        (6,),
        lambda: [nnc.Sequential([layers.Dense(5, "relu"), layers.BatchNormalization()]), layers.Dense(3)],
    ),
    "rescaling alone": ((3, 2), lambda: [layers.Rescaling(-0.1, 0.5)]),
    "permuted": (
        (4, 6),
        lambda: [layers.Permute((2, 1)), layers.Dense(3, "relu"), layers.Permute((2, 1)), layers.Flatten()],
    ),
    "permuted image": (
        (4, 3, 2),
        lambda: [
            layers.Conv2D(5, 2, activation="relu"),
            layers.Permute((2, 3, 1)),
            layers.Flatten(),
            layers.Dense(3),
        ],
    ),
    "normalized along steps": (
        (5, 6),
        lambda: [
            layers.LayerNormalization(axis=1),
            layers.BatchNormalization(axis=1),
            layers.UnitNormalization(axis=-2),
            layers.Flatten(),
            layers.Dense(3),
        ],
    ),
    "softmax of steps": ((5, 6), lambda: [layers.Softmax(axis=1), layers.Flatten(), layers.Dense(3)]),
    "reshape": ((12,), lambda: [layers.Reshape((2, 3, 2)), layers.Conv2D(3, 2), layers.Reshape((-1,))]),
    "reshape, image to image": (
        (4, 3, 2),
        lambda: [layers.Conv2D(4, 1), layers.Reshape((2, 6, 4)), layers.Conv2D(2, 2), layers.Flatten()],
    ),
    "flattened image": ((4, 3, 2), lambda: [layers.Conv2D(3, 2), layers.Flatten(), layers.Softmax()]),
    "training only": ((6,), lambda: [layers.Dropout(0.5), layers.Dense(3), layers.Dropout(0.2)]),
    "nothing": ((6,), lambda: [layers.Dropout(0.5)]),
    "augmentation": (
        (6, 5, 2),
        lambda: [
            layers.RandomRotation(0.1),
            layers.RandomZoom(0.1),
            layers.RandomTranslation(0.1, 0.1),
            layers.Conv2D(3, 2),
            layers.SpatialDropout2D(0.3),
        ],
    ),
} | {
    f"activation {each.name}": (
        (11,),
        # an exponential of exponentials would multiply rounding errors
        lambda each=each: [
            layers.Dense(18, "tanh" if each.name == "exponential" else each),
            layers.Dense(5, each),
        ],
    )
    for each in ACTIVATIONS
}


def layered(name):
    shape, stack = LAYERS[name]
    return net(*stack(), shape=shape)


def rows(model, n, seed=1, scale=1.0):
    """Rows in the range that the first rescaling, if any, expects."""
    rng = np.random.default_rng(seed)
    first = model.layers[0]
    x = rng.normal(size=(n, *model.input_shape[1:]))
    if isinstance(first, layers.Rescaling):
        x = (rng.uniform(size=x.shape) * 2 - 1 - first.offset) / first.scale
    return (x * scale).astype(np.float32)


def needs(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def run(*command, **more):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Library:
    """An exported C file as a shared library."""

    def __init__(self, source, compiler="gcc", flags=("-O1",)):
        source = Path(source)
        needs(compiler)
        folder = tempfile.mkdtemp(
            dir=source.parent
        )  # a unique path: a library of the same name may be loaded already
        target = Path(folder) / f"{source.stem}.so"
        more = sorted(source.parent.glob(f"{source.stem}_weights.c"))
        run(compiler, *WARNINGS, *flags, "-fPIC", "-shared", source, *more, "-o", target, "-lm")
        self.library, self.prefix = ctypes.CDLL(str(target)), source.stem
        text = source.with_suffix(".h").read_text(encoding="ascii")
        words = (line.split() for line in text.splitlines() if line.startswith("#define"))
        self.macros = {w[1].removeprefix(f"{self.prefix.upper()}_"): w[2] for w in words if len(w) > 2}
        self.int8 = "INPUT_SCALE" in self.macros
        self.types = (np.int8, np.int16) if self.int8 else (np.float32, np.float32)

    def predict(self, x, function="predict"):
        x = np.ascontiguousarray(x, self.types[0]).reshape(len(x), -1)
        assert x.shape[1] == int(self.macros["INPUTS"])
        y = np.zeros((len(x), int(self.macros["OUTPUTS"])), self.types[1])
        scratch = np.full(int(self.macros["SCRATCH"]) + 8, 99, self.types[0])
        call = getattr(self.library, f"{self.prefix}_{function}")
        for row, out in zip(x, y, strict=True):
            arguments = [row.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p)]
            if function == "predict_scratch":
                arguments.append(scratch.ctypes.data_as(ctypes.c_void_p))
            call(*arguments)
        assert (scratch[-8:] == 99).all()
        return y

    def classify(self, x):
        x = np.ascontiguousarray(x, self.types[0]).reshape(len(x), -1)
        call = getattr(self.library, f"{self.prefix}_classify")
        return np.array([call(row.ctypes.data_as(ctypes.c_void_p)) for row in x])


def difference(found, wanted):
    """The largest difference relative to the largest output."""
    wanted = np.asarray(wanted, np.float64).reshape(len(found), -1)
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
