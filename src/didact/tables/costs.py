"""Costs of preparing teachers: each teacher, and all specialised teachers against one generic
teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from didact.runs.spread import defined
from didact.store.record import Record
from didact.tables.table import Cell, Quantity

SHOWN = (1, 2, 3, 4, 7)
"""Numbers of students in the table of costs, in addition to the number that was trained."""


@dataclass(frozen=True)
class Cost:
    """Seconds of wall-clock time and of processor time; the latter is NaN if unknown."""

    seconds: float
    cpu_seconds: float

    @classmethod
    def of(cls, record: Record) -> Cost:
        """The cost of all epochs of a Record."""
        rows = record.metrics()
        return cls(sum(row["seconds"] for row in rows), sum(row.get("cpu_seconds", math.nan) for row in rows))

    @classmethod
    def total(cls, costs: Sequence[Cost], k: int) -> Cost:
        """The cost of the first ``k`` entries; for ``k`` above their number, ``k`` times their
        mean."""

        def total(values: Sequence[float]) -> float:
            return sum(values[:k]) if k <= len(values) else k * sum(values) / len(values)

        return cls(total([cost.seconds for cost in costs]), total([cost.cpu_seconds for cost in costs]))

    def cells(self) -> tuple[Cell, Cell]:
        """Both figures as cells of a table."""
        return Quantity.single(self.seconds, 1), Quantity.single(self.cpu_seconds, 1)


def several_students(special: Sequence[Cost], generic: Cost) -> list[tuple[Cell, ...]]:
    """A row for each number of students: wall-clock time of specialised and generic teachers, then
    processor time."""
    rows: list[tuple[Cell, ...]] = []
    for k in sorted({*SHOWN, len(special)}):
        estimated = "" if k <= len(special) else f" (the mean of {len(special)}, times {k})"
        (wall, processor), (wall_generic, processor_generic) = Cost.total(special, k).cells(), generic.cells()
        rows.append((f"{k}{estimated}", wall, wall_generic, processor, processor_generic))
    return rows


def break_even(special: Sequence[Cost], generic: Cost) -> int | None:
    """The smallest number of students for which the generic teacher takes less processor time; None
    if unknown."""
    total = Cost.total(special, len(special)).cpu_seconds
    if not defined(total + generic.cpu_seconds) or total == 0:
        return None
    k = 1
    while Cost.total(special, k).cpu_seconds < generic.cpu_seconds:
        k += 1
    return k
