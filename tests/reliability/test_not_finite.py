"""Messages name the origin of NaN and infinities: the row of x, or the weights of a file."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from model_helpers import IDS, X, classifier, half_square

from nnc import DivergenceError, callbacks, load_model

WORDS = {math.nan: "NaN", math.inf: "infinity", -math.inf: "infinity"}


def with_value(value, row, feature):
    x = X.copy()
    x[row, feature] = value
    return x


@pytest.mark.parametrize("value", WORDS)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("row", [0, 40, 66])
def test_x_is_blamed_with_its_row(value, shuffle, row, backend):
    model = classifier(backend)
    message = f"because x holds {WORDS[value]} in row {row} \\(feature 2 of the row\\)"
    with pytest.raises(DivergenceError, match=message) as caught:
        model.fit(with_value(value, row, 2), IDS, batch_size=10, epochs=2, shuffle=shuffle, verbose=0)
    assert "learning rate" not in str(caught.value)


def test_in_every_way_of_training(backend):
    x = with_value(math.nan, 50, 1)
    with pytest.raises(DivergenceError, match="train_on_batch, because x holds NaN in row 50"):
        classifier(backend).train_on_batch(x, IDS)
    with pytest.raises(DivergenceError, match="batch 2, because x holds NaN in row 17"):  # row of the batch
        classifier(backend).fit([(X[:33], IDS[:33]), (x[33:], IDS[33:])], verbose=0)
    with pytest.raises(DivergenceError, match="because x holds NaN in row 50"):
        classifier(backend, loss=half_square).fit(x, np.zeros((67, 3)), verbose=0)
    with pytest.raises(DivergenceError, match="because x holds NaN in row 50"):
        classifier(backend).fit(x, IDS, verbose=0, callbacks=callbacks.LambdaCallback(on_train_batch_end=id))
    wide = np.repeat(x, 2, axis=1)[:, ::2]  # not contiguous: a copy is read
    with pytest.raises(DivergenceError, match=r"because x holds NaN in row 50 \(feature 1"):
        classifier(backend).fit(wide, IDS, verbose=0)


def test_epochs_of_one_call(monkeypatch):
    """Several short epochs are trained in one call of the core: the row is named there, too."""
    model = classifier()
    model.fit(X, IDS, epochs=3, batch_size=16, verbose=0)
    x, found = X.copy(), model._engine.train_epochs

    def late(arrays, *more, **named):
        arrays.x[23, 3] = math.nan
        return found(arrays, *more, **named)

    monkeypatch.setattr(model._engine, "train_epochs", late)
    with pytest.raises(DivergenceError, match=r"because x holds NaN in row 23 \(feature 3 of the row\)"):
        model.fit(x, IDS, epochs=400, batch_size=16, verbose=0)


def test_other_divergence_blames_the_learning_rate(backend):
    model = classifier(backend, optimizer="sgd")
    model.optimizer.learning_rate = 1e38
    with pytest.raises(DivergenceError, match=r"at learning rate .* A smaller learning rate"):
        model.fit(X * 1e30, IDS, epochs=5, verbose=0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_told_of(value, backend, tmp_path):
    model = classifier(backend)
    weights = model.get_weights()
    weights[2][-1, -1] = value
    model.set_weights(weights)
    word = WORDS[value]
    for name, save in (("model", model.save), ("weights", model.save_weights)):
        with pytest.warns(
            UserWarning, match=f"saved with {word} in kernel of layer 'dense_1': .*{name}"
        ) as w:
            save(tmp_path / name)
        assert w[0].filename == __file__
        with pytest.warns(UserWarning, match=f"loaded with {word} in kernel of layer 'dense_1': .*{name}"):
            loaded = load_model(tmp_path / name)
        np.testing.assert_array_equal(loaded.get_weights()[2], weights[2])
        with pytest.warns(UserWarning, match="loaded with"):
            model.load_weights(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(backend).save(tmp_path / "model")
        load_model(tmp_path / "model")
