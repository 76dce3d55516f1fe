"""Names at an axis, which has little room: in lines, and cut where these are too many, in the middle
and never to the same text as another name."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

PARTS = " · "
"""Between parts of a name that stand in lines of their own."""

CUT = "…"


def in_lines(names: Sequence[str], width: int, most: int) -> dict[str, list[str]]:
    """The lines of each name: at most ``most``, of at most ``width`` letters.

    A name that takes more keeps its beginning and its end. Names that would look the same are not
    cut, since the rest of them is what tells them apart.
    """
    whole = {name: [line for part in name.split(PARTS) for line in textwrap.wrap(part, width)] or [""] for name in names}
    cut = {name: _cut(lines, width, most) for name, lines in whole.items()}
    shown = [tuple(lines) for lines in cut.values()]
    return {name: lines if shown.count(tuple(lines)) == 1 else whole[name] for name, lines in cut.items()}


def _cut(lines: list[str], width: int, most: int) -> list[str]:
    """The first and the last of the lines, with a sign of what is missing."""
    if len(lines) <= most:
        return lines
    if most == 1:
        text = " ".join(lines)
        end = (width - 1) // 2
        return [text[: width - 1 - end] + CUT + text[len(text) - end :]]
    first, last = lines[: most // 2], lines[len(lines) - (most - most // 2) :]
    return [*first[:-1], f"{first[-1][: width - 1]}{CUT}", *last]
