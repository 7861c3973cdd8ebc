"""Files that look like Keras's: what is wrong with them is a FormatError saying so. Without Keras."""

from __future__ import annotations

import copy
import io
import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from keras_files import METADATA, archive, arrays_of, config_of, described, keras_file, weights_file

import nnc
from nnc import FormatError, layers

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def model():
    stack = [nnc.Input((3,)), layers.Dense(4, "relu", kernel_regularizer="l2"), layers.Dense(2)]
    return nnc.Sequential(stack, name="net", seed=1)


@pytest.fixture
def read(tmp_path):
    def load(data, **options):
        (tmp_path / "model.keras").write_bytes(data)
        return nnc.load_keras(tmp_path / "model.keras", **options)

    return load


def test_read(model, read):
    found = read(keras_file(config_of(model), weights_file(arrays_of(model))))
    x = np.random.default_rng(0).random((4, 3))
    np.testing.assert_array_equal(found.predict(x), model.predict(x))
    assert found.name == "net" and found.layers[0].kernel_regularizer == nnc.regularizers.L2()


MEMBERS = ("metadata.json", "config.json", "model.weights.h5")


def parts(model):
    data = (METADATA, json.dumps(config_of(model)).encode(), weights_file(arrays_of(model)))
    return dict(zip(MEMBERS, data, strict=True))


def test_archives(model, read):
    whole = parts(model)
    good = archive(whole)
    for name in MEMBERS:
        with pytest.raises(FormatError, match=f"has no {name}"):
            read(archive({key: data for key, data in whole.items() if key != name}))
    with pytest.raises(FormatError, match="compressed"):
        read(archive(whole, compression=zipfile.ZIP_DEFLATED))
    twice = archive(whole | {"config.jsom": whole["config.json"]}).replace(b"config.jsom", b"config.json")
    with pytest.raises(FormatError, match="a name twice"):
        read(twice)
    for data in (good[:-1], good + b"x", good[: len(good) // 2], b"", b"PK", b"PK\5\6" + bytes(18)):
        with pytest.raises(FormatError):
            read(data)
    with pytest.raises(FormatError, match=r"not a .keras file"):
        read(b"<html><body>Not found</body></html>" * 9)
    place = good.rindex(whole["model.weights.h5"][-40:])
    with pytest.raises(FormatError, match="CRC"):
        read(good[:place] + b"\xff" + good[place + 1 :])
    with pytest.raises(FormatError, match=r"Keras '2.12.0'"):
        read(archive(whole | {"metadata.json": b'{"keras_version": "2.12.0"}'}))


def test_a_bomb_takes_no_memory(model, read):
    """512 MiB of zeros in 512 KiB; and a configuration of more items than fit."""
    bomb = parts(model) | {"model.weights.h5": bytes(2**29)}
    data = archive(bomb, compression=zipfile.ZIP_DEFLATED)
    items = keras_file(b"[" * 2**20, b"")
    many = archive(parts(model) | {f"{i:04}" * 50: b"" for i in range(5000)})
    del bomb
    for given in (data, items, many):
        tracemalloc.start()
        with pytest.raises(FormatError):
            read(given)
        assert tracemalloc.get_traced_memory()[1] < 2**25
        tracemalloc.stop()


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        nnc.load_keras(tmp_path / "none.keras")
    with pytest.raises(IsADirectoryError):
        nnc.load_keras(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FormatError, match="this is not a regular file"):
        nnc.load_keras(tmp_path / "fifo")


def changed(config, *place, value):
    config = copy.deepcopy(config)
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return config


DENSE = ("config", "layers", 1)
EXECUTED = [
    ((*DENSE, "class_name"), "Lambda", "Lambda"),
    ((*DENSE, "module"), "os", "module 'os'"),
    ((*DENSE, "module"), "keras_hub.layers", "not one of Keras's own"),
    ((*DENSE, "config", "activation"), described("function", "builtins", code="1"), "not one of Keras's own"),
    (
        (*DENSE, "config", "activation"),
        {"class_name": "__lambda__", "config": {"value": "4wAA"}},
        "__lambda__",
    ),
    ((*DENSE, "config", "kernel_initializer"), described("system", "keras.os", command="true"), "system"),
    ((*DENSE, "config", "kernel_initializer", "class_name"), "__import__", "__import__"),
    ((*DENSE, "config", "kernel_initializer", "config"), {"_draw": 1}, "_draw"),
    ((*DENSE, "config", "units"), 2**24, "402653192 bytes, its HDF5 file only"),
    ((*DENSE, "config", "units"), 2**40, "units"),
    ((*DENSE, "config", "units"), -1, "units"),
    ((*DENSE, "config", "unitz"), 4, "no argument 'unitz'; did you mean 'units'"),
    ((*DENSE, "config", "dtype"), "float16", "dtype"),
    ((*DENSE, "config", "name"), "a/b", "name"),
    ((*DENSE, "config"), None, "configuration of Dense"),
    (("config", "layers"), {"a": 1}, "'layers' must be a list"),
    (("config", "layers", 0, "config", "batch_shape"), [None, 2**24, 2**24], "16777216"),
    (("config", "build_input_shape"), [None, 5], r"samples of shape \(3,\), got \(5,\)"),
    (("class_name",), "Functional", "only Sequential"),
    (("config",), [], "configuration"),
]


@pytest.mark.parametrize(("place", "value", "message"), EXECUTED, ids=lambda v: str(v)[:40])
def test_configurations(place, value, message, model, read):
    config = changed(config_of(model), *place, value=value)
    with pytest.raises(FormatError, match=message):
        read(keras_file(config, weights_file(arrays_of(model))))


def test_compiled(model, read):
    rate = described("CosineDecay", "keras.optimizers.schedules", initial_learning_rate=0.1, decay_steps=9)
    optimizer = described("SGD", "keras.optimizers", learning_rate=rate, use_ema=False, momentum=0.5)
    config = config_of(model, optimizer)
    weights = weights_file(arrays_of(model))
    found = read(keras_file(config, weights))
    assert found.optimizer.momentum == 0.5 and found.optimizer.learning_rate.decay_steps == 9
    assert found.loss == nnc.losses.MeanSquaredError() and found.metrics[0].name == "mae"
    for place, value in (
        (("optimizer", "config", "use_ema"), True),
        (("optimizer", "class_name"), "Adadelta"),
        (("optimizer", "module"), "os"),
        (("loss",), {"a": 1}),
        (("metrics",), [{"class_name": "function"}]),
        (("weighted_metrics",), ["maximum"]),
    ):
        with pytest.warns(UserWarning, match="not compiled"):
            found = read(keras_file(changed(config, "compile_config", *place, value=value), weights))
        assert found.optimizer is None


def h5(make):
    raw = io.BytesIO()
    with h5py.File(raw, "w") as file:
        make(file)
    return raw.getvalue()


def test_weights(model, read, tmp_path):
    """Arrays that lie elsewhere, are made up, compressed, of other shapes or types, or too many."""
    arrays = arrays_of(model)
    kernel = arrays["layers/dense"][0]
    first = "layers/dense/vars/0"
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["a"] = kernel
    (tmp_path / "raw").write_bytes(kernel.tobytes())

    def virtual(file):
        layout = h5py.VirtualLayout(kernel.shape, "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "a", kernel.shape)
        file.create_virtual_dataset(first, layout)

    def reserved(file):  # Keras's own come with all of their bytes
        file.create_dataset(first, kernel.shape, "f4")

    cases = {
        "ExternalLink": lambda f: f.__setitem__(first, h5py.ExternalLink(str(tmp_path / "other.h5"), "a")),
        "SoftLink": lambda f: f.__setitem__(first, h5py.SoftLink("/layers/dense_1/vars/0")),
        "contiguously": virtual,
        "contiguously ": lambda f: f.create_dataset(first, data=kernel, compression="gzip"),
        "contiguously  ": lambda f: f.create_dataset(first, data=kernel, chunks=(1, 4)),
        "contiguously   ": lambda f: f.create_dataset(
            first, kernel.shape, "f4", external=[(str(tmp_path / "raw"), 0, kernel.nbytes)]
        ),
        "0 bytes": reserved,
        r"float32 \(4, 3\)": lambda f: f.__setitem__(first, kernel.T),
        "float64": lambda f: f.__setitem__(first, kernel.astype(float)),
        "int32": lambda f: f.__setitem__(first, kernel.view(np.int32)),
        "not a Dataset": lambda f: f.create_group(first),
        "3 weights": lambda f: (f.__setitem__(first, kernel), f.__setitem__("layers/dense/vars/2", kernel)),
        "weight 0 is missing from": lambda f: f.__setitem__("layers/dense/vars/x", kernel),
    }
    for message, make in cases.items():

        def fill(file, make=make):
            file["layers/dense/vars/1"] = arrays["layers/dense"][1]
            for i, array in enumerate(arrays["layers/dense_1"]):
                file[f"layers/dense_1/vars/{i}"] = array
            make(file)

        with pytest.raises(FormatError, match=f"layer 'dense' .*{message.strip()}"):
            read(keras_file(config_of(model), h5(fill)))
    with pytest.raises(FormatError, match=r"layer 'dense_1' .*0 weights in the file, not 2"):
        read(keras_file(config_of(model), weights_file({"layers/dense": arrays["layers/dense"]})))


def test_not_finite(model, read):
    arrays = arrays_of(model)
    arrays["layers/dense"][1][2] = np.nan
    with pytest.warns(UserWarning, match="NaN in bias of layer 'dense'"):
        read(keras_file(config_of(model), weights_file(arrays)))
