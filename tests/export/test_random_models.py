"""Random models of layers in any order: C, ONNX and PyTorch compute what predict does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from export_helpers import Library, difference, needs, trained_like

import nnc
from nnc import layers

# Each with what it is given: random numbers and the shape of a sample.
ANY = [
    lambda some, shape: layers.Dense(some(1, 20), some.choice(["relu", "tanh", "softmax", "gelu", None])),
    lambda some, shape: layers.Activation(some.choice(["silu", "hard_tanh", "softplus", "selu", "softmax"])),
    lambda some, shape: layers.Activation(nnc.activations.Activation("celu", some.choice([0.3, 2.5]))),
    lambda some, shape: layers.PReLU(shared_axes=some.axes(shape) or None),
    lambda some, shape: layers.BatchNormalization(center=some(0, 2) > 0, scale=some(0, 2) > 0),
    lambda some, shape: layers.LayerNormalization(list(range(-some(1, len(shape) + 1), 0))),
    lambda some, shape: layers.UnitNormalization(list(range(-some(1, len(shape) + 1), 0))),
    lambda some, shape: layers.Normalization(some.axes(shape) or None, invert=some(0, 2) > 0),
    lambda some, shape: layers.Rescaling(some.choice([0.5, -2.0]), some.choice([0.0, 0.3])),
    lambda some, shape: layers.Flatten(),
    lambda some, shape: layers.Reshape((some.choice([1, 2]), -1, some.choice([1, 3]))),
    lambda some, shape: layers.Reshape((-1, some.choice([1, 2, 3]))),
    lambda some, shape: nnc.Sequential([layers.Dropout(0.2), layers.Dense(some(1, 5))]),
]
OVER_STEPS = [
    lambda some, shape: layers.Conv1D(
        3 * shape[-1], some(1, 4), some(1, 3), some.choice(["valid", "same", "causal"]), groups=shape[-1]
    ),
    lambda some, shape: layers.Conv1D(some(1, 20), some(1, 4), dilation_rate=some(1, 3), activation="relu"),
    lambda some, shape: layers.MaxPooling1D(some(1, 4), some(1, 4), some.choice(["valid", "same"])),
    lambda some, shape: layers.AveragePooling1D(some(1, 4), some(1, 4), some.choice(["valid", "same"])),
    lambda some, shape: layers.GlobalAveragePooling1D(keepdims=some(0, 2) > 0),
]
OVER_PIXELS = [
    lambda some, shape: layers.Conv2D(
        2 * shape[-1], (some(1, 4), some(1, 4)), (some(1, 3), some(1, 4)), "same", groups=shape[-1]
    ),
    lambda some, shape: layers.Conv2D(some(1, 20), (some(1, 4), some(1, 4)), dilation_rate=(2, some(1, 3))),
    lambda some, shape: layers.MaxPooling2D((some(1, 4), 2), some(1, 4), some.choice(["valid", "same"])),
    lambda some, shape: layers.AveragePooling2D((2, some(1, 4)), some(1, 4), some.choice(["valid", "same"])),
    lambda some, shape: layers.GlobalMaxPooling2D(keepdims=some(0, 2) > 0),
    lambda some, shape: layers.ZeroPadding2D(((some(0, 3), some(0, 3)), (some(0, 3), 1))),
]


class Some:
    """Random choices."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)

    def __call__(self, low, high):
        return int(self.random.integers(low, high))

    def choice(self, values):
        return values[self(0, len(values))]

    def axes(self, shape):
        return [axis for axis in range(1, len(shape) + 1) if self(0, 2)]


def random_model(seed):
    """A model of six layers; those that cannot take the samples before them are left out."""
    some = Some(seed)
    shape = (*(some(1, 10) for _ in range(seed % 3)), some(1, 7))
    model = nnc.Sequential([nnc.Input(shape)], seed=seed)
    while len(model.layers) < 6:
        make = some.choice(ANY + 3 * {2: OVER_STEPS, 3: OVER_PIXELS}.get(len(shape), []))
        try:
            model.add(make(some, shape))
        except ValueError:  # the window does not fit, say
            continue
        shape = model.output_shape[1:]
    return trained_like(model, seed)


@pytest.mark.parametrize("seed", range(24))
def test_random_models(seed, tmp_path):
    model = random_model(seed)
    x = np.random.default_rng(seed).normal(size=(9, *model.input_shape[1:])).astype(np.float32)
    wanted = model.predict(x)
    assert np.isfinite(wanted).all() and math.prod(wanted.shape) < 100_000
    model.export_c(tmp_path / "net.c", weights=("static", "extern")[seed % 2])
    needs("gcc")
    assert difference(Library(tmp_path / "net.c").predict(x), wanted) <= 3e-6
    if pytest.importorskip("onnx"):
        report = model.export_onnx(tmp_path / "net.onnx")
        assert report.difference is None or report.difference <= 1e-5
    torch = pytest.importorskip("torch")
    first = np.moveaxis(x, -1, 1).copy() if x.ndim == 4 else x
    sequential = nnc.interop.to_torch(model)
    with torch.no_grad():
        found = sequential(torch.tensor(first)).numpy()
    found = np.moveaxis(found, 1, -1) if found.ndim == 4 else found
    assert difference(found.reshape(9, -1), wanted) <= 1e-5
    back = nnc.interop.from_torch(sequential, first.shape[1:])
    assert difference(back.predict(x).reshape(9, -1), wanted) <= 1e-5
