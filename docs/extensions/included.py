"""Tidies the lines that pages include from the sources: no indentation, no empty lines at the end."""

from __future__ import annotations

from textwrap import dedent


def tidy(app, doctree) -> None:
    """Tidy the blocks that have a source file; others are as their page has them."""
    from docutils import nodes

    for block in doctree.findall(nodes.literal_block):
        if "source" in block:
            text = dedent(block.astext()).rstrip()
            block.rawsource = text  # highlighted only if it is the node's text
            block[:] = [nodes.Text(text)]


def setup(app):
    app.connect("doctree-read", tidy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
