"""Tables as a figure: a panel for each sheet, its rows from top to bottom, its columns by colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.report.figures import COLOURS, save
from didact.runs.spread import Cell
from didact.tables.study import Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def drawn(sheets: Sequence[Sheet], path: Path) -> bool:
    """Save the sheets that have figures: means as bars across, single seeds as dots.

    Returns:
        Whether any has; nothing is written where none has.

    Raises:
        OSError: ``path`` cannot be written.
    """
    shown = [sheet for sheet in sheets if sheet.plain]
    if not shown:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    heights = [0.9 + 0.32 * len(sheet.plain or ()) for sheet in shown]
    figure, axes = pyplot.subplots(
        len(shown),
        1,
        figsize=(9, max(sum(heights), 2)),
        squeeze=False,
        layout="constrained",
        height_ratios=heights,
    )
    for panel, sheet in zip(axes[:, 0], shown, strict=True):
        _panel(panel, sheet)
    save(figure, path)
    return True


def _panel(axes: Axes, sheet: Sheet) -> None:
    rows: dict[str, Any] = dict(sheet.plain or {})
    columns = [column for column in sheet.head[1:] if any(column in cells for cells in rows.values())]
    for place, column in enumerate(columns):
        colour = COLOURS[place % len(COLOURS)]
        offset = (place - (len(columns) - 1) / 2) * 0.7 / len(columns)
        for at, cells in enumerate(rows.values()):
            cell = Cell(tuple(cells.get(column, {}).get("values", ())))
            axes.plot(cell.known, [at + offset] * cell.n, ".", color=colour, markersize=5)
            if cell.mean is not None:
                axes.plot([cell.mean], [at + offset], "|", color=colour, markersize=12, markeredgewidth=3)
        axes.plot([], [], "|", color=colour, markersize=10, markeredgewidth=3, label=column)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(sheet.title, fontsize=8, loc="left")
    if len(columns) > 1:
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
