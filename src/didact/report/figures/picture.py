"""A report's pictures by matplotlib, for papers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from didact.report.figures.canvas import COLOURS, canvas, line
from didact.report.labels import in_lines
from didact.report.styles import Style
from didact.tables.page.picture import Axis, Curves, Dot, Dots, HeatMap, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
"""Panels side by side."""

LETTERS, LINES = 32, 3
"""Letters in a line of a name at an axis, and lines."""


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
        lines = max(map(len, in_lines(panel.y.names, LETTERS, LINES).values()))
        return 1.0 + len(panel.y.names) * max(0.16 * (1 + len(panel.groups)), 0.14 * lines + 0.05)
    return 3.0


def _style(shown: Picture, group: str) -> Style:
    return Style.of(shown.groups.index(group))


def _legend(figure: Figure, shown: Picture) -> None:
    from matplotlib.lines import Line2D

    marked = any(isinstance(panel, Dots) for panel in shown.panels)
    styles = [_style(shown, group) for group in shown.groups]
    handles = [Line2D([], [], **line(style), marker=style.marker if marked else "") for style in styles]
    figure.legend(handles, shown.groups, loc="outside lower left", fontsize=8, ncols=2, frameon=False)


def _curves(axes: Axes, panel: Curves, shown: Picture) -> None:
    for curve in panel.curves:
        points = [(x, y) for x, y in zip(panel.at, curve.values, strict=True) if y is not None]
        axes.plot(
            [x for x, _ in points],
            [y for _, y in points],
            **line(_style(shown, curve.group), dashed=curve.dashed),
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
        style, joined = _style(shown, group), "-" if group in panel.joined else "none"
        drawn: dict[str, Any] = {"color": COLOURS[style.colour], "marker": style.marker, "linestyle": joined}
        axes.errorbar(x, y, **spread, **drawn, markersize=4, linewidth=1.0)
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
        shown = in_lines(axis.names, LETTERS, LINES).values()
        ticks(range(len(axis.names)), ["\n".join(lines) for lines in shown], fontsize=8)
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
