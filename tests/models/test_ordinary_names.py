"""Names and call forms that scripts for Keras use in addition to compile, fit and predict."""

import copy
import json
import pickle

import numpy as np
import pytest

import nnc
from nnc import Sequential, initializers, layers, losses, metrics, models, regularizers, utils

X = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)


def net():
    return Sequential(
        [layers.Input((4,)), layers.Dense(3, "relu"), layers.BatchNormalization(), layers.Dense(2)], seed=1
    )


def test_weights_of_a_layer():
    model = net()
    dense, norm, last = model.layers
    assert [w.path for w in model.weights][:3] == ["dense/kernel", "dense/bias", "batch_normalization/gamma"]
    assert len(model.trainable_weights) == 6 and len(model.non_trainable_weights) == 2
    np.testing.assert_array_equal(dense.kernel, model.get_weights()[0])
    dense.kernel.assign(np.ones((4, 3)))
    last.set_weights([np.zeros((3, 2)), [1.0, 2.0]])
    np.testing.assert_array_equal(model.predict(X), np.tile([1.0, 2.0], (20, 1)))
    assert model.get_weights()[0].tolist() == np.ones((4, 3)).tolist()
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((20, 2)), verbose=0)
    np.testing.assert_array_equal(norm.moving_mean, model.get_weights()[4])
    with pytest.raises(ValueError, match=r"takes \[\(4, 3\), \(3,\)\], got \[\(3, 4\), \(3,\)\]"):
        dense.set_weights([np.zeros((3, 4)), np.zeros(3)])
    with pytest.raises(AttributeError, match=r"is a weight: use layer\.kernel\.assign"):
        dense.kernel = 3
    with pytest.raises(AttributeError, match="has no attribute 'colonel'"):
        _ = dense.colonel


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_has_weights_of_its_own(duplicate):
    model = net()
    other = duplicate(model)
    other.layers[0].bias.assign([1.0, 1.0, 1.0])
    assert model.layers[0].get_weights()[1].tolist() == [0.0, 0.0, 0.0]
    assert other.get_weights()[1].tolist() == [1.0, 1.0, 1.0]


def test_a_layer_by_itself():
    dense = layers.Dense(2, "relu")
    outputs = dense(X)
    kernel, bias = dense.get_weights()
    np.testing.assert_allclose(outputs, np.maximum(X @ kernel + bias, 0), rtol=1e-5, atol=1e-6)
    model = Sequential([layers.Input((4,)), dense])
    np.testing.assert_array_equal(model.get_weights()[0], kernel)
    np.testing.assert_array_equal(model(X), outputs)
    assert layers.Flatten()(np.zeros((3, 2, 2))).shape == (3, 4)
    assert dense.compute_output_shape((None, 4)) == (None, 2) == model.compute_output_shape((None, 4))


def test_configurations():
    model = net()
    model.layers[0].trainable = False
    for again in (
        models.clone_model(model),
        models.model_from_json(model.to_json(indent=1)),
        Sequential.from_config(json.loads(json.dumps(model.get_config()))),
    ):
        assert repr(again) == repr(model) and not again.layers[0].trainable
        assert again.output_shape == (None, 2)
    assert models.load_model is nnc.load_model and models.Sequential is Sequential
    with pytest.raises(ValueError, match="Sequential"):
        models.model_from_json('{"class_name": "Functional", "config": {}}')
    with pytest.raises(ValueError, match="class_name"):
        Sequential.from_config({"layers": [{"class_name": "Lambda", "config": {}}]})


def test_names_in_lower_case():
    assert regularizers.l1 is regularizers.L1 and regularizers.l1_l2 is regularizers.L1L2
    assert initializers.he_normal is initializers.HeNormal
    y, a = np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 3.0]])
    np.testing.assert_allclose(losses.mean_squared_error(y, a), [0.5, 2.5])
    np.testing.assert_allclose(losses.mae(y, a), [0.5, 1.5])
    np.testing.assert_allclose(metrics.categorical_accuracy(y, a), [0.0, 0.0])
    np.testing.assert_allclose(losses.binary_crossentropy(y, a, from_logits=True)[0], 0.813262, rtol=1e-5)


@pytest.mark.parametrize(
    "find, message",
    [
        (lambda: nnc.LSTM, "recurrent"),
        (lambda: nnc.layers.LSTM, "recurrent"),
        (lambda: nnc.Model, "only Sequential"),
        (lambda: nnc.GradientTape, "gradients"),
        (lambda: nnc.callbacks.TensorBoard, "CSVLogger"),
        (lambda: nnc.callbacks.BackupAndRestore, "initial_epoch"),
        (lambda: nnc.layers.Dens, "did you mean 'Dense'"),
        (lambda: nnc.losses.mean_square_error, "did you mean"),
        (lambda: nnc.Sequental, "did you mean 'Sequential'"),
    ],
)
def test_what_is_not_there(find, message):
    with pytest.raises(AttributeError, match=message):
        find()


def test_misspelt_names_in_arguments():
    for wrong, message in [
        (lambda: layers.Dense(3, "rleu"), "did you mean 'relu'"),
        (lambda: net().compile("adan", "mse"), "did you mean 'adam'"),
        (lambda: net().compile("adam", "categorical_crossentrop"), "did you mean 'categorical_crossentropy'"),
    ]:
        with pytest.raises(ValueError, match=message):
            wrong()


def test_seeds_of_layers():
    def trained(model_seed, seed):
        model = Sequential([layers.Input((4,)), layers.Dropout(0.5, seed=seed), layers.Dense(1)], seed=1)
        model.set_weights([np.ones((4, 1)), np.zeros(1)])
        model._engine.seed = model_seed
        model.compile("sgd", "mse")
        model.fit(X, X[:, :1], verbose=0, shuffle=False)
        return model.get_weights()[0]

    np.testing.assert_array_equal(trained(1, 5), trained(2, 5))
    assert (trained(1, 5) != trained(1, 6)).any() and (trained(1, None) != trained(2, None)).any()


def test_lists_of_one():
    model = net()
    model.compile("sgd", ["mse"], metrics=[["mae"]])
    assert model.metrics_names == ["loss", "mae"]
    with pytest.raises(ValueError, match="loss must be one loss"):
        model.compile("sgd", ["mse", "mae"])


def test_other_forms():
    assert layers.Input((3,), batch_size=8, dtype="float32").shape == (3,)
    assert layers.LeakyReLU(alpha=0.1).negative_slope == 0.1
    lines: list[str] = []
    net().summary(line_length=90, print_fn=lines.append, show_trainable=True)
    assert max(map(len, lines[0].splitlines())) >= 80
    utils.clear_session()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_py_dataset(workers):
    ended = []

    class Data(utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return X[4 * index : 4 * index + 4], X[4 * index : 4 * index + 4, :2]

        def on_epoch_end(self):
            ended.append(1)

    by_arrays, by_data = net(), net()
    for model in (by_arrays, by_data):
        model.compile("sgd", "mse")
    first = by_arrays.fit(X, X[:, :2], batch_size=4, shuffle=False, epochs=3, verbose=0)
    second = by_data.fit(Data(workers=workers, max_queue_size=2), epochs=3, verbose=0)
    assert first.history == second.history and len(ended) == 3


def test_misspelt_names_are_answered_by_those_that_were_meant():
    model = nnc.Sequential([nnc.layers.Dense(1)])
    for call, meant in (
        (lambda: model.compile("sgd", "mse", metrcs=[]), "'metrics'"),
        (lambda: model.fit([[1.0]], [1.0], epoch=3), "'epochs'"),
        (lambda: model.summry(), "'summary'"),
        (lambda: nnc.losses.get("msee"), "'mse'"),
        (lambda: nnc.metrics.get("precison"), "'precision'"),
    ):
        # With a capital from Python 3.13 on, which suggests keyword arguments itself.
        with pytest.raises((AttributeError, TypeError, ValueError), match=f"[Dd]id you mean {meant}"):
            call()
