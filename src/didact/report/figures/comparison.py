"""The figure of a comparison of teachers: accuracy of every method by teacher, and test curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from didact.report.figures.canvas import COLOURS, line, stacked
from didact.report.styles import Style
from didact.runs.run import Run
from didact.store.record import Record
from didact.tables.comparison import MethodRow, TeacherComparison, column

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, LINE = 12.0, 0.2
"""Inches: the whole figure, and a line of a legend."""

HATCHES = ("", "//", "..", "xx", "--")
"""Of bars, by round of the colours."""


def comparison(compared: Sequence[TeacherComparison], finished: Sequence[tuple[Run, Record]]) -> Figure:
    """A row for each comparison: accuracy by method and teacher (mean, deviation, single seeds),
    and test curves, with one legend below both.

    Undefined values are left out.
    """
    entries = [_entries(table) for table in compared]
    below = [LINE * math.ceil(len(names) / _columns(names)) for names in entries]  # inches of the legends
    figure, parts = stacked([4.2 + tall for tall in below], WIDE)
    for table, part, names in zip(compared, parts, entries, strict=True):
        bars, curves = part.subplots(1, 2)
        _bars(bars, table)
        _curves(curves, table, finished)
        if bars.get_legend_handles_labels()[0]:
            part.legend(*bars.get_legend_handles_labels(), loc="outside lower left", ncols=_columns(names), fontsize=8)
    return figure


def _entries(table: TeacherComparison) -> list[str]:
    """What a legend may say: of each teacher, of its students, of students alone."""
    labels = [teacher.label for teacher in table.teachers.values()]
    alone = [f"student {row.method}" for row in table.rows if "" in row.accuracy]
    return [*(f"{label} teacher" for label in labels), *(f"from {label}" for label in labels), *alone]


def _columns(names: Sequence[str]) -> int:
    """So many columns of such names have room below both panels, in letters of the size 8."""
    return max(1, min(4, int(WIDE / (0.6 + 0.065 * max(map(len, names), default=1)))))


def _bars(axes: Axes, table: TeacherComparison) -> None:
    """A group for each method, a bar for each teacher. Dots: single seeds. Lines: teachers, student
    alone."""
    keys = list(table.teachers) or [""]
    rows = [row for row in table.rows if any(key in row.accuracy for key in keys)]
    heights = [height for place, key in enumerate(keys) for height in _teacher(axes, table, rows, key, place)]
    for row in table.rows:
        alone = row.accuracy[""].mean if keys != [""] and "" in row.accuracy else None
        if alone is not None:
            axes.axhline(alone, color="black", linestyle=":", linewidth=1, label=f"student {row.method}")
            heights.append(alone)
    slanted: dict[str, Any] = {"rotation": 20, "ha": "right"} if max(len(row.method) for row in rows) > 14 else {}
    axes.set_xticks(range(len(rows)), [row.method for row in rows], **slanted)
    if heights:
        margin = max(heights) - min(heights)
        axes.set_ylim(max(0, min(heights) - 0.4 * margin - 0.5), min(100, max(heights) + 0.1 * margin + 0.5))
    axes.set_ylabel("test accuracy (%)")
    axes.set_title(table.title, fontsize=9, loc="left")


def _teacher(axes: Axes, table: TeacherComparison, rows: Sequence[MethodRow], key: str, place: int) -> list[float]:
    """Draw the bars of one teacher ("" for none) and the line of its accuracy; return all heights
    drawn."""
    style = Style.of(place)
    colour = COLOURS[style.colour]
    count = len(table.teachers) or 1
    width = 0.8 / count
    samples = {at: row.accuracy[key] for at, row in enumerate(rows) if key in row.accuracy and row.accuracy[key].n}
    x = [at + (place - (count - 1) / 2) * width for at in samples]
    means = [sample.mean or 0 for sample in samples.values()]
    spreads = [sample.std or 0 for sample in samples.values()]
    label = f"from {table.teachers[key].label}" if key else None
    hatched: dict[str, Any] = {"hatch": HATCHES[style.turn], "edgecolor": "white"} if style.turn else {}
    axes.bar(x, means, width * 0.92, yerr=spreads, color=colour, capsize=3, label=label, **hatched)
    heights: list[float] = []
    for at, sample, mean, spread in zip(x, samples.values(), means, spreads, strict=True):
        axes.plot([at] * sample.n, sample.known, "k.", markersize=4)
        heights += [*sample.known, mean - spread, mean + spread]
    accuracy = table.teachers[key].accuracy.mean if key else None
    if accuracy is not None:
        axes.axhline(accuracy, **line(style, dashed=True), linewidth=1, label=f"{table.teachers[key].label} teacher")
        heights.append(accuracy)
    return heights


def _curves(axes: Axes, table: TeacherComparison, finished: Sequence[tuple[Run, Record]]) -> None:
    """Test accuracy by epoch: teachers as dashed lines, students in the colour of their teacher."""
    keys = list(table.teachers)
    if not keys:
        axes.set_axis_off()
        return
    for run, record in finished:
        teacher = column(run.teacher) if run.teacher and run.digest in table.members else None
        if (own := column(run)) in keys and run.seed in table.teachers[own].seeds:
            style: dict[str, Any] = line(Style.of(keys.index(own)), dashed=True)
        elif teacher in keys:
            style = {**line(Style.of(keys.index(teacher))), "alpha": 0.5, "linewidth": 0.8}
        else:
            continue
        rows = [(row["epoch"], row["test_top1"]) for row in record.metrics() if "test_top1" in row]
        axes.plot(*zip(*rows, strict=True), **style)
    axes.set_xlabel("epoch")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title("dashed: teachers; thin: their students", fontsize=9, loc="right")
