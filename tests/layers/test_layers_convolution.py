"""Layers of images and normalization: sizes as in Keras, weights, rows of a plan, invalid arguments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnc
from nnc import initializers, layers, random, regularizers
from nnc.random import Purpose

SIZE = {"height": 28, "width": 20, "channels": 3}
STEP_1 = {"stride_height": 1, "stride_width": 1, "dilation_height": 1, "dilation_width": 1}
NO_PAD = {"pad_top": 0, "pad_left": 0}
CONV = {
    "kind": "conv2d",
    **SIZE,
    **STEP_1,
    **NO_PAD,
    "kernel_height": 5,
    "kernel_width": 3,
    "out_height": 24,
    "out_width": 18,
    "filters": 8,
    "groups": 1,
    "use_bias": True,
    "activation": "linear",
    "alpha": 0.0,
    "group": 8,
    "kernel_l1": 0.0,
    "kernel_l2": 0.0,
    "bias_l1": 0.0,
    "bias_l2": 0.0,
}
POOL = SIZE | STEP_1 | NO_PAD | {"kernel_height": 2, "kernel_width": 2, "stride_height": 2, "stride_width": 2}
POOL |= {"out_height": 14, "out_width": 10}
WHOLE = POOL | {"kernel_height": 28, "kernel_width": 20, "stride_height": 28, "stride_width": 20}
WHOLE |= {"out_height": 1, "out_width": 1}
NORM = {"group": 3, "epsilon": 1e-3, "center": True, "scale": True}
NORM |= {"gamma_l1": 0.0, "gamma_l2": 0.0, "beta_l1": 0.0, "beta_l2": 0.0}
AFFINE = {"kind": "random_affine", **SIZE, "fill": "reflect", "fill_value": 0.0, "interpolation": "bilinear"}
AFFINE |= {name: [0.0, 0.0] for name in ("rotation", "zoom_height", "zoom_width")}
AFFINE |= {name: [0.0, 0.0] for name in ("shift_height", "shift_width")}
FLIP = AFFINE | {"fill": "nearest", "interpolation": "nearest"}

SHAPE = (28, 20, 3)


def without(row, *weights):
    """The row of a layer without these weights."""
    return {key: value for key, value in row.items() if not key.startswith(tuple(f"{w}_l" for w in weights))}


# layer, output shape for an image of SHAPE, the row
TABLE = [
    (layers.Conv2D(8, (5, 3)), (24, 18, 8), CONV),
    (
        layers.Conv2D(
            8,
            (5, 3),
            strides=(2, 3),
            padding="same",
            activation="leaky_relu",
            use_bias=False,
            kernel_regularizer="l2",
            bias_regularizer=regularizers.L1L2(0.1, 0.2),
        ),
        (14, 7, 8),
        without(CONV, "bias")
        | {"stride_height": 2, "stride_width": 3, "pad_top": 1, "pad_left": 0, "out_height": 14}
        | {"out_width": 7, "activation": "leaky_relu", "alpha": 0.2, "use_bias": False}
        | {"kernel_l2": 0.01},
    ),
    (
        layers.Conv2D(8, (5, 3), dilation_rate=(2, 4), data_format="channels_last"),
        (20, 12, 8),
        CONV | {"dilation_height": 2, "dilation_width": 4, "out_height": 20, "out_width": 12},
    ),
    (
        layers.Conv2D(8, (5, 3), padding="SAME", dilation_rate=2),
        (28, 20, 8),
        CONV
        | {"dilation_height": 2, "dilation_width": 2, "pad_top": 4, "pad_left": 2}
        | {"out_height": 28, "out_width": 20},
    ),
    (
        layers.Conv2D(9, (5, 3), groups=3, use_bias=False),
        (24, 18, 9),
        without(CONV, "bias") | {"filters": 9, "group": 9, "groups": 3, "use_bias": False},
    ),
    (layers.MaxPooling2D(), (14, 10, 3), POOL | {"kind": "max_pooling"}),
    (layers.AveragePooling2D(), (14, 10, 3), POOL | {"kind": "average_pooling"}),
    (
        layers.AveragePooling2D((3, 4), strides=1, padding="same"),
        (28, 20, 3),
        POOL
        | STEP_1
        | {"kind": "average_pooling", "kernel_height": 3, "kernel_width": 4, "pad_top": 1, "pad_left": 1}
        | {"out_height": 28, "out_width": 20},
    ),
    (layers.GlobalAveragePooling2D(), (3,), WHOLE | {"kind": "average_pooling"}),
    (layers.GlobalMaxPooling2D(keepdims=True), (1, 1, 3), WHOLE | {"kind": "max_pooling"}),
    (layers.BatchNormalization(), SHAPE, NORM | {"kind": "batch_normalization", "momentum": 0.99}),
    (
        layers.BatchNormalization(
            3, 0.9, 1e-5, center=False, beta_regularizer="l1", gamma_regularizer=regularizers.L2(0.5)
        ),
        SHAPE,
        without(NORM, "beta")
        | {"kind": "batch_normalization", "momentum": 0.9, "epsilon": 1e-5, "center": False, "gamma_l2": 0.5},
    ),
    (layers.LayerNormalization(), SHAPE, NORM | {"kind": "layer_normalization"}),
    (layers.LayerNormalization([-1]), SHAPE, NORM | {"kind": "layer_normalization"}),
    (layers.LayerNormalization(3), SHAPE, NORM | {"kind": "layer_normalization"}),
    (layers.LayerNormalization([2, 3]), SHAPE, NORM | {"kind": "layer_normalization", "group": 60}),
    (
        layers.LayerNormalization([-3, -1, -2], scale=False),
        SHAPE,
        without(NORM, "gamma") | {"kind": "layer_normalization", "group": 1680, "scale": False},
    ),
    (layers.SpatialDropout2D(0.25), SHAPE, {"kind": "spatial_dropout", "channels": 3, "rate": 0.25}),
    (
        layers.ZeroPadding2D(((0, 1), (2, 3))),
        (29, 25, 3),
        {"kind": "zero_padding", **SIZE, "pad_top": 0, "pad_left": 2, "out_height": 29, "out_width": 25},
    ),
    (
        layers.ZeroPadding2D(),
        (30, 22, 3),
        {"kind": "zero_padding", **SIZE, "pad_top": 1, "pad_left": 1, "out_height": 30, "out_width": 22},
    ),
    (
        layers.RandomTranslation(0.1, (0.3, -0.2), "wrap"),
        SHAPE,
        AFFINE | {"shift_height": [-0.1, 0.1], "shift_width": [-0.2, 0.3], "fill": "wrap"},
    ),
    (
        layers.RandomRotation(0.25, "constant", "nearest", fill_value=2),
        SHAPE,
        AFFINE
        | {"rotation": [-0.25, 0.25], "fill": "constant", "fill_value": 2.0, "interpolation": "nearest"},
    ),
    (layers.RandomFlip("vertical"), SHAPE, FLIP | {"flip_height": True}),
    (layers.RandomFlip(), SHAPE, FLIP | {"flip_height": True, "flip_width": True}),
    (layers.RandomZoom(-0.5), SHAPE, AFFINE | {"zoom_height": [-0.5, 0.5], "zoom_width": None}),
    (
        layers.RandomZoom([0, 1], 0.5),
        SHAPE,
        AFFINE | {"zoom_height": [0.0, 1.0], "zoom_width": [-0.5, 0.5]},
    ),
]
IMAGES_ONLY = [
    row[0] for row in TABLE if not isinstance(row[0], (layers.BatchNormalization, layers.LayerNormalization))
]


@pytest.mark.parametrize(("layer", "expected", "row"), TABLE, ids=lambda v: str(v)[:40])
def test_shapes_and_rows(layer, expected, row):
    assert layer.build(SHAPE) == expected
    assert layer.rows() == [row]
    for name, value in layer.rows()[0].items():
        assert type(value) is type(row[name]), name
    again = type(layer).from_config(layer.get_config())
    again.build(SHAPE)
    assert again.rows() == [row]


def test_aliases_are_those_of_keras():
    for alias, cls in {
        "Convolution2D": layers.Conv2D,
        "MaxPool2D": layers.MaxPooling2D,
        "AvgPool2D": layers.AveragePooling2D,
        "GlobalAvgPool2D": layers.GlobalAveragePooling2D,
        "GlobalMaxPool2D": layers.GlobalMaxPooling2D,
    }.items():
        assert getattr(layers, alias) is cls
        assert alias in layers.__all__ and alias not in layers.registry
        assert layers.Layer._names[alias.lower()] is cls


# -------------------------------------------------------------------------------------------------- geometry


@given(
    length=st.integers(1, 40),
    size=st.integers(1, 9),
    step=st.integers(1, 5),
    padding=st.sampled_from(["valid", "same"]),
    pool=st.booleans(),
)
def test_windows_lie_as_in_keras(length, size, step, padding, pool):
    """Against the definition, by hand along one axis; the other has a single pixel."""
    layer = (
        layers.MaxPooling2D((size, 1), step, padding) if pool else layers.Conv2D(1, (size, 1), step, padding)
    )
    if padding == "valid" and size > length:
        with pytest.raises(
            ValueError, match=f"spans {size} x 1 pixels, the image has {length} x 1; use padd"
        ):
            layer.build((length, 1, 2))
        return
    out, *_ = layer.build((length, 1, 2))
    row = layer.rows()[0]
    assert (row["out_height"], row["out_width"], row["pad_left"]) == (out, 1, 0)
    ends = [i * step - row["pad_top"] + size for i in range(out)]  # one past each window's last pixel
    if padding == "valid":
        assert row["pad_top"] == 0
        assert ends[-1] <= length < ends[-1] + step
    else:
        assert out == -(-length // step)
        assert max(ends[-1] - length, 0) - row["pad_top"] in (0, 1)  # the odd pixel is at the bottom
        assert ends[0] > 0 and ends[-1] - size < length  # every window contains a pixel of the image


@pytest.mark.parametrize(
    ("length", "size", "step", "dilation", "out", "before"),
    [
        (28, 3, 1, 1, 28, 1),
        (28, 4, 1, 1, 28, 1),  # 1 above, 2 below
        (28, 3, 2, 1, 14, 0),  # 0 above, 1 below
        (7, 3, 2, 1, 4, 1),
        (7, 2, 2, 1, 4, 0),
        (5, 1, 3, 1, 2, 0),
        (10, 3, 1, 3, 10, 3),
        (2, 9, 1, 1, 2, 4),
    ],
)
def test_same_padding_by_hand(length, size, step, dilation, out, before):
    """The numbers of TensorFlow and JAX ("SAME")."""
    layer = layers.Conv2D(1, size, step, "same", dilation_rate=dilation)
    assert layer.build((length, length, 1)) == (out, out, 1)
    row = layer.rows()[0]
    assert (row["pad_top"], row["pad_left"]) == (before, before)


# --------------------------------------------------------------------------------------------------- weights


def test_weights_of_a_convolution():
    conv = layers.Conv2D(64, (3, 5), kernel_initializer="he_normal", bias_initializer="ones")
    conv.build((10, 10, 16))
    kernel, bias = conv.initialize(random.generator(0, Purpose.WEIGHTS))
    assert conv.weight_names == ["kernel", "bias"]
    assert conv.trainable_flags == [True, True]
    assert conv.count_params() == 3 * 5 * 16 * 64 + 64
    assert (kernel.shape, kernel.dtype) == ((3, 5, 16, 64), np.float32)
    assert kernel.std() == pytest.approx((2 / (3 * 5 * 16)) ** 0.5, rel=0.02)
    assert bias.tolist() == [1.0] * 64

    plain = layers.Conv2D(64, (3, 5), use_bias=False)
    plain.build((10, 10, 16))
    (kernel,) = plain.initialize(random.generator(0, Purpose.WEIGHTS))
    limit = (6 / (3 * 5 * 16 + 3 * 5 * 64)) ** 0.5
    assert 0.999 * limit < np.abs(kernel).max() <= limit
    assert plain.count_params() == kernel.size


def test_weights_of_batch_normalization():
    norm = layers.BatchNormalization(
        beta_initializer=initializers.Constant(2.0), moving_mean_initializer=initializers.Constant(3.0)
    )
    norm.build((4, 4, 5))
    assert norm.weight_names == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert norm.trainable_flags == [True, True, False, False]
    weights = norm.initialize(random.generator(0, Purpose.WEIGHTS))
    assert [w.tolist() for w in weights] == [[v] * 5 for v in (1, 2, 3, 1)]
    assert norm.count_params() == 20
    bare = layers.BatchNormalization(center=False, scale=False)
    bare.build((7,))
    assert bare.weight_names == ["moving_mean", "moving_variance"]
    assert bare.rows()[0]["group"] == 7


def test_weights_of_layer_normalization():
    norm = layers.LayerNormalization([1, 2, 3], gamma_initializer=initializers.Constant(2.0))
    norm.build((4, 4, 5))
    assert [(name, shape) for name, shape, _ in norm.weights_spec()] == [
        ("gamma", (4, 4, 5)),
        ("beta", (4, 4, 5)),
    ]
    assert norm.trainable_flags == [True, True]
    assert np.all(norm.initialize(random.generator(0, Purpose.WEIGHTS))[0] == np.full((4, 4, 5), 2.0))
    bare = layers.LayerNormalization(scale=False)
    bare.build((7,))
    assert bare.weights_spec()[0][:2] == ("beta", (7,))


def test_of_the_others_only_convolutions_have_weights():
    for layer in IMAGES_ONLY:
        fresh = type(layer).from_config(layer.get_config())
        fresh.build(SHAPE)
        assert (fresh.count_params() > 0) == isinstance(layer, layers.Conv2D)


# -------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("layer", IMAGES_ONLY, ids=str)
def test_samples_that_are_no_images(layer):
    fresh = type(layer).from_config(layer.get_config())
    name = type(layer).__name__
    hint = r"put Reshape\(\(28, 28, 1\)\) before it, or begin with Input\(\(28, 28, 1\)\)"
    with pytest.raises(ValueError, match=rf"^{name}\(.*got input_shape \(28, 28\): {hint}"):
        fresh.build((28, 28))
    for shape in ((784,), (2, 28, 28, 1)):
        with pytest.raises(ValueError, match=r"put Reshape\(\(height, width, channels\)\) before it"):
            fresh.build(shape)
    assert not fresh.built


@pytest.mark.parametrize(
    ("make", "argument", "error"),
    [
        (lambda: layers.Conv2D(0, 3), "filters", ValueError),
        (lambda: layers.Conv2D(3.0, 3), "filters", TypeError),
        (lambda: layers.Conv2D(8, 0), "kernel_size", ValueError),
        (lambda: layers.Conv2D(8, (3,)), "kernel_size", ValueError),
        (lambda: layers.Conv2D(8, (3, 3, 3)), "kernel_size", ValueError),
        (lambda: layers.Conv2D(8, (3, -1)), "kernel_size", ValueError),
        (lambda: layers.Conv2D(8, (3, 1.5)), "kernel_size", TypeError),
        (lambda: layers.Conv2D(8, "33"), "kernel_size", TypeError),
        (lambda: layers.Conv2D(8, 3.0), "kernel_size", TypeError),
        (lambda: layers.Conv2D(8, True), "kernel_size", TypeError),
        (lambda: layers.Conv2D(8, None), "kernel_size", TypeError),
        (lambda: layers.Conv2D(8, 3, strides=0), "strides", ValueError),
        (lambda: layers.Conv2D(8, 3, padding="causal"), "padding", ValueError),
        (lambda: layers.Conv2D(8, 3, padding=1), "padding", ValueError),
        (lambda: layers.Conv2D(8, 3, data_format="channels_first"), "data_format", ValueError),
        (lambda: layers.Conv2D(8, 3, dilation_rate=0), "dilation_rate", ValueError),
        (lambda: layers.Conv2D(8, 3, strides=2, dilation_rate=(1, 2)), "dilation_rate", ValueError),
        (lambda: layers.Conv2D(8, 3, groups=3), "groups", ValueError),
        (lambda: layers.Conv2D(8, 3, groups=0), "groups", ValueError),
        (lambda: layers.Conv1D(8, 3, groups=16), "groups", ValueError),
        (lambda: layers.Conv2D(8, 3, groups=True), "groups", TypeError),
        (lambda: layers.Conv2D(8, 3, activation="rleu"), "activation", ValueError),
        (lambda: layers.Conv2D(8, 3, use_bias=1), "use_bias", TypeError),
        (lambda: layers.Conv2D(8, 3, kernel_initializer=None), "kernel_initializer", TypeError),
        (lambda: layers.Conv2D(8, 3, bias_regularizer="l3"), "bias_regularizer", ValueError),
        (lambda: layers.Conv2D(8, 3, kernel_constraint="max"), "kernel_constraint", ValueError),
        (lambda: layers.Conv2D(8, 3, trainable="no"), "trainable", TypeError),
        (lambda: layers.Conv2D(8, 3, dtype="float16"), "dtype", ValueError),
        (lambda: layers.MaxPooling2D(0), "pool_size", ValueError),
        (lambda: layers.MaxPooling2D(strides=(2, "2")), "strides", TypeError),
        (lambda: layers.AveragePooling2D(padding="full"), "padding", ValueError),
        (lambda: layers.GlobalMaxPooling2D("channels_first"), "data_format", ValueError),
        (lambda: layers.GlobalAveragePooling2D(keepdims=1), "keepdims", TypeError),
        (lambda: layers.BatchNormalization(axis=[1]), "axis", TypeError),
        (lambda: layers.BatchNormalization(axis=-4).build((4, 4, 3)), "axis", ValueError),
        (lambda: layers.BatchNormalization(axis=4).build((4, 4, 3)), "axis", ValueError),
        (lambda: layers.BatchNormalization(momentum=1.1), "momentum", ValueError),
        (lambda: layers.BatchNormalization(epsilon=-1e-3), "epsilon", ValueError),
        (lambda: layers.BatchNormalization(center=None), "center", TypeError),
        (lambda: layers.BatchNormalization(synchronized=True), "synchronized", ValueError),
        (lambda: layers.BatchNormalization(gamma_constraint="x"), "gamma_constraint", ValueError),
        (lambda: layers.BatchNormalization(gamma_initializer="one hot"), "gamma_initializer", ValueError),
        (lambda: layers.LayerNormalization(axis=[]), "axis", TypeError),
        (lambda: layers.LayerNormalization(axis="-1"), "axis", TypeError),
        (lambda: layers.LayerNormalization(axis=[1, 2.0]), "axis", TypeError),
        (lambda: layers.LayerNormalization(axis=0).build((4, 4, 3)), "axis", ValueError),
        (lambda: layers.LayerNormalization(axis=-4).build((4, 4, 3)), "axis", ValueError),
        (lambda: layers.LayerNormalization(axis=[-1, 3]).build((4, 4, 3)), "axis", ValueError),
        (lambda: layers.LayerNormalization(axis=[0, 1, 2, 3]).build((4, 4, 3)), "axis", ValueError),
        (lambda: layers.LayerNormalization(rms_scaling=True), "rms_scaling", ValueError),
        (lambda: layers.SpatialDropout2D(1.0), "rate", ValueError),
        (lambda: layers.SpatialDropout2D(0.5, seed=-3), "seed", ValueError),
        (lambda: layers.ZeroPadding2D(-1), "padding", ValueError),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "padding", ValueError),
        (lambda: layers.ZeroPadding2D(((1, 2), (3, 4, 5))), "padding", ValueError),
        (lambda: layers.ZeroPadding2D(1.5), "padding", TypeError),
        (lambda: layers.RandomTranslation(1.5, 0), "height_factor", ValueError),
        (lambda: layers.RandomTranslation(0, (0.1,)), "width_factor", ValueError),
        (lambda: layers.RandomTranslation(0, "0.1"), "width_factor", TypeError),
        (lambda: layers.RandomRotation((0, 0.1, 0.2)), "factor", ValueError),
        (lambda: layers.RandomRotation((0, True)), "factor", TypeError),
        (lambda: layers.RandomRotation(float("nan")), "factor", ValueError),
        (lambda: layers.RandomRotation(None), "factor", TypeError),
        (lambda: layers.RandomRotation(0.1, fill_mode="mirror"), "fill_mode", ValueError),
        (lambda: layers.RandomRotation(0.1, interpolation="bicubic"), "interpolation", ValueError),
        (lambda: layers.RandomRotation(0.1, seed=1.5), "seed", TypeError),
        (lambda: layers.RandomZoom(0.1, fill_value=None), "fill_value", TypeError),
        (lambda: layers.RandomZoom(0.1, data_format="channels_first"), "data_format", ValueError),
    ],
)
def test_a_refusal_names_the_argument_and_repeats_the_value(make, argument, error):
    with pytest.raises(error, match=rf"^{argument} must be .+, got .+") as caught:
        make()
    assert type(caught.value) is error


def test_refusals_say_what_works():
    with pytest.raises(ValueError, match=r"^groups must be a divisor of filters=8, got 3$"):
        layers.Conv2D(8, 3, groups=3)
    with pytest.raises(
        ValueError, match=r"Conv2D\(8.*\(28, 28, 3\): groups=2 does not divide its 3 channels"
    ):
        layers.Conv2D(8, 3, groups=2).build((28, 28, 3))
    with pytest.raises(ValueError, match=r"\(12, 3\).*: groups=2 does not divide its 3 channels"):
        layers.Conv1D(8, 3, groups=2).build((12, 3))
    with pytest.raises(ValueError, match=r"dilation_rate must be 1, since strides=\(2, 1\) are .*, got 2$"):
        layers.Conv2D(8, 3, strides=(2, 1), dilation_rate=2)
    with pytest.raises(
        ValueError, match=r"axis must be different axes from 1 to 3, or -1 to -3, for .*got \(1, -3\)"
    ):
        layers.LayerNormalization([1, -3]).build((4, 4, 3))
    with pytest.raises(ValueError, match=r"kernel_size must be an integer or two .* got \(3, 0\)"):
        layers.Conv2D(8, (3, 0))
    with pytest.raises(TypeError, match="Conv2D has no argument 'kernel_sizes'"):
        layers.Conv2D(8, 3, kernel_sizes=3)


def test_what_keras_takes_and_changes_nothing_is_taken():
    layer = layers.Conv2D(8, 3, kernel_constraint=None, trainable=True, dtype="float32", groups=1)
    assert repr(layer) == "Conv2D(8, (3, 3))"
    assert repr(layers.BatchNormalization(synchronized=False, dtype=None)) == "BatchNormalization()"


def test_windows_and_images_of_absurd_sizes_are_refused():
    for layer in (
        layers.Conv2D(1, 2**13, padding="same"),
        layers.Conv2D(1, (2, 1), padding="same", dilation_rate=2**24),
        layers.MaxPooling2D((2**20, 2**20), 1, "same"),
    ):
        with pytest.raises(ValueError, match=r"a window has more than 16777216 values; use a smaller"):
            layer.build((4, 4, 3))
    with pytest.raises(ValueError, match="output_shape must be"):
        layers.ZeroPadding2D(2**20).build((4, 4, 3))
    with pytest.raises(ValueError, match="output_shape must be"):
        layers.Conv2D(2**24, 1).build((4, 4, 3))


# -------------------------------------------------------------------------------------------------- in models


def image_model(**options):
    return nnc.Sequential(
        [
            nnc.Input((6, 6, 1)),
            layers.RandomTranslation(0.1, 0.1),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2),
        ],
        seed=0,
        **options,
    )


def test_names_are_those_of_keras():
    assert [layer.name for layer in image_model().layers] == [
        "random_translation",
        "rescaling",
        "conv2d",
        "batch_normalization",
        "max_pooling2d",
        "flatten",
        "dense",
    ]


def test_summary_counts_what_is_trained():
    model = image_model()
    lines = []
    model.summary(print_fn=lines.append)
    tail = "\n".join(lines).splitlines()[-3:]
    assert model.count_params() == 40 + 16 + 34
    assert [line.strip() for line in tail] == [
        "Total params: 90 (0.35 KB)",
        "Trainable params: 82 (0.32 KB)",
        "Non-trainable params: 8 (0.03 KB)",
    ]
    assert "Non-trainable params: 8" in model._repr_html_()


def test_random_layers_come_before_every_layer_with_weights():
    model = nnc.Sequential([nnc.Input((6, 6, 1)), layers.Conv2D(4, 3, padding="same")])
    message = r"RandomZoom\(0.1\) must come before every layer with weights.*but Conv2D\(4, .* comes earlier"
    with pytest.raises(ValueError, match=message):
        model.add(layers.RandomZoom(0.1))
    assert len(model.layers) == 1
    late = nnc.Sequential([layers.Conv2D(4, 3, padding="same"), layers.RandomZoom(0.1)])
    with pytest.raises(ValueError, match=message):
        late.build((None, 6, 6, 1))
    fine = nnc.Sequential([layers.ZeroPadding2D(1), layers.RandomZoom(0.1), layers.Conv2D(4, 3)])
    fine.build((None, 6, 6, 1))
    assert fine.output_shape == (None, 6, 6, 4)


def test_a_model_file_has_no_slots_for_what_is_not_trained(tmp_path):
    model = image_model(name="images")
    model.compile(nnc.optimizers.SGD(0.1, momentum=0.9), loss="mse")
    weights = [np.full(w.shape, i, np.float32) for i, w in enumerate(model.get_weights())]
    model.set_weights(weights)
    flags = [flag for layer in model.layers for flag in layer.trainable_flags]
    state = model.state().engine
    state.slots = [[-w] if flag else [] for w, flag in zip(weights, flags, strict=True)]
    model._engine.restore(state)
    model.save(tmp_path / "model")
    loaded = nnc.load_model(tmp_path / "model")
    assert repr(loaded) == repr(model)
    assert loaded.summary(print_fn=str) is None
    for a, b in zip(loaded.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)
    found = loaded.state().engine.slots
    assert [len(slots) for slots in found] == [1, 1, 1, 1, 0, 0, 1, 1] == [int(f) for f in flags]
    np.testing.assert_array_equal(found[0][0], -weights[0])
    with pytest.raises(ValueError, match="gamma of layer 'batch_normalization' has shape"):
        model.set_weights([w if i != 2 else w[:-1] for i, w in enumerate(weights)])
