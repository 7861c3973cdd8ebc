"""The model file: bitwise round trips, atomic writes, and no harm from any bytes."""

import hashlib
import json
import math
import os
import random as stdlib_random
import signal
import subprocess
import sys
import textwrap
import time
import tracemalloc
import warnings

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save

import nnc
from nnc import (
    FormatError,
    Sequential,
    _files,
    layers,
    load_model,
    losses,
    metrics,
    optimizers,
    saving,
    schedules,
)

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 5)).astype(np.float32)
IDS = RNG.integers(0, 3, 40)
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "nesterov": lambda: optimizers.SGD(schedules.ExponentialDecay(0.1, 5, 0.5), momentum=0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(
        schedules.InverseTimeDecay(0.01, 1, 0.5, per="epoch"), amsgrad=True, clipnorm=1.0
    ),
    "adamw": lambda: optimizers.AdamW(0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "lion": lambda: optimizers.Lion(0.01),
}


def make(backend="compiled", optimizer="adam", seed=2**63 + 5):
    model = Sequential(
        [
            layers.Input((5,)),
            layers.Rescaling(0.5, 0.1),
            layers.Dense(6, "leaky_relu", kernel_regularizer=nnc.regularizers.L1L2(1e-5, 1e-4), name="first"),
            layers.PReLU(),
            layers.Dropout(0.2),
            layers.Dense(3, use_bias=False),
            layers.Softmax(),
        ],
        name="tested",
        seed=seed,
    )
    model.compile(
        OPTIMIZERS[optimizer](), losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy", metrics.SparseTopKCategoricalAccuracy(k=2)], backend=backend,
    )  # fmt: skip
    return model


def trained(backend="compiled", optimizer="adam", epochs=2):
    model = make(backend, optimizer)
    model.fit(X, IDS, epochs=epochs, batch_size=8, verbose=0, validation_split=0.2)
    return model


def digest(model):
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()


# --------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_everything_comes_back(optimizer, backend, tmp_path):
    model = trained(backend, optimizer)
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert digest(loaded) == digest(model)
    assert [w.dtype for w in loaded.get_weights()] == [w.dtype for w in model.get_weights()]
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.evaluate(X, IDS) == model.evaluate(X, IDS)
    assert (loaded.name, loaded.seed, loaded.backend) == ("tested", 2**63 + 5, backend)
    assert repr(loaded) == repr(model) and loaded.metrics_names == model.metrics_names
    assert [layer.get_config() for layer in loaded.layers] == [layer.get_config() for layer in model.layers]
    assert loaded.optimizer.iterations == model.optimizer.iterations == 8
    assert (loaded.history.epoch, loaded.history.history) == (model.history.epoch, model.history.history)
    assert list(loaded.history.history) == ["loss", *loaded.metrics_names[1:], "val_loss"] + [
        f"val_{name}" for name in loaded.metrics_names[1:]
    ]
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_is_uninterrupted(optimizer, backend, tmp_path):
    whole = trained(backend, optimizer, epochs=5)
    trained(backend, optimizer, epochs=2).save(tmp_path / "model")
    resumed = load_model(tmp_path / "model")
    resumed.fit(X, IDS, initial_epoch=2, epochs=5, batch_size=8, verbose=0, validation_split=0.2)
    assert digest(resumed) == digest(whole)
    assert resumed.history.history == {k: v[2:] for k, v in whole.history.history.items()}


def test_resumed_in_another_process(tmp_path):
    whole = trained(epochs=4)
    trained(epochs=1).save(tmp_path / "model")
    np.savez(tmp_path / "data.npz", x=X, y=IDS)
    script = f"""
        import hashlib, numpy as np, nnc
        data = np.load({str(tmp_path / "data.npz")!r})
        model = nnc.load_model({str(tmp_path / "model")!r})
        model.fit(data["x"], data["y"], initial_epoch=1, epochs=4, batch_size=8, verbose=0,
                  validation_split=0.2)
        print(hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == digest(whole)


def test_before_training_and_before_building(tmp_path, backend):
    for layers_ in ([layers.Dense(3, "softmax")], [layers.Dense(3, "softmax", input_dim=5)]):
        model = Sequential(layers_, seed=4)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], backend=backend)
        model.save(tmp_path / "model")
        loaded = load_model(tmp_path / "model")
        assert loaded.built == model.built and loaded.history is None
        for m in (model, loaded):
            m.fit(X, IDS, verbose=0)
        assert digest(loaded) == digest(model) and list(loaded.history.history) == ["loss", "accuracy"]
    model = Sequential([layers.Dense(3)])
    model.compile("adam", "mse", metrics=[metrics.MeanAbsoluteError(name="off"), "mse"], backend=backend)
    model.save(tmp_path / "model")
    assert list(load_model(tmp_path / "model").fit(X, X[:, :3], verbose=0).history) == ["loss", "off", "mse"]
    empty = Sequential()
    empty.save(tmp_path / "empty")
    assert load_model(tmp_path / "empty").layers == []


def test_not_compiled_and_compile_false(tmp_path):
    model = trained()
    model.save(tmp_path / "model")
    bare = load_model(tmp_path / "model", compile=False)
    assert bare.optimizer is bare.loss is None and digest(bare) == digest(model)
    np.testing.assert_array_equal(bare.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="compile"):
        bare.fit(X, IDS)
    bare.compile("sgd", "sparse_categorical_crossentropy")
    bare.fit(X, IDS, verbose=0)
    assert load_model(tmp_path / "model").loss is not None


def test_python_loss_is_left_out(tmp_path):
    model = Sequential([layers.Dense(1)], seed=0)
    model.compile("adam", lambda y, a: (float(np.mean((a - y) ** 2)), 2 * (a - y) / a.size))
    model.fit(X, X[:, :1], verbose=0)
    with pytest.warns(UserWarning, match=r"saved without its compile arguments.*FunctionLoss") as warned:
        model.save(tmp_path / "model")
    assert warned[0].filename == __file__
    loaded = load_model(tmp_path / "model")
    assert loaded.loss is None and digest(loaded) == digest(model)
    assert loaded.history.history == model.history.history


def test_own_layer_class_cannot_be_saved(tmp_path):
    class Own(layers.Dense):
        pass

    with pytest.raises(ValueError, match="its class Own is not one of nnc's own"):
        Sequential([Own(3)]).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_weights(tmp_path, backend):
    model = trained(backend)
    model.save_weights(tmp_path / "weights")
    assert load_model(tmp_path / "weights").loss is None
    for file in ("weights", "model"):
        model.save(tmp_path / "model")
        other = make(backend, "sgd", seed=1)
        assert digest(other) != digest(model)
        other.load_weights(tmp_path / file)
        assert digest(other) == digest(model) and other.optimizer.iterations == 0
    unbuilt = Sequential([layers.Dense(6), layers.PReLU(), layers.Dense(3, use_bias=False)])
    unbuilt.load_weights(tmp_path / "weights")
    assert unbuilt.input_shape == (None, 5) and len(unbuilt.get_weights()) == 4
    with pytest.raises(
        ValueError, match=r"weights in .* do not fit this model: set_weights takes 2 arrays .* got 4"
    ):
        Sequential([layers.Dense(6)]).load_weights(tmp_path / "weights")
    wrong = Sequential([layers.Input((5,)), layers.Dense(6), layers.PReLU(), layers.Dense(4, use_bias=False)])
    with pytest.raises(ValueError, match=r"kernel of layer 'dense_1' has shape \(6, 4\), got .* \(6, 3\)"):
        wrong.load_weights(tmp_path / "weights")


def test_other_backend(tmp_path):
    """A file of the reference has float64 weights: its runs continue bit for bit, too."""
    trained("reference").save(tmp_path / "model")
    assert load_file(tmp_path / "model")["first/kernel"].dtype == np.float64
    model = Sequential([layers.Dense(6), layers.PReLU(), layers.Dense(3, use_bias=False)])
    model.load_weights(tmp_path / "model")
    assert model.get_weights()[0].dtype == np.float32


def test_odd_logs(tmp_path):
    """NaN and infinity are restored; values that are not numbers are left out."""
    model = trained()
    model.history.history |= {
        "odd/name": [math.nan, math.inf],
        "words": ["a", "b"],
        "short": [1],
        "epoch": [2.0, 3.0],
        "each class": [np.array([0.5, 0.25, 1.0]), np.array([1.0, 0.5, 0.0])],
    }
    model.save(tmp_path / "model")
    history = load_model(tmp_path / "model").history.history
    assert [array.tolist() for array in history["each class"]] == [[0.5, 0.25, 1.0], [1.0, 0.5, 0.0]]
    assert math.isnan(history["odd/name"][0]) and history["odd/name"][1] == math.inf
    assert history["short"] == [1.0] and history["epoch"] == [2.0, 3.0] and "words" not in history


def test_layer_named_like_a_section(tmp_path):
    model = Sequential(
        [layers.Dense(2, name=name) for name in ("history", "slots", "callbacks", "é \N{SNOWMAN}")]
    )
    model.compile("adam", "mse")
    model.fit(X, X[:, :2], verbose=0)
    model.save(tmp_path / "model")
    assert digest(load_model(tmp_path / "model")) == digest(model)


def test_readable_by_safetensors(tmp_path):
    model = trained(optimizer="nesterov")
    model.save(tmp_path / "model")
    tensors = load_file(tmp_path / "model")
    assert {"first/kernel", "first/bias", "p_re_lu/alpha", "dense/kernel"} <= tensors.keys()
    assert "slots/v/first/kernel" in tensors and tensors["history/logs/loss"].shape == (2,)
    np.testing.assert_array_equal(tensors["first/kernel"], model.get_weights()[0])


def test_alpha_as_a_vector(tmp_path):
    """Files of nnc 0.1.0 have the PReLU's alpha of several axes, and its slots, as vectors."""
    model = Sequential(
        [layers.Input((3, 4)), layers.PReLU("random_normal"), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    model.fit(np.random.default_rng(0).normal(size=(9, 3, 4)), np.ones(9), verbose=0)
    model.save(tmp_path / "model")
    tensors = load_file(tmp_path / "model")
    with safe_open(tmp_path / "model", "numpy") as file:
        metadata = file.metadata()
    flat = {name: a.reshape(-1) if name.endswith("/alpha") else a for name, a in tensors.items()}
    assert sum(flat[name].shape != tensors[name].shape for name in tensors) == 3  # alpha, m and v
    (tmp_path / "old").write_bytes(save(flat, metadata))
    loaded = load_model(tmp_path / "old")
    assert digest(loaded) == digest(model) and loaded.get_weights()[0].shape == (3, 4)
    model.load_weights(tmp_path / "old")
    flat["p_re_lu/alpha"] = np.zeros(13, np.float32)
    (tmp_path / "old").write_bytes(save(flat, metadata))
    with pytest.raises(FormatError, match=r"p_re_lu/alpha' is F32 \(13,\), not F32 \(3, 4\)"):
        load_model(tmp_path / "old")


def test_models_do_not_draw_from_the_global_seed_when_loaded(tmp_path):
    nnc.set_random_seed(3)
    trained().save(tmp_path / "model")
    expected = Sequential().seed
    nnc.set_random_seed(3)
    load_model(tmp_path / "model")
    assert Sequential().seed == expected
    nnc.set_random_seed(0)


# --------------------------------------------------------------------------- atomic writes


def test_overwrite(tmp_path):
    path = tmp_path / "model"
    model = trained()
    model.save(path)
    with pytest.raises(FileExistsError, match="already exists, and overwrite is False"):
        model.save(path, overwrite=False)
    model.fit(X, IDS, verbose=0)
    model.save(path)
    assert digest(load_model(path)) == digest(model)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(os.name != "posix", reason="requires POSIX permissions and links")
def test_permissions_and_links(tmp_path):
    old = os.umask(0o027)
    try:
        (tmp_path / "link").symlink_to(tmp_path / "model")
        trained().save(tmp_path / "link")
    finally:
        os.umask(old)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "model").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_failing_write_leaves_the_old_file(where, tmp_path, monkeypatch):
    path = tmp_path / "model"
    model = trained()
    model.save(path)
    before = path.read_bytes()
    model.fit(X, IDS, verbose=0)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    if where == "write":
        real = os.fdopen

        class Full:
            def __init__(self, file):
                self.file = file

            def __enter__(self):
                return self

            def __exit__(self, *_):
                self.file.close()

            def write(self, data):
                self.file.write(data[: len(data) // 2])
                self.file.flush()
                full()

        monkeypatch.setattr(_files, "open", lambda *a: Full(real(*a)), raising=False)
    else:
        monkeypatch.setattr(os, where, full)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["model"]


def test_no_room_on_the_disk(tmp_path):
    """A real write error in the middle of the file (a file-size limit simulates a full disk)."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "model"
    model = trained()
    model.save(path)
    before = path.read_bytes()
    model.fit(X, IDS, verbose=0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
        with pytest.raises(OSError, match="too large"):
            model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["model"]


def test_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        trained().save(tmp_path / "none" / "model")
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "model")
    with pytest.raises(IsADirectoryError):
        trained().save(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_while_saving(tmp_path):
    """Kill processes that save repeatedly at random moments: the file is always a complete one."""
    path = tmp_path / "model"
    script = f"""
        import os, numpy as np, nnc
        model = nnc.Sequential([nnc.layers.Dense(200, input_dim=200)], seed=0)
        for k in range(2):
            if os.fork() == 0:
                break  # two of them, at once
        for number in range(10**6):
            model.set_weights([np.full((200, 200), number), np.full(200, number)])
            model.save({str(path)!r})
            if number == 0:
                print("ready", flush=True)
    """
    times = stdlib_random.Random(1)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, start_new_session=True
        )
        process.stdout.readline()
        for _ in range(12):
            time.sleep(times.uniform(0, 0.004))
            kernel, bias = load_model(path).get_weights()  # while they write
            assert (kernel == bias[0]).all() and (bias == bias[0]).all()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        kernel, bias = load_model(path).get_weights()
        assert (kernel == bias[0]).all() and (bias == bias[0]).all()


# ------------------------------------------------------------------------------------- bad files


def pack(header, data=b""):
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + data


def entry(shape=(1,), begin=0, end=4, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


BAD_HEADERS = {
    "empty": (b"", "0 bytes are too few"),
    "short": (b"\0" * 7, "7 bytes are too few"),
    "longer than the file": (b"\xff" * 8 + b"{}", "10 bytes are too few"),
    "too long": (pack(b"{" + b" " * (8 * 2**20 + 1)), "has 8388610 bytes, more than 8388608"),
    "no brace": (pack(b'  {"a":1}'), "does not start with {"),
    "no JSON": (pack(b"{]"), "damaged"),
    "a list": (pack(b"{}[]"), "damaged"),
    "not UTF-8": (pack(b'{"\xff":1}'), "damaged"),
    # Python 3.14 parses it: it has no limit of its own there.
    "deep": (pack(b'{"a":' + b"[" * 20000 + b"]" * 20000 + b"}"), "damaged|must have exactly dtype"),
    "many items": (pack(b'{"a":[' + b"[],[]," * 60000 + b"[]]}"), "too many items"),
    "NaN": (pack(b'{"a":NaN}'), "the JSON has NaN"),
    "infinity": (pack(b'{"a":-Infinity}'), "the JSON has -Infinity"),
    "twice": (pack(b'{"a":1,"a":2}'), "a duplicate key"),
    "huge number": (pack(b'{"a":' + b"9" * 5000 + b"}"), "damaged"),
    "metadata no table": (pack({"__metadata__": [1]}), "__metadata__ is not a dict of strings"),
    "metadata no strings": (pack({"__metadata__": {"nnc": 1}}), "__metadata__ is not a dict of strings"),
    "tensor no table": (pack({"a": 1}), "tensor 'a' must have exactly dtype"),
    "unknown key": (pack({"a": entry() | {"b": 1}}, b"1234"), "tensor 'a' must have exactly dtype"),
    "no shape": (
        pack({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, b"1234"),
        "tensor 'a' must have exactly dtype",
    ),
    "unknown dtype": (pack({"a": entry(dtype="F8")}, b"1234"), "the dtype 'F8', not one of F32, F64, I64"),
    "dtype a list": (pack({"a": entry(dtype=[])}, b"1234"), "the dtype"),
    "negative size": (pack({"a": entry((-1,), 4, 0)}, b"1234"), "does not have a shape"),
    "true size": (pack({"a": entry((True,))}, b"1234"), "does not have a shape"),
    "broken size": (pack({"a": entry((1.0,))}, b"1234"), "does not have a shape"),
    "shape a string": (pack({"a": entry() | {"shape": "1"}}, b"1234"), "does not have a shape"),
    "many axes": (pack({"a": entry((1,) * 9)}, b"1234"), "does not have a shape"),
    "one offset": (pack({"a": entry() | {"data_offsets": [4]}}, b"1234"), "does not have two data_offsets"),
    "negative offset": (pack({"a": entry((1,), -4, 0)}, b"1234"), "does not have two data_offsets"),
    "shape and span differ": (pack({"a": entry((2,))}, b"1234"), "tensor 'a' of shape .* has 4 bytes"),
    "overflow of 64 bits": (pack({"a": entry((2**32, 2**32), 0, 0)}), "has 0 bytes"),
    "hole": (pack({"a": entry(begin=4, end=8)}, b"12345678"), "a gap or overlap at byte 0"),
    "overlap": (pack({"a": entry(), "b": entry()}, b"1234"), "a gap or overlap"),
    "partial overlap":
        (pack({"a": entry((2,), 0, 8), "b": entry((1,), 4, 8)}, b"12345678"), "gap or overlap"),
    "trailing": (pack({"a": entry()}, b"12345"), "take 4 bytes, the file has 5"),
    "cut short": (pack({"a": entry()}, b"123"), "take 4 bytes, the file has 3"),
    "of others": (save({"a": np.zeros(3, np.float32)}), 'not an nnc model: its metadata have no key "nnc"'),
    "configuration no JSON": (save({}, {"nnc": "{"}), "damaged"),
    "configuration a list": (save({}, {"nnc": "[]"}), "no format version"),
    "configuration doubled": (save({}, {"nnc": '{"format":1,"format":1}'}), "a duplicate key"),
    "newer": (save({}, {"nnc": '{"format":2}'}), "has format 2, this nnc .* reads up to 1: use a newer nnc"),
    "format true": (save({}, {"nnc": '{"format":true}'}), "no format version"),
    "keys missing": (save({}, {"nnc": '{"format":1}'}), "unknown or missing keys: backend, callbacks"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_bad_headers(case, tmp_path):
    data, message = BAD_HEADERS[case]
    path = tmp_path / "model"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        load_model(path)
    assert str(caught.value).startswith(str(path))
    with pytest.raises(FormatError):
        Sequential([layers.Dense(1)]).load_weights(path)


def _taken_apart(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return json.loads(header["__metadata__"]["nnc"]), load_file(path)


def _set(*keys):
    """A function that sets the value at `keys[:-1]` of a configuration to `keys[-1]`."""

    def change(config, tensors):
        *places, last, value = keys
        for place in places:
            config = config[place]
        config[last] = value

    return change


def _tensor(name, value):
    def change(config, tensors):
        if value is None:
            del tensors[name]
        else:
            tensors[name] = value

    return change


FIRST = ("layers", 1, "config")
BAD_CONFIGS = {
    "unknown key": (_set("more", 1), "unknown or missing keys: more"),
    "name a number": (_set("name", 1), "'name' must be a str"),
    "seed null": (_set("seed", None), "'seed'"),
    "seed negative": (_set("seed", -1), "seed' must be an integer from 0"),
    "seed of 65 bits": (_set("seed", 2**64), "seed' must be an integer from 0"),
    "seed true": (_set("seed", True), "seed' must be an integer"),
    "backend": (_set("backend", "os"), "'backend' must be"),
    "iterations negative": (_set("iterations", -1), "'iterations' must be a count"),
    "iterations broken": (_set("iterations", 1.5), "'iterations' must be a count"),
    "epoch a string": (_set("epoch", "1"), "'epoch' must be a count"),
    "layers a table": (_set("layers", {}), "'layers' must be a list"),
    "layer unknown": (_set("layers", 1, "class_name", "Lambda"), "class_name must be one of"),
    "layer a path": (_set("layers", 1, "class_name", "os.system"), "class_name must be one of"),
    "layer a base": (_set("layers", 1, "class_name", "Layer"), "class_name must be one of"),
    "layer of another family": (_set("layers", 1, "class_name", "Adam"), "class_name must be one of"),
    "layer with a module": (_set("layers", 1, "module", "os"), "must be a dict with the keys"),
    "layer with another key": (_set(*FIRST, "code", "x"), "keys of Dense"),
    "layer a number": (_set("layers", 1, 3), "must be a dict"),
    "layer without name": (_set(*FIRST, "name", None), "must be layers with names"),
    "names the same": (_set("layers", 4, "config", "name", "first"), "already has a layer named 'first'"),
    "name with a slash": (_set(*FIRST, "name", "a/b"), "name must be"),
    "units huge": (_set(*FIRST, "units", 2**40), "units must be"),
    "units large": (_set(*FIRST, "units", 2**24), "not F32"),
    "units other": (_set(*FIRST, "units", 7), r"tensor '.*' is F32 .*, not F32"),
    "units zero": (_set(*FIRST, "units", 0), "units must be"),
    "units true": (_set(*FIRST, "units", True), "units must be"),
    "units a string": (_set(*FIRST, "units", "6"), "units must be"),
    "activation unknown": (_set(*FIRST, "activation", "eval"), "activation must be"),
    "activation a table":
        (_set(*FIRST, "activation", {"class_name": "Dense", "config": {}}), "class_name must"),
    "rate": (_set("layers", 3, "config", "rate", 1.0), "rate must be"),
    "bias missing": (_set(*FIRST, "use_bias", False), "differ in 'first/bias'"),
    "input a Dense": (lambda c, t: c.update(input=c["layers"][1]), "'input' must be an InputLayer"),
    "input twice": (lambda c, t: c["layers"].insert(0, c["input"]), "'layers' must be layers with names"),
    "input shape other": (_set("input_shape", [6]), r"samples of shape \(5,\), got \(6,\)"),
    "input shape empty": (_set("input_shape", []), "'input_shape' must be a shape"),
    "input shape null": (_set("input_shape", None), "'input_shape' is null"),
    "input shape of floats": (_set("input_shape", [5.0]), "'input_shape' must be a shape"),
    "input huge": (_set("input", "config", "shape", [2**62]), "shape must be"),
    "too many layers": (lambda c, t: c["layers"].extend([{"class_name": "Flatten", "config": {"name": f"{i}"}}
                        for i in range(4096)]), "at most 4096 layers"),
    "compile a list": (_set("compile", []), "'compile' must have loss, metrics, optimizer"),
    "compile null": (_set("compile", None), "'slots' and 'iterations' need 'compile'"),
    "optimizer unknown": (_set("compile", "optimizer", "class_name", "Ftrl"), "class_name must be one of"),
    "rate NaN in disguise": (_set("compile", "optimizer", "config", "learning_rate", 1e999), "Infinity"),
    "beta": (_set("compile", "optimizer", "config", "beta_1", 1.5), "beta_1 must be"),
    "schedule unknown": (_set("compile", "optimizer", "config", "learning_rate",
                              {"class_name": "X", "config": {}}),
                         "class_name must be"),
    "loss a function": (_set("compile", "loss", {"class_name": "FunctionLoss", "config": {"function": "f"}}),
                        "class_name must be one of"),
    "loss of other keys":
        (_set("compile", "loss", "class_name", "MeanSquaredError"), "keys of MeanSquaredError"),
    "metric unknown": (_set("compile", "metrics", ["acuracy"]), "must be one of"),
    "metric named loss": (
        _set("compile", "metrics", [{"class_name": "MeanSquaredError", "config": {"name": "loss"}}]),
        'not have the name "loss"'),
    "metric a number": (_set("compile", "metrics", [1]), "must be a dict"),
    "slots other": (_set("slots", ["v"]), "'slots' must be"),
    "slots twice": (_set("slots", ["m", "m", "v"]), "'slots' has duplicate names"),
    "slots a string": (_set("slots", "mv"), "'slots' must be a list of names"),
    "slots null": (_set("slots", None), "tensors and configuration differ in 'slots/m/dense/kernel'"),
    "history of numbers": (_set("history", [1]), "'history' must be a list of names"),
    "history short": (_set("history", ["loss"]), "tensors and configuration differ in 'history/logs"),
    "callbacks a list": (_set("callbacks", []), "'callbacks' must be a dict"),
    "callback state": (_set("callbacks", {"a": {"b": "c"}}), "'callbacks' has wrong values for 'a'"),
    "callback weights":
        (_set("callbacks", {"a": {"best_weights": "tensors"}}), "differ in 'callbacks/a/dense"),
    "tensor missing": (_tensor("dense/kernel", None), "differ in 'dense/kernel'"),
    "tensor too many": (_tensor("more", np.zeros(3, np.float32)), "differ in 'more'"),
    "tensor of another dtype": (_tensor("first/bias", np.zeros(6)), r"is F64 \(6,\), not F32 \(6,\)"),
    "tensor transposed":
        (_tensor("first/kernel", np.zeros((6, 5), "f4")), r"is F32 \(6, 5\), not F32 \(5, 6\)"),
    "tensor flat": (_tensor("first/kernel", np.zeros(30, np.float32)), r"is F32 \(30,\), not F32 \(5, 6\)"),
    "history of bytes": (_tensor("history/logs/loss", np.zeros(())), r"is F64 \(\), not F64 vector"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_configurations(case, tmp_path):
    path = tmp_path / "model"
    trained().save(path)
    config, tensors = _taken_apart(path)
    path.write_bytes(save(tensors, {"nnc": json.dumps(config)}))
    load_model(path)  # only the change is wrong
    change, message = BAD_CONFIGS[case]
    change(config, tensors)
    path.write_bytes(save(tensors, {"nnc": json.dumps(config)}))
    with pytest.raises(FormatError, match=message):
        load_model(path)


def test_no_bytes_do_harm(tmp_path):
    """Flip, cut, duplicate and overwrite bytes: a model or a FormatError, and no warning."""
    path = tmp_path / "model"
    trained(optimizer="nesterov").save(path)
    good = path.read_bytes()
    head = 8 + int.from_bytes(good[:8], "little")
    draw = stdlib_random.Random(7)
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for trial in range(1500):
            data = bytearray(good)
            for _ in range(draw.choice((1, 1, 2, 8))):
                place = draw.randrange(min(head, len(data)) if trial % 4 else len(data))
                match draw.randrange(6):
                    case 0:
                        data[place] ^= 1 << draw.randrange(8)
                    case 1:
                        data[place] = draw.choice(b'0123456789{}[]",:-.eE\\')
                    case 2:
                        del data[place:]
                    case 3:
                        del data[place : place + draw.randrange(1, 9)]
                    case 4:
                        data[place:place] = data[place : place + draw.randrange(1, 40)]
                    case 5:
                        data[place:place] = draw.randbytes(draw.randrange(1, 9))
                if not data:
                    break
            if trial % 2 and len(data) > 8:  # keep the length correct, so that the rest is parsed
                end = bytes(data).rfind(b"}", 0, head + 64)
                data[:8] = max(end + 1 - 8, 0).to_bytes(8, "little")
            path.write_bytes(data)
            try:
                load_model(path)
            except FormatError:
                refused += 1
    assert refused > 1000


def test_every_number_of_the_configuration_is_checked(tmp_path):
    """Put odd values everywhere in the configuration: a working model or a FormatError."""
    path = tmp_path / "model"
    trained().save(path)
    config, tensors = _taken_apart(path)
    places = []

    def walk(value, place):
        places.append(place)
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, item in items:
            walk(item, (*place, key))

    walk(config, ())
    odd = [
        None,
        True,
        -1,
        0,
        1.5,
        1e300,
        2**70,
        "",
        "x",
        "\ud800",
        [],
        [None],
        {},
        {"class_name": "Dense", "config": {}},
    ]
    loaded = 0
    for place in places[1:]:
        for value in odd:
            changed = json.loads(json.dumps(config))
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            path.write_bytes(save(tensors, {"nnc": json.dumps(changed)}))
            try:
                load_model(path).predict(X)
                loaded += 1
            except FormatError:
                pass
    assert len(places) > 100 and loaded > 50


@pytest.mark.parametrize("kind", ["big", "items", "sizes", "string"])
def test_memory_is_bounded_by_the_file(kind, tmp_path):
    """At most the file's size and 16 MiB."""
    path = tmp_path / "model"
    if kind == "big":
        model = Sequential([layers.Dense(1500, input_dim=1000)], seed=0)
        model.save(path)
        del model
    elif kind == "items":
        path.write_bytes(pack(b'{"a":[' + b"{}," * 60000 + b"{}]" + b" " * (8 * 2**20 - 200000) + b"}"))
    elif kind == "sizes":
        path.write_bytes(save({}, {"nnc": json.dumps({"format": 1} | dict.fromkeys(map(str, range(20000))))}))
    else:
        path.write_bytes(save({}, {"nnc": "[" + '"' + "x" * (8 * 2**20 - 100) + '"' + "]"}))
    size = path.stat().st_size
    tracemalloc.start()
    try:
        load_model(path)
    except FormatError:
        assert kind != "big"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= size + 16 * 2**20


def test_loading_imports_nothing(tmp_path):
    trained().save(tmp_path / "model")
    script = f"""
        import sys, builtins, numpy.random, safetensors.numpy, nnc.models.modelfile, nnc.reference
        before = set(sys.modules)
        opened = []
        sys.addaudithook(lambda event, arguments: opened.append(arguments[0]) if event == "open" else None)
        nnc.load_model({str(tmp_path / "model")!r})
        print(sorted(set(sys.modules) - before), sorted(set(map(str, opened))))
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == f"[] [{str(tmp_path / 'model')!r}]"


def test_module_functions(tmp_path):
    model = trained()
    saving.save_model(model, str(tmp_path / "model"))
    assert digest(saving.load_model(tmp_path / "model")) == digest(model)
