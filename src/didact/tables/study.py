"""A study: a grid of Runs and the paper's numbers. Students are rows, teachers are columns.

Teachers are trained one at a time, so that what each of them cost is its own and not its cohort's; students in cohorts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from didact.execution import Execution, Outcome, Show, execute
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.costs import Cost
from didact.tables.table import Cell, Table, compared, figures


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
    published: tuple[Table, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """The students' runs, each once."""
        runs = [run for c in self.columns for rows in c.runs.values() for cell in rows.values() for run in cell]
        return list({run.digest: run for run in runs}.values())

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

    def records(self, store: Store) -> dict[str, Record]:
        """The finished runs, teachers included, by digest."""
        teachers = [teacher for column in self.columns for teacher in column.teachers]
        records = {run.digest: store.get(run) for run in (*teachers, *self.runs)}
        return {digest: record for digest, record in records.items() if record is not None}

    def tables(self, store: Store, device: str, tell: Callable[[str], None] = lambda line: None) -> list[Table]:
        """Accuracies by method, and what each teacher cost."""
        records = self.records(store)
        return [*(self.accuracies(records, method) for method in self.methods), self.cost_table(records)]

    def accuracies(self, records: Mapping[str, Record], method: str) -> Table:
        """The table of one method: accuracy of teachers and students, in brackets the mean difference to the baseline."""
        columns = [c for c in self.columns if method in c.runs]
        base = self.columns[self.baseline]
        body: dict[str, list[Cell]] = {"teacher": [compared(_sample(c.teachers, records), None) for c in columns]}
        for label, net in self.students.items():
            samples = [_sample(c.runs[method].get(net, ()), records) for c in columns]
            against = _sample(base.runs.get(method, {}).get(net, ()), records)
            most = max((sample.n for sample in samples if sample is not None), default=0)
            body[label] = [compared(s, None if c is base else against, most) for c, s in zip(columns, samples, strict=True)]
        single = all(len(runs) == 1 for c in columns for runs in c.runs[method].values())
        spread = f"mean ± standard deviation over {_counts(columns, method)} (where a cell has fewer, n says how many)"
        note = (
            f"Test accuracy in percent after the last epoch, {'single figures: no spread is known' if single else spread}; "
            f"in brackets the difference to '{base.label}', seed by seed."
        )
        labels = [c.label for c in columns]
        nets = {label: {"net": net} for label, net in self.students.items()}
        plain = {row: nets.get(row, {}) | cells for row, cells in figures(labels, body).items()}
        rows = tuple((row, *cells) for row, cells in body.items())
        return Table(("", *labels), rows, f"{self.title}: {method}", note, plain)

    def costs(self, records: Mapping[str, Record]) -> dict[str, Cost]:
        """By column what preparing its teacher cost, as far as it is known: the first seed's, once for columns that share it."""
        costs: dict[str, Cost] = {}
        known: set[str] = set()
        for column in self.columns:
            first = column.teachers[0].digest if column.teachers else None
            if first is not None and first in records and first not in known:
                known.add(first)
                costs[column.label] = Cost.of(records[first])
        return costs

    def cost_table(self, records: Mapping[str, Record]) -> Table:
        """What preparing the teachers cost: seconds of wall clock and of the processor."""
        costs = self.costs(records)
        note = (
            "Seconds of training (without tests), one teacher at a time. The processor's seconds are those of all its threads; "
            "they are what can be compared when other work shared the machine."
        )
        rows = tuple((label, *cost.cells()) for label, cost in costs.items())
        columns = ("teacher", "wall clock (s)", "processor (s)")
        plain = {label: asdict(cost) for label, cost in costs.items()}
        return Table(columns, rows, f"{self.title}: preparing a teacher", note, plain)


def _sample(runs: Sequence[Run], records: Mapping[str, Record]) -> Sample | None:
    return Sample.of((run, records[run.digest].final()["test_top1"]) for run in runs if run.digest in records)


def _counts(columns: Sequence[Column], method: str) -> str:
    """ "2 seeds of each of 1 teacher": what the ± covers."""
    taught = next((c for c in columns if c.teachers), None)
    if taught is None:
        return "seeds"
    runs = next(iter(taught.runs[method].values()))
    each = len(runs) // len(taught.teachers)
    return f"{each} training seeds with each of {len(taught.teachers)} teacher seed{'s' if len(taught.teachers) > 1 else ''}"
