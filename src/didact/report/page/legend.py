"""The sign of a group in a legend: its line, its mark, or both, as they are drawn."""

from __future__ import annotations

from didact.report.page import chart
from didact.tables.page.picture import Curves, Dots, Picture

WIDE = 30
"""Width of a line."""

MARKS = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "square": "M-3.5-3.5h7v7h-7z",
    "triangle-up": "M0-4L4.5 4h-9z",
    "diamond": "M0-5L4.5 0 0 5-4.5 0z",
    "cross": "M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
}
"""Outlines of marks around (0, 0)."""


def swatch(picture: Picture, group: str) -> str:
    """A small drawing, which a screen reader leaves out: the name stands beside it."""
    style = chart.style(picture, group)
    lines = [panel for panel in picture.panels if isinstance(panel, Curves)]
    marks = [panel for panel in picture.panels if isinstance(panel, Dots)]
    wide = WIDE if lines or any(group in panel.joined for panel in marks) else 10
    drawn = ""
    if wide == WIDE:
        known = [curve.dashed for panel in lines for curve in panel.curves if curve.group == group]
        dashes = style.dashes(dashed=bool(known) and all(known)) if lines else ()
        array = f' stroke-dasharray="{" ".join(f"{length:g}" for length in dashes)}"' if dashes else ""
        drawn += f'<path d="M0 5H{wide}"{array}/>'
    if any(group in panel.groups for panel in marks):
        drawn += f'<path class="m" transform="translate({wide // 2} 5)" d="{MARKS[style.shape]}"/>'
    size = f'width="{wide}" height="10" viewBox="0 0 {wide} 10"'
    return f'<svg class="swatch" aria-hidden="true" {size} style="color:var(--c{style.colour})">{drawn}</svg>'
