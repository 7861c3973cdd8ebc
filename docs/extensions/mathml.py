"""Formulas as MathML, which browsers render natively: no script and nothing from another host."""

from __future__ import annotations

from docutils.utils.math.latex2mathml import tex2mathml


def inline(translator, node):
    """An inline formula."""
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise _skip()


def block(translator, node):
    """A displayed formula."""
    translator.body.append(f'<div class="math" tabindex="0">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise _skip()


def _skip():
    from docutils.nodes import SkipNode

    return SkipNode()


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
