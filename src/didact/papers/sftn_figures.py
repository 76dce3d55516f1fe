"""The SFTN paper's Figures 3 and 5 as tables. They print no numbers but those of Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from didact.papers.sftn_grids import by_method
from didact.papers.sftn_request import Wanted
from didact.papers.sftn_settings import PAIRS
from didact.papers.sftn_tables import PUBLISHED
from didact.runs.run import Run
from didact.runs.spread import Sample, defined
from didact.store.store import Store
from didact.tables.grid import Grid
from didact.tables.measures import Measure, accuracy
from didact.tables.published import Figure
from didact.tables.table import Cell, Table, compared, figures

POINTS = 12
"""Epochs that the table of curves shows."""


def best_published() -> dict[str, tuple[float, float, float]]:
    """By pair: the paper's standard teacher, and its best students from standard and SFTN teachers
    (the largest of the column in Table 1 or 2)."""
    published = {}
    for number in ("1", "2"):
        rows = {
            str(row): dict(zip(PUBLISHED[number].columns[1:], cells, strict=True)) for row, *cells in PUBLISHED[number].rows
        }
        teachers = rows.pop("teacher")
        rows.pop("alone")
        for pair in PAIRS[number]:
            best = (max(float(str(cells[f"{pair} {how}"])) for cells in rows.values()) for how in ("standard", "SFTN"))
            published[pair] = (float(str(teachers[f"{pair} standard"])), *best)
    return published


@dataclass(frozen=True)
class Best:
    """Figure 3: for each pair the standard teacher and the best student from either teacher.

    Attributes:
        grids: those of Tables 1 and 2, one for each pair.
    """

    grids: tuple[Grid, ...]

    def __call__(self, store: Store) -> list[Table]:
        published, rows, plain = best_published(), [], {}
        for grid in self.grids:
            pair = grid.facts["pair"]
            teacher = _sample(grid.rows["teacher"]["standard"], store)
            methods = {row: cells for row, cells in grid.rows.items() if row not in grid.plain}
            best = [
                _best({row: cells[how] for row, cells in methods.items() if how in cells}, store) for how in grid.columns
            ]
            if teacher is None and not any(best):
                continue
            cells: list[Cell] = [compared(teacher, None)]
            for student in best:
                cells += ["", ""] if student is None else [compared(student[1], None), student[0]]
            there = [Figure(value).text() for value in published.get(pair, ())] or ["", "", ""]
            rows.append((pair, *cells, *there))
            plain |= figures(HEADS[1:6], {pair: cells})
        return [Table(HEADS, tuple(rows), "Figure 3: the best students and their standard teachers", NOTE, plain)]


HEADS = (
    *("pair", "standard teacher", "best from standard", "by", "best from SFTN", "its method"),
    *("published: teacher", "published: best from standard", "published: best from SFTN"),
)
NOTE = """\
Test accuracy in percent after the last epoch, mean ± standard deviation over seeds. The best of
several methods is taken by their test accuracy, as the paper's figure does: the largest of several
figures is too large on average, and chooses nothing for use. Published: SFTN, Tables 1 and 2
(https://arxiv.org/abs/2102.07650), rows 'Best'."""


def _best(rows: Mapping[str, Sequence[Run]], store: Store) -> tuple[str, Sample] | None:
    """The method with the highest mean, and its figures."""
    samples = {row: sample for row, runs in rows.items() if (sample := _sample(runs, store)) is not None and sample.n}
    return max(samples.items(), key=lambda item: item[1].mean or 0.0, default=None)


def _sample(runs: Sequence[Run], store: Store) -> Sample | None:
    values = accuracy(store, runs, "cpu", lambda line: None)
    return Sample.of(((run, values[run.digest]) for run in runs if run.digest in values), runs)


def curves_grid(request: Wanted, pair: tuple[str, str]) -> Grid:
    """The runs of Figure 5: one student by KD from either teacher."""
    request = replace(request, settings={**request.settings, "method": "kd"})
    rows = by_method(request, pair, {"standard": "standard", "SFTN": request.settings_of("sftn", "sftn")})
    title = f"{request.title(rows['kd']['standard'][0])}, {pair[0]} to {pair[1]}"
    facts = {"pair": "/".join(pair), "table": request.table}
    measures = (Measure("test accuracy (%)", accuracy),)
    plain = frozenset({"teacher", "alone"})
    shown = {row: rows[row] for row in ("teacher", "kd")}
    return Grid(title, shown, ("standard", "SFTN"), "standard", measures, plain, names=("method", "teacher"), facts=facts)


@dataclass(frozen=True)
class Curves:
    """Figure 5: the KL to the teacher in training, and the test accuracy, epoch by epoch.

    Attributes:
        grid: a row "kd" with columns "standard" and "SFTN".
    """

    grid: Grid

    def __call__(self, store: Store) -> list[Table]:
        series = {column: _series(runs, store) for column, runs in self.grid.rows["kd"].items()}
        epochs = sorted({epoch for one in series.values() for epoch in one})
        step = max(1, len(epochs) // POINTS)
        shown = [epoch for epoch in epochs if epoch % step == 0 or epoch == epochs[-1]]
        body: dict[str, list[Cell]] = {}
        for epoch in shown:
            cells: list[Cell] = []
            for part, digits in ((0, 3), (1, 2)):
                kinds = [series[column].get(epoch, (None, None))[part] for column in self.grid.columns]
                cells += [compared(kinds[0], None, digits=digits), compared(kinds[1], kinds[0], digits=digits)]
            body[str(epoch)] = cells
        heads = ("KL standard", "KL SFTN", "accuracy standard", "accuracy SFTN")
        rows = tuple((epoch, *cells) for epoch, cells in body.items())
        title = f"{self.grid.title}: the curves"
        return [Table(("epoch", *heads), rows, title, CURVES, figures(heads, body))] if body else []


CURVES = """\
KL: T^2 KL(teacher || student) at the temperature T of KD, the mean over the training images of an
epoch. Accuracy: on the test images, in percent. Mean ± standard deviation over seeds; in brackets:
SFTN minus standard, paired by seed. Published: SFTN, Figure 5, which prints no figures; its text
says that with SFTN the KL converges faster and the test accuracy is higher."""


def _series(runs: Sequence[Run], store: Store) -> dict[int, tuple[Sample | None, Sample | None]]:
    """KL and accuracy of each epoch, over the finished runs."""
    found: dict[int, list[tuple[Run, float | None, float | None]]] = {}
    for run in runs:
        record = store.get(run)
        for row in record.metrics() if record is not None else ():
            weighted, alpha = row.get("terms", {}).get("kd"), getattr(run.method, "alpha", None)
            kl = weighted / alpha if defined(weighted) and alpha else None
            found.setdefault(row["epoch"], []).append((run, kl, row.get("test_top1")))
    return {
        epoch: (Sample.of(((run, kl) for run, kl, _ in rows), runs), Sample.of(((run, top1) for run, _, top1 in rows), runs))
        for epoch, rows in found.items()
    }
