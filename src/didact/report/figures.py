"""Figures over Records, drawn by matplotlib without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.files.checked import write
from didact.runs.labels import teacher_label
from didact.runs.run import Run
from didact.runs.spread import defined
from didact.store.record import Record
from didact.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#000000")
"""Paul Tol's bright scheme and black: told apart by colour-blind readers too."""


def comparison(made: Sequence[Table], found: Sequence[tuple[Run, Record]], path: Path) -> None:
    """For each table a row: accuracy of every method by teacher (mean, standard deviation, single seeds), and test curves.

    What is not defined is left out.

    Raises:
        OSError: ``path`` cannot be written.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(made), 2, figsize=(12, 4.2 * len(made)), squeeze=False, layout="constrained")
    for table, (bars, curves) in zip(made, axes, strict=True):
        _bars(bars, table)
        _curves(curves, table, found)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure completely or not at all, in the format that the name ends in, and close it.

    Raises:
        OSError: ``path`` cannot be written; it is named.
    """
    from matplotlib import pyplot

    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:], dpi=120)
    pyplot.close(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, drawn.getvalue())


def _bars(axes: Axes, table: Table) -> None:
    """A group for each method, a bar for each teacher; dots: single seeds; lines: the teachers and the student alone."""
    keys = list(table.teachers) or [""]
    taught = [row for row in table.rows if any(k in row.accuracy for k in keys)]
    width = 0.8 / len(keys)
    drawn: list[float] = []
    for column, key in enumerate(keys):
        colour = COLOURS[column % len(COLOURS)]
        cells = [(at, row.accuracy[key]) for at, row in enumerate(taught) if key in row.accuracy and row.accuracy[key].n]
        x = [position + (column - (len(keys) - 1) / 2) * width for position, _ in cells]
        label = f"from {table.teachers[key][0]}" if key else None
        axes.bar(
            x,
            [c.mean or 0 for _, c in cells],
            width * 0.92,
            yerr=[c.std or 0 for _, c in cells],
            color=colour,
            capsize=3,
            label=label,
        )
        for at, (_, cell) in zip(x, cells, strict=True):
            mean, spread = cell.mean or 0, cell.std or 0
            axes.plot([at] * cell.n, cell.known, "k.", markersize=4)
            drawn += [*cell.known, mean - spread, mean + spread]
        if key and defined(table.teachers[key][1]):
            axes.axhline(
                table.teachers[key][1], color=colour, linestyle="--", linewidth=1, label=f"{table.teachers[key][0]} teacher"
            )
            drawn.append(table.teachers[key][1])
    for row in table.rows:
        alone = row.accuracy[""].mean if keys != [""] and "" in row.accuracy else None
        if alone is not None:
            axes.axhline(alone, color="black", linestyle=":", linewidth=1, label=f"student {row.method}")
            drawn.append(alone)
    slanted: dict[str, Any] = {"rotation": 20, "ha": "right"} if max(len(row.method) for row in taught) > 14 else {}
    axes.set_xticks(range(len(taught)), [row.method for row in taught], **slanted)
    if drawn:
        spread = max(drawn) - min(drawn)
        axes.set_ylim(max(0, min(drawn) - 0.4 * spread - 0.5), min(100, max(drawn) + 0.1 * spread + 0.5))
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(table.title, fontsize=9, loc="left")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="lower right")


def _curves(axes: Axes, table: Table, found: Sequence[tuple[Run, Record]]) -> None:
    """Test accuracy by epoch: teachers dashed, students of each teacher in its colour."""
    keys = list(table.teachers)
    if not keys:
        axes.set_axis_off()
        return
    for run, record in found:
        teacher = run.teacher.digest if run.teacher and run.digest in table.members else None
        if run.digest in keys:
            style: dict[str, Any] = {
                "color": COLOURS[keys.index(run.digest) % len(COLOURS)],
                "linestyle": "--",
                "label": f"{teacher_label(run)} (teacher)",
            }
        elif teacher in keys:
            style = {"color": COLOURS[keys.index(teacher) % len(COLOURS)], "alpha": 0.5, "linewidth": 0.8}
        else:
            continue
        rows = [(row["epoch"], row["test_top1"]) for row in record.metrics() if "test_top1" in row]
        axes.plot(*zip(*rows, strict=True), **style)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title("dashed: teachers; thin: their students", fontsize=9, loc="right")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
