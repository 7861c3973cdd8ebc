"""HTML for notebooks: tables, curves and bars that use the colours of the page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

# Nothing has a background, text and lines have the page's colour; the two colours of curves have a contrast
# of 3 with white and with black.
STYLE = """<style>
.nnc{color:inherit;background:none;font-size:90%;line-height:1.4}
.nnc.nnc table{border-collapse:collapse;color:inherit;background:none;margin:.3em 0}
.nnc.nnc th,.nnc.nnc td{text-align:left;padding:.15em .8em;color:inherit;background:none;border:0}
.nnc.nnc thead th{border-bottom:1px solid currentColor}
.nnc.nnc tbody tr+tr td{border-top:1px solid rgba(128,128,128,.35)}
.nnc.nnc .number{text-align:right;font-variant-numeric:tabular-nums}
.nnc .note{opacity:.75}
.nnc svg{vertical-align:top;margin-right:1em}
.nnc svg text{fill:currentColor;font-size:11px;font-family:sans-serif}
.nnc progress{accent-color:#3a8fd0;vertical-align:middle;width:16em}
</style>"""
_COLOURS = ("#3a8fd0", "#d9730d")
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 300, 170, 52, 22, 20


def block(*parts: str) -> str:
    """The parts with their style, as a `_repr_html_` returns them."""
    return f'<div class="nnc">{STYLE}{"".join(parts)}</div>'


def line(text: Any, kind: str = "") -> str:
    """A line of text, escaped."""
    return f'<div class="{kind}">{escape(str(text))}</div>'


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A table; every cell is escaped, numbers are right-aligned."""

    def row(cells: Sequence[Any], tag: str) -> str:
        return f"<tr>{''.join(_cell(cell, tag) for cell in cells)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    top = f"<thead>{row(head, 'th')}</thead>" if head else ""
    return f"<table>{top}<tbody>{body}</tbody></table>"


def _cell(value: Any, tag: str) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    kind = ' class="number"' if number else ""
    return f"<{tag}{kind}>{escape(text)}</{tag}>"


def progress(share: float | None, text: str) -> str:
    """A bar and the text next to it; None: the total is unknown."""
    value = "" if share is None else f' value="{min(max(share, 0.0), 1.0):.4f}"'
    return block(f"<progress{value}></progress> <span>{escape(text)}</span>")


def chart(title: str, epochs: Sequence[int], curves: Mapping[str, Sequence[float]]) -> str:
    """One or two curves against the epoch as SVG, the second dashed; only finite values are drawn."""
    points = {name: _points(epochs, curve) for name, curve in curves.items()}
    values = [y for curve in points.values() for _, y in curve]
    if not values:
        return line(f"{title}: no finite values")
    low, high = min(values), max(values)
    first, last = min(epochs), max(epochs)
    right, bottom = _WIDTH - 8, _HEIGHT - _BOTTOM

    def at(x: float, y: float) -> str:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - low) / (high - low) if high > low else 0.5
        return f"{_LEFT + 6 + across * (right - _LEFT - 12):.1f},{bottom - 6 - up * (bottom - _TOP - 12):.1f}"

    parts = [
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="currentColor" opacity=".6"/>',
    ]
    marks = {high: _TOP + 10, low: bottom - 3} if high > low else {low: (_TOP + bottom) / 2}
    for value, y in marks.items():
        parts.append(f'<text x="{_LEFT - 4}" y="{y:.0f}" text-anchor="end">{value:.4g}</text>')
    for epoch, x in {first: _LEFT + 6, last: right - 6}.items():
        parts.append(f'<text x="{x}" y="{_HEIGHT - 5}" text-anchor="middle">{epoch}</text>')
    left = float(_LEFT)
    for i, (name, curve) in enumerate(points.items()):
        look = f'stroke="{_COLOURS[i]}" stroke-width="1.6" fill="none"' + ' stroke-dasharray="5 3"' * i
        parts.append(f'<polyline {look} points="{" ".join(at(*point) for point in curve)}"/>')
        if len(curve) == 1:
            across, up = at(*curve[0]).split(",")
            parts.append(f'<circle cx="{across}" cy="{up}" r="3" fill="{_COLOURS[i]}"/>')
        label = f"{name} {curve[-1][1]:.4g}" if curve else name
        parts.append(
            f'<path d="M{left:.0f} 9h18" {look}/><text x="{left + 22:.0f}" y="13">{escape(label)}</text>'
        )
        left += 30 + 6.2 * len(label)
    return "".join([*parts, "</svg>"])


def _points(epochs: Sequence[int], curve: Sequence[float]) -> list[tuple[int, float]]:
    every = max(1, len(epochs) // max(1, len(curve)))  # validation_freq: a shorter curve skips epochs
    pairs = zip(epochs[every - 1 :: every], curve, strict=False)
    return [(epoch, float(value)) for epoch, value in pairs if math.isfinite(value)]
