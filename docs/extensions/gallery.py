"""The gallery: which examples are run while the site is built, how, and the source of their pictures.

The others, which take long or need another package, are shown without running them.
"""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path
from shutil import copyfile

import matplotlib.pyplot as plt
from sphinx_gallery.scrapers import figure_rst

# The scripts that are run, with the arguments that make them short; and the picture shown for each.
QUICK = {
    "iris_activations": ["--quick"],
    "mnist": ["--epochs", "3"],
    "search_mnist": ["--quick"],
    "theory": [],
}
FIRST = {"mnist": "mistakes", "search_mnist": "trials_parameters"}
RUN = rf"/({'|'.join(QUICK)})\.py$"

EXAMPLES = Path(__file__).parents[2] / "examples"
OUTPUT = Path(tempfile.mkdtemp(prefix="nnc-gallery-"))  # a folder for what each script writes


def arguments(gallery_conf, script_vars) -> list[str]:
    """The arguments of a script; also sets its file and docstring, which sphinx-gallery does not."""
    script = EXAMPLES / Path(script_vars["src_file"]).name
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    script_vars["example_globals"] |= {"__file__": str(script), "__doc__": docstring}
    return [*QUICK.get(script.stem, []), "--output", str(OUTPUT / script.stem)]


def pictures(block, block_vars, gallery_conf) -> str:
    """The pictures that a script has written, in the form shown on its page."""
    plt.close("all")  # they are saved
    name = Path(block_vars["src_file"]).stem
    text = ""
    for picture in sorted(
        (OUTPUT / name).glob("*.png"), key=lambda path: (path.stem != FIRST.get(name), path)
    ):
        path = block_vars["image_path_iterator"].next()
        copyfile(picture, path)
        text += figure_rst([path], gallery_conf["src_dir"], picture.stem.replace("_", " "))
    return text
