"""A figure of tables: a panel for each table, with rows from top to bottom and columns by
colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from didact.report.figures.canvas import COLOURS, canvas
from didact.report.styles import Style
from didact.tables.table import Quantity, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def grid(tables: Sequence[Table]) -> Figure | None:
    """Means as marks, single seeds as dots; None if no table has quantities over seeds."""
    shown = [table for table in tables if _rows(table)]
    if not shown:
        return None
    heights = [0.9 + 0.32 * len(_rows(table)) for table in shown]
    figure, axes = canvas(len(shown), 1, (9.0, max(sum(heights), 2.0)), height_ratios=heights)
    for panel, table in zip(axes[:, 0], shown, strict=True):
        _panel(panel, table)
    return figure


def _rows(table: Table) -> dict[str, list[Quantity | None]]:
    """The quantities over seeds by row, one or None for each column; without rows of text or of
    means."""
    rows = {str(label): [cell if isinstance(cell, Quantity) else None for cell in cells] for label, *cells in table.rows}
    return {label: cells for label, cells in rows.items() if any(cell and cell.spread for cell in cells)}


def _panel(axes: Axes, table: Table) -> None:
    rows = _rows(table)
    columns = [at for at in range(len(table.columns) - 1) if any(cells[at] for cells in rows.values())]
    for place, column in enumerate(columns):
        style = Style.of(place)
        colour, dot = COLOURS[style.colour], style.marker if style.turn else "."
        offset = (place - (len(columns) - 1) / 2) * 0.7 / len(columns)
        for at, cells in enumerate(rows.values()):
            cell = cells[column]
            if cell is None or cell.sample.mean is None:
                continue
            axes.plot(cell.sample.known, [at + offset] * cell.sample.n, dot, color=colour, markersize=5)
            axes.plot([cell.sample.mean], [at + offset], "|", color=colour, markersize=12, markeredgewidth=3)
        axes.plot(
            [],
            [],
            dot if style.turn else "|",
            color=colour,
            markersize=10,
            markeredgewidth=3,
            label=table.columns[column + 1],
        )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(table.title, fontsize=8, loc="left")
    if len(columns) > 1:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
