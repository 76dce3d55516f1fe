"""A study's tables and the published ones, with a picture of each table of figures over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from didact.tables.page.parts import Part, Section, key_of
from didact.tables.page.picture import Axis, Dot, Dots, Picture
from didact.tables.table import Quantity, Table


def sections(
    title: str,
    tables: Sequence[Table],
    published: Sequence[Table],
    students: Mapping[str, str],
    name: str = "",
    at: int = 0,
    note: str = "",
) -> tuple[Section, ...]:
    """The study's own tables, each with a picture, and the published tables.

    Args:
        title: the study's.
        tables: its tables, from finished runs.
        published: the paper's own tables.
        students: networks by the labels in the tables.
        name: the study's, in a report of several.
        at: which of the report's studies it is.
        note: a sentence about the study's tables.
    """
    number = str(at + 1) if at else ""
    study, sheets = f"study{number}", f"published{number}"
    parts: list[Part] = []
    for place, table in enumerate(tables):
        parts.append(table)
        picture = _picture(table, key_of(study, str(place + 1)))
        parts += [picture] if picture is not None else []
    if students and parts:
        parts.append(Table(("label", "network"), tuple(students.items()), "Networks"))
    of = f" of {name}" if name else ""
    own = Section(study, f"Study {name}".strip(), tuple(parts), f"{title}. {note}" if note else title)
    return own, Section(sheets, f"Published figures{of}", tuple(published))


def _picture(table: Table, key: str) -> Picture | None:
    """Means by row and column; None if the table has fewer than two quantities over seeds, and for
    the comparison with the published figures, which has those of another table."""
    if "verdict" in table.columns:
        return None
    rows: list[tuple[str, list[tuple[str, Quantity]]]] = []
    for label, *cells in table.rows:
        named = zip(table.columns[1:], cells, strict=True)
        rows.append((str(label), [(column, cell) for column, cell in named if isinstance(cell, Quantity) and cell.spread]))
    dots = [
        Dot(f"{label}, {column}", column, cell.sample.mean, label, cell.sample.std)
        for label, cells in rows
        for column, cell in cells
        if cell.sample.mean is not None
    ]
    if len(dots) < 2:
        return None
    names = tuple(dict.fromkeys(str(dot.y) for dot in dots))
    panel = Dots("means", Axis("mean"), Axis("row", names=names), tuple(dots))
    return Picture(key, f"{table.title}: means", (panel,), "Bars: the standard deviation over seeds.")
