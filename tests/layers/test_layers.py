"""Layers: shapes, weights, rows of a plan."""

from __future__ import annotations

import re
import tempfile

import numpy as np
import pytest

import nnc
from nnc import activations, initializers, layers, random, regularizers
from nnc.random import Purpose

ACTIVATION = {"kind": "activation", "activation": "relu", "alpha": 0.0, "group": 4}
THRESHOLDED = {"kind": "thresholded_relu", "slope": 0.0, "threshold": 0.0, "most": None}
PRELU = {"kind": "prelu", "alpha_l1": 0.0, "alpha_l2": 0.0}
STANDARD = {"kind": "standardization", "inverse": False}

TRANSPOSED = {"kind": "permute", "axes": [3, 4], "order": [2, 1]}
TABLE = [
    (layers.Input((3, 4)), (3, 4), (3, 4), []),
    (layers.Flatten(), (3, 4), (12,), []),
    (layers.Reshape((2, 6)), (3, 4), (2, 6), []),
    (layers.Reshape((-1, 2)), (3, 4), (6, 2), []),
    (layers.Activation("relu"), (3, 4), (3, 4), [ACTIVATION]),
    (layers.ReLU(), (3, 4), (3, 4), [ACTIVATION]),
    (layers.ReLU(negative_slope=0.5), (4,), (4,), [ACTIVATION | {"activation": "leaky_relu", "alpha": 0.5}]),
    (layers.LeakyReLU(), (4,), (4,), [ACTIVATION | {"activation": "leaky_relu", "alpha": 0.3}]),
    (layers.LeakyReLU(0), (4,), (4,), [ACTIVATION | {"activation": "leaky_relu"}]),
    (layers.ELU(2), (4,), (4,), [ACTIVATION | {"activation": "elu", "alpha": 2.0}]),
    (layers.ReLU(6), (4,), (4,), [ACTIVATION | {"activation": "capped_relu", "alpha": 6.0}]),
    (layers.Softmax(), (3, 4), (3, 4), [ACTIVATION | {"activation": "softmax"}]),
    (layers.Softmax(axis=2), (3, 4), (3, 4), [ACTIVATION | {"activation": "softmax"}]),
    (
        layers.Softmax(axis=1),
        (3, 4),
        (3, 4),
        [TRANSPOSED, ACTIVATION | {"activation": "softmax", "group": 3}, TRANSPOSED | {"axes": [4, 3]}],
    ),
    (layers.Permute((2, 1)), (3, 4), (4, 3), [TRANSPOSED]),
    (layers.Permute((3, 1, 2)), (3, 4, 5), (5, 3, 4), [TRANSPOSED | {"axes": [12, 5]}]),
    (
        layers.Permute((1, 3, 2)),
        (3, 4, 5),
        (3, 5, 4),
        [TRANSPOSED | {"axes": [3, 4, 5], "order": [1, 3, 2]}],
    ),
    (layers.Permute((2, 1, 3)), (3, 1, 5), (1, 3, 5), []),
    (layers.Permute((1, 2)), (3, 4), (3, 4), []),
    (layers.Dropout(0.25), (3, 4), (3, 4), [{"kind": "dropout", "rate": 0.25}]),
    (layers.Rescaling(0.5, 1), (3, 4), (3, 4), [{"kind": "rescaling", "scale": 0.5, "offset": 1.0}]),
    (layers.GaussianNoise(0.5), (3, 4), (3, 4), [{"kind": "gaussian_noise", "stddev": 0.5}]),
    (layers.GaussianDropout(0.2), (3, 4), (3, 4), [{"kind": "gaussian_dropout", "stddev": 0.5}]),
    (layers.UnitNormalization(), (3, 4), (3, 4), [{"kind": "unit_normalization", "group": 4}]),
    (layers.UnitNormalization([1, 2]), (3, 4), (3, 4), [{"kind": "unit_normalization", "group": 12}]),
    (layers.Normalization(), (4,), (4,), [STANDARD]),
    (layers.Normalization(axis=None), (4,), (4,), [STANDARD | {"axes": [1, 4]}]),
    (
        layers.SpatialDropout1D(0.2),
        (5, 4),
        (5, 4),
        [{"kind": "spatial_dropout", "channels": 4, "rate": 0.2}],
    ),
    (
        layers.Dropout(0.25, (None, 1, None)),
        (5, 4),
        (5, 4),
        [{"kind": "dropout", "rate": 0.25, "axes": [1, 5, 4]}],
    ),
    (layers.ReLU(6, 0.5, 1), (4,), (4,), [THRESHOLDED | {"most": 6.0, "slope": 0.5, "threshold": 1.0}]),
    (layers.ReLU(0), (4,), (4,), [THRESHOLDED | {"most": 0.0}]),
    (layers.ReLU(threshold=1), (4,), (4,), [THRESHOLDED | {"threshold": 1.0}]),
    (layers.PReLU(), (3, 4), (3, 4), [PRELU]),
    (layers.PReLU(shared_axes=[]), (3, 4), (3, 4), [PRELU]),
    (layers.PReLU(shared_axes=1), (3, 4), (3, 4), [PRELU | {"axes": [1, 3, 4]}]),
    (layers.PReLU(shared_axes=[2]), (3, 4), (3, 4), [PRELU | {"axes": [3, 4]}]),
    (layers.PReLU(shared_axes=[1, 2]), (5, 3, 4), (5, 3, 4), [PRELU | {"axes": [1, 15, 4]}]),
    (layers.PReLU(shared_axes=(3, 1)), (5, 3, 4), (5, 3, 4), [PRELU | {"axes": [1, 5, 3, 4]}]),
    (layers.PReLU(shared_axes=[2]), (5, 1, 4), (5, 1, 4), [PRELU]),
    (layers.Normalization(), (3, 4), (3, 4), [STANDARD | {"axes": [1, 3, 4]}]),
    (layers.Normalization([2, 1]), (3, 4), (3, 4), [STANDARD]),
    (layers.Normalization(1, invert=True), (3, 4), (3, 4), [STANDARD | {"axes": [3, 4], "inverse": True}]),
    (
        layers.Dense(
            5, "softmax", kernel_regularizer=regularizers.L2(0.1), bias_regularizer=regularizers.L1(0.2)
        ),
        (4,),
        (5,),
        [
            {
                "kind": "dense",
                "units": 5,
                "use_bias": True,
                "activation": "softmax",
                "alpha": 0.0,
                "group": 5,
                "kernel_l1": 0.0,
                "kernel_l2": 0.1,
                "bias_l1": 0.2,
                "bias_l2": 0.0,
            }
        ],
    ),
    *(
        (layer, (12, 3), expected, image.rows())
        for layer, image, expected in (
            (layers.Conv1D(4, 3, 2), layers.Conv2D(4, (1, 3), (1, 2)), (5, 4)),
            (layers.Conv1D(6, 3, groups=3), layers.Conv2D(6, (1, 3), groups=3), (10, 6)),
            (layers.MaxPooling1D(), layers.MaxPooling2D((1, 2)), (6, 3)),
            (layers.AveragePooling1D(3, 1), layers.AveragePooling2D((1, 3), 1), (10, 3)),
            (layers.GlobalMaxPooling1D(), layers.GlobalMaxPooling2D(), (3,)),
            (layers.GlobalAveragePooling1D(), layers.GlobalAveragePooling2D(), (3,)),
        )
        if image.build((1, 12, 3))
    ),
]


@pytest.mark.parametrize(("layer", "given", "expected", "rows"), TABLE, ids=lambda v: str(v)[:40])
def test_shapes_and_rows(layer, given, expected, rows):
    assert layer.build(given) == expected
    assert (layer.built, layer.input_shape, layer.output_shape) == (True, given, expected)
    assert layer.build(list(given)) == expected
    assert layer.rows() == rows
    with pytest.raises(ValueError, match="input_shape is already"):
        layer.build((*given, 2))


def test_every_layer_is_in_the_table():
    from test_layers_convolution import TABLE as IMAGES

    assert {type(row[0]) for row in [*TABLE, *IMAGES]} == set(layers.registry.values())


def test_auto_names_are_those_of_keras():
    assert {cls.auto_name for cls in layers.registry.values()} == {
        "input_layer",
        "dense",
        "conv1d",
        "max_pooling1d",
        "average_pooling1d",
        "global_max_pooling1d",
        "global_average_pooling1d",
        "conv2d",
        "max_pooling2d",
        "average_pooling2d",
        "global_max_pooling2d",
        "global_average_pooling2d",
        "batch_normalization",
        "layer_normalization",
        "unit_normalization",
        "normalization",
        "activation",
        "re_lu",
        "leaky_re_lu",
        "p_re_lu",
        "elu",
        "softmax",
        "dropout",
        "spatial_dropout1d",
        "spatial_dropout2d",
        "gaussian_noise",
        "gaussian_dropout",
        "flatten",
        "reshape",
        "permute",
        "zero_padding2d",
        "rescaling",
        "random_translation",
        "random_rotation",
        "random_zoom",
        "random_flip",
    }
    assert layers.Dense(3).name is None
    assert layers.Dense(3, name="hidden").name == "hidden"


@pytest.mark.parametrize("cls", [c for c in layers.registry.values() if c is not layers.Input])
def test_a_first_layer_may_say_its_input_shape(cls):
    arguments = {
        layers.Dense: (3,),
        layers.Activation: ("tanh",),
        layers.Dropout: (0.5,),
        layers.GaussianNoise: (0.5,),
        layers.GaussianDropout: (0.5,),
        layers.Reshape: ((2, -1),),
        layers.Permute: ((1,),),
        layers.Rescaling: (2.0,),
        layers.Conv1D: (3, 2),
        layers.Conv2D: (3, 2),
        layers.SpatialDropout1D: (0.5,),
        layers.SpatialDropout2D: (0.5,),
        layers.RandomTranslation: (0.1, 0.1),
        layers.RandomRotation: (0.1,),
        layers.RandomZoom: (0.1,),
    }.get(cls, ())
    images = cls.__name__.endswith("2D") or cls.__name__.startswith("Random")
    shape, other = ((4, 4, 1), (6, 6, 1)) if images else ((4,), (6,))
    if cls.__name__.endswith("1D"):
        shape, other = (4, 1), (6, 1)
    layer = cls(*arguments, input_shape=list(shape))
    assert (layer.input_shape, layer.built) == (shape, False)
    assert "input_shape" not in layer.get_config()
    message = f"input_shape is already {re.escape(str(shape))}, got {re.escape(str(other))}"
    with pytest.raises(ValueError, match=message):
        layer.build(other)
    layer.build(shape)
    assert layer.built
    assert cls(*arguments, input_dim=4).input_shape == (4,)


def test_what_does_not_fit_is_refused_and_leaves_the_layer_as_it_was():
    conv = layers.Conv1D(3, 2)
    with pytest.raises(ValueError, match=r"samples of shape \(steps, channels\).*\(28, 28, 3\).*Reshape"):
        conv.build((28, 28, 3))
    assert conv.input_shape is None
    assert not conv.built
    conv.build((28, 3))
    for target in ((5, 5), (5, -1), (13, -1), (24,)):
        with pytest.raises(ValueError, match="12 features do not fit"):
            layers.Reshape(target).build((3, 4))
    with pytest.raises(ValueError, match=r"axis must be different axes from 1 to 2, or -1 to -2, .* got 3"):
        layers.Softmax(axis=3).build((3, 4))
    with pytest.raises(ValueError, match=r"dims must be an order of the axes \(1, 2, 3\) of input_shape"):
        layers.Permute((2, 1)).build((3, 4, 5))
    for odd in ((1, 1), (1, 3), ()):
        with pytest.raises(ValueError, match="dims must be a tuple of the axes of a sample, each once"):
            layers.Permute(odd)
    with pytest.raises(TypeError, match="dims must be a tuple of the axes of a sample"):
        layers.Permute(2)
    with pytest.raises(ValueError, match=r"cannot be permuted .* nnc supports 8 groups of axes"):
        layers.Permute((1, 3, 5, 7, 9, 2, 4, 6, 8)).build((2,) * 9)
    with pytest.raises(ValueError, match="input_shape"):
        layers.Flatten().build((2**20, 2**20))


def test_before_build_there_are_no_weights_and_no_groups():
    for ask in (
        lambda: layers.Dense(3).count_params(),
        lambda: layers.Dense(3).weight_names,
        lambda: layers.Dense(3).initialize(random.generator(0, Purpose.WEIGHTS)),
        lambda: layers.Softmax().rows(),
    ):
        with pytest.raises(RuntimeError, match=r"build\(input_shape\) first"):
            ask()


def test_weights():
    dense = layers.Dense(5, bias_initializer="ones", kernel_initializer=initializers.Constant(0.5))
    dense.build((4,))
    kernel, bias = dense.initialize(random.generator(0, Purpose.WEIGHTS))
    assert dense.weight_names == ["kernel", "bias"]
    assert dense.count_params() == 25
    np.testing.assert_array_equal(kernel, np.full((4, 5), 0.5, np.float32))
    np.testing.assert_array_equal(bias, np.ones(5, np.float32))
    assert kernel.dtype == bias.dtype == np.float32

    plain = layers.Dense(5, use_bias=False)
    plain.build((4,))
    assert plain.weight_names == ["kernel"]
    assert plain.count_params() == 20

    prelu = layers.PReLU(initializers.Constant(0.25), regularizers.L1L2(0.1, 0.2))
    prelu.build((3, 4))
    assert prelu.weight_names == ["alpha"]
    assert prelu.initialize(random.generator(0, Purpose.WEIGHTS))[0].shape == (3, 4)
    assert prelu.rows() == [{"kind": "prelu", "alpha_l1": 0.1, "alpha_l2": 0.2}]

    flatten = layers.Flatten()
    flatten.build((3, 4))
    weights = flatten.initialize(random.generator(0, Purpose.WEIGHTS))
    assert (flatten.weight_names, weights, flatten.count_params()) == (
        [],
        [],
        0,
    )


def test_rows_are_what_a_plan_takes():
    from nnc import reference

    rows = [row for _, given, _, rows in TABLE if np.prod(given) == 12 for row in rows]
    plan = reference.Plan(12, rows)
    plan.set_parameters([np.full(shape, 0.5) for shape in plan.parameter_shapes])
    assert plan.parameter_shapes == [(12,), (12,), (4,), (3,), (4,), (4,), (12,), (12,), (3,), (3,)]
    assert plan.forward(np.zeros((2, 12), np.float32)).shape == (2, 12)


def test_activations_of_a_layer_are_shared_rows():
    for name in activations.names:
        layer = layers.Dense(3, activation=name)
        layer.build((4,))
        assert layer.rows()[0]["activation"] == name
        assert layer.rows()[0]["alpha"] == activations.get(name).alpha


def test_input_by_the_shape_of_a_batch():
    assert layers.Input(batch_shape=(None, 4, 3)).shape == layers.Input(batch_shape=(8, 4, 3)).shape == (4, 3)
    assert repr(layers.Input(batch_shape=(None, 4))) == "InputLayer((4,))"
    for given in ({}, {"shape": (4,), "batch_shape": (None, 4)}):
        with pytest.raises(TypeError, match="one of shape and batch_shape"):
            layers.Input(**given)
    for given in ((None,), (), (0, 4), (None, None), "ab"):
        with pytest.raises((TypeError, ValueError), match="batch_s"):
            layers.Input(batch_shape=given)


def test_a_layer_written_in_python_is_refused():
    with pytest.raises(TypeError, match="Doubled has a method call"):

        class Doubled(layers.Layer):
            def call(self, inputs):
                return 2 * inputs


def test_prelu_with_shared_axes(isa, backend):
    shared = layers.PReLU("ones", shared_axes=[1, 3])
    with pytest.raises(ValueError, match=r"shared_axes must be from 1 to 2 for input_shape \(3, 4\)"):
        shared.build((3, 4))
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="shared_axes must be from 1 to"):
            layers.PReLU(shared_axes=wrong).build((3, 4))
    shared.build((2, 3, 4))
    assert shared.get_weights()[0].shape == (1, 3, 1) and shared.count_params() == 3
    slopes = np.array([0.5, 1.0, 2.0]).reshape(1, 3, 1)
    shared.set_weights([slopes])
    x = np.arange(48.0).reshape(2, 2, 3, 4) - 24
    np.testing.assert_array_equal(shared(x), np.where(x > 0, x, slopes * x))
    model = nnc.Sequential([shared, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse", backend=backend)
    before = model.predict(x)
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.safetensors")
        np.testing.assert_array_equal(nnc.load_model(f"{folder}/model.safetensors").predict(x), before)
    alternating = layers.PReLU(shared_axes=[1, 3, 5, 7, 9])
    with pytest.raises(ValueError, match="nnc supports 8 groups"):
        alternating.build((2,) * 9)


def test_relu_is_keras_s_function():
    x = np.array([[-2.0, 0.0, 0.5, 1.0, 1.5, 4.0, np.nan]])
    relu = layers.ReLU(max_value=2.0, negative_slope=0.5, threshold=1.0)
    np.testing.assert_array_equal(relu(x), [[-1.5, -0.5, -0.25, 0.0, 1.5, 2.0, np.nan]])
    assert relu.activation is None and layers.ReLU().activation == nnc.activations.relu
    np.testing.assert_array_equal(layers.ReLU(0)(x[:, :-1]), np.zeros((1, 6)))


def test_dropout_with_a_noise_shape(backend):
    dropout = layers.Dropout(0.5, noise_shape=[None, 1, None], seed=3)
    assert dropout.get_config()["noise_shape"] == [None, 1, None]
    model = nnc.Sequential([nnc.Input((5, 4)), dropout, layers.Dense(4, use_bias=False)], seed=1)
    model.compile("sgd", "mse", backend=backend)
    model.set_weights([np.eye(4)])
    x = np.ones((6, 5, 4), np.float32)
    # dL/dW is diagonal: 2 / 120 times the sum of the squares of the inputs that were kept, 4 each
    (gradient,) = model.gradients(x, np.zeros((6, 5, 4)), training=True)
    counts = np.rint(np.diag(gradient) * 120 / 2 / 4)  # for all 5 positions of a sample, or for none
    np.testing.assert_array_equal(counts % 5, 0)
    assert 0 < counts.sum() < 120
    np.testing.assert_array_equal(model.predict(x), x)
    for wrong in ((1, 1, 4), (None, 2, None), (None, 1), "abc", (None, 0, 4), (None, 1.5, 4), ()):
        with pytest.raises((TypeError, ValueError), match="noise_shape must be"):
            layers.Dropout(0.5, noise_shape=wrong).build((5, 4))


def test_layers_take_samples_of_other_shapes_if_their_weights_are_the_same():
    rng = np.random.default_rng(2)
    for layer, first, second in (
        (layers.Conv2D(3, 2), (2, 5, 5, 2), (1, 7, 4, 2)),
        (layers.Dense(3), (2, 4), (2, 5, 4)),
        (layers.BatchNormalization(), (2, 4), (2, 5, 5, 4)),
        (layers.Reshape((-1, 2)), (2, 6), (3, 8)),
        (layers.ReLU(2.0, 0.1, 0.5), (2, 6), (3, 8, 2)),
    ):
        before = layer(rng.normal(size=first))
        x = rng.normal(size=second)
        other = type(layer).from_config(layer.get_config())
        other.build(second[1:])
        other.set_weights(layer.get_weights())
        np.testing.assert_array_equal(layer(x), other(x))
        assert layer.output_shape == before.shape[1:], "the layer itself stays as it is"
    with pytest.raises(ValueError, match=r"takes inputs of shape \(n, 4\), got \(2, 5\)"):
        dense = layers.Dense(3)
        dense.build((4,))
        dense(np.zeros((2, 5)))
    x = np.array([-1.0, 0.0, 2.0])
    for elementwise in (
        layers.ReLU(),
        layers.LeakyReLU(0.5),
        layers.Rescaling(2.0),
        layers.Activation("tanh"),
    ):
        np.testing.assert_array_equal(elementwise(x), elementwise(x[None])[0])
        assert elementwise.compute_output_shape((3,)) == (3,)
    with pytest.raises(ValueError, match="input_shape must be"):
        layers.Softmax()(x)


def test_attributes_of_weights():
    dense = layers.Dense(3, use_bias=False, kernel_constraint="non_neg", kernel_regularizer="l2")
    dense.build((2,))
    assert dense.bias is None and dense.kernel.constraint == nnc.constraints.NonNeg()
    assert dense.kernel.regularizer == regularizers.L2()
    with pytest.raises(AttributeError):
        layers.Dense(3).bias  # noqa: B018
    norm = layers.BatchNormalization(scale=False)
    norm.build((2,))
    assert norm.gamma is None and norm.beta.constraint is None


def test_the_older_name_of_an_inputs_shape():
    with pytest.warns(UserWarning, match="older name of shape"):
        assert layers.Input(input_shape=(3, 4)).shape == (3, 4)
    with pytest.raises(ValueError, match="input_shape must be None when shape is given"):
        layers.Input((3,), input_shape=(3,))
