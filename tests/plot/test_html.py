"""HTML of models, layers, histories and searches in notebooks; the progress bar; a complete notebook."""

from __future__ import annotations

import html.parser
import sys
import types
import xml.etree.ElementTree

import numpy as np
import pytest

import nnc
from nnc import _html, layers
from nnc.search import SearchResult, Trial
from nnc.search.planner import Plan

EVIL = "<script>alert('x')</script>&\""


class Balanced(html.parser.HTMLParser):
    """Fails on tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(thing):
    text = thing._repr_html_()
    tags = Balanced(text).tags
    assert "script" not in tags and text.startswith('<div class="nnc">')
    assert "#000" not in text and "white" not in text and "black" not in text  # the page says which
    return text


def trial(number, score, status="done", reason="", **params):
    scores = [score] if status == "done" else []
    return Trial(number, params, 0, status, score, scores, 3, [{"loss": [3.0, 2, 1]}], reason, 0.5)


@pytest.mark.parametrize("built", [True, False])
def test_models_and_layers(built):
    model = nnc.Sequential([layers.Dense(3, "relu", name=EVIL.replace("/", "")), layers.Flatten()], name=EVIL)
    if built:
        model.build((None, 4))
    text = checked(model)
    assert "&lt;script&gt;" in text and ("Total params: 15" in text) == built
    text = checked(model.layers[0])
    assert ("(None, 4) to (None, 3), 15 weights" in text) == built and ("not built" in text) != built
    checked(model.layers[1])


def history(**curves):
    found = nnc.callbacks.History()
    found.history, found.epoch = curves, list(range(max(map(len, curves.values()), default=0)))
    return found


@pytest.mark.parametrize(
    "curves, polylines",
    [
        ({}, 0),
        ({"loss": [1.0]}, 1),
        ({"loss": [2.0, 1, 0.5], "val_loss": [2.0, 1.5, 1], "accuracy": [0.1, 0.2, 0.3]}, 3),
        ({"loss": [1.0, 1.0]}, 1),
        ({"loss": [4.0, 3, 2, 1], "val_loss": [3.0, 1]}, 2),
        ({"loss": [1.0, float("nan"), float("inf"), 2.0]}, 1),
        ({"loss": [float("nan")] * 3}, 0),
        ({EVIL: [1.0, 2.0]}, 1),
        ({"loss": np.float32([1, 2])}, 1),
    ],
)
def test_history(curves, polylines):
    text = checked(history(**curves))
    assert text.count("<polyline") == polylines and "nan" not in text.partition("points")[2]
    for chart in text.split("<svg")[1:]:
        root = xml.etree.ElementTree.fromstring("<svg" + chart.partition("</svg>")[0] + "</svg>")
        for line in root.iter("polyline"):
            points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
            assert points and all(0 <= x <= 300 and 0 <= y <= 170 for x, y in points)
            assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_searches():
    trials = [trial(i, 1 - i / 100, rate=0.1 * i, kind=EVIL) for i in range(30)]
    trials.append(trial(30, float("nan"), "failed", EVIL, rate=0.0))
    result = SearchResult(trials, "accuracy", "max", Plan(1, 1, ""), False)
    text = checked(result)
    assert text.count("<tr>") == 21 and "and 11 more" in text and "best: {" in text
    assert "score 1, 3 epochs" in checked(trials[0]) and "&lt;script&gt;" in checked(trials[-1])
    checked(SearchResult([], "accuracy", "max", Plan(1, 1, ""), True))
    assert "best:" not in checked(SearchResult(trials[-1:], "accuracy", "max", Plan(1, 1, ""), False))


# ---- the bar


@pytest.fixture
def kernel(monkeypatch):
    """A fake of the part of a notebook's IPython that nnc uses; returns the outputs, a list per display."""
    shown = []

    def display(thing, display_id):
        assert display_id is True
        shown.append([thing._repr_html_()])
        return types.SimpleNamespace(update=lambda thing, own=shown[-1]: own.append(thing._repr_html_()))

    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    return shown


def compiled():
    model = nnc.Sequential([nnc.Input((4,)), layers.Dense(3)])
    model.compile("adam", nnc.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_one_bar_for_a_run(kernel, capsys):
    x, y = nnc.datasets.load_iris()
    model = compiled()
    model.fit(x, y, epochs=5)
    assert capsys.readouterr() == ("", "")
    (updates,) = kernel
    assert "Epoch 5/5 epochs" in updates[-1] and "loss: " in updates[-1] and 'value="1.0000"' in updates[-1]
    model.predict(x)
    model.evaluate(x, y)
    assert len(kernel) == 1  # these print nothing anyway
    model.predict(x, verbose=1)
    assert len(kernel) == 2 and "150/150" in kernel[-1][-1]
    model.fit(x, y, epochs=2, verbose=2)
    assert len(kernel) == 2 and len(capsys.readouterr().out.splitlines()) == 2


def test_a_run_that_fails_leaves_its_bar(kernel):
    x, y = nnc.datasets.load_iris()

    class Fails(nnc.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyError("on purpose")

    with pytest.raises(KeyError):
        compiled().fit(x, y, epochs=5, callbacks=[Fails()])
    assert len(kernel) == 1


def test_a_terminals_ipython_has_lines(kernel, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    compiled().fit(*nnc.datasets.load_iris(), epochs=2)
    assert kernel == [] and len(capsys.readouterr().out.splitlines()) == 2


def test_a_bar_of_nobody_knows_how_much():
    assert "value" not in _html.progress(None, EVIL).partition("<progress")[2].partition(">")[0]
    assert "<script>" not in _html.progress(0.5, EVIL)
