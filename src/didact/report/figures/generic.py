"""The figure of a GTN study: accuracy of each student by teacher, and the cost of the teachers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from didact.report.figures.canvas import COLOURS, canvas
from didact.report.styles import Style
from didact.runs.spread import Sample
from didact.store.record import Record
from didact.tables.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def generic(study: Study, records: Mapping[str, Record]) -> Figure | None:
    """Left: mean accuracy of each student by teacher, for the first method. Right: the cost of the
    teachers.

    Args:
        study: the study.
        records: the finished runs' Records by digest. Without any, the result is None.
    """
    if not records:
        return None
    figure, axes = canvas(1, 2, (12.0, 4.2), width_ratios=(3, 2))
    _accuracies(axes[0, 0], study, records)
    _costs(axes[0, 1], study, records)
    figure.suptitle(study.title, fontsize=9, x=0.01, ha="left")
    return figure


def _accuracies(axes: Axes, study: Study, records: Mapping[str, Record]) -> None:
    method = study.methods[0]
    columns = [c for c in study.columns if method in c.runs]
    for position, column in enumerate(columns):
        for row, net in enumerate(study.students.values()):
            runs = column.runs[method].get(net, ())
            cell = Sample(tuple(records[run.digest].final()["test_top1"] for run in runs if run.digest in records))
            at = row + (position - (len(columns) - 1) / 2) * 0.8 / len(columns)
            style = Style.of(position)
            colour, dot = COLOURS[style.colour], style.marker if style.turn else "."
            axes.plot([at] * cell.n, cell.known, dot, color=colour, markersize=5)
            if cell.mean is not None:
                label = column.label if row == 0 else None
                axes.plot([at], [cell.mean], "_", color=colour, markersize=14, markeredgewidth=3)
                axes.plot([], [], dot if style.turn else "_", color=colour, markersize=10, markeredgewidth=3, label=label)
    axes.set_xticks(range(len(study.students)), list(study.students))
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(f"students by {method}: mean, and single seeds", fontsize=9, loc="left")
    axes.legend(
        fontsize=8, ncols=len(columns), loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False, columnspacing=1
    )


def _costs(axes: Axes, study: Study, records: Mapping[str, Record]) -> None:
    """Total cost of the specialised teachers by number of students, and the constant cost of the
    generic teacher."""
    seconds = {label: cost.cpu_seconds for label, cost in study.costs(records).items()}
    special = [seconds.get(f"for {label}", math.nan) for label in study.students]
    sums = list(accumulate(special))
    generic = seconds.get("generic", math.nan)
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
