"""The gallery: which examples are run while the site is built, how, and the source of their pictures."""

from __future__ import annotations

import ast
import re
import tempfile
from pathlib import Path
from shutil import copyfile

import matplotlib.pyplot as plt
from sphinx_gallery.scrapers import figure_rst

# The scripts that are run, with the arguments that make them short; and the picture shown for each.
QUICK = {
    "activations_losses": ["--quick"],
    "export_c": ["--quick", "--int8"],
    "iris_activations": ["--quick"],
    "mnist": ["--epochs", "3"],
    "mnist_cnn": ["--quick"],
    "search_grid": ["A", "--quick"],
    "search_mnist": ["--quick"],
    "sklearn_pipeline": ["--quick"],
    "theory": [],
    "two_layer_mse": ["--quick"],
}
FIRST = {
    "mnist": "mistakes",
    "mnist_cnn": "feature_maps",
    "search_grid": "learning_rate-l2",
    "search_mnist": "trials_parameters",
    "two_layer_mse": "Model1_weights",
}
# The scripts that are shown but not run, and the reason.
SHOWN = {
    "fashion_mnist": "it downloads its data set",
    "search_cluster": "it needs Dask",
    "search_optuna": "it needs Optuna",
}
RUN = rf"/({'|'.join(QUICK)})\.py$"

EXAMPLES = Path(__file__).parents[2] / "examples"
PREFIX = str(Path(tempfile.gettempdir()) / "nnc-gallery-")
FOLDER = tempfile.TemporaryDirectory(prefix=PREFIX)  # removed at exit
OUTPUT = Path(FOLDER.name)  # has a folder for each script

if {script.stem for script in EXAMPLES.glob("*.py")} != QUICK.keys() | SHOWN.keys():
    raise RuntimeError("docs/extensions/gallery.py must list every script of examples in QUICK or in SHOWN")


def arguments(gallery_conf, script_vars) -> list[str]:
    """The arguments of a script; also sets its file and docstring, which sphinx-gallery does not."""
    script = EXAMPLES / Path(script_vars["src_file"]).name
    source = script.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source))
    script_vars["example_globals"] |= {"__file__": str(script), "__doc__": docstring}
    folder = ["--output", str(OUTPUT / script.stem)] if '"--output"' in source else []
    return [*QUICK.get(script.stem, []), *folder]


def pictures(block, block_vars, gallery_conf) -> str:
    """The pictures that a script has written, in the form shown on its page."""
    plt.close("all")  # they are saved
    name = Path(block_vars["src_file"]).stem
    text = ""
    for picture in sorted(
        (OUTPUT / name).rglob("*.png"), key=lambda path: (path.stem != FIRST.get(name), path)
    ):
        path = block_vars["image_path_iterator"].next()
        copyfile(picture, path)
        text += figure_rst([path], gallery_conf["src_dir"], picture.stem.replace("_", " "))
    return text


def finish(app, page: str, source: list[str]) -> None:
    """Complete a script's page: how it was run, or why not; its folder is shown as if run by a user."""
    folder, _, name = page.rpartition("/")
    if folder != "gallery" or name not in QUICK.keys() | SHOWN.keys():
        return
    if name in SHOWN:
        note = f"This script is not run while the site is built, since {SHOWN[name]}."
    else:
        command = " ".join(["python", f"examples/{name}.py", *QUICK[name]])
        note = f"The output on this page is that of ``{command}``."
    text = re.sub(rf"{re.escape(PREFIX)}\w+", "results", source[0])  # a cached page has another run's folder
    source[0] = re.sub(r"^(=+)\n", rf"\1\n\n.. note::\n\n   {note}\n\n", text, count=1, flags=re.MULTILINE)


def setup(app):
    app.connect("source-read", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
