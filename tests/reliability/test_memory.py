"""Memory use: saving and loading, drawing weights, reading hostile files, and many cycles."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest
from model_helpers import IDS, X, classifier

from nnc import FormatError, Sequential, initializers, layers, load_model, random

MIB = 2**20
ALLOWED = 16 * MIB  # in addition to the file


def peak_of(script, *arguments):
    """The peak memory in bytes of a process that runs `script`."""
    return peaks_of(script, *arguments)[-1]


def peaks_of(script, *arguments):
    """The numbers of KiB that `script` prints, and last the peak memory of the process, in bytes.

    Not from getrusage, which includes the process from which it was forked.
    """
    script = textwrap.dedent(script) + (
        "\nwith open('/proc/self/status') as file:"
        "\n    print(next(line.split()[1] for line in file if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [1024 * int(line) for line in done.stdout.split()]


def test_saving_and_loading_take_at_most_twice_the_file(tmp_path):
    """The complete process: the interpreter and NumPy, the model, the data written or read."""
    path = tmp_path / "model"
    saving = peak_of(
        """
        import sys, nnc
        nnc.Sequential([nnc.layers.Dense(6928, input_dim=6928)], seed=0).save(sys.argv[1])
        """,
        path,
    )
    size = path.stat().st_size
    assert size > 183 * MIB and saving <= 2 * size
    assert peak_of("import sys, nnc\nnnc.load_model(sys.argv[1])", path) <= 2 * size


SAVED = {  # the model, its optimizer, and MiB by which saving it may raise the peak of the process
    "Adam": ("[layers.Dense(4000, input_dim=4000)]", "nnc.optimizers.Adam()", 8),
    "AMSGrad, clipped": (
        "[layers.Dense(2000, input_dim=2000)]",
        "nnc.optimizers.Adam(amsgrad=True, clipnorm=1.0)",
        8,
    ),
    "SGD": ("[layers.Dense(4000, input_dim=4000)]", "nnc.optimizers.SGD()", 8),
    "SGD with momentum": ("[layers.Dense(4000, input_dim=4000)]", "nnc.optimizers.SGD(momentum=0.9)", 8),
    "2,000 small tensors": (
        "[layers.Dense(48, input_dim=48) for _ in range(1000)]",
        "nnc.optimizers.Adam()",
        8,
    ),
}


@pytest.mark.parametrize("weights_only", [False, True])
@pytest.mark.parametrize("kind", SAVED)
def test_saving_a_trained_model_copies_it_in_parts(kind, weights_only, tmp_path):
    """The memory of the process when it saves, in addition to what it has after training."""
    model, optimizer, most = SAVED[kind]
    path = tmp_path / "model"
    script = f"""
        import sys, numpy as np, nnc
        from nnc import layers
        model = nnc.Sequential({model}, seed=0)
        model.compile({optimizer}, "mse")
        x = np.zeros((2, model.input_shape[1]), np.float32)
        model.fit(x, x, verbose=0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # resets the peak
        with open("/proc/self/status") as file:
            before = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        model.save{"_weights" if weights_only else ""}(sys.argv[1])
        print(before)
    """
    before, after = peaks_of(script, path)
    assert after - before <= most * MIB
    if kind == "Adam" and not weights_only:
        assert after <= 1.5 * path.stat().st_size


@pytest.mark.parametrize("name", sorted(set(initializers.registry) - {"Orthogonal"}))
def test_weights_are_drawn_in_parts(name):
    """A kernel of n floats takes 4 n bytes, plus a part in float64; truncated ones also indices for 5 %."""
    shape = (1000, 2000)
    tracemalloc.start()
    try:
        weights = initializers.get(name)(shape, random.generator(1, random.Purpose.WEIGHTS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert weights.dtype == np.float32 and peak <= 1.5 * weights.nbytes + 4 * MIB


@pytest.mark.parametrize("count", [1, 2**16 - 1, 2**16, 2**16 + 1, 3 * 2**16 + 5])
def test_drawn_numbers_do_not_depend_on_the_parts(count):
    def generator():
        return random.generator(7, random.Purpose.WEIGHTS)

    normal = initializers.RandomNormal(0.5, 2.0)((count,), generator())
    np.testing.assert_array_equal(normal, np.float32(0.5 + 2.0 * generator().standard_normal(count)))
    uniform = initializers.RandomUniform(-1.0, 3.0)((count,), generator())
    np.testing.assert_array_equal(uniform, np.float32(generator().uniform(-1.0, 3.0, count)))
    rng = generator()
    z = rng.standard_normal(count)
    while (outside := np.abs(z) > 2.0).any():
        z[outside] = rng.standard_normal(int(outside.sum()))
    truncated = initializers.TruncatedNormal(0.5, 2.0)((count,), generator())
    np.testing.assert_array_equal(truncated, np.float32(0.5 + 2.0 * z))


# ------------------------------------------------------------------------------------- hostile headers


def packed(header):
    header = header if isinstance(header, bytes) else header.encode()
    return len(header).to_bytes(8, "little") + header


def with_metadata(text):
    return packed(json.dumps({"__metadata__": {"nnc": text}}, ensure_ascii=False))


LONGEST = 8 * MIB - 100
HEADERS = {
    "text": lambda: with_metadata('["' + "x" * (LONGEST - 100) + '"]'),
    "one emoji": lambda: packed('{"a":"' + "x" * (LONGEST - 100) + '\U0001f600"}'),
    "one emoji in 2 MiB": lambda: packed('{"a":"' + "x" * (2 * MIB) + '\U0001f600"}'),
    "one escaped emoji": lambda: packed('{"a":"' + "x" * (LONGEST - 100) + '\\ud83d\\ude00"}'),
    "an emoji in the configuration": lambda: with_metadata('{"format":"' + "x" * MIB + '\\ud83d\\ude00"}'),
    "escaped commas": lambda: packed('{"__metadata__":{"nnc":"[' + "0\\u002c" * (LONGEST // 8) + '0]"}}'),
    "fewer escaped commas": lambda: packed('{"__metadata__":{"nnc":"[' + "[]\\u002c" * (MIB // 8) + '0]"}}'),
    "escaped lists": lambda: packed('{"__metadata__":{"nnc":"' + "\\u005b" * 9 + "[]\\u002c" * 10**5 + '"}}'),
    "keys": lambda: packed("{" + ",".join(f'"k{i}":0' for i in range(60000)) + "}"),
    "keys of the configuration": lambda: with_metadata(
        '{"format":1,' + ",".join(f'"k{i}":0' for i in range(45000)) + "}"
    ),
    "control characters": lambda: packed('{"__metadata__":{"nnc":"[' + "\\u0001" * 10**5 + ']"}}'),
    "newlines": lambda: packed('{"__metadata__":{"nnc":"[' + "\\n" * (LONGEST // 2 - 50) + ']"}}'),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_memory_of_hostile_headers(kind, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(HEADERS[kind]())
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            load_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= path.stat().st_size + ALLOWED


def changed_model(tmp_path, change):
    path = tmp_path / "model"
    classifier().save(path)
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    config = json.loads(header["__metadata__"]["nnc"])
    change(config)
    header["__metadata__"]["nnc"] = json.dumps(config)
    path.write_bytes(packed(json.dumps(header)) + data[end:])
    return path


def test_what_a_configuration_implies_is_not_multiplied_out(tmp_path):
    """Callbacks that keep weights times weights: the file limits both lists, but not their product."""

    def many(config):
        one = layers.PReLU().get_config()
        config["layers"] += [{"class_name": "PReLU", "config": one | {"name": f"p{i}"}} for i in range(700)]
        config["callbacks"] = {f"c{i}": {"best_weights": "tensors"} for i in range(9000)}

    path = changed_model(tmp_path, many)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="tensors and configuration differ in"):
            load_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size < MIB
    assert peak <= path.stat().st_size + ALLOWED


def test_long_values_are_not_written_out_in_messages(tmp_path):
    for value in ("\U000e0001" * 10**5, list(range(10**4)), {str(i): i for i in range(10**4)}):
        path = changed_model(tmp_path, lambda config, value=value: config.update(seed=value))
        with pytest.raises(FormatError, match="seed") as caught:
            load_model(path)
        assert len(str(caught.value)) < 1000


# -------------------------------------------------------------------------------------------- cycles


def test_memory_is_flat_over_cycles(trials, tmp_path):
    """fit, predict, save, load repeatedly: after the first cycles the process does not grow."""
    cycles = trials(300, 10_000)
    first, last = map(
        int,
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(CYCLES), str(cycles), str(tmp_path / "model")],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split(),
    )
    assert last - first < 4 * MIB


CYCLES = """
    import sys, numpy as np, nnc
    from nnc import layers
    x = np.random.default_rng(0).random((64, 12, 12, 1)).astype(np.float32)
    y = np.arange(64) % 3
    def memory():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    def cycle(model):
        model.fit(x, y, epochs=1, batch_size=16, verbose=0)
        model.predict(x)
        model.save(sys.argv[2])
        return nnc.load_model(sys.argv[2])
    def new():
        model = nnc.Sequential([layers.Input((12, 12, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(),
                                layers.Flatten(), layers.Dropout(0.2), layers.Dense(3, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model
    model, cycles = new(), int(sys.argv[1])
    for n in range(cycles):
        model = cycle(model if n % 2 else new())
        if n == min(cycles // 2, 500):
            print(memory())
    print(memory())
"""


@pytest.fixture(autouse=True)
def _only_where_it_is_told(request):
    of_processes = ("test_memory_is_flat", "test_saving_and_loading_take", "test_saving_a_trained_model")
    if request.node.name.startswith(of_processes) and not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")


def test_states_share_no_array_that_is_written_to(backend):
    """Saving and pickling do not copy weights: still, one model must not see the changes of another."""
    import copy

    model = classifier(backend)
    before = model.get_weights()
    twin, state = copy.deepcopy(model), model.state()
    other = Sequential.from_state(state)
    model.get_weights()[0][:] = 7.0
    other.fit(X, IDS, verbose=0)
    model.fit(X, IDS, epochs=2, verbose=0)
    for weights in (twin.get_weights(), state.engine.weights):
        for a, b in zip(weights, before, strict=True):
            np.testing.assert_array_equal(a, b)
