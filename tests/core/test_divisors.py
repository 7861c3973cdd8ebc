"""Losses and penalties divided by a batch's weights, factors of value and gradient, log rates."""

import numpy as np
import pytest
from core_helpers import BASE, assert_near, dense, loss_spec, make_data, make_plans
from reference_helpers import with_slots

from nnc import _core, reference

ADAM = with_slots(BASE | {"name": "adam"})
SGD = with_slots(BASE | {"name": "sgd"})
PENALTIES = {"kernel_l1": 0.01, "kernel_l2": 0.05}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimizer", [ADAM, SGD, SGD | {"clipvalue": 0.1}, ADAM | {"global_clipnorm": 0.3}])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mean_squared_error"])
def test_by_weight(isa, loss, optimizer, weighted):
    """Steps of 7 rows, the last of 5: every batch has its own divisor of losses and penalties."""
    spec = loss_spec(loss, from_logits=loss.endswith("crossentropy"), by_weight=True)
    layers = [dense(35, "tanh", **PENALTIES), dense(3, **PENALTIES)]
    compiled, expected = make_plans(9, layers, loss=spec, optimizer=optimizer)
    x, rows, ids, weights = make_data(40, 9, 3)
    y, w = (ids if loss.endswith("crossentropy") else rows), (weights if weighted else None)
    rates = np.full(6, 0.01, np.float32)
    for epoch in range(3):
        arguments = (x, y, w, None, 0, rates, 7, epoch, 6 * epoch, 1e9)
        got, wanted = compiled.train(*arguments), expected.train(*arguments)
        assert got[:2] == wanted[:2] == (6, 40)
        assert got[2] == pytest.approx(wanted[2], rel=1e-5)
    assert_near(compiled.get_parameters(), expected.get_parameters(), 1e-4)
    loss_now, gradients = compiled.gradients(x, y, w)
    expected_loss, expected_gradients = expected.gradients(x, y, w)
    assert loss_now == pytest.approx(expected_loss, rel=1e-5)
    assert_near(gradients, expected_gradients, 1e-3)


def test_by_weight_by_hand():
    """(2 * 1 + 0.5 * 4 + 3) / 2.5 with the penalty 3; gradients (2 * 2 * 1 + 0.5 * 2 * 2 + 2 * 3 w) / 2.5."""
    spec = loss_spec("mean_squared_error", by_weight=True)
    for plan in make_plans(1, [dense(1, kernel_l2=3.0)], loss=spec):
        plan.set_parameters([np.ones((1, 1)), np.zeros(1)])
        x, y = np.ones((2, 1), np.float32), np.array([[0.0], [-1.0]], np.float32)
        loss, (kernel, bias) = plan.gradients(x, y, np.array([2.0, 0.5], np.float32))
        assert loss == pytest.approx((2 * 1 + 0.5 * 4 + 3) / 2.5)
        assert kernel.item() == pytest.approx((4 + 2 + 6) / 2.5)
        assert bias.item() == pytest.approx((4 + 2) / 2.5)


@pytest.mark.parametrize("by_weight", [False, True])
def test_factors(isa, by_weight):
    spec = loss_spec("mean_squared_error", value_factor=0.5, gradient_factor=1.5, by_weight=by_weight)
    plain = loss_spec("mean_squared_error", by_weight=by_weight)
    compiled, expected = make_plans(4, [dense(3)], loss=spec)
    x, rows, _, weights = make_data(11, 4, 3)
    for w in (None, weights):
        value, gradient = _core.loss(spec, rows, x[:, :3], w)
        wanted, wanted_gradient = _core.loss(plain, rows, x[:, :3], w)
        assert value == pytest.approx(0.5 * wanted, rel=1e-6)
        np.testing.assert_allclose(gradient, 1.5 * wanted_gradient, rtol=1e-6)
        reference_value, reference_gradient = reference.loss(spec, rows, x[:, :3], w)
        assert value == pytest.approx(reference_value, rel=1e-6)
        np.testing.assert_allclose(gradient, reference_gradient, rtol=1e-5)
        got, wanted = compiled.gradients(x, rows, w), expected.gradients(x, rows, w)
        assert got[0] == pytest.approx(wanted[0], rel=1e-5)
        assert_near(got[1], wanted[1])


def test_log_rates(isa):
    """exp(a) - y a, with the gradient exp(a) - y: mean of rates e^1, e^0 for the counts 2, 0."""
    spec = loss_spec("poisson", from_logits=True)
    for loss in (_core.loss, reference.loss):
        value, gradient = loss(spec, [[2.0, 0.0]], [[1.0, 0.0]])
        assert value == pytest.approx((np.e - 2 + 1) / 2)
        np.testing.assert_allclose(gradient, [[(np.e - 2) / 2, 0.5]], rtol=1e-6)
    compiled, expected = make_plans(6, [dense(21, "tanh"), dense(4)], loss=spec)
    x, rows, _, weights = make_data(31, 6, 4)
    got, wanted = compiled.gradients(x, rows, weights), expected.gradients(x, rows, weights)
    assert got[0] == pytest.approx(wanted[0], rel=1e-5)
    assert_near(got[1], wanted[1])
