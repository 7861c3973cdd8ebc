"""Convolutions, compiled against reference. With small integers every order of summation is exact: the
product and both gradients agree bit for bit, on every instruction set, for any number of threads."""

import itertools

import numpy as np
import pytest
from conv_helpers import CASES, conv, random_case, size_in
from core_helpers import BASE, FMA_SETS, MR, PRELU, assert_near, dense, digest, loss_spec, rng_of, train
from reference_helpers import with_slots

from nnc import _core, reference

SGD = with_slots(BASE | {"name": "sgd"})


def integers(rng, low, high, shape):
    return rng.integers(low, high + 1, shape).astype(np.float32)


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


@pytest.mark.parametrize("seed", range(120))
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
    "groups": [
        conv((9, 8, 6), 12, (3, 3), pads=(1, 1), activation="relu", groups=3, kernel_l2=0.01),
        conv((9, 8, 12), 12, (3, 3), strides=(2, 2), activation="gelu", groups=12, use_bias=False),
        conv((4, 3, 12), 36, (2, 2), pads=(1, 1), groups=2),
        {"kind": "activation", "activation": "tanh", "alpha": 0.0, "group": 36},
        conv((5, 4, 36), 72, (3, 1), activation="elu", groups=36),
        dense(10),
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
    """With activations on both sides; a batch larger than inference processes at a time."""
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
    """A row's prediction does not depend on its position: a single row's map is split among the threads."""
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
