"""Tables, details and hints as text on the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from didact.spec import clean
from didact.streams import fitted, lines, say
from didact.tables.table import Table, text


class Screen(Console):
    """A console that prints text as it is: no markup, no emoji codes, control characters escaped, in the stream's encoding."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every string comes by here, also the cells of tables: it is replaced before its width is measured."""
        return super().render_str(fitted(lines(text), self.encoding), **options)


def print_table(console: Console, table: Table) -> None:
    """A table with its title above and its note below; figures stand at the right of their columns."""
    drawn = RichTable()
    for name, numeric in zip(table.columns, table.numeric, strict=True):
        drawn.add_column(
            name, justify="right" if numeric else "left", overflow="fold"
        )  # an address is of use when it is whole
    for row in table.rows:
        drawn.add_row(*map(text, row))
    if table.title:
        console.print(table.title, style="bold")
    console.print(drawn)
    if table.note:
        console.print(table.note, soft_wrap=not console.is_terminal)  # in a pipe a line stays a line


def stdout() -> Console:
    """A console on standard output, wide enough in a pipe that tables are not squeezed."""
    return Screen(width=None if sys.stdout.isatty() else 160)


def stderr() -> Console:
    """A terminal on standard error."""
    return Screen(stderr=True, soft_wrap=True)


def print_details(details: dict[str, Any], indent: str = "") -> None:
    """Nested values as indented lines; unprintable characters in them are spelt out."""
    for key, value in details.items():
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
    hints = [
        f"Records (weights, metrics, specs): {store / 'runs'}",
        *([f"Picture: {picture}"] if picture else []),
        "Next:",
        f"  didact list runs --store {store}",
        f"  didact compare --store {store}",
        "  didact quickstart --data cifar100",
        "  didact train --net resnet8 --teacher.net resnet20 --teacher.method standard,sftn --method kd,at+kd,sp+kd --seeds 3",
        "  didact train --help",
    ]
    say("\n".join(hints))
