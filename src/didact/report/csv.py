"""Tables as comma-separated values: figures in full; mean, deviation, count and difference in
separate columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from didact.runs.spread import Sample, defined
from didact.spec import clean, clean_lines
from didact.tables.table import Cell, Quantity, Table

Part = Callable[[Quantity], float | int | None]


def render(table: Table) -> str:
    """Title and note as comments (``#``), a line of headings, and one line for each row.

    A column of figures over seeds becomes several: the mean under the column's heading, then "std"
    and "n". Differences have mean, "std", "n" and the ends of their 95 % confidence interval.
    Undefined values are empty.
    """
    comments = [line for part in (clean(table.title), clean_lines(table.note)) for line in part.split("\n") if line]
    lines = io.StringIO()
    write = csv.writer(lines, lineterminator="\n").writerow
    parts = [_parts([row[at] for row in table.rows]) for at in range(len(table.columns))]
    write(
        [
            clean(f"{name} {part}".strip())
            for name, columns_of in zip(table.columns, parts, strict=True)
            for part in columns_of
        ]
    )
    for row in table.rows:
        write([value for cell, columns_of in zip(row, parts, strict=True) for value in _values(cell, columns_of)])
    return "".join(f"# {comment}\n" for comment in comments) + lines.getvalue()


def _parts(column: list[Cell]) -> dict[str, Part]:
    """The columns made from one column: a function that reads the figure, by the suffix of the
    heading."""
    quantities = [cell for cell in column if isinstance(cell, Quantity)]
    parts: dict[str, Part] = {"": lambda cell: cell.sample.mean}
    if any(len(cell.sample.values) > 1 for cell in quantities):
        parts |= {"std": lambda cell: cell.sample.std if cell.spread else None, "n": lambda cell: cell.sample.n}
        if any(cell.sign for cell in quantities):
            parts |= {f"ci95 {end}": _end(lambda cell: cell.sample, at) for at, end in enumerate(("low", "high"))}
    if any(cell.difference is not None for cell in quantities):
        parts["difference"] = lambda cell: cell.difference and cell.difference.mean
        parts["difference std"] = lambda cell: cell.difference and cell.difference.std if cell.spread else None
        parts["difference n"] = lambda cell: cell.difference and cell.difference.n
        ends = {f"difference ci95 {end}": _end(lambda cell: cell.difference, at) for at, end in enumerate(("low", "high"))}
        parts |= ends
    return parts


def _end(of: Callable[[Quantity], Sample | None], at: int) -> Part:
    """A function that reads the lower (0) or upper (1) end of a confidence interval."""

    def end(cell: Quantity) -> float | None:
        sample = of(cell)
        interval = sample.interval if sample is not None and cell.spread else None
        return interval and interval[at]

    return end


def _values(cell: Cell, parts: dict[str, Part]) -> list[str]:
    if isinstance(cell, Quantity):
        return ["" if value is None else str(value) for value in (part(cell) for part in parts.values())]
    first = clean(cell) if not isinstance(cell, float) or defined(cell) else ""
    return [first, *[""] * (len(parts) - 1)]
