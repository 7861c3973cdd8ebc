"""Complete plans, compiled against reference: every layer, loss and optimizer, odd shapes, every instruction
set; and bitwise reproducibility."""

import itertools

import numpy as np
import pytest
from core_helpers import (
    BASE,
    FMA_SETS,
    MR,
    PRELU,
    activation,
    assert_near,
    dense,
    digest,
    loss_spec,
    make_data,
    make_plans,
    optimizer_specs,
    rng_of,
    train,
)
from reference_helpers import with_slots

from nnc import _core, reference

WIDTHS = [1, 2, 3, 10, 31, 33, 67, 292]


DROPOUT = {"kind": "dropout", "rate": 0.3}
RESCALING = {"kind": "rescaling", "scale": 0.5, "offset": -0.25}

PERMUTE = {"kind": "permute", "axes": [2, 3, 1, 4], "order": [2, 4, 3, 1]}

NETS = {
    "permuted": [dense(24, "tanh"), PERMUTE, dense(9), PERMUTE | {"axes": [9, 1], "order": [2, 1]}, dense(4)],
    "one layer": [dense(7)],
    "no bias": [dense(33, "tanh", bias=False), dense(5, bias=False)],
    "deep": [dense(67, "relu"), dense(33, "gelu"), dense(31, "sigmoid"), dense(3)],
    "layers of their own": [
        dense(40),
        activation("elu", 40),
        activation("silu", 40),
        dense(6),
        activation("softmax", 3),
        activation("log_softmax", 3),
    ],
    "first of all": [activation("tanh", 1), PRELU, dense(12), PRELU, dense(4)],
    "rescaled": [RESCALING, dense(20, "softplus"), RESCALING, dense(9)],
    "hidden softmax": [dense(32, "softmax", group=8), dense(32, "softmax"), dense(2)],
    "hidden log_softmax": [dense(32, "log_softmax", group=8), dense(9, "tanh"), dense(2)],
    "dropout": [DROPOUT, dense(50, "relu"), DROPOUT, dense(34, "gelu_tanh"), DROPOUT, dense(4)],
    "penalties": [
        dense(35, "leaky_relu", kernel_l1=0.01, kernel_l2=0.02, bias_l1=0.03, bias_l2=0.04),
        dense(5, kernel_l2=0.1),
    ],
    "nothing": [],
    "no parameters": [activation("tanh", 1)],
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_forward_and_gradients(isa, threads, name, n_threads):
    threads(n_threads)
    for n_inputs, batch in itertools.product([1, 33, 70], [1, 2, MR, 4 * MR + 1]):
        compiled, expected = make_plans(n_inputs, NETS[name])
        assert compiled.parameter_names == expected.parameter_names
        assert compiled.parameter_shapes == expected.parameter_shapes
        x, rows, _, weights = make_data(batch, n_inputs, compiled.n_outputs)
        assert_near([compiled.forward(x)], [expected.forward(x)])
        for training in (False, True):
            loss, gradients = compiled.gradients(x, rows, weights, training, 3, 11)
            expected_loss, expected_gradients = expected.gradients(x, rows, weights, training, 3, 11)
            assert loss == pytest.approx(expected_loss, rel=1e-5)
            assert_near(gradients, expected_gradients)
        assert compiled.penalty() == pytest.approx(expected.penalty(), rel=1e-6)


@pytest.mark.parametrize("n_inputs", WIDTHS)
def test_widths(isa, n_inputs):
    for hidden, outputs in itertools.product(WIDTHS, [1, 10, 33]):
        compiled, expected = make_plans(n_inputs, [dense(hidden, "relu"), dense(outputs)])
        x, rows, _, _ = make_data(17, n_inputs, outputs)
        assert_near([compiled.forward(x)], [expected.forward(x)])
        assert_near(compiled.gradients(x, rows)[1], expected.gradients(x, rows)[1])


def mostly_zero(n, n_inputs, seed=0):
    """Rows in which three of four groups of four features are 0; in row 0 all are."""
    rng = rng_of(n, n_inputs, seed)
    keep = np.repeat(rng.uniform(size=(n, n_inputs // 4)) < 0.25, 4, axis=1)
    keep[0] = False
    return np.where(keep, rng.normal(size=(n, n_inputs)), 0).astype(np.float32)


@pytest.mark.parametrize("n_inputs", [128, 196, 784, 3072])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_zeros_left_out(isa, threads, n_inputs, n_threads):
    """Against the reference, and to the bit against the path that skips nothing: one more column, always 0,
    makes the number of columns no multiple of the group size, for which no lists are kept."""
    threads(n_threads)
    for batch, hidden in itertools.product([1, 2, 7, 8, 33, 100], [3, 33, 292]):
        compiled, expected = make_plans(n_inputs, [dense(hidden, "relu"), dense(3)])
        plain, _ = make_plans(n_inputs + 1, [dense(hidden, "relu"), dense(3)])
        first, *others = compiled.get_parameters()
        plain.set_parameters([np.vstack([first, np.ones((1, hidden), np.float32)]), *others])
        x = mostly_zero(batch, n_inputs)
        _, rows, _, _ = make_data(batch, n_inputs, 3)
        padded = np.hstack([x, np.zeros((batch, 1), np.float32)])
        assert_near([compiled.forward(x)], [expected.forward(x)])
        np.testing.assert_array_equal(compiled.forward(x), plain.forward(padded))
        if batch <= 64:
            gradients, wide = compiled.gradients(x, rows)[1], plain.gradients(padded, rows)[1]
            assert_near(gradients, expected.gradients(x, rows)[1])
            np.testing.assert_array_equal(gradients[0], wide[0][:-1])
            for got, wanted in zip(gradients[1:], wide[1:], strict=True):
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", [n for n in reference.ACTIVATIONS])
def test_every_activation_in_a_plan(isa, name):
    """Before a dense layer, after one, and last."""
    before = "tanh" if name == "exponential" else name  # an exponential of exponentials is infinite
    layers = [dense(33, before), activation(name, 33), dense(34, before), dense(5, name)]
    compiled, expected = make_plans(12, layers)
    x, rows, _, _ = make_data(29, 12, 5)
    assert_near([compiled.forward(x)], [expected.forward(x)])
    assert_near(compiled.gradients(x, rows)[1], expected.gradients(x, rows)[1], 5e-5)


METRICS = [{"name": name, "param": 2.0 if name.startswith("top_k") else 0.5} for name in reference.METRICS]


@pytest.mark.parametrize("name", reference.LOSSES)
@pytest.mark.parametrize("last", ["linear", "sigmoid", "softmax"])
def test_every_loss_in_a_plan(isa, name, last):
    """With ids and rows, fused and not, with metrics; evaluate agrees with gradients."""
    for from_logits in {False, name.endswith("crossentropy")}:
        if last == "linear" and (name == "poisson" or (name.endswith("crossentropy") and not from_logits)):
            continue  # outputs that are not probabilities or rates
        compiled, expected = make_plans(
            6,
            [dense(21, "tanh"), dense(4, last)],
            loss=loss_spec(name, from_logits=from_logits),
            metrics=METRICS,
        )
        x, rows, ids, weights = make_data(31, 6, 4)
        for y, w in itertools.product([ids, rows], [None, weights]):
            loss, gradients = compiled.gradients(x, y, w)
            expected_loss, expected_gradients = expected.gradients(x, y, w)
            assert loss == pytest.approx(expected_loss, rel=1e-5)
            assert_near(gradients, expected_gradients)
            n, loss_sum, metric_sums = compiled.evaluate(x, y, w, 3, 31)
            expected_n, expected_sum, expected_metrics = expected.evaluate(x, y, w, 3, 31)
            assert n == expected_n
            assert loss_sum == pytest.approx(expected_sum, rel=1e-5)
            np.testing.assert_allclose(metric_sums, expected_metrics, rtol=1e-5)


@pytest.mark.parametrize("spec", list(optimizer_specs()), ids=str)
def test_every_optimizer_in_a_plan(spec):
    """50 steps on data that the batch does not divide, with penalties: the losses of the reference."""
    compiled, expected = make_plans(
        9,
        [dense(35, "tanh", kernel_l2=0.01), dense(3)],
        loss=loss_spec("categorical_crossentropy", from_logits=True),
        optimizer=spec,
    )
    x, _, ids, weights = make_data(40, 9, 3)
    order = rng_of(3).permutation(40)
    rate = 0.002 if spec["name"] == "rmsprop" else 0.02
    losses = train(compiled, x, ids, weights, order, rate=rate)
    expected_losses = train(expected, x, ids, weights, order, rate=rate)
    np.testing.assert_allclose(losses, expected_losses, rtol=2e-3 if spec["centered"] else 2e-4)
    assert sum(losses[44:48]) < sum(losses[:4])  # the same four batches


def test_trajectory_with_everything(isa):
    """Dropout, PReLU, penalties, uint8 input: 50 losses agree with the reference."""
    layers = [
        RESCALING | {"scale": 1 / 255, "offset": 0.0},
        dense(40, "gelu", kernel_l2=1e-3),
        DROPOUT,
        dense(33),
        PRELU,
        dense(5),
    ]
    compiled, expected = make_plans(
        20, layers, loss="euclidean", optimizer=BASE | {"name": "sgd", "momentum": 0.9}
    )
    x = rng_of(1).integers(0, 256, (57, 20)).astype(np.uint8)
    y = np.eye(5, dtype=np.float32)[rng_of(2).integers(0, 5, 57)]
    np.testing.assert_allclose(train(compiled, x, y), train(expected, x, y), rtol=1e-4)


# ---- the same bits


def trained_bits(name, optimizer, batch_size=29):
    compiled, _ = make_plans(70, NETS[name], batch_size=64, optimizer=optimizer)
    x, rows, _, weights = make_data(150, 70, compiled.n_outputs)
    losses = train(compiled, x, rows, weights, steps=8, batch_size=batch_size)
    return digest([*compiled.get_parameters(), np.float64(losses), compiled.forward(x)])


@pytest.mark.parametrize("name", NETS)
def test_same_bits_for_any_threads_and_isa(threads, name):
    for optimizer in (
        BASE | {"name": "sgd", "momentum": 0.9},
        BASE | {"name": "adam", "global_clipnorm": 0.1},
    ):
        found = set()
        for isa, n in itertools.product(FMA_SETS, [1, 2, 3, 8]):
            _core.set_isa(isa)
            threads(n)
            found.add(trained_bits(name, optimizer))
        _core.set_isa()
        assert len(found) <= 1


def test_same_bits_for_any_threads_on_a_wide_net(threads):
    """Wide enough for every split: by panels, by rows, several passes over k."""
    found = set()
    for isa, n in itertools.product(FMA_SETS, [1, 2, 3, 8, 33]):
        _core.set_isa(isa)
        threads(n)
        compiled, _ = make_plans(
            1500,
            [dense(700, "relu", kernel_l2=1e-4), dense(600, "gelu"), dense(10)],
            batch_size=200,
            loss=loss_spec("categorical_crossentropy", from_logits=True),
            optimizer=BASE | {"name": "sgd", "momentum": 0.9},
        )
        x, _, ids, _ = make_data(300, 1500, 10)
        losses = train(compiled, x, ids, steps=3, batch_size=200)
        found.add(digest([*compiled.get_parameters(), np.float64(losses)]))
    _core.set_isa()
    assert len(found) <= 1


def test_a_row_is_predicted_alike_anywhere(isa, threads):
    compiled, _ = make_plans(67, [dense(130, "gelu"), dense(33, "tanh"), dense(10, "softmax")])
    x, _, _, _ = make_data(300, 67, 10)
    whole = compiled.forward(x)
    for n in (1, 2):
        threads(n)
        for first, last in [(0, 1), (5, 6), (3, 20), (128, 300), (17, 300), (299, 300)]:
            np.testing.assert_array_equal(compiled.forward(x[first:last]), whole[first:last])


def test_gradients_twice_give_the_same_bits(isa):
    compiled, _ = make_plans(33, NETS["dropout"])
    x, rows, _, weights = make_data(64, 33, 4)
    assert digest(compiled.gradients(x, rows, weights, True, 1, 2)[1]) == digest(
        compiled.gradients(x, rows, weights, True, 1, 2)[1]
    )


# ---- arguments


def test_inputs_of_every_layout():
    """Strided, repeated, reversed and read-only rows: bitwise equal to the contiguous copy."""
    compiled, _ = make_plans(10, [dense(7, "relu"), dense(3)])
    whole = rng_of(4).normal(size=(40, 10)).astype(np.float32)
    readonly = whole.copy()
    readonly.flags.writeable = False
    for x in (whole[::2], whole[::-1], np.broadcast_to(whole[3], (6, 10)), readonly, whole[:0], whole[5:6]):
        np.testing.assert_array_equal(compiled.forward(x), compiled.forward(np.array(x, order="C")))
    for bad in (whole[:, ::-1], whole.T.copy().T, whole[:, :9], whole[0]):
        with pytest.raises(ValueError, match="x "):
            compiled.forward(bad)
    with pytest.raises(TypeError, match="uint8 or float32"):
        compiled.forward(whole.astype(np.float64))


def test_labels_and_orders_are_checked_before_use():
    compiled, _ = make_plans(
        4,
        [dense(3)],
        loss=loss_spec("categorical_crossentropy", from_logits=True),
        optimizer=BASE | {"name": "sgd"},
    )
    x, _, ids, _ = make_data(20, 4, 3)
    before = digest(compiled.get_parameters())
    for wrong in (-1, 3, 2**31 - 1):
        bad = ids.copy()
        bad[13] = wrong
        with pytest.raises(ValueError, match=rf"y\[13\] is class {wrong}"):
            train(compiled, x, bad)
    for wrong in (-1, 20):
        with pytest.raises(ValueError, match=rf"order\[1\] is {wrong}"):
            train(compiled, x, ids, order=np.array([0, wrong]))
    with pytest.raises(ValueError, match="batch_size"):
        train(compiled, x, ids, batch_size=65)
    assert digest(compiled.get_parameters()) == before


def test_a_loss_that_is_not_finite_stops_before_the_update(isa):
    compiled, _ = make_plans(4, [dense(3)], optimizer=BASE | {"name": "sgd"})
    x, rows, _, _ = make_data(30, 4, 3)
    x[25] = np.inf
    rates = np.full(3, 0.01, np.float32)
    done, n, loss, _ = compiled.train(x, rows, None, None, 0, rates, 10, 0, 0, 1.0)
    assert (done, n) == (2, 20)
    assert np.isnan(loss)
    assert all(np.isfinite(w).all() for w in compiled.get_parameters())


def test_a_loss_from_outside(isa):
    """step_forward and step_backward with the gradient of the mean squared error: the weights of train."""
    sgd = BASE | {"name": "sgd", "momentum": 0.9}
    layers = [dense(33, "gelu"), dense(4, "tanh")]
    inside, _ = make_plans(6, layers, optimizer=sgd)
    outside, expected = make_plans(6, layers, loss=None, optimizer=sgd)
    x, rows, _, _ = make_data(20, 6, 4)
    for step in range(5):
        for plan in (outside, expected):
            a = plan.step_forward(x, 0, step)
            plan.step_backward(2 * (a - rows) / rows.size, 0.1, step)
        inside.train(x, rows, None, None, 0, np.full(1, 0.1, np.float32), 20, 0, step, 1.0)
    assert_near(outside.get_parameters(), expected.get_parameters())
    assert_near(outside.get_parameters(), inside.get_parameters())


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("training", [False, True])
def test_gradients_of_a_loss_from_outside(isa, threads, name, training):
    """step_forward and step_gradients with the mean squared error's gradient: a plan with that loss."""
    threads(2)
    inside, _ = make_plans(33, NETS[name])
    outside, expected = make_plans(33, NETS[name], loss=None)
    before = outside.get_parameters()
    for batch in (1, MR + 1, 40):
        x, rows, _, _ = make_data(batch, 33, inside.n_outputs)
        found = []
        for plan in (outside, expected):
            a = plan.step_forward(x, 3, 11, training=training)
            found.append(plan.step_gradients(2 * (a - rows) / rows.size))
        assert_near(found[0], found[1])
        assert_near(found[0], inside.gradients(x, rows, None, training, 3, 11)[1])
    for old, new in zip(before, outside.get_parameters(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_small_gradients_of_large_outputs(isa):
    """A gradient given from outside is not combined with the outputs: large outputs cost it no precision."""
    compiled, _ = make_plans(3, [dense(2)], loss=None)
    compiled.set_parameters([np.zeros((3, 2), np.float32), np.full(2, 1e4, np.float32)])
    x = np.ones((4, 3), np.float32)
    assert compiled.step_forward(x, 0, 0).max() == 1e4
    kernel, bias = compiled.step_gradients(np.full((4, 2), 2.5e-5, np.float32))
    np.testing.assert_allclose(bias, 1e-4, rtol=1e-6)
    np.testing.assert_allclose(kernel, 1e-4, rtol=1e-6)


@pytest.mark.parametrize("backend", [_core, reference], ids=["compiled", "reference"])
def test_a_step_has_one_forward_and_one_backward_half(backend):
    plan = backend.Plan(3, [dense(2)], optimizer=with_slots(BASE | {"name": "sgd"}), batch_size=8)
    x, d = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    with pytest.raises(ValueError, match="step_forward"):
        plan.step_gradients(d)
    plan.step_forward(x, 0, 0)
    plan.step_backward(d, 0.1, 0)
    with pytest.raises(ValueError, match="step_forward"):
        plan.step_backward(d, 0.1, 1)
    plan.step_forward(x, 0, 0, training=False)
    with pytest.raises(ValueError, match="training"):
        plan.step_backward(d, 0.1, 0)
    plan.step_forward(x, 0, 0, training=False)
    with pytest.raises(ValueError, match=r"\(n, 2\)|\(4, 2\)"):
        plan.step_gradients(np.ones((4, 3), np.float32))
    assert [g.shape for g in plan.step_gradients(d)] == [(3, 2), (2,)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "dense", "units": 3}, "use_bias"),
        (dense(3) | {"rate": 0.5}, "no setting 'rate'"),
        (dense(3) | {"units": 2.5}, "units of dense must be an integer.*, got 2.5"),
        (dense(3) | {"units": "many"}, "units of dense must be a number, got 'many'"),
        (dense(3) | {"activation": 1}, "activation of dense must be a name, got 1"),
    ],
)
def test_settings_are_those_of_the_kind(row, message):
    with pytest.raises(ValueError, match=message):
        _core.Plan(4, [row])


def test_the_core_and_the_optimizers_agree_on_slots():
    with pytest.raises(ValueError, match="keeps 1 slots, got 2"):
        _core.Plan(4, [dense(3)], optimizer=BASE | {"name": "sgd", "momentum": 0.9, "slots": ["v", "w"]})


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([dense(0)], "units"),
        ([dense(2**40)], "units"),
        ([{"kind": "conv9d"}], "conv9d"),
        ([dense(3, "reluu")], "reluu"),
        ([dense(3, "softmax", group=2)], "group"),
        ([{"kind": "dropout", "rate": 1.0}], "rate"),
        ([PERMUTE], "product, got"),
        ([PERMUTE | {"axes": [2, 2], "order": [1, 1]}], "each axis once, from 1 on, got 1"),
        ([PERMUTE | {"axes": [2, 2], "order": [2, 3]}], "each axis once, from 1 on, got 3"),
        ([PERMUTE | {"axes": [2, 2], "order": [1]}], "entry for each axis, entries, got 1"),
        ([PERMUTE | {"axes": [2], "order": [1]}], "product, got 4"),
        ([dense(2**30), dense(2**30)], "memory|units"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_memory_is_taken(layers, message):
    with pytest.raises(ValueError, match=message):
        _core.Plan(4, layers)


def test_float_state_is_left_as_found(threads):
    """Denormals still work in NumPy after training, on this thread and others."""
    threads(2)
    trained_bits("deep", BASE | {"name": "sgd"})
    assert np.float32(1e-40) * np.float32(1.0) != 0
    assert np.nextafter(np.float32(0), np.float32(1)) > 0


def test_seconds_of_each_phase():
    """They are added to existing values, for every layer that is run, and change nothing else."""
    layers = [DROPOUT, dense(300, "relu"), dense(300, "relu"), dense(3)]
    plan, _ = make_plans(200, layers, optimizer=BASE | {"name": "sgd"})
    x, rows, _, _ = make_data(64, 200, 3)
    seconds = np.zeros((len(layers) + 1, 2))
    rates = np.full(1, 0.01, np.float32)
    plan.train(x, rows, None, None, 0, rates, 64, 0, 0, 10.0, seconds=seconds)
    assert (seconds > 0).all() and seconds.sum() < 10
    before = seconds.copy()
    plan.train(x, rows, None, None, 0, rates, 64, 0, 1, 10.0, seconds=seconds)
    assert (seconds > before).all()
    with pytest.raises(ValueError, match=r"\(5, 2\), got \(4, 2\)"):
        plan.train(x, rows, None, None, 0, rates, 64, 0, 2, 10.0, seconds=seconds[1:])
