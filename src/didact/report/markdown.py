"""Tables in GitHub's Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from didact.spec import clean, clean_lines
from didact.tables.table import Table, text

_MARKUP = re.compile(r"[\\`*<\[\]|~$]|(?<!\w)_|_(?!\w)|&(?=#|\w+;)")
_LINE_START = re.compile(r"^(?=[#>+=-])")
_ADDRESS = re.compile(r"(https?://[^\s<|]+)")


def render(table: Table) -> str:
    """Title, table and note. All text is escaped."""
    head = [escaped(clean(name)) for name in table.columns]
    body = [[escaped(text(cell)) for cell in row] for row in table.rows]
    lines = rows(head, body, table.numeric)
    parts = [f"**{escaped(clean(table.title))}**"] if table.title else []
    note = "\n".join(_LINE_START.sub(r"\\", escaped(line)) for line in clean_lines(table.note).split("\n"))
    return "\n\n".join([*parts, lines, *([note] if note else [])]) + "\n"


def rows(head: Sequence[str], body: Sequence[Sequence[str]], right: Sequence[bool] = ()) -> str:
    """A table from cells in Markdown, without a final line break.

    Args:
        head: the headings.
        body: the rows.
        right: for each column, whether it is aligned to the right; default: none is.
    """
    rule = ["---:" if at < len(right) and right[at] else "---" for at in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def escaped(text: str) -> str:
    """Plain text as Markdown, also for cells of tables: markup is escaped, addresses stay links."""
    parts = _ADDRESS.split(text)
    return "".join(part if at % 2 else _MARKUP.sub(r"\\\g<0>", part) for at, part in enumerate(parts))
