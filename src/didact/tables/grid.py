"""A paper's table as a grid of Runs over seeds, and measures that give a figure for each Run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from didact.analysis.probe import LogisticProbe, ProbeMethod
from didact.data import Data, available
from didact.execution import Execution, Outcome, Show, execute
from didact.measure.probe import Tell, fitting_size, probe
from didact.measure.similarity import similarities
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.store.store import Store
from didact.tables.table import Cell, Quantity, Table, compared, figures

Values = Callable[[Store, Sequence[Run], str, Tell], Mapping[str, float]]
"""(store, runs, device, tell) -> figure by digest. Runs without this figure are left out."""


@dataclass(frozen=True)
class Measure:
    """One figure of a Run.

    Attributes:
        heading: the quantity and its unit.
        values: measures finished runs.
        teachers: whether to measure the runs' teachers instead of the runs.
        digits: after the point.
        needs: data sets that the measurement reads.
    """

    heading: str
    values: Values
    teachers: bool = False
    digits: int = 2
    needs: tuple[Data, ...] = ()


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
    """

    title: str
    rows: Mapping[str, Mapping[str, tuple[Run, ...]]]
    columns: tuple[str, ...]
    base: str
    measures: tuple[Measure, ...]
    plain: frozenset[str] = frozenset()
    average: bool = False
    published: Table | None = None

    @property
    def runs(self) -> list[Run]:
        """All Runs, each once."""
        return list({run.digest: run for row in self.rows.values() for cell in row.values() for run in cell}.values())

    def tables(self, store: Store, device: str, tell: Tell) -> list[Table]:
        """A table for every measure, from the finished runs."""
        return [self._table(measure, store, device, tell) for measure in self.measures]

    def _table(self, measure: Measure, store: Store, device: str, tell: Tell) -> Table:
        measured = {row: {c: _measured(cell, measure) for c, cell in cells.items()} for row, cells in self.rows.items()}
        runs = {run.digest: run for cells in measured.values() for cell in cells.values() for run in cell}
        values = measure.values(store, [run for run in runs.values() if store.get(run) is not None], device, tell)
        every = {row: {c: _sample(cell, values) for c, cell in cells.items()} for row, cells in measured.items()}
        samples = {row: cells for row, cells in every.items() if any(cells.values())}
        bases = {row: {c: self._base(every, measured, row, c) for c in cells} for row, cells in samples.items()}
        most = max((sample.n for cells in samples.values() for sample in cells.values() if sample), default=0)
        body = {row: self._line(cells, bases[row], most, measure.digits) for row, cells in samples.items()}
        rows = [(row, *cells) for row, cells in body.items()]
        if self.average:
            rows.append(("mean", *self._means(samples, measure.digits)))
        columns, title = ("", *self.columns), f"{self.title}: {measure.heading}"
        return Table(columns, tuple(rows), title, self._note(most), figures(self.columns, body))

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

    def _note(self, most: int) -> str:
        seeds = sorted(
            {run.seed for row, cells in self.rows.items() if row not in self.plain for c in cells.values() for run in c}
        )
        spread = (
            f"Mean ± standard deviation over training seeds {', '.join(map(str, seeds))} "
            "(cells with fewer show their n; a single figure has no spread)"
            if most > 1
            else "Single figures, so the spread is unknown"
        )
        return f"{spread}; in brackets: difference to '{self.base}', paired by seed."


@dataclass(frozen=True)
class Grids:
    """Several tables of a paper. A run in more than one table is trained once."""

    grids: tuple[Grid, ...]
    title: str = ""
    """The paper's short name."""

    @property
    def students(self) -> Mapping[str, str]:
        """Always empty, because these tables name networks in full."""
        return {}

    @property
    def runs(self) -> list[Run]:
        """All Runs, each once."""
        return list({run.digest: run for grid in self.grids for run in grid.runs}.values())

    @property
    def published(self) -> tuple[Table, ...]:
        """The paper's own tables, each once."""
        return tuple({g.published.title: g.published for g in self.grids if g.published is not None}.values())

    def train(self, store: Store, execution: Execution, show: Show | None = None, *, retry: bool = False) -> Outcome:
        """Train the missing runs.

        Raises:
            SpecError, DataError: a measure is impossible or lacks its data. Raised before any
                training.
        """
        for grid in self.grids:
            for measure in grid.measures:
                for data in measure.needs:
                    for run in grid.runs:
                        fitting_size(run, data)
        available({data for grid in self.grids for measure in grid.measures for data in measure.needs})
        return execute(self.runs, store, execution, show, retry=retry)

    def tables(self, store: Store, device: str, tell: Tell = lambda line: None) -> list[Table]:
        """All measures of all tables."""
        return [table for grid in self.grids for table in grid.tables(store, device, tell)]


def accuracy(store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
    """Test accuracy after the last epoch, in percent."""
    return {run.digest: record.final()["test_top1"] for run in runs if (record := store.get(run)) is not None}


def kl(store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
    """KL(teacher || student) in nats, on the test set."""
    return {key: similar.kl for key, similar in similarities(store, runs, device).items()}


def cka(store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
    """Linear CKA of the pooled vectors with the teacher's, on the test set."""
    return {key: similar.cka for key, similar in similarities(store, runs, device).items()}


@dataclass(frozen=True)
class Transferred:
    """Accuracy in percent of a linear probe (:func:`didact.measure.probe.probe`), the mean over
    probe seeds."""

    data: Data
    method: ProbeMethod = field(default_factory=LogisticProbe)

    def __call__(self, store: Store, runs: Sequence[Run], device: str, tell: Tell) -> dict[str, float]:
        results = probe(store, runs, [self.data], [self.method], device=device, tell=tell)
        return {result.run.digest: sum(result.probed.top1) / len(result.probed.top1) for result in results}


def _measured(runs: Sequence[Run], measure: Measure) -> tuple[Run, ...]:
    if not measure.teachers:
        return tuple(runs)
    return tuple({run.teacher.digest: run.teacher for run in runs if run.teacher is not None}.values())


def _sample(runs: Sequence[Run], values: Mapping[str, float]) -> Sample | None:
    return Sample.of((run, values[run.digest]) for run in runs if run.digest in values)


def _mean(samples: Iterable[Sample]) -> Sample:
    """The samples' means, one for each row; undefined if one of them is."""
    means = tuple(sample.mean for sample in samples)
    return Sample((None,) if None in means else means)
