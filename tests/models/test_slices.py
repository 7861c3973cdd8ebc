"""The end of a slice of training depends on time: no result of a run may depend on it."""

import numpy as np
import pytest
from model_helpers import IDS, ROWS, X, classifier, half_square, same

from nnc import optimizers
from nnc.models.engine import Engine


def train_cut(monkeypatch, lengths):
    """Make slices have these numbers of steps in turn, cyclically."""
    whole = Engine.train
    turn = iter(lengths * 1000)

    def cut(self, arrays, order, start, n_steps, *more, **named):
        return whole(self, arrays, order, start, min(n_steps, next(turn)), *more, **named)

    monkeypatch.setattr(Engine, "train", cut)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", half_square])
@pytest.mark.parametrize("lengths", [[1], [2], [1, 2], [3, 1, 2]])
def test_history_does_not_depend_on_the_slices(lengths, loss, backend, monkeypatch):
    """Sums of an epoch are added step by step: (a + b) + (c + d) is not ((a + b) + c) + d in float64."""
    y = ROWS if callable(loss) else IDS
    whole = classifier(backend, loss=loss)
    expected = whole.fit(X, y, batch_size=3, epochs=6, verbose=0).history
    train_cut(monkeypatch, lengths)
    model = classifier(backend, loss=loss)
    assert model.fit(X, y, batch_size=3, epochs=6, verbose=0).history == expected and same(model, whole)


def test_sums_go_on(backend):
    model = classifier(backend, optimizer=optimizers.SGD(0.1))
    before = np.array([10.0, 5.0])
    plan = model._engine.plan_for(67)
    x, y, rates = X, IDS.astype(np.int32), np.zeros(1, np.float32)
    _, rows, loss, right = plan.train(x, y, None, None, 0, rates, 67, 0, 0, 1.0)
    _, _, more_loss, more_right = plan.train(x, y, None, None, 0, rates, 67, 0, 0, 1.0, before)
    assert rows == 67 and more_loss == 10.0 + loss and more_right.tolist() == [5.0 + right[0]]
    assert before.tolist() == [10.0, 5.0]
