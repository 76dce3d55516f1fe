"""A study: a grid of Runs and the paper's figures. Students are rows, teachers are columns.

Teachers are trained one at a time, so that the cost of each can be measured; students are trained
in cohorts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from didact.execution import Execution, Outcome, Show, execute
from didact.runs.run import Run, everything
from didact.runs.spread import Sample
from didact.spec import SpecError, nearest, plural, shown
from didact.store.record import Record
from didact.store.store import Store
from didact.tables.costs import Cost
from didact.tables.grids import possible
from didact.tables.published import Entry, Published, comparison
from didact.tables.table import Cell, Table, compared, figures


@dataclass(frozen=True)
class Column:
    """One kind of teacher (or none), for all students.

    Attributes:
        label: the heading.
        teachers: one run for each teacher seed; empty if students have no teacher.
        runs: the students' runs over all seeds, by method and student.
    """

    label: str
    teachers: tuple[Run, ...]
    runs: Mapping[str, Mapping[str, tuple[Run, ...]]]


@dataclass(frozen=True)
class Study:
    """A grid of Runs.

    Attributes:
        title: the subject, the data and the recipe.
        columns: in order.
        baseline: index of the column to which the others are compared.
        students: row label -> network.
        published: the paper's own tables.
        figures: its figures by student and column, of students by KD.
        only: the cells that are asked for: values by "student", "teacher" (the column) and
            "method"; None: all.
        costs_only: whether only the teachers' costs are of interest, so that no student is trained.
    """

    title: str
    columns: tuple[Column, ...]
    baseline: int
    students: Mapping[str, str]
    published: tuple[Table, ...] = ()
    figures: Published | None = None
    only: Mapping[str, Sequence[str]] | None = None
    costs_only: bool = False

    def __post_init__(self) -> None:
        """Raises SpecError if ``only`` names what the study does not have."""
        labels = {"student": [*self.students, *self.students.values()], "method": self.methods}
        known = labels | {"teacher": [column.label for column in self.columns]}
        for name, values in (self.only or {}).items():
            if name not in known:
                raise SpecError(f"only: no table of this study has a {shown(name)}{nearest(name, known)}")
            for value in values:
                if value not in known[name]:
                    raise SpecError(f"only: {name}={value} is in no table here{nearest(value, known[name])}")

    def _asked(self, column: str, method: str, net: str) -> bool:
        label = next((label for label, one in self.students.items() if one == net), net)
        facts = {"teacher": {column}, "method": {method}, "student": {net, label}}
        return all(facts[name] & set(values) for name, values in (self.only or {}).items())

    @property
    def runs(self) -> list[Run]:
        """The runs that are asked for, each once: students', or teachers' where only costs are."""
        if self.costs_only:
            return list({run.digest: run for run in self._teachers()}.values())
        cells = [
            cell
            for column in self.columns
            for method, rows in column.runs.items()
            for net, cell in rows.items()
            if self._asked(column.label, method, net)
        ]
        return list({run.digest: run for cell in cells for run in cell}.values())

    def _teachers(self) -> list[Run]:
        """The teachers of the columns that are asked for."""
        wanted = [
            column
            for column in self.columns
            if any(self._asked(column.label, method, net) for method, rows in column.runs.items() for net in rows)
        ]
        return [teacher for column in wanted for teacher in column.teachers]

    @property
    def methods(self) -> list[str]:
        """Labels of the methods, in the order of the columns."""
        return list(dict.fromkeys(method for column in self.columns for method in column.runs))

    def train(self, store: Store, execution: Execution, show: Show | None = None, *, retry: bool = False) -> Outcome:
        """Train the missing runs: teachers one at a time, then students in cohorts. Those whose
        networks and method do not fit are left out, and it is said why."""
        runs, refused = possible(self.runs, store)
        for reason in refused:
            store.say(f"left out: {reason}")
        needed = {run.digest for run in everything(runs)}
        teachers = [teacher for teacher in self._teachers() if teacher.digest in needed]
        prepared = execute(teachers, store, replace(execution, cohort_size=1), show, retry=retry)
        taught = execute(runs, store, execution, show, retry=retry)
        return Outcome(prepared.records | taught.records, prepared.failures | taught.failures)

    def records(self, store: Store) -> dict[str, Record]:
        """The Records of finished runs, including teachers, by digest."""
        teachers = [teacher for column in self.columns for teacher in column.teachers]
        students = [run for c in self.columns for rows in c.runs.values() for cell in rows.values() for run in cell]
        every = {run.digest: run for run in (*teachers, *([] if self.costs_only else students))}
        records = {digest: store.get(run) for digest, run in every.items()}
        return {digest: record for digest, record in records.items() if record is not None}

    def tables(self, store: Store, device: str, tell: Callable[[str], None] = lambda line: None) -> list[Table]:
        """A table of accuracies for each method, and the costs of the teachers."""
        records = self.records(store)
        shown = [] if self.costs_only else [table for m in self.methods for table in self._of_method(records, m)]
        return [*shown, self.cost_table(records)]

    def _of_method(self, records: Mapping[str, Record], method: str) -> list[Table]:
        """The table of one method, and one of its differences with their intervals; for KD with the
        published figures."""
        own, published = self.accuracies(records, method), self.figures if method == "kd" else None
        base = self.columns[self.baseline]
        entries = [
            Entry(("teacher", c.label), sample) for c in self.columns if (sample := _sample(c.teachers, records)) is not None
        ]
        for label, net in self.students.items():
            against = _sample(base.runs.get(method, {}).get(net, ()), records)
            for column in self.columns:
                sample = _sample(column.runs.get(method, {}).get(net, ()), records)
                if sample is not None:
                    compared_to = None if column is base else (label, base.label)
                    entries.append(Entry((label, column.label), sample, compared_to, against))
        there = comparison(f"{self.title}: {method}", entries, published, 0.5, names=("student", "teacher"))
        return [own] if there is None else [own, there]

    def accuracies(self, records: Mapping[str, Record], method: str) -> Table:
        """The table of one method: accuracy of teachers and students, with the mean difference to
        the baseline."""
        columns = [c for c in self.columns if method in c.runs]
        base = self.columns[self.baseline]
        body: dict[str, list[Cell]] = {"teacher": [compared(_sample(c.teachers, records), None) for c in columns]}
        for label, net in self.students.items():
            samples = [_sample(c.runs[method].get(net, ()), records) for c in columns]
            against = _sample(base.runs.get(method, {}).get(net, ()), records)
            most = max((sample.n for sample in samples if sample is not None), default=0)
            body[label] = [compared(s, None if c is base else against, most) for c, s in zip(columns, samples, strict=True)]
        single = all(len(runs) == 1 for c in columns for runs in c.runs[method].values())
        spread = f"mean ± standard deviation over {_counts(columns, method)} (cells with fewer show their n)"
        based = any(_sample(base.runs.get(method, {}).get(net, ()), records) for net in self.students.values())
        gains = f"; in brackets: difference to '{base.label}', paired by seed."
        none = f". No differences: '{base.label}', to which the others are compared, is not finished."
        figure = "single figures without a known spread" if single else spread
        note = f"Test accuracy in percent after the last epoch, {figure}{gains if based else none}"
        labels = [c.label for c in columns]
        nets = {label: {"net": net} for label, net in self.students.items()}
        plain = {row: nets.get(row, {}) | cells for row, cells in figures(labels, body).items()}
        rows = tuple((row, *cells) for row, cells in body.items())
        return Table(("", *labels), rows, f"{self.title}: {method}", note, plain)

    def costs(self, records: Mapping[str, Record]) -> dict[str, Cost]:
        """The known costs of the teachers by column, for the first teacher seed. Columns with the
        same teacher: once."""
        costs: dict[str, Cost] = {}
        known: set[str] = set()
        for column in self.columns:
            first = column.teachers[0].digest if column.teachers else None
            if first is not None and first in records and first not in known:
                known.add(first)
                costs[column.label] = Cost.of(records[first])
        return costs

    def cost_table(self, records: Mapping[str, Record]) -> Table:
        """The costs of the teachers: seconds of wall-clock time and of processor time."""
        costs = self.costs(records)
        note = (
            "Seconds of training (without evaluation), one teacher at a time. Processor time adds up all threads; "
            "compare it when other work shared the machine."
        )
        rows = tuple((label, *cost.cells()) for label, cost in costs.items())
        columns = ("teacher", "wall clock (s)", "processor (s)")
        plain = {label: asdict(cost) for label, cost in costs.items()}
        return Table(columns, rows, f"{self.title}: preparing a teacher", note, plain)


def _sample(runs: Sequence[Run], records: Mapping[str, Record]) -> Sample | None:
    return Sample.of(((run, records[run.digest].final()["test_top1"]) for run in runs if run.digest in records), runs)


def _counts(columns: Sequence[Column], method: str) -> str:
    """What the ± covers, such as "2 training seeds with each of 1 teacher seed"."""
    column = next((c for c in columns if c.teachers), None)
    if column is None:
        return "seeds"
    runs, teachers = next(iter(column.runs[method].values())), len(column.teachers)
    return f"{plural(len(runs) // teachers, 'training seed')} with each of {plural(teachers, 'teacher seed')}"
