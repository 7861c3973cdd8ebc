"""Plans with precision="bfloat16": products bitwise equal to the reference on every instruction set, with
AMX if it is available or emulated, for any number of threads and any position in a batch."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from conv_helpers import CASES, conv, random_case, size_in
from core_helpers import (
    BASE,
    FMA_SETS,
    PRELU,
    activation,
    assert_near,
    dense,
    digest,
    loss_spec,
    make_data,
    normalization,
    rng_of,
    train,
)
from reference_helpers import with_slots

from nnc import _core, reference

SGD = with_slots(BASE | {"name": "sgd"})
PRELU_ROW = PRELU | {"alpha_l1": 0.0, "alpha_l2": 0.0}


def has_amx():
    try:
        _core.set_bfloat16("amx")
    except ValueError:
        return False
    finally:
        _core.set_bfloat16()
    return True


PRODUCTS = ["exact", "amx"] if has_amx() else ["exact"]


@pytest.fixture(params=PRODUCTS)
def products(request):
    _core.set_bfloat16(request.param)
    yield request.param
    _core.set_bfloat16()


@pytest.fixture(autouse=True)
def products_of_the_environment():
    yield
    _core.set_bfloat16()


def both(n_inputs, layers, **settings):
    settings = {"batch_size": 70, "precision": "bfloat16"} | settings
    plans = [module.Plan(n_inputs, layers, **settings) for module in (_core, reference)]
    rng = rng_of(n_inputs, len(layers))
    parameters = [rng.normal(size=shape).astype(np.float32) for shape in plans[1].parameter_shapes]
    for plan in plans:
        plan.set_parameters(parameters)
    return plans, parameters, rng


def same_bits(got, wanted, message):
    """Sign and payload of a NaN are not defined; it is quiet."""
    wanted = np.asarray(wanted, np.float32)
    got = np.asarray(got, np.float32).reshape(wanted.shape)
    nans = np.isnan(wanted)
    np.testing.assert_array_equal(np.isnan(got), nans, err_msg=message)
    assert np.all(got.view(np.int32)[nans] & 0x400000), message
    np.testing.assert_array_equal(got.view(np.int32)[~nans], wanted.view(np.int32)[~nans], err_msg=message)


def check_bits(row, n_inputs, batch, spoil=lambda name, array, rng: array):
    """Outputs and dW of one layer. A PReLU before shows dx: of a row x = -1 the slopes' gradient is -dx."""
    plans, parameters, rng = both(n_inputs, [row], optimizer=SGD)
    for plan in plans:
        plan.set_parameters([spoil("weights", parameters[0], rng_of(batch)), *parameters[1:]])
    x = spoil("x", rng.normal(size=(batch, n_inputs)).astype(np.float32), rng)
    outputs = [plan.step_forward(x, 0, 0, False) for plan in plans]
    d = spoil("gradient", rng.normal(size=outputs[1].shape).astype(np.float32), rng)
    gradients = [plan.step_gradients(d) for plan in plans]
    same_bits(*outputs, f"outputs of {row}, batch {batch}")
    same_bits(gradients[0][0], gradients[1][0], f"dW of {row}, batch {batch}")
    plans, parameters, rng = both(n_inputs, [PRELU_ROW, row], optimizer=SGD)
    parameters[1] = spoil("weights", parameters[1], rng)
    x = -np.ones((1, n_inputs), np.float32)
    for plan in plans:
        plan.set_parameters(parameters)
        plan.step_forward(x, 0, 0, False)
    dx = [plan.step_gradients(d[:1])[0] for plan in plans]
    same_bits(*dx, f"dx of {row}")


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 2), (31, 33), (32, 32), (33, 31), (100, 10), (65, 70), (130, 97)]
)
def test_dense(isa, products, threads, n_threads, shape):
    _core.set_bfloat16(products)
    threads(n_threads)
    for batch in (1, 2, 7, 31, 33, 67):
        check_bits(dense(shape[1]), shape[0], batch)


@pytest.mark.parametrize("name", CASES)
def test_convolutions(isa, products, threads, name):
    _core.set_bfloat16(products)
    threads(3)
    for batch in (1, 5, 34):
        check_bits(CASES[name], size_in(CASES[name]), batch)


@pytest.mark.parametrize("seed", range(90))
def test_random_convolutions(products, threads, seed):
    threads(2)
    row = random_case(seed)
    for batch in (1, 3):
        check_bits(row, size_in(row), batch)


@pytest.mark.parametrize("row", [(dense(19), 37), (conv((5, 4, 3), 6, (3, 3), pads=(1, 1)), 60)])
def test_every_size_of_a_batch(products, threads, row):
    threads(2)
    for batch in range(1, 68):
        check_bits(*row, batch)


SPECIAL = np.array([np.inf, -np.inf, np.nan, 3.4e38, -3.4e38], np.float32)  # the last two are rounded to inf


def spoiled(where):
    """Sets a few values of the arrays named to infinity or NaN, and most columns of x to 0."""

    def spoil(name, array, rng):
        array = array.copy()
        if name == "x":
            array[:, rng.random(array.shape[1]) < 0.7] = 0
        if name in where:
            at = rng.integers(0, array.size, 1 + array.size // 200)
            array.reshape(-1)[at] = rng.choice(SPECIAL, len(at))
        return array

    return spoil


@pytest.mark.parametrize("where", [["x"], ["weights"], ["gradient"], ["x", "weights", "gradient"]])
def test_infinities_and_nan_in_dense_layers(isa, products, threads, where):
    _core.set_bfloat16(products)
    threads(2)
    for inputs, units in [(3, 2), (31, 33), (100, 10), (65, 70)]:
        for batch in (1, 7, 33):
            check_bits(dense(units), inputs, batch, spoiled(where))


@pytest.mark.parametrize("where", [["x"], ["weights"], ["gradient"], ["x", "weights", "gradient"]])
@pytest.mark.parametrize("name", CASES)
def test_infinities_and_nan_in_convolutions(products, threads, name, where):
    """A pixel that is not finite affects only the windows that contain it."""
    threads(2)
    for batch in (1, 5):
        check_bits(CASES[name], size_in(CASES[name]), batch, spoiled(where))


DROPOUT = {"kind": "dropout", "rate": 0.3}

NETS = {
    "dense": (37, [dense(45, "gelu"), dense(33, "relu", kernel_l2=0.01), dense(7, "softmax")]),
    "convolutional": (
        144,
        [
            conv((12, 12, 1), 16, (3, 3), activation="relu"),
            conv((10, 10, 16), 17, (3, 3), pads=(1, 1)),
            normalization("batch", 17),
            activation("relu", 17),
            conv((10, 10, 17), 20, (3, 3), strides=(2, 2), activation="gelu"),
            DROPOUT,
            dense(7, "softmax"),
        ],
    ),
    "groups": (
        432,
        [
            conv((9, 8, 6), 12, (3, 3), pads=(1, 1), activation="relu", groups=3),
            conv((9, 8, 12), 12, (3, 3), strides=(2, 2), activation="gelu", groups=12),
            conv((4, 3, 12), 36, (2, 2), pads=(1, 1), groups=2),
            dense(7, "softmax"),
        ],
    ),
}


def trained(name, settings, kind=_core):
    """Weights after three epochs, the losses and the outputs of all rows."""
    n_inputs, layers = NETS[name]
    plan = kind.Plan(n_inputs, layers, precision="bfloat16", **settings)
    rng = rng_of(n_inputs)
    parameters = [rng.normal(size=s) / np.prod(s[:-1] or s) ** 0.5 for s in plan.parameter_shapes]
    plan.set_parameters([np.abs(p) if p.ndim == 1 else p for p in parameters])
    x, _, ids, _ = make_data(97, n_inputs, plan.n_outputs)
    losses = train(plan, x, ids, steps=12, batch_size=29)
    return plan, x, losses


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize(
    "options", [{"name": "sgd", "momentum": 0.9}, {"name": "adam", "global_clipnorm": 0.1}]
)
def test_the_same_bits(threads, name, options):
    settings = {"loss": loss_spec("categorical_crossentropy"), "optimizer": with_slots(BASE | options)}
    found = {}
    for isa, n, products in itertools.product(FMA_SETS, [1, 2, 3, 8], PRODUCTS):
        _core.set_isa(isa)
        _core.set_bfloat16(products)
        threads(n)
        plan, x, losses = trained(name, settings)
        whole = plan.forward(x)
        for first, last in [(0, 1), (5, 7), (9, 12), (31, 97)]:
            np.testing.assert_array_equal(plan.forward(x[first:last]), whole[first:last])
        found[isa, n, products] = digest([*plan.get_parameters(), np.float64(losses), whole])
    _core.set_isa()
    assert len(set(found.values())) <= 1, found


@pytest.mark.parametrize("name", NETS)
def test_training_is_near_the_reference(products, name):
    """Float32 against float64 in everything except products; occasionally a rounding differs."""
    settings = {
        "loss": loss_spec("categorical_crossentropy"),
        "optimizer": with_slots(BASE | {"name": "sgd"}),
    }
    (got, x, losses), (wanted, _, expected) = (trained(name, settings, kind) for kind in (_core, reference))
    np.testing.assert_allclose(losses, expected, rtol=2e-3)
    assert_near([got.forward(x)], [wanted.forward(x)], 1e-2)


def pooling(kind, shape):
    """Of 2 x 2 pixels."""
    row = {"kind": kind, "channels": shape[2], "pad_top": 0, "pad_left": 0}
    for axis, n in zip(["height", "width"], shape, strict=False):
        row |= {axis: n, f"out_{axis}": n // 2, f"kernel_{axis}": 2, f"stride_{axis}": 2}
    return row | {"dilation_height": 1, "dilation_width": 1}


CHAINS = {
    "dense": (37, [dense(16, "relu"), dense(45, "gelu"), dense(33), dense(7, "softmax")]),
    "maps": (
        12 * 13 * 3,
        [
            conv((12, 13, 3), 5, (3, 3), activation="relu"),
            conv((10, 11, 5), 18, (3, 2), pads=(1, 1)),
            normalization("batch", 18),
            activation("relu", 18),
            conv((10, 12, 18), 6, (2, 2), pads=(-1, -2), out=(7, 8)),
            pooling("max_pooling", (7, 8, 6)),
            conv((3, 4, 6), 4, (2, 2), dilation=(1, 2), pads=(0, 1), activation="gelu"),
            pooling("average_pooling", (2, 4, 4)),
            dense(10, "relu"),
            normalization("batch", 10),
            dense(7, "softmax"),
        ],
    ),
    "a large map": (
        40 * 40 * 6,
        [
            normalization("batch", 6),
            conv((40, 40, 6), 3, (3, 3)),
            dense(200),
            conv((10, 10, 2), 5, (3, 3)),
            dense(3),
        ],
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_copies_written_with_the_floats(products, threads, name):
    """A dropout of rate 0 changes nothing, but the next layer's copy is then made in a pass of its own."""
    n_inputs, rows = CHAINS[name]
    nothing = {"kind": "dropout", "rate": 0.0}
    apart = [row for layer in rows for row in ([nothing, layer] if "use_bias" in layer else [layer])]
    settings = {"loss": loss_spec("mean_squared_error"), "optimizer": SGD, "batch_size": 23}
    found = set()
    for n_threads, layers in itertools.product([1, 3], [rows, apart]):
        threads(n_threads)
        plan = _core.Plan(n_inputs, layers, precision="bfloat16", **settings)
        rng = rng_of(n_inputs)
        parameters = [rng.normal(size=s) / np.prod(s[:-1] or s) ** 0.5 for s in plan.parameter_shapes]
        plan.set_parameters([np.abs(p) if p.ndim == 1 else p for p in parameters])
        x, y, *_ = make_data(41, n_inputs, plan.n_outputs)
        losses = train(plan, x, y, steps=4, batch_size=23)
        found.add(digest([*plan.get_parameters(), np.float64(losses), plan.forward(x)]))
    assert len(found) == 1


def test_weights_that_are_set_are_rounded_for_the_products_only(products):
    plans, parameters, _ = both(9, [dense(5)])
    for got, wanted in zip(plans[0].get_parameters(), parameters, strict=True):
        np.testing.assert_array_equal(got, wanted)


def in_a_process(code, **environment):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)


MAKE = "import nnc; nnc._core.Plan(3, [], precision='bfloat16')"


def test_the_environment_chooses():
    paths = os.pathsep.join(sys.path)
    name = "import nnc; print(nnc._core.cpu_info()['bfloat16'])"
    assert in_a_process(name, NNC_BF16="exact", PYTHONPATH=paths).stdout.startswith("exact, ")
    wrong = in_a_process(MAKE, NNC_BF16="tpu", PYTHONPATH=paths)
    assert "amx or exact, got 'tpu'" in wrong.stderr
    forced = in_a_process(name, NNC_BF16="amx", PYTHONPATH=paths)
    assert forced.stdout.startswith("amx" if has_amx() else "none: NNC_BF16 is amx, but this CPU has no AMX")


@pytest.mark.skipif(not FMA_SETS, reason="a CPU without fused multiply-adds")
def test_generic_uses_the_twin_of_another_set():
    paths = os.pathsep.join(sys.path)
    name = "import nnc; print(nnc._core.cpu_info()['bfloat16'])"
    found = in_a_process(name, NNC_ISA="generic", PYTHONPATH=paths)
    assert found.stdout.strip() == f"exact, {FMA_SETS[-1]}"


@pytest.mark.skipif("amx" not in PRODUCTS or not _core.emulated_tiles()[2], reason="AMX is not emulated")
def test_the_instructions_are_as_many_as_the_arithmetic_needs(threads):
    """The tile products of (m, k) times (k, n): one for each 16 x 16 outputs and 32 terms."""
    threads(1)
    _core.set_bfloat16("amx")
    plan = _core.Plan(96, [dense(40)], precision="bfloat16", batch_size=64)
    before = _core.emulated_tiles()
    plan.forward(np.ones((64, 96), np.float32))
    loads, stores, made, *_ = (after - b for after, b in zip(_core.emulated_tiles(), before, strict=True))
    assert (made, stores) == (4 * 3 * 3, 4 * 3)  # 64 rows, 40 columns, 96 terms
    assert loads == 3 * (2 * 4 + 5)  # of 2 x 2 tiles 4 loads, of 4 x 1 tiles 5


def test_a_precision_that_is_not_there():
    with pytest.raises(ValueError, match="precision must be float32 or bfloat16, got 'float16'"):
        _core.Plan(3, [dense(2)], precision="float16")
