"""Arbitrary bytes as a model file (nnc, Keras), a journal or an IDX file: read, or a FormatError."""

from __future__ import annotations

import contextlib
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from mutators import ODD_VALUES, mutated, places, put

from nnc import FormatError

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from readers import READERS  # noqa: E402

CORPUS = HERE / "corpus"


@pytest.fixture(scope="module", params=sorted(READERS))
def reader(request):
    read, seeds = READERS[request.param]
    return request.param, read, seeds()


def test_seeds_are_read(reader):
    _, read, seeds = reader
    read(seeds[0])


def test_mutated_bytes(reader, trials):
    name, read, seeds = reader
    draw, refused = random.Random(trials.seed), 0
    n = trials(600, {"model": 26_000, "idx": 10_000}.get(name, 20_000))
    for trial in range(n):
        data = bytearray(mutated(draw.choice(seeds), draw))
        if name == "model" and trial % 2 and len(data) > 8:  # a valid length leads past the header
            end = bytes(data).rfind(b"}", 0, 4096)
            data[:8] = max(end + 1 - 8, 0).to_bytes(8, "little")
        try:
            read(bytes(data))
        except FormatError:
            refused += 1
    assert refused > n // 3


def test_odd_values_of_the_configuration(trials):
    """Every value of the JSON in turn, in the header and in the configuration, is replaced by odd ones."""
    read, seeds = READERS["model"][0], READERS["model"][1]()
    draw, refused, loaded = random.Random(trials.seed), 0, 0
    for seed in seeds:
        end = 8 + int.from_bytes(seed[:8], "little")
        header = json.loads(seed[8:end])
        config = json.loads(header["__metadata__"]["nnc"])
        todo = [(config, place, value) for place in places(config)[1:] for value in ODD_VALUES]
        todo += [(header, place, value) for place in places(header)[1:] for value in ODD_VALUES]
        for document, place, value in todo if trials.long else draw.sample(todo, 500):
            changed = put(document, place, value)
            if document is config:
                changed = put(header, ("__metadata__", "nnc"), json.dumps(changed))
            raw = json.dumps(changed).encode()
            try:
                read(len(raw).to_bytes(8, "little") + raw + seed[end:])
                loaded += 1
            except FormatError:
                refused += 1
    assert refused > 300 and loaded > 5


def test_odd_values_of_a_configuration_of_keras(trials):
    if "keras-config" not in READERS:
        pytest.skip("h5py, from the extra keras, is not installed")
    read, seeds = READERS["keras-config"]
    draw, config, refused = random.Random(trials.seed), json.loads(seeds()[0]), 0
    todo = [(place, value) for place in places(config)[1:] for value in ODD_VALUES]
    todo = todo if trials.long else draw.sample(todo, 400)
    for place, value in todo:
        with contextlib.suppress(FormatError):
            read(json.dumps(put(config, place, value)).encode())
            continue
        refused += 1
    assert len(todo) // 3 < refused < len(todo)


@pytest.mark.parametrize(
    "path",
    sorted(path for path in CORPUS.glob("*/*") if path.parent.name in READERS),
    ids=lambda path: f"{path.parent.name}-{path.name}",
)
def test_corpus(path):
    """Files of released versions are read; files that were once read incorrectly are rejected."""
    refused = pytest.raises(FormatError)
    with contextlib.nullcontext() if path.name.startswith("written-by") else refused:
        READERS[path.parent.name][0](path.read_bytes())


def test_odd_arrays(trials):
    """Arrays of any memory layout: as a contiguous float32 copy, or a TypeError or ValueError by name."""
    import nnc

    model = nnc.Sequential([nnc.Input((3, 2)), nnc.layers.Flatten(), nnc.layers.Dense(2)], seed=0)
    rng, given = np.random.default_rng(trials.seed), 0
    for _ in range(trials(300, 26_000)):
        x = odd_array(rng)
        before = x.copy() if isinstance(x, np.ndarray) else None
        try:
            found = model.predict(x)
        except (TypeError, ValueError) as error:
            assert str(error).startswith("x")
        else:
            copied = np.ascontiguousarray(np.asarray(x), np.float32).reshape(-1, 3, 2)
            np.testing.assert_array_equal(found, model.predict(copied))
            given += 1
        if before is not None:
            np.testing.assert_array_equal(x, before)
    assert given > 50


def odd_array(rng):
    shapes = [(1, 3, 2), (0, 3, 2), (4, 6), (3, 2), (4, 2, 3), (), (4, 3, 2, 1), *[(4, 3, 2)] * 7]
    shape = shapes[rng.integers(len(shapes))]
    kind = rng.choice(["f4", "f8", ">f4", ">f8", "i1", "u1", "i8", "?", "f2", "c8", "O", "U1", "M8[s]"])
    numbers = kind not in ("O", "U1", "M8[s]")
    x = np.asarray(rng.random(shape) * 9).astype(kind) if numbers else np.zeros(shape, kind)
    match rng.integers(0, 8):
        case 0:
            x = np.asfortranarray(x)
        case 1:
            x = x[::-1] if x.ndim else x
        case 2:
            x = np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x
        case 3:
            x = np.broadcast_to(x, (2, *x.shape))[0]
        case 4 if x.dtype.kind in "fiu":
            raw = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)  # unaligned
            raw[...] = x
            x = raw
        case 5:
            x = x.copy()
            x.flags.writeable = False
        case 6 if x.dtype.kind == "f" and x.dtype.itemsize == 8:
            x = x * 1e300
        case 7:
            x = x.tolist()
    return x
