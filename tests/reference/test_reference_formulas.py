"""The reference's formulas against hand-computed numbers and central differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reference_helpers import assert_gradient, assert_worked, loss_spec, numerical_gradient, optimizer_spec

from nnc import reference
from nnc.reference import ACTIVATIONS, LOSSES, METRICS, OPTIMIZERS, optimizers

LN2, LN3 = math.log(2.0), math.log(3.0)

# ------------------------------------------------------------------------------------------------ activations

# name: (z, f(z), f'(z)), alpha 0.5
WORKED_ACTIVATIONS = {
    "linear": ([-2.0, 3.0], [-2.0, 3.0], [1.0, 1.0]),
    "relu": ([-2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 1.0]),
    "leaky_relu": ([-2.0, 0.0, 3.0], [-1.0, 0.0, 3.0], [0.5, 0.5, 1.0]),
    # 0.5 (1/2 - 1); derivative 0.5 exp(z)
    "elu": ([-LN2, 0.0, 3.0], [-0.25, 0.0, 3.0], [0.25, 0.5, 1.0]),
    # scale alpha (1/2 - 1) with scale alpha = 1.7580993408473766; derivative scale alpha exp(z)
    "selu": ([-LN2, 2.0], [-0.8790496704236883, 2.101401974710961], [0.8790496704236883, 1.0507009873554805]),
    # P(X <= 1) = 0.8413447460685429, density(1) = 0.24197072451914337; P(X <= -10) = 7.619853024160526e-24,
    # density(-10) = 7.694598626706420e-23
    "gelu": (
        [1.0, 0.0, -10.0],
        [0.8413447460685429, 0.0, -7.619853024160526e-23],
        [1.0833154705876864, 0.5, 7.619853024160526e-24 - 7.694598626706420e-22],
    ),
    # t = tanh(sqrt(2/pi) 1.044715) = 0.6823839812165535; (1 + t) / 2 = 0.8411919906082768
    # derivative 0.8411919906082768 + (1 - t^2) / 2 sqrt(2/pi) (1 + 3 0.044715)
    "gelu_tanh": ([1.0, 0.0], [0.8411919906082768, 0.0], [1.0829640838457826, 0.5]),
    # s(ln 3) = 3/4; derivative s + z s (1 - s)
    "silu": ([LN3, 0.0], [0.75 * LN3, 0.0], [0.75 + LN3 * 3 / 16, 0.5]),
    "sigmoid": ([LN3, 0.0, -LN3], [0.75, 0.5, 0.25], [3 / 16, 0.25, 3 / 16]),
    # (2 - 1/2) / (2 + 1/2); derivative 1 - 0.36
    "tanh": ([LN2, 0.0], [0.6, 0.0], [0.64, 1.0]),
    # ln(1 + 3) ; derivative s(z)
    "softplus": ([LN3, 0.0], [2 * LN2, LN2], [0.75, 0.5]),
    # tanh(ln(1 + e^0)) = tanh(ln 2) = 3/5, tanh(ln 4) = 15/17; slope t + z (1 - t^2) s(z)
    "mish": ([0.0, LN3], [0.0, 15 * LN3 / 17], [0.6, 15 / 17 + LN3 * 64 / 289 * 0.75]),
    "softsign": ([1.0, -3.0], [0.5, -0.75], [0.25, 0.0625]),
    "hard_sigmoid": ([1.5, -4.0, 7.0], [0.75, 0.0, 1.0], [1 / 6, 0.0, 0.0]),
    "capped_relu": ([0.125, -1.0, 7.0], [0.125, 0.0, 0.5], [1.0, 0.0, 0.0]),
    "exponential": ([0.0, LN3], [1.0, 3.0], [1.0, 3.0]),
    "log_sigmoid": ([LN3, 0.0], [LN3 - 2 * LN2, -LN2], [0.25, 0.5]),
    "hard_silu": ([1.5, -4.0, 7.0], [1.125, 0.0, 7.0], [1.0, 0.0, 1.0]),
    "hard_tanh": ([0.25, -4.0, 7.0], [0.25, -1.0, 1.0], [1.0, 0.0, 0.0]),
    # 0.5 (1/2 - 1) with exp(-LN2 / 2 / 0.5); the derivative is the exponential
    "celu": ([-LN2 / 2, 3.0], [-0.25, 3.0], [0.5, 1.0]),
    "soft_shrink": ([-2.0, 0.25, 3.0], [-1.5, 0.0, 2.5], [1.0, 0.0, 1.0]),
    "hard_shrink": ([-2.0, 0.25, 3.0], [-2.0, 0.0, 3.0], [1.0, 0.0, 1.0]),
    # 1 and 3 of 4; the gradient of a sum that is always 1
    "softmax": ([0.0, LN3], [0.25, 0.75], [0.0, 0.0]),
    # their logarithms; derivative 1 - 2 p
    "log_softmax": ([0.0, LN3], [-2 * LN2, LN3 - 2 * LN2], [0.5, -0.5]),
}


def test_every_activation_is_worked():
    assert set(WORKED_ACTIVATIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", WORKED_ACTIVATIONS)
def test_activation_by_hand(name):
    z, a, derivative = WORKED_ACTIVATIONS[name]
    assert_worked(reference.activation(name, z, 0.5), a)
    assert_worked(reference.activation_backward(name, z, np.ones(len(z)), 0.5), derivative)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_gradient(name):
    rng = np.random.default_rng(1)
    z = rng.choice([-1.0, 1.0], (3, 7)) * rng.uniform(0.05, 4.0, (3, 7))  # away from the kink at 0
    da = rng.normal(size=z.shape)
    expected = numerical_gradient(lambda: np.sum(da * reference.activation(name, z, 0.3)), z)
    assert_gradient(reference.activation_backward(name, z, da, 0.3), expected)
    if ACTIVATIONS[name][1] == "a":
        a = reference.activation(name, z, 0.3)
        assert_gradient(reference.activation_backward(name, None, da, 0.3, a=a), expected)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_at_the_edges(name):
    far = [[-800.0, 700.0 if name == "exponential" else 800.0]]
    assert np.isfinite(reference.activation(name, far, 0.3)).all()
    assert np.isfinite(reference.activation_backward(name, far, [[1.0, 1.0]], 0.3)).all()
    assert np.isnan(reference.activation(name, [[math.nan]], 0.3)).all(), "a NaN must not be hidden"
    assert reference.activation(name, np.zeros((0, 4)), 0.3).shape == (0, 4)
    z = np.array([1.0, 2.0])
    assert not np.shares_memory(reference.activation(name, z, 0.3), z)


def test_sigmoid_and_softplus_keep_their_tails():
    assert_worked(reference.activation("sigmoid", -700.0), math.exp(-700.0))
    assert_worked(reference.activation("softplus", -700.0), math.exp(-700.0))
    assert reference.activation("softplus", 800.0) == 800.0


# ----------------------------------------------------------------------------------------------------- losses

Y, A = [[0.0, 1.0], [2.0, 0.0]], [[1.0, 3.0], [2.0, -2.0]]  # a - y = [[1, 2], [0, -2]]
CLIPPED = 16.11809565095832  # -ln 1e-7
NEAR_1 = 2.0**-23 + 2.0**-47  # -ln(1 - 2^-23)

# spec, y, a, L, dL/da
WORKED_LOSSES = [
    # rows (1 + 4) / 2 and 4 / 2; gradient 2 e / N / B
    (loss_spec("mean_squared_error"), Y, A, 2.25, [[0.5, 1.0], [0.0, -1.0]]),
    # ids are one-hot rows for every loss: e = [[0, 3], [2, -3]]; rows 9 / 2 and 13 / 2
    (loss_spec("mean_squared_error"), [0, 1], A, 5.5, [[0.0, 1.5], [1.0, -1.5]]),
    # rows 3 / 2 and 2 / 2; gradient sign / N / B
    (loss_spec("mean_absolute_error"), Y, A, 1.25, [[0.25, 0.25], [0.0, -0.25]]),
    # |1|: 1/2; |2|: 1.5 (2 - 0.75) = 1.875; rows 1.1875 and 0.9375; gradient e or 1.5 sign, / N / B
    (loss_spec("huber", param=1.5), Y, A, 1.0625, [[0.25, 0.375], [0.0, -0.375]]),
    # just inside and just outside of delta: 1.4^2 / 2 and 1.5 (1.6 - 0.75)
    (loss_spec("huber", param=1.5), [[0.0, 0.0]], [[1.4, -1.6]], (0.98 + 1.275) / 2, [[0.7, -0.75]]),
    # -ln 1/2 and -ln 1/4, mean over the two; gradient (p - y) / (p (1 - p)) / N
    (loss_spec("binary_crossentropy"), [[1.0, 0.0]], [[0.5, 0.75]], 1.5 * LN2, [[-1.0, 2.0]]),
    # the same probabilities as logits; gradient (p - y) / N
    (loss_spec("binary_crossentropy", True), [[1.0, 0.0]], [[0.0, LN3]], 1.5 * LN2, [[-0.25, 0.375]]),
    # y = [3/4, 1/4]: ln 2 and ln 4 - ln(3) / 4
    (
        loss_spec("binary_crossentropy", True, 0.5),
        [[1.0, 0.0]],
        [[0.0, LN3]],
        1.5 * LN2 - LN3 / 8,
        [[-0.125, 0.25]],
    ),
    # clipped on both sides, and the gradient vanishes
    (
        loss_spec("binary_crossentropy"),
        [[1.0, 1.0]],
        [[0.0, 1.0]],
        CLIPPED / 2 + NEAR_1 / 2,
        [[0.0, 0.0]],
    ),
    # 1 - 1e-7 is 1 - 2^-23 in float32: -ln 2^-23
    (
        loss_spec("binary_crossentropy"),
        [[0.0, 1.0]],
        [[1.0, 1.0]],
        11.5 * LN2 + NEAR_1 / 2,
        [[0.0, 0.0]],
    ),
    # id 1: -ln 3/4; gradient -1 / p
    (loss_spec("categorical_crossentropy"), [1], [[0.25, 0.75]], 2 * LN2 - LN3, [[0.0, -4 / 3]]),
    # probabilities are taken as given, rows need not sum to 1: -2 ln 1/4 - ln 1/4
    (loss_spec("categorical_crossentropy"), [[2.0, 1.0]], [[0.25, 0.25]], 6 * LN2, [[-8.0, -4.0]]),
    (loss_spec("categorical_crossentropy"), [0], [[0.0, 0.5]], CLIPPED, [[0.0, 0.0]]),
    (loss_spec("categorical_crossentropy", True), [1], [[0.0, LN3]], 2 * LN2 - LN3, [[0.25, -0.25]]),
    # 3 ln 2; gradient (sum y) p - y
    (loss_spec("categorical_crossentropy", True), [[2.0, 1.0]], [[7.0, 7.0]], 3 * LN2, [[-0.5, 0.5]]),
    # y = [1/4, 3/4] = p: its entropy, ln(4) / 4 + 3/4 (ln 4 - ln 3); no gradient
    (
        loss_spec("categorical_crossentropy", True, 0.5),
        [1],
        [[0.0, LN3]],
        2 * LN2 - 0.75 * LN3,
        [[0.0, 0.0]],
    ),
    # (1 - 2 ln(1 + 1e-7) + 3) / 2; gradient (1 - 2 / (1 + 1e-7)) / 2 and 1 / 2
    (loss_spec("poisson"), [[2.0, 0.0]], [[1.0, 3.0]], 2.0 - 1e-7 + 5e-15, [[-0.5 + 1e-7 - 1e-14, 0.5]]),
    # ln cosh 0 = 0 and ln cosh(ln 3) = ln 5/3; tanh(ln 3) = 4/5
    (loss_spec("log_cosh"), [[1.0, 0.0]], [[1.0, LN3]], (math.log(5.0) - LN3) / 2, [[0.0, 0.4]]),
    # 1 - 1/4, and 0 means -1: 1 + 1/2; 2 is beyond the margin
    (loss_spec("hinge"), [[1.0, 0.0, 1.0]], [[0.25, 0.5, 2.0]], 0.75, [[-1 / 3, 1 / 3, 0.0]]),
    (loss_spec("squared_hinge"), [[1.0, -1.0, 1.0]], [[0.5, 0.5, 2.0]], 2.5 / 3, [[-1 / 3, 1.0, 0.0]]),
    # ln(1/2 / 1/4) / 2 + ln(1/2 / 3/4) / 2; gradient -y / p
    (
        loss_spec("kl_divergence"),
        [[0.5, 0.5]],
        [[0.25, 0.75]],
        LN2 - 0.5 * LN3,
        [[-2.0, -2 / 3]],
    ),
    # (ln 4 - ln 2)^2; gradient 2 ln 2 / 4
    (loss_spec("mean_squared_logarithmic_error"), [[1.0]], [[3.0]], LN2 * LN2, [[LN2 / 2]]),
    # 1 - 1 + 1/2; and 3 is beyond the margin
    (loss_spec("categorical_hinge"), [[0.0, 1.0, 0.0]], [[0.5, 1.0, 0.0]], 0.5, [[1.0, -1.0, 0.0]]),
    (loss_spec("categorical_hinge"), [1], [[0.5, 3.0, 0.0]], 0.0, [[0.0, 0.0, 0.0]]),
    # cos = 4 / 5; gradient -(y - 4/5 a / 5) / 5 = (12 / 125, -9 / 125)
    (loss_spec("cosine_similarity"), [[0.0, 2.0]], [[3.0, 4.0]], -0.8, [[0.096, -0.072]]),
    # 100 / 2 and 300 / 4; gradient 100 sign / |y| / N
    (
        loss_spec("mean_absolute_percentage_error"),
        [[2.0, -4.0]],
        [[3.0, -1.0]],
        62.5,
        [[25.0, 12.5]],
    ),
    # q = 1/2 and 3/4: (1/4 ln 2 + 9/16 ln 4) / 2; gradient q^2 (p - y) / (p (1 - p)) + 2 q (1 - 2 y) c, / N
    (
        loss_spec("binary_focal_crossentropy", param=2.0),
        [[1.0, 0.0]],
        [[0.5, 0.75]],
        LN2 * 11 / 16,
        [[-0.25 - LN2 / 2, 9 / 8 + LN2 * 3 / 2]],
    ),
    # the same as logits, with factors 2 of targets 0 and 3 of targets 1: times p (1 - p) = 1/4 and 3/16
    (
        loss_spec("binary_focal_crossentropy", True, param=2.0) | {"of_0": 2.0, "of_1": 3.0},
        [[1.0, 0.0]],
        [[0.0, LN3]],
        LN2 * (3 / 8 + 9 / 8),
        [[(-0.25 - LN2 / 2) * 3 / 4, (9 / 8 + LN2 * 3 / 2) * 3 / 8]],
    ),
    # p = 3/4 of the row 2: (1/4)^2 ln 4/3; dp = -1/12 + ln(3/4) / 2; da = (0 - 3/4 dp) / 2, (dp - 3/4 dp) / 2
    (
        loss_spec("categorical_focal_crossentropy", param=2.0),
        [1],
        [[0.5, 1.5]],
        (2 * LN2 - LN3) / 16,
        [[(1 / 12 + LN2 - LN3 / 2) * 3 / 8, -(1 / 12 + LN2 - LN3 / 2) / 8]],
    ),
    # p = 3/4 with the factor 16
    (
        loss_spec("categorical_focal_crossentropy", True, param=2.0) | {"of_1": 16.0},
        [1],
        [[0.0, LN3]],
        2 * LN2 - LN3,
        [[(1 / 12 + LN2 - LN3 / 2) * 3, -(1 / 12 + LN2 - LN3 / 2) * 3]],
    ),
    # rows (1 + 4) / 2 and 4 / 2; gradient e / B
    (loss_spec("euclidean"), Y, A, 2.25, [[0.5, 1.0], [0.0, -1.0]]),
    # true 0: 1 - 2 + 1.5 = 0.5, and -1 is no slack; true 2: 1 - 1 + 1 = 1, and exactly 0 has no gradient
    (
        loss_spec("margin_hinge", param=1.0),
        [0, 2],
        [[2.0, 1.5, 0.0], [1.0, 0.0, 1.0]],
        0.75,
        [[-0.5, 0.5, 0.0], [0.5, 0.0, -0.5]],
    ),
    # two wrong classes inside the margin: 3 - 1 + 0 twice; the true one is pushed twice
    (loss_spec("margin_hinge", param=3.0), [[0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0]], 4.0, [[1.0, -2.0, 1.0]]),
]


def test_every_loss_is_worked():
    assert {case[0]["name"] for case in WORKED_LOSSES} == set(LOSSES)


@pytest.mark.parametrize("case", WORKED_LOSSES, ids=lambda case: case[0]["name"])
def test_loss_by_hand(case):
    spec, y, a, value, gradient = case
    actual, da = reference.loss(spec, y, a)
    assert isinstance(actual, float)
    assert_worked(actual, value)
    assert_worked(da, gradient)


def test_sample_weight_by_hand():
    value, da = reference.loss(loss_spec("mean_squared_error"), Y, A, [1.0, 3.0])
    assert value == 4.25  # (2.5 + 3 2) / 2: divided by the rows, not by the weights
    assert_worked(da, [[0.5, 1.0], [0.0, -3.0]])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("targets", ["ids", "rows", "weighted"])
@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradient(name, from_logits, targets, smoothing):
    rng = np.random.default_rng(2)
    a = rng.normal(0.0, 2.0, (5, 4)) if from_logits else rng.uniform(0.05, 0.95, (5, 4))
    y = rng.integers(0, 4, 5) if targets == "ids" else rng.uniform(0.0, 1.0, (5, 4))
    if name == "poisson":
        a = np.abs(a) + 0.1
    # Derivatives of 1e9 at targets of 0 leave central differences no precision.
    if name == "mean_absolute_percentage_error":
        y = rng.uniform(0.5, 1.0, (5, 4))
    weights = rng.uniform(0.0, 2.0, 5) if targets == "weighted" else None
    spec = loss_spec(name, from_logits, smoothing, param=0.4)
    expected = numerical_gradient(lambda: reference.loss(spec, y, a, weights)[0], a)
    assert_gradient(reference.loss(spec, y, a, weights)[1], expected)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_at_the_edges(name):
    value, da = reference.loss(loss_spec(name, param=1.0), np.zeros(0, np.int32), np.zeros((0, 3)))
    assert value == 0.0 and da.shape == (0, 3)
    value, da = reference.loss(loss_spec(name, param=1.0), [0], [[0.5]])
    assert math.isfinite(value) and da.shape == (1, 1)
    assert math.isnan(reference.loss(loss_spec(name, param=1.0), [0], [[math.nan, 0.5]])[0])


def test_crossentropies_of_large_logits_are_exact():
    for a, y, value in [([[0.0, 1000.0]], [0], 1000.0), ([[0.0, 1000.0]], [1], 0.0)]:
        assert reference.loss(loss_spec("categorical_crossentropy", True), y, a)[0] == value
    for a, y, value in [(1000.0, 0.0, 1000.0), (-1000.0, 1.0, 1000.0), (1000.0, 1.0, 0.0)]:
        assert reference.loss(loss_spec("binary_crossentropy", True), [[y]], [[a]])[0] == value


# ---------------------------------------------------------------------------------------------------- metrics

# name, param, y, a, mean over the rows
WORKED_METRICS = [
    # 0.5 is not above 0.5: rows 2/2 and 1/2
    ("binary_accuracy", 0.5, [[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.5], [0.5, 0.4]], 0.75),
    # all above: rows 1/2 and 1/2
    ("binary_accuracy", 0.3, [[1.0, 0.0], [0.0, 1.0]], [[0.6, 0.5], [0.5, 0.4]], 0.5),
    # a target that is neither 0 nor 1 is never met (as in Keras)
    ("binary_accuracy", 0.5, [[0.9, 0.0]], [[0.9, 0.0]], 0.5),
    # of equal outputs the first is the answer
    ("categorical_accuracy", 0.0, [0, 1], [[1.0, 1.0], [1.0, 1.0]], 0.5),
    ("categorical_accuracy", 0.0, [[0.1, 0.9], [0.9, 0.1]], [[1.0, 2.0], [1.0, 2.0]], 0.5),
    # the third of three is wrong, a tie for the second place right, the second right
    ("top_k_categorical_accuracy", 2, [0, 2, 2], [[0.1, 0.2, 0.7], [0.4, 0.3, 0.3], [0.1, 0.5, 0.4]], 2 / 3),
    ("top_k_categorical_accuracy", 2, [0, 1], [[math.nan, 0.0, 0.0], [math.nan, 2.0, 1.0]], 0.5),
    ("mean_squared_error", 0.0, Y, A, 2.25),
    ("mean_absolute_error", 0.0, Y, A, 1.25),
]


def test_every_metric_is_worked():
    assert {case[0] for case in WORKED_METRICS} == set(METRICS)


@pytest.mark.parametrize("case", WORKED_METRICS, ids=lambda case: case[0])
def test_metric_by_hand(case):
    name, param, y, a, value = case
    assert_worked(reference.metric({"name": name, "param": param}, y, a), value)
    assert reference.metric({"name": name, "param": param}, np.zeros(0, np.int32), np.zeros((0, 3))) == 0.0


# ------------------------------------------------------------------------------------------------- optimizers

ADAM = {"beta_1": 0.5, "beta_2": 0.75, "epsilon": 1.0}

# spec, learning rate, gradients of successive steps, w after each (w = 1 before)
WORKED_UPDATES = [
    # 1 - 2/4, 0.5 - 1/4
    (optimizer_spec("sgd"), 0.25, [2.0, 1.0], [0.5, 0.25]),
    # w (1 - 0.2 / 4) first: 0.95 - 0.5, 0.4275 - 0.25
    (optimizer_spec("sgd", weight_decay=0.2), 0.25, [2.0, 1.0], [0.45, 0.1775]),
    # v = -0.5, -0.25 - 0.5, -0.375 + 0.5
    (optimizer_spec("sgd", momentum=0.5), 0.5, [1.0, 1.0, -1.0], [0.5, -0.25, -0.125]),
    # the same v; 1 - 0.25 - 0.5, 0.25 - 0.375 - 0.5, -0.625 + 0.0625 + 0.5
    (optimizer_spec("sgd", momentum=0.5, nesterov=True), 0.5, [1.0, 1.0, -1.0], [0.25, -0.625, -0.0625]),
    # m = 1, 1, -1; v = 1, 1, 3; rate = 0.5 / 0.5, sqrt(0.4375) / 0.75 = 0.8819171036881969,
    # sqrt(0.578125) / 0.875 = 0.8689660757568884
    # 1 - 1 / (1 + 1), 0.5 - 0.8819171036881969 / 2, 0.05904144815590157 + 0.8689660757568884 / (1 + sqrt 3)
    (optimizer_spec("adam", **ADAM), 1.0, [2.0, 1.0, -3.0], [0.5, 0.05904144815590157, 0.37710510690979576]),
    # m = 1, 0.5, -1.25; v = 1, 0.75, 2.8125; v_max = 1, 1, 2.8125; the same rates
    # 0.5 - 0.8819171036881969 / 4, 0.2795207240779508 + 0.8689660757568884 1.25 / (1 + 1.6770509831248424)
    (
        optimizer_spec("adam", **ADAM, amsgrad=True),
        1.0,
        [2.0, 0.0, -3.0],
        [0.5, 0.2795207240779508, 0.685268541935425],
    ),
    # AdamW: w (1 - 0.1) first: 0.9 - 1 / 2, 0.36 - 0.8819171036881969 / 2
    (optimizer_spec("adam", **ADAM, weight_decay=0.1), 1.0, [2.0, 1.0], [0.4, -0.08095855184409847]),
    # a = 1, 1, 3; i = 1 / 2, 0.5 / 2, -1.5 / sqrt 6 (epsilon is inside the root)
    (
        optimizer_spec("rmsprop", rho=0.75, epsilon=3.0),
        0.5,
        [2.0, 1.0, -3.0],
        [0.5, 0.25, 0.8623724356957945],
    ),
    # u = 0.5, 0.25 + 0.25, 0.25 - 0.6123724356957945
    (
        optimizer_spec("rmsprop", rho=0.75, epsilon=3.0, momentum=0.5),
        0.5,
        [2.0, 1.0, -3.0],
        [0.5, 0.0, 0.3623724356957945],
    ),
    # c = 0.5: d = 1 - 0.25, i = 1 / sqrt(0.75 + 0.25)
    (optimizer_spec("rmsprop", rho=0.75, epsilon=0.25, centered=True), 0.5, [2.0], [0.0]),
    # i = 1 / sqrt(0.75 + 0.390625) = 0.9363291775690445; then c = 0.625, d = 1 - 0.390625, i = 0.5 / 1
    (
        optimizer_spec("rmsprop", rho=0.75, epsilon=0.390625, centered=True),
        0.5,
        [2.0, 1.0],
        [0.0636708224309555, -0.4363291775690445],
    ),
    # s = 1, 1 + 12: 1 - 0.5 / 2, 0.75 - 0.5 sqrt(12) / 4
    (optimizer_spec("adagrad", epsilon=3.0), 0.5, [1.0, math.sqrt(12.0)], [0.75, 0.75 - math.sqrt(0.1875)]),
    # m = 1, 1; u = 2, 1.5; rates 2 and 4 / 3
    (optimizer_spec("adamax", **ADAM), 1.0, [2.0, 1.0], [1 / 3, -0.2]),
    # c = 0.26, 0.2696: (0.2696 / (1 - 0.26 0.2696) + 0.74 2 / 0.74) / (sqrt 4 + 1)
    (optimizer_spec("nadam", **ADAM), 1.0, [2.0], [1 - (0.2696 / 0.929904 + 2) / 3]),
    # 0.5 2 > 0; m = 0.5; 0.25 - 0.125 > 0; m = 0.3125; 0.15625 - 1 < 0
    (optimizer_spec("lion", **ADAM), 1.0, [2.0, -0.25, -2.0], [0.0, -1.0, 0.0]),
    # g clipped to 1, then -0.5 unchanged
    (optimizer_spec("sgd", clipvalue=1.0), 0.5, [4.0, -0.5], [0.5, 0.75]),
    (optimizer_spec("sgd", clipnorm=1.0), 0.5, [-4.0, 0.5], [1.5, 1.25]),
]


def test_every_optimizer_is_worked():
    assert {case[0]["name"] for case in WORKED_UPDATES} == set(OPTIMIZERS)


@pytest.mark.parametrize("case", WORKED_UPDATES, ids=lambda case: case[0]["name"])
def test_update_by_hand(case):
    spec, learning_rate, gradients, expected = case
    w = np.array([1.0])
    slots = [np.zeros(1) for _ in reference.slot_names(spec)]
    for step, (gradient, after) in enumerate(zip(gradients, expected, strict=True)):
        g = np.array([gradient])
        reference.update(spec, w, g, slots, learning_rate, step)
        assert_worked(w, [after])
        assert g[0] == gradient, "the gradient belongs to the caller"


def test_slots_have_names():
    # one step of all three of rmsprop's slots: a = 4 / 4, c = 2 / 4, u = 0.5 2 / sqrt(1 - 0.25 + 0.25)
    spec = optimizer_spec("rmsprop", rho=0.75, epsilon=0.25, momentum=0.5, centered=True)
    slots = [np.zeros(1) for _ in range(3)]
    reference.update(spec, np.array([1.0]), np.array([2.0]), slots, 0.5, 0)
    assert_worked(slots, [[1.0], [1.0], [0.5]])
    assert reference.slot_names(spec) == ["a", "u", "c"]
    with pytest.raises(ValueError, match="it lacks 'slots', the list of the names of sgd's slots"):
        reference.slot_names({"name": "sgd"})
    with pytest.raises(ValueError):
        reference.update(spec, np.array([1.0]), np.array([2.0]), slots[:2], 0.5, 0)


def test_clipping_by_hand():
    gradients = [np.array([3.0, 0.0]), np.array([-4.0])]
    for option, limit, expected in [
        ("clipvalue", 2.0, [[2.0, 0.0], [-2.0]]),
        ("clipnorm", 3.5, [[3.0, 0.0], [-3.5]]),  # norms 3 and 4
        ("global_clipnorm", 1.0, [[0.6, 0.0], [-0.8]]),  # norm 5
        ("global_clipnorm", 5.0, [[3.0, 0.0], [-4.0]]),
    ]:
        clipped = optimizers.clip(optimizer_spec("sgd", **{option: limit}), gradients)
        for actual, by_hand in zip(clipped, expected, strict=True):
            assert_worked(actual, by_hand)
    zero = optimizers.clip(optimizer_spec("sgd", clipnorm=1.0), [np.zeros(2)])[0]
    assert (zero == 0.0).all(), "no division by a norm of 0"
