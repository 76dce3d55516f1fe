"""The figure of a search for students: predicted accuracy against cost, the front, and the students that it names."""

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
"""Costs that differ by a larger factor are drawn on a logarithmic scale, which has few marks within a smaller one."""

LETTERS = 85
"""Of the title in a line."""


def front(found: ParetoFront, title: str) -> Figure:
    """Grey: dominated students. Line: the front; s_nas, m_nas and l_nas stand at their dots.

    Where the predictions are at chance, a line shows the accuracy of guessing.
    """
    figure, grid = canvas(1, 1, (7.0, 4.5))
    axes = grid[0, 0]
    axes.margins(0.18, 0.1)  # room for the words at the cheapest student
    grey, colour = COLOURS[6], COLOURS[0]
    if found.others:
        x, y = [one.cost for one in found.others], [one.accuracy for one in found.others]
        axes.plot(x, y, ".", color=grey, label="dominated")
    cost, accuracy = [one.cost for one in found.members], [one.accuracy for one in found.members]
    axes.step(cost, accuracy, "o-", where="post", color=colour, markersize=4, label="front")
    if found.at_chance:
        axes.axhline(found.guess, color=COLOURS[7], linestyle="--", linewidth=1, label="guessing")
    _named(axes, found)
    _scaled(axes, found)
    axes.set_title("\n".join(textwrap.wrap(title, LETTERS)), fontsize=9, loc="left")
    figure.legend(fontsize=8, loc="outside lower right", ncols=3)
    return figure


def _named(axes: Axes, found: ParetoFront) -> None:
    """The students picked, in a colour of their own; the words to the upper left of the dot, where no student can lie."""
    for one in found.members:
        words = found.labels(one.name)
        if words:
            axes.plot([one.cost], [one.accuracy], "o", color=COLOURS[1], markersize=7)
            place = {"textcoords": "offset points", "fontsize": 9, "horizontalalignment": "right"}
            axes.annotate(words, (one.cost, one.accuracy), xytext=(-2, 6), **place)


def _scaled(axes: Axes, found: ParetoFront) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    costs = [one.cost for one in (*found.members, *found.others)]
    if max(costs) > WIDE * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    bits = f", {found.wanted.bits} bit" if found.wanted.cost == "bytes" else ""
    axes.set_xlabel(_AXES[found.wanted.cost] + bits)
    axes.set_ylabel(f"predicted accuracy (%), {found.images:,} validation images")
