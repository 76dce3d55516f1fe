"""Tables of linear probes: students of one network, by data set and by the teacher that taught them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from didact.measure.probe import ProbeResult
from didact.runs.labels import recipe_label, row_label, teacher_summary
from didact.runs.run import Run
from didact.runs.spread import Sample
from didact.spec import digest, to_json
from didact.tables.table import Cell, Quantity, Table


@dataclass(frozen=True)
class Transfer:
    """All probed runs of one network that were trained on the same data with the same recipe.

    Attributes:
        title: network, its own data and recipe, and how it was probed.
        data: what it was probed on; the names of the column groups.
        teachers: digest -> label; "" for runs without a teacher, where none has one.
        rows: method -> (data, teacher's digest) -> top-1 in percent.
        covers: what the ± stands for, and how many images.
    """

    title: str
    data: tuple[str, ...]
    teachers: dict[str, str]
    rows: dict[str, dict[tuple[str, str], Sample]]
    covers: str
    members: tuple[str, ...] = field(default=())

    def table(self) -> Table:
        """A column for each data set and teacher. With two teachers a column has the second minus the first."""
        keys = list(self.teachers)
        columns = ["method"]
        for data in self.data:
            columns += [f"{data}, {self.teachers[key]}" if key else data for key in keys]
            columns += [f"{data}, difference"] if len(keys) == 2 else []
        rows = [
            (method, *(cell for data in self.data for cell in self._cells(row, data))) for method, row in self.rows.items()
        ]
        return Table(tuple(columns), tuple(rows), self.title, self.covers)

    def _cells(self, row: Mapping[tuple[str, str], Sample], data: str) -> list[Cell]:
        """A row's cells for one data set. Students without a teacher stand in the columns of all teachers."""
        keys = list(self.teachers)
        samples = [row.get((data, key), row.get((data, ""))) for key in keys]
        cells: list[Cell] = ["" if sample is None else Quantity(sample) for sample in samples]
        if len(keys) == 2:
            first, second = (row.get((data, key)) for key in keys)
            most = max((sample.n for sample in samples if sample is not None), default=0)
            cells.append("" if first is None or second is None else Quantity(second.minus(first), of=most, sign=True))
        return cells

    def plain(self) -> dict[str, Any]:
        """The table as plain JSON data."""
        rows = [
            {
                "method": method,
                "top1": [
                    {"data": data, "teacher": self.teachers.get(key)} | sample.plain() for (data, key), sample in row.items()
                ],
            }
            for method, row in self.rows.items()
        ]
        return {"title": self.title, "rows": rows, "covers": self.covers, "runs": self.members}


def transfers(results: Iterable[ProbeResult]) -> list[Transfer]:
    """One table for each network, its data and recipe, way of probing and size."""
    groups: dict[str, list[ProbeResult]] = {}
    for one in results:
        key = [one.run.net, to_json(one.run.data), to_json(one.run.recipe), one.run.data_seed, one.name, one.size]
        groups.setdefault(digest([*key, to_json(one.way)]), []).append(one)
    return [_transfer(members) for members in groups.values()]


def _transfer(members: Sequence[ProbeResult]) -> Transfer:
    first = members[0]
    runs = {one.run.digest: one.run for one in members}
    figures: dict[tuple[str, str, str], list[ProbeResult]] = {}
    for one in members:
        teacher = one.run.teacher.digest if one.run.teacher else ""
        figures.setdefault((row_label(one.run), one.data.label, teacher), []).append(one)
    rows: dict[str, dict[tuple[str, str], Sample]] = {}
    for (method, data, teacher), results in figures.items():
        rows.setdefault(method, {})[data, teacher] = _sample(results)
    return Transfer(
        title=f"{first.run.net} trained on {first.run.data.label} ({recipe_label(first.run)}), probed by {first.name} "
        f"at {first.size}x{first.size}",
        data=tuple(dict.fromkeys(one.data.label for one in members)),
        teachers=_teachers(runs.values(), first.run.net) or {"": ""},
        rows=dict(sorted(rows.items(), key=lambda row: any(teacher for _, teacher in row[1]))),  # who had no teacher first
        covers=_covers(members, max(map(len, figures.values()))),
        members=tuple(runs),
    )


def _sample(results: Sequence[ProbeResult]) -> Sample:
    """A run's figures over probe seeds; of several runs, which differ in their training seeds, each one's mean."""
    if len(results) == 1:
        values = results[0].probed.top1
        return Sample(values, tuple((results[0].run.seed, probe) for probe in range(len(values))))
    ordered = sorted(results, key=lambda one: one.run.seed)
    return Sample(tuple(statistics.fmean(one.probed.top1) for one in ordered), tuple(one.run.seed for one in ordered))


def _teachers(runs: Iterable[Run], student: str) -> dict[str, str]:
    """Labels of teachers by digest, standard ones first; those that a label does not tell apart with their digests."""
    teachers = {run.teacher.digest: run.teacher for run in runs if run.teacher is not None}
    labels = {key: teacher_summary(teacher, student) for key, teacher in teachers.items()}
    if len({teacher.net for teacher in teachers.values()}) > 1:
        labels = {key: f"{labels[key]} {teacher.net}" for key, teacher in teachers.items()}
    texts = list(labels.values())
    ordered = sorted(labels.items(), key=lambda item: not item[1].startswith("standard"))
    return {key: label if texts.count(label) == 1 else f"{label} {key[:6]}" for key, label in ordered}


def _covers(members: Sequence[ProbeResult], trained: int) -> str:
    images = {f"{one.data.label}: {one.train:,} training and {one.test:,} test images" for one in members}
    seeds = len(members[0].probed.top1)
    if trained > 1:
        spread = f"± is the sample standard deviation over the training seeds of the students, at most {trained}."
        spread += f" Each is the mean of {seeds} probe seeds." if seeds > 1 else ""
    elif seeds > 1:
        spread = f"± is the sample standard deviation over {seeds} probe seeds (initialisation, order); one training seed."
    else:
        spread = "A single training seed: no spread is known."
    return f"Test accuracy in percent of a linear classifier on frozen vectors. {'; '.join(sorted(images))}. {spread}"
