"""Configuration objects: each class is available by name, survives JSON and checks its arguments."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from nnc import (
    _arguments,
    _config,
    activations,
    constraints,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    schedules,
)

FAMILIES = (
    activations.Activation,
    initializers.Initializer,
    layers.Layer,
    losses.Loss,
    metrics.Metric,
    optimizers.Optimizer,
    regularizers.Regularizer,
    constraints.Constraint,
    schedules.Schedule,
)
CLASSES = [cls for family in FAMILIES for cls in family.registry.values()]

# Arguments for the classes that cannot be constructed without any.
REQUIRED = {
    metrics.PrecisionAtRecall: (0.5,),
    metrics.RecallAtPrecision: (0.5,),
    metrics.SensitivityAtSpecificity: (0.5,),
    metrics.SpecificityAtSensitivity: (0.5,),
    activations.Activation: ("elu",),
    layers.InputLayer: ((28, 28),),
    layers.Dense: (3,),
    layers.Activation: ("tanh",),
    layers.Dropout: (0.5,),
    layers.Reshape: ((2, -1),),
    layers.Permute: ((2, 1),),
    layers.Rescaling: (1 / 255,),
    layers.Conv1D: (3, 2),
    layers.Conv2D: (3, 2),
    layers.SpatialDropout1D: (0.5,),
    layers.SpatialDropout2D: (0.5,),
    layers.RandomTranslation: (0.1, 0.2),
    layers.RandomRotation: (0.1,),
    layers.RandomZoom: (0.1,),
    layers.GaussianNoise: (0.5,),
    layers.GaussianDropout: (0.5,),
    schedules.ExponentialDecay: (0.1, 100, 0.5),
    schedules.InverseTimeDecay: (0.1, 100, 0.5),
    schedules.PiecewiseConstantDecay: ([10, 20], [0.1, 0.01, 0.001]),
    schedules.PolynomialDecay: (0.1, 100),
    schedules.CosineDecay: (0.1, 100),
    schedules.CosineDecayRestarts: (0.1, 100),
    schedules.OneCycle: (0.1, 100),
}

# Objects with every kind of non-default value.
OTHERS = [
    activations.Activation("leaky_relu", 0.01),
    initializers.Constant(-1.5),
    initializers.HeNormal(seed=3, negative_slope=0.01, truncated=False),
    initializers.Orthogonal(gain=2, seed=2**64 - 1),
    initializers.RandomUniform(minval=-1, maxval=1),
    initializers.VarianceScaling(2.0, "fan_out", "uniform"),
    layers.Dense(
        7,
        activation=activations.Activation("leaky_relu", 0.01),
        use_bias=False,
        kernel_initializer=initializers.HeNormal(truncated=False),
        bias_initializer="ones",
        kernel_regularizer=regularizers.L1L2(0.1, 0.2),
        bias_regularizer="l2",
        name="hidden",
    ),
    layers.Dense(7, kernel_constraint=constraints.MaxNorm(3.0, [0, 1]), bias_constraint="non_neg"),
    layers.PReLU(initializers.Constant(0.25), "l1"),
    layers.PReLU(shared_axes=[1, 2]),
    layers.ReLU(negative_slope=0.1),
    layers.ReLU(3.0, 0.1, 0.2),
    layers.Conv2D(
        8,
        [3, 5],
        2,
        "SAME",
        "channels_last",
        activation=activations.Activation("elu", 0.5),
        use_bias=False,
        kernel_initializer=initializers.HeNormal(truncated=False),
        kernel_regularizer=regularizers.L1L2(0.1, 0.2),
        name="images",
    ),
    layers.Conv2D(8, 3, dilation_rate=(1, 2)),
    layers.AveragePooling2D((2, 3), strides=1, padding="same"),
    layers.GlobalMaxPooling2D(keepdims=True),
    layers.BatchNormalization(
        3, momentum=0.9, scale=False, moving_mean_initializer="ones", gamma_regularizer="l1"
    ),
    layers.LayerNormalization([1, 2, 3], epsilon=1e-5, gamma_initializer=initializers.Constant(0.5)),
    layers.Normalization([1, 2], mean=((1.0, 2.0), (3.0, 4.0)), variance=2.0),
    layers.UnitNormalization([1, 2]),
    layers.RandomFlip("vertical", seed=3),
    layers.ZeroPadding2D(((1, 2), 3)),
    layers.RandomTranslation((0.2, -0.1), -0.3, "constant", fill_value=255),
    layers.RandomZoom(0.1, (0, 0.1), interpolation="nearest"),
    losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
    losses.MarginHinge(margin=5),
    metrics.TopKCategoricalAccuracy(3, name="top 3"),
    optimizers.SGD(schedules.OneCycle(0.1, 10, per="epoch"), momentum=0.9, nesterov=True, clipnorm=1),
    optimizers.RMSprop(centered=True, weight_decay=1e-3, global_clipnorm=2.0),
    optimizers.Adam(amsgrad=True, clipvalue=0.5),
    schedules.CosineDecay(0.0, 90, alpha=0.1, warmup_target=1.0, warmup_steps=10),
]


def make(cls):
    return cls(*REQUIRED.get(cls, ()))


def objects():
    named = [activations.get(name) for name in activations.names]
    return [*map(make, CLASSES), *named, *OTHERS]


# ------------------------------------------------------------------------------- dicts, names, repr, equality


def test_registries_hold_what_the_modules_offer():
    assert {family.kind: len(family.registry) for family in FAMILIES} == {
        "activation": 1,
        "constraint": 4,
        "initializer": 15,
        "layer": 36,
        "loss": 19,
        "metric": 34,
        "optimizer": 8,
        "regularizer": 3,
        "schedule": 7,
    }
    for family in FAMILIES:
        for name, cls in family.registry.items():
            assert name == cls.__name__
            assert issubclass(cls, family)
            assert not name.startswith("_")


@pytest.mark.parametrize("obj", objects(), ids=repr)
def test_round_trip_through_json(obj):
    written = _config.serialize(obj)
    read = _config.deserialize(json.loads(json.dumps(written, allow_nan=False)), type(obj).registry)
    assert type(read) is type(obj)
    assert _config.serialize(read) == written
    assert repr(read) == repr(obj)
    assert type(obj).from_config(obj.get_config()).get_config() == obj.get_config()


@pytest.mark.parametrize("obj", objects(), ids=repr)
def test_repr_makes_the_object_again(obj):
    modules = (
        vars(activations) | vars(constraints) | vars(initializers) | vars(regularizers) | vars(schedules)
    )
    namespace = modules | {type(obj).__name__: type(obj)}
    assert eval(repr(obj), dict(namespace)).get_config() == obj.get_config()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.kind}-{cls.__name__}")
def test_keys_are_checked(cls):
    config = make(cls).get_config()
    with pytest.raises(ValueError, match="keys"):
        cls.from_config(config | {"extra": 1})
    for key in config:
        with pytest.raises(ValueError, match="keys"):
            cls.from_config({k: v for k, v in config.items() if k != key})
    with pytest.raises(ValueError, match=cls.__name__):
        cls.from_config([1, 2])


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.kind}-{cls.__name__}")
def test_a_bad_value_in_a_file_is_a_value_error(cls):
    """Any JSON value for every key: an object if the value is legal, else a ValueError."""
    values = (None, True, -1, 0.5, math.nan, math.inf, 10**400, "x", "", [], [1, "x"], {}, {"class_name": []})
    config = make(cls).get_config()
    legal = 0
    for key in config:
        for bad in values:
            try:
                again = cls.from_config(config | {key: bad}).get_config()
            except ValueError as error:
                assert cls.__name__ in str(error)
            else:
                json.dumps(again, allow_nan=False)
                legal += 1
    assert legal <= 3 * len(config)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.kind)
def test_unknown_classes_and_shapes_of_dicts_are_refused(family):
    for data in (
        {"class_name": "Popen", "config": {}},
        {"class_name": ["Dense"], "config": {}},
        {"class_name": "Dense"},
        {"class_name": "Dense", "config": {}, "module": "os"},
        "Dense",
        None,
    ):
        with pytest.raises(ValueError, match="must be"):
            _config.deserialize(data, family.registry)


def test_only_nncs_own_classes_are_saved():
    class Mine(regularizers.L2):
        pass

    with pytest.raises(ValueError, match="Mine"):
        _config.serialize(Mine())
    assert Mine not in regularizers.registry.values()
    with pytest.raises(ValueError, match="cannot be saved"):
        _config.serialize(losses.get(lambda y, a: (0.0, a)))
    with pytest.raises(ValueError, match="regularizer must be one of"):
        regularizers.get("mine")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.kind}-{cls.__name__}")
def test_unknown_attributes_are_refused(cls):
    made = make(cls)
    with pytest.raises(AttributeError, match=f"{cls.__name__} has no attribute 'learning_rat'"):
        made.learning_rat = 0.1


def test_the_error_for_an_unknown_attribute_suggests_one():
    with pytest.raises(AttributeError, match=r"SGD has no attribute 'momentun'; did you mean 'momentum'\?"):
        optimizers.SGD().momentun = 0.9


def test_subclasses_of_users_may_have_further_attributes():
    class Mine(losses.MeanSquaredError):
        pass

    mine = Mine()
    mine.note = 3
    assert mine.note == 3


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls not in REQUIRED], ids=repr)
def test_every_spelling_of_a_name(cls):
    for name in (cls.__name__, cls.identifier, *cls.aliases):
        assert type(cls.get(name)) is cls
        assert type(cls.get(name.upper())) is cls
    assert type(cls.get(cls)) is cls
    obj = make(cls)
    assert cls.get(obj) is obj
    assert type(cls.get(_config.serialize(obj))) is cls


def test_no_two_classes_of_a_family_share_a_name():
    for family in FAMILIES:
        spellings = [
            _arguments.key_of(name)
            for cls in family.registry.values()
            for name in {_arguments.key_of(n) for n in (cls.__name__, cls.identifier, *cls.aliases)}
        ]
        assert len(spellings) == len(set(spellings))


def test_unknown_names_list_the_known_ones():
    for get in (activations.get, initializers.get, losses.get, optimizers.get, regularizers.get):
        with pytest.raises(ValueError, match=r"must be one of .*, got 'adma'"):
            get("adma")
    with pytest.raises(ValueError, match=r"metric must be one of accuracy, .*, got 'adma'"):
        metrics.get("adma")
    with pytest.raises(ValueError, match=r"kernel_initializer must be one of .*he_normal.* got 'he'"):
        layers.Dense(3, kernel_initializer="he")
    with pytest.raises(ValueError, match="bias_regularizer must be one of l1, "):
        layers.Dense(3, bias_regularizer="l3")
    with pytest.raises(ValueError, match=r"activation must be one of linear, relu, .* got 'rleu'"):
        layers.Dense(3, activation="rleu")
    for family in FAMILIES:
        get = family.get
        with pytest.raises(TypeError, match=r"must be .* got 3"):
            get(3)


def test_equality_is_of_configurations_and_of_layers_and_optimizers_by_identity():
    assert regularizers.L2(0.5) == regularizers.L2(0.5) != regularizers.L2(0.25)
    assert regularizers.L1(0.0) != regularizers.L2(0.0)
    assert len({initializers.Zeros(), initializers.Zeros(), initializers.Ones()}) == 2
    assert activations.get("relu") == activations.relu
    assert layers.Dense(3) != layers.Dense(3)
    assert optimizers.SGD() != optimizers.SGD()
    assert len({layers.Dense(3), layers.Dense(3)}) == 2


def test_repr_shows_what_is_not_default():
    assert repr(OTHERS[6]) == (
        "Dense(7, activation=Activation('leaky_relu', alpha=0.01), use_bias=False, "
        "kernel_initializer=HeNormal(truncated=False), bias_initializer='ones', "
        "kernel_regularizer=L1L2(l1=0.1, l2=0.2), bias_regularizer='l2', name='hidden')"
    )
    assert repr(layers.Dense(3, "linear", kernel_initializer="glorot_uniform")) == "Dense(3)"
    assert repr(optimizers.SGD(schedules.CosineDecay(0.1, 5))) == "SGD(learning_rate=CosineDecay(0.1, 5.0))"


# ------------------------------------------------------------------------------------------ arguments' checks


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (math.nan, ValueError),
        (math.inf, ValueError),
        (-math.inf, ValueError),
        (1e39, ValueError),
        (10**400, ValueError),
        (True, TypeError),
        (np.True_, TypeError),
        ("0.5", TypeError),
        (None, TypeError),
        (1j, TypeError),
        ([0.5], TypeError),
        (np.array([0.5]), TypeError),
    ],
)
def test_numbers(value, error):
    with pytest.raises(error, match=r"^scale must be a number in \(-inf, inf\).*, got "):
        layers.Rescaling(value)


def test_numbers_of_numpy_become_pythons():
    config = layers.Rescaling(np.float32(0.5), np.int8(3)).get_config()
    assert config == {"scale": 0.5, "offset": 3.0, "name": None}
    assert {type(v) for v in config.values()} == {float, type(None)}
    assert type(layers.Dense(np.int64(3)).units) is int


@pytest.mark.parametrize(
    ("make", "argument", "error"),
    [
        (lambda: layers.Dense(2**40), "units", ValueError),
        (lambda: layers.Dense(-1), "units", ValueError),
        (lambda: layers.Dense(0), "units", ValueError),
        (lambda: layers.Dense(2.5), "units", TypeError),
        (lambda: layers.Dense(10.0), "units", TypeError),
        (lambda: layers.Dense(True), "units", TypeError),
        (lambda: layers.Dense("10"), "units", TypeError),
        (lambda: layers.Dense(3, use_bias=1), "use_bias", TypeError),
        (lambda: layers.Dense(3, name=3), "name", TypeError),
        (lambda: layers.Dense(3, name=""), "name", ValueError),
        (lambda: layers.Dense(3, name="a/b"), "name", ValueError),
        (lambda: layers.Dense(3, activity_regularizer="l2"), "activity_regularizer", ValueError),
        (lambda: layers.Dense(3, input_shape=784), "input_shape", TypeError),
        (lambda: layers.Dense(3, input_dim=-1), "input_dim", ValueError),
        (lambda: layers.Dense(3, input_shape=(4,), input_dim=4), "input_dim", ValueError),
        (lambda: layers.Input(784), "shape", TypeError),
        (lambda: layers.Input("784"), "shape", TypeError),
        (lambda: layers.Input(()), "shape", ValueError),
        (lambda: layers.Input((None, 784)), "shape", TypeError),
        (lambda: layers.Input((28, 0)), "shape", ValueError),
        (lambda: layers.Input((2**20, 2**20)), "shape", ValueError),
        (lambda: layers.Input((28.0, 28)), "shape", TypeError),
        (lambda: layers.Dropout(1.0), "rate", ValueError),
        (lambda: layers.Dropout(-0.1), "rate", ValueError),
        (lambda: layers.Dropout(0.5, seed=-1), "seed", ValueError),
        (lambda: layers.Dropout(0.5, noise_shape=(1,)), "noise_shape", ValueError),
        (lambda: layers.ReLU(max_value=-6.0), "max_value", ValueError),
        (lambda: layers.ReLU(threshold=-1.0), "threshold", ValueError),
        (lambda: layers.ReLU(negative_slope=-1.0), "negative_slope", ValueError),
        (lambda: layers.LeakyReLU(-0.1), "negative_slope", ValueError),
        (lambda: layers.ELU(0.0), "alpha", ValueError),
        (lambda: layers.Reshape((-1, -1)), "target_shape", ValueError),
        (lambda: layers.Reshape((0, -1)), "target_shape", ValueError),
        (lambda: activations.Activation("relu", 0.1), "alpha", ValueError),
        (lambda: activations.Activation("leaky_relu", -0.1), "alpha", ValueError),
        (lambda: activations.Activation("elu", 0), "alpha", ValueError),
        (lambda: losses.Huber(0.0), "delta", ValueError),
        (lambda: losses.MarginHinge(-1), "margin", ValueError),
        (lambda: losses.BinaryCrossentropy(label_smoothing=1.5), "label_smoothing", ValueError),
        (lambda: losses.BinaryCrossentropy(from_logits="yes"), "from_logits", TypeError),
        (lambda: losses.MeanSquaredError(reduction="total"), "reduction", ValueError),
        (lambda: losses.MeanSquaredError(axis=1), "axis", ValueError),
        (lambda: losses.SparseCategoricalCrossentropy(ignore_class=0), "ignore_class", ValueError),
        (lambda: losses.FunctionLoss(3), "function", TypeError),
        (lambda: optimizers.SGD(math.nan), "learning_rate", ValueError),
        (lambda: optimizers.SGD(-0.1), "learning_rate", ValueError),
        (lambda: optimizers.SGD(True), "learning_rate", TypeError),
        (lambda: optimizers.SGD("0.1"), "learning_rate", TypeError),
        (lambda: optimizers.SGD(momentum=1.1), "momentum", ValueError),
        (lambda: optimizers.SGD(nesterov=True), "nesterov", ValueError),
        (lambda: optimizers.SGD(clipnorm=0), "clipnorm", ValueError),
        (lambda: optimizers.SGD(clipnorm=1, clipvalue=1), "clipnorm", ValueError),
        (lambda: optimizers.SGD(weight_decay=-1e-4), "weight_decay", ValueError),
        (lambda: optimizers.AdamW(weight_decay=None), "weight_decay", TypeError),
        (lambda: optimizers.Adam(beta_1=1.0), "beta_1", ValueError),
        (lambda: optimizers.Adam(beta_2=-0.1), "beta_2", ValueError),
        (lambda: optimizers.Adam(epsilon=-1e-7), "epsilon", ValueError),
        (lambda: optimizers.RMSprop(rho=1.0), "rho", ValueError),
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps", ValueError),
        (lambda: schedules.ExponentialDecay(0.1, 10, 0.5, per="batch"), "per", ValueError),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1, 2, 3]), "boundaries", ValueError),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [1, 2]), "values", ValueError),
        (lambda: schedules.PiecewiseConstantDecay(3, [1, 2]), "boundaries", TypeError),
        (lambda: schedules.CosineDecay(0.1, 10, alpha=2), "alpha", ValueError),
        (lambda: schedules.CosineDecay(0.1, 10, warmup_steps=5), "warmup_target", ValueError),
        (lambda: schedules.OneCycle(0.1, 0), "total_steps", ValueError),
        (lambda: schedules.OneCycle(0.1, 10, pct_start=1.5), "pct_start", ValueError),
        (lambda: regularizers.L1(-1), "l1", ValueError),
        (lambda: regularizers.L2(math.nan), "l2", ValueError),
        (lambda: initializers.RandomNormal(stddev=-1), "stddev", ValueError),
        (lambda: initializers.RandomUniform(1.0, 0.0), "maxval", ValueError),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode", ValueError),
        (lambda: initializers.VarianceScaling(scale=0), "scale", ValueError),
        (lambda: initializers.HeNormal(seed=-1), "seed", ValueError),
        (lambda: initializers.HeNormal(seed=1.5), "seed", TypeError),
        (lambda: initializers.HeNormal(truncated=0), "truncated", TypeError),
        (lambda: metrics.TopKCategoricalAccuracy(0), "k", ValueError),
        (lambda: metrics.BinaryAccuracy(threshold=math.nan), "threshold", ValueError),
    ],
)
def test_a_refusal_names_the_argument_and_repeats_the_value(make, argument, error):
    with pytest.raises(error, match=rf"\b{argument}\b.*, got .+") as caught:
        make()
    assert type(caught.value) is error


def test_a_long_value_is_cut():
    with pytest.raises(ValueError) as caught:
        activations.get("x" * 10_000)
    assert len(str(caught.value)) < 500


# ------------------------------------------------------------------------------------------- Keras's defaults


@pytest.mark.parametrize(
    ("obj", "config"),
    [
        (optimizers.SGD(), {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False, "weight_decay": None}),
        (optimizers.Adam(), {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
        (
            optimizers.AdamW(),
            {"learning_rate": 1e-3, "weight_decay": 0.004, "epsilon": 1e-7, "amsgrad": False},
        ),
        (optimizers.RMSprop(), {"learning_rate": 1e-3, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7}),
        (losses.Huber(), {"delta": 1.0}),
        (losses.CategoricalCrossentropy(), {"from_logits": False, "label_smoothing": 0.0}),
        (layers.Dense(3), {"use_bias": True, "kernel_regularizer": None, "bias_regularizer": None}),
        (
            layers.Conv2D(3, 2),
            {"strides": [1, 1], "padding": "valid", "dilation_rate": [1, 1], "groups": 1, "use_bias": True},
        ),
        (layers.MaxPooling2D(), {"pool_size": [2, 2], "padding": "valid"}),
        (layers.AveragePooling2D(), {"pool_size": [2, 2], "padding": "valid"}),
        (layers.GlobalMaxPooling2D(), {"keepdims": False}),
        (
            layers.BatchNormalization(),
            {"axis": -1, "momentum": 0.99, "epsilon": 1e-3, "center": True, "scale": True},
        ),
        (layers.LayerNormalization(), {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True}),
        (layers.ZeroPadding2D(), {"padding": [[1, 1], [1, 1]]}),
        (
            layers.RandomRotation(0.1),
            {"fill_mode": "reflect", "interpolation": "bilinear", "fill_value": 0.0},
        ),
        (layers.RandomZoom(0.1), {"width_factor": None, "fill_mode": "reflect"}),
        (layers.LeakyReLU(), {"negative_slope": 0.3}),
        (activations.leaky_relu, {"alpha": 0.2}),
        (activations.elu, {"alpha": 1.0}),
        (layers.ELU(), {"alpha": 1.0}),
        (layers.Rescaling(2.0), {"offset": 0.0}),
        (metrics.TopKCategoricalAccuracy(), {"k": 5, "name": "top_k_categorical_accuracy"}),
        (metrics.SparseTopKCategoricalAccuracy(), {"k": 5, "name": "sparse_top_k_categorical_accuracy"}),
        (metrics.BinaryAccuracy(), {"name": "binary_accuracy", "threshold": 0.5}),
        (initializers.RandomNormal(), {"mean": 0.0, "stddev": 0.05}),
        (initializers.RandomUniform(), {"minval": -0.05, "maxval": 0.05}),
        (initializers.Orthogonal(), {"gain": 1.0}),
        (regularizers.L1(), {"l1": 0.01}),
        (regularizers.L2(), {"l2": 0.01}),
        (regularizers.L1L2(), {"l1": 0.0, "l2": 0.0}),
        (schedules.CosineDecay(0.1, 10), {"alpha": 0.0, "warmup_target": None, "warmup_steps": 0.0}),
    ],
    ids=repr,
)
def test_defaults_are_those_of_keras(obj, config):
    assert config.items() <= obj.get_config().items()


def test_dense_defaults_are_those_of_keras():
    dense = layers.Dense(3)
    assert dense.kernel_initializer == initializers.GlorotUniform()
    assert dense.bias_initializer == initializers.Zeros()
    assert dense.activation == activations.linear


def test_defaults_of_images_and_normalization_are_those_of_keras():
    conv, norm = layers.Conv2D(3, 2), layers.BatchNormalization()
    assert conv.kernel_initializer == initializers.GlorotUniform()
    assert conv.bias_initializer == initializers.Zeros()
    assert conv.activation == activations.linear
    for layer in (norm, layers.LayerNormalization()):
        assert layer.gamma_initializer == initializers.Ones()
        assert layer.beta_initializer == initializers.Zeros()
    assert norm.moving_mean_initializer == initializers.Zeros()
    assert norm.moving_variance_initializer == initializers.Ones()
    assert layers.MaxPooling2D().strides is None


def test_names_of_a_keras_mnist_script():
    model = [
        layers.Input(shape=(28, 28)),
        layers.Flatten(),
        layers.Dense(128, activation="relu", kernel_initializer="he_normal", kernel_regularizer="l2"),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
    shape = model[0].input_shape
    for layer in model:
        shape = layer.build(shape)
    assert shape == (10,)
    assert sum(layer.count_params() for layer in model) == 784 * 128 + 128 + 1280 + 10
    loss = losses.get("categorical_crossentropy")
    assert metrics.get("accuracy", loss=loss, n_outputs=10).name == "accuracy"
    assert optimizers.get("adam").learning_rate == 0.001
    assert losses.get("sparse_categorical_crossentropy").targets == "ids"
