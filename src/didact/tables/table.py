"""Tables over Records: who taught better.

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
from didact.runs.spread import Cell, defined, text
from didact.spec import digest, to_json
from didact.store.record import Record

UNKNOWN = Similarity(math.nan, math.nan, math.nan)
"""To a teacher that is not there."""


@dataclass(frozen=True)
class Row:
    """One way of learning, from each of the teachers.

    Attributes:
        method: its label; "ce" is the student alone.
        accuracy: by teacher's digest ("" without teacher), top-1 in percent over seeds.
        kl, cka: by teacher's digest, similarity to that teacher over seeds.
    """

    method: str
    accuracy: dict[str, Cell] = field(default_factory=dict)
    kl: dict[str, Cell] = field(default_factory=dict)
    cka: dict[str, Cell] = field(default_factory=dict)

    @property
    def cells(self) -> list[Cell]:
        """All of them."""
        return [cell for cells in (self.accuracy, self.kl, self.cka) for cell in cells.values()]

    def difference(self, teachers: Sequence[str]) -> Cell | None:
        """The paired difference in accuracy of the second of two teachers to the first; None where one of them is missing."""
        if len(teachers) != 2 or not all(key in self.accuracy for key in teachers):
            return None
        return self.accuracy[teachers[1]].minus(self.accuracy[teachers[0]])


@dataclass(frozen=True)
class Table:
    """All ways in which one student network was trained on the same data with the same recipe.

    Attributes:
        title: student, data and recipe.
        teachers: digest -> (label, top-1 in percent, NaN where its Record is not there), in the order of the columns.
        rows: one a method.
        covers: what the ± stands for.
        members: digests of the students' runs.
    """

    title: str
    teachers: dict[str, tuple[str, float]]
    rows: list[Row]
    covers: str
    members: frozenset[str] = frozenset()

    def plain(self) -> dict[str, Any]:
        """The table for programs: every figure over seeds, with its mean and standard deviation.

        With two teachers a row also has the paired difference of the second to the first.
        """
        names = {key: label for key, (label, _) in self.teachers.items()} | {"": "none"}

        def figures(cells: Mapping[str, Cell]) -> dict[str, Any]:
            return {names[k]: cell.plain() for k, cell in cells.items()}

        def row(one: Row) -> dict[str, Any]:
            gain = one.difference(list(self.teachers))
            told = {"method": one.method, "top1": figures(one.accuracy), "kl": figures(one.kl), "cka": figures(one.cka)}
            return told | ({} if gain is None else {"difference": gain.plain()})

        return {
            "title": self.title,
            "teachers": dict(self.teachers.values()),
            "rows": [row(one) for one in self.rows],
            "covers": self.covers,
        }


def tables(
    finished: Iterable[tuple[Run, Record]], wanted: Collection[str], similar: Mapping[str, Similarity] | None = None
) -> list[Table]:
    """One table for each student network, data and recipe among the runs whose digests are ``wanted``.

    ``finished`` also holds the runs that taught them, as far as they are there; ``similar`` gives KL and CKA by the student run's
    digest, as far as they are known. A group of nothing but teachers makes no table where there are others: standard teachers are
    trained like students without one.
    """
    by_digest = {run.digest: (run, record) for run, record in finished}
    taught = {run.teacher.digest for run, _ in by_digest.values() if run.teacher is not None}
    groups: dict[str, list[tuple[Run, Record]]] = {}
    for key, (run, record) in by_digest.items():
        if key in wanted:
            groups.setdefault(_group(run), []).append((run, record))
    known: dict[str, Similarity] = {}
    if similar is not None:
        known = {key: similar.get(key, UNKNOWN) for key, (run, _) in by_digest.items() if run.teacher is not None}
    students = [members for members in groups.values() if any(run.digest not in taught for run, _ in members)]
    return [_table(members, by_digest, known) for members in students or groups.values()]


def _group(run: Run) -> str:
    return digest([run.net, to_json(run.data), to_json(run.recipe), run.data_seed])


def _table(
    members: Sequence[tuple[Run, Record]], finished: Mapping[str, tuple[Run, Record]], similar: Mapping[str, Similarity]
) -> Table:
    first = members[0][0]
    teachers = {run.teacher.digest: run.teacher for run, _ in members if run.teacher}
    taught = dict(
        sorted(teachers.items(), key=lambda item: teacher_summary(item[1]) != "standard")
    )  # what others are compared with
    nets = {teacher.net for teacher in taught.values()}
    figures: dict[tuple[str, str], list[tuple[int, float, Similarity | None]]] = {}
    for run, record in members:
        key = (row_label(run), run.teacher.digest if run.teacher else "")
        figures.setdefault(key, []).append((run.seed, record.final()["test_top1"], similar.get(run.digest)))
    rows: dict[str, Row] = {}
    for (method, teacher), values in figures.items():
        row = rows.setdefault(method, Row(method))
        row.accuracy[teacher] = Cell(tuple(v for _, v, _ in values), tuple(seed for seed, _, _ in values))
        measured = [(seed, s) for seed, _, s in values if s is not None]
        if measured:
            seeds = tuple(seed for seed, _ in measured)
            row.kl[teacher] = Cell(tuple(s.kl for _, s in measured), seeds)
            row.cka[teacher] = Cell(tuple(s.cka for _, s in measured), seeds)
    by = f" taught by {nets.pop()}" if len(nets) == 1 else ""
    names = _names(
        {key: teacher_summary(teacher, first.net) if by else teacher_label(teacher) for key, teacher in taught.items()}
    )
    return Table(
        title=f"{first.net}{by} on {first.data.label} ({recipe_label(first)})",
        teachers={
            key: (names[key], finished[key][1].final()["test_top1"] if key in finished else math.nan) for key in taught
        },
        rows=sorted(rows.values(), key=lambda row: "" not in row.accuracy),
        covers=covers(
            [run for run, _ in members],
            [cell for row in rows.values() for cell in row.cells],
            two=len(taught) == 2,
            similar=any(row.kl for row in rows.values()),
        ),
        members=frozenset(run.digest for run, _ in members),
    )


def _names(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels by digest; those of teachers that differ in what a label leaves out, such as the recipe, with their digests."""
    said = list(labels.values())
    return {key: label if said.count(label) == 1 else f"{label} {key[:6]}" for key, label in labels.items()}


def covers(runs: Sequence[Run], shown: Sequence[Cell], *, two: bool, similar: bool) -> str:
    """What the figures of a table stand for.

    Args:
        shown: its cells.
        two: whether there are two teachers, and so a difference.
        similar: whether there are figures of KL and CKA.
    """
    seeds = sorted({run.seed for run in runs})
    alike = "KL(teacher || student) in nats and CKA of the pooled vectors, on the test set: alike means low KL, high CKA."
    alike = f" {alike}" if similar else ""
    counts = {cell.n for cell in shown if cell.n}
    if any(not defined(value) for cell in shown for value in cell.values):
        alike += " '-' is not defined, such as the CKA of a network that shows the same for every image, or not known."
    if len(seeds) == 1:
        return f"A single training seed ({seeds[0]}): no spread is known.{alike}"
    taught = " and the teacher" if any(run.teacher for run in runs) else ""
    n = f"n = {min(counts)}" if len(counts) == 1 else "n, in brackets,"
    return (
        f"± is the sample standard deviation over {n} training seeds (initialisation and the learner's own random streams); "
        f"order and augmentation of the batches (data seed {runs[0].data_seed}){taught} are the same for all."
        + (" The difference is over the seeds that both teachers have." if two else "")
        + alike
    )


def markdown(table: Table) -> str:
    """The table in Markdown: a column for each teacher, their difference where there are two, KL and CKA."""
    head, body = cells(table)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    return f"**{table.title}**\n\n" + "\n".join(lines) + f"\n\n{table.covers}\n"


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Heading and rows as text, for any renderer. With two teachers a column gives the second minus the first."""
    keys = list(table.teachers)
    names = [table.teachers[k][0] for k in keys]
    two = len(keys) == 2
    similar = any(row.kl for row in table.rows)
    head = ["method", *(names or ["accuracy"]), *(["difference"] if two else [])]
    if similar:
        head += [f"{what} {name}" for what in ("KL", "CKA") for name in names]
    body = []
    uneven = len({cell.n for row in table.rows for cell in row.cells if cell.n}) > 1

    def told(cell: Cell | None, digits: int = 2, *, sign: bool = False) -> str:
        return "" if cell is None else cell.text(digits, sign=sign) + (f" ({cell.n})" if uneven and cell.n else "")

    if keys:
        own = [table.teachers[k][1] for k in keys]
        body.append(["the teacher", *map(text, own), *([text(own[1] - own[0], sign=True)] if two else [])])
    for row in table.rows:
        alone = row.accuracy.get("")
        line = [row.method, *(told(row.accuracy.get(k, alone)) for k in keys or [""])]
        if two:
            line.append(told(row.difference(keys), sign=True))
        if similar:
            line += [told(figures.get(k), 3) for figures in (row.kl, row.cka) for k in keys]
        body.append(line)
    return head, [line + [""] * (len(head) - len(line)) for line in body]
