"""Tables in HTML: only the ``table`` element and its note, without page or style."""

from __future__ import annotations

from html import escape

from didact.spec import clean, clean_lines
from didact.tables.table import Table, text


def render(table: Table) -> str:
    """A ``table`` with the title as caption and the note as a paragraph below. All text is
    escaped."""
    head = "".join(f'<th scope="col">{escape(clean(name))}</th>' for name in table.columns)
    lines = ["<table>"]
    lines += [f"<caption>{escape(clean(table.title))}</caption>"] if table.title else []
    lines += [f"<thead><tr>{head}</tr></thead>", "<tbody>"]
    for label, *cells in table.rows:
        body = "".join(f"<td>{escape(text(cell))}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{escape(text(label))}</th>{body}</tr>')
    lines += ["</tbody>", "</table>"]
    lines += [f"<p>{escape(clean_lines(table.note)).replace(chr(10), '<br>')}</p>"] if table.note else []
    return "\n".join(lines) + "\n"
