"""Models that Keras saves, read by nnc.load_keras: the same predictions, optimizer, loss, metrics."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import nnc
from nnc import FormatError

TOLERANCE = 2e-6

pytestmark = pytest.mark.filterwarnings("default")  # those of Keras


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    pytest.importorskip("h5py")
    return pytest.importorskip("keras", exc_type=ImportError)


# A list of layers for each of nnc's, as f(keras.layers), and the shape of a sample.
NETS = {
    "Activation": ((5,), lambda L: [L.Dense(4), L.Activation("tanh")]),
    "AveragePooling1D": ((9, 3), lambda L: [L.AveragePooling1D(3, 2, "same")]),
    # even padding: with uneven padding, only Keras's PyTorch backend counts the zeros
    "AveragePooling2D": ((7, 8, 2), lambda L: [L.AveragePooling2D(3, 1, "same"), L.AveragePooling2D((2, 3))]),
    "BatchNormalization": ((7, 3), lambda L: [L.BatchNormalization(scale=False), L.BatchNormalization()]),
    "Conv1D": ((9, 3), lambda L: [L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu")]),
    "Conv2D": (
        (7, 8, 2),
        lambda L: [
            L.Conv2D(4, (3, 2), 2, "same", use_bias=False),
            L.Conv2D(6, 2, groups=2, bias_regularizer="l1"),
        ],
    ),
    "Dense": (
        (5,),
        lambda L: [
            L.Dense(4, "relu", name="a"),
            L.Dense(3, L.LeakyReLU(0.1)),
            L.Dense(2, kernel_constraint="max_norm"),
        ],
    ),
    "Dropout": ((5,), lambda L: [L.Dropout(0.5, seed=3), L.Dense(2)]),
    "ELU": ((5,), lambda L: [L.ELU(0.5)]),
    "Flatten": ((4, 3, 2), lambda L: [L.Conv2D(3, 2), L.Flatten(), L.Dense(2)]),
    "GaussianDropout": ((5,), lambda L: [L.GaussianDropout(0.1), L.Dense(2)]),
    "GaussianNoise": ((5,), lambda L: [L.GaussianNoise(0.1), L.Dense(2)]),
    "GlobalAveragePooling1D": ((9, 3), lambda L: [L.GlobalAveragePooling1D(keepdims=True)]),
    "GlobalAveragePooling2D": ((7, 8, 2), lambda L: [L.GlobalAveragePooling2D()]),
    "GlobalMaxPooling1D": ((9, 3), lambda L: [L.GlobalMaxPooling1D()]),
    "GlobalMaxPooling2D": ((7, 8, 2), lambda L: [L.GlobalMaxPooling2D()]),
    "LayerNormalization": ((4, 6), lambda L: [L.LayerNormalization(), L.LayerNormalization(axis=[1, 2])]),
    "LeakyReLU": ((5,), lambda L: [L.LeakyReLU(0.1)]),
    "MaxPooling1D": ((9, 3), lambda L: [L.MaxPooling1D(2)]),
    "MaxPooling2D": ((7, 8, 2), lambda L: [L.MaxPooling2D(3, 2, "same")]),
    "Normalization": (
        (3, 5),
        lambda L: [
            L.Normalization(mean=[1.0, 2, 3, 4, 5], variance=[1.0, 2, 3, 4, 5]),
            L.Normalization(axis=1),
            L.Normalization(axis=[1, 2], invert=True),
            L.Normalization(axis=None),
            L.Normalization(axis=1, mean=[1.0, 2, 3], variance=[1.0, 2, 3], invert=True),
        ],
    ),
    "PReLU": ((4, 3, 2), lambda L: [L.PReLU(), L.PReLU(shared_axes=[1, 2]), L.PReLU(shared_axes=[1, 3])]),
    "Permute": ((4, 3, 2), lambda L: [L.Permute((3, 1, 2)), L.Conv2D(3, 2)]),
    "RandomFlip": ((6, 6, 2), lambda L: [L.RandomFlip("horizontal"), L.Conv2D(2, 3)]),
    "RandomRotation": ((6, 6, 2), lambda L: [L.RandomRotation(0.1), L.Conv2D(2, 3)]),
    "RandomTranslation": ((6, 6, 2), lambda L: [L.RandomTranslation(0.1, (-0.2, 0.1)), L.Conv2D(2, 3)]),
    "RandomZoom": ((6, 6, 2), lambda L: [L.RandomZoom(0.1), L.Conv2D(2, 3)]),
    "ReLU": ((5,), lambda L: [L.ReLU(max_value=0.5), L.ReLU(negative_slope=0.1), L.ReLU(0.4, 0.1, 0.2)]),
    "Rescaling": ((5,), lambda L: [L.Rescaling(0.5, offset=-1.0)]),
    "Reshape": ((12,), lambda L: [L.Reshape((3, -1))]),
    "Softmax": ((5, 4), lambda L: [L.Softmax(), L.Softmax(axis=1), L.Softmax(axis=[1, 2])]),
    "SpatialDropout1D": ((6, 2), lambda L: [L.SpatialDropout1D(0.1), L.Conv1D(2, 3)]),
    "SpatialDropout2D": ((6, 6, 2), lambda L: [L.SpatialDropout2D(0.1)]),
    "UnitNormalization": ((5,), lambda L: [L.UnitNormalization()]),
    "ZeroPadding2D": ((6, 6, 2), lambda L: [L.ZeroPadding2D(((1, 0), (2, 3)))]),
}


@pytest.mark.parametrize("name", sorted(set(nnc.layers.registry) - {"InputLayer", "Variable"}))
def test_equal_predictions(name, keras, tmp_path):
    shape, made = NETS[name]
    theirs = keras.Sequential([keras.Input(shape), *made(keras.layers)])
    rng = np.random.default_rng(3)
    theirs.set_weights([rng.uniform(0.2, 0.9, w.shape) for w in theirs.get_weights()])
    theirs.save(tmp_path / "model.keras")
    model = nnc.load_keras(tmp_path / "model.keras")
    x = rng.standard_normal((5, *shape)).astype(np.float32)
    expected = theirs.predict(x, verbose=0)
    found = model.predict(x, verbose=0)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)
    assert [layer.name for layer in model.layers] == [layer.name for layer in theirs.layers]


@pytest.mark.skipif("Normalization" not in nnc.layers.registry, reason="nnc has no Normalization")
def test_adapted_normalization(keras, tmp_path):
    x = np.random.default_rng(0).normal(3.0, 2.0, (50, 4)).astype(np.float32)
    first = keras.layers.Normalization()
    first.adapt(x)
    theirs = keras.Sequential([keras.Input((4,)), first, keras.layers.Dense(2)])
    theirs.save(tmp_path / "model.keras")
    found = nnc.load_keras(tmp_path / "model.keras").predict(x)
    np.testing.assert_allclose(found, theirs.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


def test_models_in_models(keras, tmp_path):
    layers = keras.layers
    deep = keras.Sequential([layers.Dense(5, "tanh"), layers.BatchNormalization()], name="deep")
    encoder = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), deep, layers.Dense(2)], name="in")
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(8, "relu"), layers.Dense(6)], name="out")
    decoder.trainable = False
    theirs = keras.Sequential([encoder, layers.Dense(2), decoder])
    theirs.build((None, 6))
    theirs.save(tmp_path / "model.keras")
    model = nnc.load_keras(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((9, 6), np.float32)
    expected = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x), expected, rtol=TOLERANCE, atol=TOLERANCE)
    assert [layer.name for layer in model.layers] == [layer.name for layer in theirs.layers]
    assert len(model.trainable_weights) == len(theirs.trainable_weights)


def saved(keras, tmp_path, optimizer="sgd", loss="mse", metrics=None, units=3, **options):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, "sigmoid")])
    model.compile(optimizer, loss, metrics=metrics, **options)
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


@pytest.mark.parametrize("name", sorted(nnc.optimizers.registry))
def test_optimizers(name, keras, tmp_path):
    given = getattr(keras.optimizers, name)(0.02, weight_decay=0.1, clipnorm=0.5)
    found = nnc.load_keras(saved(keras, tmp_path, given)).optimizer
    assert type(found).__name__ == name
    options = found.get_config()
    assert {key: given.get_config()[key] for key in options.keys() & given.get_config().keys()} == options


@pytest.mark.parametrize("name", sorted(nnc.losses.registry))
def test_losses(name, keras, tmp_path):
    if not hasattr(keras.losses, name):
        pytest.skip("Keras has none of that name")
    found = nnc.load_keras(saved(keras, tmp_path, loss=getattr(keras.losses, name)())).loss
    assert type(found).__name__ == name


@pytest.mark.parametrize("name", sorted(nnc.metrics.registry))
def test_metrics(name, keras, tmp_path):
    loss = "sparse_categorical_crossentropy" if name.startswith("Sparse") else "categorical_crossentropy"
    required = (0.5,) if "At" in name else ()
    options = {"average": "macro"} if "Score" in name and name != "R2Score" else {}
    given = getattr(keras.metrics, name)(*required, name="mine", **options)
    path = saved(keras, tmp_path, loss=loss, metrics=[given, "accuracy"])
    model = nnc.load_keras(path)
    assert [metric.name for metric in model.metrics] == ["mine", "accuracy"]
    assert type(model.metrics[0]).__name__ == name


def test_trains_on_as_in_keras(keras, tmp_path):
    """Plain SGD has no slots, so both train in the same way."""
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)
    path = saved(keras, tmp_path, keras.optimizers.SGD(rate), "mse", ["mae"], units=2)
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 4), np.float32), rng.random((20, 2), np.float32)
    ours, theirs = nnc.load_keras(path), keras.models.load_model(path)
    given = {"epochs": 3, "batch_size": 4, "shuffle": False, "verbose": 0}
    found, expected = (model.fit(x, y, **given).history for model in (ours, theirs))
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)


def test_not_compiled(keras, tmp_path):
    assert nnc.load_keras(saved(keras, tmp_path), compile=False).optimizer is None
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    theirs.save(tmp_path / "model.keras")
    assert nnc.load_keras(tmp_path / "model.keras").optimizer is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"optimizer": "adadelta"}, "Adadelta"),
        ({"loss": "dice"}, "dice"),
        ({"metrics": ["mean_iou", "hinge"]}, ""),
        ({"loss": lambda y, a: (y - a) ** 2}, "lambda"),
        ({"loss_weights": [2.0]}, "loss_weights"),
        ({"loss": "sum of squares"}, "sum_over_batch_size"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_left_uncompiled_with_a_warning(given, named, keras, tmp_path):
    if "metrics" in given:
        given = {"metrics": [keras.metrics.IoU(2, [0], name="overlap")]}
        named = "IoU"
    if given.get("loss") == "sum of squares":
        given = {"loss": keras.losses.MeanSquaredError(reduction="sum")}
    path = saved(keras, tmp_path, **given)
    with pytest.warns(UserWarning, match=f"not compiled: .*{named}"):
        model = nnc.load_keras(path)
    assert model.optimizer is None and model.predict(np.ones((1, 4))).shape == (1, 3)


REFUSED = {
    "LSTM": ((5, 2), lambda L: [L.LSTM(3, name="memory")], "layer 'memory' .LSTM.: .*recurrent"),
    "float16": ((4,), lambda L: [L.Dense(3, dtype="mixed_float16")], "'dense.*dtype must be .*mixed_float16"),
    "channels_first": (
        (2, 6, 6),
        lambda L: [L.MaxPooling2D(2, data_format="channels_first")],
        "data_format must be .*channels_last.*channels_first",
    ),
    "relu as activation": (
        (4,),
        lambda L: [L.Dense(3, activation=L.ReLU(threshold=0.5))],
        "activation must be a name or a layer such as LeakyReLU",
    ),
    "activity": ((4,), lambda L: [L.Dense(3, activity_regularizer="l2")], "Dense.*activity_regularizer"),
    "sizes": ((None, 3), lambda L: [L.Conv1D(3, 2)], "InputLayer.*batch_shape must be known"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name, keras, tmp_path):
    shape, made, message = REFUSED[name]
    keras.Sequential([keras.Input(shape), *made(keras.layers)]).save(tmp_path / "model.keras")
    with pytest.raises(FormatError, match=message):
        nnc.load_keras(tmp_path / "model.keras")


def test_other_models_and_files(keras, tmp_path):
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "functional.keras")
    with pytest.raises(FormatError, match=r"not a Sequential.*Functional"):
        nnc.load_keras(tmp_path / "functional.keras")
    path = saved(keras, tmp_path)
    with pytest.raises(FormatError, match="load_keras reads it"):
        nnc.load_model(path)
    model = nnc.load_keras(path)
    keras.models.load_model(path).save_weights(tmp_path / "model.weights.h5")
    for read in (nnc.load_model, nnc.load_keras, model.load_weights):
        with pytest.raises(FormatError, match="HDF5 file"):
            read(tmp_path / "model.weights.h5")


def test_class_of_the_caller(keras, tmp_path):
    """A class of another module is not mistaken for Keras's own, whatever its name."""

    class Dense(keras.layers.Dense):
        pass

    keras.Sequential([keras.Input((4,)), Dense(2)]).save(tmp_path / "model.keras")
    with pytest.raises(FormatError, match="not one of Keras's own"):
        nnc.load_keras(tmp_path / "model.keras")


def test_frozen_and_unbuilt(keras, tmp_path):
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2, trainable=False)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's, of a model without weights
        model.save(tmp_path / "model.keras")
    found = nnc.load_keras(tmp_path / "model.keras")
    assert not found.built and [layer.trainable for layer in found.layers] == [True, False]
    model.build((None, 4))
    model.trainable = False
    model.save(tmp_path / "model.keras")
    found = nnc.load_keras(tmp_path / "model.keras")
    assert found.trainable_weights == [] and found.built
    x = np.ones((2, 4), np.float32)
    np.testing.assert_allclose(found.predict(x), model.predict(x, verbose=0), rtol=TOLERANCE)


def test_neither_keras_nor_a_backend_is_imported(keras, tmp_path):
    path = saved(keras, tmp_path)
    program = (
        "import sys, nnc; assert 'h5py' not in sys.modules; nnc.load_keras(sys.argv[1]); "
        "print([name for name in ('keras', 'torch', 'tensorflow', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
