"""Layers for images in complete plans, compiled against reference: pooling, padding, normalization and
augmentation; with convolutions in typical networks. Odd shapes, every instruction set, equal bits."""

import itertools

import numpy as np
import pytest
from core_helpers import (
    BASE,
    FMA_SETS,
    PRELU,
    activation,
    assert_near,
    dense,
    digest,
    make_data,
    make_plans,
    normalization,
    rng_of,
    train,
)

from nnc import _core, reference

CHANNELS = [1, 2, 3, 10, 16, 17, 33, 64]
SGD = BASE | {"name": "sgd", "momentum": 0.9}


def window(kind, shape, kernel, strides=(1, 1), pads=(0, 0), out=None, **more):
    """A row with windows over maps of `shape`; the output has as many as end inside."""
    axes = zip(shape, kernel, strides, pads, strict=False)
    sizes = out or [(n + p - k) // s + 1 for n, k, s, p in axes]
    names = ["height", "width", "channels"]
    row = {"kind": kind} | dict(zip(names, shape, strict=True))
    pairs = {"kernel": kernel, "stride": strides, "dilation": (1, 1), "out": sizes}
    row |= {f"{name}_{axis}": pair[i] for name, pair in pairs.items() for i, axis in enumerate(names[:2])}
    return row | {"pad_top": pads[0], "pad_left": pads[1]} | more


def same(kind, shape, kernel, strides=(1, 1), **more):
    """The same with the padding of Keras's "same"."""
    out = [-(-n // s) for n, s in zip(shape, strides, strict=False)]
    axes = zip(out, shape, kernel, strides, strict=False)
    pads = [max((o - 1) * s + k - n, 0) // 2 for o, n, k, s in axes]
    return window(kind, shape, kernel, strides, pads, out, **more)


def conv(make, shape, filters, kernel, strides=(1, 1), name="linear", **more):
    row = {"filters": filters, "group": filters, "use_bias": True, "activation": name, "alpha": 0.3}
    row |= dict.fromkeys(["kernel_l1", "kernel_l2", "bias_l1", "bias_l2"], 0.0)
    return make("conv2d", shape, kernel, strides, **(row | more))


def padding(shape, pads, out):
    names = ["height", "width", "channels"]
    row = {"kind": "zero_padding"} | dict(zip(names, shape, strict=True))
    return row | {"pad_top": pads[0], "pad_left": pads[1], "out_height": out[0], "out_width": out[1]}


def spatial_dropout(channels):
    return {"kind": "spatial_dropout", "channels": channels, "rate": 0.4}


def affine(shape, **more):
    row = {"kind": "random_affine", "rotation": [-0.1, 0.2], "zoom_height": [-0.3, 0.4], "zoom_width": None}
    row |= {"shift_height": [-0.2, 0.2], "shift_width": [-0.1, 0.3], "fill": "reflect", "fill_value": 0.7}
    return (
        row
        | dict(zip(["height", "width", "channels"], shape, strict=True))
        | {"interpolation": "bilinear"}
        | more
    )


def assert_same_as_reference(n_inputs, rows, batch, tolerance=2e-5, x=None):
    """Inference and gradients, with random layers active and inactive."""
    compiled, expected = make_plans(n_inputs, rows, batch_size=max(batch, 8))
    assert compiled.parameter_names == expected.parameter_names
    assert compiled.parameter_shapes == expected.parameter_shapes
    assert compiled.parameter_trainable == expected.parameter_trainable
    data, targets, _, weights = make_data(batch, n_inputs, compiled.n_outputs)
    x = data if x is None else x
    assert_near([compiled.forward(x)], [expected.forward(x)], tolerance)
    for training in (False, True):
        loss, gradients = compiled.gradients(x, targets, weights, training, 3, 11)
        expected_loss, expected_gradients = expected.gradients(x, targets, weights, training, 3, 11)
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        assert_near(gradients, expected_gradients, tolerance)
    assert_near([compiled.forward(x)], [expected.forward(x)], tolerance)
    assert digest(compiled.get_parameters()) == digest(
        [w.astype(np.float32) for w in expected.get_parameters()]
    )


# ---- one kind at a time


@pytest.mark.parametrize("kind", ["max_pooling", "average_pooling"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_pooling(isa, threads, kind, n_threads):
    """PReLU on negative inputs shows the gradient of every pixel."""
    threads(n_threads)
    rng = rng_of(5, len(kind))
    for channels, batch in itertools.product(CHANNELS, [1, 2, 5]):
        for _ in range(3):
            shape = (*rng.integers(1, 10, 2).tolist(), channels)
            kernel, strides = rng.integers(1, 4, 2).tolist(), rng.integers(1, 4, 2).tolist()
            kernel = [min(k, n) for k, n in zip(kernel, shape, strict=False)]
            whole = window(kind, shape, shape[:2], shape[:2])
            for row in [window(kind, shape, kernel, strides), same(kind, shape, kernel, strides), whole]:
                x = -np.abs(make_data(batch, np.prod(shape), 1)[0])
                assert_same_as_reference(np.prod(shape), [PRELU, row], batch, x=x)


def test_pooling_of_windows_far_over_the_edge(isa):
    for kind in ["max_pooling", "average_pooling"]:
        row = window(kind, (5, 4, 3), (4, 3), (2, 3), (3, 2), (4, 2))
        assert_same_as_reference(60, [PRELU, row], 3)
        assert_same_as_reference(60, [PRELU, window(kind, (5, 4, 3), (2, 2), (1, 1), (-2, -1), (2, 2))], 3)


def test_of_equal_maxima_the_first_gets_the_gradient(isa):
    shape = (7, 6, 17)
    compiled, expected = make_plans(714, [PRELU, window("max_pooling", shape, (3, 2), (2, 1))])
    for plan in (compiled, expected):
        plan.set_parameters([np.ones(714, np.float32)])
    x = rng_of(9).integers(-2, 0, (3, 714)).astype(np.float32)
    targets = make_data(3, 714, compiled.n_outputs)[1]
    assert_near(compiled.gradients(x, targets)[1], expected.gradients(x, targets)[1])


def test_nan_is_the_largest(isa):
    shape = (4, 4, 3)
    compiled, expected = make_plans(48, [window("max_pooling", shape, (2, 2), (2, 2))])
    x = rng_of(3).normal(size=(6, 48)).astype(np.float32)
    x[rng_of(4).uniform(size=x.shape) < 0.2] = np.nan
    x[0] = -np.inf
    np.testing.assert_array_equal(compiled.forward(x), expected.forward(x))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_zero_padding(isa, threads, n_threads):
    threads(n_threads)
    for channels, pads, out in itertools.product(
        [1, 3, 16], [(0, 0), (2, 1), (-1, 2), (-2, -3), (9, 0)], [(3, 3), (9, 8)]
    ):
        row = padding((4, 5, channels), pads, out)
        assert_same_as_reference(20 * channels, [PRELU, row], 3, x=-np.abs(make_data(3, 20 * channels, 1)[0]))


@pytest.mark.parametrize("kind", ["batch", "layer"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_normalization(isa, threads, kind, n_threads):
    threads(n_threads)
    flags = itertools.cycle(itertools.product([True, False], [True, False]))
    for group, positions in itertools.product([*CHANNELS, 130], [1, 2, 3, 9, 35]):
        for batch in [1, 2, 5, 64]:
            center, scale = next(flags)
            rows = [PRELU, normalization(kind, group, center, scale)]
            assert_same_as_reference(group * positions, rows, batch, 2e-4)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_normalization_of_many_parts(isa, threads, kind):
    """Maps and rows that are split into parts, and widths with a small last part; penalties too."""
    threads(3)
    more = {"gamma_l1": 0.01, "gamma_l2": 0.02, "beta_l2": 0.03}
    for group, positions, batch in [
        (3, 5000, 3),
        (16, 26 * 26, 4),
        (17, 600, 2),
        (10, 1, 2000),
        (9000, 1, 5),
        (5000, 3, 3),
    ]:
        assert_same_as_reference(group * positions, [PRELU, normalization(kind, group, **more)], batch, 2e-4)


def test_a_variance_far_from_zero(isa):
    """Values around 1000 with deviation 0.1: float32 has 3 digits of it, and the variance keeps them."""
    x = (1000 + 0.1 * rng_of(2).normal(size=(40, 49 * 3))).astype(np.float32)
    for kind, group in [("batch", 3), ("layer", 147)]:
        row = normalization(kind, group, epsilon=0.0)
        compiled, expected = make_plans(147, [row], loss=None, optimizer=SGD, batch_size=40)
        assert_near([compiled.step_forward(x, 0, 0)], [expected.step_forward(x, 0, 0)], 1e-3)
        if kind == "batch":
            for plan in (compiled, expected):
                plan.step_backward(np.zeros(x.shape, np.float32), 0.0, 0)
            *_, mean, variance = compiled.get_parameters()
            np.testing.assert_allclose(mean, expected.get_parameters()[-2], rtol=1e-6)
            np.testing.assert_allclose(variance, expected.get_parameters()[-1], rtol=1e-5)


@pytest.mark.parametrize("name", ["relu", "gelu", "sigmoid", "elu"])
def test_batch_normalization_with_an_activation(isa, threads, name):
    """Before a product, before another layer, and last."""
    threads(2)
    norm, f = normalization("batch", 10), activation(name, 10)
    for rows in [
        [PRELU, norm, f, dense(4)],
        [PRELU, norm, f, PRELU],
        [PRELU, norm, f],
        [dense(10), norm, f, dense(4)],
    ]:
        assert_same_as_reference(30 if rows[0] is PRELU else 7, rows, 6, 5e-5)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_spatial_dropout(isa, threads, n_threads):
    threads(n_threads)
    for channels, positions in itertools.product([*CHANNELS, 300], [1, 4, 49]):
        assert_same_as_reference(channels * positions, [PRELU, spatial_dropout(channels), PRELU], 5)


@pytest.mark.parametrize("fill", ["constant", "nearest", "reflect", "wrap"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_random_affine(threads, fill, interpolation):
    how = {"fill": fill, "interpolation": interpolation}
    for shape, n_threads in itertools.product([(1, 1, 1), (7, 9, 3), (12, 5, 1), (8, 8, 16)], [1, 3]):
        threads(n_threads)
        flips = {"flip_height": True, "flip_width": True}
        turns = {"rotation": [-3, 3], "shift_height": [-2.5, 2.5]}
        for more in [{}, {"zoom_width": [-0.5, 1.5]}, turns, flips]:
            compiled, expected = make_plans(np.prod(shape), [affine(shape, **how, **more)], loss=None)
            x = make_data(9, np.prod(shape), 1)[0]
            for step in range(3):
                got, wanted = compiled.step_forward(x, 2, step), expected.step_forward(x, 2, step)
                np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-6)
            np.testing.assert_array_equal(compiled.forward(x), x)


def test_whole_quarters_are_exact():
    """The four rotations of a square image, bit for bit."""
    image = rng_of(1).normal(size=(1, 25)).astype(np.float32)
    still = {key: [0.0, 0.0] for key in ["zoom_height", "shift_height", "shift_width"]}
    for quarters in range(-3, 4):
        row = affine((5, 5, 1), **still, rotation=[quarters / 4, quarters / 4])
        compiled = _core.Plan(25, [row])
        turned = compiled.step_forward(image, 0, 0).reshape(5, 5)
        np.testing.assert_array_equal(turned, np.rot90(image.reshape(5, 5), quarters))


@pytest.mark.parametrize("flips", [("flip_height",), ("flip_width",), ("flip_height", "flip_width")])
def test_flips_are_exact(threads, flips):
    """Every image is one of the flipped ones, bit for bit, and all of them occur."""
    images = rng_of(2).normal(size=(64, 5, 4, 3)).astype(np.float32)
    still = {f"{name}_{axis}": [0.0, 0.0] for name in ("zoom", "shift") for axis in ("height", "width")}
    row = affine((5, 4, 3), **still, rotation=[0, 0], interpolation="nearest", **dict.fromkeys(flips, True))
    expected = None
    for n_threads in (1, 3):
        threads(n_threads)
        plan = _core.Plan(60, [row], batch_size=64)
        got = plan.step_forward(images.reshape(64, 60), 0, 0).reshape(images.shape)
        if expected is not None:
            np.testing.assert_array_equal(got, expected)
        expected = got
    steps = {"flip_height": np.s_[::-1], "flip_width": np.s_[:, ::-1]}
    seen = set()
    for image, flipped in zip(images, got, strict=True):
        ways = {(): image}
        for flip in flips:
            ways |= {(*way, flip): other[steps[flip]] for way, other in ways.items()}
        found = [way for way, other in ways.items() if np.array_equal(other, flipped)]
        assert len(found) == 1
        seen |= set(found)
    assert len(seen) == 2 ** len(flips)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("kind", ["gaussian_noise", "gaussian_dropout"])
def test_gaussian(isa, threads, kind, n_threads):
    threads(n_threads)
    for features in [1, 3, 63, 64, 65, 300]:
        assert_same_as_reference(features, [PRELU, {"kind": kind, "stddev": 0.3}, PRELU], 5)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_unit_normalization(isa, threads, n_threads):
    threads(n_threads)
    for group, positions in itertools.product([1, 2, 7, 32, 33, 300], [1, 4, 9]):
        row = {"kind": "unit_normalization", "group": group}
        assert_same_as_reference(group * positions, [PRELU, row, PRELU], 5)
    zeros = _core.Plan(6, [{"kind": "unit_normalization", "group": 3}]).forward(np.zeros((2, 6), np.float32))
    assert not zeros.any()


# alternately kept and shared; none: each feature has its own
AXES = [
    [],
    [1, 4],
    [1, 3, 7],
    [5, 3],
    [2, 9, 33],
    [1, 5, 3, 7, 2],
    [3, 2, 5, 4],
    [1, 700, 3],
    [1, 1200],
    [1, 9, 140],
]


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("axes", AXES, ids=str)
def test_shared_slopes(isa, threads, axes, n_threads):
    threads(n_threads)
    row = PRELU | ({"axes": axes} if axes else {}) | {"alpha_nonnegative": True}
    features = int(np.prod(axes)) if axes else 37
    for batch in [1, 2, 70]:
        assert_same_as_reference(features, [row, PRELU], batch)
        assert_same_as_reference(7, [dense(features), row, dense(3)], batch)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("options", [{}, {"clipnorm": 0.5}, {"global_clipnorm": 0.1}], ids=str)
def test_training_of_shared_slopes(isa, threads, options, n_threads):
    threads(n_threads)
    rows = [dense(42), PRELU | {"axes": [1, 6, 7], "alpha_nonnegative": True}, dense(3)]
    compiled, expected = make_plans(9, rows, optimizer=SGD | options)
    x, y, _, _ = make_data(57, 9, 3)
    np.testing.assert_allclose(train(compiled, x, y), train(expected, x, y), rtol=1e-4)
    assert_near(compiled.get_parameters(), expected.get_parameters(), 1e-4)


def test_shared_slopes_have_the_same_bits_for_any_threads(threads):
    found = set()
    for n_threads in [1, 2, 3]:
        threads(n_threads)
        compiled, _ = make_plans(9, [dense(42), PRELU | {"axes": [1, 6, 7]}, dense(3)], optimizer=SGD)
        x, y, _, _ = make_data(57, 9, 3)
        train(compiled, x, y)
        found.add(digest(compiled.get_parameters()))
    assert len(found) == 1


@pytest.mark.parametrize("axes", AXES[1:], ids=str)
def test_dropout_of_shared_axes(isa, threads, axes):
    threads(3)
    row = {"kind": "dropout", "rate": 0.4, "axes": axes}
    for batch in [1, 5]:
        assert_same_as_reference(int(np.prod(axes)), [PRELU, row, PRELU], batch)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("limits", [{}, {"most": 0.9}, {"most": 0.0}], ids=str)
def test_thresholded_relu(isa, threads, slope, limits, n_threads):
    threads(n_threads)
    for features, threshold in itertools.product([1, 3, 16, 33, 67], [0.0, 0.4, 1.5]):
        row = {"kind": "thresholded_relu", "slope": slope, "threshold": threshold} | limits
        for batch in [1, 5]:
            assert_same_as_reference(features, [PRELU, row, PRELU], batch)
    special = np.array([[np.nan, -np.inf, np.inf, 0.5, -0.0]], np.float32)
    compiled, expected = (module.Plan(5, [row | {"threshold": 0.5}]) for module in (_core, reference))
    np.testing.assert_array_equal(compiled.forward(special), expected.forward(special).astype(np.float32))


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("axes", AXES, ids=str)
def test_standardization(isa, threads, axes, inverse, n_threads):
    threads(n_threads)
    row = {"kind": "standardization", "inverse": inverse} | ({"axes": axes} if axes else {})
    features = int(np.prod(axes)) if axes else 37
    rng = rng_of(features, inverse)
    for batch in [1, 2, 70]:
        compiled, expected = make_plans(
            features, [PRELU, row, PRELU], batch_size=70, loss="mean_squared_error"
        )
        slope, mean, variance, _ = compiled.get_parameters()
        variance = rng.uniform(0.5, 2.0, variance.shape)
        variance[0] = 0.0 if inverse else 0.5
        for plan in (compiled, expected):
            plan.set_parameters([slope, mean, variance.astype(np.float32), slope])
        x, y, _, _ = make_data(batch, features, features)
        assert_near([compiled.forward(x)], [expected.forward(x)])
        for training in (False, True):
            found, wanted = (plan.gradients(x, y, None, training, 3, 11) for plan in (compiled, expected))
            assert found[0] == pytest.approx(wanted[0], rel=1e-5)
            assert_near(found[1], wanted[1])


@pytest.mark.parametrize("axes", [[5, 2], [2, 5, 3], [4, 10]], ids=str)
@pytest.mark.parametrize(
    "row", [PRELU, {"kind": "standardization", "inverse": False}], ids=lambda r: r["kind"]
)
def test_axes_that_are_not_those_of_the_features(row, axes):
    with pytest.raises(ValueError, match="layer 0: the sizes of its axes must have the features as product"):
        _core.Plan(20, [row | {"axes": axes}])
    with pytest.raises(ValueError, match="the product of axes"):
        reference.Plan(20, [row | {"axes": axes}])
    with pytest.raises(ValueError, match="axes must have at most 8 values"):
        _core.Plan(20, [row | {"axes": [1] * 9}])
    with pytest.raises(ValueError, match=r"axes of .* must be a list of whole numbers from 1"):
        _core.Plan(20, [row | {"axes": [0, 20]}])


# ---- complete networks


def image_net(shape=(9, 8, 3), name="relu"):
    """Padding, strides, normalization and pooling: a small network with a bit of everything."""
    maps = [(9, 8, 5), (9, 8, 16), (5, 4, 16), (5, 4, 20), (3, 2, 20)]
    return [
        affine(shape),
        {"kind": "rescaling", "scale": 0.7, "offset": 0.1},
        conv(same, shape, 5, (3, 3)),
        normalization("batch", 5, gamma_l2=1e-3),
        activation(name, 5),
        padding(maps[0], (1, 2), (11, 12)),
        conv(window, (11, 12, 5), 16, (3, 5), kernel_l2=1e-3),
        normalization("batch", 16, scale=False),
        activation(name, 16),
        same("max_pooling", maps[1], (2, 2), (2, 2)),
        spatial_dropout(16),
        conv(same, maps[2], 20, (3, 3), name="gelu", use_bias=False),
        normalization("layer", 20),
        same("average_pooling", maps[3], (3, 3), (2, 2)),
        {"kind": "dropout", "rate": 0.2},
        dense(11),
        normalization("batch", 11),
        activation(name, 11),
        dense(4),
    ]


NETS = {
    "everything": (216, image_net()),
    "gelu": (216, image_net(name="gelu")),
    "global": (
        216,
        [
            conv(same, (9, 8, 3), 33, (3, 3), (2, 2)),
            normalization("batch", 33, center=False),
            activation("tanh", 33),
            window("average_pooling", (5, 4, 33), (5, 4), (5, 4)),
            dense(3),
        ],
    ),
    "no product before": (
        216,
        [
            normalization("batch", 3),
            window("max_pooling", (9, 8, 3), (3, 3), (1, 2)),
            normalization("layer", 7 * 3 * 3),
            PRELU,
            padding((7, 3, 3), (-1, -1), (6, 1)),
            dense(5),
        ],
    ),
    "ends in a map": (
        216,
        [
            conv(same, (9, 8, 3), 6, (3, 3)),
            spatial_dropout(6),
            normalization("batch", 6),
            activation("sigmoid", 6),
        ],
    ),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_nets(isa, threads, name, n_threads):
    threads(n_threads)
    n_inputs, rows = NETS[name]
    for batch in [1, 2, 5, 19]:
        assert_same_as_reference(n_inputs, rows, batch, 2e-3 if batch == 1 else 5e-4)


@pytest.mark.parametrize(
    "optimizer", [SGD, SGD | {"global_clipnorm": 0.1}, SGD | {"clipnorm": 0.05}], ids=str
)
@pytest.mark.parametrize("name", ["everything", "no product before"])
def test_training(isa, threads, name, optimizer):
    """Losses, parameters and moving statistics of 30 steps; slots only for trainable parameters."""
    threads(2)
    n_inputs, rows = NETS[name]
    compiled, expected = make_plans(n_inputs, rows, optimizer=optimizer)
    x, targets, _, weights = make_data(50, n_inputs, compiled.n_outputs)
    losses = train(compiled, x, targets, weights, steps=30)
    np.testing.assert_allclose(losses, train(expected, x, targets, weights, steps=30), rtol=2e-3)
    assert_near(compiled.get_parameters(), expected.get_parameters(), 5e-3)
    assert [len(slots) for slots in compiled.get_slots()] == [len(slots) for slots in expected.get_slots()]
    compiled.set_slots(compiled.get_slots())
    with pytest.raises(ValueError, match="slots"):
        compiled.set_slots([[w] for w in compiled.get_parameters()])
    assert_near([compiled.forward(x)], [expected.forward(x)], 5e-3)
    assert compiled.evaluate(x, targets, weights, 3, 50)[1] == pytest.approx(
        expected.evaluate(x, targets, weights, 3, 50)[1], rel=1e-3
    )


def test_moving_statistics_move_only_where_a_step_is_applied(isa, threads):
    threads(2)
    n_inputs, rows = NETS["global"]
    compiled, _ = make_plans(n_inputs, rows, optimizer=SGD)
    outside, expected = make_plans(n_inputs, rows, loss=None, optimizer=SGD)
    x, targets, _, _ = make_data(20, n_inputs, 3)
    before = digest(compiled.get_parameters())
    rates = np.full(1, 0.1, np.float32)
    compiled.gradients(x, targets, None, True)
    compiled.forward(x)
    compiled.evaluate(x, targets, None, 0, 20)
    assert np.isnan(compiled.train(x * np.float32(np.nan), targets, None, None, 0, rates, 20, 0, 0, 1.0)[2])
    assert digest(compiled.get_parameters()) == before
    for plan in (outside, expected):
        a = plan.step_forward(x, 0, 0)
        plan.step_backward(2 * (a - targets) / targets.size, 0.1, 0)
    assert digest(compiled.get_parameters()) == before
    compiled.train(x, targets, None, None, 0, rates, 20, 0, 0, 1.0)
    assert_near(compiled.get_parameters(), outside.get_parameters(), 1e-4)
    assert_near(outside.get_parameters(), expected.get_parameters(), 1e-4)


# ---- the same bits


@pytest.mark.parametrize("name", NETS)
def test_same_bits_for_any_threads_and_isa(threads, name):
    n_inputs, rows = NETS[name]
    found = set()
    for isa, n in itertools.product(FMA_SETS, [1, 2, 3, 8]):
        _core.set_isa(isa)
        threads(n)
        compiled, _ = make_plans(n_inputs, rows, optimizer=SGD)
        x, targets, _, weights = make_data(70, n_inputs, compiled.n_outputs)
        losses = train(compiled, x, targets, weights, steps=6, batch_size=29)
        found.add(digest([*compiled.get_parameters(), np.float64(losses), compiled.forward(x)]))
    _core.set_isa()
    assert len(found) <= 1


@pytest.mark.parametrize("name", NETS)
def test_a_row_is_predicted_alike_anywhere(isa, threads, name):
    n_inputs, rows = NETS[name]
    compiled, _ = make_plans(n_inputs, rows)
    x, _, _, _ = make_data(150, n_inputs, 1)
    whole = compiled.forward(x)
    for n in (1, 3):
        threads(n)
        for first, last in [(0, 1), (5, 6), (3, 20), (120, 150)]:
            np.testing.assert_array_equal(compiled.forward(x[first:last]), whole[first:last])


# ---- arguments


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (window("max_pooling", (3, 3, 1), (2, 2)), "height, width and channels"),
        (window("max_pooling", (4, 3, 1), (2, 2), pads=(2, 0)), "completely above"),
        (window("average_pooling", (4, 3, 1), (2, 2), out=(3, 4)), "completely left or right"),
        (window("max_pooling", (4, 3, 1), (2, 2)) | {"dilation_width": 2}, "dilation"),
        (window("max_pooling", (4, 3, 1), (2, 2)) | {"stride_width": 0}, "strides"),
        (conv(window, (4, 3, 1), 0, (2, 2)), "filters"),
        (conv(window, (4, 3, 1), 3, (2, 2)) | {"groups": 0}, "groups must divide channels and filters"),
        (conv(window, (2, 3, 2), 3, (2, 2)) | {"groups": 2}, "groups must divide channels and filters"),
        (conv(window, (4, 3, 1), 4, (2, 2)) | {"groups": 2}, "groups must divide channels and filters"),
        (conv(window, (4, 3, 1), 2**30, (2**29, 2), out=(1, 1)), "filters"),
        (conv(window, (4, 3, 1), 3, (2, 2), out=(2**29, 2**29)), "map"),
        (conv(window, (4, 3, 1), 3, (2, 2)) | {"out_height": 2**62}, "2\\^30"),
        (padding((4, 3, 1), (2**40, 0), (4, 4)), "2\\^30"),
        (normalization("batch", 5), "group"),
        (normalization("layer", 0), "group"),
        (spatial_dropout(7), "channels"),
        (spatial_dropout(3) | {"rate": 1.0}, "rate"),
        (affine((4, 3, 1), zoom_height=[-1.0, 0.0]), "zooms above -1"),
        (affine((4, 3, 1), rotation=[0.2, 0.1]), "must rise"),
        (affine((4, 3, 1), fill="mirror"), "fill"),
        (affine((4, 3, 1), interpolation="cubic"), "interpolation"),
    ],
)
def test_a_row_that_cannot_be_is_refused(row, message):
    with pytest.raises(ValueError, match=message):
        _core.Plan(12, [row])


def test_nothing_learns_before_random_affine():
    with pytest.raises(ValueError, match="before every layer with parameters"):
        _core.Plan(12, [PRELU, affine((4, 3, 1))])
