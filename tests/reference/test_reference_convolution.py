"""The reference's layers for maps: loops, hand-computed numbers, central differences, PyTorch and SciPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from reference_helpers import (
    WITHOUT_MAPS,
    assert_gradient,
    assert_worked,
    dense_row,
    loss_spec,
    numerical_gradient,
    optimizer_spec,
    random_plan,
)

from nnc import reference
from nnc.reference import LAYERS, Plan
from nnc.reference.augmentation import FILLS, INTERPOLATIONS
from nnc.reference.geometry import slices

# ------------------------------------------------------------------------------------------------------- rows


def geometry(shape, window, strides=(1, 1), dilation=(1, 1), padding=(0, 0, 0, 0)):
    """The keys of a row with windows; padding is (top, left, bottom, right)."""
    keys = ["height", "width", "channels", "kernel_height", "kernel_width", "stride_height", "stride_width"]
    keys += ["dilation_height", "dilation_width", "pad_top", "pad_left", "out_height", "out_width"]
    rooms = [shape[i] + padding[i] + padding[i + 2] - dilation[i] * (window[i] - 1) - 1 for i in range(2)]
    out = [room // stride + 1 for room, stride in zip(rooms, strides, strict=True)]
    return dict(zip(keys, [*shape, *window, *strides, *dilation, *padding[:2], *out], strict=True))


def conv_row(filters, *where, activation="linear", use_bias=True, alpha=0.3, **penalties):
    none = dict.fromkeys(["kernel_l1", "kernel_l2", "bias_l1", "bias_l2"], 0.0)
    row = {"kind": "conv2d", "filters": filters, "use_bias": use_bias, "activation": activation}
    return row | {"alpha": alpha, "group": filters} | geometry(*where) | none | penalties


def in_groups(groups, row):
    """A convolution with that many times the channels and filters."""
    many = {"channels": groups * row["channels"], "filters": groups * row["filters"]}
    return row | many | {"groups": groups, "group": many["filters"]}


def pooling_row(kind, shape, window, strides=None, padding=(0, 0, 0, 0)):
    return {"kind": f"{kind}_pooling"} | geometry(shape, window, strides or window, (1, 1), padding)


def norm_row(kind, group, center=True, scale=True, epsilon=1e-3, momentum=0.75, **penalties):
    none = dict.fromkeys(["gamma_l1", "gamma_l2", "beta_l1", "beta_l2"], 0.0)
    row = {"kind": f"{kind}_normalization", "group": group, "center": center, "scale": scale}
    row |= {"epsilon": epsilon} | none | penalties
    return row | {"momentum": momentum} if kind == "batch" else row


def padding_row(shape, pad_top, pad_left, out_height, out_width):
    keys = ["height", "width", "channels", "pad_top", "pad_left", "out_height", "out_width"]
    values = [*shape, pad_top, pad_left, out_height, out_width]
    return {"kind": "zero_padding"} | dict(zip(keys, values, strict=True))


def affine_row(shape, **options):
    ranges = ["rotation", "zoom_height", "zoom_width", "shift_height", "shift_width"]
    row = dict(zip(["height", "width", "channels"], shape, strict=True))
    row |= {name: [0.0, 0.0] for name in ranges}
    fill = {"fill": "reflect", "fill_value": 0.0, "interpolation": "bilinear"}
    return row | {"kind": "random_affine"} | fill | options


# map, window, strides, dilation, padding
GEOMETRIES = [
    ((1, 1, 1), (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    ((5, 4, 2), (3, 2), (1, 1), (1, 1), (0, 0, 0, 0)),
    ((5, 4, 1), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    ((4, 5, 2), (1, 1), (2, 2), (1, 1), (0, 0, 0, 0)),
    ((7, 9, 3), (3, 2), (2, 3), (1, 1), (0, 1, 1, 0)),
    ((6, 5, 1), (2, 3), (1, 1), (2, 2), (1, 2, 0, 1)),
    ((9, 3, 5), (4, 1), (3, 2), (2, 1), (3, 0, 1, 0)),
    ((1, 6, 4), (3, 3), (1, 2), (1, 2), (1, 2, 1, 2)),
    ((2, 2, 3), (5, 5), (2, 1), (1, 1), (4, 3, 2, 4)),
    ((5, 5, 2), (2, 2), (3, 3), (1, 1), (0, 0, 0, 0)),
    ((2, 3, 2), (1, 2), (1, 3), (1, 2), (2, 3, 1, 2)),  # windows entirely outside: convolution only
]
GROUPS = [1, 2, 3, 4]
POOLINGS = [case for case in GEOMETRIES[:-1] if case[3] == (1, 1)]

MAP = (3, 2, 2)
LAYER_ROWS = [
    *(conv_row(1 + i % 3, *case, use_bias=i % 4 != 1) for i, case in enumerate(GEOMETRIES)),
    *(in_groups(2 + i, conv_row(2, *case)) for i, case in enumerate(GEOMETRIES[2:5])),
    *(
        pooling_row(kind, shape, window, strides, padding)
        for kind in ["max", "average"]
        for shape, window, strides, _, padding in POOLINGS
    ),
    pooling_row("max", (4, 3, 2), (4, 3)),
    pooling_row("average", (4, 3, 2), (4, 3)),
    *(
        norm_row(kind, group, center, scale)
        for kind in ["batch", "layer"]
        for group, center, scale in [(2, True, True), (6, True, False), (12, False, True), (3, False, False)]
    ),
    padding_row(MAP, 1, 2, 5, 4),
    padding_row(MAP, 0, 0, 3, 2),
    padding_row(MAP, -1, 1, 4, 2),
    affine_row(MAP, rotation=[-0.1, 0.1]),
    *(
        {"kind": "permute", "axes": [2, 3, 2], "order": order}
        for order in ([1, 2, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1])
    ),
]


def n_features(row):
    return row["height"] * row["width"] * row["channels"] if "height" in row else 12


def test_every_layer_is_checked():
    """Layers for maps, and normalization; test_reference.py has the others."""
    here = {kind for kind, layer in LAYERS.items() if layer.__module__ not in WITHOUT_MAPS}
    assert {row["kind"] for row in LAYER_ROWS} == here


def draw_parameters(layer, rng):
    """Normal, but positive where they are variances."""
    drawn = {name: rng.normal(size=shape) for name, shape in layer.shapes.items()}
    return [np.abs(w) + 0.1 if name == "moving_variance" else w for name, w in drawn.items()]


# -------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("noise", [None, (1, 2, 3)], ids=["inference", "training"])
@pytest.mark.parametrize("row", LAYER_ROWS, ids=lambda row: row["kind"])
def test_layer_gradient(row, noise):
    rng = np.random.default_rng(3)
    layer = LAYERS[row["kind"]](row, n_features(row), 0)
    x, parameters = rng.normal(size=(3, layer.n_inputs)), draw_parameters(layer, rng)
    y, kept = layer.forward(x, parameters, noise)
    dy = rng.normal(size=(3, layer.n_outputs))
    dx, gradients = layer.backward(dy, parameters, kept)
    assert y.shape == dy.shape and dx.shape == x.shape
    assert len(gradients) == len(parameters) == len(layer.rules()) == len(layer.trainable)
    if not layer.differentiable:
        assert not dx.any()
        return

    def value():
        return np.sum(dy * layer.forward(x, parameters, noise)[0])

    trainable = [True, *layer.trainable]
    for actual, array, learned in zip([dx, *gradients], [x, *parameters], trainable, strict=True):
        assert_gradient(actual, numerical_gradient(value, array) if learned else np.zeros(array.shape))


@pytest.mark.parametrize("row", LAYER_ROWS, ids=lambda row: row["kind"])
@pytest.mark.parametrize("noise", [None, (1, 2, 3)], ids=["inference", "training"])
def test_no_rows(row, noise):
    layer = LAYERS[row["kind"]](row, n_features(row), 0)
    parameters = [np.ones(shape) for shape in layer.shapes.values()]
    y, kept = layer.forward(np.zeros((0, layer.n_inputs)), parameters, noise)
    dx, gradients = layer.backward(y, parameters, kept)
    assert y.shape == (0, layer.n_outputs) and dx.shape == (0, layer.n_inputs)
    assert [g.shape for g in gradients] == list(layer.shapes.values())
    assert not any(g.any() for g in gradients)


def image_rows():
    """Every kind of layer for maps, with every penalty, on images of 6 x 5 pixels in 2 channels."""
    kernel = {"kernel_l1": 0.01, "kernel_l2": 0.02, "bias_l1": 0.03, "bias_l2": 0.04}
    gamma = {"gamma_l1": 0.02, "gamma_l2": 0.01, "beta_l1": 0.04, "beta_l2": 0.03}
    ranges = {name: [-0.2, 0.2] for name in ["rotation", "zoom_height", "shift_height", "shift_width"]}
    return [
        {"kind": "rescaling", "scale": 0.5, "offset": 0.1},
        affine_row((6, 5, 2), **ranges, zoom_width=None),
        padding_row((6, 5, 2), 1, 0, 7, 6),
        conv_row(3, (7, 6, 2), (3, 2), (1, 1), (2, 1), (1, 0, 0, 1), activation="gelu", **kernel),
        norm_row("batch", 3, **gamma),
        {"kind": "spatial_dropout", "rate": 0.3, "channels": 3},
        pooling_row("max", (4, 6, 3), (2, 2), (1, 2), (1, 0, 0, 0)),
        conv_row(2, (4, 3, 3), (2, 2), activation="softmax", use_bias=False),
        norm_row("layer", 4, **gamma),
        pooling_row("average", (3, 2, 2), (2, 2), (2, 1)),
        norm_row("batch", 2, scale=False),
        dense_row(3, "softmax", **kernel),
    ]


def image_plan(rng, **options):
    """A plan of `image_rows` with random parameters."""
    settings = {"loss": loss_spec("categorical_crossentropy"), "seed": 11, "batch_size": 8} | options
    plan = random_plan(60, image_rows(), rng, **settings)
    positive = {"gamma", "moving_variance"}
    named = zip(plan.parameter_names, plan.get_parameters(), strict=True)
    plan.set_parameters([np.abs(w) + 0.1 if name in positive else w for name, w in named])
    return plan


def state(plan):
    """Every bit that training changes."""
    arrays = [*plan.get_parameters(), *(slot for slots in plan.get_slots() for slot in slots)]
    return np.concatenate([array.ravel() for array in arrays]).tobytes()


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_plan_gradient(training):
    rng = np.random.default_rng(4)
    plan = image_plan(rng)
    assert plan.n_outputs == 3
    batch = rng.normal(size=(3, 60)), rng.integers(0, 3, 3), rng.uniform(0.5, 2.0, 3), training, 2, 9
    before = state(plan)
    _, gradients = plan.gradients(*batch)
    assert state(plan) == before, "gradients leave the moving statistics alone"
    parameters = plan.get_parameters()

    def value():
        plan.set_parameters(parameters)
        return plan.gradients(*batch)[0]

    for actual, w, trainable in zip(gradients, parameters, plan.parameter_trainable, strict=True):
        assert_gradient(actual, numerical_gradient(value, w) if trainable else np.zeros(w.shape))


# ------------------------------------------------------------------------------------------- windows by loops


def test_slices_are_what_they_say():
    for size, out, stride, offset in itertools.product(range(1, 6), range(1, 7), range(1, 4), range(-7, 8)):
        outputs, inputs = slices(size, out, stride, offset)
        pairs = list(zip(range(out)[outputs], range(size)[inputs], strict=True))
        assert pairs == [(o, o * stride + offset) for o in range(out) if 0 <= o * stride + offset < size]


def inside(row, oy, ox):
    """(ky, kx), (iy, ix) of a window's positions inside the map, straight from the definition of a row."""
    for ky, kx in itertools.product(range(row["kernel_height"]), range(row["kernel_width"])):
        iy = oy * row["stride_height"] + ky * row["dilation_height"] - row["pad_top"]
        ix = ox * row["stride_width"] + kx * row["dilation_width"] - row["pad_left"]
        if 0 <= iy < row["height"] and 0 <= ix < row["width"]:
            yield (ky, kx), (iy, ix)


def options_of(row):
    names = (
        {"strides": "stride", "dilation": "dilation"} if row["kind"] == "conv2d" else {"strides": "stride"}
    )
    options = {name: (row[f"{key}_height"], row[f"{key}_width"]) for name, key in names.items()}
    return options | {"pads": (row["pad_top"], row["pad_left"])}


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_conv2d_is_its_formula(case, groups):
    rng = np.random.default_rng(5)
    row = in_groups(groups, conv_row(3, *case))
    (*size, channels), filters = case[0], 3 * groups
    x, bias = rng.normal(size=(2, *size, groups * channels)), rng.normal(size=filters)
    kernel = rng.normal(size=(*case[1], channels, filters))
    expected = np.zeros((2, row["out_height"], row["out_width"], filters)) + bias
    for b, oy, ox, f in np.ndindex(expected.shape):
        first = f // 3 * channels
        for (ky, kx), (iy, ix) in inside(row, oy, ox):
            expected[b, oy, ox, f] += kernel[ky, kx, :, f] @ x[b, iy, ix, first : first + channels]
    more = options_of(row) | {"out_shape": (row["out_height"], row["out_width"]), "groups": groups}
    actual = reference.conv2d(x, kernel, bias, **more)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13)
    plan = Plan(n_features(row), [row])
    plan.set_parameters([kernel, bias])
    rows = plan.forward(x.reshape(2, -1))
    np.testing.assert_array_equal(rows, actual.reshape(2, -1))


@pytest.mark.parametrize("case", POOLINGS, ids=str)
def test_pooling_is_its_formula(case):
    rng = np.random.default_rng(6)
    shape, window, strides, _, padding = case
    x = rng.integers(-3, 3, (2, *shape)).astype(np.float64)  # with ties
    x[0, 0, 0] = math.nan
    row = pooling_row("max", shape, window, strides, padding)
    out_shape = row["out_height"], row["out_width"]
    dy = rng.normal(size=(2, *out_shape, shape[2]))
    largest, means, dx_max, dx_mean = (
        np.empty(dy.shape),
        np.empty(dy.shape),
        np.zeros(x.shape),
        np.zeros(x.shape),
    )
    for b, oy, ox, c in np.ndindex(dy.shape):
        places = [(b, *place, c) for _, place in inside(row, oy, ox)]
        seen = [x[place] for place in places]
        largest[b, oy, ox, c], means[b, oy, ox, c] = np.max(seen), np.mean(seen)
        dx_max[places[np.argmax(seen)]] += dy[b, oy, ox, c]
        for place in places:
            dx_mean[place] += dy[b, oy, ox, c] / len(places)
    options = options_of(row)
    np.testing.assert_array_equal(reference.max_pooling(x, window, **options, out_shape=out_shape), largest)
    np.testing.assert_allclose(
        reference.average_pooling(x, window, **options, out_shape=out_shape), means, rtol=1e-13, atol=1e-14
    )
    for backward, expected in [(reference.max_pooling_backward, dx_max),
                               (reference.average_pooling_backward, dx_mean)]:  # fmt: skip
        np.testing.assert_allclose(backward(x, dy, window, **options), expected, rtol=1e-12, atol=1e-13)


def column(*numbers):
    """A map of one row and one channel."""
    return np.array(numbers, np.float64).reshape(1, 1, -1, 1)


def test_max_pooling_of_nan_and_infinity():
    nan, inf = math.nan, math.inf
    for x, expected, dx in [
        ([1.0, nan, 2.0, nan], nan, [0, 7, 0, 0]),
        ([nan, 3.0, inf, 1.0], nan, [7, 0, 0, 0]),
        ([-inf, -inf, -inf, -inf], -inf, [7, 0, 0, 0]),
        ([-inf, 2.0, 2.0, inf], inf, [0, 0, 0, 7]),
    ]:
        np.testing.assert_array_equal(reference.max_pooling(column(*x), (1, 4)).ravel(), [expected])
        assert reference.max_pooling_backward(column(*x), column(7), (1, 4)).ravel().tolist() == dx


def test_windows_by_hand():
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).reshape(1, 6)
    # Sobel's kernel across columns, "same" padding
    sobel = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]).reshape(3, 3, 1, 1)
    plan = Plan(6, [conv_row(1, (2, 3, 1), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), activation="relu")])
    plan.set_parameters([sobel, [8.5]])
    assert plan.forward(x).tolist() == [[0.0, 2.5, 17.5, 0.0, 2.5, 20.5]]
    # dilation 2: pixels 0 and 2 of each row; two filters; stride 1
    plan = Plan(6, [conv_row(2, (2, 3, 1), (1, 2), (1, 1), (1, 2))])
    plan.set_parameters([np.array([[1.0, 10.0], [2.0, 20.0]]).reshape(1, 2, 1, 2), [0.0, 0.5]])
    assert plan.forward(x).tolist() == [[7.0, 70.5, 16.0, 160.5]]
    # a softmax over the filters at each position
    plan = Plan(2, [conv_row(2, (1, 2, 1), (1, 1), activation="softmax", use_bias=False)])
    plan.set_parameters([np.array([math.log(3.0), 0.0]).reshape(1, 1, 1, 2)])
    assert_worked(plan.forward(np.array([[1.0, 2.0]])), [[0.75, 0.25, 0.9, 0.1]])
    pooled = Plan(6, [pooling_row("max", (2, 3, 1), (2, 2), (1, 2), (0, 1, 0, 0))]).forward(x)
    assert pooled.tolist() == [[4.0, 6.0]]
    pooled = Plan(6, [pooling_row("average", (2, 3, 1), (2, 2), (1, 2), (1, 1, 0, 0))]).forward(x)
    assert pooled.tolist() == [[1.0, 2.5, 2.5, 4.0]]
    assert Plan(6, [pooling_row("average", (1, 3, 2), (1, 3))]).forward(x).tolist() == [[3.0, 4.0]]
    padded = Plan(6, [padding_row((1, 3, 2), 0, 1, 2, 3)]).forward(x)
    assert padded.tolist() == [[0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0]]


# ---------------------------------------------------------------------------------------------- normalization


def test_normalization_by_hand():
    x = np.array([[1.0, 0.0, 5.0, 8.0]])  # two channels, means 3 and 4, variances 4 and 16
    batch = Plan(4, [norm_row("batch", 2, epsilon=9.0)], loss=loss_spec("euclidean"))
    batch.set_parameters([[5.0, 10.0], [1.0, 2.0], [1.0, 0.0], [7.0, 0.0]])
    a = 10.0 / math.sqrt(13.0)
    assert_worked(batch.step_forward(x, 0, 0), [[1.0 - a, 2.0 - 8.0, 1.0 + a, 2.0 + 8.0]])
    assert_worked(batch.forward(x), [[1.0, 2.0, 6.0, 2.0 + 80.0 / 3.0]])  # sqrt(7 + 9) = 4, sqrt(0 + 9) = 3
    by_layer = Plan(4, [norm_row("layer", 2, epsilon=0.75, scale=False)])  # runs 1, 0 and 5, 8
    by_layer.set_parameters([[0.0, 1.0]])
    assert_worked(by_layer.forward(x), [[0.5, 0.5, -1.5 / math.sqrt(3.0), 1.0 + 1.5 / math.sqrt(3.0)]])
    assert_worked(by_layer.step_forward(x, 0, 0), by_layer.forward(x))
    plain = Plan(4, [norm_row("layer", 4, scale=False, center=False, epsilon=0.0)])
    assert plain.parameter_names == []
    np.testing.assert_allclose(plain.forward(x).std(), 1.0)


def test_normalized_outputs_have_mean_0_and_variance_1():
    x = np.random.default_rng(8).normal(5.0, 3.0, (6, 12))
    channels = (
        Plan(12, [norm_row("batch", 3, False, False, epsilon=0.0)]).step_forward(x, 0, 0).reshape(-1, 3)
    )
    runs = Plan(12, [norm_row("layer", 3, False, False, epsilon=0.0)]).forward(x).reshape(-1, 3)
    for y, axis in [(channels, 0), (runs, 1)]:
        np.testing.assert_allclose(y.mean(axis=axis), 0.0, atol=1e-13)
        np.testing.assert_allclose(y.var(axis=axis), 1.0, rtol=1e-12)


# -------------------------------------------------------------------------------- non-trainable parameters


@pytest.fixture
def task():
    """A task of 11 images, and a function that creates the same new plan for it each time."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(11, 60)).astype(np.float32), rng.integers(0, 3, 11).astype(np.int32)

    def fresh(**options):
        adam = optimizer_spec("adam", beta_1=0.9, beta_2=0.99, epsilon=1e-7, weight_decay=0.1, clipvalue=0.5)
        settings = {"optimizer": adam, "batch_size": 4} | options
        return image_plan(np.random.default_rng(8), **settings)

    return x, y, np.linspace(0.02, 0.01, 100, dtype=np.float32), fresh


def test_trainable_and_slots(task):
    *_, fresh = task
    plan = fresh()
    names = ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", "kernel", "gamma", "beta"]
    assert plan.parameter_names == [*names, "beta", "moving_mean", "moving_variance", "kernel", "bias"]
    expected = [not name.startswith("moving") for name in plan.parameter_names]
    assert plan.parameter_trainable == expected and expected.count(False) == 4
    slots = plan.get_slots()
    assert [len(arrays) for arrays in slots] == [2 * trainable for trainable in expected]
    plan.set_slots(slots)
    slots[4] = [np.zeros(3), np.zeros(3)]
    with pytest.raises(ValueError, match=r"slots of shapes \[\(3,\), \(3,\)\]: this plan has \[\]"):
        plan.set_slots(slots)


def test_moving_statistics_by_hand():
    row = norm_row("batch", 2, center=False, scale=False, momentum=0.75)
    plan = Plan(4, [row], loss=loss_spec("euclidean"), optimizer=optimizer_spec("sgd", weight_decay=0.5))
    plan.set_parameters([[1.0, 2.0], [1.0, 2.0]])
    x = np.array([[1.0, 0.0, 5.0, 8.0], [3.0, 4.0, 3.0, 4.0]], np.float32)  # means 3, 4; variances 2, 8
    plan.step_forward(x, 0, 0)
    plan.gradients(x, x, None, True)
    plan.evaluate(x, x, None, 0, 2)
    assert [w.tolist() for w in plan.get_parameters()] == [[1.0, 2.0], [1.0, 2.0]]
    assert [g.tolist() for g in plan.gradients(x, x, None, True)[1]] == [[0.0, 0.0], [0.0, 0.0]]
    assert plan.train(x, x, None, None, 0, [1.0], 2, 0, 0, math.inf)[0] == 1
    assert [w.tolist() for w in plan.get_parameters()] == [[1.5, 2.5], [1.25, 3.5]]
    plan.step_forward(x, 0, 1)
    plan.step_backward(np.zeros((2, 4)), 1.0, 1)
    assert [w.tolist() for w in plan.get_parameters()] == [[1.875, 2.875], [1.4375, 4.625]]


def test_train_is_gradients_update_and_new_statistics(task):
    x, y, rates, fresh = task
    plan, by_hand = fresh(), fresh()
    assert plan.train(x, y, None, None, 0, rates, 4, 6, 20, math.inf)[:2] == (3, 11)
    for i, rows in enumerate([slice(0, 4), slice(4, 8), slice(8, 11)]):
        _, gradients = by_hand.gradients(x[rows], y[rows], None, True, 6, 20 + i)
        parameters, slots = by_hand.get_parameters(), by_hand.get_slots()
        # the inputs of the two batch normalizations, by plans that end before them
        for at, n_rows in [(4, 4), (10, 10)]:  # of the moving mean among the parameters, of the row
            short = Plan(60, image_rows()[:n_rows], seed=11)
            short.set_parameters(parameters[: len(short.parameter_names)])
            inputs = short.step_forward(x[rows], 6, 20 + i).reshape(-1, len(parameters[at]))
            parameters[at] = 0.75 * parameters[at] + 0.25 * inputs.mean(axis=0)
            parameters[at + 1] = 0.75 * parameters[at + 1] + 0.25 * inputs.var(axis=0)
        for w, g, memory in zip(parameters, gradients, slots, strict=True):
            if memory:
                reference.update(by_hand._optimizer, w, g, memory, float(rates[i]), 20 + i)
        by_hand.set_parameters(parameters)
        by_hand.set_slots(slots)
    for actual, expected in zip(plan.get_parameters(), by_hand.get_parameters(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-11)


def test_non_finite_loss_leaves_the_statistics(task):
    x, y, rates, fresh = task
    plan, good = fresh(), fresh()
    good.train(x, y, None, None, 0, rates[:1], 4, 0, 0, math.inf)
    x = x.copy()
    x[5] = math.nan
    n_steps, _, loss_sum, _ = plan.train(x, y, None, None, 0, rates, 4, 0, 0, math.inf)
    assert n_steps == 1 and math.isnan(loss_sum)
    assert state(plan) == state(good)


def test_train_in_slices_is_train_at_once(task):
    x, y, rates, fresh = task
    whole, sliced = fresh(), fresh()
    whole.train(x, y, None, None, 0, rates, 4, 1, 0, math.inf)
    for i in range(3):
        assert sliced.train(x, y, None, None, 4 * i, rates[i : i + 1], 4, 1, i, math.inf)[0] == 1
    assert state(whole) == state(sliced)


def test_step_forward_and_backward_are_a_training_step(task):
    x, y, rates, fresh = task
    stepped, trained = fresh(), fresh()
    before = state(stepped)
    outputs = stepped.step_forward(x[:4], 3, 5)
    assert state(stepped) == before
    _, d_outputs = reference.loss(loss_spec("categorical_crossentropy"), y[:4], outputs)
    stepped.step_backward(d_outputs, rates[0], 5)
    trained.train(x, y, None, None, 0, rates[:1], 4, 3, 5, math.inf)
    for actual, expected in zip(stepped.get_parameters(), trained.get_parameters(), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-8)


def test_statistics_have_no_part_in_the_norm_of_all_gradients(task):
    x, y, rates, fresh = task
    plan = fresh(optimizer=optimizer_spec("sgd", global_clipnorm=0.01))
    before = plan.get_parameters()
    plan.train(x, y, None, None, 0, rates[:1], 4, 0, 0, math.inf)
    moved = zip(plan.get_parameters(), before, plan.parameter_trainable, strict=True)
    squares = sum(np.sum((w - old) ** 2) for w, old, trainable in moved if trainable)
    np.testing.assert_allclose(math.sqrt(squares), 0.01 * float(rates[0]), rtol=1e-9)


# ------------------------------------------------------------------------------------------- random numbers


def test_spatial_dropout_drops_whole_channels():
    row = {"kind": "spatial_dropout", "rate": 0.4, "channels": 5}
    plan = Plan(30, [{"kind": "rescaling", "scale": 1.0, "offset": 0.0}, row], batch_size=64, seed=9)
    y = plan.step_forward(np.ones((64, 30)), 3, 4)
    keep = reference.dropout_mask((64, 5), 0.4, 1, (9, 3, 4))
    expected = np.where(keep, float(np.float32(1 / 0.6)), 0.0)
    np.testing.assert_array_equal(y.reshape(64, 6, 5), np.repeat(expected[:, None, :], 6, axis=1))
    assert (plan.forward(np.ones((2, 30))) == 1.0).all()


def test_random_affine_draws_seven_numbers_for_each_sample():
    ranges = {"rotation": [-0.5, 0.25], "zoom_height": [-0.3, 0.4], "zoom_width": [0.1, 0.2]}
    ranges |= {"shift_height": [-0.2, 0.0], "shift_width": [0.0, 0.5]}
    noise = (0x123456789ABCDEF0, 7, 2**32 + 5)
    layer = LAYERS["random_affine"](affine_row((4, 3, 2), **ranges), 24, 3)
    rotation, zoom, shift, flip = layer.draw(3, noise)
    assert not flip.any()
    for r, values in enumerate(np.column_stack([rotation, zoom, shift])):
        for j, (low, high) in enumerate(ranges.values()):
            i = 8 * r + j
            word = reference.philox4x32((i // 4, 3, 5, 7), (0x9ABCDEF0, 0x12345678))[i % 4]
            assert values[j] == low + int(word) / 2**32 * (high - low)
    x = np.random.default_rng(3).normal(size=(3, 24))
    y = reference.affine_images(x.reshape(3, 4, 3, 2), rotation, zoom, shift)
    np.testing.assert_array_equal(layer.forward(x, [], noise)[0], y.reshape(3, 24))
    alone = LAYERS["random_affine"](affine_row((4, 3, 2), **ranges | {"zoom_width": None}), 24, 3)
    other_rotation, zooms, other_shift, _ = alone.draw(3, noise)
    np.testing.assert_array_equal(zooms, zoom[:, [0, 0]])
    np.testing.assert_array_equal([other_rotation, *other_shift.T], [rotation, *shift.T])
    flipping = LAYERS["random_affine"](affine_row((4, 3, 2), flip_width=True), 24, 3)
    flips = flipping.draw(500, noise)[3]
    assert not flips[:, 0].any() and abs(flips[:, 1].mean() - 0.5) < 0.1
    mirrored = reference.affine_images(x.reshape(3, 4, 3, 2), flip=(True, True))
    np.testing.assert_allclose(mirrored, x.reshape(3, 4, 3, 2)[:, ::-1, ::-1], atol=1e-12)


def test_random_affine_repeats_and_acts_in_training_alone():
    x = np.random.default_rng(1).normal(size=(9, 60))
    row = affine_row((6, 5, 2), rotation=[-0.2, 0.2], shift_width=[-0.3, 0.3])
    plan = Plan(60, [row], batch_size=16, seed=5)
    first = plan.step_forward(x, 1, 2)
    assert np.array_equal(plan.step_forward(x, 1, 2), first)
    assert np.array_equal(plan.step_forward(x[:4], 1, 2), first[:4]), "a sample does not depend on the others"
    others = [plan.step_forward(x, 1, 3), plan.step_forward(x, 2, 2)]
    others += [Plan(60, [row], batch_size=16, seed=6).step_forward(x, 1, 2)]
    others += [Plan(60, [affine_row((6, 5, 2)), row], batch_size=16, seed=5).step_forward(x, 1, 2)]
    for other in others:
        assert not np.isclose(other, first).all(axis=1).any()
    assert np.array_equal(plan.forward(x), x)
    with_loss = Plan(60, [row], loss=loss_spec("euclidean"), seed=5)
    assert with_loss.gradients(x, x)[0] == 0.0 < with_loss.gradients(x, x, training=True)[0]


# ---------------------------------------------------------------------------------------------- affine images

IMAGES = np.random.default_rng(2).normal(size=(2, 6, 5, 3))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("fill", FILLS)
def test_nothing_whole_pixels_and_quarter_turns(fill, interpolation):
    options = {"fill": fill, "interpolation": interpolation, "fill_value": -9.0}
    assert np.array_equal(reference.affine_images(IMAGES, **options), IMAGES)
    row = affine_row((6, 5, 3), **options)
    assert np.array_equal(Plan(90, [row]).step_forward(IMAGES.reshape(2, 90), 0, 0), IMAGES.reshape(2, 90))
    # two pixels down, one to the left: NumPy's name for the same edge mode
    mode = {"constant": "constant", "nearest": "edge", "reflect": "symmetric", "wrap": "wrap"}[fill]
    extra = {"constant_values": -9.0} if fill == "constant" else {}
    padded = np.pad(IMAGES, [(0, 0), (2, 0), (0, 1), (0, 0)], mode, **extra)
    # 2 / 6 and 1 / 5 are not exact, nor are shifts by them: the integer pixel is missed by a few ulps
    shifted = reference.affine_images(IMAGES, shift=(2 / 6, -1 / 5), **options)
    np.testing.assert_allclose(shifted, padded[:, :6, 1:], atol=1e-13)
    for images in [IMAGES[:, :5], IMAGES[:, 1:5, :4]]:  # 5 x 5 and 4 x 4
        for turns in [-1, 1, 2, 5]:
            turned = reference.affine_images(images, turns / 4, **options)
            np.testing.assert_allclose(turned, np.rot90(images, turns, (1, 2)), atol=1e-12)


def test_shift_zoom_and_fill_by_hand():
    x = np.arange(1.0, 6.0).reshape(1, 1, 5, 1)

    def row(zoom=0.0, shift=0.0, **options):
        return reference.affine_images(x, zoom=(0.0, zoom), shift=(0.0, shift), **options).ravel().tolist()

    assert row(1.0, fill="constant", fill_value=9.0) == [9.0, 1.0, 3.0, 5.0, 9.0], "zooms out"
    assert row(1.0, fill="nearest") == [1.0, 1.0, 3.0, 5.0, 5.0]
    assert row(1.0, fill="reflect") == [2.0, 1.0, 3.0, 5.0, 4.0]
    assert row(1.0, fill="wrap") == [4.0, 1.0, 3.0, 5.0, 2.0]
    assert row(-0.5) == [2.0, 2.5, 3.0, 3.5, 4.0], "zooms in"
    assert row(-0.5, interpolation="nearest") == [2.0, 3.0, 3.0, 4.0, 4.0]
    assert row(0.0, 0.1, fill="constant", fill_value=9.0) == [5.0, 1.5, 2.5, 3.5, 4.5], "half a pixel"
    assert row(0.0, 2.4, fill="wrap", interpolation="nearest") == [4.0, 5.0, 1.0, 2.0, 3.0], "beyond the map"
    assert_worked(row(0.0, -2.0, fill="reflect"), [1.0, 2.0, 3.0, 4.0, 5.0])
    assert_worked(row(0.0, -1.0, fill="reflect"), [5.0, 4.0, 3.0, 2.0, 1.0])
    assert row(0.0, 20.0, fill="constant") == [0.0] * 5


def test_content_is_zoomed_then_turned_then_shifted():
    """A linear image is its own interpolation; its value at (y, x) is computed with inverse matrices."""
    height, width = 9, 7
    y, x = np.mgrid[:height, :width].astype(np.float64)
    image = (3.0 * y - 2.0 * x + 1.0)[None, :, :, None]
    t, zoom, shift = 0.05, (0.3, -0.4), (0.1, -0.2)
    cos, sin = math.cos(2 * math.pi * t), math.sin(2 * math.pi * t)

    def move(down, right):
        return np.array([[1.0, 0.0, down], [0.0, 1.0, right], [0.0, 0.0, 1.0]])

    smaller = np.diag([1 / (1 + zoom[0]), 1 / (1 + zoom[1]), 1.0])
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])  # right (0, 1) goes up (-sin, cos)
    there = move(4.0 + 0.1 * height, 3.0 - 0.2 * width) @ turn @ smaller @ move(-4.0, -3.0)
    iy, ix, _ = np.linalg.inv(there) @ np.stack([y.ravel(), x.ravel(), np.ones(y.size)])
    seen = (iy >= 0) & (iy <= height - 1) & (ix >= 0) & (ix <= width - 1)
    assert 20 < seen.sum() < y.size
    moved = reference.affine_images(image, t, zoom, shift, fill="constant", fill_value=math.nan).ravel()
    np.testing.assert_allclose(moved[seen], (3.0 * iy - 2.0 * ix + 1.0)[seen], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("interpolation, order", [("bilinear", 1), ("nearest", 0)])
@pytest.mark.parametrize("fill", FILLS)
def test_affine_images_of_scipy(fill, interpolation, order):
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(12)
    # SciPy: "grid" modes extend the image pixel by pixel, as here
    mode = {"constant": "grid-constant", "wrap": "grid-wrap"}.get(fill, fill)
    rotation, zoom, shift = rng.uniform(-1, 1, 2), rng.uniform(-0.5, 1.5, (2, 2)), rng.uniform(-1, 1, (2, 2))
    options = {"fill": fill, "fill_value": 0.25, "interpolation": interpolation}
    actual = reference.affine_images(IMAGES, rotation, zoom, shift, **options)
    v, u = np.mgrid[:6, :5].astype(np.float64)
    for image, y, t, z, s in zip(IMAGES, actual, 2 * math.pi * rotation, 1 + zoom, shift, strict=True):
        dy, dx = v - 2.5 - 6 * s[0], u - 2.0 - 5 * s[1]
        iy = 2.5 + z[0] * (math.cos(t) * dy + math.sin(t) * dx)
        ix = 2.0 + z[1] * (math.cos(t) * dx - math.sin(t) * dy)
        for c in range(3):
            expected = ndimage.map_coordinates(image[..., c], [iy, ix], order=order, mode=mode, cval=0.25)
            np.testing.assert_allclose(y[..., c], expected, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------------------------------------------- PyTorch


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


def close(actual, tensor, channels_first=True):
    expected = tensor.detach().numpy()
    expected = np.moveaxis(expected, 1, -1) if channels_first and expected.ndim == 4 else expected
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)


def leaf(torch, array):
    """An array as a tensor with requires_grad; maps channels first."""
    array = np.moveaxis(array, -1, 1) if array.ndim == 4 else array
    return torch.tensor(np.ascontiguousarray(array), requires_grad=True)


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_conv2d_of_torch(torch, case, groups):
    rng = np.random.default_rng(9)
    (*size, channels), window, strides, dilation, (top, left, bottom, right) = case
    row = in_groups(groups, conv_row(4, *case))
    x, bias = rng.normal(size=(3, *size, groups * channels)), rng.normal(size=4 * groups)
    kernel = rng.normal(size=(*window, channels, 4 * groups))
    more = options_of(row) | {"groups": groups}
    y = reference.conv2d(x, kernel, bias, **more, out_shape=(row["out_height"], row["out_width"]))
    xt, bt = leaf(torch, x), leaf(torch, bias)
    wt = torch.tensor(kernel.transpose(3, 2, 0, 1).copy(), requires_grad=True)
    padded = torch.nn.functional.pad(xt, (left, right, top, bottom))
    yt = torch.nn.functional.conv2d(padded, wt, bt, strides, 0, dilation, groups)
    close(y, yt)
    dy = rng.normal(size=y.shape)
    yt.backward(leaf(torch, dy).detach())
    dx, dkernel, dbias = reference.conv2d_backward(x, kernel, dy, **more)
    close(dx, xt.grad)
    close(dkernel.transpose(3, 2, 0, 1), wt.grad, channels_first=False)
    close(dbias, bt.grad)


@pytest.mark.parametrize(
    "shape, window, strides, pads",
    [
        ((6, 6, 2), (2, 2), (2, 2), (0, 0)),
        ((7, 5, 3), (3, 2), (1, 2), (1, 1)),
        ((9, 4, 1), (4, 3), (3, 1), (2, 0)),
        ((5, 5, 4), (5, 5), (1, 1), (2, 2)),
    ],
)
def test_pooling_of_torch(torch, shape, window, strides, pads):
    rng = np.random.default_rng(10)
    x = rng.normal(size=(2, *shape))
    row = geometry(shape, window, strides, (1, 1), (*pads, *pads))
    out_shape = row["out_height"], row["out_width"]
    f = torch.nn.functional
    for forward, backward, theirs in [
        (reference.max_pooling, reference.max_pooling_backward, f.max_pool2d),
        (reference.average_pooling, reference.average_pooling_backward,
         lambda *a: f.avg_pool2d(*a, count_include_pad=False)),
    ]:  # fmt: skip
        xt = leaf(torch, x)
        yt = theirs(xt, window, strides, pads)
        y = forward(x, window, strides=strides, pads=pads, out_shape=out_shape)
        close(y, yt)
        dy = rng.normal(size=y.shape)
        yt.backward(leaf(torch, dy).detach())
        close(backward(x, dy, window, strides=strides, pads=pads), xt.grad)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_torch(torch, training):
    rng = np.random.default_rng(11)
    x, dy = rng.normal(2.0, 3.0, (5, 4, 3, 2)), rng.normal(size=(5, 4, 3, 2))
    gamma, beta, mean, variance = (
        rng.normal(size=2),
        rng.normal(size=2),
        rng.normal(size=2),
        rng.uniform(1, 2, 2),
    )
    row = norm_row("batch", 2, epsilon=0.01, momentum=0.9)
    layer = LAYERS["batch_normalization"](row, 24, 0)
    parameters, noise = [gamma, beta, mean, variance], (0, 0, 0) if training else None
    y, kept = layer.forward(x.reshape(5, 24), parameters, noise)
    dx, gradients = layer.backward(dy.reshape(5, 24), parameters, kept)
    xt, gt, bt = leaf(torch, x), leaf(torch, gamma), leaf(torch, beta)
    moving = torch.tensor(mean.copy()), torch.tensor(variance.copy())
    yt = torch.nn.functional.batch_norm(xt, *moving, gt, bt, training, momentum=0.1, eps=0.01)
    yt.backward(leaf(torch, dy).detach())
    close(y.reshape(x.shape), yt)
    close(dx.reshape(x.shape), xt.grad)
    close(gradients[0], gt.grad)
    close(gradients[1], bt.grad)
    if training:
        new_mean, new_variance = layer.new_state(parameters, kept)
        close(new_mean, moving[0])
        # PyTorch puts the unbiased variance into its running one, nnc (as Keras) the biased: n / (n - 1)
        close(new_variance + 0.1 * x.reshape(-1, 2).var(axis=0) / (60 - 1), moving[1])


def test_layer_norm_of_torch(torch):
    rng = np.random.default_rng(12)
    x, dy = rng.normal(2.0, 3.0, (7, 5)), rng.normal(size=(7, 5))
    gamma, beta = rng.normal(size=5), rng.normal(size=5)
    xt, gt, bt = leaf(torch, x), leaf(torch, gamma), leaf(torch, beta)
    yt = torch.nn.functional.layer_norm(xt, (5,), gt, bt, 0.01)
    yt.backward(torch.tensor(dy))
    close(reference.layer_normalization(x, gamma, beta, epsilon=0.01), yt)
    gradients = reference.layer_normalization_backward(x, dy, gamma, epsilon=0.01)
    for actual, expected in zip(gradients, [xt.grad, gt.grad, bt.grad], strict=True):
        close(actual, expected)


# ----------------------------------------------------------------------------------------------------- errors

CONV = conv_row(2, (3, 2, 2), (2, 2))
POOL = pooling_row("max", (3, 2, 2), (2, 2))
AFFINE = affine_row((3, 2, 2))


@pytest.mark.parametrize(
    "message, rows",
    [
        (r"layer 0: out_height 0 must be at least 1", [CONV | {"out_height": 0}]),
        (r"layer 0: out_width -1 must be at least 1", [POOL | {"out_width": -1}]),
        (r"layer 0: out_width 0 must be at least 1", [padding_row((3, 2, 2), 0, -2, 3, 0)]),
        (r"layer 0: filters 0 must be at least 1", [CONV | {"filters": 0}]),
        (r"layer 0: kernel_height 0 must be at least 1", [POOL | {"kernel_height": 0}]),
        (r"layer 0: stride_width 0 must be at least 1", [CONV | {"stride_width": 0}]),
        (r"layer 0: dilation_height 0 must be at least 1", [CONV | {"dilation_height": 0}]),
        (r"layer 0: height 0 must be at least 1", [AFFINE | {"height": 0}]),
        (r"layer 0: height, width, channels \(3, 2, 3\) are not 12 features", [CONV | {"channels": 3}]),
        (r"layer 1: height, width, channels \(3, 2, 2\) are not 4 features", [CONV, POOL]),
        (r"layer 0: dilation \(1, 2\) must be \(1, 1\) for max_pooling", [POOL | {"dilation_width": 2}]),
        (
            r"layer 0: a window of height 2 at -2 is entirely outside the map: .* map is 3",
            [POOL | {"pad_top": 2}],
        ),
        (
            r"layer 0: a window of width 2 at 2 is entirely outside the map: .* map is 2",
            [POOL | {"out_width": 2}],
        ),
        (r"layer 0: group 5 does not divide the 12 features", [norm_row("batch", 5)]),
        (r"layer 0: group 24 does not divide the 12 features", [norm_row("layer", 24)]),
        (r"layer 0: group 0 does not divide the 12 features", [norm_row("layer", 0)]),
        (r"layer 0: channels 5 do not divide", [{"kind": "spatial_dropout", "rate": 0.1, "channels": 5}]),
        (r"layer 0: dropout rate 1.0", [{"kind": "spatial_dropout", "rate": 1.0, "channels": 2}]),
        (r"layer 0: group 5 does not divide", [conv_row(2, MAP, (1, 1), activation="tanh") | {"group": 5}]),
        (r"groups must divide channels and filters, 2 and 3, got 2", [CONV | {"filters": 3, "groups": 2}]),
        (r"groups must divide channels and filters, 2 and 2, got 0", [CONV | {"groups": 0}]),
        (r"unknown activation 'swosh'", [conv_row(2, MAP, (1, 1), activation="swosh")]),
        (r"unknown fill of layer 0 'mirror'; known: constant, nearest", [AFFINE | {"fill": "mirror"}]),
        (r"unknown interpolation of layer 0 'cubic'", [AFFINE | {"interpolation": "cubic"}]),
        (r"layer 0: zoom_height \[-1.0, 0.0\]: use -1.0 < lo", [AFFINE | {"zoom_height": [-1.0, 0.0]}]),
        (r"layer 0: rotation \[0.5, 0.0\]: use -inf < lo <= hi", [AFFINE | {"rotation": [0.5, 0.0]}]),
        (r"layer 1: random_affine must come before every layer with param", [dense_row(12), AFFINE]),
        (
            r"layer 2: random_affine must come before",
            [norm_row("batch", 2), AFFINE | {"kind": "dropout", "rate": 0}, AFFINE],
        ),
    ],
)
def test_impossible_rows_are_refused(message, rows):
    with pytest.raises(ValueError, match=message):
        Plan(12, rows)


def test_random_affine_may_follow_what_has_nothing_to_learn():
    row = norm_row("layer", 2, center=False, scale=False)
    assert Plan(12, [{"kind": "rescaling", "scale": 0.5, "offset": 0.0}, row, AFFINE, CONV]).n_outputs == 4


def test_bad_arguments_are_named():
    x, kernel = np.ones((2, 3, 4, 2)), np.ones((2, 2, 2, 5))
    r = reference
    calls = {
        r"x has shape \(3, 4\): use \(B, height, width, channels\)": lambda: r.conv2d(x[0, :, :, 0], kernel),
        r"x \(2, 3, 4, 1\) and kernel \(2, 2, 2, 5\)": lambda: r.conv2d(x[..., :1], kernel),
        r"x \(2, 3, 4, 2\) and kernel .* with C / 2 and F a multiple": lambda: r.conv2d(x, kernel, groups=2),
        r"bias has shape \(2,\): use \(5,\)": lambda: r.conv2d(x, kernel, [1.0, 2.0]),
        r"strides \(0, 1\): every number must be at least 1": lambda: r.conv2d(x, kernel, strides=(0, 1)),
        r"dilation \(1, 0\)": lambda: r.conv2d(x, kernel, dilation=(1, 0)),
        r"out_shape \(0, 3\)": lambda: r.conv2d(x, kernel, dilation=(3, 1)),
        r"kernel \(0, 2, 2, 5\)": lambda: r.conv2d(x, kernel[:0]),
        r"dy \(2, 2, 3, 4\)": lambda: r.conv2d_backward(x, kernel, np.ones((2, 2, 3, 4))),
        r"dy has shape \(2, 30\)": lambda: r.conv2d_backward(x, kernel, np.ones((2, 30))),
        r"window \(0, 1\)": lambda: r.max_pooling(x, (0, 1)),
        r"out_shape \(0, 1\)": lambda: r.max_pooling(x, (4, 4)),
        r"a window of height 2 at -2 is entirely outside the map": lambda: r.max_pooling(
            x, (2, 2), pads=(2, 0)
        ),
        r"a window of width 2 at 4 is": lambda: r.average_pooling(x, (2, 2), out_shape=(1, 3)),
        r"and dy \(2, 1, 2, 3\)": lambda: r.max_pooling_backward(x, np.ones((2, 1, 2, 3)), (2, 2)),
        r"and dy \(1, 1, 2, 2\)": lambda: r.average_pooling_backward(x, np.ones((1, 1, 2, 2)), (2, 2)),
        r"out_shape \(3, 0\)": lambda: r.zero_padding(x, (0, 0), (3, 0)),
        r"x \(2, 3, 4, 2\): use \(N, C\)": lambda: r.layer_normalization(x),
        r"gamma has shape \(3,\): use \(4,\)": lambda: r.layer_normalization(x[0, :, :, 0], np.ones(3)),
        r"beta has shape \(\): use \(4,\)": lambda: r.batch_normalization(x[0, :, :, 0], None, 1.0),
        r"variance None: give both": lambda: r.batch_normalization([[1.0]], mean=[1.0]),
        r"x \(1, 1\) and dy \(1, 2\)": lambda: r.batch_normalization_backward([[1.0]], [[1.0, 2.0]]),
        r"images has shape \(3, 4, 2\)": lambda: r.affine_images(x[0]),
        r"zoom \(-1.0, 0.0\): every number must be above -1": lambda: r.affine_images(x, zoom=(-1.0, 0.0)),
        r"unknown fill 'zeros'": lambda: r.affine_images(x, fill="zeros"),
        r"unknown interpolation 'linear'": lambda: r.affine_images(x, interpolation="linear"),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
