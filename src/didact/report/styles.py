"""Colours, dashes and shapes of groups: the same in the page and in the figures.

There are eight colours that everybody can tell apart. The ninth group has the first colour again
with other dashes and another shape, and so on: 40 groups differ.
"""

from __future__ import annotations

from dataclasses import dataclass

COLOURS = 8
"""Colours of the style sheet and of :data:`didact.report.figures.canvas.COLOURS`."""

DASHES = ((), (1.5, 2.5), (9, 3, 2, 3), (9, 3, 2, 3, 2, 3), (16, 3))
"""Of full lines, by round of the colours: strokes and gaps in points; none for an unbroken line."""

DASHED = ((5, 3), (5, 3, 1, 3), (2, 2, 5, 4), (5, 3, 1, 2, 1, 2, 1, 3), (12, 5))
"""Of dashed lines."""

SHAPES = (("circle", "o"), ("square", "s"), ("triangle-up", "^"), ("diamond", "D"), ("cross", "P"))
"""Of marks, as Vega and matplotlib call them."""


@dataclass(frozen=True)
class Style:
    """How a group is drawn: the number of its colour, and how often the colours were used up before."""

    colour: int
    turn: int

    @classmethod
    def of(cls, place: int) -> Style:
        """The style of the group at ``place``, from 0."""
        return cls(place % COLOURS, place // COLOURS % len(SHAPES))

    def dashes(self, *, dashed: bool = False) -> tuple[float, ...]:
        """Strokes and gaps of a line; empty for an unbroken one."""
        return (DASHED if dashed else DASHES)[self.turn]

    @property
    def shape(self) -> str:
        """Of a mark, as Vega calls it."""
        return SHAPES[self.turn][0]

    @property
    def marker(self) -> str:
        """Of a mark, as matplotlib calls it."""
        return SHAPES[self.turn][1]
