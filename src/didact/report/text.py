"""Tables, details and hints as text on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from didact.spec import clean
from didact.streams import fitted, lines, say
from didact.tables.table import Table, text


class Screen(Console):
    """A console that prints text literally: no markup, no emoji codes, escaped control characters,
    any encoding."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by rich for every string, including cells of tables, before it measures the
        width."""
        return super().render_str(fitted(lines(text), self.encoding), **options)


def print_table(console: Console, table: Table) -> None:
    """Print a table with its title above and its note below; columns of figures are aligned to the
    right.

    On a narrow terminal cells are wrapped between words, those of the widest columns first; figures
    and digests stay in one piece. Where even that has no room, the rows are printed one below the
    other. Nothing is left out.
    """
    widths: Sequence[int | None] | None = [None] * len(table.columns)
    if console.is_terminal:
        widths = _widths(table, console.width)
    if table.title:
        console.print(table.title, style="bold")
    if widths is None:
        _print_rows(console, table)
    else:
        console.print(_drawn(table, widths))
    if table.note:
        console.print(table.note, soft_wrap=not console.is_terminal)  # no wrapping in a pipe


def _drawn(table: Table, widths: Sequence[int | None]) -> RichTable:
    """The table with columns of these widths; of None rich decides."""
    drawn = RichTable()
    for name, numeric, width in zip(table.columns, table.numeric, widths, strict=True):
        # "fold" wraps long cells and never cuts them: an address must stay complete; a digest is copied in one piece
        how = "right" if numeric else "left"
        drawn.add_column(name, justify=how, overflow="fold", no_wrap=name == "digest", width=width)
    for row in table.rows:
        drawn.add_row(*map(text, row))
    return drawn


def _widths(table: Table, room: int) -> list[int] | None:
    """The widths of columns with which no word is broken; None where there is no room for them."""
    least, widths = [], []
    for at, (name, numeric) in enumerate(zip(table.columns, table.numeric, strict=True)):
        cells = [line for row in table.rows for line in lines(text(row[at])).split("\n")]
        whole = numeric or name == "digest"
        words = [*name.split(), *(cells if whole else (word for cell in cells for word in cell.split()))]
        least.append(max(map(cell_len, words), default=1))
        widths.append(max(least[-1], *map(cell_len, [name, *cells])))
    spare = room - 3 * len(widths) - 1  # a line and two spaces for each column
    if sum(least) > spare:
        return None
    while sum(widths) > spare:
        widest = max((at for at in range(len(widths)) if widths[at] > least[at]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _print_rows(console: Console, table: Table) -> None:
    """Every row as lines of a column's name and its cell; empty cells are left out."""
    longest = max(map(cell_len, table.columns))
    for at, row in enumerate(table.rows):
        if at:
            console.print()
        for name, cell in zip(table.columns, map(text, row), strict=True):
            if cell:
                grid = RichTable.grid(padding=(0, 2))
                grid.add_column(width=longest)
                grid.add_column(overflow="fold")
                grid.add_row(name, cell)
                console.print(grid)


def stdout() -> Console:
    """A console on standard output; 160 columns wide in a pipe, so that tables fit."""
    return Screen(width=None if sys.stdout.isatty() else 160)


def stderr() -> Console:
    """A console on standard error."""
    return Screen(stderr=True, soft_wrap=True)


def print_details(details: dict[str, Any], indent: str = "") -> None:
    """Print nested values as indented lines, with unprintable characters escaped."""
    for key, value in details.items():
        if isinstance(value, dict):
            say(f"{indent}{clean(key)}:")
            print_details(value, indent + "  ")
        elif isinstance(value, list):
            values = (f"{v:g}" if isinstance(v, float) else clean(v) for v in value)
            say(f"{indent}{clean(key)}: {', '.join(values)}")
        elif value is not None:
            say(f"{indent}{clean(key)}: {clean(value)}")


def print_hints(store: Path) -> None:
    """Print the places of the results, and commands to try next."""
    hints = [
        f"Records (weights, metrics, specs): {store / 'runs'}",
        "Next:",
        f"  didact list runs --store {store}",
        f"  didact compare --store {store}",
        "  didact quickstart --data cifar100",
        "  didact train --net resnet8 --teacher.net resnet20 --teacher.method standard,sftn --method kd,at+kd,sp+kd --seeds 3",
        "  didact train --help",
    ]
    say("\n".join(hints))
