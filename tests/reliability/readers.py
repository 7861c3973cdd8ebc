"""The parsers under test, by name: each reads arbitrary bytes and raises nothing but FormatError.

The tests mutate valid files; fuzz.py lets atheris search for inputs. Both start from `seeds`.
"""

from __future__ import annotations

import functools
import gzip
import importlib.util
import io
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import keras_files

import nnc
from nnc import FormatError, layers, losses, optimizers, schedules
from nnc.datasets import read_idx
from nnc.search.journal import Journal
from nnc.search.trials import Outcome

PRINT = {"seed": 4, "metric": "val_accuracy"}
_FOLDER = Path(tempfile.mkdtemp(prefix="nnc-"))


def read_model(data: bytes) -> None:
    path = _FOLDER / "model"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # NaN in weights
        _use(nnc.load_model(path))


def _use(model: nnc.Sequential) -> None:
    if model.built and model.count_params() < 10**5 and np.prod(model.input_shape[1:]) < 10**5:
        model.predict(np.zeros((2, *model.input_shape[1:]), np.float32))


def read_keras(data: bytes) -> None:
    path = _FOLDER / "keras"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # NaN in weights, unknown optimizers
        _use(nnc.load_keras(path))


def read_keras_config(data: bytes) -> None:
    read_keras(keras_files.keras_file(data, keras_weights()[0]))


def read_keras_weights(data: bytes) -> None:
    read_keras(keras_files.keras_file(keras_configs()[0], data))


def _in_keras() -> nnc.Sequential:
    stack = [
        layers.Input((6, 6, 1)),
        layers.Conv2D(2, 3, kernel_regularizer="l2"),
        layers.BatchNormalization(),
    ]
    return nnc.Sequential([*stack, layers.Flatten(), layers.Dense(2, "relu")], seed=3)


@functools.cache
def keras_configs() -> list[bytes]:
    rate = {"initial_learning_rate": 0.1, "decay_steps": 9}
    schedule = keras_files.described("CosineDecay", "keras.optimizers.schedules", **rate)
    optimizer = keras_files.described("SGD", "keras.optimizers", learning_rate=schedule, use_ema=False)
    return [json.dumps(keras_files.config_of(_in_keras(), optimizer), separators=(",", ":")).encode()]


@functools.cache
def keras_weights() -> list[bytes]:
    return [keras_files.weights_file(keras_files.arrays_of(_in_keras()))]


def keras_wholes() -> list[bytes]:
    return [keras_files.keras_file(keras_configs()[0], keras_weights()[0])]


def read_journal(data: bytes) -> None:
    path = _FOLDER / "journal"
    path.write_bytes(data)
    try:
        with Journal(path, PRINT) as read:
            assert all(isinstance(outcome, Outcome) for outcome in read.outcomes.values())
    except FormatError:
        assert path.read_bytes() == data
        raise
    except ValueError as error:
        if "is the journal of another search" not in str(error):
            raise
        assert path.read_bytes() == data


def read_array(data: bytes) -> None:
    array = read_idx(io.BytesIO(data))
    assert 1 <= array.ndim <= 4 and array.nbytes <= 1032 * len(data)


def models() -> list[bytes]:
    """Files of trained models, with everything that a file can contain."""
    rng, found = np.random.default_rng(0), []
    path = _FOLDER / "seed"
    rate = schedules.ExponentialDecay(0.1, 5, 0.5)
    dense = nnc.Sequential([layers.Dense(4, "leaky_relu", kernel_regularizer="l2"), layers.PReLU()], seed=1)
    dense.add(layers.Dropout(0.2))
    dense.add(layers.Dense(3, "softmax"))
    dense.compile(
        optimizers.SGD(rate, momentum=0.9, nesterov=True),
        losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    stop = nnc.callbacks.EarlyStopping("loss", patience=1, min_delta=9.0, restore_best_weights=True)
    save = nnc.callbacks.ModelCheckpoint(path)
    dense.fit(rng.random((12, 5)), np.arange(12) % 3, epochs=9, verbose=0, callbacks=[stop, save])
    found.append(path.read_bytes())
    images = nnc.Sequential(
        [layers.Input((6, 6, 1)), layers.Conv2D(2, 3), layers.BatchNormalization()], seed=2
    )
    images.add(layers.MaxPooling2D(2))
    images.add(layers.Flatten())
    images.add(layers.Dense(1))
    images.compile(optimizers.Adam(0.01, amsgrad=True), "mse", backend="reference")
    images.fit(rng.random((6, 6, 6, 1)), np.ones(6), verbose=0)
    images.save(path)
    return [*found, path.read_bytes()]


def journals() -> list[bytes]:
    path = _FOLDER / "seed-journal"
    path.unlink(missing_ok=True)
    history = {"loss": [1.0, float("nan")], "val_accuracy": [0.5, 0.25]}
    with Journal(path, PRINT) as open_:
        for number in range(3):
            open_.write(Outcome(number, 0, "done", 0.5, [0.25, 0.75], 2, [history], "", 1.5, True))
    return [path.read_bytes()]


def arrays() -> list[bytes]:
    plain = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]) + bytes(range(24))
    floats = bytes([0, 0, 0x0D, 1, 0, 0, 0, 2]) + np.array([1.5, 2.5], ">f4").tobytes()
    return [plain, floats, gzip.compress(plain, mtime=0), b"<html><body>Not found</body></html>"]


READERS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "model": (read_model, models),
    "journal": (read_journal, journals),
    "idx": (read_array, arrays),
}
if importlib.util.find_spec("h5py"):  # from the extra "keras"
    READERS |= {
        "keras": (read_keras, keras_wholes),
        "keras-config": (read_keras_config, keras_configs),
        "keras-weights": (read_keras_weights, keras_weights),
    }
