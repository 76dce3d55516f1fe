"""``--only pair=resnet20/resnet8/method=kd,crd``: the cells of a study that are asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from didact.spec import SpecError, nearest, plural, shown
from didact.tables.grid import Grid
from didact.tables.published import Figure
from didact.tables.table import Table

FORM = "only: expected NAME=VALUE, such as pair=resnet20/resnet8 or method=kd,crd, several joined by a /"

_NAME = re.compile(r"(?:^|/)\s*([a-z]+)\s*=")


def parsed(text: Any) -> dict[str, tuple[str, ...]]:
    """The wanted values by name. A value may hold slashes; a slash before ``name=`` begins the next.

    Raises:
        SpecError: it is none, or names something twice.
    """
    if not isinstance(text, str):
        raise SpecError(f"{FORM}; found {shown(text)}")
    begin, *parts = _NAME.split(text.strip())
    wanted: dict[str, tuple[str, ...]] = {}
    for name, values in zip(parts[::2], parts[1::2], strict=True):
        wanted_here = tuple(value.strip() for value in values.split(","))
        if name in wanted or not all(wanted_here):
            raise SpecError(f"{FORM}; found {shown(text)}")
        wanted[name] = wanted_here
    if begin or not wanted:
        raise SpecError(f"{FORM}; found {shown(text)}")
    return wanted


def limited(grids: Sequence[Grid], only: Any) -> tuple[Grid, ...]:
    """The grids with the cells that ``only`` asks for; those without any are left out. None: all.

    Raises:
        SpecError: a name or a value that no table has.
    """
    if only is None:
        return tuple(grids)
    choice = parsed(only)
    known: dict[str, dict[str, str]] = {}
    for grid in grids:
        for row, cells in grid.rows.items():
            for column in cells:
                for name, value in _facts(grid, row, column).items():
                    known.setdefault(name, {})[value.lower()] = value
    for name, values in choice.items():
        if name not in known:
            raise SpecError(f"only: no table of this study has a {shown(name)}{nearest(name, known)}")
        for value in values:
            if value.lower() not in known[name]:
                raise SpecError(f"only: {name}={value} is in no table here{nearest(value, known[name].values())}")
    limited_grids = [replace(grid, only=_cells(grid, choice)) for grid in grids]
    limited_grids = [grid for grid in limited_grids if grid.only]
    if not limited_grids:
        raise SpecError(f"only: no cell has all of {shown(only)}")
    return tuple(limited_grids)


def left_out(sheets: Sequence[Table]) -> str | None:
    """A line about a paper's own tables, which are not printed where single cells are asked for; None
    where there are none."""
    cells = [cell for sheet in sheets for _, *cells in sheet.rows for cell in cells if Figure.read(str(cell)) is not None]
    if not cells:
        return None
    count = f"{plural(len(sheets), 'table')} of the paper with {plural(len(cells), 'cell')}"
    return f"Left out: {count}; of those that are asked for the figures stand beside ours."


def _facts(grid: Grid, row: str, column: str) -> dict[str, str]:
    """What a cell is, by name."""
    return {**grid.facts, grid.names[0]: row, grid.names[1]: column}


def _cells(grid: Grid, choice: dict[str, tuple[str, ...]]) -> frozenset[tuple[str, str]]:
    def is_chosen(row: str, column: str) -> bool:
        facts = _facts(grid, row, column)
        return all(facts.get(name, "").lower() in {value.lower() for value in values} for name, values in choice.items())

    return frozenset((row, column) for row, cells in grid.rows.items() for column in cells if is_chosen(row, column))
