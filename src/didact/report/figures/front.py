"""The figure of a search: predicted accuracy against cost, the Pareto front, and the picked
students."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from didact.report.figures.canvas import COLOURS, canvas
from didact.search.pareto import ParetoFront

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AXES = {
    "parameters": "parameters",
    "macs": "multiply-accumulates for one image",
    "bytes": "bytes of the weights",
    "latency": "ms for one image",
}

WIDE = 4.0
"""Costs that differ by a larger factor get a logarithmic scale, which has too few ticks within a
smaller range."""

LETTERS = 85
"""Characters in a line of the title."""


def front(result: ParetoFront, title: str) -> Figure:
    """Grey dots: dominated students. Line: the front, with s_nas, m_nas and l_nas at their dots.

    If the predictions are at chance, a dashed line shows the accuracy of guessing.
    """
    figure, grid = canvas(1, 1, (7.0, 4.5))
    axes = grid[0, 0]
    axes.margins(0.18, 0.1)  # room for the label of the cheapest student
    grey, colour = COLOURS[6], COLOURS[0]
    if result.others:
        x, y = [student.cost for student in result.others], [student.accuracy for student in result.others]
        axes.plot(x, y, ".", color=grey, label="dominated")
    cost, accuracy = [student.cost for student in result.members], [student.accuracy for student in result.members]
    axes.step(cost, accuracy, "o-", where="post", color=colour, markersize=4, label="front")
    if result.at_chance:
        axes.axhline(result.guess, color=COLOURS[7], linestyle="--", linewidth=1, label="guessing")
    _label_picks(axes, result)
    _set_scales(axes, result)
    axes.set_title("\n".join(textwrap.wrap(title, LETTERS)), fontsize=9, loc="left")
    figure.legend(fontsize=8, loc="outside lower right", ncols=3)
    return figure


def _label_picks(axes: Axes, result: ParetoFront) -> None:
    """Mark the picked students. The label is to the upper left of the dot, where no other student
    can be."""
    for student in result.members:
        label = result.labels(student.name)
        if label:
            axes.plot([student.cost], [student.accuracy], "o", color=COLOURS[1], markersize=7)
            options = {"textcoords": "offset points", "fontsize": 9, "horizontalalignment": "right"}
            axes.annotate(label, (student.cost, student.accuracy), xytext=(-2, 6), **options)


def _set_scales(axes: Axes, result: ParetoFront) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    costs = [student.cost for student in (*result.members, *result.others)]
    if max(costs) > WIDE * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    bits = f", {result.settings.bits} bit" if result.settings.cost == "bytes" else ""
    axes.set_xlabel(_AXES[result.settings.cost] + bits)
    axes.set_ylabel(f"predicted accuracy (%), {result.images:,} validation images")
