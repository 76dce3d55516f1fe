"""A table as a value. Other packages fill it; :mod:`didact.report` renders it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from didact.runs.spread import Sample, defined
from didact.runs.spread import difference as plain_difference
from didact.runs.spread import text as number_text
from didact.spec import clean

LARGE = 10_000
"""Whole numbers from here on are written with thousands separators."""


@dataclass(frozen=True)
class Quantity:
    """A cell with figures over seeds.

    Attributes:
        sample: the figures over seeds.
        difference: paired differences to a baseline, over the seeds that both have; None without a
            baseline.
        digits: after the point.
        of: the largest number of figures in a cell of the table; smaller samples show their n.
        sign: whether positive figures have a plus sign, as differences do.
        spread: whether the text includes the standard deviation.
    """

    sample: Sample
    difference: Sample | None = None
    digits: int = 2
    of: int = 0
    sign: bool = False
    spread: bool = True

    @classmethod
    def single(cls, value: float | None, digits: int = 2, *, sign: bool = False) -> Quantity:
        """A single figure without a spread."""
        return cls(Sample((value,)), digits=digits, sign=sign)

    def text(self) -> str:
        """ "76.20 ± 0.30 (+1.20 ± 0.11, n=2) n=3": mean, spread, difference; n only for a smaller
        sample."""
        n = self.sample.n
        gain = ""
        if self.difference is not None:
            fewer = f", n={self.difference.n}" if 0 < self.difference.n < n else ""
            gain = f" ({self._text(self.difference, sign=True)}{fewer})"
        return self._text(self.sample, sign=self.sign) + gain + (f" n={n}" if 0 < n < self.of else "")

    def plain(self) -> dict[str, Any]:
        """The figures and their paired differences as plain JSON data; None for undefined
        figures."""
        paired = {} if self.difference is None else {"difference": plain_difference(self.difference)}
        return self.sample.plain() | paired

    def _text(self, sample: Sample, *, sign: bool) -> str:
        if self.spread:
            return sample.text(self.digits, sign=sign)
        return number_text(sample.mean, self.digits, sign=sign)


Cell = str | int | float | Quantity


@dataclass(frozen=True)
class Table:
    """Column headings and rows of cells.

    Attributes:
        columns: headings.
        rows: a cell for each column.
        title: what the table shows.
        note: explanation of the figures, in lines of text.
        figures: the same as plain JSON data, by row and column; None for tables of text only.
        details: columns that a narrow terminal leaves out, the first one first. Other forms have all.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    note: str = ""
    figures: Mapping[str, Any] | None = None
    details: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds figures."""
        return tuple(any(not isinstance(row[at], str) for row in self.rows) for at in range(len(self.columns)))


def text(cell: Cell) -> str:
    """A cell as text: "-" for an undefined figure, escapes for unprintable characters."""
    if isinstance(cell, Quantity):
        return cell.text()
    if isinstance(cell, float):
        return str(cell) if defined(cell) else number_text(None)
    return f"{cell:,}" if isinstance(cell, int) and abs(cell) >= LARGE else clean(cell)


def compared(sample: Sample | None, base: Sample | None, of: int = 0, digits: int = 2) -> Cell:
    """A sample with its paired difference to ``base``, if given; an empty cell without a sample."""
    if sample is None:
        return ""
    return Quantity(sample, None if base is None else sample.minus(base), digits, of)


def figures(columns: Sequence[str], rows: Mapping[str, Sequence[Cell]]) -> dict[str, dict[str, Any]]:
    """The quantities of rows as plain JSON data, by row and column."""
    return {
        row: {column: cell.plain() for column, cell in zip(columns, cells, strict=True) if isinstance(cell, Quantity)}
        for row, cells in rows.items()
    }
