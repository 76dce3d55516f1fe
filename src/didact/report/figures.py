"""Figures over Records, drawn by matplotlib without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from didact.engine.records import Record
from didact.studies.run import Run
from didact.studies.table import Table, teacher_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
"""Paul Tol's bright scheme: told apart by colour-blind readers too."""


def comparison(made: Sequence[Table], found: Sequence[tuple[Run, Record]], path: Path) -> None:
    """For each table a row: accuracy of every method by teacher (mean, standard deviation, single seeds), and test curves.

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
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _bars(axes: Axes, table: Table) -> None:
    """A group of bars for each method, a bar for each teacher; dots are single seeds."""
    keys = [*table.teachers, *([""] if any("" in row.accuracy for row in table.rows) else [])]
    width = 0.8 / max(1, len(keys))
    drawn: list[float] = []
    for column, key in enumerate(keys):
        label = table.teachers[key][0] if key else "no teacher"
        for position, row in enumerate(table.rows):
            cell = row.accuracy.get(key)
            if cell is None:
                continue
            x = position + (column - (len(keys) - 1) / 2) * width
            axes.bar(x, cell.mean, width * 0.92, yerr=cell.std, color=COLOURS[column % 7], capsize=3, label=label)
            axes.plot([x] * len(cell.values), cell.values, "k.", markersize=4)
            label, drawn = "_nolegend_", [*drawn, *cell.values]
    axes.set_xticks(range(len(table.rows)), [row.method for row in table.rows])
    spread = max(drawn) - min(drawn)
    axes.set_ylim(max(0, min(drawn) - 0.6 * spread - 0.5), min(100, max(drawn) + 0.4 * spread + 0.5))
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(table.title, fontsize=9)
    axes.legend(fontsize=8)


def _curves(axes: Axes, table: Table, found: Sequence[tuple[Run, Record]]) -> None:
    """Test accuracy by epoch: teachers dashed, students of each teacher in its colour."""
    keys = list(table.teachers)
    for run, record in found:
        teacher = run.teacher.digest if run.teacher and run.digest in table.members else None
        if run.digest in keys:
            style: dict[str, Any] = {
                "color": COLOURS[keys.index(run.digest) % 7],
                "linestyle": "--",
                "label": f"{teacher_label(run)} (teacher)",
            }
        elif teacher in keys:
            style = {"color": COLOURS[keys.index(teacher) % 7], "alpha": 0.5, "linewidth": 0.8}
        else:
            continue
        rows = [(row["epoch"], row["test_top1"]) for row in record.metrics() if "test_top1" in row]
        axes.plot(*zip(*rows, strict=True), **style)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title("dashed: teachers; thin: their students", fontsize=9)
    if keys:
        axes.legend(fontsize=8)
