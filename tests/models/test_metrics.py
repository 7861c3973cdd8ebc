"""Metrics updated batch by batch, nnc's own and user-defined: fit, evaluate, files, resumed runs."""

from __future__ import annotations

import copy
import pickle
import threading

import matplotlib.pyplot as plt
import numpy as np
import pytest

import nnc
from nnc import callbacks, layers, metrics

RNG = np.random.default_rng(7)
X = RNG.normal(size=(75, 4)).astype(np.float32)
Y = (X.sum(axis=1, keepdims=True) > 0).astype(np.float32)


class Seen(metrics.Metric):
    """The rows of each batch, and the mean of the outputs."""

    def __init__(self, name="seen"):
        super().__init__(name=name)
        self.total = self.add_variable(shape=())
        self.rows = self.add_variable(shape=(), name="rows")
        self.sizes, self.resets = [], 0

    def update_state(self, y_true, y_pred, sample_weight=None):
        assert y_true.shape == y_pred.shape
        self.sizes.append(len(y_pred))
        self.total.assign_add(y_pred.sum(dtype=np.float64))
        self.rows.assign_add(y_pred.size)

    def result(self):
        return self.total / self.rows

    def reset_state(self):
        super().reset_state()
        self.sizes, self.resets = [], self.resets + 1


def share(y_true, y_pred):
    return np.abs(y_true - y_pred) < 0.5


def build(*watched, dropout=0.0, backend="compiled", optimizer="adam", loss="binary_crossentropy", **options):
    model = nnc.Sequential(
        [nnc.Input((4,)), layers.Dense(5, "relu"), layers.Dropout(dropout), layers.Dense(1, "sigmoid")],
        seed=3,
    )
    model.compile(optimizer, loss, metrics=list(watched), backend=backend, **options)
    return model


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_training_is_the_same_and_outputs_are_those_of_the_steps(backend):
    """The weights' bits do not depend on the metrics; RMSE is the square root of the core's own mean."""
    plain, watched = (
        build("mse", backend=backend, dropout=0.3),
        build("mse", metrics.RootMeanSquaredError(), Seen(), share, "auc", backend=backend, dropout=0.3),
    )
    first = plain.fit(X, Y, epochs=3, batch_size=7, verbose=0).history
    second = watched.fit(X, Y, epochs=3, batch_size=7, verbose=0).history
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first["loss"] == second["loss"] and first["mse"] == second["mse"]
    np.testing.assert_allclose(np.sqrt(second["mse"]), second["root_mean_squared_error"], rtol=1e-6)


def test_batches_are_those_of_training_and_evaluation():
    model = build(Seen())
    seen = model.metrics[0]
    model.fit(X, Y, epochs=2, batch_size=20, verbose=0)
    assert seen.sizes == [20, 20, 20, 15]
    model.evaluate(X, Y, batch_size=50, verbose=0)
    assert seen.sizes == [50, 25]
    model.evaluate(X, Y, verbose=0)
    assert seen.sizes == [32, 32, 11]
    assert float(seen.result()) == pytest.approx(model.predict(X, verbose=0).mean(), rel=1e-6)
    model.test_on_batch(X, Y)
    assert seen.sizes == [75]
    model.train_on_batch(X[:3], Y[:3])
    assert seen.sizes == [3]


def test_the_same_numbers_whatever_the_slices(monkeypatch):
    from nnc.models import loops

    expected = build("auc", share).fit(X, Y, epochs=2, batch_size=4, verbose=0).history
    monkeypatch.setattr(loops, "BUDGET", 0.0)
    assert build("auc", share).fit(X, Y, epochs=2, batch_size=4, verbose=0).history == expected
    streamed = build("auc", share)
    parts = [(X[i : i + 4], Y[i : i + 4]) for i in range(0, 75, 4)]
    unshuffled = build("auc", share).fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0).history
    assert streamed.fit(parts, epochs=2, verbose=0).history == unshuffled


def test_weighted_metrics_see_weights_and_the_others_do_not():
    weights = RNG.uniform(0, 2, 75).astype(np.float32)
    model = build("mae", share, weighted_metrics=[metrics.MeanAbsoluteError("weighted"), "acc"])
    found = model.evaluate(X, Y, sample_weight=weights, verbose=0, return_dict=True)
    errors = np.abs(model.predict(X, verbose=0) - Y)[:, 0]
    assert list(found) == ["loss", "mae", "share", "weighted", "acc"]
    assert found["mae"] == pytest.approx(errors.mean(), rel=1e-5)
    assert found["weighted"] == pytest.approx(np.average(errors, weights=weights), rel=1e-5)
    assert found["acc"] == pytest.approx(np.average(errors < 0.5, weights=weights), rel=1e-5)
    assert found["share"] == pytest.approx((errors < 0.5).mean())


def test_a_loss_in_python_and_class_ids():
    def half_square(y_true, y_pred):
        error = y_pred - y_true
        return 0.5 * (error**2).sum(axis=1), error

    model = build("mse", "auc", Seen(), metrics.RootMeanSquaredError("root"), loss=half_square)
    history = model.fit(X, Y, epochs=2, batch_size=16, verbose=0).history
    np.testing.assert_allclose(np.sqrt(history["mse"]), history["root"], rtol=1e-6)
    ids = RNG.integers(0, 3, 75)
    model = nnc.Sequential([layers.Dense(3, "softmax")])

    def right(y_true, y_pred):
        assert y_true.shape == (len(y_pred),)
        return y_pred.argmax(axis=1) == y_true

    model.compile(
        "sgd", "sparse_categorical_crossentropy", metrics=["accuracy", right, metrics.F1Score("micro")]
    )
    _, accuracy, own, f1 = model.evaluate(X, ids, verbose=0)
    assert accuracy == own == pytest.approx(f1, rel=1e-6)


def test_evaluating_within_an_epoch_and_from_threads_changes_no_training_metric():
    class Evaluates(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.evaluate(X[:9], Y[:9])

    plain = build("auc", Seen()).fit(X, Y, epochs=2, batch_size=10, verbose=0).history
    model = build("auc", Seen())
    assert model.fit(X, Y, epochs=2, batch_size=10, verbose=0, callbacks=Evaluates()).history == plain
    expected, found = model.evaluate(X, Y, verbose=0), []
    threads = [
        threading.Thread(target=lambda: found.append(model.evaluate(X, Y, verbose=0))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_an_error_in_a_metric_leaves_a_usable_model():
    class Fails(Seen):
        fails = True

        def update_state(self, y_true, y_pred, sample_weight=None):
            if self.fails:
                raise RuntimeError("no")
            super().update_state(y_true, y_pred)

    model = build(Fails())
    with pytest.raises(RuntimeError, match="no"):
        model.fit(X, Y, verbose=0)
    with pytest.raises(RuntimeError, match="no"):
        model.evaluate(X, Y, verbose=0)
    Fails.fails = False
    assert model.metrics[0] is model.metrics[0]
    model.fit(X, Y, verbose=0)
    assert model.metrics[0].sizes == [32, 32, 11]


def test_arrays_of_a_metric_are_not_to_be_written_to():
    def spoils(y_true, y_pred):
        y_true[:] = 0
        return y_pred

    with pytest.raises(ValueError, match="read-only"):
        build(spoils).evaluate(X, Y, verbose=0)


def test_results_that_are_no_numbers_are_refused():
    for odd in ("one", [], {}, {1: 1.0}, {"a": "one"}):

        class Odd(Seen):
            def result(self, odd=odd):
                return odd

        with pytest.raises(ValueError, match="the result of metric 'seen' must be a number, an array"):
            build(Odd()).evaluate(X, Y, verbose=0)
    with pytest.raises(ValueError, match="class_id of metric 'recall' is 1, but there are 1 outputs"):
        build(metrics.Recall(class_id=1))
    with pytest.raises(ValueError, match='not have the name "loss"'):
        build(metrics.Precision(name="loss"))
    with pytest.raises(TypeError, match="the result of the metric bad must be numbers, one or 75"):
        build(metrics.FunctionMetric(lambda y, p: np.ones(3), name="bad")).test_on_batch(X, Y)
    with pytest.raises(NotImplementedError, match="needs a method update_state"):
        build(metrics.Metric("empty")).evaluate(X, Y, verbose=0)


class Range(metrics.Metric):
    """The largest output and the number of rows."""

    def __init__(self, name="range", keys=("rows", "largest")):
        super().__init__(name=name)
        self.keys = keys
        self.rows, self.largest = self.add_variable(), self.add_variable()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.rows.assign_add(len(y_pred))
        self.largest.assign(max(self.largest, y_pred.max()))

    def result(self):
        return dict(zip(self.keys, (self.rows, self.largest), strict=True))


def test_results_that_are_dicts(tmp_path):
    model = build(Range(), "mae", metrics.Precision())
    found, outputs = model.evaluate(X, Y, return_dict=True), model.predict(X)
    assert list(found) == ["loss", "mae", "precision", "largest", "rows"]
    assert (found["largest"], found["rows"]) == (outputs.max(), len(X))
    assert model.evaluate(X, Y)[3:] == [found["largest"], found["rows"]]
    stop = callbacks.EarlyStopping("val_largest", patience=1, mode="max")
    written = callbacks.CSVLogger(tmp_path / "log.csv")
    history = model.fit(X, Y, epochs=3, validation_split=0.2, verbose=2, callbacks=[stop, written]).history
    assert {"rows", "val_largest"} < set(history) and "range" not in history
    assert "val_largest" in (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    for keys in (("loss", "a"), ("mae", "a"), ("a", "precision")):
        with pytest.raises(ValueError, match=f"metric 'range' has the key '{(*keys, '')[keys[0] == 'a']}'"):
            build(Range(keys=keys), "mae", metrics.Precision()).evaluate(X, Y)
    with pytest.raises(ValueError, match="result of metric 'range_1' has the key 'rows': the logs have"):
        build(Range(), Range()).evaluate(X, Y)


THREE = np.eye(3, dtype=np.float32)[(3 * RNG.random(75)).astype(int)]


def classifier(*watched, **options):
    model = nnc.Sequential([nnc.Input((4,)), layers.Dense(3, "softmax")], seed=5)
    model.compile("adam", "categorical_crossentropy", metrics=list(watched), **options)
    return model


def test_a_name_given_again_is_numbered():
    same = [metrics.Recall(0.3), metrics.Recall(0.4), "mae", "mae", metrics.Recall(0.35)]
    model = classifier(*same, weighted_metrics=["mae", "mae", "mse", metrics.Recall(), metrics.Recall(0.3)])
    assert model.metrics_names[1:6] == ["recall", "recall_1", "mae", "mae_1", "recall_2"]
    assert model.metrics_names[6:9] == ["weighted_mae", "weighted_mae_1", "mse"]
    assert model.metrics_names[9:] == ["weighted_recall", "weighted_recall_1"]
    found = model.evaluate(X, THREE, return_dict=True)
    again = classifier(metrics.Recall(0.35)).evaluate(X, THREE, return_dict=True)
    assert found["recall_2"] == again["recall"] and found["mae"] == found["mae_1"] == found["weighted_mae"]
    assert found["weighted_recall_1"] == found["recall"] > found["recall_2"] > found["recall_1"]
    odd = [metrics.Recall(name=name) for name in ("a_1", "a", "a", "a")]
    assert classifier(*odd).metrics_names[1:] == ["a_1", "a", "a_2", "a_3"]
    stop = callbacks.EarlyStopping("val_recall_1")
    model.fit(X, THREE, epochs=2, verbose=0, validation_split=0.2, callbacks=stop)
    assert stop.sign == -1


@pytest.mark.filterwarnings("ignore:the model is saved without the metric")
def test_results_that_are_arrays(tmp_path, capsys):
    class Errors(metrics.Metric):
        def __init__(self):
            super().__init__("errors")
            self.sums = self.add_variable((2, 3))

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.sums.assign_add([abs(y_true - y_pred).sum(axis=0), np.full(3, len(y_true))])

        def result(self):
            return self.sums

    watched = ["accuracy", metrics.F1Score(), metrics.Precision([0.2, 0.3, 0.9], name="p"), Errors()]
    model = classifier(*watched)
    csv, path = tmp_path / "log.csv", tmp_path / "model.safetensors"
    logger = callbacks.CSVLogger(csv)
    history = model.fit(X, THREE, epochs=2, verbose=2, validation_split=0.2, callbacks=logger).history
    assert [value.shape for value in history["val_f1_score"]] == [(3,), (3,)]
    assert history["errors"][1].shape == (2, 3) and (history["errors"][1][1] == 60).all()
    assert f"val_f1_score: {history['val_f1_score'][1].mean():.4f}" in capsys.readouterr().out
    found = model.evaluate(X, THREE)
    expected = metrics.F1Score()(THREE, model.predict(X))
    assert isinstance(found[1], float) and found[2].tolist() == expected.tolist()
    line = csv.read_text().splitlines()[2]
    assert f'"""{history["f1_score"][1].tolist()}"""' in line
    model.save(path)
    again = nnc.load_model(path)
    np.testing.assert_array_equal(again.history.history["val_p"], history["val_p"])
    assert again.evaluate(X, THREE)[3].tolist() == found[3].tolist()
    assert "f1_score[2]" in again.history._repr_html_() and "errors[1,2]" in again.history._repr_html_()
    axes = nnc.plot.history(again.history)
    assert [axis.get_ylabel() for axis in axes][:3] == ["loss", "accuracy", "f1_score[0]"]
    plt.close(axes[0].figure)
    for callback in (callbacks.EarlyStopping, callbacks.ReduceLROnPlateau):
        watch = callback(monitor="f1_score", mode="max")
        with pytest.raises(ValueError, match=r"monitors 'f1_score', which is an array of shape \(3,\)"):
            model.fit(X, THREE, verbose=0, callbacks=watch)


def test_files_hold_nncs_metrics_and_leave_out_those_of_users(tmp_path):
    path = tmp_path / "model.safetensors"
    model = build(metrics.AUC(curve="PR", name="pr"), weighted_metrics=[metrics.Recall(0.4, name="r")])
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(path)
    again = nnc.load_model(path)
    assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    assert again.metrics == model.metrics and again.metrics[0].curve == "PR"
    model = build("auc", Seen(), share)
    with pytest.warns(UserWarning, match="saved without the metric '(seen|share)'"):
        model.save(path)
    again = nnc.load_model(path)
    assert again.metrics_names == ["loss", "auc"]
    again.fit(X, Y, verbose=0)


def test_copies_have_metrics_of_their_own():
    model = build("auc", Seen())
    model.fit(X, Y, verbose=0)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
        assert again.metrics[1] is not model.metrics[1]


class StopsWithin(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 3:
            raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:the model is saved without the metric")
def test_a_resumed_epoch_ends_with_the_numbers_of_one_that_was_not(tmp_path):
    path = tmp_path / "run.safetensors"
    whole = build("auc", Seen(), share).fit(X, Y, epochs=2, batch_size=10, verbose=0).history
    model = build("auc", Seen(), share)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=2, batch_size=10, verbose=0, callbacks=StopsWithin())
    model.save(path)
    again = build("auc", Seen(), share)
    assert again.fit(X, Y, epochs=2, batch_size=10, verbose=0, resume_from=path).history == whole


def test_callbacks_ask_the_metric_what_is_good():
    for metric, sign in ((metrics.AUC(name="area"), -1), (metrics.RootMeanSquaredError(name="acc_error"), 1)):
        stop = callbacks.EarlyStopping(monitor=f"val_{metric.name}", patience=50)
        build(metric).fit(X, Y, epochs=2, verbose=0, validation_split=0.2, callbacks=stop)
        assert stop.sign == sign
    assert nnc.search.GridSearch(build, {"a": [1]}, metric="val_auc", validation_split=0.2).direction == "max"
    assert nnc.search.GridSearch(build, {"a": [1]}, metric="val_r2_score", folds=2).direction == "max"
    assert nnc.search.GridSearch(build, {"a": [1]}, metric="val_logcosh", folds=2).direction == "min"


def test_metrics_by_hand():
    auc = metrics.AUC(num_thresholds=3)
    auc.update_state([0, 0], [0.0, 0.5])
    auc.update_state([1, 1], [0.3, 0.9])
    assert auc.result() == 0.75
    auc.reset_state()
    assert auc.result() == 0.0
    weighted = metrics.AUC(num_thresholds=3)
    assert weighted([0, 0, 1, 1], [0, 0.5, 0.3, 0.9], sample_weight=[1, 0, 0, 1]) == 1.0
    assert metrics.Precision(thresholds=[0.9, 0.1])([1, 0, 1], [0.95, 0.5, 0.2]).tolist() == [1.0, 2 / 3]
    assert metrics.TruePositives()([1, 1], [np.nan, 1.0]) == 1.0
    assert metrics.get("AUC").name == "AUC" and metrics.get("auc").name == "auc"
    with pytest.raises(ValueError, match="y_true has 3 rows but y_pred has 2"):
        auc.update_state([0, 1, 1], [[0.5], [0.5]])
    assert metrics.cosine_similarity([[0.0, 1.0]], [[3.0, 4.0]]) == pytest.approx([0.8])
    with pytest.raises(AttributeError, match="has no attribute 'auk'"):
        _ = metrics.auk


def test_a_variable_is_an_array_to_numpy():
    metric = metrics.Metric("own")
    count = metric.add_variable(shape=(2,), initializer="ones", dtype="int32", name="count")
    count.assign_add([1, 2])
    count.assign_sub(1)
    assert (count / 2).tolist() == [0.5, 1.0] and np.max(count) == 2 and count.dtype == np.int32
    assert count[1] == 2 and len(count) == 2 and metric.variables[0] is count
    metric.reset_state()
    assert count.numpy().tolist() == [0, 0]
