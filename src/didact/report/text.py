"""Tables, details and hints as text on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from didact.report.widths import Column, aligned, hanging, left_out, parts
from didact.spec import clean
from didact.streams import fitted, lines, say
from didact.tables.table import Table, text

PROSE = 100
"""Columns that text takes at most on a terminal."""


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

    In a pipe a row is a line as long as it takes, with two spaces between columns, for grep and awk.
    On a terminal a table has the terminal's width (:mod:`didact.report.widths`); where not even that
    has room, the rows are printed one below the other. What is left out is said.
    """
    columns = _columns(console, table)
    piped = not console.is_terminal
    if table.title:
        console.print(table.title, style="bold", soft_wrap=piped)
    if piped:
        console.print("\n".join(aligned(columns, table.numeric)), soft_wrap=True)
    else:
        _print_fitted(console, table, columns)
    for line in table.note.split("\n") if table.note else ():
        console.print(line, soft_wrap=piped or line.startswith(" "))  # an indented line is a command, which is copied


def _columns(console: Console, table: Table) -> list[Column]:
    """The columns as the console shows their text."""

    def shown(part: str) -> str:
        return fitted(lines(part), console.encoding)

    return [
        Column(
            name=shown(name),
            cells=tuple(shown(text(row[at])) for row in table.rows),
            whole=numeric or name == "digest",
            detail=table.details.index(name) + 1 if name in table.details else 0,
        )
        for at, (name, numeric) in enumerate(zip(table.columns, table.numeric, strict=True))
    ]


def _print_fitted(console: Console, table: Table, columns: Sequence[Column]) -> None:
    """Print the table, or its parts, in the width of the terminal."""
    found = parts(columns, console.width)
    for widths in found:
        drawn = RichTable()
        for at, width in widths.items():
            # "fold" wraps long cells and never cuts them: an address must stay complete; a digest is copied in one piece
            how = "right" if table.numeric[at] else "left"
            drawn.add_column(
                columns[at].name, justify=how, overflow="fold", no_wrap=columns[at].name == "digest", width=width
            )
        for row in range(len(table.rows)):
            drawn.add_row(*(columns[at].cells[row] for at in widths))
        console.print(drawn)
    if not found:
        _print_rows(console, columns)
    elif missing := left_out(columns, found):
        console.print(f"no room for: {', '.join(missing)}; a wider terminal or --format csv shows all")


def _print_rows(console: Console, columns: Sequence[Column]) -> None:
    """Every row as lines of a column's name and its cell; empty cells are left out."""
    longest = max(cell_len(column.name) for column in columns)
    for at in range(len(columns[0].cells)):
        if at:
            console.print()
        for column in columns:
            if column.cells[at]:
                grid = RichTable.grid(padding=(0, 2))
                grid.add_column(width=longest)
                grid.add_column(overflow="fold")
                grid.add_row(column.name, column.cells[at])
                console.print(grid)


def stdout() -> Console:
    """A console on standard output."""
    return Screen()


def stderr() -> Console:
    """A console on standard error."""
    return Screen(stderr=True, soft_wrap=True)


def print_text(text: str) -> None:
    """Print paragraphs, in the width of the terminal where there is one."""
    console = stdout()
    say(hanging(text, min(PROSE, console.width)) if console.is_terminal else text)


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
