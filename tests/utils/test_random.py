"""Streams of random numbers: functions of their keys, all of nnc's different."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nnc import Input, Sequential, initializers, layers, random, reference
from nnc.random import Purpose

SEEDS = (0, 1, 2, 2**32, 2**32 + 1, 2**63, 2**64 - 1)


def words(generator, n=8):
    return generator.bit_generator.random_raw(n).tolist()


def windows(stream):
    """Every pair of neighbors, so that a stream that starts inside another one is found too."""
    return set(itertools.pairwise(stream))


def test_keys_that_look_alike_are_different():
    keys = [(), (0,), (0, 0), (1,), (1, 0), (0, 1), (2**32,), (2**32, 0), (1, 1), (2**32 + 1,), (2**63,)]
    streams = {
        tuple(words(random.generator(seed, purpose, *key)))
        for seed, purpose, key in itertools.product((0, 1), (Purpose.SHUFFLE, Purpose.WEIGHTS), keys)
    }
    assert len(streams) == 4 * len(keys)
    assert isinstance(random.generator(1, Purpose.WEIGHTS).bit_generator, np.random.Philox)


def test_all_streams_differ():
    """Each purpose as nnc uses it, for seeds that differ in one bit or word, and the core's own streams.

    The comparison is of 64-bit words: no two streams have a pair of neighboring words in common.
    """
    streams = {}
    for seed, purpose in itertools.product(SEEDS, Purpose):
        for number in (0, 1, 2, 11, 12, 13):
            streams[seed, purpose, number] = words(random.generator(seed, purpose, number))
        streams[seed, purpose] = words(random.generator(seed, purpose))
        of_number = random.Streams(seed, purpose)
        for number in (1, 2, 3, 2**63):  # purpose 0 is `generator` with the same key
            streams[seed, purpose, "stream", number] = words(of_number.at(number))
    for seed, index, step, epoch in itertools.product(SEEDS, (0, 1, 2), (0, 1), (0, 1)):
        halves = reference.random_words(16, index, (seed, epoch, step)).astype(np.uint64)
        streams[seed, "core", index, step, epoch] = (halves[::2] | halves[1::2] << np.uint64(32)).tolist()
    found = {}
    for key, stream in streams.items():
        assert len(windows(stream)) == 7
        for pair in windows(stream):
            assert pair not in found, f"{key} and {found[pair]} share numbers"
            found[pair] = key


def test_derived_seeds_differ():
    keys = [(), *[(number,) for number in range(50)], (0, 0)]
    seeds = [random.derived_seed(*key, *more) for key in itertools.product(SEEDS, Purpose) for more in keys]
    assert len(set(seeds)) == len(SEEDS) * len(Purpose) * len(keys)
    assert all(type(seed) is int and 0 <= seed < 2**64 for seed in seeds)


def test_weights_and_shuffles_of_a_model_have_streams_of_their_own():
    """Layer 1 has different numbers from the shuffles, layer 0 and an initializer with the model's seed."""
    normal = initializers.RandomNormal(stddev=1.0)
    hidden = [layers.Dense(8, kernel_initializer=normal, use_bias=False) for _ in range(14)]
    model = Sequential([Input((8,)), *hidden], seed=5)
    kernels = [w.ravel() for w in model.get_weights()]
    orders = random.Streams(5, Purpose.SHUFFLE)
    others = {f"epoch {epoch}": orders.at(epoch).standard_normal(64) for epoch in range(3)}
    for purpose in set(Purpose) - {Purpose.SHUFFLE}:
        others[purpose.name] = random.generator(5, purpose).standard_normal(64)
    found = {}
    for i, stream in enumerate([*kernels, *(values.astype(np.float32) for values in others.values())]):
        for pair in windows(stream.tolist()):
            assert found.setdefault(pair, i) == i, f"streams {i} and {found[pair]} share numbers"
    alone = initializers.RandomNormal(stddev=1.0, seed=5)((64,))
    np.testing.assert_array_equal(alone, others["INITIALIZER"].astype(np.float32))


def test_purposes_keep_their_numbers():
    """A seed's bits depend on these numbers: a new purpose needs an unused one."""
    assert {purpose.name: int(purpose) for purpose in Purpose} == {
        "SHUFFLE": 1,
        "WEIGHTS": 2,
        "SEEDS": 3,
        "INITIALIZER": 4,
        "DRAWS": 11,
        "FOLDS": 12,
        "TRIALS": 13,
        "PARTS": 21,
    }


@pytest.mark.parametrize("begin", [random.generator, random.Streams, random.derived_seed])
def test_a_purpose_is_one_of_the_enumeration(begin):
    for wrong in (1, "shuffle", None, True):
        with pytest.raises(TypeError, match=r"purpose must be one of Purpose.SHUFFLE, .*, got"):
            begin(0, wrong)
    with pytest.raises(TypeError, match="purpose"):
        begin(0)
    for wrong in (-1, 2**64, 1.5, True, "1"):
        with pytest.raises((TypeError, ValueError), match=r"seed must be an integer from 0 to \d+, got"):
            begin(wrong, Purpose.SHUFFLE)
        with pytest.raises((TypeError, ValueError), match=r"key must be an integer from 0 to \d+, got"):
            begin(0, Purpose.SHUFFLE, wrong)
