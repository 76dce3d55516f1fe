"""Students of one network by method and teacher, from their Records.

Every accuracy is the test accuracy of the last epoch, in percent. Figures over seeds come with n,
mean and standard deviation (see :mod:`didact.runs.spread`).

A column is a teacher, of one seed or of several. Over several seeds a figure is of a student's seed
and a teacher's; intervals are over the means of teachers (:attr:`didact.runs.spread.Sample.by_teacher`).

The students of every teacher but the first are compared with those of the standard one like it in
all else, otherwise with those of the first (:func:`didact.runs.labels.baselines`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from didact.measure.similarity import Similarity
from didact.nets import title
from didact.runs.labels import (
    baselines,
    in_columns,
    of_seed_0,
    recipe_label,
    row_labels,
    teacher_label,
    teacher_summary,
)
from didact.runs.run import Run
from didact.runs.spread import Sample, Seed, difference
from didact.spec import digest, to_json
from didact.store.record import Record
from didact.tables.covers import covers
from didact.tables.published import Entry, intervals
from didact.tables.table import Cell, Quantity, Table

UNKNOWN = Similarity(math.nan, math.nan, math.nan)
"""The similarity with a teacher that has no Record."""


@dataclass(frozen=True)
class Teacher:
    """A column.

    Attributes:
        label: what the teacher is called; without a seed where it has several.
        accuracy: its top-1 in percent over its seeds, undefined without a Record.
        run: its run; of several seeds one that stands for all, of seed 0.
        seeds: its seeds.
    """

    label: str
    accuracy: Sample
    run: Run
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class MethodRow:
    """The students of one method, with each of the teachers.

    Attributes:
        method: label of the method; "ce" is a student without teacher.
        accuracy: top-1 in percent over seeds, by the column's key ("" without teacher).
        kl, cka: similarity with the teacher over seeds, by the column's key.
    """

    method: str
    accuracy: dict[str, Sample] = field(default_factory=dict)
    kl: dict[str, Sample] = field(default_factory=dict)
    cka: dict[str, Sample] = field(default_factory=dict)

    @property
    def samples(self) -> list[Sample]:
        """All samples of the row."""
        return [sample for samples in (self.accuracy, self.kl, self.cka) for sample in samples.values()]

    def differences(self, bases: Mapping[str, str]) -> dict[str, Sample]:
        """By teacher: the accuracy with it minus that with its base, paired by seed. Without those of
        which either is missing."""
        known = self.accuracy
        return {key: known[key].minus(known[base]) for key, base in bases.items() if key in known and base in known}


@dataclass(frozen=True)
class TeacherComparison:
    """All runs of one student network on the same data with the same recipe.

    Attributes:
        title: student, data and recipe.
        teachers: by key, in the order of the columns.
        rows: one for each method.
        covers: what the ± means.
        bases: by key of a teacher, the one that it is compared with.
        members: digests of the students' runs.
    """

    title: str
    teachers: dict[str, Teacher]
    rows: list[MethodRow]
    covers: str
    bases: dict[str, str] = field(default_factory=dict)
    members: frozenset[str] = frozenset()

    def plain(self) -> dict[str, Any]:
        """The comparison as plain JSON data: every figure over seeds, with its mean and standard
        deviation; "differences" are those to the teachers' "baselines".
        """
        names = {key: teacher.label for key, teacher in self.teachers.items()} | {"": "none"}

        def figures(samples: Mapping[str, Sample]) -> dict[str, Any]:
            return {names[key]: sample.plain() for key, sample in samples.items()}

        def plain_row(row: MethodRow) -> dict[str, Any]:
            plain = {"method": row.method, "top1": figures(row.accuracy), "kl": figures(row.kl), "cka": figures(row.cka)}
            gains = row.differences(self.bases)
            return plain | {"differences": {names[key]: difference(gain) for key, gain in gains.items()}}

        return {
            "title": self.title,
            "teachers": {teacher.label: teacher.accuracy.mean for teacher in self.teachers.values()},
            "baselines": {names[key]: names[base] for key, base in self.bases.items()},
            "rows": [plain_row(row) for row in self.rows],
            "covers": self.covers,
        }

    def tables(self) -> list[Table]:
        """:meth:`table`, and where a difference is over several seeds a table of the differences with
        their 95 % intervals."""
        names = {key: teacher.label for key, teacher in self.teachers.items()}
        entries = [
            Entry((row.method, names[key]), row.accuracy[key], (row.method, names[base]), row.accuracy[base])
            for row in self.rows
            for key, base in self.bases.items()
            if key in row.accuracy and base in row.accuracy
        ]
        there = intervals(self.title, entries, names=("method", "teacher"))
        return [self.table()] if there is None else [self.table(), there]

    def table(self) -> Table:
        """A column for each teacher, one for the difference of each but the first to its base, then
        KL and CKA if known."""
        names = [teacher.label for teacher in self.teachers.values()]
        similar = any(row.kl for row in self.rows)
        columns = ["method", *(names or ["accuracy"]), *(f"difference {name}" for name in names[1:])]
        columns += [f"{figure} {name}" for figure in ("KL", "CKA") if similar for name in names]
        rows = [self._row(row, similar) for row in self.rows]
        if names:
            rows.insert(0, self._teachers())
        padded = [tuple(row + [""] * (len(columns) - len(row))) for row in rows]
        return Table(tuple(columns), tuple(padded), self.title, self.covers)

    def _teachers(self) -> list[Cell]:
        accuracies = {key: teacher.accuracy for key, teacher in self.teachers.items()}
        most = max(accuracy.n for accuracy in accuracies.values())
        gains = [accuracies[key].minus(accuracies[base]) for key, base in self.bases.items()]
        cells = [Quantity(accuracy, of=most) for accuracy in accuracies.values()]
        return ["the teacher", *cells, *(Quantity(gain, of=most, sign=True) for gain in gains)]

    def _row(self, row: MethodRow, similar: bool) -> list[Cell]:
        keys = list(self.teachers)
        most = max((sample.n for other in self.rows for sample in other.samples), default=0)

        def cell(sample: Sample | None, digits: int = 2, *, sign: bool = False) -> Cell:
            return "" if sample is None else Quantity(sample, digits=digits, of=most, sign=sign)

        alone = row.accuracy.get("")
        cells = [row.method, *(cell(row.accuracy.get(key, alone)) for key in keys or [""])]
        gains = row.differences(self.bases)
        cells += [cell(gains.get(key), sign=True) for key in keys[1:]]
        if similar:
            cells += [cell(samples.get(key), 3) for samples in (row.kl, row.cka) for key in keys]
        return cells


def comparisons(
    finished: Iterable[tuple[Run, Record]], students: Collection[str], similar: Mapping[str, Similarity] | None = None
) -> list[TeacherComparison]:
    """One comparison for each student network, data and recipe.

    Groups that hold only teachers are left out if there are other groups (a standard teacher is
    trained like a student without teacher).

    Args:
        finished: the students' runs and their teachers' runs, with their Records, if finished.
        students: digests of the students' runs.
        similar: KL and CKA by the student run's digest, if known.
    """
    by_digest = {run.digest: (run, record) for run, record in finished}
    taught = {run.teacher.digest for run, _ in by_digest.values() if run.teacher is not None}
    groups: dict[str, list[tuple[Run, Record]]] = {}
    for key, (run, record) in by_digest.items():
        if key in students:
            groups.setdefault(_group(run), []).append((run, record))
    known: dict[str, Similarity] = {}
    if similar is not None:
        known = {key: similar.get(key, UNKNOWN) for key, (run, _) in by_digest.items() if run.teacher is not None}
    with_students = [members for members in groups.values() if any(run.digest not in taught for run, _ in members)]
    return [_comparison(members, by_digest, known) for members in with_students or groups.values()]


def _group(run: Run) -> str:
    return digest([run.net, to_json(run.data), to_json(run.recipe), run.data_seed])


def _comparison(
    members: Sequence[tuple[Run, Record]], finished: Mapping[str, tuple[Run, Record]], similar: Mapping[str, Similarity]
) -> TeacherComparison:
    first = members[0][0]
    groups = _of_all_seeds({run.teacher.digest: run.teacher for run, _ in members if run.teacher})
    several = any(len(group) > 1 for group in groups.values())
    nets = {teacher.net for group in groups.values() for teacher in group}
    by = f" taught by {title(nets.pop())}" if len(nets) == 1 else ""
    called = {key: _called(group) for key, group in groups.items()}
    names = _names({key: (teacher_summary if by else teacher_label)(one, first) for key, one in called.items()})
    bases = baselines({key: of_seed_0(group[0]) for key, group in groups.items()})
    rows = _rows(members, similar, several=several)
    teachers = {
        key: Teacher(names[key], _own(group, finished), called[key], tuple(one.seed for one in group))
        for key, group in groups.items()
    }
    return TeacherComparison(
        title=f"{title(first.net)}{by} on {first.data.label} ({recipe_label(first)})",
        teachers=teachers,
        rows=rows,
        covers=covers(
            [run for run, _ in members],
            [sample for row in rows for sample in row.samples],
            gains=[gain for row in rows for gain in row.differences(bases).values()],
            teachers={one.label: one.accuracy for one in teachers.values()},
            bases={names[key]: names[base] for key, base in bases.items()},
            similar=any(row.kl for row in rows),
        ),
        bases=bases,
        members=frozenset(run.digest for run, _ in members),
    )


def _of_all_seeds(teachers: Mapping[str, Run]) -> dict[str, tuple[Run, ...]]:
    """The columns: by the digest of a teacher of seed 0 all that differ from it in their seed alone,
    by seed; standard ones first.
    """
    groups: dict[str, list[Run]] = {}
    for one in in_columns(teachers).values():
        groups.setdefault(column(one), []).append(one)
    return {key: tuple(group) for key, group in groups.items()}


def _called(group: Sequence[Run]) -> Run:
    """The teacher after which a column is called."""
    return group[0] if len(group) == 1 else of_seed_0(group[0])


def column(teacher: Run) -> str:
    """The key of the teacher's column."""
    return of_seed_0(teacher).digest


def _rows(members: Sequence[tuple[Run, Record]], similar: Mapping[str, Similarity], *, several: bool) -> list[MethodRow]:
    """A row for each method, students without a teacher first.

    Args:
        several: figures of a column are told apart by the teacher's seed, too.
    """
    figures: dict[tuple[str, str], list[tuple[Seed, float, Similarity | None]]] = {}
    labels = row_labels(run for run, _ in members)
    for run, record in members:
        key = (labels[run.digest], column(run.teacher) if run.teacher else "")
        seed = (run.seed, run.teacher.seed) if several and run.teacher else run.seed
        figures.setdefault(key, []).append((seed, record.final()["test_top1"], similar.get(run.digest)))
    rows: dict[str, MethodRow] = {}
    for (method, teacher), values in figures.items():
        row = rows.setdefault(method, MethodRow(method))
        row.accuracy[teacher] = Sample(tuple(v for _, v, _ in values), tuple(seed for seed, _, _ in values))
        measured = [(seed, s) for seed, _, s in values if s is not None]
        if measured:
            seeds = tuple(seed for seed, _ in measured)
            row.kl[teacher] = Sample(tuple(s.kl for _, s in measured), seeds)
            row.cka[teacher] = Sample(tuple(s.cka for _, s in measured), seeds)
    return sorted(rows.values(), key=lambda row: "" not in row.accuracy)


def _own(group: Sequence[Run], finished: Mapping[str, tuple[Run, Record]]) -> Sample:
    """The accuracy of a teacher over its seeds."""
    records = [finished[one.digest][1] if one.digest in finished else None for one in group]
    return Sample(
        tuple(record.final()["test_top1"] if record else math.nan for record in records), tuple(one.seed for one in group)
    )


def _names(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels by digest. Equal labels (teachers that differ e.g. in the recipe) get the start of the
    digest."""
    texts = list(labels.values())
    return {key: label if texts.count(label) == 1 else f"{label} {key[:6]}" for key, label in labels.items()}
