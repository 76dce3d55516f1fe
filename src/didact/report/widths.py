"""How tables and texts find room on a terminal.

Of a table: which of its columns are shown, and how wide each is.

Cells wrap between words, those of the widest columns first; figures and digests stay in one piece.
Where rows take more than two lines each, columns that the table calls details are left out. A table
without details that is too wide goes on below, with its first column again.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rich.cells import cell_len

LINES = 2
"""Lines that a row may take, on average, before details are left out."""

LONGEST = 40
"""Letters of the longest word that is kept in one piece; a longer one is an address or a path."""

EDGE, GAP = 1, 3
"""What the lines of a table take: at its left, and for each column, with a space on both sides."""


@dataclass(frozen=True)
class Column:
    """A column as text.

    Attributes:
        cells: of its rows.
        whole: whether cells stay in one piece.
        detail: how early it is left out, from 1; 0 for a column that stays.
    """

    name: str
    cells: tuple[str, ...]
    whole: bool = False
    detail: int = 0

    @cached_property
    def least(self) -> int:
        """The width below which words would break."""
        words = [word for text in (self.name, *(() if self.whole else self.cells)) for word in text.split()]
        whole = map(cell_len, self.cells if self.whole else ())
        return max([1, *(min(LONGEST, cell_len(word)) for word in words), *whole])

    @cached_property
    def most(self) -> int:
        """The width at which no cell wraps."""
        return max(1, *map(cell_len, (self.name, *self.cells)))


Widths = dict[int, int]
"""The widths of the columns that are shown, by their place."""


def parts(columns: Sequence[Column], room: int) -> list[Widths]:
    """The tables that show the columns, one below the other: most often one; none where there is no
    room for any."""
    if any(column.detail for column in columns):
        fitting = [widths for shown in _shorter(columns) if (widths := _fitted(columns, shown, room))]
        short = [widths for widths in fitting if _lines(columns, widths) <= LINES * len(columns[0].cells)]
        return [*short, *reversed(fitting)][:1]
    whole = _fitted(columns, range(len(columns)), room)
    return [whole] if whole else _split(columns, room)


def left_out(columns: Sequence[Column], shown: Sequence[Widths]) -> list[str]:
    """The names of the columns that none of the tables shows."""
    return [column.name for at, column in enumerate(columns) if not any(at in widths for widths in shown)]


def _shorter(columns: Sequence[Column]) -> Iterator[list[int]]:
    """Places of columns: all, then fewer and fewer details."""
    shown = list(range(len(columns)))
    yield list(shown)
    for at in sorted((at for at in shown if columns[at].detail), key=lambda at: columns[at].detail):
        shown.remove(at)
        yield list(shown)


def _split(columns: Sequence[Column], room: int) -> list[Widths]:
    """Tables of as many columns as there is room for, each with the first column, which looks the same in all."""
    columns = [replace(columns[0], whole=columns[0].most <= LONGEST), *columns[1:]]
    groups: list[list[int]] = []
    for at in range(1, len(columns)):
        if groups and _fitted(columns, [0, *groups[-1], at], room):
            groups[-1].append(at)
        else:
            groups.append([at])
    found = [_fitted(columns, [0, *group], room) for group in groups]
    return [widths for widths in found if widths] if all(found) else []


def _fitted(columns: Sequence[Column], shown: Sequence[int], room: int) -> Widths | None:
    """The widths of the columns at these places; None where words would break."""
    least, widths = ({at: getattr(columns[at], which) for at in shown} for which in ("least", "most"))
    spare = room - EDGE - GAP * len(widths)
    if sum(least.values()) > spare:
        return None
    while sum(widths.values()) > spare:
        widest = max((at for at in shown if widths[at] > least[at]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _lines(columns: Sequence[Column], widths: Widths) -> int:
    """How many lines all rows take."""
    rows = range(len(columns[0].cells))
    return sum(max(_wrapped(columns[at].cells[row], width) for at, width in widths.items()) for row in rows)


def _wrapped(cell: str, width: int) -> int:
    """How many lines a cell takes."""
    return 1 if cell_len(cell) <= width else len(textwrap.wrap(cell, width, break_on_hyphens=False))


def aligned(columns: Sequence[Column], right: Sequence[bool]) -> Iterator[str]:
    """The table in lines as long as it takes: names, then a line a row, two spaces between columns."""
    widths = [column.most for column in columns]
    for cells in [[column.name for column in columns], *zip(*(column.cells for column in columns), strict=True)]:
        spaces = [" " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)]
        placed = [space + cell if ends else cell + space for cell, space, ends in zip(cells, spaces, right, strict=True)]
        yield "  ".join(placed).rstrip()


def hanging(text: str, width: int) -> str:
    """``text`` with lines that are too long going on below, indented like their beginning; the space
    before the number of an equation shrinks instead. A command stays one line, to be copied whole."""
    return "\n".join(part for line in text.split("\n") for part in _hanging(line, width))


def _hanging(line: str, width: int) -> list[str]:
    words = line.lstrip()
    if cell_len(line) <= width or words.startswith("didact "):
        return [line]
    gap = max(re.findall(" {3,}", words), key=len, default="")
    over = cell_len(line) - width
    if over <= len(gap) - 2:
        return [line[::-1].replace(gap, gap[over:], 1)[::-1]]
    indent = " " * min(len(line) - len(words), width // 2)
    return textwrap.wrap(
        words, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
