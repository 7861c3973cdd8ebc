"""One script for each feature, run under Keras and under nnc: see tests/helpers/keras_scripts.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from keras_scripts import SCRIPTS, Script, difference, read, run_both, run_stable

DOCS = Path(__file__).parents[2] / "docs" / "keras.md"


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    pytest.importorskip("torch")
    return pytest.importorskip("keras", exc_type=ImportError)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script(path, keras):
    script = read(path)
    theirs, ours = run_both(script)
    if script.kind == "refused":
        assert isinstance(ours, Exception) and len(str(ours)) > 20
        return
    if isinstance(ours, Exception):
        raise ours
    found = difference(theirs, ours)
    assert (found == "") == (script.kind == "equal"), found or "nothing differs"


UNSTABLE = """
import keras
model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, "sigmoid")])
start(model)
outputs = model.predict(x, verbose=0)
result = {"odd": [int(1e6 * value) % 2 for value in outputs[:, 0]]}
"""


def test_results_that_rounding_errors_change_are_not_compared():
    script = Script("unstable", UNSTABLE, "", "equal", "")
    with pytest.raises(AssertionError, match=r"perturbed weights, .*result\['odd'\]\[.*differs by"):
        run_stable(script)


def test_the_table_has_every_script():
    text = DOCS.read_text(encoding="utf-8")
    for path in SCRIPTS:
        script = read(path)
        assert f"| {script.title} | {script.kind} |" in text, "run python tests/keras/table.py"
        assert script.reason in text
