"""Sphinx configuration of the site: ``sphinx-build -W --keep-going -b html docs docs/_build``."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent / "extensions"))
os.environ.setdefault("NNC_DATA_DIR", str(ROOT / "examples" / "data"))

import gallery  # noqa: E402

import nnc  # noqa: E402

project = "nnc"
author = "the nnc authors"
copyright = "the nnc authors"
version = release = nnc.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    "numpydoc",
    "api_pages",
    "gallery",
    "included",
    "mathml",
]
exclude_patterns = ["_build", "experiments/template.md", "extensions", "gallery/*.ipynb", "gallery/*.py"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
default_role = "py:obj"
smartquotes = False  # quotes are those of Python's strings, and two hyphens begin an option
nitpick_ignore_regex = [("py:.*", ".*")]
html_math_renderer = "mathml"

# External links: sphinx-build -b linkcheck -D plot_gallery=0 docs docs/_build/linkcheck, with a network.
linkcheck_anchors = False  # many sites create their anchors by JavaScript
linkcheck_timeout = 20
linkcheck_retries = 2

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # a method that only fulfils its base class is described there
autodoc_typehints = "none"  # the docstrings have them, with shapes and dtypes
autosummary_generate = False
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "nnc"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "start": []}  # they have no section
html_context = {"default_mode": "auto"}  # the colours of the system

# extensions/gallery.py determines which scripts are run, and how.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": gallery.RUN,
    "ignore_pattern": "__init__",
    "default_thumb_file": str(ROOT / "docs" / "drawings" / "network.svg"),
    "reset_argv": "gallery.arguments",
    "image_scrapers": ("gallery.pictures",),
    "reset_modules": (),
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
}
