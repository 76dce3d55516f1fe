"""A study's tables and the published ones, with a picture of each table of figures over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from didact.tables.page.parts import Part, Section, key_of
from didact.tables.page.picture import Axis, Dot, Dots, Picture
from didact.tables.table import Quantity, Table


def sections(
    title: str, tables: Sequence[Table], published: Sequence[Table], students: Mapping[str, str]
) -> tuple[Section, ...]:
    """The study's own tables, each with a picture, and the published tables.

    Args:
        title: the study's.
        tables: its tables, from finished runs.
        published: the paper's own tables.
        students: networks by the labels in the tables.
    """
    parts: list[Part] = []
    for at, table in enumerate(tables):
        parts.append(table)
        picture = _picture(table, at)
        parts += [picture] if picture is not None else []
    if students and parts:
        parts.append(Table(("label", "network"), tuple(students.items()), "Networks"))
    own = Section("study", "Study", tuple(parts), title)
    return own, Section("published", "Published figures", tuple(published))


def _picture(table: Table, at: int) -> Picture | None:
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
    return Picture(
        key_of("study", str(at + 1)), f"{table.title}: means", (panel,), "Bars: the standard deviation over seeds."
    )
