"""Every compiled kernel against its twin in nnc.reference: odd shapes, every instruction set."""

import itertools

import numpy as np
import pytest
from core_helpers import ALPHAS, BASE, MR, loss_spec, optimizer_specs, rng_of

from nnc import _core, activations, reference

PANEL = 32
SIZES = sorted({1, 2, 3, MR - 1, MR, MR + 1, PANEL - 1, PANEL, PANEL + 1, 10, 67, 292, 784})
BATCHES = sorted({1, 2, 3, MR - 1, MR, MR + 1, 10, 2 * MR + 1, 4 * MR + 1})
SHAPES = list(itertools.product(BATCHES, SIZES))
EPSILON = np.finfo(np.float32).eps / 2


def floats(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def assert_close(compiled, expected, ulps=16, scale=1.0):
    """Assert agreement within `ulps` float32 roundings of the value or of `scale`, whichever is larger."""
    compiled, expected = np.asarray(compiled, np.float64), np.asarray(expected, np.float64)
    assert compiled.shape == expected.shape
    bound = ulps * EPSILON * np.maximum(np.abs(expected), scale)
    worst = np.max(np.abs(compiled - expected) - bound, initial=-1.0)
    assert worst <= 0, f"off by {worst} beyond the bound, largest expected {np.max(np.abs(expected))}"


# ---- products


@pytest.mark.parametrize("inner", SIZES)
def test_products_of_integers_are_exact(isa, inner):
    rng = rng_of(inner)
    for batch, outer in SHAPES:
        x = rng.integers(-3, 4, (batch, inner)).astype(np.float32)
        w = rng.integers(-3, 4, (inner, outer)).astype(np.float32)
        b = rng.integers(-3, 4, outer).astype(np.float32)
        dz = rng.integers(-3, 4, (batch, outer)).astype(np.float32)
        np.testing.assert_array_equal(
            _core.dense(x, w, b), reference.dense(x, w, b), err_msg=str((batch, outer))
        )
        for compiled, expected in zip(
            _core.dense_backward(x, w, dz), reference.dense_backward(x, w, dz), strict=True
        ):
            np.testing.assert_array_equal(compiled, expected, err_msg=str((batch, outer)))


@pytest.mark.parametrize("inner", [1, 3, 33, 600])
def test_products_of_transposed_arrays(isa, inner):
    """Either operand as stored or transposed, and slices that are neither."""
    rng = rng_of(inner, 2)
    for batch, outer in [(1, 1), (5, 31), (17, 33), (64, 70), (70, 10), (61, 3), (7, 100)]:
        x = rng.integers(-3, 4, (batch, inner)).astype(np.float32)
        w = rng.integers(-3, 4, (inner, outer)).astype(np.float32)
        expected = x @ w
        for left in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
            for right in (w, np.asfortranarray(w), np.repeat(w, 2, axis=0)[::2]):
                np.testing.assert_array_equal(_core.dense(left, right), expected)


@pytest.mark.parametrize("inner", [1, 3, 32, 67, 292, 784, 3000])
def test_products_of_reals_are_within_the_bound(isa, inner):
    """|C - C64| <= r u |A| |B| elementwise with r = 16 for K <= 32, max(16, 2 sqrt K) above."""
    rng = rng_of(inner, 1)
    x, w = floats(rng, 23, inner), floats(rng, inner, 37)
    allowed = max(16, 2 * inner**0.5) * EPSILON * (np.abs(x).astype(float) @ np.abs(w).astype(float))
    error = np.abs(_core.dense(x, w) - x.astype(float) @ w.astype(float))
    assert (error <= allowed).all()


def test_product_with_nothing_inside():
    x, w, b = np.empty((3, 0), np.float32), np.empty((0, 5), np.float32), np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(_core.dense(x, w, b), np.tile(b, (3, 1)))
    assert _core.dense(np.empty((0, 4), np.float32), np.ones((4, 5), np.float32)).shape == (0, 5)


# ---- activations

# Bounds on the errors, in u = 2^-24 times the larger of |a| and 0.1, or of |f'| and 1. Those of the
# activations listed here are first-order sums of roundings, without fused multiply-adds, and of the bars of
# 2 ULP, which are up to 4 u, of exp and sigmoid. The others have few operations.
#
# gelu: -z^2 / 2 1.2; exp 4; w = 1 / (1 + 0.3 t) 2.5 roundings, times d ln(w r(w)) / d ln w <= 2.7; the fit
#     of r 2.2 (relative error 1.3e-7); Horner's steps 5.2 (the partial sums at w = 1, over r); products and
#     1 - tail 4
# gelu_tanh: 2 u = c z (1 + k z^2) 5 roundings, times |2 u| (1 - s) |a| / max(|a|, 0.1) <= 2.5; sigmoid 4;
#     z s 1
# softmax: z - max 2.3 (for a >= 0.1); exp, in the numerator and in the sum, 8; the sum n / 16 + 4; quotient 1
# f' of mish: near t = 1 the quotient em / (em + 2) has an error of 1.65, so 1 - t^2 has 3.3; times z <= 9.02,
#     from where on t = 1; t itself and the last two roundings 4
OF_VALUES = {"gelu": lambda n: 24, "gelu_tanh": lambda n: 18, "softmax": lambda n: 16 + n / 16}
OF_SLOPES = {"mish": 34}


def largest_error_of(name, n):
    return OF_VALUES[name](n) if name in OF_VALUES else 8


@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_activation(isa, name):
    for batch, n in SHAPES:
        rng = rng_of(batch, n)
        z, da = 4 * floats(rng, batch, n), floats(rng, batch, n)
        alpha = ALPHAS.get(name, 0.0)
        got = _core.activation(name, z, alpha)
        assert_close(got, reference.activation(name, z, alpha), largest_error_of(name, n), 0.1)
        got = _core.activation_backward(name, z, da, alpha)
        expected = reference.activation_backward(name, z, da, alpha)
        assert_close(got, expected, OF_SLOPES.get(name, 16), np.abs(da).max())


@pytest.mark.parametrize(
    "name", [each for each in reference.ACTIVATIONS if activations.get(each).elementwise]
)
def test_activation_on_a_dense_grid(isa, name):
    """The same points on every machine, whatever the tiles' sizes."""
    alpha, z = ALPHAS.get(name, 0.0), rng_of(3).uniform(-10, 10, 100_000).astype(np.float32)
    one = np.ones_like(z)
    got, slopes = _core.activation(name, z, alpha), _core.activation_backward(name, z, one, alpha)
    assert_close(got, reference.activation(name, z, alpha), largest_error_of(name, 1), 0.1)
    expected = reference.activation_backward(name, z, one, alpha)
    assert_close(slopes, expected, OF_SLOPES.get(name, 16), 1.0)


@pytest.mark.parametrize("name", [name for name, row in reference.ACTIVATIONS.items() if row[1] == "a"])
def test_activation_backward_from_the_output(isa, name):
    """Equal to the reference with the same a, bitwise to the derivative from z, wherever dz is written."""
    alpha = ALPHAS.get(name, 0.0)
    for shape in [*SHAPES, (5, 2047), (3, 2049), (0, 7), (7, 0), (2, 3, 5)]:
        rng = rng_of(*shape)
        z, da = 4 * floats(rng, *shape), floats(rng, *shape)
        a = _core.activation(name, z, alpha)
        got = _core.activation_backward(name, None, da, alpha, a=a)
        expected = reference.activation_backward(name, None, da, alpha, a=a)
        assert_close(got, expected, 16, np.abs(da).max(initial=0))
        np.testing.assert_array_equal(got, _core.activation_backward(name, z, da, alpha))
        np.testing.assert_array_equal(got, _core.activation_backward(name, 3 * z, da, alpha, a=a))
        z_too, a_too, da_too = z.copy(), a.copy(), da.copy()
        for arguments, out in [
            ((z, da), np.full_like(a, np.nan)),
            ((z_too, da), z_too),
            ((None, da_too), da_too),
            ((None, da), a_too),
        ]:
            kept = {"a": a_too if out is a_too else a} if arguments[0] is None else {}
            assert _core.activation_backward(name, *arguments, alpha, out, **kept) is out
            np.testing.assert_array_equal(out, got)
    twice = np.repeat(a, 2, axis=-1)[..., ::2]
    np.testing.assert_array_equal(
        _core.activation_backward(name, None, da[..., ::-1], alpha, a=twice[..., ::-1]),
        _core.activation_backward(name, z[..., ::-1], da[..., ::-1], alpha),
    )


@pytest.mark.parametrize("functions", [_core, reference], ids=["core", "reference"])
def test_activation_backward_refuses(functions):
    backward, one = functions.activation_backward, np.ones((2, 3), np.float32)
    for name, row in reference.ACTIVATIONS.items():
        if row[1] != "a":
            for a in (one, one[:0]):
                with pytest.raises(
                    ValueError, match=f"derivative of {name} is not a function of its output: give z"
                ):
                    backward(name, one, a, a=a)
    with pytest.raises(ValueError, match=r"z is None: give z, or a="):
        backward("tanh", None, one)
    with pytest.raises(ValueError, match=r"a has shape \(3, 2\), da .*\(2, 3\)"):
        backward("tanh", one, one, a=one.T)
    with pytest.raises(ValueError, match=r"z has shape \(3, 2\), da .*\(2, 3\)"):
        backward("tanh", one.T, one)
    with pytest.raises(ValueError, match=r"alpha is -0.5: it must be at least 0"):
        backward("leaky_relu", one, one, -0.5)
    with pytest.raises(TypeError):
        backward("tanh", None, one, 0.0, None, one)


@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_activation_at_the_ends(isa, name):
    """Large, tiny and special values in every lane and tail; NaN stays NaN."""
    values = [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 20.0, -20.0, 88.0, -88.0, 1e4, -1e4, 3e38, -3e38]
    alpha = ALPHAS.get(name, 0.0)
    for shift in range(17):
        z = np.roll(np.resize(np.float32(values), 19), shift)[None]
        with np.errstate(all="ignore"):
            expected = reference.activation(name, z, alpha)
        finite = np.abs(expected) < 3.4e38
        assert_close(_core.activation(name, z, alpha)[finite], expected[finite], 8, 1e-3)
        z[0, shift] = np.nan
        got = _core.activation(name, z, alpha)
        assert np.isnan(got[0, shift])
        assert not activations.get(name).elementwise or np.isnan(got).sum() == 1


@pytest.mark.parametrize(
    ("name", "low", "high", "ulps"),
    [
        ("exp", -87, 88, 2),
        ("sigmoid", -80, 80, 2),
        ("tanh", -12, 12, 4),
        ("log", 1e-37, 1e30, 4),
        ("log1p", 0, 1e6, 4),
        ("expm1", -20, 88.72, 4),
    ],
)
def test_elementary_functions(isa, name, low, high, ulps):
    rng = rng_of(5)
    x = np.concatenate(
        [rng.uniform(low, high, 200_000), rng.normal(size=200_000), rng.normal(size=100_000) * 1e-3]
    )
    if low > 0:
        x = np.exp(rng.uniform(np.log(low), np.log(high), 400_000))
    x = np.clip(x, low, high).astype(np.float32)
    x64 = x.astype(np.float64)
    expected = 1 / (1 + np.exp(-x64)) if name == "sigmoid" else getattr(np, name)(x64)
    error = np.abs(_core.elementary(name, x) - expected) / np.spacing(np.abs(expected).astype(np.float32))
    # Without fused multiply-adds some sums round twice.
    assert error.max() <= ulps + (isa == "generic" and name != "sigmoid")
    assert name != "expm1" or np.isinf(_core.elementary(name, np.full(5, 88.73, np.float32))).all()


@pytest.mark.parametrize(
    "name", ["mean_squared_error", "mean_absolute_error", "huber", "poisson", "euclidean"]
)
def test_losses_beyond_float32(isa, name):
    """Finite where the float64 loss is; the gradient where float32 can represent it."""
    spec = {"name": name} | {"huber": {"param": 1.0}, "poisson": {"from_logits": False}}.get(name, {})
    big = np.float32([1e19, 3e19, 1e30, 3e38])
    a = np.concatenate([np.tile(big, 5), np.ones(3, np.float32)])[None].repeat(2, axis=0)
    y = np.concatenate([np.repeat(big, 5), np.ones(3, np.float32)])[None].repeat(2, axis=0)
    a[1], y[1] = 1, 2  # a row like any other
    value, gradient = _core.loss(spec, y, a)
    expected, exact = reference.loss(spec, y, a)
    assert np.isfinite(value) and value == pytest.approx(expected, rel=1e-5)
    fits = np.abs(exact) < 3e38
    np.testing.assert_allclose(gradient[fits], exact[fits], rtol=1e-5, atol=1e-6)
    a[0, 3] = np.nan
    assert np.isnan(_core.loss(spec, y, a)[0])


# ---- losses and metrics


def variants(name):
    """Every way a loss can be set."""
    crossentropy = name.endswith("crossentropy")
    for logits, smoothing in itertools.product(
        [False, True] if crossentropy else [False], [0.0, 0.1] if crossentropy else [0.0]
    ):
        yield loss_spec(name, from_logits=logits, label_smoothing=smoothing)


def loss_case(name, spec, batch, n):
    rng = rng_of(batch, n)
    a = floats(rng, batch, n)
    if (name.endswith("crossentropy") or name == "poisson") and not spec["from_logits"]:
        a = rng.uniform(0.01, 0.99, (batch, n)).astype(np.float32)
    rows = rng.uniform(0, 1, (batch, n)).astype(np.float32)
    ids = rng.integers(0, n, batch).astype(np.int32)
    return a, rows, ids, rng.uniform(0, 2, batch).astype(np.float32)


@pytest.mark.parametrize("name", reference.LOSSES)
def test_loss(isa, name):
    for spec in variants(name):
        for batch, n in SHAPES:
            a, rows, ids, weight = loss_case(name, spec, batch, n)
            for y, w in [(rows, None), (rows, weight), (ids, None), (ids, weight)]:
                value, gradient = _core.loss(spec, y, a, w)
                expected, expected_gradient = reference.loss(spec, y, a, w)
                assert_close(value, expected, 64, 1.0)
                assert_close(gradient, expected_gradient, 32, 1 / batch)


@pytest.mark.parametrize("name", reference.METRICS)
def test_metric(name):
    spec = {"name": name, "param": 3.0 if name.startswith("top_k") else 0.5}
    for batch, n in SHAPES:
        a, rows, ids, _ = loss_case("poisson", loss_spec("poisson"), batch, n)
        for y in (np.round(rows), ids):
            assert _core.metric(spec, y, a) == pytest.approx(reference.metric(spec, y, a), rel=1e-6, abs=1e-9)


# ---- optimizers


@pytest.mark.parametrize(
    "spec",
    list(optimizer_specs()),
    ids=lambda s: "-".join([s["name"], *(k for k in BASE if s[k] != BASE[k])]),
)
def test_update(isa, spec):
    for n in SIZES:
        rng = rng_of(n)
        w = floats(rng, n)
        n_slots = len(reference.slot_names(spec))
        slots = [np.zeros(n, np.float32) for _ in range(n_slots)]
        w64, slots64 = w.astype(float), [np.zeros(n) for _ in range(n_slots)]
        for step in range(4):
            g = floats(rng, n)
            _core.update(spec, w, g, slots, 0.01, step)
            reference.update(spec, w64, g.astype(float), slots64, float(np.float32(0.01)), step)
            assert_close(w, w64, 64, 1.0)
            for slot, slot64 in zip(slots, slots64, strict=True):
                assert_close(slot, slot64, 64, 0.1)


# ---- out=


def test_out_is_used_and_checked():
    z = floats(rng_of(0), 5, 7)
    out = np.empty_like(z)
    assert _core.activation("relu", z, out=out) is out
    np.testing.assert_array_equal(out, np.maximum(z, 0))
    assert _core.activation("tanh", z, out=z) is z  # in place
    for bad in (np.empty((5, 7)), np.empty((7, 5), np.float32), np.empty((7, 5), np.float32).T):
        with pytest.raises(ValueError, match="out must be"):
            _core.activation("relu", z, out=bad)
    readonly = np.empty_like(z)
    readonly.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        _core.activation("relu", z, out=readonly)
