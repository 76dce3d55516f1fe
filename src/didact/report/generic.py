"""The figure of a GTN study: what each teacher did for each student, and what preparing teachers cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from didact.report.figures import COLOURS, save
from didact.runs.spread import Cell
from didact.store.record import Record
from didact.tables.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def generic(made: Study, records: Mapping[str, Record], path: Path) -> bool:
    """Left: by student, the mean accuracy of each column's teacher, first method. Right: processor seconds by number of students.

    Returns:
        Whether there was anything to draw; nothing is written where there was not.

    Raises:
        OSError: ``path`` cannot be written.
    """
    if not records:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 4.2), layout="constrained", width_ratios=(3, 2))
    _accuracies(left, made, records)
    _costs(right, made, records)
    figure.suptitle(made.title, fontsize=9, x=0.01, ha="left")
    save(figure, path)
    return True


def _accuracies(axes: Axes, made: Study, records: Mapping[str, Record]) -> None:
    method = made.methods[0]
    columns = [c for c in made.columns if method in c.runs]
    for position, column in enumerate(columns):
        for row, net in enumerate(made.students.values()):
            runs = column.runs[method].get(net, ())
            cell = Cell(tuple(records[run.digest].final()["test_top1"] for run in runs if run.digest in records))
            at = row + (position - (len(columns) - 1) / 2) * 0.8 / len(columns)
            colour = COLOURS[position % len(COLOURS)]
            axes.plot([at] * cell.n, cell.known, ".", color=colour, markersize=5)
            if cell.mean is not None:
                label = column.label if row == 0 else None
                axes.plot([at], [cell.mean], "_", color=colour, markersize=14, markeredgewidth=3, label=label)
    axes.set_xticks(range(len(made.students)), list(made.students))
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(f"students by {method}: mean, and single seeds", fontsize=9, loc="left")
    axes.legend(
        fontsize=8, ncols=len(columns), loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False, columnspacing=1
    )


def _costs(axes: Axes, made: Study, records: Mapping[str, Record]) -> None:
    """The specialised teachers' sum, measured teacher by teacher, beside the generic one, which is the same for any number."""
    taught = {label: one["cpu_seconds"] for label, one in (made.costs(records).plain or {}).items()}
    special = [taught.get(f"for {label}", math.nan) for label in made.students]
    sums = [sum(special[: k + 1]) for k in range(len(special))]
    generic = taught.get("generic", math.nan)
    if math.isnan(sum(special) + generic):
        axes.set_axis_off()
        return
    counts = range(1, len(sums) + 1)
    axes.plot(counts, sums, "o-", color=COLOURS[1], label="specialised teachers")
    axes.plot(counts, [generic] * len(sums), "s-", color=COLOURS[0], label="generic teacher")
    axes.set_xticks(list(counts))
    axes.set_ylim(0)
    axes.set_xlabel("students")
    axes.set_ylabel("processor seconds")
    axes.set_title("preparing the teachers", fontsize=9, loc="left")
    axes.legend(fontsize=8)
