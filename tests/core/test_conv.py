"""Convolutions, compiled against reference. Small integers make every order of summation exact, so that the
product and both gradients agree to the last bit, on every instruction set, for any number of threads."""

import itertools

import numpy as np
import pytest
from core_helpers import BASE, FMA_SETS, MR, PRELU, assert_near, dense, digest, loss_spec, rng_of, train
from reference_helpers import with_slots

from nnc import _core, reference

SGD = with_slots(BASE | {"name": "sgd"})


def conv(shape, filters, kernel, strides=(1, 1), dilation=(1, 1), pads=(0, 0), out=None, **changes):
    """A row; without `out` as many windows as end inside the map, padded by `pads` on both sides."""
    axes = list(zip(shape[:2], kernel, strides, dilation, pads, strict=True))
    out = out or [(n + 2 * pad - d * (k - 1) - 1) // s + 1 for n, k, s, d, pad in axes]
    row = {"kind": "conv2d", "channels": shape[2], "filters": filters, "use_bias": True, "group": filters}
    for i, axis in enumerate(["height", "width"]):
        row |= {axis: shape[i], f"kernel_{axis}": kernel[i], f"stride_{axis}": strides[i]}
        row |= {f"dilation_{axis}": dilation[i], f"out_{axis}": out[i]}
    row |= {"pad_top": pads[0], "pad_left": pads[1], "activation": "linear", "alpha": 0.0}
    return row | {f"{p}_{n}": 0.0 for p in ("kernel", "bias") for n in ("l1", "l2")} | changes


CASES = {
    "one pixel": conv((1, 1, 1), 1, (1, 1)),
    "pointwise": conv((5, 7, 33), 34, (1, 1)),
    "pointwise, strides": conv((7, 5, 3), 4, (1, 1), strides=(2, 3)),
    "first layer": conv((12, 12, 1), 16, (3, 3)),
    "first layer, padded": conv((9, 11, 1), 10, (5, 5), pads=(2, 2)),
    "colours": conv((13, 13, 3), 32, (7, 7), strides=(2, 2), pads=(3, 3)),
    "16 channels": conv((9, 9, 16), 16, (3, 3)),
    "17 channels": conv((6, 6, 17), 33, (3, 3), pads=(1, 1)),
    "64 channels": conv((4, 4, 64), 64, (3, 3), pads=(1, 1)),
    "one row": conv((1, 20, 10), 3, (1, 4), pads=(0, 2)),
    "one column": conv((20, 1, 10), 3, (4, 1), pads=(2, 0)),
    "tall window": conv((6, 5, 2), 3, (4, 2), pads=(3, 0)),
    "window wider than the map": conv((2, 2, 5), 6, (5, 5), pads=(2, 2)),
    "dilated": conv((9, 10, 4), 5, (3, 3), dilation=(2, 3), pads=(2, 3)),
    "dilated beyond the map": conv((3, 2, 4), 5, (3, 3), dilation=(4, 2), pads=(4, 2)),
    "strides and dilation": conv((11, 12, 3), 2, (3, 4), strides=(3, 2), dilation=(2, 2), pads=(1, 1)),
    "strides beyond the window": conv((10, 10, 2), 3, (2, 2), strides=(4, 3)),
    "padding beyond the window": conv((2, 3, 2), 3, (2, 2), pads=(4, 3)),
    "cut off": conv((6, 6, 2), 3, (2, 2), pads=(-1, -2), out=(3, 2)),
    "more on one side": conv((6, 5, 18), 20, (2, 2), pads=(0, 1), out=(6, 7)),
    "many channels": conv((3, 3, 70), 100, (2, 2)),
    "many images": conv((2, 2, 20), 40, (2, 2), pads=(1, 1)),
}


def random_case(seed):
    rng = rng_of(seed)

    def pair(*choices):
        return tuple(int(n) for n in rng.choice(choices, 2))

    shape = (*pair(*range(1, 10)), int(rng.choice([1, 2, 3, 4, 10, 16, 17, 33])))
    kernel, strides, dilation = pair(1, 2, 3, 5), pair(1, 1, 2, 3), pair(1, 1, 2, 3)
    spans = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    pads = tuple(int(rng.integers(0, span + 1)) for span in spans)
    ends = [n + 2 * pad - span for n, pad, span in zip(shape, pads, spans, strict=False)]
    out = [max(1, (n - 1) // s + 1) for n, s in zip(ends, strides, strict=True)]
    return conv(shape, int(rng.choice([1, 3, 10, 16, 17, 32, 40])), kernel, strides, dilation, pads, out)


def integers(rng, low, high, shape):
    return rng.integers(low, high + 1, shape).astype(np.float32)


def size_in(row):
    return row["height"] * row["width"] * row["channels"]


def one_step(plan, parameters, x, d_outputs):
    """Outputs, and the parameters after a step of learning rate 1."""
    plan.set_parameters(parameters)
    outputs = plan.step_forward(x, 0, 0)
    plan.step_backward(d_outputs, 1.0, 0)
    return [outputs, *plan.get_parameters()]


def check_exactly(row, batch, seed=0):
    """The slopes of a PReLU before the convolution show dx: da = dx x where x <= 0, summed over the batch."""
    layers = [PRELU | {"alpha_l1": 0.0, "alpha_l2": 0.0}, row]
    settings = {"loss": None, "optimizer": SGD, "batch_size": batch + 3}
    compiled, expected = (module.Plan(size_in(row), layers, **settings) for module in (_core, reference))
    rng = rng_of(seed, batch)
    parameters = [integers(rng, -2, 2, shape) for shape in expected.parameter_shapes]
    x = integers(rng, -2, -1, (batch, size_in(row)))
    d_outputs = integers(rng, -2, 2, (batch, expected.n_outputs))
    got, wanted = (one_step(plan, parameters, x, d_outputs) for plan in (compiled, expected))
    for name, a, b in zip(["outputs", *compiled.parameter_names], got, wanted, strict=True):
        np.testing.assert_array_equal(a, b.reshape(a.shape), err_msg=f"{name} of {row}, batch {batch}")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_integers_are_exact(isa, threads, name, n_threads):
    threads(n_threads)
    for batch in (1, 2, 5, 2 * MR + 1):
        check_exactly(CASES[name], batch)


@pytest.mark.parametrize("seed", range(60))
def test_integers_of_random_shapes_are_exact(isa, threads, seed):
    threads(3)
    for batch in (1, 7):
        check_exactly(random_case(seed), batch, seed)


NETS = {
    "report B": [
        conv((12, 12, 1), 16, (3, 3), activation="relu"),
        conv((10, 10, 16), 16, (3, 3), activation="gelu"),
        conv((8, 8, 16), 64, (3, 3), strides=(2, 2), activation="elu"),
        conv((3, 3, 64), 33, (3, 3), pads=(1, 1), use_bias=False, kernel_l2=0.01),
        {"kind": "activation", "activation": "tanh", "alpha": 0.0, "group": 33},
        dense(10),
    ],
    "softmax": [
        dense(36, "silu"),
        conv((6, 6, 1), 8, (3, 3), pads=(1, 1), activation="softmax"),
        conv((6, 6, 8), 4, (2, 2), strides=(2, 2), activation="softmax"),
    ],
    "padded": [
        {"kind": "zero_padding", "height": 12, "width": 12, "channels": 1, "pad_top": 2, "pad_left": 1}
        | {"out_height": 15, "out_width": 14},
        conv((15, 14, 1), 20, (5, 5), strides=(2, 1), activation="relu", bias_l1=0.1),
        conv((6, 10, 20), 3, (1, 1), activation="relu"),
    ],
}


def make_plans(layers, n_inputs, **settings):
    compiled, expected = (module.Plan(n_inputs, layers, **settings) for module in (_core, reference))
    rng = rng_of(len(layers))
    parameters = [
        (rng.normal(size=s) / max(1, np.prod(s[:-1])) ** 0.5).astype(np.float32)
        for s in expected.parameter_shapes
    ]
    for plan in (compiled, expected):
        plan.set_parameters(parameters)
    return compiled, expected


def size_of(layers):
    return size_in(layers[0]) if "height" in layers[0] else 20


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_nets(isa, threads, name, n_threads):
    """With activations on both sides; a batch larger than inference takes at a time."""
    threads(n_threads)
    n_inputs = size_of(NETS[name])
    compiled, expected = make_plans(NETS[name], n_inputs, loss=loss_spec("mean_squared_error"), batch_size=64)
    rng = rng_of(1)
    for batch in (1, 3, 40):
        x = rng.normal(size=(batch, n_inputs)).astype(np.float32)
        y = rng.normal(size=(batch, expected.n_outputs)).astype(np.float32)
        assert_near([compiled.forward(x)], [expected.forward(x)])
        assert_near(compiled.gradients(x, y)[1], expected.gradients(x, y)[1])
    x = rng.normal(size=(150, n_inputs)).astype(np.float32)
    assert_near([compiled.forward(x)], [expected.forward(x)])
    assert compiled.penalty() == pytest.approx(expected.penalty(), rel=1e-6)


@pytest.mark.parametrize("name", NETS)
def test_same_bits_for_any_threads_and_isa(threads, name):
    """And a row is predicted alike wherever it stands: alone, its map is cut up among the threads."""
    n_inputs = size_of(NETS[name])
    settings = {"loss": loss_spec("mean_squared_error"), "batch_size": 64}
    for options in ({"name": "sgd", "momentum": 0.9}, {"name": "adam", "global_clipnorm": 0.1}):
        optimizer = with_slots(BASE | options)
        found = set()
        for isa, n in itertools.product(FMA_SETS, [1, 2, 3, 8]):
            _core.set_isa(isa)
            threads(n)
            compiled, expected = make_plans(NETS[name], n_inputs, optimizer=optimizer, **settings)
            x = rng_of(2).normal(size=(70, n_inputs)).astype(np.float32)
            y = rng_of(3).normal(size=(70, expected.n_outputs)).astype(np.float32)
            losses = train(compiled, x, y, steps=4, batch_size=29)
            whole = compiled.forward(x)
            for first, last in [(0, 1), (5, 7), (9, 12)]:
                np.testing.assert_array_equal(compiled.forward(x[first:last]), whole[first:last])
            found.add(digest([*compiled.get_parameters(), np.float64(losses), whole]))
        _core.set_isa()
        assert len(found) <= 1


def test_long_sums_keep_their_digits(isa):
    """60,000 pixels of a mean of 1: one chain of float32 would lose four digits."""
    row = conv((40, 40, 1), 1, (1, 1))
    compiled, expected = make_plans([row], 1600, loss=None, optimizer=SGD, batch_size=40)
    x = rng_of(5).uniform(0.5, 1.5, (40, 1600)).astype(np.float32)
    d_outputs = rng_of(6).uniform(0.5, 1.5, (40, 1600)).astype(np.float32)
    got, wanted = (one_step(p, p.get_parameters(), x, d_outputs) for p in (compiled, expected))
    for a, b in zip(got[1:], wanted[1:], strict=True):
        np.testing.assert_allclose(a.ravel(), b.ravel(), rtol=1e-6)
