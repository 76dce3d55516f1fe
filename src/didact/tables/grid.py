"""A paper's table as a grid of Runs over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from didact.measure.probe import Tell
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.store.store import Store
from didact.tables.measures import Measure
from didact.tables.published import Entry, Place, Published, comparison
from didact.tables.table import Cell, Quantity, Table, compared, figures

Samples = Mapping[str, Mapping[str, Sample | None]]
"""Figures by row and column."""


@dataclass(frozen=True)
class Grid:
    """A table of a paper.

    Attributes:
        title: the compared networks, the data and the recipe.
        rows: row -> column -> Runs over seeds; a cell may be missing.
        columns: the columns in order.
        base: the row or column to which the others are compared.
        measures: each makes one table of all rows and columns.
        plain: rows without differences that count in no mean, such as the teacher's accuracy.
        average: whether to add a last row with the mean over the rows.
        published: the paper's own table.
        names: what rows and columns are, for ``--only``: method, pair, teacher ...
        facts: what else holds for the whole table, such as its pair.
        only: the cells that are asked for; None: all. The others are neither trained nor shown,
            except those to which they are compared.
    """

    title: str
    rows: Mapping[str, Mapping[str, tuple[Run, ...]]]
    columns: tuple[str, ...]
    base: str
    measures: tuple[Measure, ...]
    plain: frozenset[str] = frozenset()
    average: bool = False
    published: Table | None = None
    names: tuple[str, str] = ("method", "pair")
    facts: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[Place] | None = None

    @property
    def runs(self) -> list[Run]:
        """The Runs of the cells that are asked for, each once."""
        cells = [cell for row, columns in self.rows.items() for c, cell in columns.items() if self._asked(row, c)]
        return list({run.digest: run for cell in cells for run in cell}.values())

    @property
    def _shown(self) -> Grid:
        """Without the columns of which no cell is asked for."""
        if self.only is None:
            return self
        asked = {column for _, column in self.only} | {self.base}
        return replace(self, columns=tuple(column for column in self.columns if column in asked))

    def _asked(self, row: str, column: str) -> bool:
        return self.only is None or (row, column) in self.only

    def tables(self, store: Store, device: str, tell: Tell) -> list[Table]:
        """For every measure a table of the finished runs, and one of the differences with their
        intervals, and with the published figures and verdicts where there are any.
        """
        shown = self._shown
        return [table for measure in self.measures for table in shown._tables(measure, store, device, tell)]

    def _tables(self, measure: Measure, store: Store, device: str, tell: Tell) -> list[Table]:
        measured = {row: {c: _measured(cell, measure) for c, cell in cells.items()} for row, cells in self.rows.items()}
        runs = {run.digest: run for cells in measured.values() for cell in cells.values() for run in cell}
        values = measure.values(store, [run for run in runs.values() if store.get(run) is not None], device, tell)
        every = {row: {c: _sample(cell, values) for c, cell in cells.items()} for row, cells in measured.items()}
        samples = {row: cells for row, cells in every.items() if any(cells.values())}
        bases = {row: {c: self._base(every, measured, row, c) for c in cells} for row, cells in samples.items()}
        samples, bases = self._limited(samples), self._limited(bases)
        most = max((sample.n for cells in samples.values() for sample in cells.values() if sample), default=0)
        body = {row: self._line(cells, bases[row], most, measure.digits) for row, cells in samples.items()}
        rows = [(row, *cells) for row, cells in body.items()]
        if self.average:
            rows.append(("mean", *self._means(samples, measure.digits)))
        columns, title = ("", *self.columns), f"{self.title}: {measure.heading}"
        based = any(cells[c] for row, cells in samples.items() for c in cells if self._is_base(row, c))
        own = Table(columns, tuple(rows), title, self._note(most, based=based), figures(self.columns, body))
        entries = self._entries(samples, bases, measure.published)
        there = comparison(title, entries, measure.published, measure.margin, measure.digits, measure.rule, self.names)
        return [own] if there is None else [own, there]

    def _entries(self, samples: Samples, bases: Samples, published: Published | None) -> list[Entry]:
        """The cells with a figure; of plain rows only those that have a published one."""
        entries, there = [], {} if published is None else published.figures
        for row, cells in samples.items():
            for column, sample in cells.items():
                if sample is None or (row in self.plain and (row, column) not in there):
                    continue
                against = bases[row].get(column)
                base = (row, self.base) if self.base in self.columns else (self.base, column)
                entries.append(Entry((row, column), sample, None if against is None else base, against))
        return entries

    def _limited(self, samples: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """The cells that are asked for, those to which they are compared, and plain rows."""
        if self.only is None:
            return {row: dict(cells) for row, cells in samples.items()}
        wanted = self.only | {(row, self.base) for row, _ in self.only} | {(self.base, c) for _, c in self.only}
        wanted |= {(row, c) for row in self.plain for c in self.columns}
        kept = {row: {c: cell for c, cell in cells.items() if (row, c) in wanted} for row, cells in samples.items()}
        return {row: cells for row, cells in kept.items() if cells}

    def _line(
        self, samples: Mapping[str, Sample | None], bases: Mapping[str, Sample | None], most: int, digits: int
    ) -> list[Cell]:
        """The cells of a row. A single figure has neither spread nor n."""
        several = {c: most if sample is not None and sample.n > 1 else 0 for c, sample in samples.items()}
        return [compared(samples.get(c), bases.get(c), several.get(c, 0), digits) for c in self.columns]

    def _base(self, samples: Any, measured: Any, row: str, column: str) -> Sample | None:
        """The sample to compare the cell with; None for plain rows and for the base itself."""
        at = (row, self.base) if self.base in self.columns else (self.base, column)
        same = measured.get(at[0], {}).get(at[1]) == measured[row][column]
        return None if same or row in self.plain else samples.get(at[0], {}).get(at[1])

    def _means(self, samples: Mapping[str, Mapping[str, Sample | None]], digits: int) -> list[Cell]:
        """The mean of each column and of its paired differences, over the rows with a figure in
        every column."""
        rows = [[cells.get(c) for c in self.columns] for row, cells in samples.items() if row not in self.plain]
        whole = [[sample for sample in cells if sample is not None and sample.n] for cells in rows]
        whole = [cells for cells in whole if len(cells) == len(self.columns)]
        if not whole:
            return [""] * len(self.columns)
        base = self.columns.index(self.base) if self.base in self.columns else None
        means: list[Cell] = []
        for at in range(len(self.columns)):
            gain = None if base in (None, at) else _mean(cells[at].minus(cells[base]) for cells in whole)
            means.append(Quantity(_mean(cells[at] for cells in whole), gain, digits, spread=False))
        return means

    def _is_base(self, row: str, column: str) -> bool:
        return row not in self.plain and self.base == (column if self.base in self.columns else row)

    def _note(self, most: int, *, based: bool) -> str:
        runs = [run for row, cells in self.rows.items() if row not in self.plain for c in cells.values() for run in c]
        seeds, teachers = {run.seed for run in runs}, {run.teacher.seed for run in runs if run.teacher is not None}
        by = f" of each of the teacher seeds {_listed(teachers)}" if len(teachers) > 1 else ""
        spread = (
            f"Mean ± standard deviation over training seeds {_listed(seeds)}{by} "
            "(cells with fewer show their n; a single figure has no spread)"
            if most > 1
            else "Single figures, so the spread is unknown"
        )
        if not based:
            return f"{spread}. No differences: '{self.base}', to which the others are compared, is not finished."
        return f"{spread}; in brackets: difference to '{self.base}', paired by seed."


def _measured(runs: Sequence[Run], measure: Measure) -> tuple[Run, ...]:
    if not measure.teachers:
        return tuple(runs)
    return tuple({run.teacher.digest: run.teacher for run in runs if run.teacher is not None}.values())


def _sample(runs: Sequence[Run], values: Mapping[str, float]) -> Sample | None:
    return Sample.of(((run, values[run.digest]) for run in runs if run.digest in values), runs)


def _mean(samples: Iterable[Sample]) -> Sample:
    """The samples' means, one for each row; undefined if one of them is."""
    means = tuple(sample.mean for sample in samples)
    return Sample((None,) if None in means else means)


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))
