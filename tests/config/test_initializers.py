"""Initializers and seeds: shapes, statistics, reproducibility."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from nnc import initializers, random
from nnc.random import Purpose

SHAPE = (300, 200)

# initializer, mean, standard deviation, largest absolute value (None: no limit)
STATISTICS = [
    (initializers.RandomNormal(), 0.0, 0.05, None),
    (initializers.RandomNormal(1.0, 0.5), 1.0, 0.5, None),
    (initializers.TruncatedNormal(stddev=0.5), 0.0, 0.5 * 0.8796256610342398, 1.0),
    (initializers.RandomUniform(-1, 2), 0.5, 3 / 12**0.5, 2.0),
    (initializers.GlorotNormal(), 0.0, (2 / 500) ** 0.5, 2 * (2 / 500) ** 0.5 / 0.8796256610342398),
    (initializers.GlorotUniform(), 0.0, (2 / 500) ** 0.5, (6 / 500) ** 0.5),
    (initializers.HeNormal(), 0.0, (2 / 300) ** 0.5, 2 * (2 / 300) ** 0.5 / 0.8796256610342398),
    (initializers.HeNormal(truncated=False), 0.0, (2 / 300) ** 0.5, None),
    (initializers.HeNormal(negative_slope=2.0, truncated=False), 0.0, (2 / 300 / 5) ** 0.5, None),
    (initializers.HeUniform(), 0.0, (2 / 300) ** 0.5, (6 / 300) ** 0.5),
    (initializers.LecunNormal(), 0.0, (1 / 300) ** 0.5, 2 * (1 / 300) ** 0.5 / 0.8796256610342398),
    (initializers.LecunUniform(), 0.0, (1 / 300) ** 0.5, (3 / 300) ** 0.5),
    (initializers.VarianceScaling(3.0, "fan_out", "uniform"), 0.0, (3 / 200) ** 0.5, (9 / 200) ** 0.5),
    (initializers.Orthogonal(2.0), 0.0, 2 / 300**0.5, None),
    (initializers.Zeros(), 0.0, 0.0, 0.0),
    (initializers.Ones(), 1.0, 0.0, 1.0),
    (initializers.Constant(-2.5), -2.5, 0.0, 2.5),
    (initializers.Constant(np.full(200, 0.5)), 0.5, 0.0, 0.5),
    (initializers.Identity(), 1 / 300, (1 / 300 - 1 / 300**2) ** 0.5, 1.0),
]


@pytest.mark.parametrize(("initializer", "mean", "std", "limit"), STATISTICS, ids=repr)
def test_statistics(initializer, mean, std, limit):
    w = initializer(SHAPE, random.generator(1, Purpose.WEIGHTS))
    n = w.size
    assert w.dtype == np.float32
    assert w.shape == SHAPE
    assert w.flags.c_contiguous
    # five standard errors; that of a standard deviation is at most std / sqrt(2 n)
    assert abs(w.mean(dtype=np.float64) - mean) <= 5 * std / n**0.5
    assert abs(w.std(dtype=np.float64) - std) <= 5 * std / (2 * n) ** 0.5
    if limit is not None:
        assert np.abs(w).max() <= np.float32(limit)
        assert np.abs(w).max() >= 0.99 * limit or std == 0.0


def test_every_initializer_is_in_the_table():
    assert {type(row[0]) for row in STATISTICS} == set(initializers.registry.values())


def test_an_untruncated_normal_goes_past_two_standard_deviations():
    z = initializers.RandomNormal(stddev=1.0)(SHAPE, random.generator(2, Purpose.WEIGHTS))
    assert 0.04 < np.mean(np.abs(z) > 2) < 0.051  # 4.55 %


@pytest.mark.parametrize("cls", initializers.registry.values())
@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (1, 1), (5, 1), (1, 5), (0, 3), (3, 3, 2, 4)])
def test_shapes(cls, shape):
    if (cls is initializers.Orthogonal and len(shape) < 2) or (
        cls is initializers.Identity and len(shape) != 2
    ):
        with pytest.raises(ValueError, match="shape must be that of a matrix"):
            cls()(shape)
        return
    w = cls()(shape, random.generator(0, Purpose.WEIGHTS))
    assert (w.shape, w.dtype) == (shape, np.float32)
    assert np.isfinite(w).all()


def test_fans():
    assert initializers.fans((784, 10)) == (784, 10)
    assert initializers.fans((3, 5, 16, 64)) == (240, 960)
    assert initializers.fans((7,)) == (7, 7)
    w = initializers.HeNormal(truncated=False)((3, 3, 64, 32), random.generator(0, Purpose.WEIGHTS))
    assert w.std() == pytest.approx((2 / 576) ** 0.5, rel=0.03)


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60), (3, 3, 4, 50)])
def test_orthogonal(shape):
    w = (
        initializers.Orthogonal(gain=3.0)(shape, random.generator(5, Purpose.WEIGHTS))
        .reshape(-1, shape[-1])
        .astype(np.float64)
    )
    gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(gram, 9.0 * np.eye(len(gram)), atol=1e-5)


def test_the_same_key_gives_the_same_numbers_and_a_seed_overrules_it():
    he = initializers.HeNormal()
    first, again, other = (he(SHAPE, random.generator(3, Purpose.WEIGHTS, place)) for place in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.99
    seeded = initializers.HeNormal(seed=7)
    np.testing.assert_array_equal(seeded(SHAPE, random.generator(1, Purpose.WEIGHTS)), seeded(SHAPE))


def test_without_a_generator_the_global_seed_decides():
    random.set_random_seed(11)
    first, second = initializers.HeNormal()(SHAPE), initializers.HeNormal()(SHAPE)
    random.set_random_seed(11)
    np.testing.assert_array_equal(first, initializers.HeNormal()(SHAPE))
    assert (first != second).mean() > 0.99
    random.set_random_seed(0)


# ------------------------------------------------------------------------------------------------------ seeds


def test_seeds_are_a_function_of_the_global_seed_and_the_call():
    def draw(seed, n=100):
        random.set_random_seed(seed)
        return [random.next_seed() for _ in range(n)]

    assert draw(3) == draw(3)
    assert not set(draw(3)) & set(draw(4))
    assert len(set(draw(3))) == 100
    assert all(type(s) is int and 0 <= s < 2**64 for s in draw(2**64 - 1))
    assert max(draw(3)) > 2**60
    assert draw(None) != draw(None)
    random.set_random_seed(0)


@pytest.mark.parametrize("bad", [-1, 2**64, 1.5, True, "1"])
def test_bad_seeds(bad):
    with pytest.raises((TypeError, ValueError), match=r"seed must be an integer from 0 to \d+, got"):
        random.set_random_seed(bad)
    with pytest.raises((TypeError, ValueError), match=r"key must be an integer from 0 to \d+, got"):
        random.generator(0, Purpose.WEIGHTS, bad)


def test_a_new_process_starts_from_seed_zero_and_leaves_numpys_own_generator_alone():
    code = (
        "import numpy as np; np.random.seed(1)\n"
        "from nnc import random, initializers\n"
        "print(random.next_seed(), initializers.HeNormal()((2, 2)).tobytes().hex(), np.random.rand())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
        cwd=os.getcwd(),
    )
    seed, weights, draw = run.stdout.split()
    random.set_random_seed(0)
    assert int(seed) == random.next_seed()
    assert weights == initializers.HeNormal()((2, 2)).tobytes().hex()
    assert float(draw) == np.random.RandomState(1).rand()
    random.set_random_seed(0)


def test_arrays_as_initializers():
    values = np.arange(6.0).reshape(3, 2)
    found = initializers.get(values)
    assert found == initializers.Constant(values) and initializers.get(None) is None
    np.testing.assert_array_equal(found((3, 2), "float32"), values)
    np.testing.assert_array_equal(initializers.Constant([1, 2])((3, 2), dtype=np.float32), [[1, 2]] * 3)
    again = initializers.Initializer.get({"class_name": "Constant", "config": found.get_config()})
    np.testing.assert_array_equal(again((3, 2)), values)
    with pytest.raises(
        ValueError, match=r"value has the shape \(3, 2\), which does not fit a weight of \(2, 3\)"
    ):
        found((2, 3))
    with pytest.raises(ValueError, match="dtype must be None or 'float32'"):
        found((3, 2), dtype="float64")
    for wrong in ([], [1.0, np.nan], ["a"]):
        with pytest.raises(ValueError, match="value must be a finite number or an array of them"):
            initializers.Constant(wrong)
    assert isinstance(initializers.get("IdentityInitializer"), initializers.Identity)
    assert isinstance(initializers.get("OrthogonalInitializer"), initializers.Orthogonal)
