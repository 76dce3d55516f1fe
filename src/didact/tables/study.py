"""A study: a grid of Runs with the paper's numbers beside it. Students are rows, teachers are columns.

Teachers are trained one at a time, so that what each of them cost is its own and not its cohort's; students in cohorts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from didact.execution import Execution, Outcome, Show, execute
from didact.runs.run import Run
from didact.runs.spread import Cell, beside
from didact.runs.spread import text as figure
from didact.store.record import Record
from didact.store.store import Store


@dataclass(frozen=True)
class Column:
    """One way of preparing a teacher (or of doing without), for all students.

    Attributes:
        label: the heading.
        teachers: one for each teacher seed; none where students learn alone.
        runs: by method and student, the students' runs over all seeds.
    """

    label: str
    teachers: tuple[Run, ...]
    runs: Mapping[str, Mapping[str, tuple[Run, ...]]]


@dataclass(frozen=True)
class Sheet:
    """A table as text, with figures for programs in ``plain``."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    plain: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Study:
    """A grid of Runs.

    Attributes:
        title: what is studied, on which data, with which recipe.
        columns: in order; differences are against ``columns[baseline]``.
        students: row label -> network.
        published: the paper's own tables.
    """

    title: str
    columns: tuple[Column, ...]
    baseline: int
    students: Mapping[str, str]
    published: tuple[Sheet, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """The students' runs, each once."""
        found = [run for c in self.columns for rows in c.runs.values() for runs in rows.values() for run in runs]
        return list({run.digest: run for run in found}.values())

    @property
    def methods(self) -> list[str]:
        """Labels of the methods, in the order in which columns name them."""
        return list(dict.fromkeys(method for column in self.columns for method in column.runs))

    def train(self, store: Store, execution: Execution, show: Show | None = None, *, retry: bool = False) -> Outcome:
        """Train what is missing: teachers one at a time, then students in cohorts."""
        teachers = [teacher for column in self.columns for teacher in column.teachers]
        first = execute(teachers, store, replace(execution, cohort_size=1), show, retry=retry)
        rest = execute(self.runs, store, execution, show, retry=retry)
        return Outcome(first.records | rest.records, first.failures | rest.failures)

    def accuracies(self, records: Mapping[str, Record], method: str) -> Sheet:
        """The table of one method: accuracy of teachers and students, in brackets the mean difference to the baseline."""
        columns = [c for c in self.columns if method in c.runs]
        base = self.columns[self.baseline]
        head = ("", *(c.label for c in columns))
        teachers = [_cell(c.teachers, records) for c in columns]
        rows = [("teacher", *("" if t is None else t.text() for t in teachers))]
        plain: dict[str, Any] = {"teacher": _figures(columns, teachers)}
        for label, net in self.students.items():
            cells = [_cell(c.runs[method].get(net, ()), records) for c in columns]
            against = _cell(base.runs.get(method, {}).get(net, ()), records)
            bases = [None if c is base else against for c in columns]
            most = max((cell.n for cell in cells if cell is not None), default=0)
            rows.append((label, *(beside(cell, base, most) for cell, base in zip(cells, bases, strict=True))))
            plain[label] = {"net": net} | _figures(columns, cells, bases)
        single = all(len(runs) == 1 for c in columns for runs in c.runs[method].values())
        spread = f"mean ± standard deviation over {_counts(columns, method)} (where a cell has fewer, n says how many)"
        note = (
            f"Test accuracy in percent after the last epoch, {'single figures: no spread is known' if single else spread}; "
            f"in brackets the difference to '{base.label}', seed by seed."
        )
        return Sheet(f"{self.title}: {method}", head, tuple(rows), note, plain)

    def costs(self, records: Mapping[str, Record]) -> Sheet:
        """What preparing the teachers cost: seconds of wall clock and of the processor, by the first seed's teachers."""
        rows: list[tuple[str, ...]] = []
        plain: dict[str, Any] = {}
        told: set[str] = set()
        for column in self.columns:
            first = column.teachers[0].digest if column.teachers else None
            if first is not None and first in records and first not in told:
                told.add(first)
                wall, processor = seconds(records[first])
                rows.append((column.label, figure(wall, 1), figure(processor, 1)))
                plain[column.label] = {"seconds": wall, "cpu_seconds": processor}
        note = (
            "Seconds of training (without tests), one teacher at a time. The processor's seconds are those of all its threads; "
            "they are what can be compared when other work shared the machine."
        )
        return Sheet(
            f"{self.title}: preparing a teacher", ("teacher", "wall clock (s)", "processor (s)"), tuple(rows), note, plain
        )


def seconds(record: Record) -> tuple[float, float]:
    """Wall-clock and processor seconds of a Run's epochs; the second is NaN for Records that do not hold it."""
    rows = record.metrics()
    return sum(row["seconds"] for row in rows), sum(row.get("cpu_seconds", math.nan) for row in rows)


def _cell(runs: Sequence[Run], records: Mapping[str, Record]) -> Cell | None:
    return Cell.of((run, records[run.digest].final()["test_top1"]) for run in runs if run.digest in records)


def _figures(
    columns: Sequence[Column], cells: Sequence[Cell | None], bases: Sequence[Cell | None] | None = None
) -> dict[str, Any]:
    """By column the figures, and their differences to ``bases``."""
    found = {}
    for column, cell, base in zip(columns, cells, bases or [None] * len(cells), strict=True):
        if cell is not None:
            found[column.label] = cell.plain(base)
    return found


def _counts(columns: Sequence[Column], method: str) -> str:
    """ "2 seeds of each of 1 teacher": what the ± covers."""
    taught = next((c for c in columns if c.teachers), None)
    if taught is None:
        return "seeds"
    runs = next(iter(taught.runs[method].values()))
    each = len(runs) // len(taught.teachers)
    return f"{each} training seeds with each of {len(taught.teachers)} teacher seed{'s' if len(taught.teachers) > 1 else ''}"
