"""A report's pictures by matplotlib, for papers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from didact.report.figures.canvas import COLOURS, canvas
from didact.tables.page.picture import Axis, Curves, Dot, Dots, HeatMap, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
"""Panels side by side."""


def picture(shown: Picture) -> Figure:
    """All panels, with one legend below them."""
    columns = min(COLUMNS, len(shown.panels))
    rows = math.ceil(len(shown.panels) / columns)
    wide = 4.6 if columns > 1 else 7.0
    figure, grid = canvas(rows, columns, (wide * columns, 0.8 + sum(_heights(shown, columns))))
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, panel in zip(grid.flat, shown.panels, strict=False):
        axes.set_axis_on()
        axes.set_title(panel.title, fontsize=9, loc="left")
        match panel:
            case Curves():
                _curves(axes, panel, shown)
            case Dots():
                _dots(axes, panel, shown)
            case HeatMap():
                _heat_map(figure, axes, panel)
    figure.suptitle(shown.title, fontsize=9, x=0.01, ha="left")
    if len(shown.groups) > 1:
        _legend(figure, shown)
    return figure


def _heights(shown: Picture, columns: int) -> list[float]:
    """Inches of each row of panels."""
    tall = [_height(panel) for panel in shown.panels]
    return [max(tall[at : at + columns]) for at in range(0, len(tall), columns)]


def _height(panel: Curves | Dots | HeatMap) -> float:
    if isinstance(panel, HeatMap):
        return 1.5 + 0.45 * len(panel.rows)
    if isinstance(panel, Dots) and panel.y.names:
        return 1.0 + 0.16 * len(panel.y.names) * (1 + len(panel.groups))
    return 3.0


def _colour(shown: Picture, group: str) -> str:
    return COLOURS[shown.groups.index(group) % len(COLOURS)]


def _legend(figure: Figure, shown: Picture) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=_colour(shown, group), marker="o", linestyle="-") for group in shown.groups]
    figure.legend(handles, shown.groups, loc="outside lower left", fontsize=8, ncols=2, frameon=False)


def _curves(axes: Axes, panel: Curves, shown: Picture) -> None:
    for curve in panel.curves:
        points = [(x, y) for x, y in zip(panel.at, curve.values, strict=True) if y is not None]
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            color=_colour(shown, curve.group),
            linestyle="--" if curve.dashed else "-",
            linewidth=1.0,
            marker="." if len(points) == 1 else "",
        )
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)


def _dots(axes: Axes, panel: Dots, shown: Picture) -> None:
    from matplotlib.ticker import MaxNLocator

    for number, group in enumerate(panel.groups):
        members = [dot for dot in panel.dots if dot.group == group]
        shift = (number - (len(panel.groups) - 1) / 2) * 0.7 / len(panel.groups)
        x, y = ([_place(axis, value, shift) for value in values] for axis, values in _both(panel, members))
        spread: dict[str, Any] = {f"{panel.measured}err": [dot.spread or 0 for dot in members]}
        line = "-" if group in panel.joined else "none"
        axes.errorbar(x, y, **spread, color=_colour(shown, group), marker="o", markersize=4, linestyle=line, linewidth=1.0)
    _name(axes.set_xticks, axes.set_xlabel, panel.x)
    _name(axes.set_yticks, axes.set_ylabel, panel.y)
    if panel.y.names:
        axes.set_ylim(len(panel.y.names) - 0.5, -0.5)
        axes.grid(axis="x", alpha=0.3)
    if panel.x.whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if panel.x.log:
        axes.set_xscale("log")
    if panel.x.limits:
        axes.set_xlim(panel.x.limits)
    if panel.y.limits:
        axes.set_ylim(panel.y.limits)
    for rule in panel.rules:
        axes.axvline(rule.x, color="#888888", linestyle=":", linewidth=1)
        axes.annotate(rule.name, (rule.x, 0.02), xycoords=("data", "axes fraction"), rotation=90, fontsize=7, ha="right")
    if panel.diagonal:
        axes.axline((0, 0), slope=1, color="#888888", linestyle=":", linewidth=1)


def _both(panel: Dots, dots: Sequence[Dot]) -> list[tuple[Axis, list[float | str]]]:
    return [(panel.x, [dot.x for dot in dots]), (panel.y, [dot.y for dot in dots])]


def _place(axis: Axis, value: float | str, shift: float) -> float:
    """A position: of a name its number, shifted so that groups do not cover each other."""
    return axis.names.index(value) + shift if isinstance(value, str) else value


def _name(ticks: Any, label: Any, axis: Axis) -> None:
    if axis.names:
        ticks(range(len(axis.names)), [name.replace(" · ", "\n") for name in axis.names], fontsize=8)
    else:
        label(axis.label)


def _heat_map(figure: Figure, axes: Axes, panel: HeatMap) -> None:
    values = [[math.nan if value is None else value for value in row] for row in panel.values]
    axes.set_facecolor("#bbbbbb")
    drawn = axes.imshow(values, cmap="viridis", vmin=0, vmax=1, origin="lower", aspect="auto")
    for row, cells in enumerate(panel.values):
        for column, value in enumerate(cells):
            if value is not None:
                colour = "white" if value < 0.6 else "black"
                axes.text(column, row, f"{value:z.2f}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(panel.columns)), panel.columns, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(panel.rows)), panel.rows, fontsize=8)
    axes.set_xlabel(panel.x, fontsize=8)
    axes.set_ylabel(panel.y, fontsize=8)
    figure.colorbar(drawn, ax=axes)
