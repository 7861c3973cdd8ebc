"""`compile(precision="bfloat16")`: training, predicting, saving, continuing, searching; what is unchanged."""

import copy
import json
import pickle

import numpy as np
import pytest
from safetensors import safe_open

import nnc
from nnc import FormatError, Sequential, callbacks, layers, load_model, search

RNG = np.random.default_rng(4)
X = RNG.normal(size=(60, 8, 7, 1)).astype(np.float32)
IDS = RNG.integers(0, 3, 60).astype(np.int32)


def make(precision="bfloat16", backend="compiled", seed=3):
    model = Sequential(
        [
            layers.Input((8, 7, 1)),
            layers.Conv2D(5, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(11, "gelu"),
            layers.Dropout(0.2),
            layers.Dense(3, "softmax"),
        ],
        seed=seed,
    )
    adam = nnc.optimizers.Adam(0.01)
    model.compile(
        adam, "sparse_categorical_crossentropy", metrics=["accuracy"], backend=backend, precision=precision
    )
    return model


def same(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_it_trains_about_like_float32():
    models = {precision: make(precision) for precision in ("float32", "bfloat16")}
    losses = {}
    for precision, model in models.items():
        assert model.precision == precision
        history = model.fit(X, IDS, 16, 30, verbose=0)
        losses[precision] = history.history["loss"]
        assert model.evaluate(X, IDS, verbose=0)[1] > 0.9
    assert losses["bfloat16"] != losses["float32"]
    np.testing.assert_allclose(losses["bfloat16"][:3], losses["float32"][:3], rtol=0.05)


def test_it_is_near_the_reference():
    models = [make(backend=backend) for backend in ("compiled", "reference")]
    models[1].set_weights(models[0].get_weights())
    outputs = [model.predict(X[:9]) for model in models]
    np.testing.assert_allclose(*outputs, atol=2e-3)
    losses = [model.fit(X[:20], IDS[:20], 7, 2, verbose=0).history["loss"] for model in models]
    np.testing.assert_allclose(*losses, rtol=1e-2)


def test_weights_are_float32():
    model = make()
    model.fit(X, IDS, epochs=1, verbose=0)
    lower_halves = [w.view(np.uint32) & 0xFFFF for w in model.get_weights() if w.size > 20]
    assert all(np.any(halves) for halves in lower_halves)


def test_a_row_at_a_time():
    model = make()
    model.fit(X, IDS, epochs=1, verbose=0)
    whole = model.predict(X)
    for i in (0, 1, 33):
        np.testing.assert_array_equal(model.predict(X[i : i + 1]), whole[i : i + 1])
    assert model.predict(X[:0]).shape == (0, 3)


def test_files_checkpoints_copies(tmp_path):
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "best.safetensors")
    model = make()
    model.fit(X, IDS, epochs=2, verbose=0, callbacks=[checkpoint])
    model.save(tmp_path / "model.safetensors")
    for other in (
        load_model(tmp_path / "model.safetensors"),
        load_model(tmp_path / "best.safetensors"),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
    ):
        assert other.precision == "bfloat16"
        same(model, other)
    with safe_open(tmp_path / "model.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["nnc"])["precision"] == "bfloat16"
        assert {file.get_tensor(name).dtype for name in file.keys() if "history" not in name} == {  # noqa: SIM118
            np.dtype(np.float32)
        }


def test_a_run_that_was_saved_goes_on(tmp_path):
    whole, half = make(), make()
    whole.fit(X, IDS, 16, 4, verbose=0)
    half.fit(X, IDS, 16, 2, verbose=0)
    half.save(tmp_path / "half")
    rest = load_model(tmp_path / "half")
    rest.fit(X, IDS, 16, 4, initial_epoch=2, verbose=0)
    same(whole, rest)


def test_files_of_float32_say_nothing(tmp_path):
    """Files without a precision load; a file with an unknown one is rejected."""
    make("float32").save(tmp_path / "model")
    with safe_open(tmp_path / "model", "numpy") as file:
        assert "precision" not in json.loads(file.metadata()["nnc"])
    assert load_model(tmp_path / "model").precision == "float32"
    make("bfloat16").save(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    (tmp_path / "model").write_bytes(content.replace(b"bfloat16", b"bfloat15"))
    with pytest.raises(FormatError, match=r"'precision' must be 'float32' or 'bfloat16'"):
        load_model(tmp_path / "model")


def test_compiling_again_changes_the_precision_only():
    model = make()
    weights, rounded = model.get_weights(), model.predict(X)
    model.compile("adam", "sparse_categorical_crossentropy")
    assert model.precision == "float32"
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert 1e-6 < np.abs(model.predict(X) - rounded).max() < 0.05


def test_wrong_precisions():
    for wrong in ("float16", None, 16, "BFLOAT16"):
        with pytest.raises(ValueError, match="precision must be 'float32' or 'bfloat16'"):
            make(wrong)


def build(params):
    return make(params["precision"], seed=None)


def test_a_search_over_precisions():
    space = {"precision": ["float32", "bfloat16"]}
    arguments = {"metric": "val_loss", "validation_split": 0.3, "seed": 1, "epochs": 2, "batch_size": 16}
    tables = [search.GridSearch(build, space, n_jobs=n, **arguments).run(X, IDS) for n in (1, 2)]
    found = [{trial.params["precision"]: trial.score for trial in table.trials} for table in tables]
    assert found[0] == found[1] and found[0]["float32"] != found[0]["bfloat16"]


def test_a_loss_in_python_and_layer_outputs():
    def squared(y_true, y_pred):
        difference = y_pred - y_true
        return np.mean(difference**2), 2 * difference / difference.size

    model = make()
    model.compile("sgd", squared, precision="bfloat16")
    y = np.eye(3, dtype=np.float32)[IDS]
    losses = model.fit(X, y, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(model.layer_output(X, model.layers[-1]), model.predict(X))
