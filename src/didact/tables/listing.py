"""A list: a table, and the same as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from didact.tables.table import Cell, Table


@dataclass(frozen=True)
class Listing:
    """A table, and the same or more as plain JSON data (``plain``)."""

    table: Table
    plain: list[dict[str, Any]] | dict[str, Any]

    @classmethod
    def of(cls, columns: Sequence[str], rows: Sequence[Sequence[Cell]], details: Sequence[str] = ()) -> Listing:
        """A table with the same cells as plain data: one mapping from column to cell for each
        row. ``details``: as of :class:`Table`."""
        plain = [dict(zip(columns, row, strict=True)) for row in rows]
        return cls(Table(tuple(columns), tuple(map(tuple, rows)), details=tuple(details)), plain)
