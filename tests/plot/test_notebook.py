"""The example notebook runs to the end: each figure once, a progress bar instead of lines, HTML."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """The cells with their outputs."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(ROOT / "examples" / "data", folder / "data")
    found = nbformat.read(ROOT / "examples" / "first_network.ipynb", as_version=4)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    client = nbclient.NotebookClient(found, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)
    assert (folder / "results" / "first_network.safetensors").stat().st_size > 100_000
    return found


def outputs(notebook, start):
    """The outputs of the cell with a line that starts with this text."""
    (cell,) = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and any(line.startswith(start) for line in cell.source.splitlines())
    ]
    return cell.outputs


def kinds(shown):
    return {kind for output in shown for kind in output.get("data", {})}


def test_every_figure_is_shown_once(notebook):
    pictures = 0
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.splitlines()[-1].startswith(("plot.", "search.plots.")):
            images = ["image/png" in output.get("data", {}) for output in cell.outputs]
            assert sum(images) == 1, cell.source
            pictures += 1
    assert pictures >= 8


def test_html(notebook):
    for start in ("model = ", "history = ", "result = ", "model.layers[3]", "result.best_trial"):
        assert "text/html" in kinds(outputs(notebook, start)[-1:]), start
    assert "<svg" in json.dumps(outputs(notebook, "history = "))


def test_bars_without_widgets_or_lines(notebook):
    shown = outputs(notebook, "history = ")
    assert not [kind for kind in kinds(shown) if "widget" in kind]
    assert [output for output in shown if output.output_type == "stream"] == []
    bars = [output for output in shown if "<progress" in output.get("data", {}).get("text/html", "")]
    assert len(bars) == 1 and "Epoch 6/6" in bars[0].data["text/plain"]


def test_the_loaded_model_is_the_saved_one(notebook):
    assert outputs(notebook, "loaded = ")[-1].data["text/plain"] in ("True", "np.True_")
