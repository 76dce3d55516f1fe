"""The runs of a report, one in each row, and the comparisons of their teachers and methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from didact.measure.similarity import Similarity
from didact.runs.labels import recipe_label, row_label, teacher_label
from didact.tables.comparison import TeacherComparison
from didact.tables.page.parts import Part, Section, key_of
from didact.tables.page.picture import Axis, Dot, Dots, Picture
from didact.tables.page.trained import Trained, net_title, number
from didact.tables.table import Cell, Quantity, Table


def results(compared: Sequence[TeacherComparison]) -> Section:
    """The tables and a picture for each comparison."""
    parts: list[Part] = []
    for at, one in enumerate(compared):
        parts += one.tables()
        picture = _picture(one, at)
        parts += [picture] if picture is not None else []
    text = "Test accuracy of the last epoch in percent; the test set chooses nothing."
    return Section("results", "Results", tuple(parts), text)


def _picture(one: TeacherComparison, at: int) -> Picture | None:
    """Mean accuracy of each method by teacher. None if nothing is compared."""
    names = tuple(row.method for row in one.rows)
    labels = {key: f"from {teacher.label}" for key, teacher in one.teachers.items()} | {"": "without teacher"}
    dots = [
        Dot(f"{row.method} {labels[key]}", labels[key], sample.mean, row.method, sample.std)
        for key in labels
        for row in one.rows
        if (sample := row.accuracy.get(key)) is not None and sample.mean is not None
    ]
    if len(dots) < 2:
        return None
    panel = Dots("accuracy by method", Axis("test accuracy (%)"), Axis("method", names=names), tuple(dots))
    note = "Bars: the standard deviation over seeds."
    return Picture(key_of("results", str(at + 1)), f"{one.title}: means", (panel,), note)


def runs(trained: Sequence[Trained], similar: Mapping[str, Similarity]) -> Section:
    """A table with a row for each run."""
    known = any(one.digest in similar for one in trained)
    columns = ["run", "digest", "network", "trained by", "teacher", "data", "recipe", "seed", "test accuracy (%)"]
    columns += ["KL to teacher (nats)", "CKA with teacher", "same answers (%)"] if known else []
    columns += ["training (s)"]
    rows = tuple(_row(one, similar.get(one.digest), known) for one in trained)
    note = "Similarity with the teacher is measured on the test set: KL(teacher || student), CKA of the pooled vectors."
    return Section("runs", "Runs", (Table(tuple(columns), rows, "All runs", note if known else ""),) if rows else ())


def _row(one: Trained, similar: Similarity | None, known: bool) -> tuple[Cell, ...]:
    run = one.run
    teacher = teacher_label(run.teacher, run) if run.teacher is not None else ""
    cells: list[Cell] = [run.label + one.progress, run.digest, net_title(run), row_label(run), teacher]
    cells += [run.data.label, recipe_label(run), run.seed, "" if one.top1 is None else Quantity.single(one.top1)]
    if known:
        figures = [(similar.kl, 3), (similar.cka, 3), (similar.agreement, 2)] if similar is not None else []
        cells += [Quantity.single(value, digits) for value, digits in figures] or ["", "", ""]
    seconds = [number(row, "seconds") for row in one.rows]
    whole = sum(value for value in seconds if value is not None) if seconds and None not in seconds else None
    return (*cells, "" if whole is None else Quantity.single(whole, 0))
