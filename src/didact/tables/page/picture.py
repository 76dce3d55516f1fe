"""A picture as a value: panels of curves, dots or a heat map. Each panel has its data as a table,
from which renderers draw it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from didact.runs.spread import defined
from didact.tables.table import Cell, Table

FIGURES = 5
"""Significant figures of a value in a panel's table."""


@dataclass(frozen=True)
class Curve:
    """One line of :class:`Curves`.

    Attributes:
        name: of the line, unique in its panel.
        group: lines of one group have one colour and one entry in the legend.
        values: one for each place of the panel; None where there is none.
        dashed: whether the line is dashed, as those of teachers are.
    """

    name: str
    group: str
    values: tuple[float | None, ...]
    dashed: bool = False


@dataclass(frozen=True)
class Curves:
    """Lines over common places.

    Attributes:
        title: the quantity.
        x, y: labels of the axes, with units.
        at: the places, such as epochs, in rising order.
        curves: the lines.
    """

    title: str
    x: str
    y: str
    at: tuple[float, ...]
    curves: tuple[Curve, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """The entries of the legend."""
        return _once(curve.group for curve in self.curves)

    def table(self) -> Table:
        """A row for each place, a column for each line."""
        rows = [(rounded(place), *(rounded(curve.values[at]) for curve in self.curves)) for at, place in enumerate(self.at)]
        return Table((self.x, *(curve.name for curve in self.curves)), tuple(rows), self.title)


@dataclass(frozen=True)
class Axis:
    """An axis of :class:`Dots`.

    Attributes:
        label: the quantity and its unit.
        log: whether the scale is logarithmic.
        names: the categories of an axis of names, in order; empty for an axis of numbers.
        whole: whether it counts something, so that only whole numbers are marked.
        limits: both ends of the axis; by default those of the marks.
    """

    label: str
    log: bool = False
    names: tuple[str, ...] = ()
    whole: bool = False
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Dot:
    """A mark at (x, y); one of them may be the name of a category.

    Attributes:
        name: what the mark shows.
        group: marks of one group have one colour and one entry in the legend.
        spread: standard deviation of the figure; None if unknown.
    """

    name: str
    group: str
    x: float | str
    y: float | str
    spread: float | None = None


@dataclass(frozen=True)
class Rule:
    """A vertical line at ``x`` with its name, such as the memory of a device."""

    name: str
    x: float


@dataclass(frozen=True)
class Dots:
    """Marks in a plane.

    Attributes:
        title: what is shown.
        x, y: the axes.
        dots: the marks.
        joined: groups with a line through their marks, in the order of the marks.
        rules: vertical lines.
        diagonal: whether a line shows where x equals y.
    """

    title: str
    x: Axis
    y: Axis
    dots: tuple[Dot, ...]
    joined: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    diagonal: bool = False

    @property
    def groups(self) -> tuple[str, ...]:
        """The entries of the legend."""
        return _once(dot.group for dot in self.dots)

    @property
    def measured(self) -> str:
        """The axis of the figure that a spread belongs to: "x" where the other has names."""
        return "x" if self.y.names else "y"

    def table(self) -> Table:
        """A row for each mark: its name, its group, both values and the spread if any is known."""
        spread = any(dot.spread is not None for dot in self.dots)
        columns = ("what", "group", self.x.label, self.y.label, *(["standard deviation"] if spread else []))
        rows = [
            (dot.name, dot.group, rounded(dot.x), rounded(dot.y), *([rounded(dot.spread)] if spread else []))
            for dot in self.dots
        ]
        return Table(columns, tuple(rows), self.title)


@dataclass(frozen=True)
class HeatMap:
    """Values between 0 and 1 by row and column.

    Attributes:
        title: the quantity.
        x, y: what the columns and the rows are.
        columns, rows: their names; the first row is at the bottom.
        values: by row and column; None where undefined.
    """

    title: str
    x: str
    y: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]

    @property
    def groups(self) -> tuple[str, ...]:
        """None: a heat map has no legend."""
        return ()

    def table(self) -> Table:
        """The matrix, with the names of its rows."""
        rows = [(name, *map(rounded, values)) for name, values in zip(self.rows, self.values, strict=True)]
        return Table((f"{self.y} / {self.x}", *self.columns), tuple(rows), self.title)


Panel = Curves | Dots | HeatMap


@dataclass(frozen=True)
class Picture:
    """Panels that belong together and share a legend.

    Attributes:
        key: its name in files and addresses: letters, digits and hyphens.
        title: what it shows.
        note: how to read it.
        panels: at least one.
    """

    key: str
    title: str
    panels: tuple[Panel, ...]
    note: str = ""

    @property
    def groups(self) -> tuple[str, ...]:
        """The entries of the legend, each once."""
        return _once(group for panel in self.panels for group in panel.groups)


def rounded(value: float | str | None) -> Cell:
    """A value for a panel's table: names as they are, numbers to five significant figures, "" where
    undefined."""
    if isinstance(value, str):
        return value
    if not defined(value):
        return ""
    if float(value).is_integer():
        return int(value)
    return float(f"{value:.{FIGURES}g}")


def _once(groups: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(groups))
