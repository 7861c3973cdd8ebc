"""Products in bfloat16: results of AMX's instruction, the rounding, and plans in both precisions."""

from pathlib import Path

import numpy as np
import pytest
from conv_helpers import CASES, random_case, size_in
from core_helpers import dense, rng_of

from nnc import reference
from nnc.reference.bfloat16 import add_product, product, round_bfloat16
from nnc.reference.convolution import (
    conv2d,
    conv2d_backward,
    conv2d_backward_bfloat16,
    conv2d_bfloat16,
)

# 60 products of one instruction each, on an Emerald Rapids: a (rows, k), b in pairs of rows, c + a b = d
MEASURED = np.load(Path(__file__).parent / "tdpbf16ps.npz")


def widen(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def pairs_to_rows(b):
    """(16, 32) in tile layout, row k / 2 and column 2 n + k % 2, as (32, 16)."""
    return b.reshape(16, 16, 2).transpose(0, 2, 1).reshape(32, 16)


@pytest.mark.parametrize("i", range(60))
def test_the_instruction(i):
    rows, k = int(MEASURED["rows"][i]), int(MEASURED["k"][i])
    a, b = widen(MEASURED["a"][i])[:rows, :k], pairs_to_rows(widen(MEASURED["b"][i]))[:k]
    got = add_product(MEASURED["c"][i][:rows], a, b)
    wanted = MEASURED["d"][i][:rows]
    nans = np.isnan(wanted)
    np.testing.assert_array_equal(np.isnan(got), nans)
    np.testing.assert_array_equal(got.view(np.int32)[~nans], wanted.view(np.int32)[~nans])


def test_rounding():
    one = np.float32(1).view(np.uint32)
    # bits of a float32, and those of it rounded: ties go to the even neighbor
    cases = {
        one: one,
        one + 0x7FFF: one,
        one + 0x8000: one,
        one + 0x8001: one + 0x10000,
        one + 0x18000: one + 0x20000,
        np.uint32(0x7F7FFFFF): np.uint32(0x7F800000),  # the largest float32 becomes infinite
        np.uint32(0x80000000): np.uint32(0x80000000),
        np.uint32(0x007FFFFF): np.uint32(0x00800000),
    }
    got = round_bfloat16(np.array(list(cases), np.uint32).view(np.float32)).view(np.uint32)
    np.testing.assert_array_equal(got, np.array(list(cases.values()), np.uint32))
    assert np.all(np.isnan(round_bfloat16(np.array([0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32))))
    x = rng_of(3).normal(size=1000)
    assert np.all(np.abs(round_bfloat16(x) - x) <= np.abs(x) * 2.0**-8)


def test_a_product_by_hand():
    # One block: even terms 1 and 2^-24, odd terms 2^-24 and 2^-24. The even chain loses its second term; the
    # odd one is 2^-23, which the sum keeps. In one chain all three would be lost.
    a = np.array([[1, 2.0**-24, 2.0**-24, 2.0**-24]])
    np.testing.assert_array_equal(product(a, np.ones((4, 1))), [[1 + 2.0**-23]])
    # Two blocks of one term each: the second sum is added to the first, and lost.
    a = np.zeros((1, 64))
    a[0, 0], a[0, 32] = 1, 2.0**-24
    np.testing.assert_array_equal(product(a, np.ones((64, 1))), [[1]])


@pytest.mark.parametrize("k", [0, 1, 31, 32, 33, 100])
def test_products_are_near(k):
    rng = rng_of(k)
    a, b = rng.normal(size=(5, k)), rng.normal(size=(k, 7))
    exact = round_bfloat16(a).astype(np.float64) @ round_bfloat16(b)
    np.testing.assert_allclose(product(a, b), exact, rtol=1e-5, atol=1e-5)


def window_of(row):
    pair = {name: (row[f"{name}_height"], row[f"{name}_width"]) for name in ("stride", "dilation")}
    return {
        "strides": pair["stride"],
        "dilation": pair["dilation"],
        "pads": (row["pad_top"], row["pad_left"]),
    }


ROWS = [*CASES.values(), *(random_case(seed) for seed in range(60))]


@pytest.mark.parametrize("row", ROWS)
def test_convolutions_of_integers(row):
    """Small integers are exact in any order and in bfloat16: both precisions agree to the last bit."""
    rng = rng_of(row["filters"], row["height"])
    shape = 3, row["height"], row["width"], row["channels"]
    groups = row.get("groups", 1)
    kernel_shape = row["kernel_height"], row["kernel_width"], row["channels"] // groups, row["filters"]
    out = row["out_height"], row["out_width"]
    x, kernel, dy = (
        rng.integers(-3, 4, s).astype(float) for s in (shape, kernel_shape, (3, *out, row["filters"]))
    )
    bias = rng.integers(-3, 4, row["filters"]).astype(float)
    window = window_of(row) | {"groups": groups}
    wanted = conv2d(x, kernel, bias, **window, out_shape=out)
    np.testing.assert_array_equal(conv2d_bfloat16(x, kernel, bias, **window, out_shape=out), wanted)
    gradients = zip(
        conv2d_backward_bfloat16(x, kernel, dy, **window),
        conv2d_backward(x, kernel, dy, **window),
        strict=True,
    )
    for got, expected in gradients:
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("row", [dense(7), CASES["first layer"]])
def test_a_plan_rounds_the_operands_of_products(row):
    n = (row.get("units") and 9) or size_in(row)
    plans = {
        precision: reference.Plan(n, [row], precision=precision) for precision in ("float32", "bfloat16")
    }
    rng = rng_of(n)
    parameters = [rng.normal(size=shape) for shape in plans["float32"].parameter_shapes]
    x = rng.normal(size=(4, n))
    for plan in plans.values():
        plan.set_parameters(parameters)
    got, exact = plans["bfloat16"].forward(x), plans["float32"].forward(x)
    assert 1e-4 < np.abs(got - exact).max() < 0.05
    plans["float32"].set_parameters([round_bfloat16(parameters[0]), *parameters[1:]])
    np.testing.assert_allclose(got, plans["float32"].forward(round_bfloat16(x)), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(
        plans["bfloat16"].get_parameters()[0], parameters[0]
    )  # they are not rounded


def test_an_unknown_precision():
    with pytest.raises(ValueError, match="precision 'float16'"):
        reference.Plan(3, [dense(2)], precision="float16")
