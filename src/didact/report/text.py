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
    right."""
    drawn = RichTable()
    for name, numeric in zip(table.columns, table.numeric, strict=True):
        # "fold" wraps long cells and never cuts them: an address must stay complete; a digest is copied in one piece
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=name == "digest")
    for row in table.rows:
        drawn.add_row(*map(text, row))
    if table.title:
        console.print(table.title, style="bold")
    console.print(drawn)
    if table.note:
        console.print(table.note, soft_wrap=not console.is_terminal)  # no wrapping in a pipe


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


def print_hints(store: Path, picture: Path | None) -> None:
    """Print the places of the results, and commands to try next."""
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
