"""What preparing teachers cost: each by itself, and specialised ones together against a generic one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from didact.runs.spread import defined
from didact.store.record import Record
from didact.tables.table import Cell, Quantity

SHOWN = (1, 2, 3, 4, 7)
"""Numbers of students for which the costs are shown; the number of those that were trained comes with them."""


@dataclass(frozen=True)
class Cost:
    """Seconds of wall clock and of the processor; the second is NaN where it is not known."""

    seconds: float
    cpu_seconds: float

    @classmethod
    def of(cls, record: Record) -> Cost:
        """The cost of a Run's epochs."""
        rows = record.metrics()
        return cls(sum(row["seconds"] for row in rows), sum(row.get("cpu_seconds", math.nan) for row in rows))

    @classmethod
    def total(cls, costs: Sequence[Cost], k: int) -> Cost:
        """That of the first ``k`` of them; beyond those that there are, ``k`` times their mean."""

        def total(values: Sequence[float]) -> float:
            return sum(values[:k]) if k <= len(values) else k * sum(values) / len(values)

        return cls(total([cost.seconds for cost in costs]), total([cost.cpu_seconds for cost in costs]))

    def cells(self) -> tuple[Cell, Cell]:
        """Both, as cells of a table."""
        return Quantity.single(self.seconds, 1), Quantity.single(self.cpu_seconds, 1)


def several_students(special: Sequence[Cost], generic: Cost) -> list[tuple[Cell, ...]]:
    """A row for each number of students: specialised teachers' and the generic one's wall clock, then the same of processors."""
    rows: list[tuple[Cell, ...]] = []
    for k in sorted({*SHOWN, len(special)}):
        estimated = "" if k <= len(special) else f" (the mean of {len(special)}, times {k})"
        (wall, processor), (wall_generic, processor_generic) = Cost.total(special, k).cells(), generic.cells()
        rows.append((f"{k}{estimated}", wall, wall_generic, processor, processor_generic))
    return rows


def break_even(special: Sequence[Cost], generic: Cost) -> int | None:
    """From how many students on the generic teacher costs less of the processor's time; None where that is not known."""
    total = Cost.total(special, len(special)).cpu_seconds
    if not defined(total + generic.cpu_seconds) or total == 0:
        return None
    k = 1
    while Cost.total(special, k).cpu_seconds < generic.cpu_seconds:
        k += 1
    return k
