"""Tables, details and hints as text on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from didact.spec import clean
from didact.streams import fitted, lines, say
from didact.tables.table import Table, cells


class Screen(Console):
    """A console that prints text as it is: no markup, no emoji codes, control characters escaped, in the stream's encoding."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string comes by here, also the cells of tables: it is replaced before its width is measured."""
        return super().render_str(fitted(lines(text), self.encoding), **options)


def print_table(console: Console, table: Table) -> None:
    """A comparison as a table, with what its ± covers below."""
    head, body = cells(table)
    drawn = RichTable()
    for position, name in enumerate(head):
        drawn.add_column(name, justify="left" if position == 0 else "right", overflow="fold")
    for row in body:
        drawn.add_row(*row)
    console.print(table.title, style="bold")
    console.print(drawn)
    console.print(table.covers)


def stdout() -> Console:
    """A console on standard output, wide enough in a pipe that tables are not squeezed."""
    return Screen(width=None if sys.stdout.isatty() else 160)


def stderr() -> Console:
    return Screen(stderr=True, soft_wrap=True)


def print_rows(heading: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    drawn = RichTable()
    for name in heading:
        drawn.add_column(name, overflow="fold")  # an address is of use only when it is whole
    for row in rows:
        drawn.add_row(*map(str, row))
    if title:
        stdout().print(title, style="bold")
    stdout().print(drawn)


def print_details(found: dict[str, Any], indent: str = "") -> None:
    """Nested values as indented lines; unprintable characters in them are spelt out."""
    for key, value in found.items():
        if isinstance(value, dict):
            say(f"{indent}{clean(key)}:")
            print_details(value, indent + "  ")
        elif isinstance(value, list):
            values = (f"{v:g}" if isinstance(v, float) else clean(v) for v in value)
            say(f"{indent}{clean(key)}: {', '.join(values)}")
        elif value is not None:
            say(f"{indent}{clean(key)}: {clean(value)}")


def print_hints(store: Path, picture: Path | None) -> None:
    """Where everything lies, and what to try next."""
    told = [
        f"Records (weights, metrics, specs): {store / 'runs'}",
        *([f"Picture: {picture}"] if picture else []),
        "Next:",
        f"  didact list runs --store {store}",
        f"  didact compare --store {store}",
        "  didact quickstart --data cifar100",
        "  didact train --net resnet8 --teacher.net resnet20 --teacher.method standard,sftn --method kd,at+kd,sp+kd --seeds 3",
        "  didact train --help",
    ]
    say("\n".join(told))
