"""Constraints: constrained weights, training in both backends, equal bits, files, errors."""

from __future__ import annotations

import numpy as np
import pytest

import nnc
from nnc import Sequential, constraints, layers, optimizers

# every possible layout of a norm, and widths that are not a multiple of the panel width
NETS = {
    "dense": lambda: [
        nnc.Input((13,)),
        layers.Dense(70, "tanh", kernel_constraint=constraints.MaxNorm(0.4), bias_constraint="non_neg"),
        layers.Dense(33, "relu", kernel_constraint=constraints.UnitNorm(1)),
        layers.PReLU(alpha_constraint=constraints.NonNeg()),
        layers.Dense(3, "softmax", kernel_constraint=constraints.MinMaxNorm(0.5, 0.8, 0.6, [0, 1])),
    ],
    "images": lambda: [
        nnc.Input((7, 6, 3)),
        layers.Conv2D(37, 3, use_bias=False, kernel_constraint=constraints.MaxNorm(0.3, [0, 1, 2])),
        layers.BatchNormalization(gamma_constraint=constraints.MaxNorm(0.9), beta_constraint="non_neg"),
        layers.Conv2D(5, (2, 3), kernel_constraint=constraints.UnitNorm(2), bias_constraint="max_norm"),
        layers.LayerNormalization([1, 2, 3], gamma_constraint=constraints.MinMaxNorm(0.5, 1.0, axis=1)),
        layers.Reshape((8, 5)),
        layers.Conv1D(4, 3, kernel_constraint=constraints.MaxNorm(0.4, 1)),
        layers.Dense(6, kernel_constraint="non_neg"),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ],
}
OPTIMIZERS = [
    optimizers.SGD(0.2),
    optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.7),
    optimizers.Adam(0.02),
]


def data(shape):
    rng = np.random.default_rng(5)
    return rng.standard_normal((45, *shape)).astype(np.float32), rng.integers(0, 3, 45)


def trained(name, optimizer, **options):
    model = Sequential(NETS[name](), seed=2)
    own = type(optimizer).from_config(optimizer.get_config())
    model.compile(own, "sparse_categorical_crossentropy", **options)
    model.fit(*data(model.input_shape[1:]), epochs=3, batch_size=16, verbose=0)
    return model


def assert_constrained(model):
    """Every weight satisfies its constraint, unless that is reached only in several steps."""
    for layer in model.layers:
        for name, w in zip(layer.weight_names, layer.get_weights(), strict=True):
            constraint = getattr(layer, f"{name}_constraint", None)
            if constraint is not None and getattr(constraint, "rate", 1.0) == 1.0:
                np.testing.assert_allclose(w, constraint(w), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("name", NETS)
def test_training(isa, threads, name, optimizer):
    expected = trained(name, optimizer, backend="reference")
    assert_constrained(expected)
    threads(1)
    single = trained(name, optimizer)
    threads(3)
    several = trained(name, optimizer)
    assert_constrained(several)
    for a, b, c in zip(single.get_weights(), several.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(b, c, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("name", NETS)
def test_bfloat16_reads_the_constrained_weights(name):
    """Copies of the weights are refreshed after a constraint: outputs are those of a new plan."""
    if "avx" not in nnc._core.cpu_info()["isa"]:
        pytest.skip("no bfloat16 products on this CPU")
    model = trained(name, OPTIMIZERS[0], precision="bfloat16")
    assert_constrained(model)
    x, _ = data(model.input_shape[1:])
    outputs = model.predict(x, verbose=0)
    model.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), outputs)


@pytest.mark.parametrize("name", NETS)
def test_float32_reads_the_constrained_weights(name):
    model = trained(name, OPTIMIZERS[0])
    x, y = data(model.input_shape[1:])
    other = trained(name, OPTIMIZERS[0])
    other.set_weights(other.get_weights())
    for each in (model, other):
        each.fit(x, y, epochs=1, verbose=0)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_python_function_as_a_loss(backend):
    def loss(y_true, y_pred):
        return float(np.mean((y_pred - y_true) ** 2)), 2.0 * (y_pred - y_true) / y_pred.size

    model = Sequential([nnc.Input((13,)), layers.Dense(3, kernel_constraint=constraints.UnitNorm())], seed=0)
    model.compile("sgd", loss, backend=backend)
    x, y = data((13,))
    model.fit(x, np.eye(3)[y], epochs=1, verbose=0)
    assert_constrained(model)


def test_frozen_layers_stay():
    model = Sequential(seed=0)
    model.add(layers.Dense(5, kernel_constraint="unit_norm", trainable=False, input_shape=(13,)))
    model.add(layers.Dense(3))
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    x, y = data((13,))
    model.fit(x, np.eye(3)[y], epochs=1, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_files(tmp_path):
    model = trained("images", OPTIMIZERS[0])
    model.save(tmp_path / "model.safetensors")
    loaded = nnc.load_model(tmp_path / "model.safetensors")
    assert loaded.get_config() == model.get_config()
    x, y = data((7, 6, 3))
    for each in (model, loaded):
        each.fit(x, y, epochs=1, verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_objects():
    w = np.array([[3.0, -0.3, 0.0], [4.0, 0.4, 0.0]], np.float32)
    norm = np.array([[5.0, 0.5, 0.0]])
    np.testing.assert_allclose(
        constraints.MaxNorm(1.0)(w), w * np.minimum(norm, 1) / (norm + 1e-7), rtol=1e-6
    )
    np.testing.assert_allclose(constraints.UnitNorm()(w), w / (norm + 1e-7), rtol=1e-6)
    np.testing.assert_array_equal(constraints.NonNeg()(w), np.maximum(w, 0))
    half = constraints.MinMaxNorm(1.0, 2.0, rate=0.5)(w)
    np.testing.assert_allclose(half, w * (np.clip(norm, 1, 2) + norm) / 2 / (norm + 1e-7), rtol=1e-6)
    assert constraints.max_norm is constraints.MaxNorm and constraints.non_neg is constraints.NonNeg
    assert constraints.get(None) is None
    assert "kernel_constraint" not in layers.Dense(3).get_config()


def test_errors():
    with pytest.raises(ValueError, match=r"kernel_constraint must be one of .*did you mean 'max_norm'"):
        layers.Dense(3, kernel_constraint="maxnrom")
    dense = layers.Dense(3, kernel_constraint=constraints.MaxNorm(1.0, 2))
    with pytest.raises(ValueError, match=r"kernel_constraint of Dense.*axis must be .*\(4, 3\), got 2"):
        dense.build((4,))
    assert not dense.built
    conv = layers.Conv2D(3, 3, kernel_constraint=constraints.MaxNorm(1.0, [0, 2]))
    with pytest.raises(ValueError, match="adjacent axes"):
        conv.build((8, 8, 2))
    conv.kernel_constraint = "non_neg"
    conv.build((8, 8, 2))
    with pytest.raises(AttributeError, match=r"kernel_constraint of Conv2D.* cannot be changed"):
        conv.kernel_constraint = None
    with pytest.raises(ValueError, match="max_value must be at least min_value"):
        constraints.MinMaxNorm(2.0, 1.0)
