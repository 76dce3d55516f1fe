"""Who taught better: the students of one network by method and teacher, from their Records.

Every accuracy is the last epoch's on the test set, in percent; figures over seeds come with n, mean and standard deviation,
as :mod:`didact.runs.spread` has them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from didact.measure.similarity import Similarity
from didact.runs.labels import recipe_label, row_label, teacher_label, teacher_summary
from didact.runs.run import Run
from didact.runs.spread import Sample, defined, difference
from didact.spec import digest, to_json
from didact.store.record import Record
from didact.tables.table import Cell, Quantity, Table

UNKNOWN = Similarity(math.nan, math.nan, math.nan)
"""To a teacher that is not there."""


@dataclass(frozen=True)
class Teacher:
    """A column: the teacher's label, and its own top-1 in percent, not defined where its Record is not there."""

    label: str
    accuracy: Sample


@dataclass(frozen=True)
class MethodRow:
    """One way of learning, from each of the teachers.

    Attributes:
        method: its label; "ce" is the student alone.
        accuracy: by teacher's digest ("" without teacher), top-1 in percent over seeds.
        kl, cka: by teacher's digest, similarity to that teacher over seeds.
    """

    method: str
    accuracy: dict[str, Sample] = field(default_factory=dict)
    kl: dict[str, Sample] = field(default_factory=dict)
    cka: dict[str, Sample] = field(default_factory=dict)

    @property
    def samples(self) -> list[Sample]:
        """All of them."""
        return [sample for samples in (self.accuracy, self.kl, self.cka) for sample in samples.values()]

    def difference(self, teachers: Sequence[str]) -> Sample | None:
        """The paired difference in accuracy of the second of two teachers to the first; None where one of them is missing."""
        if len(teachers) != 2 or not all(key in self.accuracy for key in teachers):
            return None
        return self.accuracy[teachers[1]].minus(self.accuracy[teachers[0]])


@dataclass(frozen=True)
class TeacherComparison:
    """All ways in which one student network was trained on the same data with the same recipe.

    Attributes:
        title: student, data and recipe.
        teachers: by digest, in the order of the columns.
        rows: one a method.
        covers: what the ± stands for.
        members: digests of the students' runs.
    """

    title: str
    teachers: dict[str, Teacher]
    rows: list[MethodRow]
    covers: str
    members: frozenset[str] = frozenset()

    def plain(self) -> dict[str, Any]:
        """The comparison for programs: every figure over seeds, with its mean and standard deviation.

        With two teachers a row also has the paired difference of the second to the first.
        """
        names = {key: teacher.label for key, teacher in self.teachers.items()} | {"": "none"}

        def figures(samples: Mapping[str, Sample]) -> dict[str, Any]:
            return {names[key]: sample.plain() for key, sample in samples.items()}

        def plain_row(row: MethodRow) -> dict[str, Any]:
            gain = row.difference(list(self.teachers))
            plain = {"method": row.method, "top1": figures(row.accuracy), "kl": figures(row.kl), "cka": figures(row.cka)}
            return plain | ({} if gain is None else {"difference": difference(gain)})

        return {
            "title": self.title,
            "teachers": {teacher.label: teacher.accuracy.mean for teacher in self.teachers.values()},
            "rows": [plain_row(row) for row in self.rows],
            "covers": self.covers,
        }

    def table(self) -> Table:
        """A column for each teacher, KL and CKA where they are known. With two teachers a column has the difference."""
        names = [teacher.label for teacher in self.teachers.values()]
        similar = any(row.kl for row in self.rows)
        columns = ["method", *(names or ["accuracy"]), *(["difference"] if len(names) == 2 else [])]
        columns += [f"{what} {name}" for what in ("KL", "CKA") if similar for name in names]
        rows = [self._row(row, similar) for row in self.rows]
        if names:
            rows.insert(0, self._teachers())
        padded = [tuple(row + [""] * (len(columns) - len(row))) for row in rows]
        return Table(tuple(columns), tuple(padded), self.title, self.covers)

    def _teachers(self) -> list[Cell]:
        own = [teacher.accuracy for teacher in self.teachers.values()]
        gain: list[Cell] = [Quantity(own[1].minus(own[0]), sign=True)] if len(own) == 2 else []
        return ["the teacher", *map(Quantity, own), *gain]

    def _row(self, row: MethodRow, similar: bool) -> list[Cell]:
        keys = list(self.teachers)
        most = max((sample.n for each in self.rows for sample in each.samples), default=0)

        def cell(sample: Sample | None, digits: int = 2, *, sign: bool = False) -> Cell:
            return "" if sample is None else Quantity(sample, digits=digits, of=most, sign=sign)

        alone = row.accuracy.get("")
        cells = [row.method, *(cell(row.accuracy.get(key, alone)) for key in keys or [""])]
        if len(keys) == 2:
            cells.append(cell(row.difference(keys), sign=True))
        if similar:
            cells += [cell(samples.get(key), 3) for samples in (row.kl, row.cka) for key in keys]
        return cells


def comparisons(
    finished: Iterable[tuple[Run, Record]], students: Collection[str], similar: Mapping[str, Similarity] | None = None
) -> list[TeacherComparison]:
    """One comparison for each student network, data and recipe among the runs with the digests ``students``.

    A group of nothing but teachers makes no comparison where there are others: standard teachers are trained like students
    without a teacher.

    Args:
        finished: these runs and the runs that taught them, as far as they are there.
        similar: KL and CKA by the student run's digest, as far as they are known.
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
    teachers = {run.teacher.digest: run.teacher for run, _ in members if run.teacher}
    taught = dict(
        sorted(teachers.items(), key=lambda item: teacher_summary(item[1]) != "standard")
    )  # what others are compared with
    nets = {teacher.net for teacher in taught.values()}
    rows = _rows(members, similar)
    by = f" taught by {nets.pop()}" if len(nets) == 1 else ""
    names = _names(
        {key: teacher_summary(teacher, first.net) if by else teacher_label(teacher) for key, teacher in taught.items()}
    )
    return TeacherComparison(
        title=f"{first.net}{by} on {first.data.label} ({recipe_label(first)})",
        teachers={key: Teacher(names[key], _own(teacher, finished)) for key, teacher in taught.items()},
        rows=rows,
        covers=covers(
            [run for run, _ in members],
            [sample for row in rows for sample in row.samples],
            two=len(taught) == 2,
            similar=any(row.kl for row in rows),
        ),
        members=frozenset(run.digest for run, _ in members),
    )


def _rows(members: Sequence[tuple[Run, Record]], similar: Mapping[str, Similarity]) -> list[MethodRow]:
    """A row for each method, students without a teacher first."""
    figures: dict[tuple[str, str], list[tuple[int, float, Similarity | None]]] = {}
    for run, record in members:
        key = (row_label(run), run.teacher.digest if run.teacher else "")
        figures.setdefault(key, []).append((run.seed, record.final()["test_top1"], similar.get(run.digest)))
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


def _own(teacher: Run, finished: Mapping[str, tuple[Run, Record]]) -> Sample:
    record = finished[teacher.digest][1] if teacher.digest in finished else None
    return Sample((record.final()["test_top1"] if record else math.nan,), (teacher.seed,))


def _names(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels by digest; those of teachers that differ in what a label leaves out, such as the recipe, with their digests."""
    texts = list(labels.values())
    return {key: label if texts.count(label) == 1 else f"{label} {key[:6]}" for key, label in labels.items()}


def covers(runs: Sequence[Run], samples: Sequence[Sample], *, two: bool, similar: bool) -> str:
    """What the figures of a table stand for.

    Args:
        samples: its figures.
        two: whether there are two teachers, and so a difference.
        similar: whether there are figures of KL and CKA.
    """
    seeds = sorted({run.seed for run in runs})
    alike = "KL(teacher || student) in nats and CKA of the pooled vectors, on the test set: alike means low KL, high CKA."
    alike = f" {alike}" if similar else ""
    counts = {sample.n for sample in samples if sample.n}
    if any(not defined(value) for sample in samples for value in sample.values):
        alike += " '-' is not defined, such as the CKA of a network that shows the same for every image, or not known."
    if len(seeds) == 1:
        return f"A single training seed ({seeds[0]}): no spread is known.{alike}"
    taught = " and the teacher" if any(run.teacher for run in runs) else ""
    fewer = "; where a figure is over fewer, n says how many" if len(counts) > 1 else ""
    return (
        f"± is the sample standard deviation over n = {max(counts, default=0)} training seeds (initialisation and the learner's "
        f"own random streams){fewer}; order and augmentation of the batches (data seed {runs[0].data_seed}){taught} are the same "
        "for all." + (" The difference is over the seeds that both teachers have." if two else "") + alike
    )
