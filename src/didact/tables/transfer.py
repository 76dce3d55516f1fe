"""Tables of linear probes: students of one network, by data set and by teacher. Differences are to
the standard teacher like it in all else, otherwise to the first (:func:`didact.runs.labels.baselines`)."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from didact.measure.probe import ProbeResult
from didact.nets import title
from didact.runs.labels import baselines, in_columns, recipe_label, row_labels, teacher_label, teacher_summary
from didact.runs.run import Run
from didact.runs.spread import Sample, difference
from didact.spec import digest, to_json
from didact.tables.table import Cell, Quantity, Table


@dataclass(frozen=True)
class Transfer:
    """All probed runs of one network that were trained on the same data with the same recipe.

    Attributes:
        title: network, the data and recipe of its training, and the probe.
        data: the data sets of the probes; the names of the column groups.
        teachers: label by digest; {"": ""} if no run has a teacher.
        rows: method -> (data, teacher's digest) -> top-1 in percent.
        covers: what the ± means, and the numbers of images.
        bases: by digest of a teacher, the one that it is compared with.
        members: digests of the runs.
    """

    title: str
    data: tuple[str, ...]
    teachers: dict[str, str]
    rows: dict[str, dict[tuple[str, str], Sample]]
    covers: str
    bases: dict[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = field(default=())

    def table(self) -> Table:
        """For each data set a column for each teacher, and one for the difference of each but the
        first to its base."""
        keys = list(self.teachers)
        columns = ["method"]
        for data in self.data:
            columns += [f"{data}, {self.teachers[key]}" if key else data for key in keys]
            columns += [f"{data}, difference {self.teachers[key]}" for key in keys[1:]]
        rows = [
            (method, *(cell for data in self.data for cell in self._cells(row, data))) for method, row in self.rows.items()
        ]
        return Table(tuple(columns), tuple(rows), self.title, self.covers)

    def _cells(self, row: Mapping[tuple[str, str], Sample], data: str) -> list[Cell]:
        """A row's cells for one data set. Students without a teacher fill the columns of all
        teachers."""
        keys = list(self.teachers)
        samples = [row.get((data, key), row.get((data, ""))) for key in keys]
        most = max(sample.n for cells in self.rows.values() for sample in cells.values())
        cells: list[Cell] = ["" if sample is None else Quantity(sample, of=most) for sample in samples]
        gains = self._differences(row, data)
        return cells + [Quantity(gains[key], of=most, sign=True) if key in gains else "" for key in keys[1:]]

    def _differences(self, row: Mapping[tuple[str, str], Sample], data: str) -> dict[str, Sample]:
        """By teacher, where there are students of both: those on one data set, paired by seed."""
        both = {key: (row.get((data, key)), row.get((data, base))) for key, base in self.bases.items()}
        return {key: own.minus(base) for key, (own, base) in both.items() if own is not None and base is not None}

    def plain(self) -> dict[str, Any]:
        """The table as plain JSON data."""
        rows = [
            {
                "method": method,
                "top1": [
                    {"data": data, "teacher": self.teachers.get(key)} | sample.plain() for (data, key), sample in row.items()
                ],
                "differences": [
                    {"data": data, "teacher": self.teachers[key]} | difference(gain)
                    for data in self.data
                    for key, gain in self._differences(row, data).items()
                ],
            }
            for method, row in self.rows.items()
        ]
        return {"title": self.title, "rows": rows, "covers": self.covers, "runs": self.members}


def transfers(results: Iterable[ProbeResult]) -> list[Transfer]:
    """One table for each combination of network, data, recipe, probe and image size."""
    groups: dict[str, list[ProbeResult]] = {}
    for result in results:
        run = result.run
        key = [run.net, to_json(run.data), to_json(run.recipe), run.data_seed, result.name, result.size]
        groups.setdefault(digest([*key, to_json(result.method)]), []).append(result)
    return [_transfer(members) for members in groups.values()]


def _transfer(members: Sequence[ProbeResult]) -> Transfer:
    first = members[0]
    runs = {result.run.digest: result.run for result in members}
    figures: dict[tuple[str, str, str], list[ProbeResult]] = {}
    labels = row_labels(runs.values())
    for result in members:
        teacher = result.run.teacher.digest if result.run.teacher else ""
        figures.setdefault((labels[result.run.digest], result.images, teacher), []).append(result)
    trained = max(map(len, figures.values()))
    rows: dict[str, dict[tuple[str, str], Sample]] = {}
    for (method, data, teacher), results in figures.items():
        rows.setdefault(method, {})[data, teacher] = _sample(results, trained)
    teachers = in_columns({run.teacher.digest: run.teacher for run in runs.values() if run.teacher is not None})
    return Transfer(
        title=f"{title(first.run.net)} trained on {first.run.data.label} ({recipe_label(first.run)}), probed by {first.name} "
        f"at {first.size}x{first.size}",
        data=tuple(dict.fromkeys(result.images for result in members)),
        teachers=_labels(teachers, first.run) or {"": ""},
        rows=dict(sorted(rows.items(), key=lambda row: any(teacher for _, teacher in row[1]))),  # without teacher first
        covers=_covers(members, trained),
        bases=baselines(teachers),
        members=tuple(runs),
    )


def _sample(results: Sequence[ProbeResult], trained: int) -> Sample:
    """Where a table has several training seeds, the mean of each run over probe seeds; otherwise the
    one run's figures over probe seeds.

    Args:
        trained: the most training seeds of a cell.
    """
    if trained == 1:
        values = results[0].probed.top1
        return Sample(values, tuple((probe, results[0].run.seed) for probe in range(len(values))))
    ordered = sorted(results, key=lambda result: result.run.seed)
    means = tuple(statistics.fmean(result.probed.top1) for result in ordered)
    return Sample(means, tuple(result.run.seed for result in ordered))


def _labels(teachers: Mapping[str, Run], student: Run) -> dict[str, str]:
    """Labels of teachers by digest. Equal labels get the start of the digest."""
    named = teacher_label if len({teacher.net for teacher in teachers.values()}) > 1 else teacher_summary
    labels = {key: named(teacher, student) for key, teacher in teachers.items()}
    texts = list(labels.values())
    return {key: label if texts.count(label) == 1 else f"{label} {key[:6]}" for key, label in labels.items()}


def _covers(members: Sequence[ProbeResult], trained: int) -> str:
    images = {f"{m.images}: {m.train:,} training and {m.test:,} test images" for m in members}
    seeds = len(members[0].probed.top1)
    if trained > 1:
        spread = f"± is the sample standard deviation over the training seeds of the students, at most {trained}; "
        spread += "figures over fewer show their n."
        spread += f" Each is the mean of {seeds} probe seeds." if seeds > 1 else ""
    elif seeds > 1:
        spread = f"± is the sample standard deviation over {seeds} probe seeds (initialisation, order); one training seed."
    else:
        spread = "A single training seed, so the spread is unknown."
    return f"Test accuracy in percent of a linear classifier on frozen vectors. {'; '.join(sorted(images))}. {spread}"
