"""The reference's layers and plans against hand-computed numbers, central differences, published vectors."""

from __future__ import annotations

import ast
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from reference_helpers import (
    WITHOUT_MAPS,
    activation_row,
    assert_gradient,
    assert_worked,
    dense_row,
    loss_spec,
    numerical_gradient,
    optimizer_spec,
    random_plan,
)

from nnc import reference
from nnc.reference import ACTIVATIONS, LAYERS, LOSSES, METRICS, Plan
from nnc.reference.plan import FUSED

LN2, LN3 = math.log(2.0), math.log(3.0)
CLIPPED = 16.11809565095832  # -ln 1e-7

# ----------------------------------------------------------------------------------------------------- layers

# Salmon et al. 2011, the known answers published with Random123: counter, key, random words.
PHILOX = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def test_philox_known_answers():
    words = [[[int(word, 16) for word in column.split()] for column in vector] for vector in PHILOX]
    for counter, key, expected in words:
        assert [int(word) for word in reference.philox4x32(counter, key)] == expected
    counters = np.array([counter for counter, _, _ in words]).T
    many = reference.philox4x32(counters, words[0][1])
    assert [int(word[0]) for word in many] == words[0][2], "arrays of counters give what single ones do"


def test_dropout_mask_is_philox_word_by_word():
    seed, index, epoch, step, rate = 0x123456789ABCDEF0, 3, 7, 2**32 + 5, 0.3
    mask = reference.dropout_mask((5, 7), rate, index, (seed, epoch, step))
    for row, feature in np.ndindex(5, 7):
        i = row * 7 + feature
        word = reference.philox4x32((i // 4, index, 5, epoch), (0x9ABCDEF0, 0x12345678))[i % 4]
        assert mask[row, feature] == (int(word) >= math.floor(rate * 2**32))


def test_dropout_mask_statistics_and_keys():
    mask = reference.dropout_mask((200, 500), 0.25, 0, (1, 0, 0))
    assert abs(mask.mean() - 0.75) < 4 * math.sqrt(0.25 * 0.75 / mask.size)
    fewer = reference.dropout_mask((100, 500), 0.25, 0, (1, 0, 0))
    assert (fewer == mask[:100]).all(), "a row does not depend on the rows after it"
    others = [(1, 1, 0, 0), (0, 2, 0, 0), (0, 1 + 2**32, 0, 0), (0, 1, 1, 0), (0, 1, 0, 1)]
    for index, *noise in others:
        agreement = np.mean(reference.dropout_mask(mask.shape, 0.25, index, noise) == mask)
        assert abs(agreement - (0.75**2 + 0.25**2)) < 0.01, "another key is an independent mask"
    assert reference.dropout_mask((3, 5), 0.0, 0, (1, 0, 0)).all()
    assert reference.dropout_mask((0, 5), 0.5, 0, (1, 0, 0)).shape == (0, 5)


PENALTIES = {"kernel_l1": 0.01, "kernel_l2": 0.02, "bias_l1": 0.03, "bias_l2": 0.04}
LAYER_ROWS = [
    dense_row(3),
    dense_row(1, use_bias=False),
    activation_row("softmax", 2),
    activation_row("gelu", 6),
    {"kind": "prelu", "alpha_l1": 0.0, "alpha_l2": 0.0},
    {"kind": "prelu", "axes": [1, 2, 3]},
    {"kind": "prelu", "axes": [2, 3]},
    {"kind": "thresholded_relu", "slope": 0.3, "threshold": 0.2, "most": 0.9},
    {"kind": "thresholded_relu", "slope": 0.0, "threshold": 0.4},
    {"kind": "standardization", "inverse": False},
    {"kind": "standardization", "inverse": True, "axes": [1, 2, 3]},
    {"kind": "dropout", "rate": 0.4},
    {"kind": "dropout", "rate": 0.4, "axes": [1, 2, 3]},
    {"kind": "spatial_dropout", "rate": 0.4, "channels": 3},
    {"kind": "gaussian_noise", "stddev": 0.4},
    {"kind": "gaussian_dropout", "stddev": 0.4},
    {"kind": "unit_normalization", "group": 3},
    {"kind": "rescaling", "scale": 1 / 255, "offset": -0.5},
]


def test_every_layer_is_checked():
    """Layers that do not depend on maps; test_reference_convolution.py has the others."""
    here = {kind for kind, layer in LAYERS.items() if layer.__module__ in WITHOUT_MAPS}
    assert {row["kind"] for row in LAYER_ROWS} == here


def test_a_kind_is_one_layers():
    with pytest.raises(TypeError, match="Other: the kind 'dense' is that of Dense"):
        type("Other", (LAYERS["rescaling"],), {"kind": "dense"})
    assert all(layer.kind == kind for kind, layer in LAYERS.items())
    assert LAYERS["dense"].__name__ == "Dense"


@pytest.mark.parametrize("noise", [None, (1, 2, 3)], ids=["inference", "training"])
@pytest.mark.parametrize("row", LAYER_ROWS, ids=lambda row: row["kind"])
def test_layer_gradient(row, noise):
    rng = np.random.default_rng(3)
    layer = LAYERS[row["kind"]](row, 6, 0)
    x, parameters = rng.normal(size=(4, 6)), [rng.normal(size=shape) for shape in layer.shapes.values()]
    if "variance" in layer.shapes:
        parameters[1] = np.abs(parameters[1])
    y, kept = layer.forward(x, parameters, noise)
    dy = rng.normal(size=(4, layer.n_outputs))
    dx, gradients = layer.backward(dy, parameters, kept)
    assert y.shape == dy.shape and len(gradients) == len(parameters) == len(layer.rules())

    def value():
        return np.sum(dy * layer.forward(x, parameters, noise)[0])

    for actual, array, trainable in zip(
        [dx, *gradients], [x, *parameters], [True, *layer.trainable], strict=True
    ):
        assert_gradient(actual, numerical_gradient(value, array) if trainable else np.zeros(array.shape))


def test_layers_by_hand():
    x = np.array([[-2.0, 4.0]])
    plan = Plan(2, [{"kind": "prelu", "alpha_l1": 0.0, "alpha_l2": 0.0}])
    plan.set_parameters([[0.25, 9.0]])
    assert plan.forward(x).tolist() == [[-0.5, 4.0]]
    assert Plan(2, [{"kind": "rescaling", "scale": 0.5, "offset": 1.0}]).forward(x).tolist() == [[0.0, 3.0]]
    shared = Plan(6, [{"kind": "prelu", "axes": [1, 2, 3]}])
    shared.set_parameters([[0.5, 2.0, 3.0]])
    assert shared.forward(np.full((1, 6), -1.0)).tolist() == [[-0.5, -2.0, -3.0] * 2]
    limited = Plan(4, [{"kind": "thresholded_relu", "slope": 0.5, "threshold": 2.0, "most": 6.0}])
    assert limited.forward(np.array([[-2.0, 2.0, 3.0, 7.0]])).tolist() == [[-2.0, 0.0, 3.0, 6.0]]
    for inverse, wanted in [(False, [[0.5, 2.0]]), (True, [[7.0, 11.0]])]:
        standard = Plan(2, [{"kind": "standardization", "inverse": inverse, "axes": [1, 2]}])
        standard.set_parameters([[3.0], [4.0]])
        assert standard.forward(np.array([[4.0, 7.0]]) if not inverse else x * [-1, 1]).tolist() == wanted
    grouped = Plan(4, [activation_row("softmax", 2)]).forward(np.array([[0.0, LN3, 5.0, 5.0]]))
    assert_worked(grouped, [[0.25, 0.75, 0.5, 0.5]])
    dropped = Plan(2, [{"kind": "dropout", "rate": 0.4}], batch_size=64).step_forward(np.ones((64, 2)), 0, 0)
    assert set(dropped.ravel().tolist()) == {0.0, float(np.float32(1 / 0.6))}
    assert reference.dense([[1.0, 2.0]], [[1.0], [3.0]], [-8.0], "leaky_relu", 0.5).tolist() == [[-0.5]]
    dx, dw, db = reference.dense_backward([[1.0, 2.0], [0.0, 1.0]], [[1.0], [3.0]], [[1.0], [-1.0]])
    assert (dx.tolist(), dw.tolist(), db.tolist()) == ([[1.0, 3.0], [-1.0, -3.0]], [[1.0], [1.0]], [0.0])


# ------------------------------------------------------------------------------------------- plans: gradients

# loss: the last activation and from_logits; a fused pair, and the same loss unfused
HEADS = [
    ("mean_squared_error", "linear", False),
    ("mean_absolute_error", "linear", False),
    ("huber", "linear", False),
    ("binary_crossentropy", "sigmoid", False),
    ("binary_crossentropy", "softmax", False),
    ("binary_crossentropy", "linear", True),
    ("categorical_crossentropy", "softmax", False),
    ("categorical_crossentropy", "sigmoid", False),
    ("categorical_crossentropy", "linear", True),
    ("poisson", "softplus", False),
    ("euclidean", "tanh", False),
    ("margin_hinge", "linear", False),
    ("log_cosh", "linear", False),
    ("hinge", "linear", False),
    ("squared_hinge", "linear", False),
    ("kl_divergence", "softmax", False),
    ("mean_squared_logarithmic_error", "softplus", False),
    ("categorical_hinge", "linear", False),
    ("cosine_similarity", "linear", False),
    ("mean_absolute_percentage_error", "linear", False),
    ("binary_focal_crossentropy", "sigmoid", False),
    ("binary_focal_crossentropy", "softmax", False),
    ("binary_focal_crossentropy", "linear", True),
    ("categorical_focal_crossentropy", "softmax", False),
    ("categorical_focal_crossentropy", "sigmoid", False),
    ("categorical_focal_crossentropy", "linear", True),
]


def test_every_loss_has_a_head():
    assert {head[0] for head in HEADS} == set(LOSSES)


def whole_plan(hidden, head, rng, smoothing=0.0):
    name, last, from_logits = head
    rows = [
        {"kind": "rescaling", "scale": 0.5, "offset": 0.1},
        dense_row(4, **PENALTIES),
        {"kind": "prelu", "alpha_l1": 0.01, "alpha_l2": 0.02},
        {"kind": "dropout", "rate": 0.3},
        dense_row(3, hidden, use_bias=False),
        dense_row(3, last, **PENALTIES),
    ]
    return random_plan(3, rows, rng, loss=loss_spec(name, from_logits, smoothing, param=0.8), seed=11)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{head[0]}-{head[1]}")
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_plan_gradient(hidden, head):
    rng = np.random.default_rng([5, list(ACTIVATIONS).index(hidden)])
    plan = whole_plan(hidden, head, rng, smoothing=0.1)
    x, weights = rng.normal(size=(4, 3)), rng.uniform(0.5, 2.0, 4)
    y = rng.integers(0, 3, 4) if hidden in list(ACTIVATIONS)[::2] else rng.uniform(0.0, 1.0, (4, 3))
    # Derivatives of 1e9 at targets of 0 leave central differences no precision.
    if head[0] == "mean_absolute_percentage_error":
        y = rng.uniform(0.5, 1.0, (4, 3))
    batch = (x, y, weights, True, 2, 9)
    gradients = plan.gradients(*batch)[1]
    parameters = plan.get_parameters()

    def value():
        plan.set_parameters(parameters)
        return plan.gradients(*batch)[0]

    for actual, w in zip(gradients, parameters, strict=True):
        assert_gradient(actual, numerical_gradient(value, w))
    plan.set_parameters(parameters)
    again = plan.gradients(*batch)[1]
    assert all(np.array_equal(a, b) for a, b in zip(again, gradients, strict=True)), "the same bits"


@pytest.mark.parametrize("last, name", FUSED.items())
def test_fused_loss_is_the_unfused_one_without_clipping(last, name):
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(4, 3)), rng.uniform(0.0, 1.0, (4, 2))
    plan = random_plan(3, [dense_row(2, last)], rng, loss=loss_spec(name))
    value, (dw, db) = plan.gradients(x, y)
    unfused, da = reference.loss(loss_spec(name), y, plan.forward(x))
    z = reference.dense(x, *plan.get_parameters())
    _, by_hand_w, by_hand_b = reference.dense_backward(x, dw, reference.activation_backward(last, z, da))
    for actual, expected in [(value, unfused), (dw, by_hand_w), (db, by_hand_b)]:
        np.testing.assert_allclose(actual, expected, rtol=1e-12)
    # logits 1000 and 0 where the target is [0, 1]: 1000 and (1000 + ln 2) / 2, far beyond the clip at 16.1
    plan.set_parameters([np.zeros((3, 2)), np.array([1000.0, 0.0])])
    exact = {"softmax": 1000.0, "sigmoid": (1000.0 + LN2) / 2}[last]
    assert_worked(plan.evaluate(x[:1], np.array([[0.0, 1.0]]), None, 0, 1)[1], exact)


def test_an_activation_row_is_fused_too_but_a_grouped_softmax_is_not():
    x, spec = np.array([[1000.0, 0.0, 1000.0, 0.0]]), loss_spec("categorical_crossentropy")
    y = np.array([[0.0, 1.0, 0.0, 0.0]])
    assert_worked(Plan(4, [activation_row("softmax", 4)], loss=spec).gradients(x, y)[0], 1000.0 + LN2)
    assert_worked(Plan(4, [activation_row("softmax", 2)], loss=spec).gradients(x, y)[0], CLIPPED)


# -------------------------------------------------------------------------------------------- plans: training


def one_weight_plan(optimizer, **penalties):
    """z = w x + b with w = -2, b = 0.5 and the Euclidean loss."""
    spec = loss_spec("euclidean")
    plan = Plan(1, [dense_row(1, **penalties)], loss=spec, optimizer=optimizer, batch_size=4)
    plan.set_parameters([[[-2.0]], [0.5]])
    return plan


def test_training_step_by_hand():
    x, y = np.array([[0.75]], np.float32), np.array([[-5.0]], np.float32)
    # z = -1, e = 4: loss 8, dw = 3, db = 4
    for options, (w, b) in [
        ({}, (-5.0, -3.5)),
        ({"clipvalue": 1.0}, (-3.0, -0.5)),
        ({"clipnorm": 2.0}, (-4.0, -1.5)),
        ({"global_clipnorm": 1.0}, (-2.6, -0.3)),
        ({"weight_decay": 0.5}, (-4.0, -3.75)),
    ]:
        plan = one_weight_plan(optimizer_spec("sgd", **options))
        n_steps, rows, loss_sum, metric_sums = plan.train(x, y, None, None, 0, [1.0], 1, 0, 0, math.inf)
        assert (n_steps, rows, loss_sum, metric_sums.shape) == (1, 1, 8.0, (0,))
        assert_worked(np.concatenate([p.ravel() for p in plan.get_parameters()]), [w, b])


def test_penalties_by_hand():
    x, y = np.array([[0.75]], np.float32), np.array([[-5.0]], np.float32)
    plan = one_weight_plan(optimizer_spec("sgd"), kernel_l1=0.5, kernel_l2=0.25, bias_l1=2.0, bias_l2=1.0)
    # 0.5 2 + 0.25 4 + 2 0.5 + 1 0.25 = 3.25; gradients -0.5 + 0.5 (-2) and 2 + 2 0.5
    assert plan.penalty() == 3.25
    value, (dw, db) = plan.gradients(x, y)
    assert (value, dw.tolist(), db.tolist()) == (11.25, [[1.5]], [7.0])
    assert plan.evaluate(x, y, None, 0, 1)[1] == 8.0, "evaluation leaves the penalties out"
    assert plan.train(x, y, None, None, 0, [1.0], 1, 0, 0, math.inf)[2] == 11.25
    assert [p.tolist() for p in plan.get_parameters()] == [[[-3.5]], [-6.5]]


@pytest.fixture
def task():
    """A classification task of 11 rows, and a function that creates the same new plan for it each time."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(11, 5)).astype(np.float32), rng.integers(0, 3, 11).astype(np.int32)

    def fresh(**options):
        rows = [dense_row(6, "relu", **PENALTIES), {"kind": "dropout", "rate": 0.3}, dense_row(3, "softmax")]
        settings = {
            "loss": loss_spec("categorical_crossentropy"),
            "metrics": [{"name": name, "param": 1} for name in METRICS],
            "optimizer": optimizer_spec("adam", beta_1=0.9, beta_2=0.99, epsilon=1e-7, clipvalue=0.5),
            "batch_size": 4,
            "seed": 2**63 + 5,
        }
        return random_plan(5, rows, np.random.default_rng(8), **settings | options)

    return x, y, rng.permutation(11), np.linspace(0.02, 0.01, 100, dtype=np.float32), fresh


def state(plan):
    """Every bit that training changes."""
    arrays = [*plan.get_parameters(), *(slot for slots in plan.get_slots() for slot in slots)]
    return np.concatenate([array.ravel() for array in arrays]).tobytes()


def test_train_is_gather_gradients_update(task):
    x, y, order, rates, fresh = task
    plan, by_hand = fresh(), fresh()
    weights = np.linspace(0.5, 2.0, 11, dtype=np.float32)
    n_steps, rows, loss_sum, metric_sums = plan.train(x, y, weights, order, 2, rates, 4, 6, 20, math.inf)
    assert (n_steps, rows) == (3, 9)
    spec, loss_by_hand, metrics_by_hand = by_hand._optimizer, 0.0, np.zeros(len(METRICS))
    for i, batch in enumerate([order[2:6], order[6:10], order[10:]]):  # the last batch has one row
        value, gradients = by_hand.gradients(x[batch], y[batch], weights[batch], True, 6, 20 + i)
        a = by_hand.step_forward(x[batch], 6, 20 + i)
        loss_by_hand += value * len(batch)
        means = [reference.metric({"name": name, "param": 1}, y[batch], a) for name in METRICS]
        metrics_by_hand += np.multiply(means, len(batch))
        parameters, slots = by_hand.get_parameters(), by_hand.get_slots()
        for w, g, memory in zip(parameters, gradients, slots, strict=True):
            reference.update(spec, w, g, memory, rates[i], 20 + i)
        by_hand.set_parameters(parameters)
        by_hand.set_slots(slots)
    np.testing.assert_allclose(loss_sum, loss_by_hand, rtol=1e-14)
    np.testing.assert_allclose(metric_sums, metrics_by_hand, rtol=1e-14)
    for actual, expected in zip(plan.get_parameters(), by_hand.get_parameters(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-13)


def test_train_in_slices_is_train_at_once(task):
    x, y, order, rates, fresh = task
    whole, sliced, other_step = fresh(), fresh(), fresh()
    assert whole.train(x, y, None, order, 0, rates, 4, 1, 0, math.inf)[:2] == (3, 11)
    assert sliced.train(x, y, None, order, 0, rates[:1], 4, 1, 0, math.inf)[:2] == (1, 4)
    assert sliced.train(x, y, None, order, 4, rates[1:], 4, 1, 1, 0.0)[:2] == (1, 4)  # budget 0: one step
    assert sliced.train(x, y, None, order, 8, rates[2:], 4, 1, 2, math.inf)[:2] == (1, 3)
    assert state(whole) == state(sliced)
    other_step.train(x, y, None, order, 0, rates, 4, 2, 0, math.inf)
    assert state(whole) != state(other_step), "another epoch drops other elements"


def test_layouts_and_dtypes_give_the_same_bits(task):
    _, y, order, rates, fresh = task
    bytes_ = np.random.default_rng(9).integers(0, 256, (11, 5), dtype=np.uint8)
    spaced = np.zeros((22, 9), np.float32)[::2, 2:7]
    spaced[:] = bytes_
    states = set()
    for x in [bytes_, bytes_.astype(np.float32), spaced]:
        plan = fresh()
        plan.train(x, y, None, order, 0, rates, 4, 0, 0, math.inf)
        states.add(state(plan))
    assert len(states) == 1
    assert fresh().gradients(bytes_, y)[0] == fresh().gradients(bytes_, np.eye(3, dtype=np.float32)[y])[0]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_non_finite_loss_stops_before_its_update(task, bad):
    x, y, _, rates, fresh = task
    plan, good = fresh(), fresh()
    n_steps, rows, loss_sum, metric_sums = good.train(x, y, None, None, 0, rates[:2], 4, 0, 0, math.inf)
    x = x.copy()
    x[9] = bad
    stopped = plan.train(x, y, None, None, 0, rates, 4, 0, 0, math.inf)
    assert stopped[:2] == (n_steps, rows) == (2, 8)
    assert math.isnan(stopped[2]) and math.isfinite(loss_sum) and (stopped[3] == metric_sums).all()
    assert state(plan) == state(good)


def test_infinite_loss_stops_too():
    x, y = np.array([[1.0], [math.inf], [1.0]], np.float32), np.ones((3, 1), np.float32)
    plan = one_weight_plan(optimizer_spec("sgd"))
    assert plan.gradients(x, y)[0] == math.inf
    assert plan.train(x, y, None, None, 0, np.ones(3), 1, 0, 0, math.inf)[:2] == (1, 1)


def test_empty_input(task):
    x, y, _, rates, fresh = task
    plan = fresh()
    before = state(plan)
    for empty in [plan.train(x, y, None, x[:0, 0].astype(np.int64), 0, rates, 4, 0, 0, 1.0),
                  plan.train(x, y, None, None, 11, rates, 4, 0, 0, 1.0),
                  plan.train(x, y, None, None, 0, rates[:0], 4, 0, 0, 1.0),
                  (0, *plan.evaluate(x, y, None, 3, 3)),
                  (0, *plan.evaluate(x[:0], y[:0], None, 0, 0))]:  # fmt: skip
        assert empty[:3] == (0, 0, 0.0) and (empty[3] == 0.0).all() and empty[3].shape == (len(METRICS),)
    assert plan.forward(x[:0]).shape == (0, 3)
    assert plan.gradients(x[:0], y[:0])[0] == plan.penalty()
    assert state(plan) == before


def test_evaluate_and_forward_go_in_chunks(task):
    x, y, _, _, fresh = task
    plan, wide = fresh(), fresh(batch_size=64)
    np.testing.assert_allclose(plan.forward(x), wide.forward(x), rtol=1e-14)
    weights = np.linspace(0.0, 2.0, 11, dtype=np.float32)
    rows, loss_sum, metric_sums = plan.evaluate(x, y, weights, 1, 11)
    assert rows == 10
    by_hand = -(weights * np.log(wide.forward(x))[np.arange(11), y].astype(np.float64))[1:].sum()
    np.testing.assert_allclose(loss_sum, by_hand, rtol=1e-12)
    np.testing.assert_allclose(metric_sums, wide.evaluate(x, y, None, 1, 11)[2], rtol=1e-13)


def test_sample_weight_in_training(task):
    x, y, _, _, fresh = task
    without = fresh().gradients(x[:3], y[:3])
    zeroed = fresh().gradients(x[:4], y[:4], np.array([1, 1, 1, 0], np.float32))
    twice = fresh().gradients(x[:3], y[:3], np.full(3, 2, np.float32))
    penalty, (penalty_gradient, *_) = fresh().penalty(), fresh().gradients(x[:0], y[:0])[1]
    for i, share in [(zeroed, 3 / 4), (twice, 2.0)]:
        np.testing.assert_allclose(i[0] - penalty, share * (without[0] - penalty), rtol=1e-13)
        expected = share * (without[1][0] - penalty_gradient)
        np.testing.assert_allclose(i[1][0] - penalty_gradient, expected, rtol=1e-12, atol=1e-15)


def test_dropout_repeats(task):
    x, _, _, _, fresh = task
    plan = fresh(batch_size=16)
    first = plan.step_forward(x, 1, 2)
    assert np.array_equal(plan.step_forward(x, 1, 2), first)
    assert np.array_equal(plan.forward(x), plan.forward(x))
    for other in [plan.step_forward(x, 1, 3), plan.step_forward(x, 2, 2), plan.forward(x)]:
        assert not np.array_equal(other, first)
    np.testing.assert_allclose(plan.step_forward(x[:5], 1, 2), first[:5], rtol=1e-14)  # a row keeps its mask


def test_step_forward_and_backward_are_a_training_step(task):
    x, y, _, rates, fresh = task
    stepped, trained = fresh(), fresh()
    outputs = stepped.step_forward(x[:4], 3, 5)
    _, d_outputs = reference.loss(loss_spec("categorical_crossentropy"), y[:4], outputs)
    stepped.step_backward(d_outputs, rates[0], 5)
    trained.train(x, y, None, None, 0, rates[:1], 4, 3, 5, math.inf)
    for actual, expected in zip(stepped.get_parameters(), trained.get_parameters(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9)
    with pytest.raises(ValueError, match="step_forward before each"):
        stepped.step_backward(d_outputs, rates[0], 6)


NORM = {"kind": "batch_normalization", "group": 4, "center": True, "scale": True, "epsilon": 1e-3}
NORM |= {"momentum": 0.9, "gamma_l1": 0.01, "gamma_l2": 0.02, "beta_l1": 0.0, "beta_l2": 0.03}


@pytest.fixture(params=[True, False], ids=["training", "inference"])
def stepping(request):
    """A plan with dropout and a batch normalization, its batch, targets, and the flag training."""
    rng = np.random.default_rng(12)
    rows = [
        dense_row(4, "tanh", **PENALTIES),
        NORM,
        {"kind": "dropout", "rate": 0.4},
        dense_row(3, "softmax"),
    ]
    options = {"loss": loss_spec("mean_squared_error"), "optimizer": optimizer_spec("sgd", momentum=0.9)}
    plan = random_plan(3, rows, rng, **options, batch_size=5, seed=13)
    parameters = plan.get_parameters()
    parameters[5] = np.abs(parameters[5]) + 0.5  # a variance
    plan.set_parameters(parameters)
    return plan, rng.normal(size=(5, 3)), rng.uniform(size=(5, 3)), request.param


def test_step_gradients_are_those_of_a_plan_with_the_loss(stepping):
    plan, x, y, training = stepping
    before = state(plan)
    outputs = plan.step_forward(x, 2, 7, training=training)
    _, d_outputs = reference.loss(loss_spec("mean_squared_error"), y, outputs)
    gradients = plan.step_gradients(d_outputs)
    _, expected = plan.gradients(x, y, None, training, 2, 7)
    assert state(plan) == before, "neither parameters, nor slots, nor moving statistics move"
    for actual, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)


def test_step_gradients_numerically(stepping):
    """L = sum c o^3 / 3 + penalties, a custom loss: dL/do = c o^2."""
    plan, x, y, training = stepping
    outputs = plan.step_forward(x, 2, 7, training=training)
    gradients = plan.step_gradients(y * outputs**2)
    parameters = plan.get_parameters()

    def value():
        plan.set_parameters(parameters)
        return np.sum(y * plan.step_forward(x, 2, 7, training=training) ** 3) / 3 + plan.penalty()

    for actual, w, trainable in zip(gradients, parameters, plan.parameter_trainable, strict=True):
        if trainable:
            assert_gradient(actual, numerical_gradient(value, w))
        else:
            assert not actual.any(), "moving statistics have no gradient"


def test_step_forward_in_inference_is_forward(stepping):
    plan, x, _, training = stepping
    outputs = plan.step_forward(x, 2, 7, training=training)
    assert np.array_equal(outputs, plan.forward(x)) == (not training)
    assert np.array_equal(plan.step_forward(x, 3, 8, training=training), outputs) == (not training)


def test_step_gradients_keep_digits_where_outputs_are_large():
    """Outputs of 1e4 with a gradient of 1e-4."""
    plan = Plan(1, [dense_row(1)], batch_size=2)
    plan.set_parameters([[[1e4]], [0.0]])
    plan.step_forward(np.ones((2, 1)), 0, 0)
    dw, db = plan.step_gradients([[0.5e-4], [0.5e-4]])
    assert (dw.tolist(), db.tolist()) == ([[1e-4]], [1e-4])


def test_steps_are_checked(stepping):
    plan, x, _, training = stepping
    before = state(plan)
    with pytest.raises(ValueError, match="step_gradients needs a step_forward before each call"):
        plan.step_gradients(np.zeros((5, 3)))
    plan.step_forward(x[:4], 0, 0, training=training)
    for wrong in [np.zeros((5, 3)), np.zeros((4, 1)), np.zeros(12), 0.0]:
        with pytest.raises(ValueError, match=r"d_outputs has shape .*: use \(4, 3\), that of the outputs"):
            plan.step_gradients(wrong)
    assert len(plan.step_gradients(np.zeros((4, 3)))) == 8, "a wrong call takes nothing away"
    with pytest.raises(ValueError, match="step_gradients needs a step_forward before each call"):
        plan.step_gradients(np.zeros((4, 3)))
    plan.step_forward(x, 0, 0, training=False)
    with pytest.raises(ValueError, match=r"step_backward needs .* training=True"):
        plan.step_backward(np.zeros((5, 3)), 0.1, 0)
    plan.step_forward(x, 0, 0)
    with pytest.raises(ValueError, match=r"d_outputs has shape \(1, 3\)"):
        plan.step_backward(np.zeros((1, 3)), 0.1, 0)
    assert state(plan) == before
    plan.step_backward(np.zeros((5, 3)), 0.1, 0)
    assert state(plan) != before, "moving statistics have moved, and penalties"
    bare = Plan(3, [dense_row(3)], batch_size=5)
    bare.step_forward(x, 0, 0)
    with pytest.raises(ValueError, match="this plan has no optimizer"):
        bare.step_backward(np.zeros((5, 3)), 0.1, 0)
    assert [g.shape for g in bare.step_gradients(np.zeros((5, 3)))] == [(3, 3), (3,)]


def test_step_gradients_of_no_rows(stepping):
    plan, x, _, _ = stepping
    assert plan.step_forward(x[:0], 0, 0, training=False).shape == (0, 3)
    gradients = plan.step_gradients(np.zeros((0, 3)))
    _, expected = plan.gradients(x[:0], x[:0])
    assert all(np.array_equal(a, b) for a, b in zip(gradients, expected, strict=True))


def test_state_goes_out_and_in(task):
    x, y, _, rates, fresh = task
    plan, copy = fresh(), fresh()
    assert plan.parameter_names == ["kernel", "bias", "kernel", "bias"]
    assert plan.parameter_shapes == [(5, 6), (6,), (6, 3), (3,)]
    assert (plan.n_inputs, plan.n_outputs, plan.n_slots) == (5, 3, 2)
    assert (plan.batch_size, plan.seed) == (4, 2**63 + 5)
    plan.train(x, y, None, None, 0, rates, 4, 0, 0, math.inf)
    copy.set_parameters(plan.get_parameters())
    copy.set_slots(plan.get_slots())
    assert state(copy) == state(plan)
    plan.get_parameters()[0][:] = 0.0
    plan.get_slots()[0][0][:] = 0.0
    assert state(copy) == state(plan), "what is handed out is a copy"
    for p in (plan, copy):
        p.train(x, y, None, None, 0, rates, 4, 1, 3, math.inf)
    assert state(copy) == state(plan)


# ----------------------------------------------------------------------------------------------------- errors


def test_bad_arguments_are_named(task):
    x, y, order, rates, fresh = task
    plan = fresh()
    bare = Plan(5, [dense_row(3)])
    late = y.copy()
    late[6] = 3

    def train(x=x, y=y, sample_weight=None, order=order, start=0, batch_size=4, plan=plan):
        return plan.train(x, y, sample_weight, order, start, rates, batch_size, 0, 0, math.inf)

    calls = {
        r"y\[6\] = 3 is not a class id of 3 outputs": lambda: train(y=late),
        r"y is float64 \(11, 2\)": lambda: plan.gradients(x, np.zeros((11, 2))),
        r"y is int32 \(10,\): use 11 integer class ids": lambda: train(y=y[:10]),
        r"sample_weight has shape \(3,\)": lambda: train(sample_weight=np.ones(3)),
        r"x has shape \(11, 4\)": lambda: train(x=x[:, :4]),
        r"order has rows 1 to 11": lambda: train(order=order + 1),
        r"batch_size 5": lambda: train(batch_size=5),
        r"start -1": lambda: train(start=-1),
        r"no loss": lambda: bare.gradients(x, y),
        r"no optimizer": lambda: train(plan=Plan(5, [dense_row(3)], loss=loss_spec("euclidean"))),
        r"slots of 1 parameters": lambda: plan.set_slots([[]]),
        r"slots of shapes": lambda: plan.set_slots([[], [], [], []]),
        r"parameters of shapes \[\(2,\)\]": lambda: plan.set_parameters([[1.0, 2.0]]),
        r"x has 5 rows: this plan's batch_size is 4": lambda: plan.step_forward(x[:5], 0, 0),
        r"unknown kind of layer 0 'conv'; known: .*dense, ": lambda: Plan(5, [{"kind": "conv"}]),
        r"unknown activation 'swosh'": lambda: Plan(5, [dense_row(3, "swosh")]),
        r"unknown metric 'auc'": lambda: Plan(5, [], metrics=[{"name": "auc", "param": 0.0}]),
        r"unknown optimizer 'ftrl'": lambda: Plan(5, [], optimizer={"name": "ftrl"}),
        r"unknown loss 'mape'": lambda: reference.loss(loss_spec("mape"), [0], [[1.0]]),
        r"group 2 does not divide the 5": lambda: Plan(5, [activation_row("softmax", 2)]),
        r"rate 1.0": lambda: Plan(5, [{"kind": "dropout", "rate": 1.0}]),
        r"n_inputs 0": lambda: Plan(0, []),
        r"outputs have shape \(2,\)": lambda: reference.loss(loss_spec("euclidean"), [0], [1.0, 2.0]),
        r"sample_weight has shape \(2,\)": lambda: reference.loss(loss_spec("poisson"), [0], [[1.0]], [1, 1]),
        r"da has shape \(2,\)": lambda: reference.activation_backward("relu", [1.0], [1.0, 2.0]),
        r"x \(1, 2\) and w \(3, 1\)": lambda: reference.dense(np.ones((1, 2)), np.ones((3, 1))),
        r"b has shape \(2,\)": lambda: reference.dense(np.ones((1, 3)), np.ones((3, 1)), [1.0, 1.0]),
        r"dz \(2, 1\)": lambda: reference.dense_backward(np.ones((1, 3)), np.ones((3, 1)), np.ones((2, 1))),
    }
    before = state(plan)
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
    assert state(plan) == before


def test_reference_imports_numpy_alone():
    for path in Path(reference.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            else:
                assert not isinstance(node, ast.ImportFrom) or node.level == 1, "the reference stands alone"
                continue
            for module in modules:
                top = module.split(".")[0]
                assert top == "numpy" or top in sys.stdlib_module_names, f"{path.name} imports {module}"
