"""Losses, metrics, activations and regularizers as Python objects; their kernels are tested elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

import nnc
from nnc import _config, activations, losses, metrics, reference, regularizers

IDS = [2, 0]
ROWS = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
OUTPUTS = [[0.25, 0.25, 0.5], [0.125, 0.5, 0.375]]

# loss, y, value of each of the two rows, computed by hand
VALUES = [
    (losses.MeanSquaredError(), ROWS, [0.375 / 3, (0.875**2 + 0.25 + 0.375**2) / 3]),
    (losses.MeanAbsoluteError(), ROWS, [1 / 3, 1.75 / 3]),
    (losses.Huber(0.25), ROWS, [(0.0625 + 0.25 * 0.375) / 3, 0.25 * (0.75 + 0.375 + 0.25) / 3]),
    (losses.CategoricalCrossentropy(), ROWS, [math.log(2), math.log(8)]),
    (
        losses.CategoricalCrossentropy(label_smoothing=0.3),
        ROWS,
        [
            0.8 * math.log(2) + 0.2 * math.log(4),
            0.8 * math.log(8) + 0.1 * math.log(2) - 0.1 * math.log(0.375),
        ],
    ),
    (losses.SparseCategoricalCrossentropy(), IDS, [math.log(2), math.log(8)]),
    (
        losses.SparseCategoricalCrossentropy(from_logits=True),
        IDS,
        [
            math.log(2 * math.exp(0.25) + math.exp(0.5)) - 0.5,
            math.log(math.exp(0.125) + math.exp(0.5) + math.exp(0.375)) - 0.125,
        ],
    ),
    (
        losses.BinaryCrossentropy(),
        ROWS,
        [(2 * math.log(4 / 3) + math.log(2)) / 3, (math.log(8) + math.log(2) - math.log(0.625)) / 3],
    ),
    (
        losses.Poisson(),
        ROWS,
        [(1 - math.log(0.5 + 1e-7)) / 3, (1 - math.log(0.125 + 1e-7)) / 3],
    ),
    (losses.EuclideanLoss(), IDS, [0.1875, (0.875**2 + 0.25 + 0.375**2) / 2]),
    (losses.EuclideanLoss(), ROWS, [0.1875, (0.875**2 + 0.25 + 0.375**2) / 2]),
    (losses.MarginHinge(0.5), IDS, [0.5, 0.875 + 0.75]),
    (losses.MarginHinge(0.5), ROWS, [0.5, 0.875 + 0.75]),
    (
        losses.LogCosh(),
        ROWS,
        [sum(math.log(math.cosh(e)) for e in row) / 3 for row in ((0.25, 0.5, 0.25), (0.875, 0.5, 0.375))],
    ),
    (losses.Hinge(), ROWS, [1.0, 1.25]),
    (losses.SquaredHinge(), ROWS, [1.125, 4.90625 / 3]),
    (losses.CategoricalHinge(), ROWS, [0.75, 1.375]),
    (
        losses.KLDivergence(),
        ROWS,
        [
            math.log(2) + 2e-7 * math.log(4e-7),
            math.log(8) + 1e-7 * (math.log(2e-7) + math.log(1e-7 / 0.375)),
        ],
    ),
    (
        losses.MeanSquaredLogarithmicError(),
        ROWS,
        [
            (2 * (math.log(1.25) - 1e-7) ** 2 + math.log(0.75) ** 2) / 3,
            (math.log(0.5625) ** 2 + (math.log(1.5) - 1e-7) ** 2 + (math.log(1.375) - 1e-7) ** 2) / 3,
        ],
    ),
    (losses.CosineSimilarity(), ROWS, [-0.5 / math.sqrt(0.375), -0.125 / math.sqrt(0.40625)]),
    (
        losses.MeanAbsolutePercentageError(),
        ROWS,
        [100 * (0.5 / 1e-7 + 0.5) / 3, 100 * (0.875 + 0.875 / 1e-7) / 3],
    ),
    (
        losses.BinaryFocalCrossentropy(),
        ROWS,
        [
            (2 * 0.25**2 * math.log(4 / 3) + 0.5**2 * math.log(2)) / 3,
            (0.875**2 * math.log(8) + 0.5**2 * math.log(2) - 0.375**2 * math.log(0.625)) / 3,
        ],
    ),
    (
        losses.CategoricalFocalCrossentropy(),
        ROWS,
        [0.25 * 0.5**2 * math.log(2), 0.25 * 0.875**2 * math.log(8)],
    ),
]


@pytest.mark.parametrize(("loss", "y", "rows"), VALUES, ids=lambda v: repr(v)[:50])
def test_values(loss, y, rows):
    assert loss(y, OUTPUTS) == pytest.approx(np.mean(rows), rel=1e-6)
    assert loss(y, OUTPUTS, sample_weight=[2.0, 0.0]) == pytest.approx(rows[0], rel=1e-6)
    value, gradient = loss.value_and_gradient(y, OUTPUTS, [0.5, 3.0])
    targets = np.asarray(y, np.int32 if y is IDS else np.float32)
    expected = reference.loss(loss.spec(), targets, np.asarray(OUTPUTS), np.array([0.5, 3.0]))
    assert value == pytest.approx((0.5 * rows[0] + 3 * rows[1]) / 2, rel=1e-6)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, expected[1], rtol=1e-5, atol=1e-7)


def test_every_loss_is_in_the_table():
    assert {type(row[0]) for row in VALUES} == set(losses.registry.values())


def test_cross_entropy_of_the_textbook_exercise():
    outputs = [[0.65, 0.43, 0.11], [0.05, 0.51, 0.18], [0.33, 0.21, 0.72]]
    sparse, rows = losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy
    assert round(3 * sparse(normalize=False)([0, 1, 2], outputs), 5) == 1.43263
    assert round(rows(normalize=False)(np.eye(3), outputs), 5) == 0.47754
    known = [
        0.6047362,
        0.3722395,
        0.5596158,
    ]  # -log of a probability over the sum of its row: 0.65 / 1.19, ...
    assert rows()(np.eye(3), outputs) == pytest.approx(np.mean(known), rel=1e-5)
    assert sparse()([0, 1, 2], outputs) == pytest.approx(np.mean(known), rel=1e-5)


def test_keys_of_the_spec():
    for cls in losses.registry.values():
        factors = {"of_0", "of_1"} if "focal" in cls.rule else set()
        bounded = set() if cls.target_range == (-np.inf, np.inf) else {"target_range"}
        assert cls().spec().keys() - factors == {"name", "from_logits", "label_smoothing", "param"} | bounded
        assert cls().spec().get("target_range", cls.target_range) is cls.target_range
        assert cls().spec()["name"] == cls.rule
    assert losses.Huber(2).spec()["param"] == 2.0
    assert losses.MarginHinge(5).spec() == {
        "name": "margin_hinge",
        "from_logits": False,
        "label_smoothing": 0.0,
        "param": 5.0,
    }
    assert losses.SparseCategoricalCrossentropy(True).spec()["name"] == "categorical_crossentropy"


def test_targets():
    assert {cls.__name__: cls.targets for cls in losses.registry.values() if cls.targets != "rows"} == {
        "SparseCategoricalCrossentropy": "ids",
        "EuclideanLoss": "any",
        "MarginHinge": "any",
    }


def test_whole_rows_and_ranges():
    """Losses that compare a distribution with one class declare it, according to their formula."""
    whole = {"categorical_crossentropy", "margin_hinge", "categorical_accuracy", "top_k_categorical_accuracy"}
    whole |= {"categorical_hinge", "cosine_similarity", "categorical_focal_crossentropy"}
    for cls in (*losses.registry.values(), *(cls for cls in metrics.registry.values() if cls.rule)):
        assert cls.whole_rows == (cls.rule in whole)
    ranges = {cls.rule: cls.target_range for cls in losses.registry.values()}
    assert ranges.pop("binary_focal_crossentropy") == (0.0, 1.0)
    assert ranges.pop("binary_crossentropy") == ranges.pop("kl_divergence") == (0.0, 1.0)
    assert set(ranges.values()) == {(-np.inf, np.inf)}
    with pytest.raises(ValueError, match=r"has the value 1.5 in row 1; targets must be between 0 and 1"):
        losses.BinaryCrossentropy()([[0.0], [1.5]], [[0.5], [0.5]])
    with pytest.raises(ValueError, match="y_true has the value inf in row 0; targets must be finite"):
        losses.MeanSquaredError()([[np.inf]], [[0.5]])
    assert losses.CategoricalCrossentropy()([[1.5, -0.5]], [[0.5, 0.5]]) == pytest.approx(np.log(2))


def test_a_batch_that_does_not_fit_is_refused():
    loss = losses.SparseCategoricalCrossentropy()
    for y, a, weight, name in (
        ([0, 3], OUTPUTS, None, "y_true"),
        ([0, -1], OUTPUTS, None, "y_true"),
        ([0, 0.5], OUTPUTS, None, "y_true"),
        ([0], OUTPUTS, None, "y_true"),
        ([0, 1], [0.5, 0.5], None, "y_pred"),
        ([], np.zeros((0, 3)), None, "y_pred"),
        ([0, 1], np.full((2, 3), 1e300), None, "y_pred"),
        ([0, 1], OUTPUTS, [1.0], "sample_weight"),
        ([0, 1], OUTPUTS, [1.0, math.nan], "sample_weight"),
    ):
        with pytest.raises(ValueError, match=name):
            loss(y, a, weight)
    with pytest.raises(ValueError, match="y_true"):
        losses.MeanSquaredError()([[1.0], [2.0]], OUTPUTS)


def test_layouts_of_outputs_give_the_same():
    a = np.random.default_rng(0).random((6, 3)).astype(np.float32)
    y = [0, 1, 2, 2, 1, 0]
    loss = losses.SparseCategoricalCrossentropy()
    expected = loss(y, a)
    wide = np.zeros((6, 6), np.float32)
    wide[:, ::2] = a
    for view in (np.asfortranarray(a), wide[:, ::2], a.astype(np.float64), a.astype(">f4"), a.tolist()):
        assert loss(y, view) == expected
    assert loss(y[::-1], a[::-1]) == pytest.approx(expected, rel=1e-7)
    assert loss(np.array(y)[:, None], a) == expected


# ------------------------------------------------------------------------------------------- a loss in Python


def test_function_loss_with_rows():
    def square(y, a):
        return ((a - y) ** 2).mean(axis=1), 2 * (a - y) / a.shape[1]

    loss, same = losses.get(square), losses.MeanSquaredError()
    assert loss.name == "square"
    assert loss.spec() is None
    assert loss.targets == "any"
    for weight in (None, [0.5, 3.0]):
        value, gradient = loss.value_and_gradient(ROWS, OUTPUTS, weight)
        expected = same.value_and_gradient(ROWS, OUTPUTS, weight)
        assert value == pytest.approx(expected[0], rel=1e-6)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-5)
        assert gradient.dtype == np.float32
    assert loss == losses.get(square) != losses.get(lambda y, a: (0.0, a))


def test_function_loss_with_a_number():
    loss = losses.get(lambda y, a: (3.5, np.ones_like(a)))
    assert loss(ROWS, OUTPUTS) == 3.5
    with pytest.raises(ValueError, match="sample_weight needs each row's loss"):
        loss(ROWS, OUTPUTS, [1.0, 1.0])


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (1.0, TypeError),
        ((1.0, [1.0]), ValueError),
        ((np.zeros(3), np.zeros((2, 3))), ValueError),
        ((1.0, np.zeros((2, 1))), ValueError),
    ],
)
def test_function_loss_checks_what_it_gets(result, error):
    with pytest.raises(error, match=r"the loss .* return"):
        losses.get(lambda y, a: result)(ROWS, OUTPUTS)


# ---------------------------------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("identifier", "loss", "n_outputs", "expected"),
    [
        (
            "accuracy",
            losses.SparseCategoricalCrossentropy(),
            10,
            metrics.SparseCategoricalAccuracy("accuracy"),
        ),
        ("acc", losses.SparseCategoricalCrossentropy(), 2, metrics.SparseCategoricalAccuracy("acc")),
        ("accuracy", losses.CategoricalCrossentropy(), 10, metrics.CategoricalAccuracy("accuracy")),
        ("accuracy", losses.MeanSquaredError(), 10, metrics.CategoricalAccuracy("accuracy")),
        ("accuracy", losses.EuclideanLoss(), 10, metrics.SparseCategoricalAccuracy("accuracy")),
        ("accuracy", losses.MarginHinge(), 10, metrics.SparseCategoricalAccuracy("accuracy")),
        ("accuracy", losses.BinaryCrossentropy(), 1, metrics.BinaryAccuracy("accuracy", 0.5)),
        ("accuracy", losses.BinaryCrossentropy(True), 1, metrics.BinaryAccuracy("accuracy", 0.0)),
        ("accuracy", losses.SparseCategoricalCrossentropy(True), 1, metrics.BinaryAccuracy("accuracy", 0.0)),
        ("accuracy", losses.CategoricalCrossentropy(True), 1, metrics.BinaryAccuracy("accuracy", 0.0)),
        ("accuracy", losses.CategoricalCrossentropy(), 1, metrics.BinaryAccuracy("accuracy", 0.5)),
        ("accuracy", losses.MeanSquaredError(), 1, metrics.BinaryAccuracy("accuracy", 0.5)),
        ("mse", None, None, metrics.MeanSquaredError("mse")),
        ("mae", None, None, metrics.MeanAbsoluteError("mae")),
        ("binary_accuracy", None, None, metrics.BinaryAccuracy()),
        ("sparse_top_k_categorical_accuracy", None, None, metrics.SparseTopKCategoricalAccuracy(5)),
    ],
    ids=str,
)
def test_resolution(identifier, loss, n_outputs, expected):
    metric = metrics.get(identifier, loss=loss, n_outputs=n_outputs)
    assert metric == expected
    assert metric.name == identifier


def test_accuracy_needs_to_know_the_loss_and_the_outputs():
    for arguments in ({}, {"loss": losses.MeanSquaredError()}, {"n_outputs": 3}):
        with pytest.raises(ValueError, match="'accuracy' depends on the loss"):
            metrics.get("accuracy", **arguments)


def test_metric_specs():
    assert {
        cls.__name__: cls().spec() for cls in metrics.registry.values() if cls.rule and cls().in_core
    } == {
        "BinaryAccuracy": {"name": "binary_accuracy", "param": 0.5},
        "CategoricalAccuracy": {"name": "categorical_accuracy", "param": 0.0},
        "SparseCategoricalAccuracy": {"name": "categorical_accuracy", "param": 0.0},
        "TopKCategoricalAccuracy": {"name": "top_k_categorical_accuracy", "param": 5.0},
        "SparseTopKCategoricalAccuracy": {"name": "top_k_categorical_accuracy", "param": 5.0},
        "MeanSquaredError": {"name": "mean_squared_error", "param": 0.0},
        "MeanAbsoluteError": {"name": "mean_absolute_error", "param": 0.0},
    }


def test_metric_values():
    assert metrics.CategoricalAccuracy()(ROWS, OUTPUTS) == 0.5
    assert metrics.SparseCategoricalAccuracy()(IDS, OUTPUTS) == 0.5
    assert metrics.SparseTopKCategoricalAccuracy(2)(IDS, OUTPUTS) == 0.5
    assert metrics.TopKCategoricalAccuracy(3)(ROWS, OUTPUTS) == 1.0
    assert metrics.BinaryAccuracy(threshold=0.4)(ROWS, OUTPUTS) == pytest.approx(4 / 6)
    assert metrics.MeanAbsoluteError()(ROWS, OUTPUTS) == pytest.approx(2.75 / 6)
    assert metrics.MeanSquaredError()(ROWS, OUTPUTS) == pytest.approx(
        (0.375 + 0.875**2 + 0.25 + 0.375**2) / 6
    )
    with pytest.raises(ValueError, match="y_true"):
        metrics.SparseCategoricalAccuracy()([0, 3], OUTPUTS)


# ------------------------------------------------------------------------------- activations and regularizers


@pytest.mark.parametrize("name", activations.names)
def test_activations_are_the_references(name):
    activation = activations.get(name)
    assert vars(activations)[name] == activation
    assert activation.formula
    for shape in ((5, 7), (7,), (2, 3, 4), (0, 3)):
        z = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        a = activation(z)
        assert (a.shape, a.dtype) == (shape, np.float32)
        np.testing.assert_allclose(a, reference.activation(name, z, activation.alpha), rtol=1e-6, atol=1e-7)
    f = activation(np.asfortranarray(z.reshape(0, 3)))
    assert f.shape == (0, 3)


def test_activation_names():
    assert activations.get(None) is activations.linear
    assert activations.get("swish").name == "silu"
    assert activations.get("gelu").name == "gelu"
    assert activations.leaky_relu([-1.0])[0] == np.float32(-0.2)
    assert activations.Activation("leaky_relu", 0.5)([-1.0])[0] == -0.5


def test_regularizers():
    w = np.array([[1.0, -2.0], [0.0, 3.0]])
    assert regularizers.L1(0.5)(w) == 3.0
    assert regularizers.L2(0.5)(w) == 7.0
    assert regularizers.L1L2(0.5, 0.5)(w) == 10.0
    assert regularizers.get(None) is None
    for name, l1, l2 in (("l1", 0.01, 0.0), ("l2", 0.0, 0.01), ("l1_l2", 0.0, 0.0)):
        found = regularizers.get(name)
        assert (found.l1, found.l2) == (l1, l2)


def test_one_weight_for_all_rows():
    loss = losses.MeanSquaredError()
    assert loss(ROWS, OUTPUTS, 2.5) == pytest.approx(2.5 * loss(ROWS, OUTPUTS))
    assert loss(ROWS, OUTPUTS, np.float32(2.5)) == loss(ROWS, OUTPUTS, [2.5, 2.5])


@pytest.mark.parametrize("weights", [None, [2.0, 0.5]])
def test_reductions(weights):
    values = losses.mean_squared_error(ROWS, OUTPUTS) * (1.0 if weights is None else np.array(weights))
    total = 2.0 if weights is None else 2.5

    def given(reduction):
        return losses.MeanSquaredError(reduction=reduction)(ROWS, OUTPUTS, weights)

    for reduction in (None, "none"):
        np.testing.assert_allclose(given(reduction), values)
    assert given("sum") == pytest.approx(values.sum())
    assert given("mean") == given("sum_over_batch_size") == pytest.approx(values.mean())
    assert given("mean_with_sample_weight") == pytest.approx(values.sum() / total)
    loss = losses.MeanSquaredError(reduction="sum")
    assert loss.get_config() == {"reduction": "sum"} and losses.get(
        _config.serialize(loss)
    ) == loss != losses.get("mse")
    model = nnc.Sequential([nnc.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"sum_over_batch_size.*'sum' of MeanSquaredError"):
        model.compile("sgd", loss)


def test_losses_of_sequences():
    rng = np.random.default_rng(4)
    y, a = rng.random((5, 3, 2)), rng.random((5, 3, 2))
    for cls in (losses.MeanSquaredError, losses.CategoricalCrossentropy, losses.CosineSimilarity):
        flat = cls(reduction=None)(y.reshape(15, 2), a.reshape(15, 2))
        np.testing.assert_allclose(cls(reduction=None)(y, a), flat.reshape(5, 3))
        assert cls()(y, a) == pytest.approx(flat.mean())
        by_step, by_sample = rng.random((5, 3)), rng.random(5)
        assert cls()(y, a, by_step) == pytest.approx(np.mean(flat * by_step.ravel()))
        assert cls()(y, a, by_sample) == pytest.approx(np.mean(flat * np.repeat(by_sample, 3)))
        assert cls()(y, a, 0.5) == pytest.approx(0.5 * flat.mean())
    ids = rng.integers(0, 2, (5, 3))
    sparse = losses.SparseCategoricalCrossentropy()
    assert sparse(ids, a) == pytest.approx(sparse(ids.ravel(), a.reshape(15, 2)))
    with pytest.raises(ValueError, match=r"y_true has the shape \(5, 2\)"):
        losses.MeanSquaredError()(y[:, 0], a)
    with pytest.raises(ValueError, match=r"sample_weight has the shape \(4,\)"):
        losses.MeanSquaredError()(y, a, np.ones(4))
    assert losses.get(None) is None
